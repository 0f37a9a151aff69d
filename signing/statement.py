"""Statements: what is signed (in-toto Statement v1, in the bytes of RFC 8785).

::

    {"_type": "https://in-toto.io/Statement/v1",
     "predicate": {"files": {"metadata/package.json": "9f86d0...", ...},
                   "package": "team/etl", "version": "1.2.3"},
     "predicateType": "urn:recipebox:release:v1",
     "subject": [{"digest": {"sha256": "2c26b4..."}, "name": "team/etl@1.2.3"}]}

    kind       subject                  predicate
    release    the release's manifest   package, version, files (path -> sha256)
               team/etl@1.2.3
    receipt    the release's manifest   package, version, statement (digest of the release's),
               team/etl@1.2.3           signers (fingerprints), admitted (time), revision
    bundle     the bundle's index       application, packages (name -> version)
               team/app
    promotion  the bundle's index       application, channel, from, to, bundle, previous,
               team/app                 previous_bundle, evidence, asked_by, time
    proof      the release's manifest   package, version, exit_code, steps ([{idx, name,
               team/etl@1.2.3           exit_code}]), outputs (key -> sha256 of its value's JSON),
                                        python, platform, runner, milliseconds, enforced,
                                        not_enforced (what -> why), checkout ({compared,
                                        reason, varying})
    evidence   the release's manifest   package, version, documents (file name -> media_type,
               team/etl@1.2.3           digest, size)

A proof says that the packed result was run, from a clean folder, and gave in it what the checkout
gives; an evidence statement vouches for documents (an SBOM) that hang on the release by themselves,
in their own media types, for tools that know nothing of statements.

Each value has one form only, so that equal statements are equal bytes: paths are relative and
normal, digests `sha256:hex`, times RFC 3339 in UTC to the second (`2026-05-04T03:02:01Z`). A
release's statement has no time and no signer in it: every signer signs the same bytes.

A statement is carried by a referrer of what it is about:

::

    artifactType  application/vnd.recipebox.statement.v1
    config        the empty one
    layers        [0] application/vnd.in-toto+json    the statement
                  [1] application/pgp-signature       a detached armoured signature over [0]
    subject       the manifest that it is about
    annotations   io.recipebox.statement: release | receipt | bundle | promotion | ...
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple, NoReturn, TypeVar

import rfc8785

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.errors import ArtifactError
from artifacts.manifest import (
    EMPTY_CONFIG,
    ImageIndex,
    ImageManifest,
    image_manifest,
    parse_manifest,
)
from artifacts.reference import PackageName
from signing.errors import InvalidStatement, UnknownStatement
from signing.key import is_fingerprint
from signing.schema import SCHEMA, STATEMENT_TYPE

__all__ = [
    "LARGEST_STATEMENT",
    "SCHEMA",
    "STATEMENT_TYPE",
    "AskedBy",
    "BundleStatement",
    "Document",
    "EvidenceStatement",
    "Kind",
    "Promotion",
    "ProofStatement",
    "ProvedStep",
    "Receipt",
    "ReleaseStatement",
    "Statement",
    "StatementReferrer",
    "Subject",
    "bundle_statement",
    "evidence_statement",
    "promotion_statement",
    "proof_statement",
    "read_statement_manifest",
    "receipt_statement",
    "release_statement",
    "statement_manifest",
]

LARGEST_STATEMENT = 8 << 20
"""Bytes: the names and hashes of some 60,000 files."""

_PREDICATE_TYPE = re.compile(r"urn:recipebox:([a-z]+):v([0-9]+)")
# semver.org, "Is there a suggested regular expression", without build metadata
_NUMBER = r"(?:0|[1-9][0-9]*)"
_PRERELEASE = rf"(?:{_NUMBER}|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
_VERSION = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_PRERELEASE}(?:\.{_PRERELEASE})*)?")
_LONGEST_VERSION = 64
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CHANNEL = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_PROOFS = ("token", "session")
_RUNNERS = ("bundled", "checkout")
_DOCUMENT = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*")

Value = TypeVar("Value")


class Kind(StrEnum):
    """What a statement says; its predicate type is `urn:recipebox:<kind>:v1`."""

    RELEASE = "release"
    RECEIPT = "receipt"
    BUNDLE = "bundle"
    PROMOTION = "promotion"
    APPROVAL = "approval"
    TEST = "test"
    SCAN = "scan"
    PROOF = "proof"
    EVIDENCE = "evidence"
    EXCEPTION = "exception"
    REVOCATION = "revocation"
    ROLLOUT = "rollout"
    POLICY = "policy"
    ROTATION = "rotation"

    @property
    def predicate_type(self) -> str:
        """The URI that names it in a statement."""
        return f"urn:recipebox:{self}:v1"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a statement is about: a name, and the sha256 digest of a manifest."""

    name: str
    digest: Digest

    def __post_init__(self) -> None:
        """Refuse what a statement can't name.

        Raises:
            InvalidStatement: no name, or a digest that isn't sha256.
        """
        if not self.name:
            raise InvalidStatement("a subject has no name")
        if self.digest.algorithm != "sha256":
            raise InvalidStatement(f"the subject {self.name} has no sha256 digest")


