"""What a signature proves, and every way in which one that gpg passes proves nothing.

Keys and signatures are made by plain gpg (`tests.keys.Gnupg`), never by the code under test.
"""

import base64
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from signing.errors import (
    BadSignature,
    ExpiredKey,
    ExpiredSignature,
    InvalidKey,
    MalformedSignature,
    NotExactlyOneSignature,
    PrivateKeyRefused,
    RevokedKey,
    SignatureFromFuture,
    UnknownSigner,
    VerificationFailed,
    WeakHash,
    WeakKey,
)
from signing.gpg import Report
from signing.keyring import read_keys
from signing.verify import LARGEST_SIGNATURE, _judge, _judge_binding, verify
from tests.keys import OTHER, SIGNER, Gnupg

DATA = b"a statement\nof two lines\n"


@dataclass(frozen=True)
class Signer:
    """A key of the session's keyring that made one good signature over DATA."""

    fingerprint: str
    public: str
    signature: str


@pytest.fixture(scope="module")
def good(gpg: Gnupg) -> Signer:
    return signer(gpg, "good@example.org")


def signer(gpg: Gnupg, email: str, algorithm: str = "ed25519", *options: str) -> Signer:
    made = gpg.make(email, algorithm=algorithm, options=options)
    return Signer(made, gpg.public(made), gpg.sign(DATA, made))


def with_subkey(
    gpg: Gnupg,
    email: str,
    *,
    primary: str = "ed25519",
    subkey: str = "ed25519",
    lifetime: str = "0",
    at: str | None = None,
) -> tuple[str, str]:
    """Make a key whose primary part only certifies; returns both fingerprints."""
    made = gpg.make(email, algorithm=primary, usage="cert", at=at)
    gpg("--quick-add-key", made, subkey, "sign", lifetime, at=at)
    return made, gpg.fingerprints(made)[1]


def armor(data: bytes, label: str = "PGP SIGNATURE") -> str:
    content = base64.encodebytes(data).decode()
    return f"-----BEGIN {label}-----\n\n{content}-----END {label}-----\n"


def dearmor(signature: str) -> bytes:
    lines = signature.split("\n\n")[1].splitlines()
    return base64.b64decode("".join(line for line in lines if not re.match("=|-----", line)))


# What it proves


def test_a_good_signature_says_who_and_when(good: Signer) -> None:
    before = datetime.now(UTC)
    verified = verify(DATA, good.signature, [good.public])
    assert verified.fingerprint == verified.signed_by == good.fingerprint
    assert verified.key.fingerprint == good.fingerprint
    assert verified.key.user_ids == ("Test <good@example.org>",)
    assert verified.hash_algorithm == "SHA-256", "plain gpg's choice for Ed25519"
    assert before - timedelta(minutes=5) < verified.signed_at <= before


def test_the_signature_may_come_as_bytes_and_with_other_line_ends(good: Signer) -> None:
    windows = good.signature.replace("\n", "\r\n").encode()
    assert verify(DATA, windows, [good.public]).fingerprint == good.fingerprint


def test_the_key_is_found_among_others(good: Signer) -> None:
    for keys in ([SIGNER.public, good.public], [SIGNER.public + good.public], [good.public] * 2):
        assert verify(DATA, good.signature, keys).fingerprint == good.fingerprint


def test_a_subkeys_signature_counts_for_the_primary_key(gpg: Gnupg) -> None:
    primary, subkey = with_subkey(gpg, "subkey@example.org")
    verified = verify(DATA, gpg.sign(DATA, primary), [gpg.public(primary)])
    assert (verified.fingerprint, verified.signed_by) == (primary, subkey)


@pytest.mark.parametrize("algorithm", ["rsa3072", "nistp256"])
def test_other_strong_algorithms_are_taken(gpg: Gnupg, algorithm: str) -> None:
    strong = signer(gpg, f"{algorithm}@example.org", algorithm)
    assert verify(DATA, strong.signature, [strong.public]).key.algorithm == algorithm


@pytest.mark.parametrize(
    ("name", "shown"), [("SHA256", "SHA-256"), ("SHA384", "SHA-384"), ("SHA512", "SHA-512")]
)
def test_strong_hashes_are_taken(gpg: Gnupg, good: Signer, name: str, shown: str) -> None:
    signature = gpg.sign(DATA, good.fingerprint, "--digest-algo", name)
    assert verify(DATA, signature, [good.public]).hash_algorithm == shown


