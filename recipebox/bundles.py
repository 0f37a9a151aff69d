"""Reading a bundle from wherever it is, comparing it with its lock, and believing it for reasons.

::

    REF             ──> digest ──> index ──> its entries, each with the size that the index says
    first entry     the lock: every release and wheel set that it pins is an entry, and all else is
                    a statement about one of these, an image, or what signs one
    each image      says of which repositories it is, and is there with all that is below it
    each release    as `fetch` believes it (recipebox/releases.py), by the statements in the bundle
    each wheel set  is of its release, and holds only wheels that its package.json names
    every blob      has its digest and size; the layers' files are those that were signed
    referrers       the bundle's own signature, by a pinned signer of the application's namespace,
                    says this digest and these packages; promotions are by the registry's pinned key

What is asked of a bundle is answered by the bundle alone, wherever it lies; only public keys come
from the registry, where that can be reached, so that a revoked one is noticed.
"""

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.errors import ArtifactError
from artifacts.images import is_image, platform_text
from artifacts.manifest import ImageIndex, ImageManifest, parse_manifest
from artifacts.reference import PackageName, RepositoryName
from recipebox.errors import ClientError, Missing, Tampered, Unreachable, Unsigned, Untrusted
from recipebox.install import unpack_layers
from recipebox.output import Output
from recipebox.releases import LocatedBlob, Releases, SignedStatement, VerifiedRelease
from recipebox.repositories import LARGEST_MANIFEST, ArtifactRepository
from recipebox.transport import Transport
from recipebox.trust import SERVER
from resolver.errors import ResolverError
from resolver.lock import Lock, LockedPackage
from signing.errors import SigningError
from signing.statement import BundleStatement, Kind, Promotion, Statement

MOST_ENTRIES = 20_000
"""Entries of a bundle at most: what an index of 4 MiB has room for."""

_LARGEST_LOCK = 4 << 20
_LARGEST_SUM = 256 << 20  # of all manifests
_CHANGED = "it isn't what the registry made: copy it again, or tell who keeps it"
_NO_SIGNATURE = (
    "crane drops a bundle's own signature, `oras cp -r` and `recipebox bundle copy` keep it; who "
    "may promote signs one: recipebox bundle create"
)


@dataclass(frozen=True, slots=True)
class BundleEntry:
    """A manifest of a bundle, as its index names it."""

    descriptor: Descriptor
    manifest: ImageManifest | ImageIndex

    @property
    def digest(self) -> Digest:
        """Its digest."""
        return self.descriptor.digest

    @property
    def about(self) -> Digest | None:
        """Which manifest it is about, if any."""
        return None if self.manifest.subject is None else self.manifest.subject.digest


@dataclass(frozen=True, slots=True)
class BundledImage:
    """An image of a bundle: the repositories that it is of, its entry, and all that is below it.

    `below` begins with what others need; `platforms` are those that it says, sorted.
    """

    repositories: tuple[RepositoryName, ...]
    entry: BundleEntry
    below: tuple[BundleEntry, ...]

    @property
    def digest(self) -> Digest:
        """Its digest."""
        return self.entry.digest

    @property
    def manifests(self) -> tuple[BundleEntry, ...]:
        """All manifests that it consists of, its own last."""
        return (*self.below, self.entry)

    @property
    def size(self) -> int:
        """Bytes of all that it consists of, each once."""
        blobs = {blob.digest: blob.size for each in self.manifests for blob in each.manifest.blobs}
        return sum(each.descriptor.size for each in self.manifests) + sum(blobs.values())

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platforms that its entry, or an index of it, says."""
        said = (
            platform_text(each.descriptor.platform)
            for each in self.manifests
            if isinstance(each.manifest, ImageManifest) and is_image(each.manifest)
        )
        return tuple(sorted({text for text in said if text is not None}))


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose entries are those that its lock pins; nobody's signature was looked at.

    `size` is of its index, in bytes; `lock_digest` is of the lock's text.
    """

    digest: Digest
    size: int
    lock: Lock
    lock_digest: Digest
    entries: tuple[BundleEntry, ...]
    images: tuple[BundledImage, ...] = ()

    @property
    def packages(self) -> dict[str, str]:
        """The versions of its releases, by name."""
        return {str(each.name): str(each.version) for each in self.lock.packages}

    @property
    def descriptor(self) -> Descriptor:
        """What names its index."""
        return Descriptor(media.INDEX, self.digest, self.size)

    @property
    def manifests(self) -> tuple[BundleEntry, ...]:
        """Its entries, and what is below those that are images, each once, before what needs it."""
        below = {image.digest: image.below for image in self.images}
        found: dict[Digest, BundleEntry] = {}
        for entry in self.entries:
            for each in (*below.get(entry.digest, ()), entry):
                found.setdefault(each.digest, each)
        return tuple(found.values())

    @property
    def blobs(self) -> dict[Digest, Descriptor]:
        """Every blob that its manifests need."""
        return {blob.digest: blob for each in self.manifests for blob in each.manifest.blobs}


