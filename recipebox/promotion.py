"""Promoting: a lock becomes a bundle on the server, is compared here, signed, and pointed to.

The server makes the bundle, so the client reads it back by its digest and compares it with the lock
before it signs: every release and wheel set that the lock pins and no other, the lock itself byte
for byte, and statements about these. Then the pointer is swapped, if it is where it was.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.reference import PackageName, RepositoryName
from recipebox.bundles import Bundle, read_bundle
from recipebox.errors import ClientError, Denied, Missing, Misuse, Tampered, Untrusted
from recipebox.publishing import Signer
from recipebox.registries import from_elsewhere, listed
from recipebox.releases import Releases
from recipebox.transport import Transport
from recipebox.trust import SERVER
from resolver.lock import Lock
from signing.errors import VerificationFailed
from signing.statement import (
    BundleStatement,
    Kind,
    Promotion,
    Statement,
    bundle_statement,
    statement_manifest,
)
from signing.verify import verify

ImageReference = tuple[RepositoryName, Digest]
"""An image of this registry: its repository and digest."""

_REFUSED = "invalid_bundle"

# by a word of the server's sentence; the first that is found is what to do first
_ADVICE = {
    "is not there": "push it here first (crane copy, docker push), or give the digest that the "
    "registry has",
    "is no image": "give an image's repository and digest: team/app/image@sha256:…",
    "isn't whole": "push what is missing, or copy the image again: crane copy",
    "images were asked for": "make several applications of it",
    "and their signatures are over": "make several applications of it",
    "went away meanwhile": "make it again",
    "is private": "lock what it may hold, recipebox lock --for {application}, or make the bundle "
    "for an application of a private namespace",
    "is not listed": "publish it here first (`recipebox publish`, or `recipebox import` of an "
    "export), or lock again: recipebox lock",
    "was yanked": "lock again without it: recipebox lock --for {application}",
    "is unsigned": "lock what is signed, recipebox lock --for {application}, or have its publisher "
    "sign and publish a version",
}


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

    def make_bundle(
        self, text: str, images: Collection[ImageReference] = ()
    ) -> tuple[Digest, Lock]:
        """Have the server make the bundle of a lock and images, and compare what it made.

        It creates the name.

        Raises:
            InvalidLock: the text isn't a lock.
            Misuse: packages of it come from another registry than this one.
            Tampered: the bundle holds something else than the lock pins, or other images.
            ClientError: what the server refused: a part that is missing, yanked or unsigned.
        """
        lock = Lock.loads(text)
        if elsewhere := from_elsewhere(lock, self._transport.url):
            raise Misuse(
                f"a bundle lives in one registry, {self._transport.url}, and not all of the lock "
                f"comes from there: {listed(elsewhere)}",
                hint="publish these there under names of its own, or lock without them",
            )
        body: dict[str, Any] = {"lock": text}
        if images:
            body["images"] = [
                {"repository": name.text, "digest": str(digest)} for name, digest in images
            ]
        try:
            made = self._transport.api("POST", f"{self._api}/bundles", body=body)
        except ClientError as error:
            if error.values.get("server_code") != _REFUSED:
                raise
            advice = _advice(error.message, self._application)
            raise Denied(error.message, hint=advice, **error.values) from error
        digest = Digest.parse(str(made.get("digest")))
        bundle = self.read_bundle(digest)
        if bundle.lock.dumps() != lock.dumps():
            raise Tampered(
                f"bundle {digest}: the lock in it",
                expected=Digest.of(text.encode()),
                found=bundle.lock_digest,
            )
        asked = {f"{name}@{held}" for name, held in images}
        held = {f"{name}@{one.digest}" for one in bundle.images for name in one.repositories}
        if asked != held:
            raise Tampered(
                f"bundle {digest}: the images in it",
                expected=", ".join(sorted(asked)) or "none",
                found=", ".join(sorted(held)) or "none",
            )
        return digest, lock

    def read_bundle(self, digest: Digest) -> Bundle:
        """Read a bundle, and compare its entries with the lock in it.

        Raises:
            Missing: there is no such bundle.
            Tampered: it isn't a bundle, lacks what its lock pins, or holds something else.
        """
        what = f"bundle {digest} of {self._application}"
        return read_bundle(self._releases, self._application.repository, digest, what)

    def sign(self, digest: Digest, lock: Lock, signer: Signer) -> tuple[str, bool]:
        """Sign a bundle as its releaser, and push the statement, unless that key's is there.

        Returns the fingerprint, and whether the signature is new.

        Raises:
            SigningError: the key is missing, unusable or weak.
            Untrusted: it is no key of the namespace.
            ClientError: what the server refused.
        """
        packages = {str(package.name): str(package.version) for package in lock.packages}
        statement = bundle_statement(self._application, digest, packages).to_bytes()
        fingerprint, signature = signer(statement)
        namespace, repository = self._application.namespace, self._application.repository
        keys = self._transport.text(f"/keys/{namespace}.asc")
        if not _is_by(fingerprint, statement, signature, keys):
            raise Untrusted(
                f"{fingerprint} is no key with which bundles of {self._application} are signed",
                hint="one of the namespace's owners adds it: recipebox key export | recipebox "
                f"namespace key add {namespace} -",
                fingerprint=fingerprint,
            )
        there = self._releases.statements(repository, digest, (Kind.BUNDLE,))[Kind.BUNDLE]
        if any(_is_by(fingerprint, each.statement, each.signature, keys) for each in there):
            return fingerprint, False
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
        return fingerprint, True

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


def _is_by(fingerprint: str, statement: bytes, signature: str, keys: str) -> bool:
    try:
        return (
            bool(keys.strip()) and verify(statement, signature, [keys]).fingerprint == fingerprint
        )
    except VerificationFailed:
        return False


def _advice(refusal: str, application: PackageName) -> str:
    """Return what to do about the parts that a server refuses a bundle for."""
    for word, advice in _ADVICE.items():
        if word in refusal:
            return advice.format(application=application)
    return "lock again: recipebox lock"