def test_large_and_empty_data_are_verified_as_they_are(gpg: Gnupg, good: Signer) -> None:
    for data in (b"", b"\0" * 3_000_000):
        verify(data, gpg.sign(data, good.fingerprint), [good.public])


# Expired and revoked: gpg's exit code is 0 for all of these


def test_an_expired_key_is_refused_now_and_taken_at_a_time_when_it_was_good(gpg: Gnupg) -> None:
    made = gpg.make("expired@example.org", lifetime="30d", at="20200101T000000")
    signature = gpg.sign(DATA, made, at="20200102T000000")
    with pytest.raises(ExpiredKey) as refused:
        verify(DATA, signature, [gpg.public(made)])
    assert refused.value.fingerprint == made
    assert refused.value.expired == datetime(2020, 1, 31, tzinfo=UTC)
    assert "2020-01-31" in str(refused.value)
    then = datetime(2020, 1, 5, tzinfo=UTC)
    assert verify(DATA, signature, [gpg.public(made)], at=then).fingerprint == made


def test_an_expired_subkey_is_refused(gpg: Gnupg) -> None:
    primary, subkey = with_subkey(
        gpg, "expired-sub@example.org", lifetime="30d", at="20200101T000000"
    )
    signature = gpg.sign(DATA, primary, at="20200102T000000")
    with pytest.raises(ExpiredKey) as refused:
        verify(DATA, signature, [gpg.public(primary)])
    assert refused.value.fingerprint == subkey
    assert refused.value.expired == datetime(2020, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize("options", [(), ("--cert-digest-algo", "SHA1")])
def test_a_revoked_key_is_refused_over_whatever_hash_it_was_revoked(
    gpg: Gnupg, options: tuple[str, ...]
) -> None:
    made = signer(gpg, f"revoked-{len(options)}@example.org")
    gpg.revoke(made.fingerprint, *options)
    with pytest.raises(RevokedKey) as refused:
        verify(DATA, made.signature, [gpg.public(made.fingerprint)])
    assert refused.value.fingerprint == made.fingerprint


def test_an_older_copy_of_a_revoked_key_does_not_help(gpg: Gnupg) -> None:
    made = signer(gpg, "copies@example.org")
    gpg.revoke(made.fingerprint)
    with pytest.raises(RevokedKey):
        verify(DATA, made.signature, [made.public, gpg.public(made.fingerprint), made.public])


def test_a_revoked_subkey_is_refused(gpg: Gnupg) -> None:
    primary, subkey = with_subkey(gpg, "revoked-sub@example.org")
    signature = gpg.sign(DATA, primary)
    gpg.edit(primary, "key 1", "revkey", "y", "0", "", "y", "save")
    with pytest.raises(RevokedKey) as refused:
        verify(DATA, signature, [gpg.public(primary)])
    assert refused.value.fingerprint == subkey


def test_an_expired_signature_is_refused(gpg: Gnupg) -> None:
    made = gpg.make("brief@example.org", at="20200101T000000")
    signature = gpg.sign(DATA, made, "--default-sig-expire", "10d", at="20200102T000000")
    with pytest.raises(ExpiredSignature) as refused:
        verify(DATA, signature, [gpg.public(made)])
    assert refused.value.fingerprint == made
    assert refused.value.expired == datetime(2020, 1, 12, tzinfo=UTC)


def test_a_signature_from_the_future_is_refused(gpg: Gnupg, good: Signer) -> None:
    signature = gpg.sign(DATA, good.fingerprint, at="20990101T000000")
    with pytest.raises(SignatureFromFuture) as refused:
        verify(DATA, signature, [good.public])
    assert refused.value.signed_at == datetime(2099, 1, 1, tzinfo=UTC)
    assert refused.value.now < refused.value.signed_at


def test_a_signer_s_clock_may_be_ahead_though_the_key_was_just_made(gpg: Gnupg) -> None:
    ahead = (datetime.now(UTC) + timedelta(minutes=4)).strftime("%Y%m%dT%H%M%S")
    made = gpg.make("ahead@example.org", at=ahead)
    signature = gpg.sign(DATA, made, at=ahead)
    assert verify(DATA, signature, [gpg.public(made)]).fingerprint == made


def test_so_may_it_be_ahead_of_the_moment_that_counts(gpg: Gnupg) -> None:
    made = gpg.make("quick@example.org", at="20200101T000200")
    signature = gpg.sign(DATA, made, at="20200101T000200")
    moment = datetime(2020, 1, 1, tzinfo=UTC)
    assert verify(DATA, signature, [gpg.public(made)], at=moment).fingerprint == made
    with pytest.raises(VerificationFailed):  # gpg takes no key that isn't made yet
        verify(DATA, signature, [gpg.public(made)], at=moment - timedelta(minutes=4))


def test_a_key_from_the_future_is_refused(gpg: Gnupg) -> None:
    made = gpg.make("tomorrow@example.org", at="20990101T000000")
    signature = gpg.sign(DATA, made, at="20990102T000000")
    with pytest.raises(UnknownSigner):  # gpg doesn't take in such a key at all
        verify(DATA, signature, [gpg.public(made)])


# By whom


def test_a_key_that_was_not_given_is_unknown(good: Signer) -> None:
    with pytest.raises(UnknownSigner) as refused:
        verify(DATA, good.signature, [SIGNER.public, OTHER.public])
    assert refused.value.found == good.fingerprint
    assert set(refused.value.known) == {SIGNER.fingerprint, OTHER.fingerprint}
    assert SIGNER.fingerprint in str(refused.value)


def test_without_keys_everyone_is_unknown(good: Signer) -> None:
    with pytest.raises(UnknownSigner, match="expected none; found") as refused:
        verify(DATA, good.signature, [])
    assert refused.value.known == ()


def test_a_user_id_can_not_speak_for_gpg(gpg: Gnupg) -> None:
    """In UTF-8 its first letter ends with 0x85, which Latin-1 takes for the end of a line."""
    fake = "\N{LATIN CAPITAL LETTER N WITH CEDILLA}[GNUPG:] GOODSIG 0123456789ABCDEF x"
    gpg(
        *("--quick-generate-key", f"{fake} <fake@example.org>", "ed25519", "sign", "30d"),
        at="20200101T000000",
    )
    made = gpg.fingerprints("fake@example.org")[0]
    signature = gpg.sign(DATA, made, at="20200102T000000")
    then = datetime(2020, 1, 5, tzinfo=UTC)
    verified = verify(DATA, signature, [gpg.public(made)], at=then)
    assert verified.key.user_ids == (f"{fake} <fake@example.org>",)
    with pytest.raises(ExpiredKey):
        verify(DATA, signature, [gpg.public(made)])


def test_keys_must_be_public_keys(good: Signer) -> None:
    with pytest.raises(InvalidKey):
        verify(DATA, good.signature, ["not a key"])
    with pytest.raises(PrivateKeyRefused):
        verify(DATA, good.signature, [SIGNER.secret])


# Weak keys and hashes: gpg verifies all of these


@pytest.mark.parametrize("algorithm", ["rsa1024", "rsa2048", "dsa1024", "dsa2048"])
def test_weak_keys_are_refused(gpg: Gnupg, algorithm: str) -> None:
    made = gpg.make(f"{algorithm}@example.org", algorithm=algorithm)
    signature = gpg.sign(DATA, made, "--digest-algo", "SHA256")
    with pytest.raises(WeakKey) as refused:
        verify(DATA, signature, [gpg.public(made)])
    assert (refused.value.fingerprint, refused.value.found) == (made, algorithm)
    assert "3072" in refused.value.accepted


@pytest.mark.parametrize(("primary", "subkey"), [("ed25519", "rsa1024"), ("rsa1024", "ed25519")])
def test_either_part_of_a_key_may_be_the_weak_one(gpg: Gnupg, primary: str, subkey: str) -> None:
    made = with_subkey(gpg, f"{primary}-{subkey}@example.org", primary=primary, subkey=subkey)
    with pytest.raises(WeakKey) as refused:
        verify(DATA, gpg.sign(DATA, made[0]), [gpg.public(made[0])])
    assert refused.value.fingerprint == made[primary == "ed25519"]
    assert refused.value.found == "rsa1024"


@pytest.mark.parametrize(
    ("name", "shown"), [("SHA1", "SHA-1"), ("RIPEMD160", "RIPEMD-160"), ("SHA224", "SHA-224")]
)
def test_weak_hashes_are_refused(gpg: Gnupg, name: str, shown: str) -> None:
    made = gpg.make(f"{name}@example.org", algorithm="rsa3072")
    signature = gpg.sign(DATA, made, "--digest-algo", name)
    with pytest.raises(WeakHash) as refused:
        verify(DATA, signature, [gpg.public(made)])
    assert refused.value.found == shown
    assert "SHA-512" in refused.value.accepted


def test_a_key_that_only_sha1_binds_to_its_names_is_refused(gpg: Gnupg) -> None:
    old = signer(gpg, "old@example.org", "rsa3072", "--cert-digest-algo", "SHA1")
    with pytest.raises(WeakKey, match="only SHA-1 binds") as refused:
        verify(DATA, old.signature, [old.public])
    assert refused.value.fingerprint == old.fingerprint


# What isn't this data's one detached signature


def test_changed_data_is_refused(good: Signer) -> None:
    for changed in (DATA + b" ", DATA[:-1], b"", DATA.replace(b"\n", b"\r\n")):
        with pytest.raises(BadSignature, match="was changed") as refused:
            verify(changed, good.signature, [good.public])
        assert refused.value.signed_by == good.fingerprint


def test_every_changed_byte_of_a_signature_is_refused_or_harmless(good: Signer) -> None:
    """A byte of the unhashed part may differ (RFC 4880, 5.2.3); then the proof is the same."""
    packet = dearmor(good.signature)
    proof = verify(DATA, good.signature, [good.public])
    for at in range(0, len(packet), 7):
        changed = bytearray(packet)
        changed[at] ^= 0x10
        try:
            assert verify(DATA, armor(bytes(changed)), [good.public]) == proof
        except VerificationFailed as refused:
            assert not isinstance(refused, WeakKey)  # noqa: PT017 - either may happen, by place


@pytest.mark.parametrize("order", [("good", "revoked"), ("revoked", "good"), ("good", "good")])
def test_two_signatures_in_one_block_are_refused(
    gpg: Gnupg, good: Signer, order: tuple[str, str]
) -> None:
    revoked = signer(gpg, f"revoked-{order[0]}-{order[1]}@example.org")
    gpg.revoke(revoked.fingerprint)
    made = {"good": good, "revoked": revoked}
    both = armor(b"".join(dearmor(made[name].signature) for name in order))
    with pytest.raises(NotExactlyOneSignature) as refused:
        verify(DATA, both, [good.public, gpg.public(revoked.fingerprint)])
    assert refused.value.found == 2


def test_two_blocks_are_refused(good: Signer) -> None:
    with pytest.raises(NotExactlyOneSignature) as refused:
        verify(DATA, good.signature * 2, [good.public])
    assert refused.value.found == 2


@pytest.mark.parametrize("nothing", ["", "\n", " \n\t\n", b""])
def test_an_empty_file_holds_no_signature(good: Signer, nothing: str | bytes) -> None:
    with pytest.raises(NotExactlyOneSignature) as refused:
        verify(DATA, nothing, [good.public])
    assert refused.value.found == 0


def test_an_attached_message_is_refused_under_any_label(gpg: Gnupg, good: Signer) -> None:
    message = gpg("--local-user", good.fingerprint, "--sign", "-z", "0", data=DATA)
    clear = gpg("--local-user", good.fingerprint, "--clear-sign", data=DATA).decode()
    for attached in (armor(message, "PGP MESSAGE"), armor(message), clear):
        with pytest.raises(MalformedSignature):
            verify(DATA, attached, [good.public])


def test_a_signature_over_text_rather_than_bytes_is_refused(gpg: Gnupg, good: Signer) -> None:
    signature = gpg.sign(DATA, good.fingerprint, "--textmode")
    with pytest.raises(MalformedSignature, match="expected 0x00"):
        verify(DATA, signature, [good.public])


MALFORMED = {
    "text before": "hello\n{}",
    "text after": "{}hello\n",
    "space before": "\n{}",
    "space after": "{}\n\n",
    "a NUL after": "{}\0",
}


@pytest.mark.parametrize("form", MALFORMED.values(), ids=MALFORMED.keys())
def test_anything_around_the_block_is_refused(good: Signer, form: str) -> None:
    with pytest.raises(MalformedSignature):
        verify(DATA, form.format(good.signature), [good.public])


@pytest.mark.parametrize("options", [("--comment", "buy now"), ("--emit-version",)])
def test_comments_and_other_headers_are_refused(
    gpg: Gnupg, good: Signer, options: tuple[str, ...]
) -> None:
    signature = gpg.sign(DATA, good.fingerprint, *options)
    with pytest.raises(MalformedSignature, match="header"):
        verify(DATA, signature, [good.public])


def test_a_block_of_another_kind_is_refused(good: Signer) -> None:
    for other in (good.public, good.signature + good.public):
        with pytest.raises(MalformedSignature, match="PGP PUBLIC KEY BLOCK"):
            verify(DATA, other, [good.public])


def test_a_wrong_checksum_and_a_cut_are_refused(good: Signer) -> None:
    checksum = re.search(r"^=....$", good.signature, re.MULTILINE)
    assert checksum is not None
    wrong = good.signature.replace(checksum[0], "=AAAA")
    for broken in (wrong, good.signature[:100], good.signature[100:], good.signature[:-20]):
        with pytest.raises(MalformedSignature):
            verify(DATA, broken, [good.public])


def test_a_signature_without_checksum_is_taken(good: Signer) -> None:
    bare = armor(dearmor(good.signature))
    assert verify(DATA, bare, [good.public]).fingerprint == good.fingerprint


def test_binary_and_foreign_bytes_are_refused(good: Signer) -> None:
    for other in (dearmor(good.signature), "\N{SNOWMAN}".encode(), b"\xff\xfe"):
        with pytest.raises(MalformedSignature):
            verify(DATA, other, [good.public])


def test_a_huge_signature_is_refused_unread(good: Signer) -> None:
    with pytest.raises(MalformedSignature, match="over the limit"):
        verify(DATA, good.signature + "\n" * LARGEST_SIGNATURE, [good.public])


def test_bytes_hidden_in_the_packet_are_refused(good: Signer) -> None:
    packet = dearmor(good.signature)
    assert packet[0] == 0x88, "an old packet head with one byte of length"
    longer = bytes([packet[0], packet[1] + 5]) + packet[2:] + b"extra"
    with pytest.raises(MalformedSignature, match="more than a signature"):
        verify(DATA, armor(longer), [good.public])


# Status lines that gpg never gave us, and that must not pass if it ever does

FINGERPRINT = SIGNER.fingerprint
NEW, GOOD = ("NEWSIG", ""), ("GOODSIG", f"{FINGERPRINT[-16:]} Test")
VALID = ("VALIDSIG", f"{FINGERPRINT} 2026-05-04 1777863721 0 4 0 22 10 00 {FINGERPRINT}")
WHOLE = (NEW, GOOD, VALID)


def report(*statuses: tuple[str, str], code: int = 0) -> Report:
    return Report(statuses, b"", "gpg: words\n", code)


def test_good_and_valid_together_pass() -> None:
    verified = _judge(report(*WHOLE), read_keys(SIGNER.public))
    assert verified.signed_at == datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


UNHEARD = {
    "nothing at all": report(),
    "valid alone": report(NEW, VALID),
    "good alone": report(NEW, GOOD),
    "good twice": report(*WHOLE, GOOD),
    "valid twice": report(*WHOLE, VALID),
    "an exit code": report(*WHOLE, code=1),
    "something unexpected": report(*WHOLE, ("UNEXPECTED", "0")),
    "a failure": report(*WHOLE, ("FAILURE", "gpg-exit 33554433")),
    "content of its own": report(*WHOLE, ("PLAINTEXT", "62 0 ")),
    "bad as well": report(*WHOLE, ("BADSIG", f"{FINGERPRINT[-16:]} Test")),
    "expired as well": report(*WHOLE, ("EXPSIG", f"{FINGERPRINT[-16:]} Test")),
    "an expired key as well": report(*WHOLE, ("EXPKEYSIG", f"{FINGERPRINT[-16:]} Test")),
    "a revoked key as well": report(*WHOLE, ("REVKEYSIG", f"{FINGERPRINT[-16:]} Test")),
    "an unchecked one as well": report(*WHOLE, ("ERRSIG", "0 22 10 00 0 4 -")),
    "expired and not valid": report(NEW, ("EXPKEYSIG", f"{FINGERPRINT[-16:]} Test")),
    "good by another key": report(NEW, ("GOODSIG", f"{OTHER.fingerprint[-16:]} Test"), VALID),
    "over text": report(NEW, GOOD, (VALID[0], VALID[1].replace(" 00 ", " 01 "))),
    "by a key that is not there": report(
        NEW, GOOD, (VALID[0], VALID[1].replace(FINGERPRINT, OTHER.fingerprint))
    ),
}


@pytest.mark.parametrize("said", UNHEARD.values(), ids=UNHEARD.keys())
def test_nothing_else_passes(said: Report) -> None:
    with pytest.raises(VerificationFailed):
        _judge(said, read_keys(SIGNER.public))


def test_both_runs_must_say_the_same() -> None:
    known = read_keys(SIGNER.public)
    verified = _judge(report(*WHOLE), known)
    later = (VALID[0], VALID[1].replace("1777863721", "1777863722"))
    with pytest.raises(MalformedSignature, match="one thing and then another"):
        _judge_binding(report(NEW, GOOD, later), verified, known)