def read_bundle(
    reader: Releases, repository: RepositoryName, digest: Digest, what: str | None = None
) -> Bundle:
    """Read a bundle, and compare its entries with the lock in it.

    Raises:
        Missing: there is no such bundle, or an entry isn't there.
        Tampered: it isn't a bundle, lacks what its lock pins, or holds something else; or that lock
            can't be read.
    """
    what = what or f"bundle {digest} of {repository}"
    data = reader.manifest(repository, digest)
    index = parse_manifest(data)
    if not isinstance(index, ImageIndex) or index.artifact_type != media.BUNDLE:
        raise Tampered(what, expected=media.BUNDLE, found=index.artifact_type, hint=_CHANGED)
    if not index.manifests:
        raise Tampered(
            what, expected="a lock as its first entry", found="no entries", hint=_CHANGED
        )
    _check_size(what, len(data), index.manifests)
    entries = tuple(_entry(reader, repository, what, each) for each in index.manifests)
    lock, held = _read_lock(reader, repository, what, entries[0])
    images = _Images(reader, repository, what, entries).read()
    _compare(what, lock, entries, images)
    return Bundle(digest, len(data), lock, held, entries, images)


def _check_size(what: str, size: int, entries: Sequence[Descriptor]) -> None:
    """Refuse what would take too long to read, before it is."""
    for limit, found, unit in (
        (LARGEST_MANIFEST, size, "bytes"),
        (MOST_ENTRIES, len(entries), "entries"),
        (LARGEST_MANIFEST, max(each.size for each in entries), "bytes in an entry"),
        (_LARGEST_SUM, sum(each.size for each in entries), "bytes of manifests"),
    ):
        if found > limit:
            raise Tampered(
                what, expected=f"at most {limit} {unit}", found=f"{found}", hint=_CHANGED
            )
    if len({each.digest for each in entries}) != len(entries):
        raise Tampered(what, expected="each entry once", found="one twice", hint=_CHANGED)


def _entry(
    reader: Releases, repository: RepositoryName, what: str, listed: Descriptor
) -> BundleEntry:
    data = reader.manifest(repository, listed.digest)
    name = f"{what}: entry {listed.digest}"
    if len(data) != listed.size:
        raise Tampered(
            name, expected=f"{listed.size} bytes", found=f"{len(data)} bytes", hint=_CHANGED
        )
    try:
        manifest = parse_manifest(data, listed.media_type)
    except ArtifactError as error:
        raise Tampered(name, expected=listed.media_type, found=error, hint=_CHANGED) from error
    if listed.artifact_type not in {None, manifest.kind}:
        raise Tampered(name, expected=listed.artifact_type, found=manifest.kind, hint=_CHANGED)
    return BundleEntry(listed, manifest)


def _read_lock(
    reader: Releases, repository: RepositoryName, what: str, entry: BundleEntry
) -> tuple[Lock, Digest]:
    manifest = entry.manifest
    if not isinstance(manifest, ImageManifest) or manifest.artifact_type != media.LOCK:
        raise Tampered(
            f"{what}: its first entry",
            expected=media.LOCK,
            found=manifest.artifact_type,
            hint=_CHANGED,
        )
    if len(manifest.layers) != 1 or manifest.layers[0].size > _LARGEST_LOCK:
        limit = f"one file of at most {_LARGEST_LOCK} bytes"
        raise Tampered(f"{what}: its lock", expected=limit, found="something that isn't one file")
    layer = manifest.layers[0]
    data = reader.blob(repository, layer).read_bytes()
    try:
        return Lock.loads(data.decode("utf-8", "replace")), layer.digest
    except ResolverError as error:
        raise Tampered(
            f"{what}: its lock", expected="a lock", found=error, hint=_CHANGED
        ) from error


