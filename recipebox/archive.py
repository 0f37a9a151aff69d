"""An archive: releases and all that belongs to them in one file, which crosses an air gap.

It is a tar of an OCI image layout (image-spec 1.1, image-layout.md), which oras and skopeo read::

    oci-layout
    index.json            application/vnd.recipebox.export.v1, with the registry's address
    ├── lock              application/vnd.recipebox.lock.v1: what was asked for, and all it needs
    ├── keys              application/vnd.recipebox.keys.v1: <namespace>.asc, _server.asc
    ├── each release      application/vnd.recipebox.package.v1, under its title: team/etl-1.2.3
    └── what refers to it: wheel sets, statements with their signatures, receipts, and all else
    blobs/sha256/…        the manifests, in the index's order; then what they hold, by digest

One content gives one file: the headers have one time and one owner, and no path of a machine is in
it. Each blob was named, with its size, by something before it. So a reader can refuse the first
byte that is wrong, and needs memory for manifests only.
"""

import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest, copy_exactly
from artifacts.errors import ArtifactError
from artifacts.manifest import (
    EMPTY_CONFIG,
    ImageIndex,
    ImageManifest,
    image_index,
    image_manifest,
    parse_manifest,
)
from artifacts.reference import PackageName, RepositoryName
from recipebox.cache import Cache
from recipebox.errors import InvalidArchive, Missing, Tampered
from recipes.encoding import BLOCK, FILE, PAX, Sink, entry_headers
from recipes.errors import RecipeError
from recipes.package import PackageMetadata
from resolver.errors import ResolverError
from resolver.lock import Lock

LAYOUT: Final = b'{"imageLayoutVersion":"1.0.0"}'

_RECORD = 20 * BLOCK  # POSIX pax: "the default blocksize", to which a tar is padded
_BUFFER = 1 << 20
_LARGEST_MANIFEST = 16 << 20
_LARGEST_SUM = 256 << 20  # of all manifests, which are held in memory
_BLOB = re.compile(r"blobs/sha256/([0-9a-f]{64})")
_GZIP = b"\x1f\x8b"

Advance = Callable[[int], None]
Opener = Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True)
class Entry:
    """A manifest of an archive: its descriptor, its bytes, and which repository it is in."""

    descriptor: Descriptor
    data: bytes
    repository: RepositoryName | None

    @property
    def manifest(self) -> ImageManifest | ImageIndex:
        """What the bytes say."""
        return parse_manifest(self.data, self.descriptor.media_type)


# --- writing ---


@dataclass(slots=True)
class Contents:
    """What an archive will hold, in its order; blobs are added once, whoever needs them."""

    registry: str
    entries: list[Entry] = field(default_factory=list)
    blobs: dict[Digest, tuple[Descriptor, Opener]] = field(default_factory=dict)

    def add_text(self, artifact_type: str, media_type: str, texts: Mapping[str, str]) -> None:
        """Add an artifact of ours whose layers are texts, by their titles."""
        layers = []
        for title, text in sorted(texts.items()):
            data = text.encode()
            layer = Descriptor.of(data, media_type, {media.TITLE: title})
            layers.append(layer)
            self.add_blob(layer, _opener(data))
        self.add_blob(EMPTY_CONFIG, _opener(media.EMPTY_JSON))
        data = image_manifest(artifact_type=artifact_type, config=EMPTY_CONFIG, layers=layers)
        self.add_manifest(Descriptor.of(data, media.MANIFEST), data, None)

    def add_manifest(
        self, descriptor: Descriptor, data: bytes, repository: RepositoryName | None
    ) -> None:
        """Add a manifest, after its subject; a second time is nothing."""
        if any(each.descriptor.digest == descriptor.digest for each in self.entries):
            return
        self.entries.append(Entry(descriptor, data, repository))

    def add_blob(self, descriptor: Descriptor, opener: Opener) -> None:
        """Add a blob, which is opened when it is written."""
        self.blobs.setdefault(descriptor.digest, (descriptor, opener))

    @property
    def index(self) -> bytes:
        """The bytes of index.json."""
        return image_index(
            artifact_type=media.EXPORT,
            manifests=[_entry_descriptor(each) for each in self.entries],
            annotations={media.REGISTRY: self.registry},
        )

    @property
    def size(self) -> int:
        """The bytes of the blobs, without manifests and headers."""
        return sum(descriptor.size for descriptor, _ in self.blobs.values())

    def write(self, sink: Sink, advance: Advance = lambda _size: None) -> None:
        """Write the archive, each blob as it is read.

        Raises:
            Tampered: a blob isn't what its descriptor says any more.
        """
        tar = _Writer(sink)
        tar.add("oci-layout", LAYOUT)
        tar.add("index.json", self.index)
        for entry in self.entries:
            tar.add(f"blobs/sha256/{entry.descriptor.digest.hex}", entry.data)
        manifests = {entry.descriptor.digest for entry in self.entries}
        for digest in sorted(self.blobs.keys() - manifests, key=str):
            descriptor, opener = self.blobs[digest]
            with opener() as file:
                tar.add_stream(descriptor, file, advance)
        tar.end()


