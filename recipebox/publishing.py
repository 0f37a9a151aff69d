"""Signing a package's tree, and pushing it: blobs, manifest, wheel sets, statements, then the word.

Everything but the last step is by digest and may be repeated: what is there is not sent again, so
publishing once more goes on where it was broken off. Until the last step the release is staged,
and hidden from all but those who may publish there.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.reference import PackageName
from recipebox.errors import ClientError, Missing, Tampered, Unsigned
from recipebox.output import Output, human_size
from recipebox.transport import Transport
from recipes.evidence import (
    Evidence,
    document_manifest,
    drop_signatures,
    folder_of,
    read_evidence,
    write_signature,
)
from recipes.layers import ReleaseArtifact, build_release, wheel_set_manifest
from recipes.package import PackageTree, Wheel, read_tree
from recipes.wheels import platforms_of, wheels_for
from signing.keyring import Keyring
from signing.sign import sign, sign_with_key
from signing.statement import (
    Kind,
    ReleaseStatement,
    Statement,
    release_statement,
    statement_manifest,
)
from signing.verify import verify

Opener = Callable[[], BinaryIO]
Signer = Callable[[bytes], tuple[str, str]]
"""Takes a statement's bytes; returns the primary key's fingerprint and an armoured signature."""


def make_signer(armored: str | None, fingerprint: str | None, passphrase: str | None) -> Signer:
    """Return what signs: a key given as text, or one of the user's keyring.

    `fingerprint` chooses where the keyring has several secret keys.
    """

    def with_text(data: bytes) -> tuple[str, str]:
        signature = sign_with_key(data, armored or "", passphrase)
        with Keyring.temporary() as keyring:
            keyring.import_keys(armored or "")
            public = [keyring.export_public(key.fingerprint) for key in keyring.list_keys()]
        return verify(data, signature, public).fingerprint, signature

    def with_keyring(data: bytes) -> tuple[str, str]:
        keyring = Keyring()
        key = keyring.get_key(fingerprint or only_secret_key(keyring), secret=True)
        return key.fingerprint, sign(data, keyring, key.fingerprint, passphrase)

    return with_text if armored else with_keyring


def only_secret_key(keyring: Keyring) -> str:
    """Return the fingerprint of the only secret key of a keyring.

    Raises:
        Missing: there is none.
        ClientError: there are several.
    """
    found = [key.fingerprint for key in keyring.list_keys(secret=True)]
    if not found:
        raise Missing(
            "there is no secret key to sign with in the GnuPG keyring",
            hint="make one: recipebox key new --name 'Your Name' --email you@example.org",
        )
    if len(found) > 1:
        raise ClientError(
            f"there are {len(found)} secret keys: {', '.join(found)}",
            hint="choose one: --key FINGERPRINT, or RECIPEBOX_SIGNING_FINGERPRINT",
        )
    return found[0]


@dataclass(frozen=True, slots=True)
class Signed:
    """A tree that was signed: which release it is, and by whom.

    `evidence` are the kinds of statements about it that were signed too; `is_left_out` says that
    there is evidence, about other bytes than these.
    """

    name: str
    version: str
    digest: Digest
    signer: str
    path: Path
    evidence: tuple[str, ...]
    is_left_out: bool


@contextmanager
def drawn_release(folder: Path) -> Iterator[tuple[PackageTree, ReleaseArtifact]]:
    """Give the release of the package in `folder`; its layers' blobs are gone afterwards."""
    tree = read_tree(folder)
    with tempfile.TemporaryDirectory(prefix="recipebox-") as into:
        yield tree, build_release(tree.path, Path(into))