class _Images:
    """Reads the images of a bundle, and bounds what all of them are together."""

    def __init__(
        self,
        reader: Releases,
        repository: RepositoryName,
        what: str,
        entries: Sequence[BundleEntry],
    ) -> None:
        self._reader = reader
        self._repository = repository
        self._what = what
        self._entries = entries
        self._read = {entry.digest: entry for entry in entries}
        self._sum = sum(entry.descriptor.size for entry in entries)

    def read(self) -> tuple[BundledImage, ...]:
        """Return each image of the bundle, with all manifests below it.

        Raises:
            Tampered: an entry that says that it is one isn't; or too many manifests.
            Missing, Unreachable: what the transport says.
        """
        return tuple(
            self._image(entry)
            for entry in self._entries[1:]
            if media.IMAGE in entry.descriptor.annotations
        )

    def _image(self, entry: BundleEntry) -> BundledImage:
        what = f"{self._what}: entry {entry.digest}"
        if not is_image(entry.manifest):
            raise Tampered(what, expected="an image", found=entry.manifest.kind, hint=_CHANGED)
        text = entry.descriptor.annotations[media.IMAGE]
        try:
            names = tuple(RepositoryName(each) for each in text.split(","))
        except ArtifactError as error:
            raise Tampered(
                what, expected="the repositories of an image", found=error, hint=_CHANGED
            ) from error
        return BundledImage(names, entry, tuple(self._below(entry)))

    def _below(self, root: BundleEntry) -> list[BundleEntry]:
        """Return what is below an image, that which others need first."""
        ordered: dict[Digest, BundleEntry] = {}
        pending = [(root, False)]
        while pending:
            entry, is_done = pending.pop()
            if is_done:
                ordered.setdefault(entry.digest, entry)
            elif entry.digest not in ordered:
                pending.append((entry, True))
                pending += [(self._child(each), False) for each in entry.manifest.children]
        return [entry for entry in ordered.values() if entry.digest != root.digest]

    def _child(self, listed: Descriptor) -> BundleEntry:
        if listed.digest not in self._read:
            self._sum += listed.size
            if len(self._read) >= MOST_ENTRIES or self._sum > _LARGEST_SUM:
                raise Tampered(
                    self._what,
                    expected=f"at most {MOST_ENTRIES} manifests, of {_LARGEST_SUM} bytes",
                    found="more",
                    hint=_CHANGED,
                )
            _check_size(self._what, 0, [listed])
            self._read[listed.digest] = _entry(self._reader, self._repository, self._what, listed)
        found = self._read[listed.digest]
        if found.descriptor.size != listed.size:
            raise Tampered(
                f"{self._what}: entry {listed.digest}",
                expected=f"{listed.size} bytes",
                found=f"{found.descriptor.size} bytes",
                hint=_CHANGED,
            )
        return BundleEntry(listed, found.manifest)


def _compare(
    what: str, lock: Lock, entries: Sequence[BundleEntry], images: Sequence[BundledImage]
) -> None:
    pinned = {package.digest for package in lock.packages}
    pinned |= {each for package in lock.packages for each in package.wheel_sets.values()}
    found = {entry.digest for entry in entries[1:]}
    missing = sorted(str(each) for each in pinned - found)
    if missing:
        raise Tampered(
            what,
            expected=f"{', '.join(missing)}, which its lock pins",
            found="no such entry",
            hint=_CHANGED,
        )
    releases = {package.digest for package in lock.packages}
    pinned |= {image.digest for image in images}
    signable = {each.digest for image in images for each in image.manifests}
    for entry in entries[1:]:
        if entry.digest in pinned:
            continue
        is_about = entry.manifest.artifact_type in {media.STATEMENT, media.WHEEL_SET}
        signs = entry.manifest.kind in media.IMAGE_SIGNATURE_TYPES
        if not (is_about and entry.about in releases) and not (signs and entry.about in signable):
            raise Tampered(
                f"{what}: entry {entry.digest}",
                expected="a statement about what its lock pins",
                found=f"{entry.manifest.artifact_type} about {entry.about}",
                hint=_CHANGED,
            )


