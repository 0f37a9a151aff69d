"""Say why a package is in a lock."""

from typing import TYPE_CHECKING, Any

import click

from recipebox.errors import Missing
from recipebox.invocation import Invocation
from recipebox.lock_files import get_lock, lock_option
from recipebox.prompts import pass_invocation

if TYPE_CHECKING:
    from resolver.graph import Link


@click.command("why")
@click.argument("package", metavar="NS/NAME")
@click.argument("requirements", metavar="[NS/NAME[@RANGE]]...", nargs=-1)
@lock_option
@pass_invocation
def command(invocation: Invocation, package: str, requirements: tuple[str, ...], path: str) -> None:
    """Say why a package is in a lock: the chains from what was asked for down to it.

    There is a shortest chain for each who requires it. With requirements those are solved now, and
    no lock is read.

    \b
    Examples:
      recipebox why team/clean
      recipebox why team/clean --lock jobs/recipebox.lock
      recipebox why team/clean team/etl@^1.2

    \b
    JSON: {name, version, chains: [[{by: null or {name, version}, requirement, version}]]}
    """  # noqa: D301 - \b is click's
    from artifacts.reference import PackageName
    from resolver.graph import chains

    name = PackageName.parse(package)
    lock = get_lock(invocation, path, requirements)
    found = chains(lock, name)
    if not found:
        where = "what these requirements give" if requirements else path
        raise Missing(
            f"{name} isn't in {where}",
            hint=f"what would keep it out: recipebox why-not {name}@VERSION",
            package=str(name),
        )
    target = found[0][-1].package
    invocation.output.result(
        {
            "name": str(name),
            "version": str(target.version),
            "chains": [[_draw(link) for link in chain] for chain in found],
        }
    )
    invocation.output.say(f"{name} {target.version}", "strong")
    for chain in found:
        words = [f"you require {chain[0].requirement}"]
        words += [
            f"{link.by.name} {link.by.version} requires {link.requirement}"
            for link in chain
            if link.by
        ]
        for depth, said in enumerate(words):
            invocation.output.say(f"{'  ' * (depth + 1)}{said}")


def _draw(link: "Link") -> dict[str, Any]:
    by = link.by
    return {
        "by": None if by is None else {"name": str(by.name), "version": str(by.version)},
        "requirement": str(link.requirement),
        "version": str(link.package.version),
    }