def sign_tree(folder: Path, signer: Signer) -> Signed:
    """Sign the package in `folder`: write release.json, signature.asc and signatures/<FPR>.asc.

    Its evidence is signed with it, where that is about these bytes. Signatures by others are kept
    where they are over the same statement.

    Raises:
        NotAPackage, InvalidMetadata, UnsafePath: it isn't a package that can be released.
        InvalidEvidence: what is beside it isn't what its statement says.
        SigningError: the key is missing, unusable, or weak.
    """
    with drawn_release(folder) as (tree, artifact):
        statement = _statement(artifact).to_bytes()
        digest = artifact.descriptor.digest
    place = folder_of(tree.out, tree.metadata.title)
    evidence = read_evidence(place)
    is_about = evidence.is_about(digest)
    fingerprint, signature = signer(statement)
    metadata = tree.path / "metadata"
    signatures = metadata / "signatures"
    if not _has(metadata / "release.json", statement):
        for old in signatures.glob("*.asc"):
            old.unlink()
    signatures.mkdir(mode=0o755, exist_ok=True)
    (metadata / "release.json").write_bytes(statement)
    (signatures / f"{fingerprint}.asc").write_text(signature, encoding="ascii")
    (metadata / "signature.asc").write_text(signature, encoding="ascii")
    if not is_about:
        drop_signatures(place)
    else:
        for kind, data in evidence.statements.items():
            write_signature(place, kind, *signer(data))
    return Signed(
        tree.metadata.name,
        tree.metadata.version,
        digest,
        fingerprint,
        tree.path,
        tuple(str(kind) for kind in evidence.statements) if is_about else (),
        not is_about,
    )


@dataclass(frozen=True, slots=True)
class Push:
    """What publishing would send: blobs with what opens them, and manifests, in their order.

    `has_proof` says whether a proof is among them, `documents` which documents are.
    """

    package: PackageName
    version: str
    digest: Digest
    blobs: tuple[tuple[Descriptor, Opener], ...]
    manifests: tuple[tuple[str, bytes], ...]
    has_proof: bool
    documents: tuple[str, ...]

    @property
    def size(self) -> int:
        """The blobs' bytes."""
        return sum(descriptor.size for descriptor, _ in self.blobs)


@contextmanager
def plan_push(folder: Path) -> Iterator[Push]:
    """Give what publishing the signed package in `folder` sends.

    Raises:
        Unsigned: it isn't signed, or its evidence isn't.
        InvalidEvidence: its evidence isn't what its statement says.
        Tampered: it was changed after it was signed, or a wheel isn't the one that was locked.
        Missing: a locked wheel isn't there.
    """
    with drawn_release(folder) as (tree, artifact):
        statement, signatures = _read_signatures(tree, artifact)
        subject = Descriptor(media.MANIFEST, artifact.descriptor.digest, artifact.descriptor.size)
        blobs: dict[Digest, tuple[Descriptor, Opener]] = {}

        def add_bytes(data: bytes, media_type: str) -> None:
            descriptor = Descriptor.of(data, media_type)
            blobs[descriptor.digest] = (descriptor, _bytes_opener(data))

        for layer in artifact.layers:
            blobs[layer.descriptor.digest] = (layer.descriptor, _file_opener(layer.path))
        add_bytes(artifact.config, media.PACKAGE_CONFIG)
        add_bytes(media.EMPTY_JSON, media.EMPTY)
        manifests = [(f"release {artifact.metadata.version}", artifact.manifest)]
        for platform, wheels in _by_platform(artifact.metadata.wheels).items():
            for wheel in wheels:
                path = _wheel_file(tree, wheel)
                descriptor = Descriptor(media.WHEEL, Digest("sha256", wheel.sha256), wheel.size)
                blobs[descriptor.digest] = (descriptor, _file_opener(path))
            manifest = wheel_set_manifest(subject, platform, wheels)
            manifests.append((f"wheels for {platform}", manifest))
        add_bytes(statement, media.IN_TOTO)
        for fingerprint, signature in signatures.items():
            add_bytes(signature, media.PGP_SIGNATURE)
            manifests.append(
                (
                    f"signature by {fingerprint}",
                    statement_manifest(subject, Kind.RELEASE, statement, signature),
                )
            )
        evidence = _read_evidence(tree, subject.digest)
        for kind, statement in evidence.statements.items():
            add_bytes(statement, media.IN_TOTO)
            for fingerprint, armored in evidence.signatures[kind].items():
                signature = armored.encode("ascii")
                add_bytes(signature, media.PGP_SIGNATURE)
                manifest = statement_manifest(subject, kind, statement, signature)
                manifests.append((f"{kind} by {fingerprint}", manifest))
        for name, document in evidence.documents.items():
            descriptor = evidence.listed[name].descriptor
            add_bytes(document, descriptor.media_type)
            manifests.append((name, document_manifest(subject, name, descriptor)))
        yield Push(
            PackageName.parse(artifact.metadata.name),
            artifact.metadata.version,
            subject.digest,
            tuple(blobs.values()),
            tuple(manifests),
            evidence.proof is not None,
            tuple(evidence.documents),
        )


