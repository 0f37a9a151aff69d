"""Reading a release from the registry or the cache, and believing it only for reasons.

::

    lock            digest of the manifest ──> manifest ──> config, layers        (by digest)
    referrers       release statements, each with a signature ──> keys of the namespace
                    the receipt                               ──> the registry's own key
    pins            at least one signer is pinned; the first one ever seen is pinned now
    statement       names this digest, and the sha256 of every file of every layer
    package.json    (the config) says the same name, version and requirements as the lock
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.manifest import ImageManifest, parse_manifest
from artifacts.reference import PackageName, RepositoryName
from recipebox.cache import Cache
from recipebox.errors import NOT_LAID_OUT, Missing, NotCached, Tampered, UnknownSigner, Untrusted
from recipebox.output import Output
from recipebox.trust import SERVER, TrustStore, decide
from recipes.evidence import LARGEST_DOCUMENT, STATEMENTS, Evidence
from recipes.package import FOLDERS, PackageMetadata, Wheel
from recipes.wheels import wheels_here
from resolver.lock import LockedPackage
from resolver.requirement import Requirement
from signing.errors import SignatureFromFuture, VerificationFailed
from signing.errors import UnknownSigner as UnknownKey
from signing.key import VerifiedSignature
from signing.keyring import Keyring
from signing.statement import (
    Kind,
    Receipt,
    ReleaseStatement,
    Statement,
    read_statement_manifest,
)
from signing.verify import LARGEST_SIGNATURE, verify

CHANGED_HERE = "it was changed on this machine: fetch it again"
MODE_CHANGED_HERE = (
    "the files are as signed, but the mode of one isn't, or an empty folder came: fetch it again"
)

_LARGEST_CONFIG = 4 << 20

LocatedBlob = tuple[RepositoryName, Descriptor]
"""A blob, and a repository that it can be had from."""


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """A statement's bytes, and a detached signature that somebody made over them."""

    statement: bytes
    signature: str


@dataclass(frozen=True, slots=True)
class VerifiedRelease:
    """A release that is believed: what to lay out, and why.

    `layers` are by title; `files` is the sha256 (hex) of each file, as the signers have it;
    `signatures` is by fingerprint, of pinned signers only; `publisher` is the first who signed.
    `evidence` has the statements of pinned signers about it; the documents that they name are
    among the blobs.
    """

    name: PackageName
    metadata: PackageMetadata
    descriptor: Descriptor
    layers: Mapping[str, Descriptor]
    files: Mapping[str, str]
    statement: bytes
    signatures: Mapping[str, str]
    publisher: str
    receipt: Receipt | None
    wheels: Mapping[str, Descriptor]
    evidence: Evidence

    @property
    def title(self) -> str:
        """The folder that it is laid out in: `team/etl-1.2.3`."""
        return self.metadata.title

    @property
    def repository(self) -> RepositoryName:
        """Where it is."""
        return self.name.repository

    @property
    def layer_blobs(self) -> list[LocatedBlob]:
        """The layers, and where they are."""
        return [(self.repository, blob) for blob in self.layers.values()]

    @property
    def document_blobs(self) -> list[LocatedBlob]:
        """The documents of its evidence, and where they are."""
        return [(self.repository, each.descriptor) for each in self.evidence.listed.values()]

    @property
    def wheel_blobs(self) -> list[LocatedBlob]:
        """The wheels, and where they are."""
        return [(self.repository, blob) for blob in self.wheels.values()]


class Source(Protocol):
    """What manifests, blobs, referrers and keys are had from: a registry, or an archive of one."""

    def pull_manifest(self, repository: RepositoryName, digest: Digest) -> bytes:
        """Return a manifest's bytes, which have this digest."""
        ...

    def pull_blob(
        self,
        repository: RepositoryName,
        descriptor: Descriptor,
        file: BinaryIO,
        count: Callable[[int], None],
    ) -> None:
        """Write a blob into `file`, as its descriptor says; `count` is told how much."""
        ...

    def referrers(
        self, repository: RepositoryName, subject: Digest, artifact_type: str | None = None
    ) -> list[Descriptor]:
        """List what refers to `subject`, of one artifact type or all."""
        ...

    def text(self, path: str) -> str:
        """Return a text document, such as `/keys/team.asc`."""
        ...


