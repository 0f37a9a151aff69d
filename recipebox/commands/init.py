"""Write recipebox.toml by looking at the checkout."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recipebox.errors import Conflicting
from recipebox.invocation import Invocation
from recipebox.prompts import pass_invocation

if TYPE_CHECKING:
    from recipes.survey import Survey

_HEAD = """\
# What Recipebox packs from this checkout: written by `recipebox init`, to be gone over by you.
# Of each recipe it can say, besides its name (all of it is in docs/packages.md):
#   version = "1.0.0"           where it differs from [package]
#   entry = ["a.b", "c/d.py"]   modules and files to begin from, besides the steps
#   data = ["rules/*.json"]     files, folders and patterns that packing can't see
#   resources = { cpu = "500m", memory = "256Mi" }
#   network = "egress"          it may reach others; "none" where this isn't said
#   secrets = ["SMTP_PASSWORD"] what the deployment has to give, by name
#   [[recipes.X.allowed]]       file, kind, reason: what looks like a secret, and is none
"""


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

    Nothing of the checkout is run. Each recipe's code is followed, to see whether it reaches out,
    which secrets it reads, what looks like one, and what packing can't work out by itself. What
    looks like a recipe and can't be one is listed with the reason.

    \b
    Examples:
      recipebox init --namespace team
      recipebox init --dry-run > recipebox.toml

    \b
    JSON: {path, written, namespace, refused: [{path, reason}], recipes: [{path, name, summary,
           version, requires, entry, network, secrets, findings: [{file, line, kind}], notes}]}
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
    from recipes.errors import RecipeError
    from recipes.many import find_recipes
    from recipes.pack import identify
    from recipes.package import RecipeStep
    from recipes.project import Project
    from recipes.recipe import read_recipe
    from recipes.survey import survey

    recipes: list[dict[str, Any]] = []
    refused: list[dict[str, str]] = []
    for path in find_recipes(folder):
        shown = path.relative_to(folder).as_posix()
        try:
            recipe = read_recipe(path)
            (_, version), guesses = identify(recipe, Project(), None, None)
        except RecipeError as error:
            refused.append({"path": shown, "reason": getattr(error, "reason", str(error))})
            continue
        said = recipe.metadata.get("description")
        recipes.append(
            {
                "path": shown,
                "stem": path.stem,
                "name": _as_name(path.stem),
                "summary": said if isinstance(said, str) else "",
                "version": None if any("no version" in each for each in guesses) else version,
                "requires": {
                    step.package: step.version
                    for step in recipe.steps
                    if isinstance(step, RecipeStep)
                },
                **_told(survey(recipe, folder)),
            }
        )
    return recipes, refused


def _told(seen: "Survey") -> dict[str, Any]:
    return {
        "entry": list(seen.entry),
        "network": seen.network,
        "secrets": list(seen.secrets),
        "findings": [
            {"file": each.file, "line": each.line, "kind": each.kind} for each in seen.findings
        ],
        "notes": list(seen.notes),
    }


def _draw(namespace: str, recipes: list[dict[str, Any]], refused: list[dict[str, str]]) -> str:
    import tomli_w

    package = {"namespace": namespace, "version": "0.1.0", "python": ">=3.11"}
    drawn: list[str] = [tomli_w.dumps({"schema_version": 1, "package": package})]
    seen: set[str] = set()
    absent = [f"{each['path']}: {each['reason']}" for each in refused]
    for recipe in recipes:
        if recipe["stem"] in seen:
            absent.append(f"{recipe['path']}: another recipe has the same file name")
            continue
        seen.add(recipe["stem"])
        keys = ("name", "version", "summary", "entry", "network", "secrets")
        table = {key: recipe[key] for key in keys if recipe[key]}
        header = tomli_w.dumps({"recipes": {recipe["stem"]: {}}})
        lines = [*_comments(recipe["notes"]), header, tomli_w.dumps(table)]
        if recipe["requires"]:
            lines.append(
                tomli_w.dumps({"recipes": {recipe["stem"]: {"requires": recipe["requires"]}}})
            )
        lines += _allowances(recipe)
        drawn.append("".join(lines))
    absences = "".join(_comments(f"not here: {note}" for note in absent))
    return f"{_HEAD}{absences}\n" + "\n".join(drawn)


def _comments(notes: Iterable[str]) -> list[str]:
    return [f"# {' '.join(note.split())}\n" for note in notes]


def _allowances(recipe: dict[str, Any]) -> Iterator[str]:
    """Yield, as comments, what would allow each finding: whether it may go in, a person says."""
    import tomli_w

    kinds = {(each["file"], each["kind"]): each["line"] for each in reversed(recipe["findings"])}
    for (file, kind), line in sorted(kinds.items()):
        yield f"# {file}:{line} looks like a secret. If it is none, say why, and allow it:\n"
        (header,) = tomli_w.dumps({"recipes": {recipe["stem"]: {}}}).splitlines()
        yield f"# [{header[:-1]}.allowed]]\n"
        entry = {"file": file, "kind": kind, "reason": ""}
        yield from (f"# {each}\n" for each in tomli_w.dumps(entry).splitlines())


def _as_name(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "team"
