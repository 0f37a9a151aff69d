"""Evidence: what was found out about a release, beside its tree and in no layer of it.

::

    OUT/evidence/team/etl-daily-1.2.3/
    ├── proof.json       the statement that it was run; none where it wasn't
    ├── evidence.json    the statement that names the documents below, by digest
    ├── sbom.cdx.json    what it is made of (recipes/sbom.py)
    ├── trace.json       what a run really imported and opened
    └── signatures/      proof.<fingerprint>.asc  evidence.<fingerprint>.asc

`pack` writes all but the signatures, which `sign` makes over the two statements' bytes. Both name
the digest of the release's manifest, so they are about these bytes and no others: `is_about` says
whether they still are. Published, each statement is a referrer of the release with its signature,
and each document a referrer of its own, in its own media type, as other tools look for it.
"""

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.manifest import EMPTY_CONFIG, image_manifest
from artifacts.reference import PackageName
from recipes.errors import InvalidEvidence
from recipes.package import PackageMetadata
from signing.errors import InvalidStatement
from signing.statement import (
    Document,
    EvidenceStatement,
    Kind,
    ProofStatement,
    Statement,
    evidence_statement,
)

FOLDER: Final = "evidence"
"""The folder of OUT that holds the evidence of each release, by its title."""

STATEMENTS: Final = {Kind.PROOF: "proof.json", Kind.EVIDENCE: "evidence.json"}
"""The statements, by kind; each is signed."""

DOCUMENTS: Final = {"sbom.cdx.json": media.CYCLONEDX, "trace.json": media.TRACE}
"""The documents that may be there, with their media types."""

LARGEST_DOCUMENT: Final = 64 << 20
"""Bytes of a document at most: the SBOM of a thousand wheels has one."""

_SIGNATURE = re.compile(r"(proof|evidence)\.([0-9A-F]{40})\.asc")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is there: statements' bytes by kind, documents' by file name.

    `signatures` are armoured, by kind and fingerprint.
    """

    statements: Mapping[Kind, bytes] = field(default_factory=dict)
    documents: Mapping[str, bytes] = field(default_factory=dict)
    signatures: Mapping[Kind, Mapping[str, str]] = field(default_factory=dict)

    def is_about(self, manifest: Digest) -> bool:
        """Whether every statement is about this manifest."""
        return all(
            Statement.parse(data).only_subject(kind).digest == manifest
            for kind, data in self.statements.items()
        )

    @property
    def proof(self) -> ProofStatement | None:
        """What the proof says, if there is one."""
        data = self.statements.get(Kind.PROOF)
        return None if data is None else ProofStatement.read(Statement.parse(data))

    @property
    def listed(self) -> Mapping[str, Document]:
        """The documents that the evidence statement names."""
        data = self.statements.get(Kind.EVIDENCE)
        return {} if data is None else EvidenceStatement.read(Statement.parse(data)).documents


def document_manifest(subject: Descriptor, name: str, document: Descriptor) -> bytes:
    """Return the manifest that hangs a document on a release, by its own media type.

    The blobs that it needs are `artifacts.media.EMPTY_JSON` and the document.
    """
    layer = Descriptor(document.media_type, document.digest, document.size, {media.TITLE: name})
    return image_manifest(
        artifact_type=document.media_type,
        config=EMPTY_CONFIG,
        layers=[layer],
        subject=Descriptor(subject.media_type, subject.digest, subject.size),
        annotations={media.TITLE: name},
    )


def folder_of(out: Path, title: str) -> Path:
    """Return where the evidence of the release `title` (`team/etl-1.2.3`) is, or would be."""
    return out / FOLDER / title


def draw_evidence(
    metadata: PackageMetadata,
    manifest: Digest,
    *,
    proof: Statement | None,
    documents: Mapping[str, bytes],
) -> Evidence:
    """Return the evidence of the release whose manifest is `manifest`, as yet unsigned.

    `documents` are by file name, of `DOCUMENTS`.
    """
    listed = {
        name: Document(DOCUMENTS[name], Digest.of(data), len(data))
        for name, data in documents.items()
    }
    statements = {} if proof is None else {Kind.PROOF: proof.to_bytes()}
    if listed:
        statements[Kind.EVIDENCE] = evidence_statement(
            PackageName.parse(metadata.name), metadata.version, manifest, listed
        ).to_bytes()
    return Evidence(statements, documents)


def write_evidence(folder: Path, evidence: Evidence) -> None:
    """Write evidence into a new folder."""
    folder.mkdir(parents=True)
    for kind, data in evidence.statements.items():
        (folder / STATEMENTS[kind]).write_bytes(data)
    for name, data in evidence.documents.items():
        (folder / name).write_bytes(data)
    for kind, signed in evidence.signatures.items():
        for fingerprint, signature in signed.items():
            write_signature(folder, kind, fingerprint, signature)
    for above, _, names in os.walk(folder):
        Path(above).chmod(0o755)
        for name in names:
            Path(above, name).chmod(0o644)


def write_signature(folder: Path, kind: Kind, fingerprint: str, signature: str) -> None:
    """Keep somebody's signature over a statement of the folder."""
    signatures = folder / "signatures"
    signatures.mkdir(mode=0o755, exist_ok=True)
    path = signatures / f"{kind}.{fingerprint}.asc"
    path.write_text(signature, encoding="ascii")


