"""Run a package, from a folder or the registry."""

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
@click.option(
    "--outputs",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep what it writes in its workspace; DIR must be new or empty.",
)
@click.option("--record", metavar="FILE", help="Write a record of the run, as JSON.")
@click.option("--no-verify", is_flag=True, help="Run what is in DIR, though it was changed.")
@pass_invocation
def command(
    invocation: Invocation,
    target: str,
    only: str | None,
    values: tuple[str, ...],
    variables: tuple[str, ...],
    *,
    outputs: Path | None,
    record: str | None,
    no_verify: bool,
) -> int:
    """Run the package in DIR, or one that is fetched and verified first.

    It runs in a child, with a clean environment, its own files and wheels; it ends with all that it
    started, also by Ctrl-C. The exit code is the recipe's own, and 125 where Recipebox failed. With
    --json, what the recipe prints goes to stderr.

    What is signed in DIR is verified first. A package that is named is kept in the cache, unpacked,
    so that it is there at once when it is run again, with --offline too.

    \b
    Examples:
      recipebox run here
      recipebox run team/etl@1.2.3 --set load.day=2026-01-02 --record run.json
      recipebox run build --only extract,load --json
      recipebox run team/etl --offline --outputs made

    \b
    JSON: {package: {name, version, digest, signers}, exit_code, started, seconds,
           steps: [{idx, name, exit_code, seconds}], context,
           attempts: [{exit_code, seconds, timed_out}]}
    """  # noqa: D301 - \b is click's
    environment = dict(_pair(each) for each in variables)
    is_folder = Path(target).is_dir()
    if not is_folder and target.partition("@")[0].count("/") != 1:
        raise Misuse(
            f"{target!r} is neither a folder nor a package", hint="DIR, or NS/NAME[@RANGE]"
        )
    if no_verify and not is_folder:
        raise Misuse("--no-verify is for a folder", hint="what is fetched is always verified")
    ran = invocation.client.run(
        Path(target) if is_folder else target,
        only=only.split(",") if only else None,
        settings=values,
        environment=environment,
        outputs=outputs,
        verify=not no_verify,
        is_quiet=invocation.output.json,
    )
    if record is not None:
        invocation.write_text(record, ran.record.to_text())
    invocation.output.result(
        {
            "package": ran.record.package.model_dump(),
            "exit_code": ran.result.exit_code,
            "started": ran.record.started,
            "seconds": ran.record.seconds,
            "steps": [dict(step) for step in ran.result.steps],
            "context": dict(ran.result.context),
            "attempts": [dict(each) for each in ran.result.attempts],
        }
    )
    return ran.result.exit_code


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--env")
    return name, value
