"""What can go wrong with keys, signatures and statements.

::

    SigningError
    ├── GpgMissing                    the gpg program isn't there
    ├── GpgFailed                     gpg refused for a reason that has no error of its own
    ├── HomeTooLong                   a GNUPGHOME in which gpg's agent can't make its socket
    ├── KeyNotFound                   no key has that fingerprint or user ID
    ├── AmbiguousKey                  several keys have it
    ├── KeyUnusable                   a key that can't sign: expired, revoked, public half only
    ├── BadPassphrase                 wrong, or needed and not given
    ├── InvalidKeyRequest             a key can't be made so
    ├── InvalidKey                    a text that isn't a key, or holds none that gpg takes
    │   └── PrivateKeyRefused         private key material where public keys are expected
    ├── InvalidStatement              bytes or members that aren't the statement that they should be
    │   └── UnknownStatement          a kind or version that isn't understood
    ├── VerificationFailed            a signature that proves nothing
    │   ├── MalformedSignature        not one armoured detached signature and nothing else
    │   ├── NotExactlyOneSignature    none, or several
    │   ├── BadSignature              the data or the signature was changed
    │   ├── UnknownSigner             by a key that isn't among the given ones
    │   ├── ExpiredKey                by a key that had expired
    │   ├── RevokedKey                by a key that was revoked
    │   ├── ExpiredSignature          the signature itself had an end, and it is past
    │   ├── SignatureFromFuture       made after the moment at which it is judged
    │   ├── WeakKey                   by a key that others could forge with
    │   └── WeakHash                  over a hash that others could forge
    └── TrustRefused                  signatures that are good, but not enough
        ├── Unsigned                  there are none
        ├── UntrustedSigner           by a key that the policy doesn't name
        ├── WrongRole                 by a key that may sign other things
        ├── OutsideWindow             by a key that the policy trusts at another time
        └── TooFewSigners             by fewer keys than the policy wants
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(texts) or "none"


class SigningError(Exception):
    """Base of everything that `signing` raises."""


class GpgMissing(SigningError):
    """A program of GnuPG is not on PATH: `program` is its name."""

    def __init__(self, program: str) -> None:
        self.program = program
        super().__init__(
            f"{program} was not found on PATH; install GnuPG 2.2 or newer "
            "(Debian and Ubuntu: apt install gnupg)"
        )


class GpgFailed(SigningError):
    """Gpg could not do `operation`; `detail` is what it said."""

    def __init__(self, operation: str, detail: str) -> None:
        self.operation = operation
        self.detail = detail
        super().__init__(f"gpg could not {operation}: {detail or 'it gave no reason'}")


class HomeTooLong(SigningError):
    """A home whose agent's socket would have a path of `length` bytes; `limit` is the longest."""

    def __init__(self, home: Path, *, length: int, limit: int) -> None:
        self.home = home
        self.length = length
        self.limit = limit
        super().__init__(
            f"the key folder {home} has too long a path: gpg's agent makes a socket there of "
            f"{length} bytes, and the system takes {limit}; use a folder with a shorter path"
        )


class KeyNotFound(SigningError):
    """No key of the keyring `home` matches `text`."""

    def __init__(self, text: str, home: Path | None) -> None:
        self.text = text
        self.home = home
        super().__init__(
            f"no key matches {text!r} in {home or 'your GnuPG keyring'}; "
            "list the keys that are there, or make or import this one"
        )


class AmbiguousKey(SigningError):
    """Several keys match `text`: `fingerprints`."""

    def __init__(self, text: str, fingerprints: tuple[str, ...]) -> None:
        self.text = text
        self.fingerprints = fingerprints
        super().__init__(
            f"{text!r} matches {len(fingerprints)} keys: {_listed(fingerprints)}; "
            "name one by its fingerprint"
        )


class KeyUnusable(SigningError):
    """The key `fingerprint` can't sign, for `reason`."""

    def __init__(self, fingerprint: str, reason: str) -> None:
        self.fingerprint = fingerprint
        self.reason = reason
        super().__init__(f"key {fingerprint} can't sign: {reason}")


class BadPassphrase(SigningError):
    """The passphrase of the key `fingerprint` is wrong, or was not `given`."""

    def __init__(self, fingerprint: str, *, given: bool) -> None:
        self.fingerprint = fingerprint
        self.given = given
        super().__init__(
            f"the passphrase of key {fingerprint} is wrong"
            if given
            else f"key {fingerprint} has a passphrase, and none was given"
        )


class InvalidKeyRequest(SigningError):
    """A key can't be made with this `member`; `expected` says what it should be."""

    def __init__(self, member: str, value: str, expected: str) -> None:
        self.member = member
        self.value = value
        self.expected = expected
        super().__init__(f"can't make a key: {member} is {value!r} (expected {expected})")


class InvalidKey(SigningError):
    """A text that is not armoured keys, or holds none that gpg takes: `reason` says why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"not a usable OpenPGP key: {reason}")


class PrivateKeyRefused(InvalidKey):
    """Private key material where only public keys are expected."""

    def __init__(self) -> None:
        super().__init__(
            "it holds private key material, which must stay with its owner and is not kept; "
            "export the public key instead (gpg --armor --export FINGERPRINT)"
        )


class InvalidStatement(SigningError):
    """Bytes or members that are not a statement: `reason` says which rule they break."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"not a valid statement: {reason}")


class UnknownStatement(InvalidStatement):
    """A statement of a type that is not known: `found`, where `understood` would be."""

    def __init__(self, member: str, found: str, understood: str) -> None:
        self.member = member
        self.found = found
        self.understood = understood
        super().__init__(f"{member} is {found[:200]!r}, and this version understands {understood}")


class VerificationFailed(SigningError):
    """Base of all reasons for which a signature proves nothing."""