@dataclass(frozen=True, slots=True)
class Statement:
    """A kind, what it is about, and what it says of that: a JSON object."""

    kind: Kind
    subjects: tuple[Subject, ...]
    predicate: Mapping[str, Any]

    def __post_init__(self) -> None:
        """Refuse a statement about nothing.

        Raises:
            InvalidStatement: it has no subject.
        """
        if not self.subjects:
            raise InvalidStatement("subject is empty: a statement is about something")

    @property
    def predicate_type(self) -> str:
        """The URI of its kind."""
        return self.kind.predicate_type

    def to_bytes(self) -> bytes:
        """Return its one form in bytes (RFC 8785).

        Raises:
            InvalidStatement: the predicate holds what JSON can't carry the same everywhere.
        """
        drawn = {
            "_type": STATEMENT_TYPE,
            "predicateType": self.predicate_type,
            "subject": [
                {"name": subject.name, "digest": {"sha256": subject.digest.hex}}
                for subject in self.subjects
            ],
            "predicate": dict(self.predicate),
        }
        return _canonical(drawn)

    @classmethod
    def parse(cls, data: bytes) -> "Statement":
        """Read a statement of a known kind; `ReleaseStatement.read` etc. read its predicate.

        Raises:
            UnknownStatement: another `_type`, kind or version.
            InvalidStatement: not canonical bytes, members missing or unknown, over 8 MiB.
        """
        drawn = _read_canonical(data)
        said = drawn.get("_type")
        if said != STATEMENT_TYPE:
            raise UnknownStatement("_type", str(said), STATEMENT_TYPE)
        _, predicate, predicate_type, subject = _take(
            drawn, "the statement", "_type", "predicate", "predicateType", "subject"
        )
        if not isinstance(predicate, dict):
            raise InvalidStatement("predicate is not an object")
        subjects = _list(_subject, subject, "subject")
        return cls(_kind(predicate_type), subjects, predicate)

    def only_subject(self, kind: Kind, name: str | None = None) -> Subject:
        """Return its one subject, if it is a `kind` about one thing (called `name`).

        Raises:
            InvalidStatement: another kind, several subjects, or another name.
        """
        if self.kind is not kind:
            raise InvalidStatement(f"it is a {self.kind} statement, expected a {kind}")
        if len(self.subjects) != 1:
            raise InvalidStatement(f"it has {len(self.subjects)} subjects, expected one")
        found = self.subjects[0]
        if name is not None and found.name != name:
            raise InvalidStatement(f"its subject is {found.name!r}, expected {name!r}")
        return found


