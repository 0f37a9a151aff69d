"""Verify a package on disk: every file, and who signed it."""

from pathlib import Path

import click

from recipebox.invocation import Invocation
from recipebox.prompts import folder_argument, pass_invocation


@click.command("verify")
@folder_argument
@pass_invocation
def command(invocation: Invocation, folder: Path) -> None:
    """Verify what is in DIR: each file as it was signed, each signer pinned.

    Unpacked wheels are compared with the wheels that were signed, downloaded if not cached.

    Where DIR has a recipebox.lock, every package that it pins must be there, with that digest.

    \b
    Examples:
      recipebox verify here
      recipebox verify here/team/etl-1.2.3 --offline

    \b
    JSON: {packages: [{name, version, digest, signers, files, path, proof: BOOL,
           documents: [names]}]}
    """  # noqa: D301 - \b is click's
    verified = invocation.client.verify(folder)
    invocation.output.result(
        {
            "packages": [
                {
                    "name": each.name,
                    "version": each.version,
                    "digest": str(each.digest),
                    "signers": list(each.signers),
                    "files": each.files,
                    "path": str(each.path),
                    "proof": each.has_proof,
                    "documents": list(each.documents),
                }
                for each in verified
            ]
        }
    )
    for each in verified:
        invocation.output.say(
            f"verified {each.name} {each.version}: {each.files} files, as signed by "
            f"{', '.join(each.signers)}",
            "good",
        )
        evidence = [*(["a proof that it runs"] if each.has_proof else []), *each.documents]
        found = ", ".join(evidence) or "no proof that it runs, and no documents"
        invocation.output.say(f"  with {found}")
