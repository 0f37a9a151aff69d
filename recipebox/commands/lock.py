"""Solve requirements, and freeze the answer in a lock."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from recipebox.errors import ClientError, Missing, Misuse
from recipebox.invocation import Invocation
from recipebox.lock_files import find_lock
from recipebox.prompts import pass_invocation

if TYPE_CHECKING:
    from datetime import datetime

    from resolver.lock import Lock
    from resolver.options import Options, Preference
    from resolver.solve import Solution


@click.command("lock")
@click.argument("requirements", metavar="[NS/NAME[@RANGE]]...", nargs=-1)
@click.option(
    "-o", "--output", "path", default="recipebox.lock", show_default=True, help="`-` is stdout."
)
@click.option("--check", is_flag=True, help="Write nothing; fail where the lock would change.")
@click.option("--python", metavar="MINOR", help="As 3.11.  Default: this interpreter's.")
@click.option("--platform", metavar="OS/ARCH", help="As linux/amd64.  Default: this machine's.")
@click.option(
    "--upgrade",
    "upgraded",
    metavar="[NS/NAME]",
    is_flag=False,
    flag_value="",
    multiple=True,
    help="Take the newest of this package, or of all.",
)
@click.option("--pre", is_flag=True, help="Take prereleases, too.")
@click.option(
    "--constraint",
    "constraints",
    metavar="REQ|FILE",
    multiple=True,
    help="Bound a package, where it is required; or a file with one in each line.",
)
@click.option(
    "--override",
    "overrides",
    metavar="REQ",
    multiple=True,
    help="Whatever anyone requires of this package, take this range.",
)
@click.option(
    "--published-before", metavar="TIME", help="As 2026-01-02 or 2026-01-02T03:04:05Z (UTC)."
)
@click.option(
    "--prefer",
    type=click.Choice(["newest", "lowest", "lowest-direct"]),
    help="`lowest` is for testing that ranges say the truth.  Default: newest.",
)
@click.option(
    "--for",
    "application",
    metavar="NS/APP",
    help="Take only what a bundle of this application may hold.",
)
@pass_invocation
def command(
    invocation: Invocation,
    requirements: tuple[str, ...],
    *,
    path: str,
    python: str | None,
    platform: str | None,
    constraints: tuple[str, ...],
    overrides: tuple[str, ...],
    published_before: str | None,
    prefer: str | None,
    application: str | None,
    upgraded: tuple[str, ...],
    check: bool,
    pre: bool,
) -> None:
    """Solve requirements at one revision of the index, and write the lock.

    Without requirements those of the lock that is there are solved again, with what else it
    says: constraints, overrides, --for and the like, where they aren't given anew. What is locked
    stays as it is where all that still allows it; --upgrade takes the newest of a package, or of
    all, and changes of the others no more than that needs. With --check nothing is written: it is
    asked whether the same requirements still give this lock, not whether the index has moved.

    \b
    Examples:
      recipebox lock team/etl@^1.2
      recipebox lock "team/etl >=1,<3" team/report -o -
      recipebox lock --upgrade
      recipebox lock --upgrade team/clean
      recipebox lock team/etl --constraint "team/base <3" --published-before 2026-01-02
      recipebox lock team/etl --for team/shop
      recipebox lock --check

    \b
    JSON: {path, lock (the text), revision, sources: {URL: revision} of other registries, changed,
           packages: [{name, version, digest, source: null or a URL}], differences: [sentences]}
    """  # noqa: D301 - \b is click's
    from artifacts.reference import PackageName
    from resolver.lock import Lock

    old = None if path == "-" else find_lock(invocation, path)
    wanted = list(requirements) or [str(each) for each in (old.requirements if old else ())]
    if not wanted:
        raise Misuse("nothing to lock", hint="name packages: recipebox lock team/etl@^1")
    if upgraded and old is None:
        raise Missing(f"{path}: there is no lock to upgrade", hint="write it: recipebox lock ...")
    if check and old is None:
        raise Missing(f"{path}: there is no lock to check", hint="write it: recipebox lock ...")
    if old is not None:
        invocation.client.registries.moved(old)  # refuses names that come from nowhere known here
        python, platform = python or old.environment.python, platform or old.environment.platform
    names = {PackageName.parse(name) for name in upgraded if name}
    options = _options(
        invocation,
        old.options if old is not None and not requirements else None,
        constraints=constraints,
        overrides=overrides,
        published_before=published_before,
        prefer=prefer,
        application=application,
        pre=pre,
    )
    keep = old
    if "" in upgraded or (old is not None and old.options.prefer != options.prefer):
        keep = None
    solution = invocation.client.solve(
        wanted,
        python=python,
        platform=platform,
        pins={name: pin for name, pin in keep.pins.items() if name not in names} if keep else None,
        options=options,
        keep=keep,
        upgrade=names,
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
            "sources": dict(lock.sources),
            "changed": bool(differences) or old is None,
            "packages": [
                {
                    "name": str(each.name),
                    "version": str(each.version),
                    "digest": str(each.digest),
                    "source": each.source,
                }
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


def _options(
    invocation: Invocation,
    old: "Options | None",
    *,
    constraints: tuple[str, ...],
    overrides: tuple[str, ...],
    published_before: str | None,
    prefer: str | None,
    application: str | None,
    pre: bool,
) -> "Options":
    """Return what was given, and what the lock says where nothing was."""
    from artifacts.reference import PackageName
    from resolver.options import Options
    from resolver.requirement import Requirement

    kept = old or Options()
    read = (Requirement.parse(line) for each in constraints for line in _lines(invocation, each))
    return Options(
        tuple(read) or kept.constraints,
        tuple(Requirement.parse(each) for each in overrides) or kept.overrides,
        pre or kept.allow_prereleases,
        _moment(published_before) if published_before else kept.published_before,
        cast("Preference", prefer or kept.prefer),
        PackageName.parse(application) if application else kept.application,
    )


def _lines(invocation: Invocation, given: str) -> list[str]:
    """Return a constraint, or those of a file: one in each line, and notes after a `#`."""
    if not Path(given).is_file():
        return [given]
    stripped = (line.partition("#")[0].strip() for line in invocation.read_text(given).splitlines())
    return [line for line in stripped if line]


def _moment(text: str) -> "datetime":
    from resolver.candidate import utc

    try:
        return utc(text if "T" in text else f"{text}T00:00:00Z")
    except ValueError as error:
        raise Misuse(
            f"--published-before {text}: not a time in UTC",
            hint="write 2026-01-02 or 2026-01-02T03:04:05Z",
        ) from error


def _differences(old: "Lock", solution: "Solution") -> list[str]:
    """Say where a lock asks for, is for, or pins something else; the revision is no matter."""
    found = [str(each) for each in old.differences(solution)]
    if old.requirements != solution.requirements:
        found.append("it asks for something else")
    if old.options != solution.options:
        found.append("it was solved with other options (constraints, overrides and the like)")
    if old.environment != solution.environment:
        found.append(f"it is for {old.environment}, not {solution.environment}")
    return found
