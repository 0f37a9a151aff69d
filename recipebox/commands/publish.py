"""Publish a signed package to the registry."""

from pathlib import Path

import click

from recipebox.invocation import Invocation
from recipebox.output import human_size
from recipebox.prompts import folder_argument, pass_invocation


@click.command("publish")
@folder_argument
@click.option("--dry-run", is_flag=True, help="Check everything, and send nothing.")
@pass_invocation
def command(invocation: Invocation, folder: Path, *, dry_run: bool) -> None:
    """Publish the signed package in DIR.

    Publishing the same bytes again is a success; what was sent before a break isn't sent again.
    Other bytes under a version that is listed are refused (exit code 5).

    \b
    Examples:
      recipebox publish build
      recipebox publish build --dry-run --json

    \b
    JSON: {name, version, digest, url, receipt, revision, blobs, sent_blobs, size, proof: BOOL,
           documents: [names]}
          or, with --dry-run, {name, version, digest, blobs, size, proof, documents, dry_run: true}
    """  # noqa: D301 - \b is click's
    done = invocation.client.publish(folder, dry_run=dry_run)
    output = invocation.output
    output.result(done)
    if dry_run:
        output.say(
            f"would publish {done['name']} {done['version']}: {done['blobs']} blobs, "
            f"{human_size(done['size'])}"
        )
    else:
        output.say(f"published {done['name']} {done['version']}", "good")
    output.say(f"  {done['digest']}")
    if not done["proof"]:
        output.say("  without a proof that it runs")
    if not dry_run:
        output.say(f"  {done['url']}")
