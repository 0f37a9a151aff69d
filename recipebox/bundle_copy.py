"""Copying a bundle with everything that signs it, from one repository to another.

::

    source ──> blobs, several at once: what is there stays, what the registry can mount is mounted
           ──> entries of the bundle: the lock, releases, wheel sets, statements, images (what is
               below one before it)
           ──> what refers to the bundle: its signature, promotions, and all else
           ──> the index, last: nobody sees a bundle with a part or a signature missing

What was copied is not copied again, so a copy that broke off goes on. A bundle is read back when it
is there. An application's own repository takes nothing from outside: its server makes the bundle of
the lock again, of the releases that are listed there, and what comes of it must be the same bytes.
"""

import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.errors import ArtifactError
from artifacts.manifest import ImageIndex, ImageManifest, parse_manifest
from artifacts.reference import RepositoryName, Tag
from recipebox.bundles import Bundle
from recipebox.errors import Conflicting, Missing, Tampered, Untrusted
from recipebox.output import Output
from recipebox.releases import Releases
from recipebox.repositories import (
    INDEX_FILE,
    LAYOUT_FILE,
    MOST_REFERRERS,
    ArtifactRepository,
    LayoutRepository,
    Moved,
)


@dataclass(frozen=True, slots=True)
class Copied:
    """A bundle that is now in `target`: how many blobs came how, and what refers to it there."""

    digest: Digest
    target: str
    blobs: dict[str, int]
    manifests: int
    referrers: int


@dataclass(frozen=True, slots=True)
class Referrer:
    """A manifest that refers to the bundle, or to something that does."""

    descriptor: Descriptor
    data: bytes
    manifest: ImageManifest | ImageIndex


class BundleCopy:
    """Copies a bundle out of `source`, which `reader` reads through the cache."""

    def __init__(
        self,
        source: ArtifactRepository,
        reader: Releases,
        repository: RepositoryName,
        output: Output,
        jobs: int,
    ) -> None:
        self._source = source
        self._reader = reader
        self._repository = repository
        self._output = output
        self._jobs = jobs

    def copy(
        self, bundle: Bundle, target: ArtifactRepository, tag: Tag | None, *, is_made: bool = False
    ) -> Copied:
        """Copy a bundle; `is_made` is where the target's server made it already.

        Raises:
            Tampered: a part isn't what its digest says, here or there.
            Missing: a part isn't there.
            ClientError: what the target refused.
        """
        referrers = self._referrers(bundle)
        entries = () if is_made else bundle.manifests
        blobs = {} if is_made else bundle.blobs
        for each in referrers:
            blobs |= {blob.digest: blob for blob in each.manifest.blobs}
        moved = self._blobs(blobs, target)
        pushed = 0
        known = _Known(target)
        for entry in entries:
            if not known.has(entry.digest, entry.about):
                target.push_manifest(entry.descriptor, self._manifest(entry.digest), ())
                pushed += 1
        for each in referrers:
            about = None if each.manifest.subject is None else each.manifest.subject.digest
            if not known.has(each.descriptor.digest, about):
                target.push_manifest(each.descriptor, each.data, ())
                pushed += 1
        if not is_made:
            tags = () if tag is None else (tag,)
            target.push_manifest(bundle.descriptor, self._manifest(bundle.digest), tags)
            pushed += 1
        self._compare(bundle, target, referrers)
        return Copied(bundle.digest, target.name, moved, pushed, len(referrers))

    def _manifest(self, digest: Digest) -> bytes:
        return self._reader.manifest(self._repository, digest)

    def _blobs(self, blobs: dict[Digest, Descriptor], target: ArtifactRepository) -> dict[str, int]:
        total = sum(each.size for each in blobs.values())
        with (
            self._output.progress("copied", total) as advance,
            ThreadPoolExecutor(max_workers=self._jobs) as pool,
        ):

            def push(blob: Descriptor) -> Moved:
                def opener() -> BinaryIO:
                    return self._reader.blob(self._repository, blob).open("rb")

                return target.push_blob(blob, opener, self._source, advance)

            running = [pool.submit(push, blob) for blob in blobs.values()]
            try:
                done = [each.result() for each in running]
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return {str(way): done.count(way) for way in Moved}

    def _referrers(self, bundle: Bundle) -> list[Referrer]:
        """Return what refers to the bundle, to what refers to that, and so on; subjects first."""
        found: dict[Digest, Referrer] = {}
        pending = [bundle.digest]
        while pending:
            subject = pending.pop(0)
            for listed in sorted(self._source.referrers(subject), key=lambda one: str(one.digest)):
                if listed.digest in found:
                    continue
                if len(found) >= MOST_REFERRERS:
                    raise Tampered(
                        f"what refers to bundle {bundle.digest} in {self._source.name}",
                        expected=f"at most {MOST_REFERRERS}",
                        found="more",
                    )
                each = self._referrer(listed, subject)
                if each.manifest.children:
                    self._output.warn(f"left out {listed.digest}, an index about {subject}")
                    continue
                found[listed.digest] = each
                pending.append(listed.digest)
        return list(found.values())

    def _referrer(self, listed: Descriptor, subject: Digest) -> Referrer:
        what = f"referrer {listed.digest} of {self._source.name}"
        data = self._manifest(listed.digest)
        try:
            manifest = parse_manifest(data, listed.media_type)
        except ArtifactError as error:
            raise Tampered(what, expected=listed.media_type, found=error) from error
        about = None if manifest.subject is None else manifest.subject.digest
        if about != subject:
            raise Tampered(what, expected=subject, found=about)
        return Referrer(Descriptor(listed.media_type, listed.digest, len(data)), data, manifest)

    @staticmethod
    def _compare(bundle: Bundle, target: ArtifactRepository, referrers: list[Referrer]) -> None:
        """Read back what is to be there now.

        Raises:
            Untrusted: something isn't.
        """
        target.manifest(bundle.digest)
        wanted = {
            each.descriptor.digest
            for each in referrers
            if each.manifest.subject and each.manifest.subject.digest == bundle.digest
        }
        lost = wanted - {each.digest for each in target.referrers(bundle.digest)}
        if lost:
            raise Untrusted(
                f"{target.name} took {len(lost)} of what refers to {bundle.digest}, and doesn't "
                f"list it: {min(lost, key=str)}",
                hint="a registry that knows neither referrers nor tags for them can't hold a "
                "bundle's signature",
            )


