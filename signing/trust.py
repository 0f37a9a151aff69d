"""Trust: whether good signatures are enough. Pure: a policy, what was verified, a moment.

::

    no signatures                        -> Unsigned
    a signature, by its primary key:
        that the policy doesn't name     -> UntrustedSigner  ┐
        without the role                 -> WrongRole        ├ doesn't count
        outside of its window            -> OutsideWindow    ┘
        else                             counts, once a key
    as many as required count            -> Trusted
    some count, fewer than required      -> TooFewSigners
    none counts                          -> the refusal that came closest to trust
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from signing.errors import (
    OutsideWindow,
    TooFewSigners,
    TrustRefused,
    Unsigned,
    UntrustedSigner,
    WrongRole,
)
from signing.key import VerifiedSignature, is_fingerprint

Role = Literal["release", "promote"]
ROLES: frozenset[Role] = frozenset(get_args(Role))
"""What a key may be trusted to do: release packages, promote bundles."""


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A key, by its primary fingerprint, what it may do, and when.

    It is trusted from `valid_from` on and before `valid_until`; None is without a limit.
    """

    fingerprint: str
    roles: frozenset[Role] = ROLES
    valid_from: datetime | None = None
    valid_until: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse what could never be compared.

        Raises:
            ValueError: a fingerprint in another form, an unknown role, a time without a zone,
                or a window that ends before it begins.
        """
        if not is_fingerprint(self.fingerprint):
            raise ValueError(f"not a fingerprint of 40 upper-case hex digits: {self.fingerprint!r}")
        if not self.roles <= ROLES:
            raise ValueError(f"unknown roles: {sorted(self.roles - ROLES)}; known {sorted(ROLES)}")
        limits = [limit for limit in (self.valid_from, self.valid_until) if limit is not None]
        if any(limit.tzinfo is None for limit in limits):
            raise ValueError(f"the window of key {self.fingerprint} has a time without a zone")
        if limits != sorted(limits):
            raise ValueError(f"the window of key {self.fingerprint} ends before it begins")

    def covers(self, now: datetime) -> bool:
        """Say whether `now` is in its window."""
        return (self.valid_from is None or self.valid_from <= now) and (
            self.valid_until is None or now < self.valid_until
        )


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """The keys of a namespace, and how many different ones must have signed (`required`)."""

    keys: tuple[TrustedKey, ...]
    required: int = 1

    def __post_init__(self) -> None:
        """Refuse a policy that trusts without a signature, or names a key twice.

        Raises:
            ValueError: `required` is under 1, or a fingerprint stands twice.
        """
        if self.required < 1:
            raise ValueError(f"required is {self.required}: at least one signature is needed")
        if len({key.fingerprint for key in self.keys}) != len(self.keys):
            raise ValueError("a key stands twice in the policy")

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """The primary fingerprints that it names."""
        return tuple(key.fingerprint for key in self.keys)


@dataclass(frozen=True, slots=True)
class Trusted:
    """The signatures that count, one for each key, and the role for which they do."""

    role: Role
    signatures: tuple[VerifiedSignature, ...]

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """The primary fingerprints of those who signed, sorted."""
        return tuple(sorted(signature.fingerprint for signature in self.signatures))


def evaluate(
    policy: TrustPolicy, verified: Sequence[VerifiedSignature], *, role: Role, now: datetime
) -> Trusted:
    """Return the signatures that count for `role` at `now` (a receipt's time, where there is one).

    Raises:
        TrustRefused: one of its subclasses, naming what was expected and what was found.
    """
    if not verified:
        raise Unsigned(role, required=policy.required)
    counted: dict[str, VerifiedSignature] = {}
    refusals: list[TrustRefused] = []
    for signature in verified:
        refusal = _refusal(policy, signature.fingerprint, role, now)
        if refusal is None:
            counted.setdefault(signature.fingerprint, signature)
        else:
            refusals.append(refusal)
    if len(counted) >= policy.required:
        return Trusted(role, tuple(counted.values()))
    if counted:
        raise TooFewSigners(role, required=policy.required, found=tuple(counted))
    closeness = (OutsideWindow, WrongRole, UntrustedSigner)
    raise min(refusals, key=lambda refusal: closeness.index(type(refusal)))


def _refusal(
    policy: TrustPolicy, fingerprint: str, role: Role, now: datetime
) -> OutsideWindow | WrongRole | UntrustedSigner | None:
    """Return why a signature by this key doesn't count, or None if it does."""
    key = next((key for key in policy.keys if key.fingerprint == fingerprint), None)
    if key is None:
        return UntrustedSigner(role, found=fingerprint, trusted=policy.fingerprints)
    if role not in key.roles:
        return WrongRole(role, fingerprint=fingerprint, roles=tuple(sorted(key.roles)))
    if not key.covers(now):
        return OutsideWindow(
            role,
            fingerprint=fingerprint,
            valid_from=key.valid_from,
            valid_until=key.valid_until,
            now=now,
        )
    return None
