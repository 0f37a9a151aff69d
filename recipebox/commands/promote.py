"""Promote a lock's bundle to a channel of an application."""

import click

from recipebox.commands.bundle import image_option
from recipebox.errors import Misuse
from recipebox.invocation import Invocation
from recipebox.prompts import pass_invocation


@click.command("promote")
@click.argument("application", metavar="NS/APP")
@click.option("--lock", "lock_path", metavar="FILE", help="Make a bundle of this lock; `-`: stdin.")
@click.option("--bundle", metavar="DIGEST", help="Promote a bundle that is there.")
@click.option("--to", "channel", required=True, metavar="CHANNEL", help="dev, staging, production.")
@click.option(
    "--key",
    metavar="KEY",
    help="Fingerprint of the key.  [env: RECIPEBOX_SIGNING_FINGERPRINT]",
)
@image_option
@pass_invocation
def command(  # noqa: PLR0917 - click gives each option its own
    invocation: Invocation,
    application: str,
    lock_path: str | None,
    bundle: str | None,
    channel: str,
    key: str | None,
    images: tuple[str, ...],
) -> None:
    """Promote to a channel: by a lock (and images), or by the digest of a bundle.

    The server makes the bundle of a lock and images; it is compared with them here, signed with
    your key, and then the channel points to it. The first promotion creates the application. Where
    somebody else promoted meanwhile, nothing is changed (exit code 5).

    \b
    Examples:
      recipebox promote team/shop --lock recipebox.lock --to dev
      recipebox promote team/shop --bundle sha256:… --to staging

    \b
    JSON: {application, channel, bundle, previous, record, packages: {name: version}}
    """  # noqa: D301 - \b is click's
    if bool(lock_path) == bool(bundle):
        raise Misuse("promote a lock, or a bundle", hint="give --lock FILE or --bundle DIGEST")
    if key:
        invocation.set("signing_fingerprint", key)
    text = invocation.read_text(lock_path) if lock_path else None
    done = invocation.client.promote(application, channel, lock=text, bundle=bundle, images=images)
    output = invocation.output
    output.result(
        {
            "application": done.application,
            "channel": done.channel,
            "bundle": str(done.bundle),
            "previous": None if done.previous is None else str(done.previous),
            "record": str(done.record),
            "packages": done.packages,
        }
    )
    output.say(f"{done.application} {done.channel} is now {done.bundle}", "good")
    for name, version in sorted(done.packages.items()):
        output.say(f"  {name} {version}")
    output.note(f"record: {done.record}")