class _Known:
    """What a target had when it was asked first: manifests, and whether it lists them."""

    def __init__(self, target: ArtifactRepository) -> None:
        self._target = target
        self._listed: dict[Digest, set[Digest]] = {}

    def has(self, digest: Digest, subject: Digest | None) -> bool:
        """Whether a manifest is there, and told of where it refers to something."""
        if not self._target.has_manifest(digest):
            return False
        if subject is None:
            return True
        if subject not in self._listed:
            self._listed[subject] = {each.digest for each in self._target.referrers(subject)}
        return digest in self._listed[subject]


# --- a layout in one file ---


@contextmanager
def unpacked_archive(path: Path, above: Path) -> Iterator[LayoutRepository]:
    """Give the layout that a tar holds, unpacked into a folder below `above` for as long.

    Raises:
        Missing: there is no such file.
        Tampered: it isn't a tar of a layout.
    """
    above.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=above) as folder:
        _unpack(path, Path(folder))
        yield LayoutRepository.opened(Path(folder), str(path))


def _unpack(path: Path, folder: Path) -> None:
    hint = "a tar of an OCI layout, as `recipebox bundle copy` and skopeo write it, uncompressed"
    if not path.is_file():
        raise Missing(f"{path}: there is no such file", hint=hint)
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                name = member.name.removeprefix("./")
                if member.isdir():
                    continue
                target = _place(folder, name)
                if target is None or not member.isreg() or member.issparse() or target.exists():
                    raise Tampered(
                        f"{path}: {name[:100]!r}",
                        expected=f"{LAYOUT_FILE}, {INDEX_FILE} and blobs, once each",
                        found="something else",
                        hint=hint,
                    )
                stream = tar.extractfile(member)
                assert stream is not None  # noqa: S101 - it is a plain file
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as file:
                    shutil.copyfileobj(stream, file)
    except tarfile.TarError as error:
        raise Tampered(str(path), expected="a whole tar", found=error, hint=hint) from error


def _place(folder: Path, name: str) -> Path | None:
    if name in {LAYOUT_FILE, INDEX_FILE}:
        return folder / name
    parts = name.split("/")
    if len(parts) != 3 or parts[0] != "blobs":  # noqa: PLR2004 - blobs/sha256/…
        return None
    try:
        digest = Digest(parts[1], parts[2])
    except ArtifactError:
        return None
    return folder / "blobs" / digest.algorithm / digest.hex


@contextmanager
def packed_archive(path: Path) -> Iterator[LayoutRepository]:
    """Give an empty layout, which becomes the tar at `path` when the block ends well.

    One layout gives one file, byte for byte.

    Raises:
        Conflicting: something is there.
    """
    if path.exists():
        raise Conflicting(f"{path}: it is there already", hint="remove it, or name another file")
    path = path.absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as above:
        folder = Path(above) / "layout"
        yield LayoutRepository.created(folder)
        packed = Path(above) / "tar"
        with packed.open("wb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                blobs = sorted(each for each in (folder / "blobs").rglob("*") if each.is_file())
                for each in (folder / LAYOUT_FILE, folder / INDEX_FILE, *blobs):
                    member = tarfile.TarInfo(each.relative_to(folder).as_posix())
                    member.size = each.stat().st_size
                    with each.open("rb") as content:
                        tar.addfile(member, content)
            file.flush()
            os.fsync(file.fileno())
        packed.chmod(0o644)
        packed.replace(path)


def tag_of(reference: Tag | Digest | None, digest: Digest) -> Tag | None:
    """Return the tag that a target is given, if any.

    Raises:
        Conflicting: the target names another digest.
    """
    if isinstance(reference, Digest):
        if reference != digest:
            raise Conflicting(f"the bundle is {digest}, and the target says {reference}")
        return None
    return reference