@dataclass(frozen=True, slots=True)
class ReleaseStatement:
    """`manifest` is release `version` of `package`; `files` gives each file's sha256 as hex."""

    package: PackageName
    version: str
    manifest: Digest
    files: Mapping[str, str]

    @classmethod
    def read(cls, statement: Statement) -> "ReleaseStatement":
        """Read it from a statement.

        Raises:
            InvalidStatement: another kind, or members that break the form.
        """
        subject = statement.only_subject(Kind.RELEASE)
        files, package, version = _take(
            statement.predicate, "predicate", "files", "package", "version"
        )
        read = cls(
            _package(package, "predicate.package"),
            _version(version, "predicate.version"),
            subject.digest,
            _map(_path, _sha256, files, "predicate.files"),
        )
        if not read.files:
            raise InvalidStatement("predicate.files is empty")
        statement.only_subject(Kind.RELEASE, f"{read.package}@{read.version}")
        return read


@dataclass(frozen=True, slots=True)
class Receipt:
    """The server's word that it admitted a release, signed by `signers`, at `admitted`.

    `manifest` is the release's digest, `statement` that of its release statement's bytes, and
    `revision` the index's with which it was listed.
    """

    package: PackageName
    version: str
    manifest: Digest
    statement: Digest
    signers: tuple[str, ...]
    admitted: datetime
    revision: int

    @classmethod
    def read(cls, statement: Statement) -> "Receipt":
        """Read it from a statement.

        Raises:
            InvalidStatement: another kind, or members that break the form.
        """
        subject = statement.only_subject(Kind.RECEIPT)
        admitted, package, revision, signers, signed, version = _take(
            statement.predicate,
            "predicate",
            "admitted",
            "package",
            "revision",
            "signers",
            "statement",
            "version",
        )
        read = cls(
            _package(package, "predicate.package"),
            _version(version, "predicate.version"),
            subject.digest,
            _digest(signed, "predicate.statement"),
            _list(_fingerprint, signers, "predicate.signers"),
            _time(admitted, "predicate.admitted"),
            _count(revision, "predicate.revision"),
        )
        statement.only_subject(Kind.RECEIPT, f"{read.package}@{read.version}")
        return read


@dataclass(frozen=True, slots=True)
class BundleStatement:
    """`bundle` is a bundle of `application`; `packages` gives each package's version."""

    application: PackageName
    bundle: Digest
    packages: Mapping[str, str]

    @classmethod
    def read(cls, statement: Statement) -> "BundleStatement":
        """Read it from a statement.

        Raises:
            InvalidStatement: another kind, or members that break the form.
        """
        application, packages = _take(statement.predicate, "predicate", "application", "packages")
        name = _package(application, "predicate.application")
        return cls(
            name,
            statement.only_subject(Kind.BUNDLE, str(name)).digest,
            _map(_package, _version, packages, "predicate.packages"),
        )


@dataclass(frozen=True, slots=True)
class AskedBy:
    """Who asked for a promotion, in which role, and how they proved it: a token or a session."""

    name: str
    role: str
    proof: str