def _opener(data: bytes) -> Opener:
    return lambda: io.BytesIO(data)


def _entry_descriptor(entry: Entry) -> Descriptor:
    """Return a manifest's descriptor for the index, with the artifact type that tells what it is.

    A release has a name, by which `oras` and `skopeo` find it in the layout.
    """
    manifest, found = entry.manifest, entry.descriptor
    annotations = {}
    if manifest.artifact_type == media.PACKAGE and entry.repository is not None:
        version = manifest.annotations.get(media.VERSION, "")
        annotations = {media.REF_NAME: f"{entry.repository}-{version}"}
    return Descriptor(
        found.media_type, found.digest, found.size, annotations, manifest.artifact_type
    )


class _Writer:
    """Writes a tar of plain files."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._size = 0

    def add(self, name: str, data: bytes) -> None:
        self._write(entry_headers(name, 0o644, len(data), FILE))
        self._write(data)
        self._write(bytes(-len(data) % BLOCK))

    def add_stream(self, descriptor: Descriptor, file: BinaryIO, advance: Advance) -> None:
        name = f"blobs/sha256/{descriptor.digest.hex}"
        self._write(entry_headers(name, 0o644, descriptor.size, FILE))
        hasher = descriptor.digest.hasher()
        left = copy_exactly(
            file, descriptor.size, hasher.update, self._write, lambda data: advance(len(data))
        )
        if left or hasher.hexdigest() != descriptor.digest.hex:
            raise Tampered(
                f"blob {descriptor.digest}",
                expected=f"{descriptor.size} bytes of this digest",
                found="others, while it was read from the cache",
                hint="is something writing to the cache? export again",
            )
        self._write(bytes(-descriptor.size % BLOCK))

    def end(self) -> None:
        self._write(bytes(2 * BLOCK))
        self._write(bytes(-self._size % _RECORD))

    def _write(self, data: bytes) -> None:
        self._sink.write(data)
        self._size += len(data)


# --- reading ---


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive that was read: every byte has its digest, and nothing of it is believed yet.

    It is a Source (recipebox/releases.py) of what it holds; blobs are in `blobs`, a cache.
    """

    registry: str
    lock: Lock
    entries: tuple[Entry, ...]
    keys: Mapping[str, str]
    blobs: Cache

    def pull_manifest(self, repository: RepositoryName, digest: Digest) -> bytes:
        """Return a manifest's bytes.

        Raises:
            Missing: the archive hasn't got it.
        """
        for entry in self.entries:
            if entry.descriptor.digest == digest:
                return entry.data
        raise Missing(f"the archive has no manifest {digest} of {repository}")

    def pull_blob(
        self, repository: RepositoryName, descriptor: Descriptor, file: BinaryIO, count: Advance
    ) -> None:
        """Refuse: what the archive has of blobs was in `blobs` before anybody asked.

        Raises:
            Missing: always.
        """
        del file, count
        raise Missing(f"the archive has no blob {descriptor.digest} of {repository}")

    def referrers(
        self, repository: RepositoryName, subject: Digest, artifact_type: str | None = None
    ) -> list[Descriptor]:
        """List what refers to `subject`, of one artifact type or all."""
        return [
            entry.descriptor
            for entry in self.entries
            if entry.repository == repository
            and entry.manifest.subject is not None
            and entry.manifest.subject.digest == subject
            and artifact_type in {None, entry.manifest.artifact_type}
        ]

    def text(self, path: str) -> str:
        """Return the keys that came along for `/keys/<namespace>.asc`; pins say if they count.

        Raises:
            Missing: there are none.
        """
        name = path.rpartition("/")[2]
        if name not in self.keys:
            raise Missing(f"the archive has no {name}")
        return self.keys[name]

    def of_package(self, name: PackageName) -> list[Entry]:
        """Return a release with all that refers to it, each after its subject."""
        return [entry for entry in self.entries if entry.repository == name.repository]


