"""Import a file that `export` wrote: into the registry, or into a folder."""
# ruff: noqa: N999 - a command's file has the command's name, and nobody imports it by a statement

from pathlib import Path

import click

from recipebox.errors import Misuse
from recipebox.invocation import Invocation
from recipebox.prompts import pass_invocation


@click.command("import")
@click.argument("path", metavar="FILE")
@click.option(
    "--to",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Lay the packages out here, as `fetch` does; no registry is asked.",
)
@click.option("--replace", is_flag=True, help="With --to: replace what is there and differs.")
@click.option("--dry-run", is_flag=True, help="Read and check everything, and change nothing.")
@pass_invocation
def command(
    invocation: Invocation, path: str, *, to: Path | None, replace: bool, dry_run: bool
) -> None:
    """Import FILE (`-` is stdin), which `recipebox export` wrote, into the registry or a folder.

    Into the registry everything is pushed byte for byte, with the signatures that it came with; it
    admits each release by the keys of its own namespaces, as for `publish`.

    With --to the packages are verified by the keys that this machine trusts, and laid out. Nobody
    is trusted for having signed what came along: `recipebox trust add` first. The registry whose
    pins count is the one that is named (RECIPEBOX_URL), or else the one that FILE is from.

    \b
    Examples:
      recipebox import etl.tar
      recipebox import etl.tar --to here && recipebox run here

    \b
    JSON: {registry, out, dry_run, packages: [{name, version, digest, path, is_new | url}]}
    """  # noqa: D301 - \b is click's
    if replace and to is None:
        raise Misuse("--replace goes with --to", hint="a registry replaces nothing")
    done = invocation.client.import_archive(path, to=to, replace=replace, dry_run=dry_run)
    output = invocation.output
    output.result(
        {
            "registry": done.registry,
            "out": None if to is None else str(to),
            "dry_run": dry_run,
            "packages": done.packages,
        }
    )
    for each in done.packages:
        said = "would import" if dry_run else "imported"
        output.say(f"{said} {each['name']} {each['version']}", "good")
        if each.get("path") or each.get("url"):
            output.say(f"  {each.get('path') or each.get('url')}")
