"""Reading recipes: the dialects, and everything that is refused by name, line and column."""

import contextlib
import os
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from recipes import yaml_text
from recipes.errors import InvalidRecipe, UnsupportedRecipe
from recipes.filling import Values
from recipes.package import Execution, PythonStep, RecipeStep, ShellStep
from recipes.recipe import read_recipe
from tests.checkouts import write

CASES = yaml.safe_load(
    (Path(__file__).parents[2] / "cases" / "recipes" / "refused.yaml").read_text()
)


def a_file(folder: Path, text: str | bytes) -> Path:
    path = folder / "etl.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_what_is_no_recipe_is_refused_by_name(tmp_path: Path, case: dict[str, str]) -> None:
    with pytest.raises(InvalidRecipe) as refused:
        read_recipe(a_file(tmp_path, case["text"]))

    assert case["said"] in str(refused.value)
    assert "etl.yaml" in str(refused.value)


def test_the_older_dialect_is_read(tmp_path: Path) -> None:
    recipe = read_recipe(
        a_file(
            tmp_path,
            """
test_meta: {test_id: ID-1, tester: ops, description: Demo, since: 2021-03-01}
steps:
  - idx: 2
    name: second
    type: shell
    command: wc -l < out.txt
  - idx: 1
    name: first
    type: python
    module: a.b
    function: C
    args: {src: data.csv, day: 2021-03-01, n: 1, x: 0.5, ok: yes, none: null}
    success: {ctx_has_keys: [a.b]}
""",
        )
    )

    assert (recipe.name, recipe.dialect) == ("etl", "test_meta")
    assert recipe.metadata["since"] == "2021-03-01"
    first, second = recipe.steps
    assert isinstance(first, PythonStep)
    assert first.args == {
        "src": "data.csv", "day": "2021-03-01", "n": 1, "x": 0.5, "ok": True, "none": None,
    }  # fmt: skip
    assert isinstance(second, ShellStep)
    assert recipe.lines == (8, 4)
    assert recipe.where(0) == "step 1 'first' (etl.yaml:8)"


def test_the_newer_dialect_is_read_and_what_only_a_runner_knows_is_told(tmp_path: Path) -> None:
    recipe = read_recipe(
        a_file(
            tmp_path,
            """\
metadata: {name: x, version: "1.0", tags: [a]}
execution: {timeout_seconds: 3}
defaults: &defaults {module: a.b, args: {x: 1}}
steps:
  - {<<: *defaults, function: f, description: First, retries: 3}
  - {<<: [*defaults], function: g, args:}
  - {type: recipe, package: team/clean, version: ^1.2}
  - {type: shell, args: {command: ls}}
""",
        )
    )

    assert recipe.dialect == "metadata"
    assert recipe.unread == ("defaults", "steps[0].retries")
    assert recipe.execution == Execution(timeout_seconds=3, retry_attempts=0)
    assert [step.name for step in recipe.steps] == ["f", "g", "team/clean", "step_4"]
    assert [step.idx for step in recipe.steps] == [1, 2, 3, 4]
    assert [step.args for step in recipe.steps] == [{"x": 1}, {}, {}, {"command": "ls"}]
    assert isinstance(recipe.steps[2], RecipeStep)
    assert isinstance(recipe.steps[3], ShellStep)
    assert recipe.steps[3].command == "ls"


def test_steps_alone_are_a_recipe(tmp_path: Path) -> None:
    recipe = read_recipe(a_file(tmp_path, b"\xef\xbb\xbfsteps: [{module: a, function: f}]\n"))

    assert recipe.dialect == "steps"


def test_a_bomb_is_stopped(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]

    with pytest.raises(InvalidRecipe, match="expand to more than"):
        read_recipe(a_file(tmp_path, "\n".join([*lines, "steps: [{module: a, function: f}]"])))


def test_a_bomb_of_merges_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_text, "MOST_VALUES", 20)
    text = "a: &a {x: 1}\nb:\n  <<: [" + ", ".join(["*a"] * 30) + "]\nsteps: []\n"

    with pytest.raises(InvalidRecipe, match="expand to more than"):
        read_recipe(a_file(tmp_path, text))


def test_a_bomb_of_one_long_text_is_stopped(tmp_path: Path) -> None:
    text = f"long: &a {'x' * 400_000}\nmany: [{', '.join(['*a'] * 20)}]\nsteps: []\n"

    with pytest.raises(InvalidRecipe, match=r":2:\d+: its aliases expand to more than \d+ letters"):
        read_recipe(a_file(tmp_path, text.replace("long: &a", "long:\n  &a", 1)))


@pytest.mark.parametrize(
    "text", ["a: &a {<<: *a}\nsteps: []\n", "a: &a [*a]\nsteps: []\n", "a: &a {b: *a}\nsteps: []\n"]
)
def test_what_holds_itself_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidRecipe, match=r"(merged \('<<'\)|nested) more than 50 deep"):
        read_recipe(a_file(tmp_path, text))


