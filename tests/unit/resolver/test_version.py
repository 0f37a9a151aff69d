import pytest
import semantic_version
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import InvalidVersion
from resolver.version import Version

numbers = st.integers(0, 12).map(str)
identifiers = numbers | st.sampled_from(["a", "A", "b-1", "-", "0a", "x", "alpha", "rc"])


@st.composite
def versions(draw: st.DrawFn) -> str:
    release = ".".join(draw(st.lists(numbers, min_size=3, max_size=3)))
    prerelease = ".".join(draw(st.lists(identifiers, max_size=3)))
    return f"{release}-{prerelease}" if prerelease else release


@given(versions(), versions())
def test_order_is_that_of_another_implementation(one: str, other: str) -> None:
    ours, theirs = Version.parse(one), Version.parse(other)
    expected = semantic_version.Version(one), semantic_version.Version(other)
    assert (ours < theirs) == (expected[0] < expected[1])
    assert (ours == theirs) == (expected[0] == expected[1])
    assert ours.is_prerelease == bool(expected[0].prerelease)
    assert str(ours) == one


def test_the_specification_s_own_example_is_in_order() -> None:
    written = [
        *("1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2"),
        *("1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.9.0", "1.10.0", "2.0.0"),
    ]
    assert [str(version) for version in sorted(map(Version.parse, reversed(written)))] == written


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1.2",
        "1.2.3.4",
        "01.2.3",
        "1.2.3-",
        "1.2.3-01",
        "1.2.3-a..b",
        "1.2.3-\u00e9",
        "\u0661.2.3",
        "v1.2.3",
        " 1.2.3",
        "1.2.3\n",
        "1.2.3/../../x",
    ],
)
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(InvalidVersion, match=r"expected MAJOR\.MINOR\.PATCH") as caught:
        Version.parse(text)
    assert caught.value.text == text


def test_build_metadata_is_refused_with_the_reason() -> None:
    with pytest.raises(InvalidVersion, match="since a version is also a tag"):
        Version.parse("1.2.3+build.7")


def test_a_version_has_at_most_64_characters() -> None:
    longest = "1." + "2" * 60 + ".3"
    assert str(Version.parse(longest)) == longest
    with pytest.raises(InvalidVersion, match="202 characters; at most 64"):
        Version.parse("1" * 198 + ".2.3")
