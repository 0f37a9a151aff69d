"""Promoting: a lock becomes a bundle on the server, is compared here, signed, and pointed to.

The server makes the bundle, so the client reads it back by its digest and compares it with the lock
before it signs: every release and wheel set that the lock pins and no other, the lock itself byte
for byte, and statements about these. Then the pointer is swapped, if it is where it was.
"""

from dataclasses import dataclass
from typing import Any

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.manifest import ImageIndex, ImageManifest, parse_manifest
from artifacts.reference import PackageName
from recipebox.errors import ClientError, Missing, Tampered
from recipebox.publishing import Signer
from recipebox.releases import Releases
from recipebox.transport import Transport
from recipebox.trust import SERVER
from resolver.lock import Lock
from signing.statement import (
    BundleStatement,
    Kind,
    Promotion,
    Statement,
    bundle_statement,
    statement_manifest,
)

_LARGEST_LOCK = 4 << 20


@dataclass(frozen=True, slots=True)
class Promoted:
    """A channel's pointer after a promotion; `record` is the digest of its signed record."""

    application: str
    channel: str
    bundle: Digest
    previous: Digest | None
    record: Digest
    packages: dict[str, str]


class Promoter:
    """Makes, checks, signs and promotes bundles of one application."""

    def __init__(self, application: PackageName, transport: Transport, releases: Releases) -> None:
        self._application = application
        self._transport = transport
        self._releases = releases
        self._api = f"/api/v1/applications/{application}"

    def make_bundle(self, text: str) -> tuple[Digest, Lock]:
        """Have the server make the bundle of a lock, and compare what it made; creates the name.

        Raises:
            InvalidLock: the text isn't a lock.
            Tampered: the bundle holds something else than the lock pins.
            ClientError: what the server refused: a part that is missing, yanked or unsigned.
        """
        lock = Lock.loads(text)
        made = self._transport.api("POST", f"{self._api}/bundles", body={"lock": text})
        digest = Digest.parse(str(made.get("digest")))
        found, held = self.read_bundle(digest)
        if found.dumps() != lock.dumps():
            raise Tampered(
                f"bundle {digest}: the lock in it", expected=Digest.of(text.encode()), found=held
            )
        return digest, lock

    def read_bundle(self, digest: Digest) -> tuple[Lock, Digest]:
        """Read a bundle, and compare its entries with the lock in it; return lock and its digest.

        Raises:
            Missing: there is no such bundle.
            Tampered: it isn't a bundle, lacks what its lock pins, or holds something else.
        """
        repository = self._application.repository
        what = f"bundle {digest} of {self._application}"
        index = parse_manifest(self._releases.manifest(repository, digest))
        if not isinstance(index, ImageIndex) or index.artifact_type != media.BUNDLE:
            raise Tampered(what, expected=media.BUNDLE, found=index.artifact_type)
        if not index.manifests:
            raise Tampered(what, expected="a lock as its first entry", found="no entries")
        lock, held = self._read_lock(what, index.manifests[0])
        pinned = {package.digest for package in lock.packages}
        pinned |= {each for package in lock.packages for each in package.wheel_sets.values()}
        entries = {entry.digest for entry in index.manifests[1:]}
        missing = sorted(str(each) for each in pinned - entries)
        if missing:
            raise Tampered(what, expected=f"{', '.join(missing)}, which its lock pins", found="no")
        for entry in sorted(entries - pinned):
            manifest = parse_manifest(self._releases.manifest(repository, entry))
            about = manifest.subject.digest if manifest.subject else None
            if manifest.artifact_type != media.STATEMENT or about not in pinned:
                raise Tampered(
                    f"{what}: entry {entry}",
                    expected="a statement about what its lock pins",
                    found=f"{manifest.artifact_type} about {about}",
                )
        return lock, held

    def sign(self, digest: Digest, lock: Lock, signer: Signer) -> str:
        """Sign a bundle as its releaser, push the statement, and return the fingerprint.

        Raises:
            SigningError: the key is missing, unusable or weak.
            ClientError: what the server refused.
        """
        packages = {str(package.name): str(package.version) for package in lock.packages}
        statement = bundle_statement(self._application, digest, packages).to_bytes()
        fingerprint, signature = signer(statement)
        repository = self._application.repository
        data = self._releases.manifest(repository, digest)
        subject = Descriptor(media.INDEX, digest, len(data))
        signed = signature.encode("ascii")
        for blob, kind in (
            (media.EMPTY_JSON, media.EMPTY),
            (statement, media.IN_TOTO),
            (signed, media.PGP_SIGNATURE),
        ):
            self._transport.push_bytes(repository, blob, kind)
        manifest = statement_manifest(subject, Kind.BUNDLE, statement, signed)
        self._transport.push_manifest(repository, manifest, media.MANIFEST)
        return fingerprint

    def is_signed(self, digest: Digest) -> bool:
        """Whether somebody's bundle statement is on it; the server judges whether that counts."""
        signed = self._releases.statements(self._application.repository, digest, (Kind.BUNDLE,))
        for each in signed[Kind.BUNDLE]:
            read = BundleStatement.read(Statement.parse(each.statement))
            if read.bundle != digest or read.application != self._application:
                raise Tampered(
                    f"a statement on bundle {digest}",
                    expected=f"{self._application} {digest}",
                    found=f"{read.application} {read.bundle}",
                )
        return bool(signed[Kind.BUNDLE])

    def channels(self) -> list[dict[str, Any]]:
        """Return the application's channels in their order, as the API draws them.

        Raises:
            Missing: there is no such application.
        """
        return list(self._transport.api("GET", self._api)["channels"])

    def promote(self, digest: Digest, lock: Lock, channel: str) -> Promoted:
        """Swap the pointer of `channel`, and verify the record that the server signed.

        Raises:
            Conflicting: another promotion came first.
            Denied: a gate of the channel refuses the bundle.
            Missing: there is no such channel.
            Tampered, UnknownSigner: the record says something else, or isn't by the pinned key.
        """
        found = {entry["name"]: entry["bundle"] for entry in self.channels()}
        if channel not in found:
            raise Missing(
                f"{self._application} has no channel {channel}",
                hint=f"its channels are {', '.join(found)}",
            )
        previous = found[channel]
        answer = self._transport.api(
            "POST",
            f"{self._api}/channels/{channel}/promotions",
            body={"bundle": str(digest), "expected_previous": previous},
        )
        record = Digest.parse(str(answer.get("record")))
        self._check_record(record, digest, channel)
        packages = {str(package.name): str(package.version) for package in lock.packages}
        held = Digest.parse(previous) if previous else None
        return Promoted(str(self._application), channel, digest, held, record, packages)

    def _check_record(self, record: Digest, bundle: Digest, channel: str) -> None:
        what = f"the record {record} of this promotion"
        repository = self._application.repository
        signed = self._releases.signed_statement(repository, record)
        statement, _ = self._releases.signers(SERVER, what, [signed])
        read = Promotion.read(Statement.parse(statement))
        found = f"{read.application} {read.channel} {read.bundle}"
        expected = f"{self._application} {channel} {bundle}"
        if found != expected:
            raise Tampered(what, expected=expected, found=found)

    def _read_lock(self, what: str, entry: Descriptor) -> tuple[Lock, Digest]:
        repository = self._application.repository
        manifest = parse_manifest(self._releases.manifest(repository, entry.digest))
        if not isinstance(manifest, ImageManifest) or manifest.artifact_type != media.LOCK:
            raise Tampered(
                f"{what}: its first entry", expected=media.LOCK, found=manifest.artifact_type
            )
        if len(manifest.layers) != 1 or manifest.layers[0].size > _LARGEST_LOCK:
            raise ClientError(f"{what}: its lock isn't one file of at most {_LARGEST_LOCK} bytes")
        layer = manifest.layers[0]
        text = self._releases.blob(repository, layer).read_text(encoding="utf-8")
        return Lock.loads(text), layer.digest