def read_archive(stream: BinaryIO, into: Cache, advance: Advance = lambda _size: None) -> Archive:
    """Read an archive to its end; blobs go to `into`, each verified as it comes.

    Raises:
        InvalidArchive: it isn't one, is cut short, or has something that wasn't named before.
    """
    reading = _Reading(stream, into, advance)
    reading.begin()
    reading.take_blobs()
    return reading.finish()


class _Reading:
    def __init__(self, stream: BinaryIO, into: Cache, advance: Advance) -> None:
        self._tar = _Tar(stream, advance)
        self._into = into
        self._index: ImageIndex | None = None
        self._listed: dict[Digest, Descriptor] = {}
        self._wanted: dict[Digest, int] = {}
        self._data: dict[Digest, bytes] = {}

    def begin(self) -> None:
        """Read the layout's file and the index."""
        layout = self._small("oci-layout", BLOCK)
        try:
            version = json.loads(layout)["imageLayoutVersion"]
        except (ValueError, KeyError, TypeError):
            version = None
        if version != "1.0.0":
            raise self._tar.refuse(f"oci-layout has the version {version!r}, expected '1.0.0'")
        index = self._parse(self._small("index.json", _LARGEST_MANIFEST), media.INDEX, "index.json")
        if not isinstance(index, ImageIndex) or index.artifact_type != media.EXPORT:
            raise self._tar.refuse(
                f"index.json has the type {index.artifact_type}, expected {media.EXPORT}: another "
                "program wrote it",
                hint="`recipebox export` writes what `recipebox import` reads",
            )
        self._index = index
        for each in index.manifests:
            self._listed[each.digest] = each
            self._want(each)

    def take_blobs(self) -> None:
        """Read every blob; each must have been named by something before it."""
        for name, size in self._tar.entries():
            matched = _BLOB.fullmatch(name)
            digest = Digest("sha256", matched[1]) if matched else None
            if digest is None or self._wanted.get(digest) is None:
                raise self._tar.refuse(f"{name!r} belongs to nothing that came before it")
            if self._wanted[digest] != size:
                raise self._tar.refuse(f"{name} has {size} bytes, expected {self._wanted[digest]}")
            del self._wanted[digest]
            listed = self._listed.get(digest)
            if listed is not None and size > _LARGEST_MANIFEST:
                raise self._tar.refuse(f"{name} has {size} bytes, too many for a manifest")
            try:
                with self._into.writing(digest) as file:
                    for piece in self._tar.pieces(size):
                        file.write(piece)
            except ArtifactError as error:
                raise self._tar.refuse(f"{name}: {error}") from error
            if listed is not None:
                self._take_manifest(digest, listed)

    def finish(self) -> Archive:
        """Say what was read.

        Raises:
            InvalidArchive: something is missing, or it isn't what an export holds.
        """
        if self._wanted:
            first = min(self._wanted, key=str)
            raise self._tar.refuse(
                f"it ends, and {len(self._wanted)} of its blobs are missing, {first} for one"
            )
        assert self._index is not None  # noqa: S101 - begin() set it, or raised
        entries = self._entries()
        registry = self._index.annotations.get(media.REGISTRY, "")
        keys = self._texts(entries, media.KEYS)
        (text,) = self._texts(entries, media.LOCK).values() or ("",)
        try:
            lock = Lock.loads(text)
        except ResolverError as error:
            raise self._tar.refuse(f"its lock can't be read: {error}") from error
        held = {entry.descriptor.digest for entry in entries if entry.repository is not None}
        for package in lock.packages:
            if not {package.digest, *package.wheel_sets.values()} <= held:
                raise self._tar.refuse(f"it lacks what its lock pins of {package.name}")
        return Archive(registry, lock, tuple(entries), keys, self._into)

    def _take_manifest(self, digest: Digest, listed: Descriptor) -> None:
        data = self._into.read(digest) or b""
        manifest = self._parse(data, listed.media_type, str(digest))
        self._data[digest] = data
        if manifest.children:
            raise self._tar.refuse(f"{digest} is an index, which `export` leaves out")
        if sum(map(len, self._data.values())) > _LARGEST_SUM:
            raise self._tar.refuse(f"it has more than {_LARGEST_SUM} bytes of manifests")
        for blob in manifest.blobs:
            self._want(blob)

    def _want(self, descriptor: Descriptor) -> None:
        digest = descriptor.digest
        if digest.algorithm != "sha256":
            raise self._tar.refuse(f"{digest}: only sha256 is written by `export`")
        if self._into.has(digest):
            return
        if self._wanted.setdefault(digest, descriptor.size) != descriptor.size:
            raise self._tar.refuse(f"{digest} is said to have two sizes")

    def _entries(self) -> list[Entry]:
        """Return the manifests, each with the repository of the release that it belongs to."""
        found: dict[Digest, Entry] = {}
        for digest, listed in self._listed.items():
            data = self._data[digest]
            manifest = parse_manifest(data, listed.media_type)
            repository: RepositoryName | None = None
            if manifest.artifact_type == media.PACKAGE and isinstance(manifest, ImageManifest):
                repository = self._name(digest, manifest).repository
            elif manifest.subject is not None:
                above = found.get(manifest.subject.digest)
                if above is None or above.repository is None:
                    raise self._tar.refuse(f"{digest} is about a manifest that isn't before it")
                repository = above.repository
            elif manifest.artifact_type not in {media.LOCK, media.KEYS}:
                raise self._tar.refuse(f"{digest} is {manifest.artifact_type}, and about nothing")
            found[digest] = Entry(listed, data, repository)
        return list(found.values())

    def _name(self, digest: Digest, manifest: ImageManifest) -> PackageName:
        if manifest.config.size > _LARGEST_MANIFEST:
            raise self._tar.refuse(f"{digest}: its package.json has {manifest.config.size} bytes")
        try:
            metadata = PackageMetadata.from_bytes(self._into.read(manifest.config.digest) or b"")
        except RecipeError as error:
            raise self._tar.refuse(f"{digest}: {error}") from error
        return PackageName.parse(metadata.name)

    def _texts(self, entries: Sequence[Entry], artifact_type: str) -> dict[str, str]:
        """Return the layers of our own artifact of a type, of which there must be one."""
        found = [each for each in entries if each.manifest.artifact_type == artifact_type]
        if len(found) != 1:
            raise self._tar.refuse(f"it has {len(found)} manifests of {artifact_type}, expected 1")
        texts = {}
        for layer in found[0].manifest.blobs:
            if layer.size > _LARGEST_MANIFEST:
                raise self._tar.refuse(
                    f"{layer.digest} has {layer.size} bytes, too many for a text"
                )
            if media.TITLE in layer.annotations:
                data = self._into.read(layer.digest) or b""
                texts[layer.annotations[media.TITLE]] = data.decode("utf-8", "replace")
        return texts

    def _small(self, name: str, limit: int) -> bytes:
        found, size = next(self._tar.entries(), ("", 0))
        if found != name:
            raise self._tar.refuse(
                f"{found[:80]!r} is there, expected {name}: it isn't what `recipebox export` writes"
            )
        if size > limit:
            raise self._tar.refuse(f"{name} has {size} bytes, expected at most {limit}")
        return b"".join(self._tar.pieces(size))

    def _parse(self, data: bytes, media_type: str, what: str) -> ImageManifest | ImageIndex:
        try:
            return parse_manifest(data, media_type)
        except ArtifactError as error:
            raise self._tar.refuse(f"{what}: {error}") from error


