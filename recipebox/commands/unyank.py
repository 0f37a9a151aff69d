"""Take a yank back."""

import click

from recipebox.commands.yank import read_release
from recipebox.invocation import Invocation
from recipebox.prompts import pass_invocation


@click.command("unyank")
@click.argument("release", metavar="NS/NAME@VERSION")
@pass_invocation
def command(invocation: Invocation, release: str) -> None:
    """Take a yank back, so that solvers choose the release again.

    \b
    Examples:
      recipebox unyank team/etl@1.2.3

    \b
    JSON: {name, version, yanked: null}
    """  # noqa: D301 - \b is click's
    name, version = read_release(release)
    done = invocation.client.unyank(name, version)
    invocation.output.result({"name": name, **done})
    invocation.output.say(f"{name} {version} is not yanked any more", "good")
