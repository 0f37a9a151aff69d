"""Take a recipe out of its checkout, with the code and wheels that it needs."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from recipebox.invocation import Invocation
from recipebox.prompts import pass_invocation

if TYPE_CHECKING:
    from recipes.pack import Packed

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command("pack")
@click.argument(
    "recipe",
    metavar="RECIPE.yaml",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option("--out", metavar="DIR", type=_FOLDER, required=True, help="Where to lay it out.")
@click.option("--name", metavar="NS/NAME", help="The package's name.  Default: recipebox.toml's.")
@click.option("--version", metavar="VERSION", help="SemVer.  Default: recipebox.toml's.")
@click.option(
    "--platform",
    "platforms",
    metavar="OS/ARCH",
    multiple=True,
    help="Lock wheels for it; may be given again.  Default: recipebox.toml's, or linux/amd64.",
)
@click.option(
    "--required",
    metavar="DIR",
    type=_FOLDER,
    help="A folder that `fetch` made, with the packages that the recipe's steps run.",
)
@click.option("--no-run", is_flag=True, help="Don't prove the result by running it once.")
@click.option("--run-timeout", type=float, default=600.0, metavar="S", help="Seconds for the run.")
@click.option("--explain", is_flag=True, help="Say why each file is in it.")
@pass_invocation
def command(  # noqa: PLR0917 - click gives each option its own
    invocation: Invocation,
    recipe: Path,
    out: Path,
    name: str | None,
    version: str | None,
    platforms: tuple[str, ...],
    required: Path | None,
    run_timeout: float,
    *,
    no_run: bool,
    explain: bool,
) -> None:
    """Pack RECIPE.yaml: its steps, the code and data that they need, and locked wheels.

    The checkout is read, never written, and nothing of it runs but in a child. Before it says
    that it packed, the result is run once from another folder.

    \b
    Examples:
      recipebox pack recipes/etl_daily.yaml --out build
      recipebox pack etl.yaml --name team/etl --version 1.2.0 --out build --explain

    \b
    JSON: {name, version, path, out, files: {path: [reasons]}, wheels: [file names], warnings,
           wheel_lock, proof: {ran, reason, exit_code, seconds, steps, context}}
    """  # noqa: D301 - \b is click's
    from recipes.pack import pack

    output = invocation.output
    packed = pack(
        recipe,
        out,
        name=name,
        version=version,
        platforms=platforms or None,
        cache=invocation.places.cache / "wheels",
        prove=not no_run,
        required=required,
        timeout=run_timeout,
        progress=output.note if output.verbose else output.detail,
    )
    _tell(invocation, packed, explain=explain)


def _tell(invocation: Invocation, packed: "Packed", *, explain: bool) -> None:
    output = invocation.output
    metadata, proof = packed.metadata, packed.proof
    reasons = {
        path: [str(each) for each in found] for path, found in sorted(packed.reasons.items())
    }
    output.result(
        {
            "name": metadata.name,
            "version": metadata.version,
            "path": str(packed.path),
            "out": str(packed.out),
            "files": reasons,
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
        }
    )
    for warning in packed.warnings:
        output.warn(f"warning: {warning}")
    if explain:
        output.table([[path, "; ".join(found)] for path, found in reasons.items()])
    wheels = f", {len(metadata.wheels)} wheels" if metadata.wheels else ""
    output.say(
        f"packed {metadata.name} {metadata.version}: {len(packed.reasons)} files{wheels}", "good"
    )
    output.say(f"  in {packed.path}")
    if proof.ran:
        output.say(f"  proved by running it once: exit code {proof.exit_code}")
    else:
        output.say(f"  not proved by a run: {proof.reason}")