@dataclass(frozen=True, slots=True)
class Promotion:
    """One move of a channel's pointer to `bundle`.

    `came_from` is the channel that the bundle was in before (None: none); `previous` the manifest's
    digest of the channel's record before this, and `previous_bundle` what it pointed to (None:
    the channel was empty).
    """

    application: PackageName
    channel: str
    came_from: str | None
    bundle: Digest
    previous: Digest | None
    previous_bundle: Digest | None
    evidence: tuple[Digest, ...]
    asked_by: AskedBy
    time: datetime

    @classmethod
    def read(cls, statement: Statement) -> "Promotion":
        """Read it from a statement.

        Raises:
            InvalidStatement: another kind, or members that break the form.
        """
        (
            application,
            asked_by,
            bundle,
            channel,
            evidence,
            came_from,
            previous,
            previous_bundle,
            time,
            to,
        ) = _take(
            statement.predicate,
            "predicate",
            "application",
            "asked_by",
            "bundle",
            "channel",
            "evidence",
            "from",
            "previous",
            "previous_bundle",
            "time",
            "to",
        )
        name, proof, role = _take(asked_by, "predicate.asked_by", "name", "proof", "role")
        read = cls(
            _package(application, "predicate.application"),
            _channel(channel, "predicate.channel"),
            _optional(_channel, came_from, "predicate.from"),
            _digest(bundle, "predicate.bundle"),
            _optional(_digest, previous, "predicate.previous"),
            _optional(_digest, previous_bundle, "predicate.previous_bundle"),
            _list(_digest, evidence, "predicate.evidence"),
            AskedBy(
                _text(name, "predicate.asked_by.name"),
                _text(role, "predicate.asked_by.role"),
                _proof(proof, "predicate.asked_by.proof"),
            ),
            _time(time, "predicate.time"),
        )
        if to != read.channel:
            raise InvalidStatement(f"predicate.to is {to!r}, and predicate.channel {channel!r}")
        if (read.previous is None) != (read.previous_bundle is None):
            raise InvalidStatement("predicate.previous and .previous_bundle go together")
        subject = statement.only_subject(Kind.PROMOTION, str(read.application))
        if subject.digest != read.bundle:
            raise InvalidStatement(
                f"its subject is {subject.digest}, and predicate.bundle {read.bundle}"
            )
        return read


@dataclass(frozen=True, slots=True)
class ProvedStep:
    """A step of a proof's run, and how it ended."""

    idx: int
    name: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class ProofStatement:
    """Release `version` of `package`, whose manifest is `manifest`, was run from a clean folder.

    `outputs` gives for each key that the steps left in the context the sha256 (hex) of its value,
    as JSON with sorted keys and no spaces (so that a proof tells nobody what a recipe works on).
    `runner` is `bundled` or `checkout`; `enforced` names what the sandbox did, `not_enforced` what
    it could not, with why. `is_compared` says whether the same was run in the checkout and gave the
    same, `reason` with which, or why not; `varying` are the outputs that differ from run to run
    there, and were not compared.
    """

    package: PackageName
    version: str
    manifest: Digest
    exit_code: int
    steps: tuple[ProvedStep, ...]
    outputs: Mapping[str, str]
    python: str
    platform: str
    runner: str
    milliseconds: int
    enforced: tuple[str, ...]
    not_enforced: Mapping[str, str]
    is_compared: bool
    reason: str
    varying: tuple[str, ...]

    @classmethod
    def read(cls, statement: Statement) -> "ProofStatement":
        """Read it from a statement.

        Raises:
            InvalidStatement: another kind, or members that break the form.
        """
        said = dict(zip(_PROOF, _take(statement.predicate, "predicate", *_PROOF), strict=True))
        checkout = _take(said["checkout"], "predicate.checkout", "compared", "reason", "varying")
        read = cls(
            _package(said["package"], "predicate.package"),
            _version(said["version"], "predicate.version"),
            statement.only_subject(Kind.PROOF).digest,
            _count(said["exit_code"], "predicate.exit_code"),
            _list(_proved_step, said["steps"], "predicate.steps"),
            _map(_text, _sha256, said["outputs"], "predicate.outputs"),
            _text(said["python"], "predicate.python"),
            _text(said["platform"], "predicate.platform"),
            _one_of(_RUNNERS, said["runner"], "predicate.runner"),
            _count(said["milliseconds"], "predicate.milliseconds"),
            _list(_text, said["enforced"], "predicate.enforced"),
            _map(_text, _text, said["not_enforced"], "predicate.not_enforced"),
            _bool(checkout[0], "predicate.checkout.compared"),
            _text(checkout[1], "predicate.checkout.reason"),
            _list(_text, checkout[2], "predicate.checkout.varying"),
        )
        statement.only_subject(Kind.PROOF, f"{read.package}@{read.version}")
        return read