class Reader(Protocol):
    """What reads releases of one registry, or each from its own."""

    def of(self, name: PackageName | RepositoryName) -> "Releases":
        """Return what reads the releases of this name."""
        ...

    def download(self, blobs: Iterable[LocatedBlob], jobs: int) -> dict[Digest, Path]:
        """Bring blobs here, `jobs` at once; return their files."""
        ...


class Releases:
    """Reads manifests, blobs and referrers, through the cache; `transport` None is offline.

    `registry` is the address whose pins and index answers are used. Unless `pins_first_use`, who
    signs for a namespace of which nobody is pinned is refused. `kept_as` is under which name lists
    of referrers are kept for later, offline: the registry's, but for another holder of the same
    manifests. `is_default` is False where the registry isn't the client's own, so that what is told
    of it must name it.
    """

    def __init__(
        self,
        registry: str,
        transport: Source | None,
        cache: Cache,
        trust: TrustStore,
        output: Output,
        *,
        pins_first_use: bool = True,
        kept_as: str | None = None,
        is_default: bool = True,
    ) -> None:
        self.registry = registry
        self._named = None if is_default else registry
        self._kept_as = kept_as or registry
        self._transport = transport
        self._cache = cache
        self._trust = trust
        self._output = output
        self._pins_first_use = pins_first_use
        self._keys: dict[str, str] = {}

    def of(self, name: PackageName | RepositoryName) -> "Releases":
        """Return itself: every name is read here."""
        del name
        return self

    # Bytes

    def manifest(self, repository: RepositoryName, digest: Digest) -> bytes:
        """Return a manifest's bytes, which have this digest.

        Raises:
            NotCached: offline, and it isn't in the cache.
            Missing, Tampered, Unreachable: as the transport says.
        """
        data = self._cache.read(digest)
        if data is None:
            data = self._online(f"manifest {digest}").pull_manifest(repository, digest)
            self._cache.put(data)
        return data

    def blob(
        self,
        repository: RepositoryName,
        descriptor: Descriptor,
        count: Callable[[int], None] = lambda _size: None,
    ) -> Path:
        """Return the cache's file of a blob, verified; it is downloaded where it isn't there.

        Raises:
            NotCached: offline, and it isn't in the cache.
            Missing, Tampered, Unreachable: as the transport says.
        """
        path = self._cache.find(descriptor.digest)
        if path is not None:
            return path
        transport = self._online(f"blob {descriptor.digest}")
        with self._cache.writing(descriptor.digest) as file:
            transport.pull_blob(repository, descriptor, file, count)
        path = self._cache.find(descriptor.digest)
        if path is None:
            raise NotCached(
                f"blob {descriptor.digest} vanished from the cache while it was used",
                hint="is another program cleaning the cache? run it again",
            )
        return path

    def download(self, blobs: Iterable[LocatedBlob], jobs: int) -> dict[Digest, Path]:
        """Bring blobs here, `jobs` at once; return their files."""
        return download_blobs(self, blobs, self._output, jobs)

    def statements(
        self, repository: RepositoryName, subject: Digest, kinds: Iterable[Kind]
    ) -> dict[Kind, list[SignedStatement]]:
        """Return the signed statements of these kinds about `subject`, nothing of them checked.

        Raises:
            Tampered: a referrer that isn't about this subject, or isn't what it says.
        """
        found: dict[Kind, list[SignedStatement]] = {kind: [] for kind in kinds}
        for digest in self._referrers(repository, subject):
            manifest = parse_manifest(self.manifest(repository, digest))
            if manifest.subject is None or manifest.subject.digest != subject:
                about = "nothing" if manifest.subject is None else manifest.subject.digest
                raise Tampered(f"referrer {digest} of {repository}", expected=subject, found=about)
            kind = read_statement_manifest(manifest).kind
            if kind in found:
                found[kind].append(self.signed_statement(repository, digest))
        return found

    def signed_statement(self, repository: RepositoryName, digest: Digest) -> SignedStatement:
        """Return the statement and signature of a referrer, nothing of them checked.

        Raises:
            InvalidStatement: the manifest isn't a statement's.
            Tampered: its signature is too large to be one.
        """
        referrer = read_statement_manifest(self.manifest(repository, digest))
        if referrer.signature.size > LARGEST_SIGNATURE:
            raise Tampered(
                f"signature {referrer.signature.digest} of {repository}",
                expected=f"at most {LARGEST_SIGNATURE} bytes",
                found=f"{referrer.signature.size} bytes",
            )
        statement = self.blob(repository, referrer.statement).read_bytes()
        signature = self.blob(repository, referrer.signature).read_bytes()
        return SignedStatement(statement, signature.decode("ascii", "replace"))

    # Belief

    def get(self, locked: LockedPackage, platform: str | None) -> VerifiedRelease:
        """Read the release that a lock pins, and verify all that can be before its layers are read.

        `platform` is what wheels are wanted for; None leaves them out.

        Raises:
            Untrusted: and its subclasses: no good signature by somebody who is pinned, no receipt
                by the registry's pinned key, or things that contradict each other.
            Missing, Unreachable: what the transport says.
        """
        what = f"{locked.name} {locked.version}"
        repository = locked.name.repository
        data = self.manifest(repository, locked.digest)
        manifest = parse_manifest(data)
        if not isinstance(manifest, ImageManifest) or manifest.artifact_type != media.PACKAGE:
            raise Tampered(what, expected=media.PACKAGE, found=manifest.artifact_type)
        metadata = self._metadata(locked, manifest)
        kinds = (Kind.RELEASE, Kind.RECEIPT, *STATEMENTS)
        signed = self.statements(repository, locked.digest, kinds)
        receipt = self._receipt(locked, signed[Kind.RECEIPT])
        statement, good = self.signers(
            locked.name.namespace,
            what,
            _received(what, signed[Kind.RELEASE], receipt),
            among=locked.signers,
            at=receipt.admitted,
        )
        release = self.read_release(what, statement, locked.digest, metadata)
        config = release.files.get("metadata/package.json")
        if config != manifest.config.digest.hex:
            raise Tampered(f"{what}: package.json", expected=config, found=manifest.config.digest)
        ordered = sorted(good, key=lambda fingerprint: (good[fingerprint][0], fingerprint))
        return VerifiedRelease(
            locked.name,
            metadata,
            Descriptor(media.MANIFEST, locked.digest, len(data)),
            _layers(what, metadata.title, manifest),
            release.files,
            statement,
            {fingerprint: good[fingerprint][1] for fingerprint in ordered},
            ordered[0],
            receipt,
            self._wheels(locked, metadata, platform),
            self._evidence(locked, signed, receipt.admitted),
        )

    def signers(
        self,
        namespace: str,
        what: str,
        signed: Sequence[SignedStatement],
        *,
        among: Sequence[str] = (),
        at: datetime | None = None,
    ) -> tuple[bytes, dict[str, tuple[datetime, str]]]:
        """Return the statement, and when and with what each pinned signer signed it.

        Where nobody is pinned for `namespace` yet, those who signed are, and that is told. Where
        `among` names signers (a lock does), one of them must have signed. `at` is a moment at
        which the keys must have been valid; None is now.

        Raises:
            Unsigned, UnknownSigner, Untrusted: nobody who counts signed it well.
            Tampered: people who count signed different things.
        """
        good: dict[str, tuple[datetime, str, bytes]] = {}
        failures: list[VerificationFailed] = []
        for each in signed:
            try:
                verified = self._verify(namespace, each, at)
            except VerificationFailed as error:
                failures.append(error)
            else:
                good[verified.fingerprint] = (verified.signed_at, each.signature, each.statement)
        pinned = self._trust.fingerprints(namespace)
        if not good and failures:
            raise _refusal(namespace, what, pinned, failures[0], self._named)
        if among:
            decide(namespace, f"{what}, as locked", among, sorted(good), self._named)
        decision = decide(namespace, what, pinned, sorted(good), self._named)
        if decision.is_first_use and not self._pins_first_use:
            raise self._nobody_pinned(namespace, what, decision.signers)
        for failure in failures:
            # A receipt of the registry that a release was exported from is none of this one's.
            is_foreign = namespace == SERVER and isinstance(failure, UnknownKey)
            tell = self._output.detail if is_foreign else self._output.warn
            tell(f"{what}: ignored a signature: {failure}")
        statements = {good[signer][2] for signer in decision.signers}
        if len(statements) != 1:
            digests = sorted(str(Digest.of(each)) for each in statements)
            raise Tampered(f"{what}: its statement", expected=digests[0], found=digests[1])
        self._keep(namespace, decision.signers, is_first_use=decision.is_first_use)
        return statements.pop(), {
            signer: (good[signer][0], good[signer][1]) for signer in decision.signers
        }

    @staticmethod
    def read_release(
        what: str,
        statement: bytes,
        digest: Digest,
        metadata: PackageMetadata,
        files: Mapping[str, str] | None = None,
    ) -> ReleaseStatement:
        """Read a release statement that must be about this manifest of this package.

        Raises:
            Tampered: it is about another, or these `files` (path to sha256) aren't as it says.
        """
        release = ReleaseStatement.read(Statement.parse(statement))
        if files is not None:
            compare_files(what, expected=release.files, found=files, hint=CHANGED_HERE)
        if release.manifest != digest:
            raise Tampered(
                f"{what}: what was signed",
                expected=release.manifest,
                found=digest,
                hint=NOT_LAID_OUT if files is None else MODE_CHANGED_HERE,
            )
        named = f"{release.package} {release.version}"
        if named != f"{metadata.name} {metadata.version}":
            found = f"{metadata.name} {metadata.version}"
            raise Tampered(f"{what}: its name", expected=named, found=found)
        return release

    def _metadata(self, locked: LockedPackage, manifest: ImageManifest) -> PackageMetadata:
        what = f"{locked.name} {locked.version}"
        if manifest.config.size > _LARGEST_CONFIG:
            limit = f"at most {_LARGEST_CONFIG} bytes"
            raise Tampered(
                f"{what}: package.json", expected=limit, found=f"{manifest.config.size} bytes"
            )
        metadata = PackageMetadata.from_bytes(
            self.blob(locked.name.repository, manifest.config).read_bytes()
        )
        found = f"{metadata.name} {metadata.version}"
        if found != what:
            raise Tampered(f"{what}: its package.json", expected=what, found=found)
        groups = (metadata.requires, *(metadata.extras.get(each, {}) for each in locked.extras))
        requires = sorted(
            {str(Requirement.of(name, said)) for group in groups for name, said in group.items()}
        )
        said = [str(each) for each in locked.requires]
        if requires != said:
            raise Tampered(
                f"{what}: its requirements in package.json and in the lock",
                expected=requires,
                found=said,
            )
        return metadata

    def _receipt(self, locked: LockedPackage, signed: Sequence[SignedStatement]) -> Receipt:
        what = f"{locked.name} {locked.version}: the registry's receipt"
        statement, _ = self.signers(SERVER, what, signed)
        receipt = Receipt.read(Statement.parse(statement))
        found = f"{receipt.package} {receipt.version} {receipt.manifest}"
        expected = f"{locked.name} {locked.version} {locked.digest}"
        if found != expected:
            raise Tampered(what, expected=expected, found=found)
        return receipt

    def _evidence(
        self,
        locked: LockedPackage,
        signed: Mapping[Kind, Sequence[SignedStatement]],
        admitted: datetime,
    ) -> Evidence:
        """Return what pinned signers say about a release beside that they released it.

        Others may hang what they like on it: that is left out, with a warning. Where there are
        several statements of a kind, the one that was signed first is taken.

        Raises:
            Tampered: a pinned signer's statement about another release.
        """
        what = f"{locked.name} {locked.version}"
        namespace = locked.name.namespace
        pinned = self._trust.fingerprints(namespace)
        statements: dict[Kind, bytes] = {}
        signatures: dict[Kind, dict[str, str]] = {}
        for kind in STATEMENTS:
            good: list[tuple[datetime, str, SignedStatement]] = []
            for each in signed[kind]:
                try:
                    verified = self._verify(namespace, each, admitted)
                except VerificationFailed as error:
                    self._output.warn(f"{what}: ignored a {kind}: {error}")
                    continue
                if verified.fingerprint in pinned:
                    good.append((verified.signed_at, verified.fingerprint, each))
                else:
                    self._output.warn(
                        f"{what}: ignored a {kind} by {verified.fingerprint}, who isn't pinned"
                    )
            if good:
                first = min(good, key=lambda one: one[:2])[2].statement
                statements[kind] = first
                signatures[kind] = {
                    signer: one.signature for _, signer, one in good if one.statement == first
                }
        evidence = Evidence(statements, {}, signatures)
        name = f"{locked.name}@{locked.version}"
        for kind, data in statements.items():
            subject = Statement.parse(data).only_subject(kind, name)
            if subject.digest != locked.digest:
                about = subject.digest
                raise Tampered(f"{what}: its {kind}", expected=locked.digest, found=about)
        for file_name, document in evidence.listed.items():
            if document.size > LARGEST_DOCUMENT:
                limit = f"at most {LARGEST_DOCUMENT} bytes"
                found = f"{document.size} bytes"
                raise Tampered(f"{what}: {file_name}", expected=limit, found=found)
        return evidence

    def _wheels(
        self, locked: LockedPackage, metadata: PackageMetadata, platform: str | None
    ) -> dict[str, Descriptor]:
        """Return the blobs of the wheels that this interpreter takes, by file name."""
        if not metadata.wheels or platform is None:
            return {}
        what = f"{locked.name} {locked.version}: its wheels for {platform}"
        digest = locked.wheel_sets.get(platform)
        if digest is None:
            raise Missing(
                f"{what}: the lock has none",
                hint=f"lock for this platform: recipebox lock {locked.name} --platform {platform}",
            )
        manifest = parse_manifest(self.manifest(locked.name.repository, digest))
        about = manifest.subject.digest if manifest.subject else None
        if manifest.artifact_type != media.WHEEL_SET or about != locked.digest:
            raise Tampered(what, expected=f"a wheel set of {locked.digest}", found=f"of {about}")
        held = {str(blob.digest): blob for blob in manifest.blobs}
        wanted = wheels_here(metadata.wheels)
        return {wheel.filename: _held(wheel, held, what) for wheel in wanted}

    def _verify(
        self, namespace: str, signed: SignedStatement, at: datetime | None
    ) -> VerifiedSignature:
        keys = self._known_keys(namespace)
        try:
            return verify(signed.statement, signed.signature, keys, at=at)
        except SignatureFromFuture:
            if at is None:
                raise
            return verify(signed.statement, signed.signature, keys)

    def _known_keys(self, namespace: str) -> list[str]:
        """Return armoured keys: those that are pinned, as kept here and as the registry has them.

        The registry's may be newer: longer valid, or revoked. Others of its keys do no harm, since
        who counts is decided by the pins.
        """
        if self._transport is not None and namespace not in self._keys:
            self._keys[namespace] = self._transport.text(f"/keys/{namespace}.asc")
        kept = [self._trust.find_key(each) for each in self._trust.fingerprints(namespace)]
        known = [key for key in (*kept, self._keys.get(namespace)) if key and key.strip()]
        if not known:
            raise Untrusted(
                f"no key of {namespace} is known here",
                hint=f"its owner adds one: recipebox namespace key add {namespace} KEY.asc"
                + (f" --url {self._named}" if self._named else ""),
            )
        return known

    def _keep(self, namespace: str, signers: Sequence[str], *, is_first_use: bool) -> None:
        """Keep the keys of those who are trusted, and pin them where this is the first use."""
        of_whom = "this registry itself" if namespace == SERVER else f"namespace {namespace}"
        if self._named:
            of_whom = self._named if namespace == SERVER else f"{of_whom} of {self._named}"
        at = f" --url {self._named}" if self._named else ""
        for signer in signers:
            if is_first_use:
                self._trust.add(namespace, signer, "first use")
                self._output.warn(
                    f"first signature of {of_whom} seen here: {signer} is trusted from now on "
                    f"(compare it with its owner's; `recipebox trust list{at}` shows all)"
                )
            if self._trust.find_key(signer) is None and self._keys.get(namespace):
                with Keyring.temporary() as keyring:
                    keyring.import_keys(self._keys[namespace])
                    self._trust.keep_key(signer, keyring.export_public(signer))

    def _nobody_pinned(self, namespace: str, what: str, found: Sequence[str]) -> Untrusted:
        who = "the registry's own key" if namespace == SERVER else f"a signer of {namespace}"
        return Untrusted(
            f"{what}: signed by {', '.join(found)}, and {who} of {self.registry} isn't trusted "
            "here yet",
            hint="compare the fingerprint with its owner's, who isn't who gave you the file; then: "
            f"recipebox trust add {namespace} {found[0]} --url {self.registry}",
            namespace=namespace,
            found=list(found),
        )

    def _referrers(self, repository: RepositoryName, subject: Digest) -> list[Digest]:
        name = f"referrers of {repository}@{subject}"
        if self._transport is None:
            kept = self._cache.index_entry(self._kept_as, name)
            if kept is None:
                raise NotCached(f"{name}: not in the cache", hint="fetch it once without --offline")
            return [Digest.parse(text) for text in kept["body"]]
        listed = self._transport.referrers(repository, subject, media.STATEMENT)
        digests = sorted({entry.digest for entry in listed})
        self._cache.keep_index_entry(
            self._kept_as, name, etag="", as_of=0, body=[str(digest) for digest in digests]
        )
        return digests

    def _online(self, what: str) -> Source:
        if self._transport is None:
            raise NotCached(f"{what}: not in the cache", hint="run it once without --offline")
        return self._transport


