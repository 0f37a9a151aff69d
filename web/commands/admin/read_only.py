"""`recipebox admin read-only`: let nothing be written for a while, and say why."""

from typing import TYPE_CHECKING, Any

import click

from web.commands.admin.common import opened_registry
from web.commands.common import json_option, print_json, setting_options, wants_json

if TYPE_CHECKING:
    from registry.switches import ReadOnlyMode


@click.group("read-only")
def read_only() -> None:
    """Let nothing be written while servers run: pulls go on.

    Every push, delete and change is refused with the reason, at once and by every process, and
    nothing is swept. What this command's own machine does by `recipebox admin` still works.
    """


@read_only.command("on")
@setting_options("data", "database")
@click.option("--reason", required=True, help="Why, and until when: clients show it.")
@json_option
@click.pass_context
def on(ctx: click.Context, /, *, reason: str, as_json: bool, **flags: Any) -> None:
    """Refuse every write from now on. Ends when those that were under way are done.

    \b
    Examples:
      recipebox admin read-only on --data DIR --reason "moving to the new disk until 14:00"
    """  # noqa: D301 - \b is click's
    _turn(ctx, reason, as_json=as_json, flags=flags)


@read_only.command("off")
@setting_options("data", "database")
@json_option
@click.pass_context
def off(ctx: click.Context, /, *, as_json: bool, **flags: Any) -> None:
    """Let everything be written again."""
    _turn(ctx, None, as_json=as_json, flags=flags)


@read_only.command("status")
@setting_options("data", "database")
@json_option
@click.pass_context
def status(ctx: click.Context, /, *, as_json: bool, **flags: Any) -> None:
    """Say whether anything can be written, and if not, why, since when, and who said so."""
    as_json = wants_json(ctx, as_json)
    with opened_registry(flags, as_json=as_json) as registry:
        _show(registry.switches.read_only(), as_json=as_json)


def _turn(ctx: click.Context, reason: str | None, *, as_json: bool, flags: dict[str, Any]) -> None:
    as_json = wants_json(ctx, as_json)
    with opened_registry(flags, as_json=as_json) as registry:
        registry.switches.turn_read_only(reason)
        _show(registry.switches.read_only(), as_json=as_json)


def _show(mode: "ReadOnlyMode | None", *, as_json: bool) -> None:
    if as_json:
        since = mode.since.isoformat() if mode and mode.since else None
        drawn = {"reason": mode.reason, "since": since, "by": mode.by} if mode else {}
        print_json({"read_only": mode is not None, **drawn})
    elif mode is None:
        click.echo("off: everything can be written")
    elif mode.since is None:
        click.echo(f"on: {mode.reason}")
    else:
        click.echo(f"on since {mode.since:%Y-%m-%d %H:%M:%S} UTC, by {mode.by}: {mode.reason}")
