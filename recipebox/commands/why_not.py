"""Say why a lock can't have a version of a package."""

import click

from recipebox.commands.yank import read_release
from recipebox.invocation import Invocation
from recipebox.lock_files import get_lock, lock_option
from recipebox.prompts import pass_invocation


@click.command("why-not")
@click.argument("release", metavar="NS/NAME@VERSION")
@click.argument("requirements", metavar="[NS/NAME[@RANGE]]...", nargs=-1)
@lock_option
@pass_invocation
def command(invocation: Invocation, release: str, requirements: tuple[str, ...], path: str) -> None:
    """Say why a lock can't have a version of a package, or what it would change to have it.

    The version is required beside what the lock asks for, for its python and platform, with its
    constraints and the like. With requirements those are solved now, and no lock is read. Nothing
    is written.

    \b
    Examples:
      recipebox why-not team/clean@2.0.0
      recipebox why-not team/clean@2.0.0 team/etl@^1.2

    \b
    JSON: {name, version, possible, locked: a version or null, required (whether anything of the
           lock requires the package), explanation: null or what a failed solve explains,
           sentences, changes: [sentences]}
    """  # noqa: D301 - \b is click's
    from artifacts.reference import PackageName
    from resolver.errors import ResolutionImpossible
    from resolver.requirement import Requirement
    from resolver.version import Version

    package, text = read_release(release)
    name, version = PackageName.parse(package), Version.parse(text)
    lock = get_lock(invocation, path, requirements)
    invocation.client.registries.check_sources(lock)
    held = lock.find_package(name)
    drawn = {
        "name": str(name),
        "version": str(version),
        "locked": None if held is None else str(held.version),
        "required": held is not None,
    }
    wanted = [*lock.requirements, Requirement.parse(f"{name}@={version}")]
    output = invocation.output
    try:
        solution = invocation.client.solve(
            [str(each) for each in wanted],
            python=lock.environment.python,
            platform=lock.environment.platform,
            pins=lock.pins,
            options=lock.options,
        )
    except ResolutionImpossible as error:
        sentences = list(error.explanation.sentences)
        explanation = error.explanation.to_json()
        output.result(
            drawn
            | {
                "possible": False,
                "explanation": explanation,
                "sentences": sentences,
                "changes": [],
            }
        )
        for sentence in sentences:
            output.say(sentence)
        return
    changes = [str(each) for each in lock.differences(solution)]
    sentence = _possible(str(name), str(version), drawn["locked"], path)
    output.result(
        drawn | {"possible": True, "explanation": None, "sentences": [sentence], "changes": changes}
    )
    output.say(sentence, "good")
    for change in changes:
        output.say(f"  {change}")


def _possible(name: str, version: str, locked: object, path: str) -> str:
    if locked == version:
        return f"{name} {version} is what {path} holds"
    if locked is None:
        return f"nothing keeps {name} {version} out, and nothing in {path} requires {name}"
    return (
        f"nothing keeps {name} {version} out: `recipebox lock --upgrade {name}` takes the newest "
        f"that fits, and {name}@={version} among the requirements takes this one"
    )
