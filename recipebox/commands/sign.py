"""Sign a packed recipe with your GPG key."""

from pathlib import Path

import click

from recipebox.invocation import Invocation
from recipebox.prompts import folder_argument, pass_invocation


@click.command("sign")
@folder_argument
@click.option(
    "--key",
    metavar="KEY",
    help="Fingerprint of the key.  [env: RECIPEBOX_SIGNING_FINGERPRINT]",
)
@pass_invocation
def command(invocation: Invocation, folder: Path, key: str | None) -> None:
    """Sign the package in DIR: what `pack --out DIR` made, or one tree in it.

    Writes metadata/release.json, signature.asc and signatures/FINGERPRINT.asc, and signs the proof
    and the list of documents in DIR/evidence, where they are about what is signed.

    In CI the key may
    come as RECIPEBOX_SIGNING_KEY (an armoured secret key) with RECIPEBOX_SIGNING_PASSPHRASE.

    \b
    Examples:
      recipebox sign build
      gpg --verify metadata/signature.asc metadata/release.json

    \b
    JSON: {name, version, digest, signer, path, evidence: [kinds]}
    """  # noqa: D301 - \b is click's
    if key:
        invocation.set("signing_fingerprint", key)
    signed = invocation.client.sign(folder)
    invocation.output.result(
        {
            "name": signed.name,
            "version": signed.version,
            "digest": str(signed.digest),
            "signer": signed.signer,
            "path": str(signed.path),
            "evidence": list(signed.evidence),
        }
    )
    invocation.output.say(f"signed {signed.name} {signed.version} as {signed.signer}", "good")
    invocation.output.say(f"  {signed.digest}")
    if signed.is_left_out:
        invocation.output.warn(
            "warning: its proof and documents are about other bytes, and were left out: it was"
            " changed after it was packed; pack it again to have them"
        )
    elif "proof" not in signed.evidence:
        invocation.output.say("  without a proof that it runs (--no-run)")
