"""Create namespaces, and name the keys that may sign in them."""

import click

from recipebox.invocation import Invocation
from recipebox.prompts import pass_invocation


@click.group("namespace")
def command() -> None:
    """Create namespaces, and name the keys that may sign in them."""


@command.command("create")
@click.argument("name", metavar="NS")
@click.option("--public", is_flag=True, help="Everybody may read it.  Default: private.")
@pass_invocation
def create(invocation: Invocation, name: str, *, public: bool) -> None:
    """Create a namespace; it is yours.

    \b
    Examples:
      recipebox namespace create team --public

    \b
    JSON: {name, public, owner, created}
    """  # noqa: D301 - \b is click's
    made = invocation.client.create_namespace(name, public=public)
    invocation.output.result(made)
    invocation.output.say(f"created {name}, {'public' if made['public'] else 'private'}", "good")
    invocation.output.note(f"next: recipebox key export | recipebox namespace key add {name} -")


@command.command("list")
@pass_invocation
def list_namespaces(invocation: Invocation) -> None:
    """List the namespaces that you may see.

    \b
    JSON: {namespaces: [{name, public, owner, created}]}
    """  # noqa: D301 - \b is click's
    found = invocation.client.namespaces()
    invocation.output.result({"namespaces": found})
    invocation.output.table(
        [
            [each["name"], "public" if each["public"] else "private", str(each["owner"])]
            for each in found
        ]
    )


@command.group("key")
def key() -> None:
    """Name the public keys whose signatures count in a namespace."""


@key.command("add")
@click.argument("name", metavar="NS")
@click.argument("path", metavar="FILE")
@click.option(
    "--role",
    "roles",
    type=click.Choice(["release", "promote"]),
    multiple=True,
    help="What it may sign; may be given again.  Default: both.",
)
@pass_invocation
def add(invocation: Invocation, name: str, path: str, roles: tuple[str, ...]) -> None:
    """Add the armoured public key in FILE (`-` is stdin) to the namespace NS.

    \b
    Examples:
      recipebox key export | recipebox namespace key add team -

    \b
    JSON: {fingerprint, user_ids, roles, algorithm, created, expires, added, added_by}
    """  # noqa: D301 - \b is click's
    made = invocation.client.add_namespace_key(
        name, invocation.read_text(path), roles or ("release", "promote")
    )
    invocation.output.result(made)
    invocation.output.say(
        f"{made['fingerprint']} may sign in {name}: {', '.join(made['roles'])}", "good"
    )


@key.command("list")
@click.argument("name", metavar="NS")
@pass_invocation
def list_keys(invocation: Invocation, name: str) -> None:
    """List the keys that may sign in the namespace NS.

    \b
    JSON: {keys: [{fingerprint, user_ids, roles, algorithm, created, expires, added, added_by}]}
    """  # noqa: D301 - \b is click's
    found = invocation.client.namespace_keys(name)
    invocation.output.result({"keys": found})
    invocation.output.table(
        [
            [each["fingerprint"], ", ".join(each["roles"]), ", ".join(each["user_ids"])]
            for each in found
        ]
    )