_PROOF = (
    *("package", "version", "exit_code", "steps", "outputs", "python", "platform", "runner"),
    *("milliseconds", "enforced", "not_enforced", "checkout"),
)


@dataclass(frozen=True, slots=True)
class Document:
    """A document that an evidence statement vouches for; `size` in bytes."""

    media_type: str
    digest: Digest
    size: int

    @property
    def descriptor(self) -> Descriptor:
        """It, as a registry knows it."""
        return Descriptor(self.media_type, self.digest, self.size)


@dataclass(frozen=True, slots=True)
class EvidenceStatement:
    """These `documents` (by file name) are about release `version` of `package`."""

    package: PackageName
    version: str
    manifest: Digest
    documents: Mapping[str, Document]

    @classmethod
    def read(cls, statement: Statement) -> "EvidenceStatement":
        """Read it from a statement.

        Raises:
            InvalidStatement: another kind, or members that break the form.
        """
        documents, package, version = _take(
            statement.predicate, "predicate", "documents", "package", "version"
        )
        read = cls(
            _package(package, "predicate.package"),
            _version(version, "predicate.version"),
            statement.only_subject(Kind.EVIDENCE).digest,
            _map(_document_name, _document, documents, "predicate.documents"),
        )
        if not read.documents:
            raise InvalidStatement("predicate.documents is empty")
        statement.only_subject(Kind.EVIDENCE, f"{read.package}@{read.version}")
        return read


def release_statement(
    package: PackageName, version: str, manifest: Digest, files: Mapping[str, str]
) -> Statement:
    """Say that `manifest` is this release; `files` gives each file's sha256 (hex) by its path.

    Raises:
        InvalidStatement: a value that breaks the form.
    """
    return _made(
        ReleaseStatement.read,
        Kind.RELEASE,
        Subject(f"{package}@{version}", manifest),
        {"package": str(package), "version": version, "files": dict(files)},
    )


def receipt_statement(
    package: PackageName,
    version: str,
    manifest: Digest,
    *,
    statement: Digest,
    signers: Sequence[str],
    admitted: datetime,
    revision: int,
) -> Statement:
    """Say that this release was admitted; `admitted` loses its fraction of a second.

    Raises:
        InvalidStatement: a value that breaks the form.
    """
    return _made(
        Receipt.read,
        Kind.RECEIPT,
        Subject(f"{package}@{version}", manifest),
        {
            "package": str(package),
            "version": version,
            "statement": str(statement),
            "signers": list(signers),
            "admitted": _drawn_time(admitted),
            "revision": revision,
        },
    )


def bundle_statement(
    application: PackageName, bundle: Digest, packages: Mapping[str, str]
) -> Statement:
    """Say that `bundle` is a bundle of `application`; `packages` gives versions by name.

    Raises:
        InvalidStatement: a value that breaks the form.
    """
    return _made(
        BundleStatement.read,
        Kind.BUNDLE,
        Subject(str(application), bundle),
        {"application": str(application), "packages": dict(packages)},
    )


def promotion_statement(
    application: PackageName,
    channel: str,
    bundle: Digest,
    *,
    came_from: str | None,
    previous: Digest | None,
    previous_bundle: Digest | None,
    evidence: Sequence[Digest],
    asked_by: AskedBy,
    time: datetime,
) -> Statement:
    """Say that the pointer of `channel` was moved to `bundle`; `time` loses its fraction.

    Raises:
        InvalidStatement: a value that breaks the form.
    """
    return _made(
        Promotion.read,
        Kind.PROMOTION,
        Subject(str(application), bundle),
        {
            "application": str(application),
            "channel": channel,
            "from": came_from,
            "to": channel,
            "bundle": str(bundle),
            "previous": None if previous is None else str(previous),
            "previous_bundle": None if previous_bundle is None else str(previous_bundle),
            "evidence": [str(digest) for digest in evidence],
            "asked_by": {
                "name": asked_by.name,
                "role": asked_by.role,
                "proof": asked_by.proof,
            },
            "time": _drawn_time(time),
        },
    )


