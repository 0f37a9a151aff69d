"""What a checkout tells of a recipe before anybody has written down anything: for a first draft.

The recipe's code is followed and read, and nothing of it is run. What is told is a guess with its
reason, for an author to go over: whether it reaches out, which variables sound like secrets, which
modules its arguments name, what looks like a secret, and what packing can't work out by itself.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from recipes.closure import Closure, find_closure
from recipes.errors import Finding, MissingModules, RecipeError
from recipes.findings import find_secrets
from recipes.modules import Checkout
from recipes.paths import read_plain
from recipes.project import Project, RecipeSettings
from recipes.recipe import Recipe

_REACHES_OUT: Final = re.compile(
    r"^[ \t]*(?:import|from)[ \t]+(socket|smtplib|ftplib|imaplib|poplib|http\.client"
    r"|urllib\.request|urllib3|requests|httpx|aiohttp|paramiko|boto3|psycopg2?|pymysql|pymongo"
    r"|redis)\b",
    re.MULTILINE,
)
_READS_VARIABLE: Final = re.compile(
    r"""(?:environ(?:\.get)?|getenv)\s*[\[(]\s*["']([A-Za-z_]\w*)["']"""
)
_SOUNDS_SECRET: Final = re.compile(r"secret|token|passw|pwd|key|credential", re.IGNORECASE)
_DOTTED: Final = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)+)(?::[^\W\d]\w*)?")
_BY_HAND: Final = ("can't be computed", "leaves out: not packed", "which is also a folder")


@dataclass(frozen=True, slots=True)
class Survey:
    """What was seen; `notes` are for people, and say what to look at by hand."""

    entry: tuple[str, ...] = ()
    network: Literal["egress"] | None = None
    secrets: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()


def survey(recipe: Recipe, root: Path) -> Survey:
    """Look through a recipe of the checkout at `root`; what can't be followed is in the notes."""
    try:
        closure = find_closure(recipe, Project(), root)
        entry = tuple(_named(recipe, closure))
        if entry:
            settings = {recipe.name: RecipeSettings(entry=entry)}
            closure = find_closure(recipe, Project(recipes=settings), root)
        findings = tuple(_findings(recipe, closure))
    except MissingModules as error:
        return Survey(
            notes=tuple(
                f"can't be packed yet: {each.module} is missing, asked for by {each.asked_by}"
                for each in error.missing
            )
        )
    except RecipeError as error:
        return Survey(notes=(f"can't be packed yet: {error}",))
    notes = [note for note in closure.warnings if any(each in note for each in _BY_HAND)]
    reaching, secrets = [], set()
    for path, text in _sources(closure):
        reaching += [f"network: {path} imports {each[1]}" for each in _REACHES_OUT.finditer(text)]
        variables = (match[1] for match in _READS_VARIABLE.finditer(text))
        secrets |= {each for each in variables if _SOUNDS_SECRET.search(each)}
    return Survey(
        entry,
        "egress" if reaching else None,
        tuple(sorted(secrets)),
        findings,
        (*notes, *reaching[:1]),
    )


def _named(recipe: Recipe, closure: Closure) -> Iterator[str]:
    """Yield modules that arguments name (`plugins.late:load`) and that nothing imports."""
    checkout = Checkout(closure.root)
    texts = {text for step in recipe.steps for text in _texts(step.args)}
    for text in sorted(texts):
        dotted = _DOTTED.fullmatch(text)
        module = checkout.find(dotted[1]) if dotted else None
        if module is not None and module.is_source and module.path not in closure.files:
            yield module.name


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _findings(recipe: Recipe, closure: Closure) -> Iterator[Finding]:
    own = recipe.path.resolve().relative_to(closure.root.resolve()).as_posix()
    for path in closure.files:
        if path != own:
            yield from find_secrets(path, closure.root / path)
    yield from find_secrets(own, recipe.content)


def _sources(closure: Closure) -> Iterator[tuple[str, str]]:
    for path in closure.files:
        if path.endswith(".py"):
            yield path, read_plain(closure.root / path).decode(errors="replace")
