"""Take a release out of what solvers choose."""

from typing import Any

import click

from recipebox.errors import Misuse
from recipebox.invocation import Invocation
from recipebox.prompts import confirm, pass_invocation, yes_option

_AFFECTED = ("bundles", "bundle_count", "channels", "stranded", "stranded_count")
_SHOWN = 10


@click.command("yank")
@click.argument("release", metavar="NS/NAME@VERSION")
@click.option("--reason", required=True, metavar="TEXT", help="Why; everybody sees it.")
@click.option("--dry-run", is_flag=True, help="Only show what it would affect.")
@yes_option
@pass_invocation
def command(invocation: Invocation, release: str, reason: str, *, dry_run: bool, yes: bool) -> None:
    """Yank a release: solvers don't choose it any more; locks that pin it go on working.

    What holds it is shown first: bundles, channels, and the releases whose requirement nothing
    else satisfies. With --dry-run that is all.

    \b
    Examples:
      recipebox yank team/etl@1.2.3 --reason "drops rows: use 1.2.4" --yes
      recipebox yank team/etl@1.2.3 --reason "drops rows" --dry-run

    \b
    JSON: {name, version, yanked: null or {reason, at}, dry_run, affected: {bundles:
           [{application, digest, created, channels}], bundle_count, channels: [{application,
           channel}], stranded: [{name, version, range, extra}], stranded_count}}
    """  # noqa: D301 - \b is click's
    name, version = read_release(release)
    found = invocation.client.affected(name, version)
    affected = {key: value for key, value in found.items() if key in _AFFECTED}
    _tell(invocation, affected)
    if dry_run:
        invocation.output.result(
            {
                "name": name,
                "version": version,
                "yanked": None,
                "dry_run": True,
                "affected": affected,
            }
        )
        return
    confirm(f"Yank {name} {version} for everybody?", yes=yes)
    done = invocation.client.yank(name, version, reason)
    invocation.output.result({"name": name, **done, "dry_run": False, "affected": affected})
    invocation.output.say(f"yanked {name} {version}: {reason}", "good")
    invocation.output.note(f"back with: recipebox unyank {name}@{version}")


def _tell(invocation: Invocation, affected: dict[str, Any]) -> None:
    note = invocation.output.note
    count = affected["bundle_count"]
    if count:
        hold = "1 bundle holds it, and goes" if count == 1 else f"{count} bundles hold it, and go"
        note(f"{hold} on working:")
        for bundle in affected["bundles"][:_SHOWN]:
            where = f" in {', '.join(bundle['channels'])}" if bundle["channels"] else ""
            note(f"  {bundle['application']}@{bundle['digest']}{where}")
        _tell_rest(invocation, count)
    count = affected["stranded_count"]
    if count:
        note("nothing else satisfies what these require, so they can't be solved any more:")
        for one in affected["stranded"][:_SHOWN]:
            note(f"  {one['name']} {one['version']} requires {one['range']}")
        _tell_rest(invocation, count)


def _tell_rest(invocation: Invocation, count: int) -> None:
    if count > _SHOWN:
        invocation.output.note(f"  and {count - _SHOWN} more")


def read_release(text: str) -> tuple[str, str]:
    """Return the name and version of `NS/NAME@VERSION`.

    Raises:
        Misuse: there is no version.
    """
    name, separator, version = text.partition("@")
    if not separator or not version:
        raise Misuse(f"{text!r} names no version", hint="expected NS/NAME@VERSION")
    return name, version
