"""The trust decision as a table: policy, who signed, role and moment; then trusted or why not."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from signing.errors import (
    OutsideWindow,
    TooFewSigners,
    TrustRefused,
    Unsigned,
    UntrustedSigner,
    WrongRole,
)
from signing.key import KeyInfo, SubkeyInfo, VerifiedSignature
from signing.trust import Role, Trusted, TrustedKey, TrustPolicy, evaluate

ADA, BOB, EVE = ("A" * 40, "B" * 40, "E" * 40)
NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
DAY = timedelta(days=1)
RELEASE: frozenset[Role] = frozenset({"release"})
PROMOTE: frozenset[Role] = frozenset({"promote"})


def signed_by(fingerprint: str) -> VerifiedSignature:
    part = SubkeyInfo(fingerprint, "eddsa", 255, "ed25519", NOW - DAY, None, False, True)  # noqa: FBT003 - a subkey's record
    return VerifiedSignature(fingerprint, fingerprint, NOW - DAY, KeyInfo(part), "SHA-512")


@dataclass(frozen=True)
class Case:
    keys: tuple[TrustedKey, ...]
    signers: tuple[str, ...]
    expected: tuple[str, ...] | type[TrustRefused]
    required: int = 1
    role: Role = "release"
    now: datetime = NOW
    values: dict[str, object] = field(default_factory=dict)


ada, bob = TrustedKey(ADA), TrustedKey(BOB)

CASES = {
    "a trusted key": Case((ada,), (ADA,), (ADA,)),
    "one of two": Case((ada, bob), (BOB,), (BOB,)),
    "beside an unknown one": Case((ada,), (EVE, ADA), (ADA,)),
    "two of two": Case((ada, bob), (BOB, ADA), (ADA, BOB), required=2),
    "more than required": Case((ada, bob), (ADA, BOB), (ADA, BOB)),
    "to promote": Case((TrustedKey(ADA, PROMOTE),), (ADA,), (ADA,), role="promote"),
    "unsigned": Case((ada,), (), Unsigned, required=2, values={"required": 2}),
    "unknown": Case(
        (ada, bob), (EVE,), UntrustedSigner, values={"found": EVE, "trusted": (ADA, BOB)}
    ),
    "no keys at all": Case((), (ADA,), UntrustedSigner, values={"trusted": ()}),
    "for another role": Case(
        (TrustedKey(ADA, PROMOTE),),
        (ADA,),
        WrongRole,
        values={"fingerprint": ADA, "roles": ("promote",), "role": "release"},
    ),
    "may not promote": Case((TrustedKey(ADA, RELEASE),), (ADA,), WrongRole, role="promote"),
    "without any role": Case((TrustedKey(ADA, frozenset()),), (ADA,), WrongRole),
    "too early": Case(
        (TrustedKey(ADA, valid_from=NOW + DAY),),
        (ADA,),
        OutsideWindow,
        values={"fingerprint": ADA, "valid_from": NOW + DAY, "valid_until": None, "now": NOW},
    ),
    "too late": Case((TrustedKey(ADA, valid_until=NOW - DAY),), (ADA,), OutsideWindow),
    "at its first moment": Case((TrustedKey(ADA, valid_from=NOW),), (ADA,), (ADA,)),
    "at its last moment": Case(
        (TrustedKey(ADA, valid_until=NOW),), (ADA,), (ADA,), now=NOW - timedelta(seconds=1)
    ),
    "at its end": Case((TrustedKey(ADA, valid_until=NOW),), (ADA,), OutsideWindow),
    "one where two are wanted": Case(
        (ada, bob),
        (ADA, EVE),
        TooFewSigners,
        required=2,
        values={"required": 2, "found": (ADA,)},
    ),
    "one twice where two are wanted": Case((ada, bob), (ADA, ADA), TooFewSigners, required=2),
    "the closest refusal is told: window": Case(
        (TrustedKey(ADA, PROMOTE), TrustedKey(BOB, valid_until=NOW)),
        (EVE, ADA, BOB),
        OutsideWindow,
    ),
    "the closest refusal is told: role": Case((TrustedKey(ADA, PROMOTE),), (EVE, ADA), WrongRole),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_decision(case: Case) -> None:
    policy = TrustPolicy(case.keys, case.required)
    verified = [signed_by(signer) for signer in case.signers]
    if isinstance(case.expected, tuple):
        trusted = evaluate(policy, verified, role=case.role, now=case.now)
        assert trusted.fingerprints == case.expected
        assert trusted.role == case.role
        return
    with pytest.raises(case.expected) as refused:
        evaluate(policy, verified, role=case.role, now=case.now)
    assert refused.value.role == case.role
    for name, value in case.values.items():
        assert getattr(refused.value, name) == value
    assert "expected" in str(refused.value)
    assert "found" in str(refused.value)


def test_a_key_counts_once_with_its_first_signature() -> None:
    first, second = signed_by(ADA), signed_by(ADA)
    trusted = evaluate(TrustPolicy((ada,)), [first, second], role="release", now=NOW)
    assert trusted == Trusted("release", (first,))


@pytest.mark.parametrize(
    ("fingerprint", "roles", "valid_from", "valid_until", "message"),
    [
        ("a" * 40, RELEASE, None, None, "40 upper-case"),
        ("A" * 39, RELEASE, None, None, "40 upper-case"),
        (ADA, frozenset({"rule"}), None, None, "unknown roles"),
        (ADA, RELEASE, datetime(2026, 1, 1), None, "without a zone"),  # noqa: DTZ001
        (ADA, RELEASE, NOW, NOW - DAY, "ends before"),
    ],
)
def test_a_key_that_could_not_be_compared_is_refused(
    fingerprint: str,
    roles: frozenset[Role],
    valid_from: datetime | None,
    valid_until: datetime | None,
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        TrustedKey(fingerprint, roles, valid_from, valid_until)


def test_a_policy_wants_a_signature_and_names_a_key_once() -> None:
    with pytest.raises(ValueError, match="at least one"):
        TrustPolicy((ada,), required=0)
    with pytest.raises(ValueError, match="twice"):
        TrustPolicy((ada, TrustedKey(ADA, RELEASE)))
