"""What a release must be to be listed: every byte of it is read again and compared.

::

    manifest    the artifact type, title, version and layers that recipes/layers.py draws
    config      package.json, valid, of this package; the same file is in the metadata layer
    layers      each unpacks strictly, below its title, and has the digest that the manifest says
    wheel sets  each for one platform, of wheels that package.json locks; every such wheel in one
    statement   signed by a trusted key of the namespace: this package, version, digest and files
    evidence    a proof and documents, by such a key, about this release; others are nobody's word
"""

import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

import signing.errors
from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.errors import ArtifactError
from artifacts.manifest import ImageIndex, ImageManifest, parse_manifest
from artifacts.reference import PackageName
from recipes.deployment import DeploymentConfig
from recipes.errors import RecipeError
from recipes.layers import unpack_layer
from recipes.package import FOLDERS, METADATA_FILES, PackageMetadata
from registry.errors import InvalidRelease, Untrusted
from resolver.candidate import WheelSet, check_platform
from resolver.errors import InvalidEnvironment
from signing.statement import (
    Document,
    EvidenceStatement,
    Kind,
    ProofStatement,
    ReleaseStatement,
    Statement,
    StatementReferrer,
    read_statement_manifest,
)
from signing.trust import TrustPolicy, evaluate
from signing.verify import VerifiedSignature, verify

LARGEST_CONFIG = 4 * 1024 * 1024
"""Bytes of package.json: it is read whole."""

Given = TypeVar("Given")
Read = TypeVar("Read")

_REQUIRED = ("metadata", "recipe")
_WHEELS = frozenset({media.WHEEL, media.EMPTY})
_ENTRY_POINTS = ("recipe/run_recipe.py", "recipe/recipe.yaml")


class Bytes(Protocol):
    """Where the blobs of one repository are read."""

    def open_blob(self, digest: Digest) -> BinaryIO:
        """Open a blob that one of the manifests needs; the caller closes it."""
        ...


@dataclass(frozen=True, slots=True)
class Referrer:
    """A manifest that refers to the release: its digest and its bytes."""

    digest: Digest
    data: bytes


@dataclass(frozen=True, slots=True)
class Keys:
    """A namespace's public keys, armoured, and who is trusted to release."""

    armored: tuple[str, ...]
    policy: TrustPolicy


