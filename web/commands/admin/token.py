"""`recipebox admin token`: make, list and revoke tokens."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from web.commands.admin.common import opened_registry, print_table, read_duration
from web.commands.common import json_option, print_json, setting_options, wants_json

if TYPE_CHECKING:
    from registry.tokens import Token

_HEADINGS = ("ID", "NAME", "ROLE", "NAMESPACE", "VERBS", "CREATED", "ENDS")
_ROLES = ("admin", "publisher", "promoter", "reader")
# What a person would narrow a token to; registry.access.Verb says what each is.
_VERBS = (
    "pull",
    "push",
    "attach",
    "delete",
    "see_staged",
    "admit",
    "yank",
    "own",
    "bundle",
    "promote",
    "administer",
)


@click.group("token")
def token() -> None:
    """Make, list and revoke tokens."""


@token.command("create")
@setting_options("data", "database")
@click.option("--name", required=True, help="Whose token: a person, or a CI job.")
@click.option("--role", required=True, type=click.Choice(_ROLES), help="What it may do at most.")
@click.option("--namespace", metavar="NS", help="Hold it to one namespace.  Default: every one.")
@click.option(
    "--verb",
    "verbs",
    multiple=True,
    type=click.Choice(_VERBS),
    help="Hold it to this of what the role may; may be repeated.  Default: all of it.",
)
@click.option("--expires", type=read_duration, metavar="30d", help="When it ends.  Default: never.")
@json_option
@click.pass_context
def create(
    ctx: click.Context,
    /,
    *,
    name: str,
    role: str,
    namespace: str | None,
    verbs: tuple[str, ...],
    expires: timedelta | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Make a token, and print it, once.

    \b
    Examples:
      recipebox admin token create --data DIR --name ada --role publisher --namespace team
      recipebox admin token create --data DIR --name ci --role promoter --expires 90d
      recipebox admin token create --data DIR --name ci --role publisher --verb pull --verb push
    """  # noqa: D301 - \b is click's
    as_json = wants_json(ctx, as_json)
    with opened_registry(flags, as_json=as_json, may_be_new=True) as registry:
        from registry.access import Role, Verb

        narrowed = [Verb(verb) for verb in verbs] if verbs else None
        made = registry.tokens.create(name, Role(role), namespace, expires, verbs=narrowed)
        if as_json:
            print_json({"token": made.text, **_draw(made.token)})
        else:
            click.echo(made.text)


@token.command("list")
@setting_options("data", "database")
@json_option
@click.pass_context
def list_tokens(ctx: click.Context, /, *, as_json: bool, **flags: Any) -> None:
    """List tokens: whose, what they may do, and until when. Their secrets are kept nowhere."""
    as_json = wants_json(ctx, as_json)
    with opened_registry(flags, as_json=as_json, may_be_new=True) as registry:
        tokens = registry.tokens.all()
        if as_json:
            print_json({"tokens": [_draw(entry) for entry in tokens]})
            return
        print_table([_HEADINGS, *(_row(entry) for entry in tokens)])


@token.command("revoke")
@click.argument("token_id", metavar="ID")
@setting_options("data", "database")
@json_option
@click.pass_context
def revoke(ctx: click.Context, /, *, token_id: str, as_json: bool, **flags: Any) -> None:
    """End the token ID at once, and the browser sessions that began with it."""
    as_json = wants_json(ctx, as_json)
    with opened_registry(flags, as_json=as_json, may_be_new=True) as registry:
        revoked = registry.tokens.revoke(token_id)
        if as_json:
            print_json(_draw(revoked))
        else:
            click.echo(f"revoked {revoked.id} ({revoked.name})")


def _draw(entry: "Token") -> dict[str, Any]:
    from web.api.drawn import draw_token

    return draw_token(entry)


def _row(entry: "Token") -> tuple[str, ...]:
    drawn = _draw(entry)
    ends = drawn["expires"] or "never"
    if drawn["revoked"]:
        ends = f"revoked {drawn['revoked']}"
    namespace = drawn["namespace"] or "every"
    verbs = "all" if drawn["verbs"] is None else ",".join(drawn["verbs"])
    return (entry.id, entry.name, entry.role.value, namespace, verbs, drawn["created"], ends)
