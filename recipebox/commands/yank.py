"""Take a release out of what solvers choose."""

import click

from recipebox.errors import Misuse
from recipebox.invocation import Invocation
from recipebox.prompts import confirm, pass_invocation, yes_option


@click.command("yank")
@click.argument("release", metavar="NS/NAME@VERSION")
@click.option("--reason", required=True, metavar="TEXT", help="Why; everybody sees it.")
@yes_option
@pass_invocation
def command(invocation: Invocation, release: str, reason: str, *, yes: bool) -> None:
    """Yank a release: solvers don't choose it any more; locks that pin it go on working.

    \b
    Examples:
      recipebox yank team/etl@1.2.3 --reason "drops rows: use 1.2.4" --yes

    \b
    JSON: {name, version, yanked: {reason, at}}
    """  # noqa: D301 - \b is click's
    name, version = read_release(release)
    confirm(f"Yank {name} {version} for everybody?", yes=yes)
    done = invocation.client.yank(name, version, reason)
    invocation.output.result({"name": name, **done})
    invocation.output.say(f"yanked {name} {version}: {reason}", "good")
    invocation.output.note(f"back with: recipebox unyank {name}@{version}")


def read_release(text: str) -> tuple[str, str]:
    """Return the name and version of `NS/NAME@VERSION`.

    Raises:
        Misuse: there is no version.
    """
    name, separator, version = text.partition("@")
    if not separator or not version:
        raise Misuse(f"{text!r} names no version", hint="expected NS/NAME@VERSION")
    return name, version