@dataclass(frozen=True, slots=True)
class Inspected:
    """What was found, all of it good: who signed (sorted), and the digest of what they signed.

    `evidence` is what they say beside that, as it is shown (see `Inspection.find_evidence`).
    """

    metadata: PackageMetadata
    config: bytes
    platforms: Mapping[str, WheelSet]
    statement: Digest
    signers: tuple[str, ...]
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Inspection:
    """One look at one staged release; `now` is the moment at which signatures are judged."""

    package: PackageName
    digest: Digest
    blobs: Bytes
    now: datetime

    def run(self, data: bytes, referrers: Sequence[Referrer], keys: Keys) -> Inspected:
        """Look at everything.

        Raises:
            InvalidRelease: names what isn't as it must be, and where.
            Untrusted: no good signature by a key that may release.
        """
        manifest = self._read_manifest("manifest", self.digest, data)
        if not isinstance(manifest, ImageManifest) or manifest.artifact_type != media.PACKAGE:
            raise self._wrong(
                "manifest", f"its type is {manifest.artifact_type}, expected {media.PACKAGE}"
            )
        metadata, config = self._read_config(manifest)
        with tempfile.TemporaryDirectory(prefix="rb-admit-") as folder:
            files = self._read_layers(manifest, metadata, Path(folder))
        self._check_files(files, manifest.config.digest)
        parsed = self._parse(referrers)
        platforms = self._read_wheel_sets(metadata, parsed)
        statement, signers = self._read_statements(metadata.version, files, parsed, keys)
        evidence = self._find_evidence(metadata.version, parsed, keys)
        return Inspected(metadata, config, platforms, statement, signers, evidence)

    def find_evidence(
        self, version: str, referrers: Sequence[Referrer], keys: Keys
    ) -> dict[str, Any]:
        """Return the evidence of a release that was looked at before.

        `{"proof": None or {referrer, statement, compared, enforced, not_enforced},
        "documents": {file name: {digest, media_type, size}}}`; statements by nobody who may release
        are left out.

        Raises:
            InvalidRelease: such a statement that isn't about this release, or about a document that
                isn't there.
        """
        return self._find_evidence(version, self._parse(referrers), keys)

    def _parse(
        self, referrers: Sequence[Referrer]
    ) -> list[tuple[Referrer, ImageManifest | ImageIndex]]:
        return [
            (each, self._read_manifest(f"referrer {each.digest}", each.digest, each.data))
            for each in referrers
        ]

    def _find_evidence(
        self,
        version: str,
        referrers: Sequence[tuple[Referrer, ImageManifest | ImageIndex]],
        keys: Keys,
    ) -> dict[str, Any]:
        held = {(each.digest, each.size) for _, manifest in referrers for each in manifest.blobs}
        proof: dict[str, Any] | None = None
        documents: dict[str, Any] = {}
        for referrer, manifest in referrers:
            if manifest.artifact_type != media.STATEMENT:
                continue
            where = f"statement {referrer.digest}"
            try:
                carried = read_statement_manifest(manifest)
            except signing.errors.InvalidStatement:
                continue  # nobody signed it: `run` refuses it
            if carried.kind not in {Kind.PROOF, Kind.EVIDENCE}:
                continue
            data, signature = self._read_signed(where, carried)
            signer = self._trusted_signer(data, signature, keys)
            if signer is None:
                continue
            statement = self._about_this(where, version, data, carried.kind)
            if carried.kind is Kind.PROOF:
                said = self._understood(where, ProofStatement.read, statement)
                proof = proof or _draw_proof(referrer.digest, data, said)
                continue
            listed = self._understood(where, EvidenceStatement.read, statement).documents
            for name, document in listed.items():
                if (document.digest, document.size) not in held:
                    raise self._wrong(where, f"no referrer holds {name}, {document.digest}")
                documents.setdefault(name, _draw_document(document))
        return {"proof": proof, "documents": documents}

    def _about_this(self, where: str, version: str, data: bytes, kind: Kind) -> Statement:
        statement = self._understood(where, Statement.parse, data)
        name = f"{self.package}@{version}"
        subject = self._understood(where, lambda one: one.only_subject(kind, name), statement)
        if subject.digest != self.digest:
            raise self._wrong(where, f"it is about {subject.digest}")
        return statement

    def _understood(self, where: str, read: Callable[[Given], Read], given: Given) -> Read:
        try:
            return read(given)
        except signing.errors.InvalidStatement as error:
            raise self._wrong(where, str(error)) from error

    def _trusted_signer(self, data: bytes, signature: bytes, keys: Keys) -> str | None:
        try:
            verified = verify(data, signature, keys.armored, at=self.now)
            evaluate(keys.policy, [verified], role="release", now=self.now)
        except (signing.errors.VerificationFailed, signing.errors.TrustRefused):
            return None
        return verified.fingerprint

    def _wrong(self, where: str, reason: str) -> InvalidRelease:
        return InvalidRelease(str(self.package), str(self.digest), where, reason)

    def _read_manifest(self, where: str, digest: Digest, data: bytes) -> ImageManifest | ImageIndex:
        try:
            return parse_manifest(digest.check(where, data))
        except ArtifactError as error:
            raise self._wrong(where, str(error)) from error

    def _read_config(self, manifest: ImageManifest) -> tuple[PackageMetadata, bytes]:
        if manifest.config.media_type != media.PACKAGE_CONFIG:
            found = manifest.config.media_type
            raise self._wrong("config", f"its type is {found}, expected {media.PACKAGE_CONFIG}")
        config = self._read_blob("config", manifest.config, LARGEST_CONFIG)
        try:
            metadata = PackageMetadata.from_bytes(config)
        except RecipeError as error:
            raise self._wrong("config", str(error)) from error
        expected = {media.TITLE: str(self.package), media.VERSION: metadata.version}
        for annotation, value in expected.items():
            said = manifest.annotations.get(annotation)
            if said != value:
                raise self._wrong("manifest", f"{annotation} is {said!r}, expected {value!r}")
        if metadata.name != str(self.package):
            raise self._wrong("config", f"its name is {metadata.name}, expected {self.package}")
        if any(metadata.name in group for group in (metadata.requires, *metadata.extras.values())):
            raise self._wrong("config", "it requires itself")
        return metadata, config

    def _read_blob(self, where: str, descriptor: Descriptor, limit: int) -> bytes:
        if descriptor.size > limit:
            raise self._wrong(where, f"{descriptor.size} bytes; the limit is {limit}")
        with self.blobs.open_blob(descriptor.digest) as stream:
            data = stream.read(limit + 1)
        if len(data) != descriptor.size:
            raise self._wrong(where, f"{len(data)} bytes, expected {descriptor.size}")
        try:
            return descriptor.digest.check(where, data)
        except ArtifactError as error:
            raise self._wrong(where, str(error)) from error

    def _read_layers(
        self, manifest: ImageManifest, metadata: PackageMetadata, into: Path
    ) -> dict[str, str]:
        """Unpack every layer into a folder that is thrown away; return each file's sha256."""
        titles = [layer.annotations.get(media.TITLE, "") for layer in manifest.layers]
        known = [f"{metadata.title}/{folder}" for folder in FOLDERS]
        expected = [title for title in known if title in titles]
        if titles != expected:
            raise self._wrong(
                "layers", f"their titles are {titles}, expected some of {known}, in this order"
            )
        for folder in _REQUIRED:
            if f"{metadata.title}/{folder}" not in titles:
                raise self._wrong("layers", f"there is no layer {metadata.title}/{folder}")
        files: dict[str, str] = {}
        for title, layer in zip(titles, manifest.layers, strict=True):
            files |= self._read_layer(title, layer, into)
        path = into / metadata.title / "metadata" / "deployment_config.yaml"
        if path.is_file():
            try:
                DeploymentConfig.from_bytes(path.read_bytes())
            except RecipeError as error:
                raise self._wrong("deployment_config.yaml", str(error)) from error
        return files

    def _read_layer(self, title: str, layer: Descriptor, into: Path) -> dict[str, str]:
        if layer.media_type != media.LAYER_TAR_GZIP:
            raise self._wrong(title, f"its type is {layer.media_type}")
        if layer.annotations.get(media.UNPACK) != "true":
            raise self._wrong(title, f"{media.UNPACK} isn't 'true'")
        with self.blobs.open_blob(layer.digest) as stream:
            hashing = _Hashing(stream, layer.digest.algorithm)
            try:
                files = unpack_layer(hashing, title, into, size=layer.size)  # type: ignore[arg-type]
            except RecipeError as error:
                raise self._wrong(title, str(error)) from error
            found = hashing.digest()
        if (found, hashing.size) != (layer.digest, layer.size):
            raise self._wrong(
                title,
                f"expected {layer.digest} of {layer.size} bytes, "
                f"found {found} of {hashing.size} bytes",
            )
        return files

    def _check_files(self, files: Mapping[str, str], config: Digest) -> None:
        metadata = sorted(path for path in files if path.startswith("metadata/"))
        expected = [f"metadata/{name}" for name in METADATA_FILES]
        if metadata != expected:
            raise self._wrong("metadata", f"it holds {metadata}, expected {expected}")
        if files["metadata/package.json"] != config.hex:
            raise self._wrong("metadata/package.json", "it isn't the config's bytes")
        for path in _ENTRY_POINTS:
            if path not in files:
                raise self._wrong("recipe", f"there is no {path}")

    def _read_wheel_sets(
        self,
        metadata: PackageMetadata,
        referrers: Sequence[tuple[Referrer, ImageManifest | ImageIndex]],
    ) -> dict[str, WheelSet]:
        locked = {(one.filename, one.sha256, one.size) for one in metadata.wheels}
        platforms: dict[str, WheelSet] = {}
        held: set[tuple[str, str, int]] = set()
        for referrer, manifest in referrers:
            if manifest.artifact_type != media.WHEEL_SET:
                continue
            where = f"wheel set {referrer.digest}"
            platform = manifest.annotations.get(media.PLATFORM, "")
            try:
                check_platform(platform)
            except InvalidEnvironment as error:
                raise self._wrong(where, str(error)) from error
            if platform in platforms:
                raise self._wrong(
                    where, f"{platform} has another, {platforms[platform].digest}; delete one"
                )
            wheels = {
                (layer.annotations.get(media.TITLE, ""), layer.digest.hex, layer.size)
                for layer in manifest.blobs
                if layer.media_type == media.WHEEL
            }
            others = [blob.media_type for blob in manifest.blobs if blob.media_type not in _WHEELS]
            if others:
                raise self._wrong(where, f"it holds {', '.join(others)} beside its wheels")
            strange = sorted(name for name, _, _ in wheels - locked)
            if strange or not wheels:
                raise self._wrong(where, f"package.json doesn't lock {strange or 'its wheels'}")
            self._check_wheels(where, manifest)
            platforms[platform] = WheelSet(referrer.digest, len(referrer.data))
            held |= wheels
        missing = sorted(name for name, _, _ in locked - held)
        if missing:
            raise self._wrong("wheels", f"no wheel set holds {', '.join(missing)}")
        return platforms

    def _check_wheels(self, where: str, manifest: ImageManifest | ImageIndex) -> None:
        """Read the bytes of every wheel again, without keeping them."""
        for layer in manifest.blobs:
            if layer.media_type != media.WHEEL:
                continue
            with self.blobs.open_blob(layer.digest) as stream:
                found = Digest.of_stream(stream, layer.digest.algorithm)
                size = stream.tell()
            if (found, size) != (layer.digest, layer.size):
                raise self._wrong(
                    f"{where}, {layer.annotations.get(media.TITLE, '')}",
                    f"expected {layer.digest} of {layer.size} bytes, found {found} of {size} bytes",
                )

    def _read_statements(
        self,
        version: str,
        files: Mapping[str, str],
        referrers: Sequence[tuple[Referrer, ImageManifest | ImageIndex]],
        keys: Keys,
    ) -> tuple[Digest, tuple[str, ...]]:
        verified: list[VerifiedSignature] = []
        refused: list[str] = []
        statements: set[bytes] = set()
        for referrer, manifest in referrers:
            if manifest.artifact_type != media.STATEMENT:
                continue
            where = f"statement {referrer.digest}"
            try:
                carried = read_statement_manifest(manifest)
            except signing.errors.InvalidStatement as error:
                raise self._wrong(where, str(error)) from error
            if carried.kind is not Kind.RELEASE:
                continue
            statement, signature = self._read_signed(where, carried)
            try:
                verified.append(verify(statement, signature, keys.armored, at=self.now))
            except signing.errors.VerificationFailed as error:
                refused.append(str(error))
                continue
            self._check_statement(where, statement, version, files)
            statements.add(statement)
        try:
            trusted = evaluate(keys.policy, verified, role="release", now=self.now)
        except signing.errors.TrustRefused as error:
            expected = "a signature by " + (
                " or ".join(keys.policy.fingerprints)
                or f"a key (namespace {self.package.namespace} "
                "has none yet: recipebox namespace key add)"
            )
            found = "; ".join((*refused, *([str(error)] if verified or not refused else [])))
            raise Untrusted(f"{self.package} {version}", expected=expected, found=found) from error
        # Each was compared with this release and has one form: so all of them are the same bytes.
        return Digest.of(statements.pop()), trusted.fingerprints

    def _read_signed(self, where: str, carried: StatementReferrer) -> tuple[bytes, bytes]:
        return (
            self._read_blob(f"{where}, layers[0]", carried.statement, carried.statement.size),
            self._read_blob(f"{where}, layers[1]", carried.signature, LARGEST_SIGNATURE),
        )

    def _check_statement(
        self, where: str, data: bytes, version: str, files: Mapping[str, str]
    ) -> None:
        try:
            said = ReleaseStatement.read(Statement.parse(data))
        except signing.errors.InvalidStatement as error:
            raise self._wrong(where, str(error)) from error
        subject = (said.package, said.version, said.manifest)
        if subject != (self.package, version, self.digest):
            raise self._wrong(
                where,
                f"it is about {said.package} {said.version}, {said.manifest}; "
                f"expected {self.package} {version}, {self.digest}",
            )
        differing = sorted(
            path
            for path in said.files.keys() | files.keys()
            if said.files.get(path) != files.get(path)
        )
        if differing:
            raise self._wrong(
                where, f"its file list isn't what the layers hold, at {', '.join(differing[:5])}"
            )


def _draw_proof(referrer: Digest, data: bytes, said: ProofStatement) -> dict[str, Any]:
    return {
        "referrer": str(referrer),
        "statement": str(Digest.of(data)),
        "compared": said.is_compared,
        "enforced": list(said.enforced),
        "not_enforced": dict(said.not_enforced),
    }


def _draw_document(document: Document) -> dict[str, Any]:
    return {
        "digest": str(document.digest),
        "media_type": document.media_type,
        "size": document.size,
    }


LARGEST_SIGNATURE = 16 * 1024
"""Bytes of an armoured signature: one has some 300, by RSA 1,000."""


class _Hashing:
    """A stream that hashes and counts what is read of it."""

    def __init__(self, stream: BinaryIO, algorithm: str) -> None:
        self._stream = stream
        self._algorithm = algorithm
        self._hash = hashlib.new(algorithm)
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._hash.update(data)
        self.size += len(data)
        return data

    def digest(self) -> Digest:
        return Digest(self._algorithm, self._hash.hexdigest())