def proof_statement(proof: ProofStatement) -> Statement:
    """Say that a release was run, and what came of it.

    Raises:
        InvalidStatement: a value that breaks the form.
    """
    return _made(
        ProofStatement.read,
        Kind.PROOF,
        Subject(f"{proof.package}@{proof.version}", proof.manifest),
        {
            "package": str(proof.package),
            "version": proof.version,
            "exit_code": proof.exit_code,
            "steps": [
                {"idx": step.idx, "name": step.name, "exit_code": step.exit_code}
                for step in proof.steps
            ],
            "outputs": dict(proof.outputs),
            "python": proof.python,
            "platform": proof.platform,
            "runner": proof.runner,
            "milliseconds": proof.milliseconds,
            "enforced": list(proof.enforced),
            "not_enforced": dict(proof.not_enforced),
            "checkout": {
                "compared": proof.is_compared,
                "reason": proof.reason,
                "varying": list(proof.varying),
            },
        },
    )


def evidence_statement(
    package: PackageName, version: str, manifest: Digest, documents: Mapping[str, Document]
) -> Statement:
    """Say that `documents`, by file name, are about this release.

    Raises:
        InvalidStatement: a value that breaks the form.
    """
    return _made(
        EvidenceStatement.read,
        Kind.EVIDENCE,
        Subject(f"{package}@{version}", manifest),
        {
            "package": str(package),
            "version": version,
            "documents": {
                name: {
                    "media_type": document.media_type,
                    "digest": str(document.digest),
                    "size": document.size,
                }
                for name, document in documents.items()
            },
        },
    )


class StatementReferrer(NamedTuple):
    """What a statement's manifest says: its kind, and where statement and signature are."""

    kind: Kind
    statement: Descriptor
    signature: Descriptor


def statement_manifest(
    subject: Descriptor, kind: Kind, statement: bytes, signature: bytes
) -> bytes:
    """Return the bytes of the manifest that hangs a signed statement on `subject`.

    The blobs that it needs are `artifacts.media.EMPTY_JSON`, `statement` and `signature`.
    """
    return image_manifest(
        artifact_type=media.STATEMENT,
        config=EMPTY_CONFIG,
        layers=[
            Descriptor.of(statement, media.IN_TOTO),
            Descriptor.of(signature, media.PGP_SIGNATURE),
        ],
        subject=Descriptor(subject.media_type, subject.digest, subject.size),
        annotations={media.STATEMENT_KIND: str(kind)},
    )


def read_statement_manifest(manifest: ImageManifest | ImageIndex | bytes) -> StatementReferrer:
    """Read what `statement_manifest` wrote.

    Raises:
        InvalidStatement: another manifest, or one with other layers.
        UnknownStatement: its annotation names a kind that isn't known.
    """
    if isinstance(manifest, bytes):
        try:
            manifest = parse_manifest(manifest)
        except ArtifactError as error:
            raise InvalidStatement(str(error)) from error
    if not isinstance(manifest, ImageManifest) or manifest.artifact_type != media.STATEMENT:
        raise InvalidStatement(
            f"the manifest's artifactType is {manifest.artifact_type}, expected {media.STATEMENT}"
        )
    if manifest.subject is None:
        raise InvalidStatement("the manifest has no subject")
    types = [layer.media_type for layer in manifest.layers]
    if types != [media.IN_TOTO, media.PGP_SIGNATURE]:
        raise InvalidStatement(
            f"the manifest's layers are {types}, expected {[media.IN_TOTO, media.PGP_SIGNATURE]}"
        )
    statement, signature = manifest.layers
    if statement.size > LARGEST_STATEMENT:
        raise InvalidStatement(f"{statement.size} bytes, over the limit of {LARGEST_STATEMENT}")
    said = manifest.annotations.get(media.STATEMENT_KIND, "")
    if said not in set(Kind):
        raise UnknownStatement(media.STATEMENT_KIND, said, ", ".join(Kind))
    return StatementReferrer(Kind(said), statement, signature)


