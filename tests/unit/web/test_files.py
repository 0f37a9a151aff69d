"""Files on their way out: whole, or one range of them."""

import io
from pathlib import Path

import pytest

from web.errors import RangeNotSatisfiable
from web.files import FilePart, choose_range


@pytest.fixture
def blob(tmp_path: Path) -> Path:
    file = tmp_path / "blob"
    file.write_bytes(b"0123456789")
    return file


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (None, None),
        ("bytes=2-4", (2, 5)),
        ("bytes=7-", (7, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),  # a suffix longer than all there is is all of it (RFC 9110)
        ("bytes=0-99", (0, 10)),
        ("lines=1-2", None),
        ("bytes=0-1,4-5", None),
        ("nonsense", None),
    ],
)
def test_one_range_of_bytes_is_taken_and_anything_else_ignored(asked, expected):
    assert choose_range(asked, 10) == expected


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=50-60"])
def test_a_range_past_the_end_can_not_be_had(asked):
    with pytest.raises(RangeNotSatisfiable) as caught:
        choose_range(asked, 10)

    assert caught.value.size == 10


def test_a_part_hands_its_descriptor_to_sendfile(blob):
    file = blob.open("rb")
    part = FilePart(file, 4)

    assert part.readable()
    assert part.fileno() == file.fileno()
    part.seek(3)
    assert part.tell() == 3
    assert part.read() == b"3456"
    part.close()
    assert file.closed


def test_a_part_of_something_without_a_descriptor_says_so():
    with pytest.raises(io.UnsupportedOperation):
        FilePart(io.BytesIO(b"abc"), 3).fileno()
