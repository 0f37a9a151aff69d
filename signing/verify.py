"""Verifying: what a detached signature over given bytes proves, by given public keys.

Each verification has a throwaway home that holds these keys and no others. The signature is read
strictly first (`openpgp`), and gpg runs twice, since one run can't say both:

::

    1. as it is by default     GOODSIG and VALIDSIG, once each, and none of the refusals; knows
                               every revocation, those made over SHA-1 too
    2. --weak-digest SHA1      the same again; a key that only SHA-1 binds to its names or its
                               subkeys is not valid here (but revocations over SHA-1 don't count)

What gpg's exit code says is not enough: it is 0 for expired and revoked keys. The status lines
are those of GnuPG's doc/DETAILS, "Format of the --status-fd output".
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from signing import openpgp
from signing.errors import (
    BadSignature,
    ExpiredKey,
    ExpiredSignature,
    MalformedSignature,
    NotExactlyOneSignature,
    RevokedKey,
    SignatureFromFuture,
    UnknownSigner,
    VerificationFailed,
    WeakHash,
    WeakKey,
)
from signing.gpg import Gpg, Report, throwaway_home
from signing.key import ACCEPTED_KEYS, KeyInfo, SubkeyInfo, VerifiedSignature, is_fingerprint
from signing.keyring import check_public

__all__ = ["VerifiedSignature", "verify"]

LARGEST_SIGNATURE = 16 << 10
"""Characters of an armoured signature: one by RSA of 16,384 bits has 3,000."""
CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far the signer's clock may be ahead of ours."""

_ACCEPTED_HASHES = {8: "SHA-256", 9: "SHA-384", 10: "SHA-512"}
_REFUSALS = ("BADSIG", "ERRSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG", "NO_PUBKEY", "NODATA")
_UNEXPECTED = ("UNEXPECTED", "FAILURE", "ERROR", "PLAINTEXT")
_STRICT = ("--weak-digest", "SHA1", "--weak-digest", "RIPEMD160", "--no-sig-cache")


def verify(
    data: bytes, signature: str | bytes, keys: Iterable[str], *, at: datetime | None = None
) -> VerifiedSignature:
    """Return who signed `data`, if `signature` is one good signature by one of `keys`.

    `keys` are armoured public keys, one or several a text. `at` is the moment at which key and
    signature must have been valid (a receipt's time, say); None is now. Where the signature is
    some minutes younger, its own time counts: its signer's clock is ahead, and a key that was just
    made is from the future too. A revoked key is refused whenever it was revoked.

    Raises:
        VerificationFailed: one of its subclasses, for what is wrong with the signature.
        InvalidKey: one of `keys` is no public key.
    """
    packet, head = _read_signature(signature)
    if head.hash_algorithm not in _ACCEPTED_HASHES:
        raise WeakHash(found=head.hash_name, accepted=tuple(_ACCEPTED_HASHES.values()))
    material = b"".join(check_public(key) for key in keys)
    moment = at or datetime.now(UTC)
    made = datetime.fromtimestamp(head.made, UTC)
    clock: tuple[str, ...] = () if at is None else _clock(at)
    is_ahead = moment < made <= moment + CLOCK_TOLERANCE
    if is_ahead:
        clock = _clock(made)
    with throwaway_home() as home:
        options = ("--no-autostart", "--no-auto-check-trustdb", "--trust-model", "always")
        gpg = Gpg(home, *options, *(clock if is_ahead and made > datetime.now(UTC) else ()))
        if material:
            gpg.import_keys(material)
        known = gpg.list_keys(with_secret=False)
        data_file = home / "data"
        data_file.write_bytes(data)
        verified = _judge(gpg.verify(packet, data_file, *clock), known)
        _judge_binding(gpg.verify(packet, data_file, *_STRICT, *clock), verified, known)
    if verified.signed_at > moment + CLOCK_TOLERANCE:
        raise SignatureFromFuture(verified.signed_by, signed_at=verified.signed_at, now=moment)
    return verified


def _clock(now: datetime) -> tuple[str, ...]:
    return "--faked-system-time", f"{int(now.timestamp())}!"


def _read_signature(signature: str | bytes) -> tuple[bytes, openpgp.SignatureHead]:
    """Return the one signature packet, as binary, and what it says openly."""
    if len(signature) > LARGEST_SIGNATURE:
        raise MalformedSignature(f"{len(signature)} bytes, over the limit of {LARGEST_SIGNATURE}")
    try:
        text = signature if isinstance(signature, str) else signature.decode("ascii")
        block = _one_block(text)
        head = openpgp.read_signature_head(_one_packet(block.data).body)
    except UnicodeDecodeError as error:
        raise MalformedSignature("it is not ASCII text") from error
    except openpgp.NotOpenPgp as error:
        raise MalformedSignature(str(error)) from error
    if head.kind != openpgp.BINARY_DOCUMENT:
        raise MalformedSignature(
            f"its type is {head.kind:#04x}, expected 0x00: over bytes as they are"
        )
    return block.data, head


