"""Fetch packages: solved, verified, and laid out at once."""

from pathlib import Path

import click

from recipebox.errors import Misuse
from recipebox.invocation import Invocation
from recipebox.prompts import pass_invocation


@click.command("fetch")
@click.argument("requirements", metavar="[NS/NAME[@RANGE]]...", nargs=-1)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Where to lay it out.",
)
@click.option("--frozen", metavar="LOCKFILE", help="Install only what this lock pins; `-`: stdin.")
@click.option("--bundle", metavar="REF", help="Fetch the releases of this bundle.")
@click.option(
    "--application", metavar="NS/APP", help="With --bundle: whose bundle it must be signed as."
)
@click.option(
    "--allow-unsigned", is_flag=True, help="With --bundle: even where its own signature is lost."
)
@click.option("--replace", is_flag=True, help="Replace what is there and differs.")
@click.option("--pre", is_flag=True, help="Take prereleases, too.")
@pass_invocation
def command(
    invocation: Invocation,
    requirements: tuple[str, ...],
    out: Path,
    frozen: str | None,
    *,
    bundle: str | None,
    application: str | None,
    allow_unsigned: bool,
    replace: bool,
    pre: bool,
) -> None:
    """Fetch packages with all that they require, verified before anything is visible.

    Every signature, receipt and file is checked; the first signer of a namespace that is ever
    seen is pinned and shown, and another one is refused afterwards (exit code 4). Nothing of what
    was fetched is run. A name that is reserved for another registry comes from there; a lock that
    says something else is refused. A bundle may lie in another registry, or in an OCI layout; what
    of it is fetched are its releases, with the wheels for its lock's platform.

    \b
    Examples:
      recipebox fetch team/etl@^1.2 --out here
      recipebox fetch --frozen recipebox.lock --out here --offline
      recipebox fetch --bundle team/shop:production --out here

    \b
    JSON: {out, revision, packages: [{name, version, digest, source: null or a URL, path, is_new,
           signers}]}
    """  # noqa: D301 - \b is click's
    from resolver.lock import Lock

    if [bool(requirements), bool(frozen), bool(bundle)].count(True) != 1:
        raise Misuse(
            "fetch packages, a lock, or a bundle",
            hint="give NS/NAME, --frozen LOCKFILE, or --bundle REF",
        )
    if not bundle and (application or allow_unsigned):
        raise Misuse("--application and --allow-unsigned are about a bundle", hint="give --bundle")
    client = invocation.client
    if bundle:
        lock, placed_trees = client.fetch_bundle(
            bundle,
            out,
            replace=replace,
            application=application,
            allow_unsigned=allow_unsigned,
        )
    elif frozen:
        lock = Lock.loads(invocation.read_text(frozen))
        placed_trees = client.fetch(lock, out, replace=replace)
    else:
        lock = client.lock(requirements, allow_prereleases=pre)
        placed_trees = client.fetch(lock, out, replace=replace)
    laid_out = {each.title: each for each in placed_trees}
    packages = []
    for package in lock.packages:
        placed = laid_out[f"{package.name}-{package.version}"]
        packages.append(
            {
                "name": str(package.name),
                "version": str(package.version),
                "digest": str(package.digest),
                "source": package.source,
                "path": str(placed.path),
                "is_new": placed.is_new,
                "signers": list(package.signers),
            }
        )
        said = "fetched" if placed.is_new else "kept"
        invocation.output.say(f"{said} {package.name} {package.version}", "good")
        invocation.output.say(f"  {placed.path}")
    invocation.output.result({"out": str(out), "revision": lock.revision, "packages": packages})