def _made(
    read: Callable[[Statement], object],
    kind: Kind,
    subject: Subject,
    predicate: Mapping[str, Any],
) -> Statement:
    """Return the statement, once its own reader has taken it."""
    statement = Statement(kind, (subject,), predicate)
    read(statement)
    return statement


def _canonical(drawn: Mapping[str, Any]) -> bytes:
    try:
        return rfc8785.dumps(dict(drawn))
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise InvalidStatement(f"it has no canonical form: {error}") from error


def _read_canonical(data: bytes) -> dict[str, Any]:
    if len(data) > LARGEST_STATEMENT:
        raise InvalidStatement(f"{len(data)} bytes, over the limit of {LARGEST_STATEMENT}")
    try:
        drawn = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidStatement(f"not JSON: {error}") from error
    if not isinstance(drawn, dict):
        raise InvalidStatement("not a JSON object")
    # This alone refuses a member that stands twice, spaces, another order, other numbers.
    if _canonical(drawn) != data:
        raise InvalidStatement("its bytes are not canonical JSON (RFC 8785)")
    return drawn


def _kind(drawn: object) -> Kind:
    matched = _PREDICATE_TYPE.fullmatch(drawn) if isinstance(drawn, str) else None
    if matched is None or matched[1] not in set(Kind):
        raise UnknownStatement(
            "predicateType", str(drawn), f"urn:recipebox:<kind>:v1, with {', '.join(Kind)}"
        )
    kind = Kind(matched[1])
    if drawn != kind.predicate_type:
        raise UnknownStatement("predicateType", str(drawn), kind.predicate_type)
    return kind


def _take(drawn: object, where: str, *members: str) -> tuple[Any, ...]:
    """Return the values of exactly these members, in this order."""
    if not isinstance(drawn, Mapping):
        raise InvalidStatement(f"{where} is not an object")
    missing = [member for member in members if member not in drawn]
    if missing:
        raise InvalidStatement(f"{where} lacks {', '.join(missing)}")
    unknown = sorted(set(drawn) - set(members))
    if unknown:
        raise InvalidStatement(f"{where} has unknown members: {', '.join(unknown)[:200]}")
    return tuple(drawn[member] for member in members)


def _wrong(where: str, found: object, expected: str) -> NoReturn:
    raise InvalidStatement(f"{where} is {str(found)[:200]!r}, expected {expected}")


def _text(drawn: object, where: str) -> str:
    if not isinstance(drawn, str) or not drawn or not drawn.isprintable():
        _wrong(where, drawn, "a printable text")
    return drawn


def _matching(form: re.Pattern[str], drawn: object, where: str, expected: str) -> str:
    text = _text(drawn, where)
    if not form.fullmatch(text):
        _wrong(where, drawn, expected)
    return text


def _sha256(drawn: object, where: str) -> str:
    return _matching(_SHA256, drawn, where, "64 lower-case hex digits")


def _channel(drawn: object, where: str) -> str:
    return _matching(_CHANNEL, drawn, where, "a channel's name")


def _version(drawn: object, where: str) -> str:
    text = _matching(_VERSION, drawn, where, "SemVer without build metadata")
    if len(text) > _LONGEST_VERSION:
        _wrong(where, drawn, f"at most {_LONGEST_VERSION} characters")
    return text


def _package(drawn: object, where: str) -> PackageName:
    try:
        return PackageName.parse(_text(drawn, where))
    except ArtifactError as error:
        raise InvalidStatement(f"{where}: {error}") from error


