"""Where a bundle is: in the registry, in another one, or in an OCI layout on this machine.

::

    team/shop@sha256:…                  an application of the registry (RECIPEBOX_URL)
    team/shop:production                what its channel points to
    registry.example.org/mirror/shop:1  another registry, which need not be Recipebox's
    http://127.0.0.1:5000/mirror/shop@sha256:…
    ./layout@sha256:…   oci:layout      a folder in OCI layout (image-spec 1.1, image-layout.md)
    ./shop.tar          /mnt/shop.tar   the same in one file

As docker has it, a first segment with `.` or `:`, or `localhost`, is a host. A path begins with
`.`, `/`, `~` or `oci:`, or ends with `.tar`. Without a scheme it is https, and plain http for this
machine.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from artifacts.digest import Digest
from artifacts.reference import RepositoryName, Tag, parse_reference
from recipebox.config import check_url, is_loopback
from recipebox.errors import Misuse

_FORMS = "team/app@sha256:…, team/app:CHANNEL, HOST/name@sha256:…, or the path of an OCI layout"
_SCHEME = re.compile(r"(https?)://(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class RegistryReference:
    """A repository of the registry at `url` (None: the one of the settings), and what of it."""

    url: str | None
    repository: RepositoryName
    reference: Tag | Digest | None

    def __str__(self) -> str:
        """Return it as it may be given."""
        host = f"{self.url}/" if self.url else ""
        return f"{host}{self.repository}{_suffix(self.reference)}"


@dataclass(frozen=True, slots=True)
class LayoutReference:
    """An OCI layout in a folder, or in a tar, and what of it; None is the only bundle in it."""

    path: Path
    reference: Tag | Digest | None

    @property
    def is_archive(self) -> bool:
        """Whether it is one file."""
        return self.path.suffix == ".tar"

    def __str__(self) -> str:
        """Return it as it may be given."""
        return f"{self.path}{_suffix(self.reference)}"


BundleReference = RegistryReference | LayoutReference


def parse_bundle_reference(text: str, *, insecure: bool = False) -> BundleReference:
    """Read where a bundle is.

    Raises:
        Misuse, InvalidName, InvalidDigest: it can't be meant.
        InsecureURL: plain http to another machine, and not `insecure`.
    """
    if not text or "\0" in text:
        raise Misuse(f"not a bundle: {text!r}", hint=f"expected {_FORMS}")
    path = _path_of(text)
    if path is not None:
        place, reference = _split(path)
        if not place:
            raise Misuse(f"no path in {text!r}", hint=f"expected {_FORMS}")
        return LayoutReference(Path(place).expanduser(), reference)
    matched = _SCHEME.fullmatch(text)
    scheme, rest = (matched[1], matched[2]) if matched else ("", text)
    first, separator, after = rest.partition("/")
    is_host = bool(scheme) or bool(separator and (set(".:") & set(first) or first == "localhost"))
    if not is_host:
        place, reference = _split(rest)
        return RegistryReference(None, RepositoryName(place), reference)
    if not after:
        raise Misuse(f"no repository in {text!r}", hint=f"expected {_FORMS}")
    place, reference = _split(after)
    url = f"{scheme or ('http' if is_loopback(first) else 'https')}://{first}"
    return RegistryReference(check_url(url, insecure=insecure), RepositoryName(place), reference)


def _path_of(text: str) -> str | None:
    if text.startswith("oci:"):
        return text.removeprefix("oci:")
    if text.startswith((".", "/", "~")) or text.partition("@")[0].endswith(".tar"):
        return text
    return None


def _split(text: str) -> tuple[str, Tag | Digest | None]:
    """Split a name or path from its digest or tag.

    A tag comes after the last `:` that no `/` follows.
    """
    place, at, digest = text.partition("@")
    if at:
        name, _, tag = place.rpartition(":")
        # `name:tag@digest` is the digest, as docker has it
        return (name if name and "/" not in tag else place), Digest.parse(digest)
    name, colon, tag = text.rpartition(":")
    if colon and "/" not in tag:
        return name, parse_reference(tag)
    return text, None


def _suffix(reference: Tag | Digest | None) -> str:
    if reference is None:
        return ""
    return f":{reference}" if isinstance(reference, Tag) else f"@{reference}"
