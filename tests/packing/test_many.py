"""Packing a folder: what counts as a recipe, in which order, and what one failure spoils."""

from pathlib import Path

import pytest

from recipes.cycles import find_cycle
from recipes.errors import RecipeCycle
from recipes.many import Attempt, find_recipes, is_meant_as_one, pack_all
from recipes.pack import pack
from tests.checkouts import COUNT_RECIPE, a_counting_checkout, snapshot, write

RUNS = "steps: [{{type: recipe, package: {name}, version: '*'}}]\n"


def runs(name: str) -> str:
    return RUNS.format(name=name)


def names(found: list[Path], root: Path) -> list[str]:
    return [each.relative_to(root).as_posix() for each in found]


def outcomes(attempts: list[Attempt]) -> dict[str, str]:
    return {
        each.recipe.name: "packed" if each.packed else type(each.error).__name__
        for each in attempts
    }


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("steps: [{module: a, function: b}]", True),
        ("metadata: {}\nsteps:\n  - type: shell\n", True),
        ('{"steps": [{"module": "a"}]}', True),
        ("steps:\n\t- module: a\n", True),
        ("tosca_definitions_version: x", True),
        ("checks:\n  - module: a\n    function: b\n", True),
        ("steps:\n  - module: {{ x }}\n{% if y %}\n", True),
        ("steps: [{module: a, function: b}]".encode("utf-16"), True),
        ("steps:\n  - module: stra\xdfe".encode("latin-1"), True),
        ("steps:\n\t- idx: 1\n", True),
        ("metadata: {name: x}\nsteps:\n\t- name: a\n", True),
        ("metadata: {name: x}\nsteps: []\n", True),
        ("test_meta: {test_id: T}\nsteps:\n", True),
        ("steps: !!python/object/apply:os.system ['x']\n", True),
        ("steps: ~\n", True),
        ("jobs:\n  build:\n    steps:\n      - run: ls\n        type: x\n", False),
        ("services: {web: {command: ls}}", False),
        ("steps:\n  - script: ls\n", False),
        ("", False),
    ],
)
def test_what_is_meant_as_a_recipe(tmp_path: Path, text: str | bytes, *, is_one: bool) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())

    assert is_meant_as_one(path) is is_one


def test_folders_of_builds_and_packages_are_left_out(tmp_path: Path) -> None:
    a_counting_checkout(tmp_path)
    pack(tmp_path / "jobs/count.yaml", tmp_path / "jobs" / "packed", prove=False)
    hidden = ["build/a.yaml", ".venv/a.yaml", "node_modules/a.yaml", "out/a.yaml", "b.json"]
    write(tmp_path, dict.fromkeys([*hidden, "b.yml"], COUNT_RECIPE))

    found = find_recipes(tmp_path, skipped=[tmp_path / "out"])
    assert names(found, tmp_path) == ["b.yml", "jobs/count.yaml"]


def test_one_that_is_refused_stops_no_other(tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    a_counting_checkout(
        root,
        **{
            "jobs/a_template.yaml": "steps: [{module: '{{ x }}', function: f}]",
            "jobs/gone.yaml": "steps: [{module: steps.gone, function: f}]",
        },
    )
    before = snapshot(root)
    told: list[Attempt] = []

    attempts = pack_all(root, tmp_path / "out", told=told.append, prove=False)

    assert outcomes(attempts) == {
        "a_template.yaml": "UnsupportedRecipe", "count.yaml": "packed",
        "gone.yaml": "MissingModules",
    }  # fmt: skip
    assert sorted(each.recipe.name for each in told) == sorted(outcomes(attempts))
    assert (tmp_path / "out/team/count-1.0.0").is_dir()
    assert snapshot(root) == before


def test_what_runs_others_comes_after_them_and_is_proved_with_them(tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    a_counting_checkout(root, **{"jobs/a.yaml": runs("team/b"), "jobs/b.yaml": runs("team/count")})

    attempts = pack_all(root, tmp_path / "out", told=lambda _: None)

    proofs = {each.recipe.name: each.packed.proof for each in attempts if each.packed}
    assert [proofs[name].ran for name in ("a.yaml", "b.yaml", "count.yaml")] == [True] * 3
    assert proofs["a.yaml"].context == {"count.lines": 3}


def test_without_what_it_runs_it_is_packed_and_not_proved(tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    a_counting_checkout(root, **{"jobs/a.yaml": runs("team/elsewhere")})

    attempts = pack_all(root, tmp_path / "out", told=lambda _: None)

    first = attempts[0].packed
    assert first is not None
    assert "which are not here" in first.proof.reason


def test_a_circle_is_refused_and_says_how_it_goes(tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    circle = {"jobs/a.yaml": runs("team/b"), "jobs/b.yaml": runs("team/a")}
    a_counting_checkout(root, **circle, **{"jobs/c.yaml": runs("team/a")})

    attempts = pack_all(root, tmp_path / "out", told=lambda _: None, prove=False)

    assert outcomes(attempts) == {
        "a.yaml": "RecipeCycle", "b.yaml": "RecipeCycle", "c.yaml": "packed",
        "count.yaml": "packed",
    }  # fmt: skip
    assert "team/a runs team/b runs team/a; take" in str(attempts[0].error)


def test_a_circle_through_what_was_fetched_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    a_counting_checkout(root, **{"jobs/a.yaml": runs("team/b"), "jobs/b.yaml": runs("team/a")})
    pack(root / "jobs/b.yaml", tmp_path / "required", prove=False)

    with pytest.raises(RecipeCycle, match="team/a runs team/b runs team/a"):
        pack(root / "jobs/a.yaml", tmp_path / "out", required=tmp_path / "required")
    assert not (tmp_path / "out").exists()


def test_two_files_of_one_name_do_not_replace_each_other(tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    a_counting_checkout(root, **{"later/count.yaml": COUNT_RECIPE})

    attempts = pack_all(root, tmp_path / "out", told=lambda _: None, prove=False)

    assert [each.packed is not None for each in attempts] == [True, False]
    assert "it would be team/count-1.0.0, as" in str(attempts[1].error)


@pytest.mark.parametrize(
    ("requires", "cycle"),
    [
        ({"a": ["b"], "b": ["c"]}, ()),
        ({"a": ["a"]}, ("a", "a")),
        ({"a": ["b", "c"], "b": ["d"], "d": ["a"], "c": ["a"]}, ("a", "c", "a")),
        ({"a": ["b"], "b": ["c"], "c": ["b"]}, ()),
    ],
)
def test_the_shortest_circle_is_found(
    requires: dict[str, list[str]], cycle: tuple[str, ...]
) -> None:
    assert find_cycle("a", requires) == cycle
