"""Log in to a registry: check a token, and keep it."""

import sys

import click

from recipebox.errors import Misuse
from recipebox.invocation import Invocation
from recipebox.prompts import pass_invocation


@click.command("login")
@click.argument("address", metavar="[URL]", required=False)
@click.option("--token-stdin", is_flag=True, help="Read the token from standard input.")
@pass_invocation
def command(invocation: Invocation, address: str | None, *, token_stdin: bool) -> None:
    """Keep a token for the registry at URL, after asking the registry who it is.

    The token is RECIPEBOX_TOKEN, or read from standard input, or asked for. It is kept in the
    system's keyring where there is one, else in a file that only you can read.

    \b
    Examples:
      recipebox login https://recipes.example.org
      pass show recipebox | recipebox login https://recipes.example.org --token-stdin

    \b
    JSON: {url, name, role, namespace, kept_in}
    """  # noqa: D301 - \b is click's
    if address:
        invocation.set("url", address)
    client = invocation.client
    url = client.url
    who, kept_in = client.login(_read_token(invocation, url, from_stdin=token_stdin))
    invocation.output.result({"url": url, **who, "kept_in": kept_in})
    where = f" in {who['namespace']}" if who.get("namespace") else ""
    invocation.output.say(f"logged in to {url} as {who['name']} ({who['role']}{where})", "good")
    invocation.output.note(f"the token is kept in {kept_in}")


def _read_token(invocation: Invocation, url: str, *, from_stdin: bool) -> str:
    if from_stdin:
        token = sys.stdin.readline().strip()
    elif given := invocation.settings.text("token"):
        token = given
    elif sys.stdin.isatty():
        token = str(click.prompt(f"Token for {url}", hide_input=True, err=True)).strip()
    else:
        token = ""
    if not token:
        raise Misuse("no token was given", hint="--token-stdin, or RECIPEBOX_TOKEN")
    return token
