"""Show a lock as a tree."""

from typing import TYPE_CHECKING, Any

import click

from recipebox.errors import Missing
from recipebox.invocation import Invocation
from recipebox.lock_files import get_lock, lock_option
from recipebox.prompts import pass_invocation

if TYPE_CHECKING:
    from resolver.graph import Line


@click.command("tree")
@click.argument("packages", metavar="[NS/NAME]...", nargs=-1)
@lock_option
@click.option("--invert", is_flag=True, help="Below each package, who requires it.")
@click.option(
    "--depth", type=click.IntRange(min=0), metavar="N", help="Levels below the roots at most."
)
@pass_invocation
def command(
    invocation: Invocation,
    packages: tuple[str, ...],
    path: str,
    depth: int | None,
    *,
    invert: bool,
) -> None:
    """Show a lock as a tree: what was asked for, and below each package what it requires.

    Packages that are named are the roots. What is below a line marked (*) stands further up.

    \b
    Examples:
      recipebox tree
      recipebox tree --depth 1 --lock jobs/recipebox.lock
      recipebox tree team/clean --invert

    \b
    JSON: {python, platform, requirements, lines: [{depth, name, version, requirement: null or
           text, repeated}], packages: [{name, version, digest, requires, required_by}]}
    """  # noqa: D301 - \b is click's
    from artifacts.reference import PackageName
    from resolver.graph import tree

    lock = get_lock(invocation, path)
    names = [PackageName.parse(text) for text in packages]
    for name in names:
        if lock.find_package(name) is None:
            raise Missing(f"{name} isn't in {path}", hint="`recipebox tree` shows what is")
    lines = tree(lock, names, is_inverted=invert, depth=depth)
    output = invocation.output
    if not output.json:
        for line in lines:
            output.say(_say(line))
        return
    output.result(
        {
            "python": lock.environment.python,
            "platform": lock.environment.platform,
            "requirements": [str(each) for each in lock.requirements],
            "lines": [_draw(line) for line in lines],
            "packages": [
                {
                    "name": str(one.name),
                    "version": str(one.version),
                    "digest": str(one.digest),
                    "requires": [str(each) for each in one.requires],
                    "required_by": [str(each) for each in lock.required_by(one.name)],
                }
                for one in lock.packages
            ],
        }
    )


def _say(line: "Line") -> str:
    wanted = f"  ({line.requirement.range})" if line.requirement is not None else ""
    again = " (*)" if line.is_repeated else ""
    return f"{line.drawn}{line.package.name} {line.package.version}{wanted}{again}"


def _draw(line: "Line") -> dict[str, Any]:
    return {
        "depth": line.depth,
        "name": str(line.package.name),
        "version": str(line.package.version),
        "requirement": None if line.requirement is None else str(line.requirement),
        "repeated": line.is_repeated,
    }
