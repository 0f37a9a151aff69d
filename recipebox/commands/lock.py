"""Solve requirements, and freeze the answer in a lock."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from recipebox.errors import ClientError, Missing, Misuse
from recipebox.invocation import Invocation
from recipebox.prompts import pass_invocation

if TYPE_CHECKING:
    from resolver.lock import Lock
    from resolver.solve import Solution


@click.command("lock")
@click.argument("requirements", metavar="[NS/NAME[@RANGE]]...", nargs=-1)
@click.option(
    "-o", "--output", "path", default="recipebox.lock", show_default=True, help="`-` is stdout."
)
@click.option("--check", is_flag=True, help="Write nothing; fail where the lock would change.")
@click.option("--python", metavar="MINOR", help="As 3.11.  Default: this interpreter's.")
@click.option("--platform", metavar="OS/ARCH", help="As linux/amd64.  Default: this machine's.")
@click.option("--pre", is_flag=True, help="Take prereleases, too.")
@pass_invocation
def command(
    invocation: Invocation,
    requirements: tuple[str, ...],
    path: str,
    python: str | None,
    platform: str | None,
    *,
    check: bool,
    pre: bool,
) -> None:
    """Solve requirements at one revision of the index, and write the lock.

    Without requirements those of the lock that is there are solved again. With --check it is
    asked whether they still give the same answer, not whether the index has moved.

    \b
    Examples:
      recipebox lock team/etl@^1.2
      recipebox lock "team/etl >=1,<3" team/report -o -
      recipebox lock --check

    \b
    JSON: {path, lock (the text), revision, changed, packages: [{name, version, digest}],
           differences: [sentences]}
    """  # noqa: D301 - \b is click's
    from resolver.lock import Lock

    old = _read(invocation, path)
    wanted = list(requirements) or [str(each) for each in (old.requirements if old else ())]
    if not wanted:
        raise Misuse("nothing to lock", hint="name packages: recipebox lock team/etl@^1")
    if check and old is None:
        raise Missing(f"{path}: there is no lock to check", hint="write it: recipebox lock ...")
    if old is not None:
        python, platform = python or old.environment.python, platform or old.environment.platform
    solution = invocation.client.solve(
        wanted,
        python=python,
        platform=platform,
        pins=old.pins if old else None,
        allow_prereleases=pre,
    )
    lock = Lock.from_solution(solution)
    differences = _differences(old, solution) if old else []
    text = lock.dumps()
    if not check and not (path == "-" and invocation.output.json):
        invocation.write_text(path, text)
    invocation.output.result(
        {
            "path": path,
            "lock": text,
            "revision": lock.revision,
            "changed": bool(differences) or old is None,
            "packages": [
                {"name": str(each.name), "version": str(each.version), "digest": str(each.digest)}
                for each in lock.packages
            ],
            "differences": differences,
        }
    )
    if check and differences:
        raise ClientError(
            f"{path} is not what its requirements give now: {'; '.join(differences)}",
            hint="lock again, and review the change",
        )
    tell = invocation.output.note if path == "-" else invocation.output.say
    for difference in differences:
        tell(f"  {difference}")
    tell(f"{path} holds" if check else f"locked {len(lock.packages)} packages in {path}")


def _read(invocation: Invocation, path: str) -> "Lock | None":
    if path == "-" or not Path(path).is_file():
        return None
    from resolver.lock import Lock

    return Lock.loads(invocation.read_text(path))


def _differences(old: "Lock", solution: "Solution") -> list[str]:
    """Say where a lock asks for, is for, or pins something else; the revision is no matter."""
    found = [str(each) for each in old.differences(solution)]
    if old.requirements != solution.requirements:
        found.append("it asks for something else")
    if old.environment != solution.environment:
        found.append(f"it is for {old.environment}, not {solution.environment}")
    return found