@pytest.mark.parametrize("depth", [60, 500])
def test_deep_nesting_is_refused(tmp_path: Path, depth: int) -> None:
    with pytest.raises(InvalidRecipe, match="nested"):
        read_recipe(a_file(tmp_path, "steps: " + "[" * depth + "]" * depth))


def test_files_that_can_not_be_read_are_said(tmp_path: Path) -> None:
    for data, said in (
        (b"steps:\n  - name: stra\xdfe\n", ":2:15: the byte 0xdf is not UTF-8"),
        ("steps: []".encode("utf-16"), "it is UTF-16; save it as UTF-8"),
        (b"#" * (yaml_text.LARGEST + 1), "too large for a recipe"),
    ):
        with pytest.raises(InvalidRecipe) as refused:
            read_recipe(a_file(tmp_path, data))
        assert said in str(refused.value)
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(
        InvalidRecipe, match=r"pipe\.yaml: it can't be read: it is a named pipe, and not a file"
    ):
        read_recipe(tmp_path / "pipe.yaml")
    with pytest.raises(InvalidRecipe, match="can't be read: No such file"):
        read_recipe(tmp_path / "nowhere.yaml")


def test_what_is_recognised_says_what_it_is(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": "tosca_definitions_version: 1\n"})

    with pytest.raises(UnsupportedRecipe) as refused:
        read_recipe(tmp_path / "a.yaml")
    assert refused.value.kind == "tosca"
    assert (refused.value.line, refused.value.column) == (1, 28)


@pytest.mark.parametrize("name", ["../x", "m/ok", "a..b"])
def test_a_module_that_is_no_dotted_name_is_said(tmp_path: Path, name: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(f"steps:\n- {{module: '{name}', function: f}}\n")

    with pytest.raises(InvalidRecipe, match=r"r\.yaml:2:12: step 1, module: .* is not a dotted"):
        read_recipe(path)


def test_both_heads_in_one_file_are_one_recipe(tmp_path: Path) -> None:
    recipe = read_recipe(
        a_file(
            tmp_path,
            """\
test_meta: {test_id: ID-1, description: Older}
metadata: {version: "2.0", description: Newer}
execution: {timeout_seconds: 1.5, retry_attempts: 0, on_error: stop}
steps: [{module: a, function: f}]
""",
        )
    )

    assert recipe.dialect == "metadata"
    assert recipe.metadata == {"test_id": "ID-1", "description": "Newer", "version": "2.0"}
    assert recipe.execution == Execution(timeout_seconds=1.5, retry_attempts=0)
    assert recipe.unread == ("execution.on_error",)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("{}", None),
        ("{timeout_seconds: 0, retry_attempts: 0}", None),
        ("{timeout_seconds: 0, retry_attempts: 2.0}", Execution(retry_attempts=2)),
        ("{timeout_seconds: 60}", Execution(timeout_seconds=60)),
    ],
)
def test_what_execution_says(tmp_path: Path, said: str, expected: Execution | None) -> None:
    text = f"execution: {said}\nsteps: [{{module: a, function: f}}]\n"
    assert read_recipe(a_file(tmp_path, text)).execution == expected


def test_what_is_packed_is_the_files_own_bytes(tmp_path: Path) -> None:
    data = b"\xef\xbb\xbfsteps: [{module: a, function: f}]\r\n"

    assert read_recipe(a_file(tmp_path, data)).content == data


PIECES = some.sampled_from([
    "steps:", "\n", " ", "  ", "- ", "module: a", "function: f", "{", "}", "[", "]", ",", ":", "? ",
    "&a ", "*a", "<<: ", "!!int ", "!!binary ", "!!timestamp ", "!x ", "|\n", ">-\n", "'", '"', "#",
    "{{ x }}", "{% y %}", "0x", "0b", "1:60", "1_0", "~", "2001-99-99", ".inf", "=", "%YAML 1.2\n",
    "---\n", "...\n", "\t", "args: ", "idx: ", "type: shell", "command: ", "execution: ",
    "metadata: ", "!!float ", "success: ", "tosca_definitions_version: ", '"\\ud800"', "\u00e4",
    "\u2028", "\x07", "\ufeff", "\r",
])  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    some.sampled_from(
        ["", "steps:\n- module: a\n  function: f\n  args: ", "metadata: ", "steps:\n- "]
    ),
    some.one_of(some.lists(PIECES, max_size=12).map("".join), some.text()),
)
def test_whatever_stands_in_a_file_it_is_a_recipe_or_refused(
    tmp_path: Path, head: str, text: str
) -> None:
    data = (head + text).encode(errors="surrogatepass")
    for values in (None, Values(Path("v.yaml"), "0" * 64, {"x": "y"})):
        with contextlib.suppress(InvalidRecipe):
            assert read_recipe(a_file(tmp_path, data), values).steps