def drop_signatures(folder: Path) -> None:
    """Remove every signature: what they were made over is another now."""
    shutil.rmtree(folder / "signatures", ignore_errors=True)


def read_evidence(folder: Path) -> Evidence:
    """Read the evidence in `folder`; nothing where there is no folder.

    Raises:
        InvalidEvidence: a file that doesn't belong there, a statement that can't be read, or a
            document that isn't the one that the evidence statement names.
    """
    statements: dict[Kind, bytes] = {}
    documents: dict[str, bytes] = {}
    signatures: dict[Kind, dict[str, str]] = {}
    kinds = {name: kind for kind, name in STATEMENTS.items()}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name == "signatures" and path.is_dir() and not path.is_symlink():
            signatures = _read_signatures(path)
        elif path.is_symlink() or not path.is_file() or path.stat().st_size > LARGEST_DOCUMENT:
            raise InvalidEvidence(path, "it is no plain file of a fitting size")
        elif path.name in kinds:
            statements[kinds[path.name]] = path.read_bytes()
        elif path.name in DOCUMENTS:
            documents[path.name] = path.read_bytes()
        else:
            known = ", ".join((*STATEMENTS.values(), *DOCUMENTS))
            raise InvalidEvidence(path, f"it isn't evidence that is known ({known})")
    evidence = Evidence(statements, documents, signatures)
    _check(folder, evidence)
    return evidence


def _read_signatures(folder: Path) -> dict[Kind, dict[str, str]]:
    found: dict[Kind, dict[str, str]] = {}
    for path in sorted(folder.iterdir()):
        match = _SIGNATURE.fullmatch(path.name)
        if match is None or path.is_symlink() or not path.is_file():
            raise InvalidEvidence(path, "it isn't named as a signature is")
        found.setdefault(Kind(match[1]), {})[match[2]] = path.read_text("ascii", "replace")
    return found


def _check(folder: Path, evidence: Evidence) -> None:
    """Compare the documents with those that the statement names."""
    try:
        evidence.proof  # noqa: B018 - it is read, to know that it can be
        listed = {name: each.digest for name, each in evidence.listed.items()}
    except InvalidStatement as error:
        raise InvalidEvidence(folder, str(error)) from error
    found = {name: Digest.of(data) for name, data in evidence.documents.items()}
    for name in sorted(listed.keys() | found.keys()):
        if listed.get(name) != found.get(name):
            raise InvalidEvidence(
                folder / name,
                f"expected {listed.get(name, 'no such file')}, as {STATEMENTS[Kind.EVIDENCE]} has"
                f" it, and found {found.get(name, 'no such file')}",
            )
