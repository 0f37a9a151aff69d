"""Packing by the command line: templates, folders, secrets, and what is told of them."""

from pathlib import Path

import pytest

from tests.checkouts import write
from tests.stories.machines import Machine

SAY = "steps: [{{module: steps.say, function: say, args: {{what: {what}}}}}]\n"


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    root = tmp_path / "jobs"
    write(
        root,
        {
            "steps/say.py": "def say(context, args):\n    context.set('said', args['what'])\n",
            "daily/say.yaml": SAY.format(what="'{{ a }}'"),
            "values.toml": "a = 'hello'\nb = 2\n",
        },
    )
    return root


def test_pack_fills_in_a_template_and_tells_what(
    jobs: Path, other: Machine, tmp_path: Path
) -> None:
    words = ("pack", jobs / "daily", "--name", "team/say", "--out", tmp_path / "out")

    refused = other.rb(*words, code=1)
    said = other.rb(*words, "--values", jobs / "values.toml", "--json")

    assert "say.yaml:1:58: a template, with these placeholders unfilled: a; give" in refused.err
    assert said.json["proof"]["context"] == {"said": "hello"}
    assert "values.toml gives 'b', which nothing asks for" in said.err
    assert any(each.startswith("filled in from values.toml (") for each in said.json["warnings"])
    packed = tmp_path / "out/team/say-0.1.0/recipe"
    assert 'what: "hello"' in (packed / "recipe.yaml").read_text()
    assert not list(packed.rglob("values.toml"))


def test_pack_all_tells_each_outcome_and_that_some_failed(
    jobs: Path, other: Machine, tmp_path: Path
) -> None:
    write(jobs, {"daily/good.yaml": SAY.format(what=1)})
    out = tmp_path / "out"

    assert "2 recipes are below" in other.rb("pack", jobs, "--out", out, code=2).err
    said = other.rb("pack", jobs, "--all", "--out", out, "--explain", code=1)
    drawn = other.rb("pack", jobs, "--all", "--out", out, "--no-run", "--json", code=1).json

    assert "daily/good.yaml  packed   local/good 0.1.0, 1 files, proved" in said.out
    assert "daily/say.yaml   refused" in said.out
    assert "packed 1 of 2 recipes" in said.out
    assert "steps/say.py" in said.out
    assert "unfilled: a" in said.err
    assert (drawn["packed"], drawn["failed"]) == (1, 1)
    good, bad = drawn["recipes"]
    assert (good["recipe"], good["outcome"], good["name"]) == (
        "daily/good.yaml", "packed", "local/good",
    )  # fmt: skip
    assert (bad["outcome"], bad["error"]["code"]) == ("refused", "unsupported_recipe")
    assert (bad["error"]["line"], bad["error"]["column"]) == (1, 58)
    (jobs / "daily/say.yaml").unlink()
    assert other.rb("pack", jobs, "--all", "--out", out, "--no-run").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("daily/say.yaml", "--all"), "is not a folder"),
        ((".", "--all", "--name", "team/x"), "--name is for one recipe"),
        (("steps",), "no recipe is below"),
        (("steps", "--all"), "no recipe is below"),
    ],
)
def test_pack_of_what_can_not_be_meant(
    jobs: Path, other: Machine, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    given = [str(jobs / word) if (jobs / word).exists() else word for word in words]

    assert (
        said
        in other.rb(
            "pack", *given, "--out", tmp_path / "out", code=3 if "no recipe" in said else 2
        ).err
    )