def _one_block(text: str) -> openpgp.Block:
    if not text.strip():
        raise NotExactlyOneSignature(0)
    blocks = openpgp.read_blocks(text)
    labels = [block.label for block in blocks]
    if labels != [openpgp.SIGNATURE] * len(labels):
        raise openpgp.NotOpenPgp(f"it holds {', '.join(labels)}, expected {openpgp.SIGNATURE}")
    if len(blocks) != 1:
        raise NotExactlyOneSignature(len(blocks))
    if blocks[0].headers:
        raise openpgp.NotOpenPgp(
            f"it has a header ({blocks[0].headers[0][:60]!r}), which nothing signs"
        )
    if text.removesuffix("\n").removesuffix("\r") != text.strip():
        raise openpgp.NotOpenPgp("there is space before or after it")
    return blocks[0]


def _one_packet(data: bytes) -> openpgp.Packet:
    packets = tuple(openpgp.read_packets(data))
    for packet in packets:
        if packet.tag != openpgp.TAG_SIGNATURE:
            raise openpgp.NotOpenPgp(
                f"it holds a packet of type {packet.tag}: an attached message, or other data"
            )
    if len(packets) != 1:
        raise NotExactlyOneSignature(len(packets))
    return packets[0]


def _judge(report: Report, known: tuple[KeyInfo, ...]) -> VerifiedSignature:
    """Return what gpg's first run proves, or raise for the refusal in it."""
    valid = [rest.split() for rest in report.all("VALIDSIG")]
    if report.has(*_REFUSALS):
        _refuse(report, valid[0][0] if valid else None, known)
    good = report.all("GOODSIG")
    if report.code != 0 or report.has(*_UNEXPECTED) or len(good) != 1 or len(valid) != 1:
        raise MalformedSignature(f"gpg does not vouch for it ({report.detail})")
    signed_by, _, signed_at, _, _, _, _, hash_algorithm, kind, fingerprint = valid[0][:10]
    key, part = _find_part(known, fingerprint, signed_by)
    if int(kind, 16) != openpgp.BINARY_DOCUMENT or not signed_by.endswith(good[0].split()[0]):
        raise MalformedSignature(f"gpg verified something else ({report.detail})")
    for used in (part, key.primary):
        if used.weakness is not None:
            raise WeakKey(used.fingerprint, found=used.weakness, accepted=ACCEPTED_KEYS)
    return VerifiedSignature(
        fingerprint=fingerprint,
        signed_by=signed_by,
        signed_at=datetime.fromtimestamp(int(signed_at), UTC),
        key=key,
        hash_algorithm=_ACCEPTED_HASHES[int(hash_algorithm)],
    )


def _judge_binding(report: Report, verified: VerifiedSignature, known: tuple[KeyInfo, ...]) -> None:
    """Raise unless gpg's second run, which takes no SHA-1, proves the same."""
    try:
        again = _judge(report, known)
    except VerificationFailed as error:
        raise WeakKey(
            verified.fingerprint,
            found="one that only SHA-1 binds to its names or its subkeys",
            accepted="a key whose own signatures are over SHA-256 or better",
        ) from error
    if again != verified:
        raise MalformedSignature("gpg says one thing and then another")


def _refuse(report: Report, signed_by: str | None, known: tuple[KeyInfo, ...]) -> NoReturn:
    """Raise the error for the refusal that gpg's status lines hold."""
    failed = [rest.split() for rest in report.all("ERRSIG")]
    bad = report.all("BADSIG")
    if bad:
        raise BadSignature(_whole(bad[0].split()[0], known))
    if report.has("NO_PUBKEY"):
        # ERRSIG ends with the fingerprint, or '-' where the signature names a key ID only.
        named = [fields[-1] for fields in failed if is_fingerprint(fields[-1])]
        raise UnknownSigner(
            (named or report.all("NO_PUBKEY"))[0], tuple(key.fingerprint for key in known)
        )
    if signed_by is not None and report.has("REVKEYSIG"):
        raise RevokedKey(signed_by)
    if signed_by is not None and report.has("EXPKEYSIG"):
        raise ExpiredKey(signed_by, _end(signed_by, known))
    if signed_by is not None and report.has("EXPSIG"):
        end = int(report.all("VALIDSIG")[0].split()[3])
        raise ExpiredSignature(signed_by, datetime.fromtimestamp(end, UTC))
    raise MalformedSignature(f"gpg can't check it ({report.detail})")


def _find_part(
    known: tuple[KeyInfo, ...], fingerprint: str, signed_by: str
) -> tuple[KeyInfo, SubkeyInfo]:
    for key in known:
        for part in key.parts:
            if key.fingerprint == fingerprint and part.fingerprint == signed_by:
                return key, part
    raise UnknownSigner(signed_by, tuple(key.fingerprint for key in known))


def _end(signed_by: str, known: tuple[KeyInfo, ...]) -> datetime | None:
    """Return when the part `signed_by` ended: with itself or with its primary key."""
    ends = [
        end.expires
        for key in known
        for part in key.parts
        if part.fingerprint == signed_by
        for end in (part, key.primary)
    ]
    return min((end for end in ends if end is not None), default=None)


def _whole(key_id: str, known: tuple[KeyInfo, ...]) -> str:
    """Return the fingerprint that ends with this key ID, else the key ID."""
    parts = (part.fingerprint for key in known for part in key.parts)
    return next((found for found in parts if found.endswith(key_id)), key_id)
