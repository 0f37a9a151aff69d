"""Repositories that a bundle is read from or copied to: of a registry, or an OCI layout's.

::

    ArtifactRepository
    ├── RegistryRepository    any registry of distribution-spec 1.0 or 1.1, with tags for referrers
    │                         where it has no list of them ("Referrers Tag Schema")
    └── LayoutRepository      a folder in OCI layout (image-spec 1.1, image-layout.md)

Every manifest that is returned has the digest that was asked for; a blob is checked as it is read.
"""

import io
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Protocol

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest, copy_exactly
from artifacts.errors import ArtifactError
from artifacts.manifest import ImageIndex, ImageManifest, image_index, parse_manifest
from artifacts.reference import RepositoryName, Tag
from recipebox.config import write_atomically
from recipebox.errors import ClientError, Missing, Misuse, Tampered
from recipebox.transport import Transport

LARGEST_MANIFEST = 4 << 20
"""Bytes of a manifest at most: what registries are asked to take (distribution-spec 1.1)."""

MOST_REFERRERS = 10_000
"""Referrers of one manifest at most; whoever may push may hang one on it."""

LAYOUT_FILE = "oci-layout"
INDEX_FILE = "index.json"
LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'

_LARGEST_INDEX = 16 << 20
_COPIED_AGAIN = "copy it again, or tell who keeps it"

Count = Callable[[int], None]
Opener = Callable[[], BinaryIO]


class Moved(StrEnum):
    """How a blob came to a repository."""

    THERE = "there"
    MOUNTED = "mounted"
    SENT = "sent"


class ArtifactRepository(Protocol):
    """Manifests, the blobs that they need, and what refers to them; `name` is for messages."""

    @property
    def name(self) -> str:
        """Where it is, as it may be given."""
        ...

    def resolve(self, reference: Tag | Digest | None) -> Digest:
        """Return the digest that a reference names; None is the only bundle there."""
        ...

    def manifest(self, digest: Digest) -> bytes:
        """Return a manifest's bytes, which have this digest."""
        ...

    def pull_blob(self, descriptor: Descriptor, file: BinaryIO, count: Count) -> None:
        """Write a blob into `file`, as its descriptor says; `count` is told how much."""
        ...

    def referrers(self, subject: Digest, artifact_type: str | None = None) -> list[Descriptor]:
        """List what refers to `subject`, of one artifact type or all."""
        ...

    def has_manifest(self, digest: Digest) -> bool:
        """Whether a manifest is there, whole."""
        ...

    def push_blob(
        self, descriptor: Descriptor, opener: Opener, source: "ArtifactRepository", count: Count
    ) -> Moved:
        """Take in a blob that `source` has too, read from `opener` where that must be."""
        ...

    def push_manifest(self, descriptor: Descriptor, data: bytes, tags: tuple[Tag, ...]) -> None:
        """Take in a manifest whose parts are there; one with a subject becomes its referrer."""
        ...