def download_blobs(
    reader: Reader, blobs: Iterable[LocatedBlob], output: Output, jobs: int
) -> dict[Digest, Path]:
    """Bring blobs here, each from where the reader reads its repository; return their files."""
    wanted = {blob.digest: (repository, blob) for repository, blob in blobs}
    total = sum(blob.size for _, blob in wanted.values())
    with (
        output.progress("fetched", total) as advance,
        ThreadPoolExecutor(max_workers=jobs) as pool,
    ):
        running = {
            digest: pool.submit(reader.of(repository).blob, repository, blob, advance)
            for digest, (repository, blob) in wanted.items()
        }
        try:
            return {digest: future.result() for digest, future in running.items()}
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _held(wheel: Wheel, held: Mapping[str, Descriptor], what: str) -> Descriptor:
    descriptor = held.get(f"sha256:{wheel.sha256}")
    if descriptor is None or descriptor.size != wheel.size:
        found = "not in the wheel set" if descriptor is None else f"{descriptor.size} bytes"
        expected = f"{wheel.filename} sha256:{wheel.sha256}, {wheel.size} bytes"
        raise Tampered(what, expected=expected, found=found)
    return descriptor


def _layers(what: str, title: str, manifest: ImageManifest) -> dict[str, Descriptor]:
    """Return the layers by title; each must be one of a package's folders, once."""
    allowed = {f"{title}/{folder}" for folder in FOLDERS}
    layers: dict[str, Descriptor] = {}
    for layer in manifest.layers:
        found = layer.annotations.get(media.TITLE, "")
        if found not in allowed or found in layers or layer.media_type != media.LAYER_TAR_GZIP:
            raise Tampered(
                f"{what}: a layer's title", expected=f"one of {sorted(allowed)}, once", found=found
            )
        layers[found] = layer
    return layers


