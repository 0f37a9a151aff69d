"""Filling in templates: what values may be, where they may stand, and what is refused."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as some

from recipes.errors import InvalidRecipe, InvalidValues, UnsupportedRecipe
from recipes.filling import Values, fill, read_values
from recipes.recipe import read_recipe

HERE = Path("etl.yaml")
TEMPLATE = """\
# {{ never }}
metadata: {name: "{{ customer.name }}_nightly", author: {{ author | default('ops') }}}
steps:
  - idx: 1 # for {{ somebody }}
    name: load
    module: engine.steps.{{ step }}
    function: Load
    args:
      src: 'Data/{{ customer.name }}.csv'
      top: {{ top }}
      words: &words {{ words }}
      again: *words
      note: |
        for {{ customer.name }},
        twice
  - {module: a, function: f}
"""


def values(**data: Any) -> Values:
    return Values(Path("values.yaml"), "0" * 64, data)


def filled(text: str, **data: Any) -> str:
    found = fill(HERE, text, values(**data))
    assert found is not None
    return found.text


def test_a_template_is_filled_and_lines_stay_where_they_were(tmp_path: Path) -> None:
    path = tmp_path / "etl.yaml"
    path.write_text(TEMPLATE)
    customer = {"name": 'O\'Neill: "x"\n# y'}

    recipe = read_recipe(path, values(customer=customer, step="load", top=3, words=["a: b", 1.5]))

    assert recipe.metadata == {"name": f"{customer['name']}_nightly", "author": "ops"}
    assert recipe.steps[0].args == {
        "src": f"Data/{customer['name']}.csv", "top": 3, "words": ["a: b", 1.5],
        "again": ["a: b", 1.5], "note": f"for {customer['name']},\ntwice\n",
    }  # fmt: skip
    assert recipe.lines == (4, 16)
    assert recipe.content.startswith(b"# {{ never }}\n")
    assert b"idx: 1 # for {{ somebody }}\n" in recipe.content
    assert recipe.notes == (
        "filled in from values.yaml (sha256 000000000000): customer.name, step, top, words",
        "filled in by the template's own defaults: author",
    )


def test_a_whole_value_keeps_its_type_and_a_part_of_a_text_is_a_text() -> None:
    text = filled(
        "{a: {{ a }}, b: '{{ a }}', c: 1{{ a }}, d: {{ d }}, e: {{ e }}}", a=5, d="5", e=None
    )

    assert yaml.safe_load(text) == {"a": 5, "b": "5", "c": "15", "d": "5", "e": None}


def test_defaults_are_texts_numbers_and_words() -> None:
    text = filled(
        "[{{ a|default(\"x\") }}, {{ a | d('y') }}, {{ a | default(-2.5) }},"
        " {{ a | default(true) }}, {{ a | default(None) }}]"
    )

    assert yaml.safe_load(text) == ["x", "y", -2.5, True, None]


def test_what_nothing_asks_for_is_told() -> None:
    found = fill(HERE, "a: {{ customer }}", values(customer={"id": 1}, custmer=2, z={}))

    assert found is not None
    assert found.unused == ("custmer", "z")
    assert found.notes(values())[1] == (
        "values.yaml gives 'custmer', which nothing asks for; did you mean 'customer'?"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: {{ b }}\nc: '{{ d.e }}'", "etl.yaml:1:4: a template, with these placeholders"),
        ("a: {{ b }}\nc: '{{ d.e }}'", "unfilled: b, d.e; values.yaml does not name them"),
        ("a: {{ given.x }}", "unfilled: given.x; values.yaml does"),
        ("{% for x in y %}\na: {{ given }}", ":1:1: a template, with these"),
        ("{% for x in y %}\na: {{ given }}", "unfilled: for x in y; 'for x in y' is more than"),
        ("a: {{ given + 1 }}", "'given + 1' is more than"),
        ("a: {{ b | default(x) }}", "unfilled: b; values.yaml does not"),
        ("a: x {{ mapping }}", ":1:6: 'mapping' is a mapping, which can't stand inside of a text"),
        ("a: '{{ listed }}'", "'listed' is a list, which can't"),
        ("a: '{{ nothing }}'", "'nothing' is nothing (null), which can't"),
    ],
)  # fmt: skip
def test_what_can_not_be_filled_is_refused_by_name(text: str, said: str) -> None:
    with pytest.raises(UnsupportedRecipe) as refused:
        fill(HERE, text, values(given=1, mapping={}, listed=[], nothing=None))

    assert said in str(refused.value)


def test_what_is_no_template_says_that_values_were_idle(tmp_path: Path) -> None:
    path = tmp_path / "etl.yaml"
    path.write_text("steps: [{module: a, function: f}] # {{ x }}\n")

    assert read_recipe(path, values(x=1)).notes == (
        "values.yaml fills in nothing: it is no template",
    )


def test_a_placeholder_where_none_may_be_is_yaml_that_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "etl.yaml"
    path.write_text("a: {{ x }}\nb: &{{ x }} 1\nsteps: [\n")

    with pytest.raises(InvalidRecipe, match=r"etl\.yaml:2:5: expected alphabetic"):
        read_recipe(path, values(x=1))


SCALARS = some.one_of(
    some.text(some.characters(exclude_categories=["Cs"])),
    some.integers(-(1 << 53) + 1, (1 << 53) - 1),
    some.booleans(),
    some.floats(allow_nan=False, allow_infinity=False),
)


@given(
    some.recursive(
        some.one_of(SCALARS, some.none()),
        lambda inner: (
            some.lists(inner, max_size=3)
            | some.dictionaries(
                some.text(some.characters(exclude_categories=["Cs"])), inner, max_size=3
            )
        ),
        max_leaves=8,
    )
)
def test_whatever_a_whole_value_is_it_comes_out_as_it_went_in(value: Any) -> None:
    text = filled("steps:\n  - {a: {{ x }}, b: 1}\n  - b: {{ x }}\n    c: 2\n", x=value)

    assert yaml.safe_load(text) == {"steps": [{"a": value, "b": 1}, {"b": value, "c": 2}]}


@given(some.text(some.characters(exclude_categories=["Cs"])))
def test_no_text_gets_out_of_the_text_that_it_stands_in(value: str) -> None:
    text = filled(
        "a: '<{{ x }}>'\nb: \"<{{ x }}>\"\nc: <{{ x }}>\nd: |\n  <{{ x }}>\n"
        "e:\n  - >-\n    <{{ x }}>\nf: 1 # {{ x }}\n",
        x=value,
    )

    inside = f"<{value}>"
    assert yaml.safe_load(text) == {
        "a": inside, "b": inside, "c": inside, "d": f"{inside}\n", "e": [inside], "f": 1,
    }  # fmt: skip
    assert text.endswith("# {{ x }}\n")


GIVEN = {"a": "x", "b": {"c": [1, 2.5, True]}}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("v.yaml", "a: x\nb: {c: [1, 2.5, yes]}\n"),
        ("v.YML", "{a: x, b: {c: [1, 2.5, true]}}"),
        ("v.toml", "a = 'x'\n[b]\nc = [1, 2.5, true]\n"),
        ("v.json", json.dumps(GIVEN)),
    ],
)
def test_values_are_read_by_their_ending(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)

    assert read_values(tmp_path / name).data == GIVEN


def test_dates_stay_text_and_nothing_is_no_values(tmp_path: Path) -> None:
    def data(name: str, text: str) -> Mapping[str, Any]:
        (tmp_path / name).write_text(text)
        return read_values(tmp_path / name).data

    assert data("v.toml", "a = 2021-03-01\nb = 07:00:00") == {"a": "2021-03-01", "b": "07:00:00"}
    assert data("v.yaml", "a: 2021-03-01") == {"a": "2021-03-01"}
    assert data("v.yaml", "# none\n") == {}


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("v.ini", b"", "v.ini: its ending is none of .yaml, .yml, .toml, .json"),
        ("v.yaml", b"a: 1\na: 2\n", "v.yaml:2:1: the key 'a' stands twice"),
        ("v.yaml", b"- a\n", "v.yaml:1:1: it is not a mapping of names to values"),
        ("v.yaml", b"a:\n\t- b\n", "v.yaml:2:1: a tab stands"),
        ("v.yaml", b"a: \xe4\n", "v.yaml:1:4: the byte 0xe4 is not UTF-8"),
        ("v.toml", b"a = 1\nb =\n", "v.toml:2:4: not TOML: Invalid value"),
        ("v.toml", b"a = inf\n", "v.toml: a: inf is no number of JSON"),
        ("v.toml", b"a = [", "v.toml: not TOML: Invalid value (at end of document)"),
        ("v.json", b'{"a": 1,\n "a": 2}', "v.json: the key 'a' stands twice"),
        ("v.json", b'{"a": 1,\n x}', "v.json:2:2: Expecting property name"),
        ("v.json", b"[1]", "v.json: it is not an object"),
        ("v.json", b"[" * 100_000, "v.json: it is nested too deeply"),
        ("v.json", b'{"a": {"b": 9007199254740993}}', "v.json: a.b: 9007199254740993 is larger"),
        ("v.json", b" " * (600 * 1024), "too large for values"),
    ],
)
def test_values_that_can_not_be_used_say_where(
    tmp_path: Path, name: str, data: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(data)

    with pytest.raises(InvalidValues) as refused:
        read_values(tmp_path / name)
    assert said in str(refused.value)


def test_values_that_are_not_there_are_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidValues, match="can't be read: No such file"):
        read_values(tmp_path / "v.yaml")