class MalformedSignature(VerificationFailed):
    """Not one armoured detached signature: `reason` says which rule is broken."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"not an armoured detached signature: {reason}")


class NotExactlyOneSignature(VerificationFailed):
    """A file that holds `found` signatures, where one is expected."""

    def __init__(self, found: int) -> None:
        self.found = found
        super().__init__(f"expected exactly one signature, found {found}")


class BadSignature(VerificationFailed):
    """The signature of the key or subkey `signed_by` (perhaps only its key ID) is not over this."""

    def __init__(self, signed_by: str) -> None:
        self.signed_by = signed_by
        super().__init__(
            f"the signature by key {signed_by} is not over this data: "
            "the data or the signature was changed"
        )


class UnknownSigner(VerificationFailed):
    """Signed by `found` (a key's or subkey's fingerprint), where one of `known` is expected."""

    def __init__(self, found: str, known: tuple[str, ...]) -> None:
        self.found = found
        self.known = known
        super().__init__(f"signed by an unknown key: expected {_listed(known)}; found {found}")


class ExpiredKey(VerificationFailed):
    """The key or subkey `fingerprint` had expired, at `expired` where that is known."""

    def __init__(self, fingerprint: str, expired: datetime | None) -> None:
        self.fingerprint = fingerprint
        self.expired = expired
        super().__init__(
            f"signed by key {fingerprint}, which has expired"
            + ("" if expired is None else f" ({_moment(expired)})")
            + "; its owner must extend it and publish it again, or sign with another"
        )


class RevokedKey(VerificationFailed):
    """The key or subkey `fingerprint` was revoked by its owner."""

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        super().__init__(
            f"signed by key {fingerprint}, which its owner revoked: nothing that it signed is "
            "proof any more"
        )


class ExpiredSignature(VerificationFailed):
    """The signature by `fingerprint` itself ended, at `expired`."""

    def __init__(self, fingerprint: str, expired: datetime) -> None:
        self.fingerprint = fingerprint
        self.expired = expired
        super().__init__(
            f"the signature by key {fingerprint} was made to expire at {_moment(expired)}"
        )


class SignatureFromFuture(VerificationFailed):
    """The signature says `signed_at`, which is after `now`, the moment at which it is judged."""

    def __init__(self, fingerprint: str, *, signed_at: datetime, now: datetime) -> None:
        self.fingerprint = fingerprint
        self.signed_at = signed_at
        self.now = now
        super().__init__(
            f"the signature by key {fingerprint} is from the future: made {_moment(signed_at)}, "
            f"and it is {_moment(now)}; compare the clocks of both machines"
        )


class WeakKey(VerificationFailed):
    """The key or subkey `fingerprint` is `found`, which is weaker than `accepted`."""

    def __init__(self, fingerprint: str, *, found: str, accepted: str) -> None:
        self.fingerprint = fingerprint
        self.found = found
        self.accepted = accepted
        super().__init__(f"key {fingerprint} is too weak: expected {accepted}; found {found}")


class WeakHash(VerificationFailed):
    """The signature is over the hash `found`, which is none of `accepted`."""

    def __init__(self, *, found: str, accepted: tuple[str, ...]) -> None:
        self.found = found
        self.accepted = accepted
        super().__init__(
            f"the signature's hash is too weak: expected {_listed(accepted)}; found {found}"
        )


class TrustRefused(SigningError):
    """Base of all reasons for which good signatures are not enough; `role` is what was asked."""

    def __init__(self, role: str, message: str) -> None:
        self.role = role
        super().__init__(message)


class Unsigned(TrustRefused):
    """No signature, where `required` are wanted."""

    def __init__(self, role: str, *, required: int) -> None:
        self.required = required
        super().__init__(role, f"unsigned: expected {required} signature(s) to {role}; found none")


class UntrustedSigner(TrustRefused):
    """Signed by `found`, where one of `trusted` (primary fingerprints) is expected."""

    def __init__(self, role: str, *, found: str, trusted: tuple[str, ...]) -> None:
        self.found = found
        self.trusted = trusted
        super().__init__(
            role, f"signed by an untrusted key: expected {_listed(trusted)}; found {found}"
        )


class WrongRole(TrustRefused):
    """The key `fingerprint` may do `roles`, and not `role`."""

    def __init__(self, role: str, *, fingerprint: str, roles: tuple[str, ...]) -> None:
        self.fingerprint = fingerprint
        self.roles = roles
        super().__init__(
            role,
            f"key {fingerprint} is not trusted to {role}: expected a key with that role; "
            f"found one for {_listed(roles)}",
        )


class OutsideWindow(TrustRefused):
    """The key `fingerprint` is trusted from `valid_from` to `valid_until`; it is `now`."""

    def __init__(
        self,
        role: str,
        *,
        fingerprint: str,
        valid_from: datetime | None,
        valid_until: datetime | None,
        now: datetime,
    ) -> None:
        self.fingerprint = fingerprint
        self.valid_from = valid_from
        self.valid_until = valid_until
        self.now = now
        begins = "its start" if valid_from is None else _moment(valid_from)
        ends = "any time" if valid_until is None else _moment(valid_until)
        super().__init__(
            role,
            f"key {fingerprint} is not trusted at this time: expected from {begins} to {ends}; "
            f"found {_moment(now)}",
        )


class TooFewSigners(TrustRefused):
    """Signed by the trusted keys `found`, where `required` different ones are wanted."""

    def __init__(self, role: str, *, required: int, found: tuple[str, ...]) -> None:
        self.required = required
        self.found = found
        super().__init__(
            role,
            f"too few signers to {role}: expected {required} trusted keys; "
            f"found {len(found)}: {_listed(found)}",
        )