def compare_files(
    what: str, *, expected: Mapping[str, str], found: Mapping[str, str], hint: str = NOT_LAID_OUT
) -> None:
    """Compare the sha256 of files that were signed with those that are there.

    Raises:
        Tampered: names the first path that differs.
    """
    for path in sorted(found.keys() | expected.keys()):
        if found.get(path) != expected.get(path):
            raise Tampered(
                f"{what}: {path}",
                expected=f"sha256 {expected[path]}" if path in expected else "no such file",
                found=f"sha256 {found[path]}" if path in found else "no such file",
                hint=hint,
            )


def _received(
    what: str, signed: Sequence[SignedStatement], receipt: Receipt
) -> list[SignedStatement]:
    """Return those signed statements that are the one which the receipt names."""
    digests = {str(Digest.of(each.statement)) for each in signed}
    if digests and str(receipt.statement) not in digests:
        raise Tampered(
            f"{what}: the statement that its receipt names",
            expected=receipt.statement,
            found=", ".join(sorted(digests)),
        )
    return [each for each in signed if Digest.of(each.statement) == receipt.statement]


def _refusal(
    namespace: str,
    what: str,
    pinned: Sequence[str],
    failure: VerificationFailed,
    url: str | None,
) -> Untrusted:
    """Return the error for a thing whose every signature failed, by the first of them."""
    if isinstance(failure, UnknownKey):
        expected = list(pinned) or list(failure.known)
        return UnknownSigner(namespace, what, expected, [failure.found], url)
    return Untrusted(f"{what}: {failure}", what=what, reason=type(failure).__name__)
