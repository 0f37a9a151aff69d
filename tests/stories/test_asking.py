"""Asking a lock: why, why-not, tree, outdated; and changing it as little as can be."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.stories.machines import Machine

Publish = Callable[..., Path]


@pytest.fixture
def lock(publish: Publish, other: Machine, tmp_path: Path) -> Path:
    """A lock of team/etl and team/report, which both require team/clean."""
    publish("team/clean", "1.0.0")
    publish("team/etl", "1.0.0", requires={"team/clean": "^1"})
    publish("team/report", "1.0.0", requires={"team/etl": "^1", "team/clean": "*"})
    path = tmp_path / "recipebox.lock"
    other.rb("lock", "team/report", "team/etl", "-o", path)
    return path


def locked(path: Path) -> dict[str, str]:
    drawn = tomllib.loads(path.read_text())
    return {each["name"]: each["version"] for each in drawn["package"]}


def test_why_gives_the_chains(lock: Path, other: Machine) -> None:
    said = other.rb("why", "team/clean", "--lock", lock)

    assert said.out.splitlines() == [
        "team/clean 1.0.0",
        "  you require team/etl *",
        "    team/etl 1.0.0 requires team/clean ^1",
        "  you require team/report *",
        "    team/report 1.0.0 requires team/clean *",
    ]
    drawn = other.rb("why", "team/etl", "--lock", lock, "--json").json
    assert (drawn["name"], drawn["version"]) == ("team/etl", "1.0.0")
    assert drawn["chains"] == [
        [{"by": None, "requirement": "team/etl *", "version": "1.0.0"}],
        [
            {"by": None, "requirement": "team/report *", "version": "1.0.0"},
            {
                "by": {"name": "team/report", "version": "1.0.0"},
                "requirement": "team/etl ^1",
                "version": "1.0.0",
            },
        ],
    ]


def test_why_can_solve_first(lock: Path, other: Machine) -> None:
    lock.unlink()

    assert "you require team/etl ^1" in other.rb("why", "team/clean", "team/etl@^1").out
    assert (
        "isn't in what these requirements give"
        in other.rb("why", "team/report", "team/etl", code=3).err
    )


def test_what_is_not_there_can_not_be_asked_about(lock: Path, other: Machine) -> None:
    said = other.rb("why", "team/none", "--lock", lock, code=3)
    assert f"team/none isn't in {lock}" in said.err
    assert "isn't in" in other.rb("tree", "team/none", "--lock", lock, code=3).err
    for words in (["why", "team/etl"], ["tree"], ["outdated"], ["why-not", "team/etl@1.0.0"]):
        assert "there is no lock" in other.rb(*words, "--lock", lock.with_name("no"), code=3).err
    lock.write_text("requirements = 1")
    assert "not a valid lock" in other.rb("tree", "--lock", lock, code=1).err


def test_why_not_explains(lock: Path, publish: Publish, other: Machine) -> None:
    publish("team/clean", "2.0.0")
    text = lock.read_text()

    said = other.rb("why-not", "team/clean@2.0.0", "--lock", lock)

    assert "You require team/clean =2.0.0." in said.out
    assert "team/etl 1.0.0, the only release" in said.out
    assert "requires team/clean ^1." in said.out
    drawn = other.rb("why-not", "team/clean@2.0.0", "--lock", lock, "--json").json
    assert (drawn["possible"], drawn["locked"], drawn["changes"]) == (False, "1.0.0", [])
    assert drawn["explanation"]["facts"]
    assert drawn["sentences"][0].startswith("No set of releases fits")
    assert lock.read_text() == text


def test_why_not_of_what_does_not_exist(lock: Path, other: Machine) -> None:
    said = other.rb("why-not", "team/clean@9.0.0", "--lock", lock)
    assert "There is no release of team/clean in =9.0.0." in said.out
    assert "The only release of team/clean is 1.0.0." in said.out
    said = other.rb("why-not", "team/none@1.0.0", "--lock", lock, code=3)
    assert "there is no package team/none" in said.err
    assert "names no version" in other.rb("why-not", "team/clean", "--lock", lock, code=2).err
    assert "not a version" in other.rb("why-not", "team/clean@x", "--lock", lock, code=2).err


def test_why_not_where_nothing_is_in_the_way(
    lock: Path, publish: Publish, author: Machine, other: Machine
) -> None:
    publish("team/clean", "1.1.0")
    publish("team/apart", "1.0.0")

    said = other.rb("why-not", "team/clean@1.1.0", "--lock", lock)
    assert "nothing keeps team/clean 1.1.0 out: `recipebox lock --upgrade team/clean`" in said.out
    assert "team/clean is locked as 1.0.0, and would now be 1.1.0" in said.out
    drawn = other.rb("why-not", "team/clean@1.1.0", "--lock", lock, "--json").json
    assert (drawn["possible"], drawn["explanation"]) == (True, None)
    assert "is what" in other.rb("why-not", "team/clean@1.0.0", "--lock", lock).out
    said = other.rb("why-not", "team/apart@1.0.0", "--lock", lock)
    assert "nothing in" in said.out
    author.rb("yank", "team/clean@1.1.0", "--reason", "drops rows", "--yes")
    said = other.rb("why-not", "team/clean@1.1.0", "team/etl")
    assert "team/clean 1.1.0 can't be used, because it was yanked (drops rows)" in said.out


def test_a_lock_as_a_tree(lock: Path, other: Machine) -> None:
    assert other.rb("tree", "--lock", lock).out.splitlines() == [
        "team/etl 1.0.0",
        "└── team/clean 1.0.0  (^1)",
        "team/report 1.0.0",
        "├── team/clean 1.0.0  (*)",
        "└── team/etl 1.0.0  (^1) (*)",
    ]
    assert other.rb("tree", "--invert", "--lock", lock).out.splitlines() == [
        "team/clean 1.0.0",
        "├── team/etl 1.0.0  (^1)",
        "│   └── team/report 1.0.0  (^1)",
        "└── team/report 1.0.0  (*)",
    ]
    assert other.rb("tree", "--depth", "0", "--lock", lock).out.splitlines() == [
        "team/etl 1.0.0",
        "team/report 1.0.0",
    ]
    drawn = other.rb("tree", "team/report", "--json", "--lock", lock).json
    assert [(line["depth"], line["name"]) for line in drawn["lines"]] == [
        (0, "team/report"),
        (1, "team/clean"),
        (1, "team/etl"),
        (2, "team/clean"),
    ]
    (clean, *_) = drawn["packages"]
    assert clean["required_by"] == ["team/etl", "team/report"]


def test_a_lock_from_standard_input(lock: Path, other: Machine) -> None:
    assert "team/etl 1.0.0" in other.rb("tree", "--lock", "-", stdin=lock.read_text()).out


def test_outdated_says_what_is_behind_and_why(
    lock: Path, publish: Publish, author: Machine, other: Machine
) -> None:
    assert "all 3 packages of" in other.rb("outdated", "--lock", lock).out
    publish("team/clean", "1.1.0")
    publish("team/clean", "2.0.0")
    publish("team/clean", "3.0.0-rc.1")
    author.rb("yank", "team/etl@1.0.0", "--reason", "drops rows", "--yes")
    publish("team/etl", "1.0.1", requires={"team/clean": "^1"})

    said = other.rb("outdated", "--lock", lock)

    assert said.out.splitlines()[0].split() == ["PACKAGE", "LOCKED", "FITS", "NEWEST"]
    rows = [line.split(maxsplit=4) for line in said.out.splitlines()[1:]]
    why = "not 2.0.0: team/etl 1.0.1 requires team/clean ^1"
    assert rows == [
        ["team/clean", "1.0.0", "1.1.0", "2.0.0", why],
        ["team/etl", "1.0.0", "1.0.1", "1.0.1", "yanked: drops rows"],
    ]
    drawn = other.rb("outdated", "--lock", lock, "--json").json
    assert drawn["behind"] == 2
    assert [each["name"] for each in drawn["packages"]] == [
        "team/clean",
        "team/etl",
        "team/report",
    ]
    assert "team/report" in other.rb("outdated", "--lock", lock, "--all").out


def test_outdated_names_what_is_not_needed_any_more(
    lock: Path, publish: Publish, other: Machine
) -> None:
    publish("team/etl", "1.1.0")
    publish("team/report", "1.1.0", requires={"team/etl": "^1"})

    assert "team/clean   1.0.0   -" in other.rb("outdated", "--lock", lock).out
    assert "not needed any more" in other.rb("outdated", "--lock", lock).out


def test_what_is_locked_stays_until_it_is_upgraded(
    lock: Path, publish: Publish, other: Machine
) -> None:
    before = locked(lock)
    for name in ("team/clean", "team/etl"):
        publish(name, "1.1.0", requires={} if name == "team/clean" else {"team/clean": "^1"})

    other.rb("lock", "-o", lock)
    assert locked(lock) == before
    said = other.rb("lock", "--upgrade", "team/clean", "-o", lock)
    assert locked(lock) == before | {"team/clean": "1.1.0"}
    assert "team/clean is locked as 1.0.0, and would now be 1.1.0" in said.out
    other.rb("lock", "--upgrade", "-o", lock)
    assert locked(lock) == before | {"team/clean": "1.1.0", "team/etl": "1.1.0"}


def test_another_preference_keeps_nothing(lock: Path, publish: Publish, other: Machine) -> None:
    publish("team/clean", "0.9.0")

    other.rb("lock", "--prefer", "lowest", "-o", lock)
    assert locked(lock)["team/clean"] == "1.0.0"  # team/etl requires ^1
    other.rb("lock", "team/clean", "--prefer", "lowest", "-o", lock)
    assert locked(lock) == {"team/clean": "1.0.0"}  # the same preference: it stays
    other.rb("lock", "team/clean", "-o", lock)
    publish("team/clean", "1.1.0")
    other.rb("lock", "--prefer", "lowest", "-o", lock)
    assert locked(lock) == {"team/clean": "0.9.0"}


def test_a_new_requirement_moves_only_what_it_must(
    lock: Path, publish: Publish, other: Machine
) -> None:
    before = locked(lock)
    publish("team/clean", "1.1.0")
    publish("team/etl", "1.1.0", requires={"team/clean": "^1"})
    publish("team/new", "1.0.0", requires={"team/clean": "^1.1"})

    other.rb("lock", "team/report", "team/etl", "team/new", "-o", lock)

    assert locked(lock) == before | {"team/clean": "1.1.0", "team/new": "1.0.0"}


def test_what_is_not_locked_can_not_be_upgraded(lock: Path, other: Machine) -> None:
    said = other.rb("lock", "--upgrade", "team/none", "-o", lock, code=2)
    assert "team/none isn't in the lock" in said.err
    said = other.rb("lock", "team/etl", "--upgrade", "-o", lock.with_name("no"), code=3)
    assert "there is no lock to upgrade" in said.err


def test_an_upgrade_leaves_what_was_yanked(
    lock: Path, publish: Publish, author: Machine, other: Machine
) -> None:
    publish("team/clean", "1.1.0")
    other.rb("lock", "--upgrade", "-o", lock)
    author.rb("yank", "team/clean@1.1.0", "--reason", "drops rows", "--yes")

    other.rb("lock", "-o", lock)
    assert locked(lock)["team/clean"] == "1.1.0"  # the lock holds it: it stays
    other.rb("lock", "--upgrade", "team/clean", "-o", lock)
    assert locked(lock)["team/clean"] == "1.0.0"


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_lock_that_is_no_utf_8_is_said(lock: Path, other: Machine, encoding: str) -> None:
    lock.write_bytes(f"# für\n{lock.read_text()}".encode(encoding))
    for words in (
        ["tree", "--lock", lock],
        ["lock", "--check", "-o", lock],
        ["fetch", "--frozen", lock, "--out", "out"],
    ):
        said = other.rb(*words, code=2)
        assert f"{lock}: not text in UTF-8" in said.err


def test_an_edited_lock_does_not_hold(lock: Path, other: Machine) -> None:
    text = lock.read_text()
    signer = tomllib.loads(text)["package"][0]["signers"][0]
    size = tomllib.loads(text)["package"][0]["size"]
    for edited in (text.replace(signer, "0" * 40), text.replace(f"size = {size}", "size = 5", 1)):
        assert edited != text
        lock.write_text(edited)
        said = other.rb("lock", "--check", "-o", lock, code=1)
        assert (
            "team/clean 1.0.0 is locked with other bytes, signers or extras than it has" in said.err
        )


def test_a_mistyped_name_is_guessed(lock: Path, publish: Publish, other: Machine) -> None:
    publish("team/broken", "1.0.0", requires={"team/claen": "^1"})

    said = other.rb("lock", "team/claen", "-o", "-", code=3)
    assert "there is no package team/claen" in said.err
    assert "did you mean team/clean?" in said.err
    inside = other.rb("lock", "team/broken", "-o", "-", code=1)
    assert "did you mean team/clean?" in inside.err


def test_a_damaged_blob_is_said_and_fetched_again(
    lock: Path, other: Machine, tmp_path: Path
) -> None:
    other.rb("fetch", "--frozen", lock, "--out", tmp_path / "one")
    blobs = [path for path in (other.home / "cache").rglob("blobs/*/*/*") if path.is_file()]
    for path in blobs:
        path.write_bytes(path.read_bytes() + b"x")

    said = other.rb("fetch", "--frozen", lock, "--out", tmp_path / "two")

    assert blobs
    assert "was damaged" in said.err
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == sorted(
        path.name for path in (tmp_path / "one").iterdir()
    )
