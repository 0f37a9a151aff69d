"""Tags that are about another manifest of their repository, and go with it.

::

    sha256-2cf24d...9824.sig         cosign's signature of sha256:2cf24d...9824
    sha256-2cf24d...9824.att, .sbom  its attestations and lists of parts
    sha256-2cf24d...9824             what refers to it, of clients that know no referrers

Signatures that say what they sign (`subject`) are known by that. Where clients keep them in tags of
such names, the name is all that tells: else each would outlive its image for ever, and rules of
retention would take it for a tag like others.
"""

import re
from collections.abc import Collection, Sequence

from registry.oci.immutable import find_pattern, read_patterns
from registry.schema import ManifestRow, RepositoryRow, TagRow

_FORM = re.compile(r"sha256-([0-9a-f]{64})(?:\.(?:sig|att|sbom))?")
_ENDS = ("", ".sig", ".att", ".sbom")
_CHUNK = 100


def subject_of(tag: str) -> str | None:
    """Return the digest that a tag of such a name is about, or None: it is a tag like others."""
    matched = _FORM.fullmatch(tag)
    return None if matched is None else f"sha256:{matched[1]}"


def companions_of(repository: RepositoryRow | int, digests: Collection[str]) -> list[TagRow]:
    """Return the tags about these manifests of a repository, but for those that are immutable."""
    found: list[TagRow] = []
    named = [digest.replace(":", "-") for digest in digests if digest.startswith("sha256:")]
    for start in range(0, len(named), _CHUNK):
        names = [f"{name}{end}" for name in named[start : start + _CHUNK] for end in _ENDS]
        query = (
            TagRow.select(TagRow, ManifestRow)
            .join(ManifestRow)
            .where(
                (TagRow.repository == repository) & TagRow.name.in_(names) & ~TagRow.is_server_owned
            )
        )
        found.extend(query)
    return _movable(found)


def _movable(tags: Sequence[TagRow]) -> list[TagRow]:
    if not tags:
        return []
    patterns = read_patterns(tags[0].repository.namespace)
    return [tag for tag in tags if find_pattern(patterns, tag.name) is None]
