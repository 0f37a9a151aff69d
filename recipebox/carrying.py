"""Carrying releases over an air gap: an archive of a lock, and back into a registry or a folder.

::

    export   lock ──> each release, verified ──> all that refers to it ──> one file
    import   one file ──> read and hashed into a staging cache ──> a registry, which admits
                                                              └──> a folder, by the pins here

Nothing of an archive is visible before all of it was read. The keys in it are material to verify
with; who is trusted, the pins of this machine say, and the first one seen isn't pinned here.
"""

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.manifest import parse_manifest
from artifacts.reference import PackageName, RepositoryName
from recipebox.archive import Archive, Contents, Opener, read_archive
from recipebox.cache import Cache
from recipebox.errors import Missing, Tampered
from recipebox.output import Output
from recipebox.releases import LocatedBlob, Releases
from recipebox.transport import Transport
from recipebox.trust import SERVER
from recipes.encoding import Sink
from resolver.lock import Lock, LockedPackage


@dataclass(frozen=True, slots=True)
class Exported:
    """An archive that was written: its size in bytes, its digest, and what it holds of."""

    digest: Digest
    size: int
    lock: Lock


def gather(
    lock: Lock, transport: Transport, reader: Releases, output: Output, jobs: int
) -> Contents:
    """Bring everything that belongs to a lock's releases here, verified, and say what it is.

    Raises:
        Untrusted: and its subclasses, for a release that can't be believed.
        Missing: a release, or a wheel set of it, isn't there any more.
    """
    contents = Contents(transport.url)
    contents.add_text(media.LOCK, media.LOCK_TOML, {"recipebox.lock": lock.dumps()})
    names = sorted({package.name.namespace for package in lock.packages})
    keys = {f"{name}.asc": transport.text(f"/keys/{name}.asc") for name in (*names, SERVER)}
    contents.add_text(media.KEYS, media.PGP_KEYS, keys)
    blobs: dict[Digest, LocatedBlob] = {}
    for locked in lock.packages:
        release = reader.get(locked, None)
        for descriptor, data in _belonging(locked, release.descriptor, transport, reader, output):
            contents.add_manifest(descriptor, data, release.repository)
            for blob in parse_manifest(data, descriptor.media_type).blobs:
                blobs[blob.digest] = (release.repository, blob)
    for digest, path in reader.download(blobs.values(), jobs).items():
        contents.add_blob(blobs[digest][1], _opener(path))
    return contents


def _belonging(
    locked: LockedPackage,
    release: Descriptor,
    transport: Transport,
    reader: Releases,
    output: Output,
) -> Iterator[tuple[Descriptor, bytes]]:
    """Yield a release's manifest and what refers to it, to what refers to that, and so on."""
    repository = locked.name.repository
    yield release, reader.manifest(repository, release.digest)
    seen, pending = {release.digest}, [release.digest]
    while pending:
        subject = pending.pop(0)
        found = transport.referrers(repository, subject)
        for each in sorted(found, key=lambda one: str(one.digest)):
            if each.digest in seen:
                continue
            seen.add(each.digest)
            data = reader.manifest(repository, each.digest)
            manifest = parse_manifest(data, each.media_type)
            if manifest.subject is None or manifest.subject.digest != subject:
                about = "nothing" if manifest.subject is None else manifest.subject.digest
                what = f"referrer {each.digest} of {repository}"
                raise Tampered(what, expected=subject, found=about)
            if manifest.children:
                output.warn(f"{locked.name} {locked.version}: left out {each.digest}, an index")
                continue
            pending.append(each.digest)
            yield Descriptor(each.media_type, each.digest, len(data)), data
    for platform, digest in locked.wheel_sets.items():
        if digest not in seen:
            raise Missing(
                f"{locked.name} {locked.version}: its wheels for {platform}, {digest}, are gone",
                hint="lock again: recipebox lock",
            )