def _digest(drawn: object, where: str) -> Digest:
    try:
        digest = Digest.parse(_text(drawn, where))
    except ArtifactError as error:
        raise InvalidStatement(f"{where}: {error}") from error
    if digest.algorithm != "sha256":
        _wrong(where, drawn, "a sha256 digest")
    return digest


def _fingerprint(drawn: object, where: str) -> str:
    text = _text(drawn, where)
    if not is_fingerprint(text):
        _wrong(where, drawn, "a fingerprint: 40 upper-case hex digits")
    return text


def _one_of(known: Sequence[str], drawn: object, where: str) -> str:
    text = _text(drawn, where)
    if text not in known:
        _wrong(where, drawn, f"one of {', '.join(known)}")
    return text


def _proof(drawn: object, where: str) -> str:
    return _one_of(_PROOFS, drawn, where)


def _proved_step(drawn: object, where: str) -> ProvedStep:
    exit_code, idx, name = _take(drawn, where, "exit_code", "idx", "name")
    if not isinstance(idx, int) or isinstance(idx, bool):
        _wrong(f"{where}.idx", idx, "a whole number")
    return ProvedStep(idx, _text(name, f"{where}.name"), _count(exit_code, f"{where}.exit_code"))


def _document_name(drawn: object, where: str) -> str:
    return _matching(_DOCUMENT, drawn, where, "a file name of lower-case letters, digits and dots")


def _document(drawn: object, where: str) -> Document:
    digest, media_type, size = _take(drawn, where, "digest", "media_type", "size")
    return Document(
        _matching(_MEDIA_TYPE, media_type, f"{where}.media_type", "a media type"),
        _digest(digest, f"{where}.digest"),
        _count(size, f"{where}.size"),
    )


def _bool(drawn: object, where: str) -> bool:
    if not isinstance(drawn, bool):
        _wrong(where, drawn, "true or false")
    return drawn


def _path(drawn: object, where: str) -> str:
    text = _text(drawn, where)
    if "\\" in text or any(part in {"", ".", ".."} for part in text.split("/")):
        _wrong(where, drawn, "a relative path, without '.', '..', '\\' and empty parts")
    return text


def _count(drawn: object, where: str) -> int:
    if not isinstance(drawn, int) or isinstance(drawn, bool) or drawn < 0:
        _wrong(where, drawn, "a whole number, 0 or more")
    return drawn


def _time(drawn: object, where: str) -> datetime:
    text = _text(drawn, where)
    try:
        moment = datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidStatement(f"{where}: {error}") from error
    if moment.strftime(_TIME) != text:
        _wrong(where, drawn, "RFC 3339 in UTC to the second, 2026-05-04T03:02:01Z")
    return moment


def _drawn_time(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise InvalidStatement(f"the time {moment} has no time zone")
    return moment.astimezone(UTC).strftime(_TIME)


def _optional(read: Callable[[object, str], Value], drawn: object, where: str) -> Value | None:
    return None if drawn is None else read(drawn, where)


def _list(read: Callable[[object, str], Value], drawn: object, where: str) -> tuple[Value, ...]:
    if not isinstance(drawn, list):
        _wrong(where, drawn, "a list")
    return tuple(read(entry, f"{where}[{index}]") for index, entry in enumerate(drawn))


def _map(
    read_key: Callable[[object, str], object],
    read_value: Callable[[object, str], Value],
    drawn: object,
    where: str,
) -> dict[str, Value]:
    if not isinstance(drawn, Mapping):
        _wrong(where, drawn, "an object")
    for key in drawn:
        read_key(key, f"a name in {where}")
    return {key: read_value(value, f"{where}[{key!r}]") for key, value in drawn.items()}


def _subject(drawn: object, where: str) -> Subject:
    digest, name = _take(drawn, where, "digest", "name")
    (sha256,) = _take(digest, f"{where}.digest", "sha256")
    return Subject(_text(name, f"{where}.name"), Digest("sha256", _sha256(sha256, where)))
