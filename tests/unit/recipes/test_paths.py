"""Which paths may be in a package."""

import pytest

from recipes.errors import UnsafePath
from recipes.paths import check_path, check_paths


@pytest.mark.parametrize("path", ["a", "a/b.py", "straße/日本.txt", "with blank", "..a", "a" * 255])
def test_plain_paths_are_kept(path: str) -> None:
    assert check_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "", "/a", "a/../b", "..", "./a", "a//b", "a/", "a\\b", "a\nb", "a\0b", "a\u2028b",
        "a" * 256, "a/" * 600 + "a", "\udc80",
    ],
)  # fmt: skip
def test_what_could_mean_something_else_is_refused(path: str) -> None:
    with pytest.raises(UnsafePath):
        check_path(path)


@pytest.mark.parametrize(
    ("first", "second"), [("a/B.py", "a/b.py"), ("A/x", "a/y"), ("e\u0301", "\u00e9"), ("ß", "SS")]
)
def test_names_that_are_one_elsewhere_are_refused(first: str, second: str) -> None:
    with pytest.raises(UnsafePath, match="only in case"):
        check_paths([first, second])


def test_different_names_are_fine() -> None:
    check_paths(["a/b", "a/c", "a"])
