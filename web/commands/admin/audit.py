"""`recipebox admin audit`: who did what."""

from typing import Any

import click

from web.commands.admin.common import opened_registry, print_table, read_duration
from web.commands.common import json_option, print_json, setting_options, wants_json

_HEADINGS = ("TIME", "ACTOR", "ROLE", "ACTION", "TARGET")


@click.command("audit")
@setting_options("data", "database")
@click.option("--since", metavar="30d", help="No older than this.  Default: however old.")
@click.option(
    "--actor", metavar="NAME", help="What this principal did; 'operator' is on the machine."
)
@click.option(
    "--action", metavar="ACTION", help="Such as tag.move, or all that begins with 'tag.'."
)
@click.option("--target", metavar="TARGET", help="Such as team/etl, with all that is in it.")
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=100,
    show_default=True,
    help="The last so many.",
)
@json_option
@click.pass_context
def audit(
    ctx: click.Context,
    /,
    *,
    since: str | None,
    actor: str | None,
    action: str | None,
    target: str | None,
    limit: int,
    as_json: bool,
    **flags: Any,
) -> None:
    """Show who did what, oldest first. What was refused isn't in it; the log has that.

    \b
    Examples:
      recipebox admin audit --data DIR --since 7d --action tag.
      recipebox admin audit --data DIR --target team --json
    """  # noqa: D301 - \b is click's
    as_json = wants_json(ctx, as_json)
    span = None if since is None else read_duration(since)
    with opened_registry(flags, as_json=as_json) as registry:
        from registry.clock import rfc3339

        entries = registry.audit.entries(
            since=span, actor=actor, action=action, target=target, limit=limit
        )
        if as_json:
            drawn = [
                {
                    "time": rfc3339(entry.at),
                    "actor": entry.actor,
                    "role": entry.role or None,
                    "proof": entry.proof,
                    "action": entry.action,
                    "target": entry.target,
                    "detail": dict(entry.detail),
                }
                for entry in entries
            ]
            print_json({"entries": drawn})
            return
        rows = [
            (rfc3339(entry.at), entry.actor, entry.role, entry.action, entry.target)
            for entry in entries
        ]
        print_table([_HEADINGS, *rows])
