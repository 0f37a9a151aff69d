"""Look at the cache, and clean it."""

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from recipebox.invocation import Invocation
from recipebox.output import human_size
from recipebox.prompts import confirm, pass_invocation, read_duration, yes_option

if TYPE_CHECKING:
    from recipebox.cache import Cache, Usage


@click.group("cache")
def command() -> None:
    """Look at the cache of blobs, wheels and index answers, and clean it.

    Everything in it is verified when it is read, and can be had again: cleaning loses nothing but
    time, and what --offline needs.
    """


@command.command("info")
@pass_invocation
def info(invocation: Invocation) -> None:
    """Say where the cache is, and how large.

    \b
    JSON: {path, files, size}
    """  # noqa: D301 - \b is click's
    cache = invocation.cache
    _tell(invocation, cache, cache.usage(), "holds")


@command.command("prune")
@click.option(
    "--older-than",
    type=read_duration,
    default="30d",
    show_default=True,
    help="Remove what nobody has read for so long.",
)
@pass_invocation
def prune(invocation: Invocation, older_than: timedelta) -> None:
    """Remove what has not been read for a while.

    \b
    JSON: {path, files, size} of what was removed
    """  # noqa: D301 - \b is click's
    cache = invocation.cache
    _tell(invocation, cache, cache.prune(older_than.total_seconds()), "lost")


@command.command("clear")
@yes_option
@pass_invocation
def clear(invocation: Invocation, *, yes: bool) -> None:
    """Remove everything.

    \b
    JSON: {path, files, size} of what was removed
    """  # noqa: D301 - \b is click's
    cache = invocation.cache
    confirm(f"Remove everything in {cache.root}?", yes=yes)
    _tell(invocation, cache, cache.clear(), "lost")


def _tell(invocation: Invocation, cache: "Cache", usage: "Usage", verb: str) -> None:
    invocation.output.result({"path": str(cache.root), "files": usage.files, "size": usage.size})
    invocation.output.say(f"{cache.root} {verb} {usage.files} files, {human_size(usage.size)}")
