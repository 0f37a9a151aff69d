"""Take a recipe out of its checkout, with the code and wheels that it needs."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recipebox.errors import ExitCode, Missing, Misuse, describe
from recipebox.invocation import Invocation
from recipebox.prompts import pass_invocation

if TYPE_CHECKING:
    from recipes.many import Attempt
    from recipes.pack import Packed

_SHOWN = 10  # recipes named where one had to be
_EVERY = "*"
_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command("pack")
@click.argument(
    "recipe",
    metavar="RECIPE.yaml|DIR",
    required=False,
    type=click.Path(exists=True, path_type=Path),
)
@click.option("--all", "is_all", is_flag=True, help="Pack every recipe below DIR.")
@click.option("--out", metavar="DIR", type=_FOLDER, required=True, help="Where to lay it out.")
@click.option(
    "--values",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Fill in a template's {{ placeholders }} from this YAML, TOML or JSON.",
)
@click.option("--name", metavar="NS/NAME", help="The package's name.  Default: recipebox.toml's.")
@click.option("--version", metavar="VERSION", help="SemVer.  Default: recipebox.toml's.")
@click.option(
    "--platform",
    "platforms",
    metavar="OS/ARCH",
    multiple=True,
    help="Lock wheels for it; may be given again.  Default: recipebox.toml's, or all that are known"
    " (linux/amd64, linux/arm64).",
)
@click.option(
    "--required",
    metavar="DIR",
    type=_FOLDER,
    help="A folder that `fetch` made, with the packages that the recipe's steps run.",
)
@click.option("--no-run", is_flag=True, help="Don't prove the result by running it once.")
@click.option("--run-timeout", type=float, default=600.0, metavar="S", help="Seconds for the run.")
@click.option(
    "--explain",
    metavar="[FILE]",
    is_flag=False,
    flag_value=_EVERY,
    help="Say why a file is in it; without FILE, why each is.",
)
@pass_invocation
def command(  # noqa: PLR0917 - click gives each option its own
    invocation: Invocation,
    recipe: Path | None,
    out: Path,
    values: Path | None,
    name: str | None,
    version: str | None,
    platforms: tuple[str, ...],
    required: Path | None,
    run_timeout: float,
    explain: str | None,
    *,
    is_all: bool,
    no_run: bool,
) -> int:
    """Pack RECIPE.yaml: its steps, the code and data that they need, and locked wheels.

    A DIR is packed for the one recipe in it, or with --all for every one below it. The checkout is
    read, never written, and nothing of it runs but in a child. Before it says that it packed, the
    result is run once from another folder.

    \b
    Examples:
      recipebox pack recipes/etl_daily.yaml --out build
      recipebox pack etl.yaml --name team/etl --version 1.2.0 --out build --explain
      recipebox pack etl.yaml --out build --explain engine/log.py
      recipebox pack nightly.yaml --values customer.toml --out build
      recipebox pack . --all --out build

    \b
    JSON: {name, version, path, out, files: {path: [reasons]}, wheels: [file names], warnings,
           wheel_lock, proof: {ran, reason, exit_code, seconds, steps, context},
           trace: {closure: {added, not_read}, runs: {package, checkout}}, null without a run
           (schema: docs/formats/trace.schema.json),
           why: [{file, because}] where --explain FILE asks}
          with --all: {packed, failed, recipes: [{recipe, outcome, and either all of the above
           or error: {code, message, ...}}]}, and the exit code is 1 where one failed
    """  # noqa: D301 - \b is click's
    from recipes.filling import read_values
    from recipes.many import pack_all
    from recipes.pack import pack

    output = invocation.output
    if recipe is None and explain is not None and Path(explain).exists():
        recipe, explain = Path(explain), _EVERY  # `pack --explain etl.yaml`
    if recipe is None:
        raise Misuse("no recipe is named", hint="recipebox pack RECIPE.yaml --out DIR")
    options: dict[str, Any] = {
        "version": version,
        "platforms": platforms or None,
        "cache": invocation.cache.wheels,
        "values": None if values is None else read_values(values),
        "prove": not no_run,
        "required": required,
        "timeout": run_timeout,
        "progress": output.note if output.verbose else output.detail,
    }
    if not is_all:
        packed = pack(_the_one_in(recipe, out), out, name=name, **options)
        output.result({**_drawn(packed), **_why(packed, explain)})
        _tell(invocation, packed, explain=explain)
        return 0
    if name is not None or not recipe.is_dir():
        wrong = "--name is for one recipe" if recipe.is_dir() else f"{recipe} is not a folder"
        raise Misuse(f"--all packs every recipe of a folder, and {wrong}")

    def told(attempt: "Attempt") -> None:
        shown = attempt.recipe.relative_to(recipe).as_posix()
        output.note(f"{shown}: {'packed' if attempt.packed else 'refused'}")

    if explain not in {None, _EVERY}:
        raise Misuse("--explain FILE is for one recipe; with --all it has no FILE")
    attempts = pack_all(recipe, out, told=told, **options)
    if not attempts:
        raise Missing(f"no recipe is below {recipe}")
    return _tell_all(invocation, recipe, attempts, explain=explain is not None)


def _the_one_in(path: Path, out: Path) -> Path:
    """Return the recipe that is meant: a file itself, or the only one in a folder."""
    from recipes.many import find_recipes

    if not path.is_dir():
        return path
    found = find_recipes(path, skipped=[out])
    if not found:
        raise Missing(f"no recipe is below {path}")
    if len(found) > 1:
        shown = ", ".join(each.relative_to(path).as_posix() for each in found[:_SHOWN])
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise Misuse(
            f"{len(found)} recipes are below {path}: {shown}{more}",
            hint="name one of them, or pack all of them: --all",
        )
    return found[0]


def _drawn(packed: "Packed") -> dict[str, Any]:
    metadata, proof = packed.metadata, packed.proof
    return {
        "name": metadata.name,
        "version": metadata.version,
        "path": str(packed.path),
        "out": str(packed.out),
        "files": {
            path: [str(each) for each in found] for path, found in sorted(packed.reasons.items())
        },
        "wheels": [wheel.filename for wheel in metadata.wheels],
        "warnings": list(packed.warnings),
        "wheel_lock": None if packed.wheel_lock is None else str(packed.wheel_lock),
        "proof": {
            "ran": proof.ran,
            "reason": proof.reason,
            "exit_code": proof.exit_code,
            "seconds": proof.seconds,
            "steps": [dict(step) for step in proof.steps],
            "context": proof.context,
        },
        "trace": None
        if packed.trace is None
        else packed.trace.model_dump(mode="json", include={"closure", "runs"}),
    }


def _why(packed: "Packed", explain: str | None) -> dict[str, Any]:
    """Return why the file that is asked for is in, from it up to a step."""
    from recipes.why import explain as chain

    if explain in {None, _EVERY}:
        return {}
    found = chain(str(explain), packed.reasons)
    return {"why": [{"file": path, "because": str(reason)} for path, reason in found]}


def _tell_all(
    invocation: Invocation, folder: Path, attempts: "list[Attempt]", *, explain: bool
) -> int:
    """Say what became of each recipe; return the exit code."""
    output = invocation.output
    rows, drawn = [], []
    for attempt in attempts:
        shown = attempt.recipe.relative_to(folder).as_posix()
        packed, error = attempt.packed, attempt.error
        if packed is not None:
            drawn.append({"recipe": shown, "outcome": "packed", **_drawn(packed)})
            proof = "proved" if packed.proof.ran else f"not proved: {packed.proof.reason}"
            name = f"{packed.metadata.name} {packed.metadata.version}"
            rows.append([shown, "packed", f"{name}, {len(packed.reasons)} files, {proof}"])
        elif error is not None:
            drawn.append({"recipe": shown, "outcome": "refused", "error": describe(error)})
            rows.append([shown, "refused", str(error).splitlines()[0]])
    failed = [each for each in attempts if each.error is not None]
    done = len(attempts) - len(failed)
    output.result({"packed": done, "failed": len(failed), "recipes": drawn})
    warned: dict[str, list[str]] = {}
    for attempt in attempts:
        for warning in attempt.packed.warnings if attempt.packed else ():
            warned.setdefault(warning, []).append(attempt.recipe.name)
        if attempt.packed and explain:
            _explain(invocation, attempt.packed)
    for warning, names in warned.items():  # most recipes of a checkout share their warnings
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        output.warn(f"warning: {names[0]}{more}: {warning}")
    output.table(rows)
    for attempt in failed:
        output.warn(f"\n{attempt.error}")
    output.say(f"packed {done} of {len(attempts)} recipes", "good" if not failed else "bad")
    return ExitCode.FAILED if failed else ExitCode.OK


def _explain(invocation: Invocation, packed: "Packed") -> None:
    invocation.output.table(
        [[path, "; ".join(map(str, found))] for path, found in sorted(packed.reasons.items())]
    )


def _tell(invocation: Invocation, packed: "Packed", *, explain: str | None) -> None:
    from recipes.traced import sentences

    output = invocation.output
    metadata, proof = packed.metadata, packed.proof
    for warning in packed.warnings:
        output.warn(f"warning: {warning}")
    if explain == _EVERY:
        _explain(invocation, packed)
    for indent, step in enumerate(_why(packed, explain).get("why", ())):
        output.say(f"{'  ' * indent}{step['file']}: {step['because']}")
    wheels = f", {len(metadata.wheels)} wheels" if metadata.wheels else ""
    output.say(
        f"packed {metadata.name} {metadata.version}: {len(packed.reasons)} files{wheels}", "good"
    )
    output.say(f"  in {packed.path}")
    if proof.ran:
        output.say(f"  proved by running it once: exit code {proof.exit_code}")
    else:
        output.say(f"  not proved by a run: {proof.reason}")
    for sentence in sentences(packed.trace, packed.reasons) if packed.trace is not None else ():
        output.say(f"  {sentence}")