class RegistryRepository:
    """A repository of a registry."""

    def __init__(self, transport: Transport, repository: RepositoryName) -> None:
        self.transport = transport
        self.repository = repository

    @property
    def name(self) -> str:
        """`https://HOST/repository`."""
        return f"{self.transport.url}/{self.repository}"

    def resolve(self, reference: Tag | Digest | None) -> Digest:
        """Return the digest that a tag names, or the digest itself.

        Raises:
            Misuse: nothing is named.
            Missing: there is no such tag.
        """
        if isinstance(reference, Digest):
            return reference
        if reference is None:
            raise Misuse(
                f"{self.name}: which bundle?",
                hint=f"give its digest or a tag: {self.repository}@sha256:… or :production",
            )
        data = self.transport.find_tagged(self.repository, reference)
        if data is None:
            raise Missing(f"{self.name} has no tag {reference}")
        return Digest.of(data)

    def manifest(self, digest: Digest) -> bytes:
        """Return a manifest's bytes.

        Raises:
            Missing, Tampered, Unreachable: as the transport says.
        """
        return self.transport.pull_manifest(self.repository, digest)

    def pull_blob(self, descriptor: Descriptor, file: BinaryIO, count: Count) -> None:
        """Write a blob into `file`, checked while it streams.

        Raises:
            Missing, Tampered, Unreachable: as the transport says.
        """
        self.transport.pull_blob(self.repository, descriptor, file, count)

    def referrers(self, subject: Digest, artifact_type: str | None = None) -> list[Descriptor]:
        """List what refers to `subject`, by a tag where the registry keeps no list.

        Raises:
            Tampered: the list is none, or too long.
        """
        try:
            found = self.transport.referrers(self.repository, subject, artifact_type)
        except Missing:
            found = self._tagged_referrers(subject)
        return _few(f"{self.name}@{subject}", found, artifact_type)

    def has_manifest(self, digest: Digest) -> bool:
        """Whether a manifest is there."""
        return self.transport.has_manifest(self.repository, digest)

    def push_blob(
        self, descriptor: Descriptor, opener: Opener, source: ArtifactRepository, count: Count
    ) -> Moved:
        """Take in a blob: mounted where the same registry has it, else sent.

        Raises:
            ClientError: what the server refused.
        """
        mount_from = None
        if isinstance(source, RegistryRepository) and source.transport.url == self.transport.url:
            mount_from = source.repository
        opened: list[bool] = []

        def opening() -> BinaryIO:
            opened.append(True)
            return opener()

        is_new = self.transport.push_blob(self.repository, descriptor, opening, count, mount_from)
        if not is_new:
            count(descriptor.size)
            return Moved.THERE
        if opened:
            return Moved.SENT
        count(descriptor.size)
        return Moved.MOUNTED

    def push_manifest(self, descriptor: Descriptor, data: bytes, tags: tuple[Tag, ...]) -> None:
        """Take in a manifest by its digest, then under tags.

        Raises:
            ClientError: what the server refused.
        """
        kind = descriptor.media_type
        is_listed = self.transport.put_manifest(self.repository, descriptor.digest, data, kind)
        manifest = parse_manifest(data, kind)
        if manifest.subject is not None and not is_listed:
            self._tag_referrer(manifest.subject.digest, _listed(descriptor, data))
        for tag in tags:
            self.transport.put_manifest(self.repository, tag, data, kind)

    def _tagged_referrers(self, subject: Digest) -> list[Descriptor]:
        tag = _referrers_tag(subject)
        data = self.transport.find_tagged(self.repository, tag)
        if data is None:
            return []
        what = f"{self.name}:{tag}"
        listed = _parse(what, data)
        if not isinstance(listed, ImageIndex):
            raise Tampered(what, expected="an index of referrers", found="an image manifest")
        return list(listed.manifests)

    def _tag_referrer(self, subject: Digest, entry: Descriptor) -> None:
        """Add a referrer to the tag that lists those of `subject` ("Referrers Tag Schema")."""
        listed = self._tagged_referrers(subject)
        if any(each.digest == entry.digest for each in listed):
            return
        data = image_index(artifact_type=None, manifests=[*listed, entry])
        self.transport.put_manifest(self.repository, _referrers_tag(subject), data, media.INDEX)


