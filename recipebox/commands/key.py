"""Make, list and export GPG keys in your own keyring."""

import os
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from recipebox.errors import Misuse
from recipebox.invocation import Invocation
from recipebox.prompts import pass_invocation, read_duration

if TYPE_CHECKING:
    from signing.key import KeyInfo

_USER_ID = re.compile(r"\s*(?P<name>[^<>]+?)\s*<(?P<email>[^<>]+)>\s*")


@click.group("key")
def command() -> None:
    """Make, list and export the GPG keys that you sign with.

    They stay in your own GnuPG keyring; a secret key is never sent anywhere.
    """


@command.command("new")
@click.argument("user_id", metavar='"NAME <EMAIL>"')
@click.option(
    "--algorithm",
    type=click.Choice(["ed25519", "rsa3072", "rsa4096"]),
    default="ed25519",
    show_default=True,
    help="What kind of key.",
)
@click.option(
    "--expires", type=read_duration, default="2y", show_default=True, help="When it ends, as 90d."
)
@click.option("--no-passphrase", is_flag=True, help="Leave the secret key unprotected.")
@pass_invocation
def new(
    invocation: Invocation,
    user_id: str,
    algorithm: str,
    expires: timedelta,
    *,
    no_passphrase: bool,
) -> None:
    """Make a key in your GnuPG keyring, to sign releases and bundles with.

    The passphrase is asked for, or taken from RECIPEBOX_SIGNING_PASSPHRASE.

    \b
    Examples:
      recipebox key new "Ada Author <ada@example.org>"

    \b
    JSON: {fingerprint, user_ids, algorithm, created, expires, secret}
    """  # noqa: D301 - \b is click's
    from signing.keyring import Keyring

    matched = _USER_ID.fullmatch(user_id)
    if matched is None:
        raise click.BadParameter("expected 'NAME <EMAIL>'", param_hint='"NAME <EMAIL>"')
    passphrase = None if no_passphrase else _passphrase(invocation)
    place = os.environ.get("GNUPGHOME") or "your GnuPG keyring (~/.gnupg)"
    protected = "without" if passphrase is None else "with"
    invocation.output.note(f"making an {algorithm} key {protected} a passphrase in {place}")
    made = Keyring().create_key(
        matched["name"],
        matched["email"],
        passphrase=passphrase,
        algorithm=algorithm,
        expires=datetime.now(UTC) + expires,
    )
    invocation.output.result(_draw(made))
    invocation.output.say(made.fingerprint)
    invocation.output.note("next: recipebox key export | recipebox namespace key add NAMESPACE -")


@command.command("list")
@pass_invocation
def list_keys(invocation: Invocation) -> None:
    """List the keys that you can sign with.

    \b
    JSON: {keys: [{fingerprint, user_ids, algorithm, created, expires, secret}]}
    """  # noqa: D301 - \b is click's
    from signing.keyring import Keyring

    keys = Keyring().list_keys(secret=True)
    invocation.output.result({"keys": [_draw(key) for key in keys]})
    if not keys:
        invocation.output.note('none yet; make one: recipebox key new "NAME <EMAIL>"')
    invocation.output.table(
        [[key.fingerprint, key.algorithm, ", ".join(key.user_ids)] for key in keys]
    )


@command.command("export")
@click.argument("key", metavar="[KEY]", required=False)
@click.option("-o", "--output", "path", default="-", metavar="FILE", help="`-` is stdout.")
@pass_invocation
def export(invocation: Invocation, key: str | None, path: str) -> None:
    """Export the public half of KEY (a fingerprint, or part of a user ID), armoured.

    Without KEY it is your only secret key's.

    \b
    Examples:
      recipebox key export | recipebox namespace key add team -

    \b
    JSON: {fingerprint, armored}
    """  # noqa: D301 - \b is click's
    from recipebox.publishing import only_secret_key
    from signing.keyring import Keyring

    keyring = Keyring()
    wanted = key or invocation.settings.text("signing_fingerprint") or only_secret_key(keyring)
    fingerprint = keyring.get_key(wanted).fingerprint
    armored = keyring.export_public(fingerprint)
    invocation.output.result({"fingerprint": fingerprint, "armored": armored})
    if path != "-":
        invocation.write_text(path, armored)
    elif not invocation.output.json:
        click.echo(armored, nl=False)


def _passphrase(invocation: Invocation) -> str:
    given = invocation.settings.text("signing_passphrase")
    if given:
        return given
    if not sys.stdin.isatty():
        raise Misuse(
            "nobody is here to type a passphrase",
            hint="set RECIPEBOX_SIGNING_PASSPHRASE, or give --no-passphrase",
        )
    typed: str = click.prompt(
        "Passphrase for the new key", hide_input=True, confirmation_prompt=True, err=True
    )
    return typed


def _draw(key: "KeyInfo") -> dict[str, Any]:
    return {
        "fingerprint": key.fingerprint,
        "user_ids": list(key.user_ids),
        "algorithm": key.algorithm,
        "created": key.created.isoformat(),
        "expires": None if key.expires is None else key.expires.isoformat(),
        "secret": key.secret,
    }
