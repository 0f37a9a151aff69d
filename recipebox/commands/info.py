"""Show a package: its releases, signers, requirements, channels."""

from typing import Any

import click

from recipebox.errors import Missing
from recipebox.invocation import Invocation
from recipebox.output import human_time
from recipebox.prompts import pass_invocation


@click.command("info")
@click.argument("package", metavar="NS/NAME[@VERSION]")
@pass_invocation
def command(invocation: Invocation, package: str) -> None:
    """Show a package and its releases, or one of them.

    \b
    Examples:
      recipebox info team/etl
      recipebox info team/etl@1.2.3 --json

    \b
    JSON: {name, summary, releases: [{version, digest, published, yanked, signers, requires,
           python, platforms, receipt, proof: null or {referrer, statement, compared, enforced,
           not_enforced}, documents: {name: {digest, media_type, size}}}],
           channels: [{application, channel, version}]}
    """  # noqa: D301 - \b is click's
    name, _, version = package.partition("@")
    found = invocation.client.info(name)
    if version:
        found["releases"] = [each for each in found["releases"] if each["version"] == version]
        if not found["releases"]:
            raise Missing(f"{name} has no release {version}", hint=f"recipebox info {name}")
    output = invocation.output
    output.result(found)
    output.say(f"{found['name']}  {found['summary']}", "strong")
    for channel in found["channels"]:
        output.say(f"  in {channel['application']} {channel['channel']}: {channel['version']}")
    for release in found["releases"]:
        _tell(invocation, release)
    if found["releases"]:
        output.say(f"fetch it: recipebox fetch {package} --out DIR")


def _tell(invocation: Invocation, release: dict[str, Any]) -> None:
    output = invocation.output
    yanked = release["yanked"]
    said = f"  yanked: {yanked['reason']}" if yanked else ""
    output.say(f"{release['version']}  {human_time(release['published'])}{said}")
    output.say(f"  {release['digest']}")
    output.say(f"  signed by {', '.join(release['signers'])}")
    output.say(f"  {told_proof(release['proof'])}")
    for name, document in release["documents"].items():
        output.say(f"  {name}  {document['digest']}")
    for name, wanted in release["requires"].items():
        output.say(f"  requires {name} {wanted}")


def told_proof(proof: dict[str, Any] | None) -> str:
    """Say in a line what is known of a release's run."""
    if proof is None:
        return "no proof that it runs"
    said = "proved by a run from a clean folder"
    if proof["compared"]:
        said += ", which gave what its checkout gives"
    if proof["not_enforced"]:
        said += f" (not enforced there: {', '.join(sorted(proof['not_enforced']))})"
    return said
