"""Write recipebox.toml by looking at the checkout."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from recipebox.errors import Conflicting
from recipebox.invocation import Invocation
from recipebox.prompts import pass_invocation

_SKIPPED = frozenset({"node_modules", "__pycache__", "venv", "build", "dist"})
_MOST_FILES = 20_000
_SUFFIXES = (".yaml", ".yml")


@click.command("init")
@click.argument(
    "folder",
    metavar="[DIR]",
    default=".",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@click.option("--namespace", metavar="NS", help="The namespace.  Default: the folder's name.")
@click.option("--dry-run", is_flag=True, help="Print the file, and write nothing.")
@pass_invocation
def command(invocation: Invocation, folder: Path, namespace: str | None, *, dry_run: bool) -> None:
    """Write a recipebox.toml into the checkout DIR, by looking at the recipes in it.

    Nothing of the checkout is run. What looks like a recipe and isn't is listed with the reason.

    \b
    Examples:
      recipebox init --namespace team
      recipebox init --dry-run > recipebox.toml

    \b
    JSON: {path, written, namespace, recipes: [{path, name, requires}], refused: [{path, reason}]}
    """  # noqa: D301 - \b is click's
    from artifacts.reference import check_namespace
    from recipes.project import FILE_NAME

    path = folder / FILE_NAME
    chosen = check_namespace(namespace or _as_name(folder.resolve().name))
    recipes, refused = _look(folder)
    text = _draw(chosen, recipes, refused)
    if not dry_run:
        if path.exists():
            raise Conflicting(
                f"{path} is there already", hint="`recipebox init --dry-run` prints a new one"
            )
        invocation.write_text(str(path), text)
    output = invocation.output
    output.result(
        {
            "path": str(path),
            "written": not dry_run,
            "namespace": chosen,
            "recipes": recipes,
            "refused": refused,
        }
    )
    if dry_run:
        output.say(text.rstrip("\n"))
    else:
        output.say(f"wrote {path}: {len(recipes)} recipes in namespace {chosen}")
        for each in refused:
            output.note(f"not a recipe that can be packed: {each['path']}: {each['reason']}")
        output.note("next: recipebox pack RECIPE.yaml --out build")


def _look(folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    from recipes.errors import InvalidRecipe, UnsupportedRecipe
    from recipes.package import RecipeStep
    from recipes.recipe import read_recipe

    recipes: list[dict[str, Any]] = []
    refused: list[dict[str, str]] = []
    for path in _yaml_files(folder):
        shown = path.relative_to(folder).as_posix()
        try:
            recipe = read_recipe(path)
        except UnsupportedRecipe as error:
            refused.append({"path": shown, "reason": error.reason})
            continue
        except InvalidRecipe:
            continue  # most YAML of a checkout is something else
        requires = {
            step.package: step.version for step in recipe.steps if isinstance(step, RecipeStep)
        }
        said = recipe.metadata.get("description")
        recipes.append(
            {
                "path": shown,
                "stem": path.stem,
                "name": _as_name(path.stem),
                "summary": said if isinstance(said, str) else "",
                "requires": requires,
            }
        )
    return recipes, refused


def _yaml_files(folder: Path) -> Iterator[Path]:
    seen = 0
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(
            each for each in folders if not each.startswith(".") and each not in _SKIPPED
        )
        for name in sorted(files):
            seen += 1
            if seen > _MOST_FILES:
                return
            if name.endswith(_SUFFIXES):
                yield Path(place, name)


def _draw(namespace: str, recipes: list[dict[str, Any]], refused: list[dict[str, str]]) -> str:
    import tomli_w

    drawn: dict[str, Any] = {
        "schema_version": 1,
        "package": {"namespace": namespace, "version": "0.1.0", "python": ">=3.11"},
    }
    tables: dict[str, dict[str, Any]] = {}
    notes = []
    for recipe in recipes:
        if recipe["stem"] in tables:
            notes.append(f"{recipe['path']}: another recipe has the same file name")
            continue
        table: dict[str, Any] = {"name": recipe["name"]}
        if recipe["summary"]:
            table["summary"] = recipe["summary"]
        if recipe["requires"]:
            table["requires"] = recipe["requires"]
        tables[recipe["stem"]] = table
    if tables:
        drawn["recipes"] = tables
    notes += [f"{each['path']}: {each['reason']}" for each in refused]
    comments = "".join(f"# not here: {' '.join(note.split())}\n" for note in notes)
    return f"# What Recipebox packs from this checkout.\n{comments}{tomli_w.dumps(drawn)}"


def _as_name(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "team"
