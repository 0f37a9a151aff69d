import io

import pytest

from artifacts.digest import Digest, copy_exactly
from artifacts.errors import DigestMismatch, InvalidDigest

EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_digest_is_read_and_written_the_same():
    assert str(Digest.parse(EMPTY)) == EMPTY
    assert Digest.of(b"") == Digest.parse(EMPTY)


def test_sha512_is_a_digest_too():
    digest = Digest.of(b"abc", "sha512")
    assert Digest.parse(str(digest)) == digest
    assert digest.hasher().hexdigest() == Digest.of(b"", "sha512").hex


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256",
        "sha256:",
        "sha256:" + "g" * 64,
        "sha256:" + "A" * 64,
        "sha256:" + "a" * 63,
        "sha512:" + "a" * 64,
        "md5:" + "a" * 32,
        EMPTY + "\n",
        "sha256:../../etc/passwd",
    ],
)
def test_what_is_no_digest_is_refused(text):
    with pytest.raises(InvalidDigest, match="not a digest"):
        Digest.parse(text)


def test_a_stream_has_the_digest_of_its_bytes():
    data = b"x" * (3 << 20)
    assert Digest.of_stream(io.BytesIO(data)) == Digest.of(data)


def test_bytes_with_another_digest_are_refused_naming_both():
    with pytest.raises(DigestMismatch) as caught:
        Digest.of(b"right").check("blob", b"wrong")
    assert caught.value.expected == str(Digest.of(b"right"))
    assert caught.value.found == str(Digest.of(b"wrong"))
    assert caught.value.expected in str(caught.value)
    assert caught.value.found in str(caught.value)


def test_bytes_with_the_digest_are_handed_back():
    assert Digest.of(b"right").check("blob", b"right") == b"right"


@pytest.mark.parametrize(
    ("size", "left", "handed"), [(5, 0, b"abcde"), (7, 2, b"abcde"), (4, -1, b""), (0, -1, b"")]
)
def test_exactly_so_many_bytes_are_copied_to_each_sink(size, left, handed):
    first, second = io.BytesIO(), io.BytesIO()

    assert copy_exactly(io.BytesIO(b"abcde"), size, first.write, second.write) == left
    assert first.getvalue() == second.getvalue() == handed
