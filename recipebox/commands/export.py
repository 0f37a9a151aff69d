"""Export packages with all that they need into one file, for an air gap."""

from pathlib import Path

import click

from recipebox.errors import Conflicting, Misuse
from recipebox.invocation import Invocation
from recipebox.output import human_size
from recipebox.prompts import pass_invocation


@click.command("export")
@click.argument("requirements", metavar="[NS/NAME[@RANGE]]...", nargs=-1)
@click.option("-o", "--output", "path", metavar="FILE", required=True, help="`-` is stdout.")
@click.option("--lock", "lockfile", metavar="LOCKFILE", help="Export what this lock pins.")
@click.option("--replace", is_flag=True, help="Replace FILE where it is there.")
@click.option("--pre", is_flag=True, help="Take prereleases, too.")
@pass_invocation
def command(
    invocation: Invocation,
    requirements: tuple[str, ...],
    path: str,
    *,
    lockfile: str | None,
    replace: bool,
    pre: bool,
) -> None:
    """Export packages, with all that they require, into FILE: an OCI image layout in a tar.

    It holds the releases, their wheels for every platform, their signatures and receipts, whatever
    else refers to them, the lock, and the public keys. Every release is verified first. The same
    lock gives the same bytes. `recipebox import` reads it; oras and skopeo do too.

    \b
    Examples:
      recipebox export team/etl@^1.2 -o etl.tar
      recipebox export --lock recipebox.lock -o - | ssh gap 'cat > etl.tar'

    \b
    JSON: {path, size, sha256, registry, packages: [{name, version, digest}]}
    """  # noqa: D301 - \b is click's
    from resolver.lock import Lock

    if bool(requirements) == bool(lockfile):
        raise Misuse("export packages, or a lock", hint="give NS/NAME, or --lock LOCKFILE")
    if path == "-" and invocation.output.json:
        raise Misuse("--json and the file can't both be on stdout", hint="give -o FILE")
    if path != "-" and Path(path).exists() and not replace:
        raise Conflicting(f"{path}: it is there already", hint="replace it with --replace")
    client = invocation.client
    if lockfile:
        lock = Lock.loads(invocation.read_text(lockfile))
    else:
        lock = client.lock(requirements, allow_prereleases=pre)
    done = client.export(lock, path)
    output = invocation.output
    output.result(
        {
            "path": path,
            "size": done.size,
            "sha256": done.digest.hex,
            "registry": client.url,
            "packages": [
                {"name": str(each.name), "version": str(each.version), "digest": str(each.digest)}
                for each in lock.packages
            ],
        }
    )
    tell = output.note if path == "-" else output.say
    for each in lock.packages:
        tell(f"exported {each.name} {each.version}", "good")
    tell(f"  {path}: {human_size(done.size)}, sha256 {done.digest.hex}")