class BundleSource:
    """What `Releases` reads of a bundle: all of it in one repository, and nothing beside it.

    Whatever repository is asked for, it is the bundle's. What refers to a release are the
    bundle's entries; what refers to the bundle, the repository tells. `keys` gives a namespace's
    public keys.
    """

    def __init__(
        self, place: ArtifactRepository, digest: Digest, keys: Callable[[str], str]
    ) -> None:
        self._place = place
        self._digest = digest
        self._keys = keys
        self._entries: tuple[BundleEntry, ...] = ()

    def hold(self, bundle: Bundle) -> None:
        """Take a bundle's entries for what refers to its releases."""
        self._entries = bundle.entries

    def pull_manifest(self, repository: RepositoryName, digest: Digest) -> bytes:
        """Return a manifest's bytes, which have this digest."""
        del repository
        return self._place.manifest(digest)

    def pull_blob(
        self,
        repository: RepositoryName,
        descriptor: Descriptor,
        file: BinaryIO,
        count: Callable[[int], None],
    ) -> None:
        """Write a blob into `file`, as its descriptor says."""
        del repository
        self._place.pull_blob(descriptor, file, count)

    def referrers(
        self, repository: RepositoryName, subject: Digest, artifact_type: str | None = None
    ) -> list[Descriptor]:
        """List what refers to `subject`."""
        del repository
        if subject == self._digest:
            return self._place.referrers(subject, artifact_type)
        return [
            entry.descriptor
            for entry in self._entries
            if entry.about == subject and artifact_type in {None, entry.manifest.artifact_type}
        ]

    def text(self, path: str) -> str:
        """Return a namespace's keys, for `/keys/<namespace>.asc`."""
        return self._keys(path)


def keys_of(transport: Transport | None, output: Output) -> Callable[[str], str]:
    """Return what gives public keys: the registry's, or none where it can't be reached."""

    def keys(path: str) -> str:
        if transport is None:
            return ""
        try:
            return transport.text(path)
        except Missing:
            return ""
        except Unreachable as error:
            output.warn(f"{path}: only the keys that are kept here are used: {error.message}")
            return ""

    return keys


@dataclass(frozen=True, slots=True)
class OwnSignature:
    """A bundle's own signature by a pinned signer: whose bundle it says it is."""

    fingerprint: str
    application: PackageName


@dataclass(frozen=True, slots=True)
class ListedSignature:
    """A statement that signs a bundle: `fingerprint` where a pinned signer's, else `problem`."""

    fingerprint: str | None
    application: str | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class CheckedBundle:
    """A bundle that is believed: its releases, and who signed it (nobody, where that is allowed).

    `promotions` are the records by the registry's pinned key, oldest first.
    """

    bundle: Bundle
    releases: tuple[VerifiedRelease, ...]
    signatures: tuple[OwnSignature, ...]
    promotions: tuple[Promotion, ...]


