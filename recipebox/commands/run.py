"""Run a package, from a folder or the registry."""

import tempfile
from pathlib import Path
from typing import Any

import click

from recipebox.errors import ExitCode, Misuse
from recipebox.invocation import Invocation
from recipebox.prompts import pass_invocation


class RunCommand(click.Command):
    """Ends with 125 for every failure of ours, those of its own options too."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Note the exit code before the options are read."""
        if parent is not None and isinstance(parent.obj, Invocation):
            parent.obj.failure_code = ExitCode.RUN_FAILED
        return super().make_context(info_name, args, parent, **extra)


@click.command("run", cls=RunCommand)
@click.argument("target", metavar="DIR|NS/NAME[@RANGE]")
@click.option("--only", metavar="STEP,...", help="Run these steps only.")
@click.option(
    "--set", "values", metavar="[STEP.]ARG=VALUE", multiple=True, help="Set an argument of a step."
)
@click.option(
    "--env", "variables", metavar="NAME=VALUE", multiple=True, help="Add to its clean environment."
)
@pass_invocation
def command(
    invocation: Invocation,
    target: str,
    only: str | None,
    values: tuple[str, ...],
    variables: tuple[str, ...],
) -> int:
    """Run the package in DIR, or one that is fetched and verified first.

    It runs in a child, with a clean environment, its own files and wheels. The exit code is the
    recipe's own, and 125 where Recipebox failed. With --json, what the recipe prints goes to
    stderr.

    \b
    Examples:
      recipebox run here
      recipebox run team/etl@1.2.3 --set load.day=2026-01-02
      recipebox run build --only extract,load --json

    \b
    JSON: {exit_code, steps: [{idx, name, exit_code, seconds}], context}
    """  # noqa: D301 - \b is click's
    environment = dict(_pair(each) for each in variables)
    if Path(target).is_dir():
        return _run(invocation, Path(target), only, values, environment)
    if target.partition("@")[0].count("/") != 1:
        raise Misuse(
            f"{target!r} is neither a folder nor a package", hint="DIR, or NS/NAME[@RANGE]"
        )
    with tempfile.TemporaryDirectory(prefix="recipebox-run-") as scratch:
        out = Path(scratch) / "out"
        client = invocation.client
        client.fetch(client.lock([target]), out)
        return _run(invocation, out, only, values, environment)


def _run(
    invocation: Invocation,
    folder: Path,
    only: str | None,
    values: tuple[str, ...],
    environment: dict[str, str],
) -> int:
    from recipes.run import run_package

    result = run_package(
        folder,
        only=only.split(",") if only else None,
        settings=values,
        environment=environment,
        is_quiet=invocation.output.json,
    )
    invocation.output.result(
        {
            "exit_code": result.exit_code,
            "steps": [dict(step) for step in result.steps],
            "context": dict(result.context),
        }
    )
    return result.exit_code


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--env")
    return name, value
