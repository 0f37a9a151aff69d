"""Forget the token for a registry."""

import click

from recipebox.invocation import Invocation
from recipebox.prompts import pass_invocation


@click.command("logout")
@click.argument("address", metavar="[URL]", required=False)
@pass_invocation
def command(invocation: Invocation, address: str | None) -> None:
    """Forget the token that is kept for the registry at URL, by default the last one.

    \b
    JSON: {url, had_token}
    """  # noqa: D301 - \b is click's
    if address:
        invocation.set("url", address)
    client = invocation.client
    url = client.url
    had_token = client.logout()
    invocation.output.result({"url": url, "had_token": had_token})
    said = "logged out of" if had_token else "no token was kept for"
    invocation.output.say(f"{said} {url}")