class BundleReader:
    """Reads and checks one bundle, by `reader` (of a BundleSource); `tell` gets each check."""

    def __init__(
        self,
        reader: Releases,
        repository: RepositoryName,
        output: Output,
        tell: Callable[[str, str], None] = lambda _name, _detail: None,
    ) -> None:
        self._reader = reader
        self._repository = repository
        self._output = output
        self._tell = tell

    def check(
        self,
        bundle: Bundle,
        *,
        application: PackageName | None = None,
        allow_unsigned: bool = False,
        platform: str | None = None,
    ) -> CheckedBundle:
        """Check a bundle's signatures; its blobs are left unread, but for those that tell of it.

        `application` is what it must be signed for; `platform` which wheels are wanted of it.

        Raises:
            Unsigned, UnknownSigner, Untrusted: somebody who counts didn't sign a part well.
            Tampered: things that contradict each other.
            Missing, Unreachable: what the transport says.
        """
        entries = len(bundle.entries)
        self._tell("index", f"{entries} entries, each with its digest and size")
        self._tell("lock", f"{len(bundle.lock.packages)} packages, all in it, and nothing else")
        for image in bundle.images:
            self._image(bundle, image)
        releases = tuple(self._release(bundle, locked, platform) for locked in bundle.lock.packages)
        signatures = self._own(bundle, application, allow_unsigned=allow_unsigned)
        promotions = self._promotions(bundle, {each.application for each in signatures})
        return CheckedBundle(bundle, releases, signatures, promotions)

    def check_bytes(self, checked: CheckedBundle, jobs: int) -> dict[Digest, Path]:
        """Read every blob of a bundle, and compare the layers' files with those that were signed.

        Raises:
            Tampered: other bytes, or files than those that were signed.
            Missing, Unreachable: what the transport says.
        """
        blobs: dict[Digest, LocatedBlob] = {
            digest: (self._repository, blob) for digest, blob in checked.bundle.blobs.items()
        }
        paths = self._reader.download(blobs.values(), jobs)
        for each in checked.bundle.manifests:
            for blob in each.manifest.blobs:
                found = paths[blob.digest].stat().st_size
                if found != blob.size:
                    raise Tampered(
                        f"blob {blob.digest}, as {each.digest} says",
                        expected=f"{blob.size} bytes",
                        found=f"{found} bytes",
                        hint=_CHANGED,
                    )
        for image in checked.bundle.images:
            _check_platform(image, paths)
        size = sum(blob.size for _, blob in blobs.values())
        self._tell("bytes", f"{len(paths)} blobs, {size} bytes, each with its digest")
        for release in checked.releases:
            with tempfile.TemporaryDirectory(prefix="recipebox-") as into:
                unpack_layers(release, paths, Path(into))
            what = f"{release.name} {release.metadata.version}"
            self._tell("files", f"{what}: {len(release.files)} files, as signed")
        return paths

    def listed_signatures(self, bundle: Bundle) -> list[ListedSignature]:
        """Return what signs a bundle, whether it counts or not."""
        listed = []
        for signed in self._statements(bundle, Kind.BUNDLE):
            try:
                said, signers = self._judge(bundle, signed)
            except (Untrusted, SigningError) as error:
                problem = error.message if isinstance(error, ClientError) else str(error)
                listed.append(ListedSignature(None, None, problem))
            else:
                application = str(said.application)
                listed += [ListedSignature(each, application, None) for each in signers]
        return listed

    def listed_promotions(self, bundle: Bundle) -> tuple[list[Promotion], list[str]]:
        """Return the records of promotions by the pinned key, and why others don't count."""
        found, problems = [], []
        for signed in self._statements(bundle, Kind.PROMOTION):
            try:
                found.append(self._promotion(bundle, signed))
            except (Untrusted, SigningError) as error:
                problems.append(error.message if isinstance(error, ClientError) else str(error))
        return sorted(found, key=lambda one: one.time), problems

    def _image(self, bundle: Bundle, image: BundledImage) -> None:
        names = ", ".join(each.text for each in image.repositories)
        signed = sum(
            each.manifest.kind in media.IMAGE_SIGNATURE_TYPES
            and each.about in {one.digest for one in image.manifests}
            for each in bundle.entries
        )
        platforms = ", ".join(image.platforms) or "no platform that it names"
        self._tell(
            "image",
            f"{names}: {image.digest} for {platforms}, {len(image.manifests)} manifests, "
            f"{signed} signatures beside it",
        )

    def _release(
        self, bundle: Bundle, locked: LockedPackage, platform: str | None
    ) -> VerifiedRelease:
        what = f"{locked.name} {locked.version}"
        release = self._reader.get(locked, platform)
        if release.descriptor.size != locked.size:
            raise Tampered(
                f"{what}: the size of its manifest",
                expected=f"{locked.size} bytes, as its lock says",
                found=release.descriptor.size,
                hint=_CHANGED,
            )
        signers = ", ".join(release.signatures)
        self._tell("release", f"{what}: signed by {signers}, with the registry's receipt")
        for entry in bundle.entries:
            if entry.manifest.artifact_type == media.WHEEL_SET and entry.about == locked.digest:
                self._wheel_set(what, entry, release)
        for name, digest in locked.wheel_sets.items():
            about = next(each.about for each in bundle.entries if each.digest == digest)
            if about != locked.digest:
                raise Tampered(
                    f"{what}: its wheels for {name}",
                    expected=f"a wheel set of {locked.digest}",
                    found=f"of {about}",
                    hint=_CHANGED,
                )
        return release

    def _wheel_set(self, what: str, entry: BundleEntry, release: VerifiedRelease) -> None:
        manifest = entry.manifest
        layers = manifest.layers if isinstance(manifest, ImageManifest) else ()
        known = {(f"sha256:{one.sha256}", one.size) for one in release.metadata.wheels}
        stray = [each for each in layers if (str(each.digest), each.size) not in known]
        if stray or manifest.artifact_type != media.WHEEL_SET:
            raise Tampered(
                f"{what}: wheel set {entry.digest}",
                expected="wheels that its package.json names",
                found=stray[0].digest if stray else manifest.artifact_type,
                hint=_CHANGED,
            )
        platform = manifest.annotations.get(media.PLATFORM, "a platform")
        self._tell("wheels", f"{what}: {len(layers)} wheels for {platform}")

    def _own(
        self, bundle: Bundle, application: PackageName | None, *, allow_unsigned: bool
    ) -> tuple[OwnSignature, ...]:
        what = f"bundle {bundle.digest}"
        found: dict[str, OwnSignature] = {}
        failures: list[Exception] = []
        for signed in self._statements(bundle, Kind.BUNDLE):
            try:
                said, signers = self._judge(bundle, signed, application)
            except (Untrusted, SigningError) as error:
                failures.append(error)
                continue
            found |= {each: OwnSignature(each, said.application) for each in signers}
        if not found and failures:
            raise failures[0]
        for failure in failures:
            self._output.warn(f"{what}: ignored a signature: {failure}")
        if not found and not allow_unsigned:
            raise Unsigned(f"{what}: no signature of its own on it", hint=_NO_SIGNATURE, what=what)
        for each in found.values():
            self._tell("signature", f"as {each.application}, by {each.fingerprint}")
        if not found:
            self._tell("signature", "none of its own: who put it together isn't known")
        return tuple(found[each] for each in sorted(found))

    def _judge(
        self, bundle: Bundle, signed: SignedStatement, application: PackageName | None = None
    ) -> tuple[BundleStatement, tuple[str, ...]]:
        """Read one statement that signs a bundle, and return the pinned signers of it.

        Raises:
            Untrusted, SigningError: it doesn't count.
        """
        what = f"a signature of bundle {bundle.digest}"
        said = BundleStatement.read(Statement.parse(signed.statement))
        if application not in {None, said.application}:
            raise Tampered(
                f"{what}: the application that it is signed for",
                expected=application,
                found=said.application,
                hint="is it another application's bundle? Where it is a copy, say whose it is: "
                f"--application {said.application}",
            )
        statement, good = self._reader.signers(said.application.namespace, what, [signed])
        read = BundleStatement.read(Statement.parse(statement))
        packages = {str(name): str(version) for name, version in read.packages.items()}
        if read.bundle != bundle.digest or packages != bundle.packages:
            raise Tampered(
                what,
                expected=f"{bundle.digest} with {_words(bundle.packages)}",
                found=f"{read.bundle} with {_words(packages)}",
                hint=_CHANGED,
            )
        return read, tuple(sorted(good))

    def _promotions(
        self, bundle: Bundle, applications: Iterable[PackageName]
    ) -> tuple[Promotion, ...]:
        known = set(applications)
        found, problems = self.listed_promotions(bundle)
        for problem in problems:
            self._output.warn(f"bundle {bundle.digest}: ignored a promotion: {problem}")
        counted = [each for each in found if not known or each.application in known]
        for each in counted:
            self._tell(
                "promotion",
                f"{each.application} to {each.channel}, by the registry, asked by "
                f"{each.asked_by.name}",
            )
        return tuple(counted)

    def _promotion(self, bundle: Bundle, signed: SignedStatement) -> Promotion:
        what = f"a promotion of bundle {bundle.digest}"
        statement, _ = self._reader.signers(SERVER, what, [signed])
        read = Promotion.read(Statement.parse(statement))
        if read.bundle != bundle.digest:
            raise Tampered(what, expected=bundle.digest, found=read.bundle, hint=_CHANGED)
        return read

    def _statements(self, bundle: Bundle, kind: Kind) -> list[SignedStatement]:
        return self._reader.statements(self._repository, bundle.digest, (kind,))[kind]


def _check_platform(image: BundledImage, paths: Mapping[Digest, Path]) -> None:
    """Refuse an entry that says another platform than the configuration of its image.

    Raises:
        Tampered: it does.
    """
    said = platform_text(image.entry.descriptor.platform)
    manifest = image.entry.manifest
    if said is None or not isinstance(manifest, ImageManifest):
        return
    try:
        found = platform_text(json.loads(paths[manifest.config.digest].read_bytes()))
    except ValueError:
        found = None
    if found != said:
        raise Tampered(
            f"image {image.digest}: its platform", expected=said, found=found, hint=_CHANGED
        )


def _words(packages: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(packages.items()))
