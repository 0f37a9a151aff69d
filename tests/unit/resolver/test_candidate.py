from datetime import UTC, datetime, timedelta, timezone

import pytest

from resolver.candidate import Environment, check_python_range, utc, utc_text
from resolver.errors import InvalidEnvironment, SelfRequirement
from tests.unit.resolver.builders import release


def test_an_environment_is_a_python_minor_and_a_platform() -> None:
    assert str(Environment("3.11", "linux/amd64")) == "python 3.11, linux/amd64"
    assert Environment("3.13", "linux/arm/v7").platform == "linux/arm/v7"


@pytest.mark.parametrize("python", ["", "3", "3.11.4", "3.011", "py311", "3.x"])
def test_another_python_is_refused(python: str) -> None:
    with pytest.raises(InvalidEnvironment, match=r"a python is MAJOR\.MINOR"):
        Environment(python, "linux/amd64")


@pytest.mark.parametrize("platform", ["", "linux", "linux/", "Linux/amd64", "linux/amd64/v8/x"])
def test_another_platform_is_refused(platform: str) -> None:
    with pytest.raises(InvalidEnvironment, match="a platform is os/architecture"):
        Environment("3.11", platform)


@pytest.mark.parametrize(
    ("within", "runs"),
    [
        ("", True),
        (">=3.11", True),
        (">=3.11,<4", True),
        ("<3.12", True),
        ("==3.11.*", True),
        (">=3.12", False),
        ("<3.11", False),
        (">=3.11.4", False),
    ],
)
def test_a_release_runs_on_the_pythons_of_its_range(within: str, *, runs: bool) -> None:
    assert release("team/etl", "1.0.0", python=within).runs_on_python("3.11") is runs


def test_a_range_of_pythons_that_can_not_be_read_is_refused() -> None:
    assert check_python_range(">=3.11") == ">=3.11"
    with pytest.raises(InvalidEnvironment, match="PEP 440"):
        check_python_range("three")


def test_a_release_that_requires_itself_is_refused() -> None:
    with pytest.raises(SelfRequirement, match=r"team/etl 1\.0\.0 requires itself; leave") as caught:
        release("team/etl", "1.0.0", ["team/etl ^1"])
    assert (caught.value.package, caught.value.version) == ("team/etl", "1.0.0")


def test_a_candidate_has_one_order_and_a_name() -> None:
    one = release("team/etl", "1.0.0", ["team/b *", "team/a *"])
    assert [str(wanted) for wanted in one.requires] == ["team/a *", "team/b *"]
    assert str(one) == "team/etl 1.0.0"
    assert hash(one) == hash(release("team/etl", "1.0.0", ["team/a *", "team/b *"]))


def test_times_are_whole_seconds_of_utc() -> None:
    time = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert utc("2026-01-02T03:04:05Z") == time
    assert utc_text(time.astimezone(timezone(timedelta(hours=2)))) == "2026-01-02T03:04:05Z"
    for text in (
        "2026-01-02",
        "2026-01-02T03:04:05+00:00",
        "2026-1-2T3:4:5Z",
        "2026-13-02T03:04:05Z",
    ):
        with pytest.raises(ValueError, match="time"):
            utc(text)