class _Tar:
    """Reads a tar of plain files, strictly, once and from its beginning; `at` is how far."""

    def __init__(self, stream: BinaryIO, advance: Advance) -> None:
        self._stream = stream
        self._advance = advance
        self._at = 0
        self._unread = 0
        self._padding = 0

    def refuse(self, reason: str, hint: str | None = None) -> InvalidArchive:
        return InvalidArchive(reason, offset=self._at, hint=hint)

    def entries(self) -> Iterator[tuple[str, int]]:
        """Yield names and sizes; whoever takes one reads its `pieces` before the next."""
        while True:
            self._exactly(self._padding)
            self._padding = 0
            header = self._exactly(BLOCK)
            if not header.strip(b"\0"):
                self._end()
                return
            size = None
            if header[156:157] == PAX:
                size = self._pax(header)
                header = self._exactly(BLOCK)
            name, said = self._parse(header)
            self._unread = said if size is None else size
            self._padding = -self._unread % BLOCK
            yield name, self._unread

    def pieces(self, size: int) -> Iterator[bytes]:
        while size:
            piece = self._exactly(min(size, _BUFFER))
            size -= len(piece)
            yield piece
        self._unread = 0

    def _exactly(self, size: int) -> bytes:
        parts = []
        while size:
            part = self._stream.read(size)
            if not part:
                raise self.refuse("it ends in the middle: not all of it was copied")
            parts.append(part)
            size -= len(part)
            self._at += len(part)
            self._advance(len(part))
        return b"".join(parts)

    def _end(self) -> None:
        if self._exactly(BLOCK).strip(b"\0"):
            raise self.refuse("there is something after the end")
        while rest := self._stream.read(_BUFFER):
            if rest.strip(b"\0"):
                raise self.refuse("there is something after the end")
            self._at += len(rest)
        if self._at % _RECORD:
            raise self.refuse("it ends in the middle: not all of it was copied")

    def _pax(self, header: bytes) -> int:
        """Read pax records, of which only `size` is written here, for 8 GiB and more."""
        _, length = self._parse(header)
        body = self._exactly(BLOCK)
        matched = re.fullmatch(rb"[0-9]+ size=([0-9]{1,18})\n", body[:length])
        if length > BLOCK or matched is None:
            raise self.refuse("a header that `export` doesn't write")
        return int(matched[1])

    def _parse(self, header: bytes) -> tuple[str, int]:
        try:
            said = int(header[148:156].strip(b"\0 "), 8)
            size = int(header[124:136].strip(b"\0 "), 8)
        except ValueError:
            said, size = -1, 0
        is_whole = said == sum(header[:148]) + sum(header[156:]) + 8 * ord(" ")
        if not is_whole or header[257:262] != b"ustar" or header[156:157] not in {FILE, PAX}:
            is_gzip = self._at == BLOCK and header.startswith(_GZIP)
            raise self.refuse(
                "it is compressed" if is_gzip else "no header of a plain file is here",
                hint="decompress it first: gunzip" if is_gzip else None,
            )
        return header[:100].split(b"\0")[0].decode("ascii", "replace"), size