def push(transport: Transport, planned: Push, output: Output, jobs: int) -> dict[str, Any]:
    """Send a planned push, `jobs` blobs at once, and ask for the release to be listed.

    Returns the registry's answer, and how many blobs there are and were sent.

    Raises:
        Conflicting: the version is listed with other bytes.
        Denied: the token may not publish there, or the signers aren't the namespace's.
        Unreachable: broken off; publishing again goes on.
    """
    repository = planned.package.repository

    def send(blob: tuple[Descriptor, Opener]) -> bool:
        descriptor, opener = blob
        is_new = transport.push_blob(repository, descriptor, opener, advance)
        if is_new:
            output.detail(f"pushed {descriptor.digest} ({human_size(descriptor.size)})")
        return is_new

    with output.progress("pushed", planned.size) as advance:
        with ThreadPoolExecutor(max_workers=jobs) as pool:
            sent = sum(pool.map(send, planned.blobs))
        for what, manifest in planned.manifests:
            digest = transport.push_manifest(repository, manifest, media.MANIFEST)
            output.detail(f"pushed {what}: {digest}")
    answer = transport.api(
        "POST",
        f"/api/v1/packages/{planned.package}/releases",
        body={"digest": str(planned.digest)},
        repeatable=True,  # the same bytes again are a success
    )
    return answer | {"sent_blobs": sent, "blobs": len(planned.blobs)}


def _statement(artifact: ReleaseArtifact) -> Statement:
    metadata = artifact.metadata
    return release_statement(
        PackageName.parse(metadata.name),
        metadata.version,
        artifact.descriptor.digest,
        artifact.files,
    )


def _has(path: Path, data: bytes) -> bool:
    return path.is_file() and path.read_bytes() == data


def _read_signatures(
    tree: PackageTree, artifact: ReleaseArtifact
) -> tuple[bytes, Mapping[str, bytes]]:
    what = f"{tree.metadata.name} {tree.metadata.version}"
    path = tree.path / "metadata" / "release.json"
    files = sorted((tree.path / "metadata" / "signatures").glob("*.asc"))
    if not path.is_file() or not files:
        raise Unsigned(
            f"{what} in {tree.path} isn't signed", hint=f"sign it: recipebox sign {tree.path}"
        )
    statement = path.read_bytes()
    if statement != _statement(artifact).to_bytes():
        signed = ReleaseStatement.read(Statement.parse(statement))
        raise Tampered(
            f"{what} was changed after it was signed",
            expected=signed.manifest,
            found=artifact.descriptor.digest,
            hint=f"if the change is meant, sign it again: recipebox sign {tree.path}",
        )
    return statement, {file.stem: file.read_bytes() for file in files}


def _read_evidence(tree: PackageTree, manifest: Digest) -> Evidence:
    """Return the signed evidence of a release; nothing where what is there is about other bytes."""
    evidence = read_evidence(folder_of(tree.out, tree.metadata.title))
    if not evidence.is_about(manifest):
        return Evidence()
    for kind in evidence.statements:
        if not evidence.signatures.get(kind):
            raise Unsigned(
                f"the {kind} of {tree.metadata.name} {tree.metadata.version} isn't signed",
                hint=f"sign it: recipebox sign {tree.path}",
            )
    return evidence


def _by_platform(wheels: list[Wheel]) -> dict[str, list[Wheel]]:
    return {platform: wheels_for(platform, wheels) for platform in platforms_of(wheels) if wheels}


def _wheel_file(tree: PackageTree, wheel: Wheel) -> Path:
    path = tree.out / "wheels" / wheel.filename
    try:
        with path.open("rb") as file:
            found = Digest.of_stream(file)
    except FileNotFoundError as error:
        raise Missing(f"{path}: the locked wheel isn't there", hint="pack it again") from error
    if found.hex != wheel.sha256:
        expected = f"sha256:{wheel.sha256}"
        raise Tampered(str(path), expected=expected, found=found, hint="pack it again")
    return path


def _bytes_opener(data: bytes) -> Opener:
    import io

    return lambda: io.BytesIO(data)


def _file_opener(path: Path) -> Opener:
    return lambda: path.open("rb")