class LayoutRepository:
    """A folder in OCI layout; `index.json` names bundles, and whatever refers to something.

    ::

        oci-layout      {"imageLayoutVersion":"1.0.0"}
        index.json      written last, atomically: what it names is there
        blobs/sha256/…  manifests and blobs, each by a rename
    """

    def __init__(self, folder: Path, name: str | None = None) -> None:
        self.folder = folder
        self._name = name or str(folder)

    @property
    def name(self) -> str:
        """The folder, or the file that it came from."""
        return self._name

    @classmethod
    def opened(cls, folder: Path, name: str | None = None) -> "LayoutRepository":
        """Return the layout in a folder.

        Raises:
            Missing: there is no such folder.
            Tampered: it isn't in OCI layout.
        """
        layout = cls(folder, name)
        path = folder / LAYOUT_FILE
        if not path.is_file():
            raise Missing(
                f"{layout.name}: no OCI layout is there",
                hint=f"a folder with {LAYOUT_FILE} and {INDEX_FILE} in it, or a .tar of one",
            )
        try:
            version = json.loads(path.read_bytes()[: len(LAYOUT) * 4])["imageLayoutVersion"]
        except (ValueError, KeyError, TypeError):
            version = None
        if version != "1.0.0":
            raise Tampered(
                f"{layout.name}: {LAYOUT_FILE}",
                expected="imageLayoutVersion 1.0.0",
                found=version,
                hint=_COPIED_AGAIN,
            )
        return layout

    @classmethod
    def created(cls, folder: Path) -> "LayoutRepository":
        """Return the layout in a folder, made where there is nothing, or nothing in it.

        Raises:
            Misuse: something else is in the folder.
        """
        if (folder / LAYOUT_FILE).is_file():
            return cls.opened(folder)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise Misuse(
                f"{folder}: something is there, and it is no OCI layout",
                hint="name a new folder, or the one of a layout",
            )
        layout = cls(folder)
        layout._write_index([])
        write_atomically(folder / LAYOUT_FILE, LAYOUT, 0o644)
        folder.chmod(0o755)
        return layout

    def resolve(self, reference: Tag | Digest | None) -> Digest:
        """Return the digest that a name in the index names; None is the only bundle there.

        Raises:
            Missing: there is none of that name.
            Misuse: there are several bundles.
        """
        if isinstance(reference, Digest):
            return reference
        entries = self._index()
        if reference is not None:
            for entry in reversed(entries):
                if entry.annotations.get(media.REF_NAME) == str(reference):
                    return entry.digest
            raise Missing(f"{self.name} has nothing named {reference}")
        found = [each.digest for each in entries if self._type_of(each) == media.BUNDLE]
        if len(found) != 1:
            listed = ", ".join(map(str, found)) or "none"
            kind: type[ClientError] = Misuse if found else Missing
            raise kind(
                f"{self.name}: which bundle? It has {listed}",
                hint=f"give its digest: {self.name}@sha256:…",
            )
        return found[0]

    def manifest(self, digest: Digest) -> bytes:
        """Return a manifest's bytes.

        Raises:
            Missing: it isn't there.
            Tampered: other bytes, or too many.
        """
        what = f"manifest {digest} of {self.name}"
        with self._open(digest, what) as file:
            data = file.read(LARGEST_MANIFEST + 1)
        if len(data) > LARGEST_MANIFEST:
            limit = f"at most {LARGEST_MANIFEST} bytes"
            raise Tampered(what, expected=limit, found="more", hint=_COPIED_AGAIN)
        found = Digest.of(data, digest.algorithm)
        if found != digest:
            raise Tampered(what, expected=digest, found=found, hint=_COPIED_AGAIN)
        return data

    def pull_blob(self, descriptor: Descriptor, file: BinaryIO, count: Count) -> None:
        """Write a blob into `file`, checked while it is read.

        Raises:
            Missing: it isn't there.
            Tampered: other bytes.
        """
        what = f"blob {descriptor.digest} of {self.name}"
        with self._open(descriptor.digest, what) as source:
            _copy(what, descriptor, source, file, count)

    def referrers(self, subject: Digest, artifact_type: str | None = None) -> list[Descriptor]:
        """List what the index names and refers to `subject`.

        Raises:
            Tampered: something isn't a manifest.
        """
        found = []
        for entry in self._index():
            data = self.manifest(entry.digest)
            manifest = _parse(f"manifest {entry.digest} of {self.name}", data)
            if manifest.subject is not None and manifest.subject.digest == subject:
                found.append(_listed(entry, data))
        return _few(f"{self.name}@{subject}", found, artifact_type)

    def has_manifest(self, digest: Digest) -> bool:
        """Whether a manifest is there, whole."""
        return (
            self._path(digest).is_file()
            and Digest.of(self._path(digest).read_bytes(), digest.algorithm) == digest
        )

    def push_blob(
        self, descriptor: Descriptor, opener: Opener, source: ArtifactRepository, count: Count
    ) -> Moved:
        """Take in a blob, which appears when it is whole.

        Raises:
            Tampered: other bytes than the descriptor says.
        """
        del source
        path = self._path(descriptor.digest)
        if path.is_file():
            with path.open("rb") as file:
                if Digest.of_stream(file, descriptor.digest.algorithm) == descriptor.digest:
                    count(descriptor.size)
                    return Moved.THERE
        with opener() as file:
            self._write(descriptor, file, count)
        return Moved.SENT

    def push_manifest(self, descriptor: Descriptor, data: bytes, tags: tuple[Tag, ...]) -> None:
        """Take in a manifest; a bundle, and what has a subject, is named by the index.

        Raises:
            Tampered: other bytes than the descriptor says.
        """
        self._write(descriptor, io.BytesIO(data), lambda _size: None)
        manifest = parse_manifest(data, descriptor.media_type)
        if manifest.subject is None and manifest.artifact_type != media.BUNDLE:
            return
        names = [str(tag) for tag in tags]
        entry = _listed(descriptor, data)
        kept = [
            each
            for each in self._index()
            if each.digest != entry.digest and each.annotations.get(media.REF_NAME) not in names
        ]
        named = [
            Descriptor(
                entry.media_type,
                entry.digest,
                entry.size,
                {**entry.annotations, media.REF_NAME: name},
                entry.artifact_type,
            )
            for name in names
        ]
        self._write_index([*kept, *(named or [entry])])

    def _index(self) -> list[Descriptor]:
        what = f"{self.name}: {INDEX_FILE}"
        try:
            with (self.folder / INDEX_FILE).open("rb") as file:
                data = file.read(_LARGEST_INDEX + 1)
        except FileNotFoundError as error:
            raise Missing(f"{what} isn't there", hint=_COPIED_AGAIN) from error
        if len(data) > _LARGEST_INDEX:
            limit = f"at most {_LARGEST_INDEX} bytes"
            raise Tampered(what, expected=limit, found="more", hint=_COPIED_AGAIN)
        listed = _parse(what, data, media.INDEX)
        entries = listed.manifests if isinstance(listed, ImageIndex) else ()
        if len(entries) > MOST_REFERRERS:
            raise Tampered(
                what,
                expected=f"at most {MOST_REFERRERS} entries",
                found=len(entries),
                hint=_COPIED_AGAIN,
            )
        return list(entries)

    def _type_of(self, entry: Descriptor) -> str | None:
        if entry.artifact_type is not None:
            return entry.artifact_type
        what = f"manifest {entry.digest} of {self.name}"
        return _parse(what, self.manifest(entry.digest)).artifact_type

    def _write_index(self, entries: list[Descriptor]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        data = image_index(artifact_type=None, manifests=entries)
        write_atomically(self.folder / INDEX_FILE, data, 0o644)

    def _path(self, digest: Digest) -> Path:
        return self.folder / "blobs" / digest.algorithm / digest.hex

    @contextmanager
    def _open(self, digest: Digest, what: str) -> Iterator[BinaryIO]:
        try:
            file = self._path(digest).open("rb")
        except FileNotFoundError as error:
            raise Missing(f"{what} isn't there", hint=_COPIED_AGAIN) from error
        with file:
            yield file

    def _write(self, descriptor: Descriptor, file: BinaryIO, count: Count) -> None:
        path = self._path(descriptor.digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".part-")
        try:
            with os.fdopen(handle, "wb") as target:
                os.fchmod(target.fileno(), 0o644)
                _copy(f"blob {descriptor.digest}", descriptor, file, target, count)
                target.flush()
                os.fsync(target.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def _copy(
    what: str, descriptor: Descriptor, source: BinaryIO, target: BinaryIO, count: Count
) -> None:
    """Copy a blob, hashed as it goes; never more than its size and a byte is read.

    Raises:
        Tampered: other bytes than the descriptor says, or another number of them.
    """
    hasher = descriptor.digest.hasher()
    left = copy_exactly(
        source, descriptor.size, hasher.update, target.write, lambda data: count(len(data))
    )
    if left:
        found = "more" if left < 0 else f"{descriptor.size - left}"
        raise Tampered(what, expected=f"{descriptor.size} bytes", found=found, hint=_COPIED_AGAIN)
    if hasher.hexdigest() != descriptor.digest.hex:
        found = f"{descriptor.digest.algorithm}:{hasher.hexdigest()}"
        raise Tampered(what, expected=descriptor.digest, found=found, hint=_COPIED_AGAIN)


def _referrers_tag(subject: Digest) -> Tag:
    """Return the tag of the fallback: `sha256-…`, at most 64 characters of hex."""
    return Tag(f"{subject.algorithm}-{subject.hex[:64]}")


def _listed(descriptor: Descriptor, data: bytes) -> Descriptor:
    """Return what a list of referrers says of a manifest: its type and annotations too."""
    manifest = parse_manifest(data, descriptor.media_type)
    return Descriptor(
        descriptor.media_type,
        descriptor.digest,
        len(data),
        manifest.annotations,
        manifest.kind,
    )


def _few(what: str, found: list[Descriptor], artifact_type: str | None) -> list[Descriptor]:
    if len(found) > MOST_REFERRERS:
        raise Tampered(
            f"referrers of {what}", expected=f"at most {MOST_REFERRERS}", found=len(found)
        )
    return [each for each in found if artifact_type in {None, each.artifact_type}]


def _parse(what: str, data: bytes, media_type: str | None = None) -> ImageIndex | ImageManifest:
    try:
        return parse_manifest(data, media_type)
    except ArtifactError as error:
        raise Tampered(what, expected="an OCI manifest", found=error, hint=_COPIED_AGAIN) from error
