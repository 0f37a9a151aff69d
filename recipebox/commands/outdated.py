"""Say which packages of a lock are behind."""

import click

from recipebox.invocation import Invocation
from recipebox.lock_files import get_lock, lock_option
from recipebox.prompts import pass_invocation


@click.command("outdated")
@lock_option
@click.option("--all", "is_all", is_flag=True, help="Those that are not behind, too.")
@pass_invocation
def command(invocation: Invocation, path: str, *, is_all: bool) -> None:
    """Say which packages of a lock are behind: what is locked, fits, and exists.

    FITS is what `recipebox lock --upgrade` would take, NEWEST the newest that isn't yanked nor a
    prerelease. It ends with 0 whatever is behind.

    \b
    Examples:
      recipebox outdated
      recipebox outdated --lock jobs/recipebox.lock --all --json

    \b
    JSON: {path, behind, packages: [{name, locked, fits: null or a version, newest: null or a
           version, yanked: null or the reason, why: null or why the newest isn't taken}]}
    """  # noqa: D301 - \b is click's
    lock = get_lock(invocation, path)
    found = invocation.client.outdated(lock)
    behind = [age for age in found if age.is_behind]
    output = invocation.output
    output.result(
        {"path": path, "behind": len(behind), "packages": [age.to_json() for age in found]}
    )
    shown = [age.to_json() for age in (found if is_all else behind)]
    if shown:
        output.table(
            [
                ("PACKAGE", "LOCKED", "FITS", "NEWEST", ""),
                *(
                    (*(age[key] or "-" for key in ("name", "locked", "fits", "newest")), _note(age))
                    for age in shown
                ),
            ]
        )
    if not behind:
        output.say(f"all {len(found)} packages of {path} are the newest that fit")


def _note(age: dict[str, str | None]) -> str:
    notes = []
    if age["yanked"] is not None:
        notes.append(f"yanked: {age['yanked']}")
    if age["fits"] is None:
        notes.append("not needed any more")
    if age["why"] is not None:
        notes.append(f"not {age['newest']}: {age['why']}")
    return "; ".join(notes)