def write_file(contents: Contents, lock: Lock, path: str, output: Output) -> Exported:
    """Write an archive to a file, which appears when it is whole; `-` is standard output.

    Raises:
        OSError: it can't be written.
    """
    with output.progress("exported", contents.size) as advance:
        if path == "-":
            sink = _Hashing(sys.stdout.buffer)
            contents.write(sink, advance)
            sys.stdout.buffer.flush()
        else:
            target = Path(path).absolute()
            handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
            try:
                with os.fdopen(handle, "wb") as file:
                    sink = _Hashing(file)
                    contents.write(sink, advance)
                    os.fchmod(file.fileno(), 0o644)
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).replace(target)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
    return Exported(Digest("sha256", sink.hasher.hexdigest()), sink.size, lock)


class _Hashing:
    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.hasher = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes, /) -> None:
        self.hasher.update(data)
        self.size += len(data)
        self._sink.write(data)


@contextmanager
def opened(path: str, cache: Cache, output: Output) -> Iterator[Archive]:
    """Read an archive from a file, or standard input (`-`), into a staging place of `cache`.

    Raises:
        InvalidArchive: it isn't one, or not all of it; nothing of it is left.
    """
    with cache.staging() as staging, _stream(path) as (stream, size):
        with output.progress("read", size) as advance:
            archive = read_archive(stream, staging, advance)
        yield archive


@contextmanager
def _stream(path: str) -> Iterator[tuple[BinaryIO, int]]:
    if path == "-":
        yield sys.stdin.buffer, 0
        return
    with Path(path).open("rb") as file:
        yield file, os.fstat(file.fileno()).st_size


def push_archive(
    archive: Archive, transport: Transport, output: Output, jobs: int
) -> list[dict[str, Any]]:
    """Push everything of an archive, byte for byte, and have each release listed.

    Returns the registry's answers, each with how many blobs were sent.

    What a release requires comes before it. What is there is not sent again, so a push that broke
    off goes on.

    Raises:
        Denied: the token may not publish there, or the signers aren't the namespace's.
        Conflicting: a version is listed with other bytes.
    """
    packages = _required_first(archive.lock)
    total = sum(
        blob.size for package in packages for blob in _blobs_of(archive, package.name).values()
    )
    imported = []
    with output.progress("pushed", total) as advance:
        for package in packages:
            sent = _push_package(archive, package.name, transport, advance, jobs)
            answer = transport.api(
                "POST",
                f"/api/v1/packages/{package.name}/releases",
                body={"digest": str(package.digest)},
                repeatable=True,  # the same bytes again are a success
            )
            imported.append(answer | {"sent_blobs": sent})
    return imported


def _push_package(
    archive: Archive,
    name: PackageName,
    transport: Transport,
    advance: Callable[[int], None],
    jobs: int,
) -> int:
    repository: RepositoryName = name.repository

    def send(blob: Descriptor) -> bool:
        path = archive.blobs.find(blob.digest)
        if path is None:
            raise Missing(f"blob {blob.digest} vanished from the cache while it was used")
        return transport.push_blob(repository, blob, _opener(path), advance)

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        sent = sum(pool.map(send, _blobs_of(archive, name).values()))
    for entry in archive.of_package(name):
        transport.push_manifest(repository, entry.data, entry.descriptor.media_type)
    return sent


def _blobs_of(archive: Archive, name: PackageName) -> dict[Digest, Descriptor]:
    return {
        blob.digest: blob for entry in archive.of_package(name) for blob in entry.manifest.blobs
    }


def _required_first(lock: Lock) -> Sequence[LockedPackage]:
    """Return a lock's packages, each after those that it requires (a ring: by name)."""
    left = list(lock.packages)
    ordered: list[LockedPackage] = []
    while left:
        done = {each.name for each in ordered}
        ready = [each for each in left if {one.package for one in each.requires} <= done]
        ordered += ready or left[:1]
        left = [each for each in left if each not in ordered]
    return ordered


def _opener(path: Path) -> Opener:
    return lambda: path.open("rb")
