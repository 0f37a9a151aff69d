"""`recipebox admin sweep`: remove what nothing reaches."""

import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from web.commands.admin.common import opened_registry, read_duration
from web.commands.common import (
    FAILED,
    STORE_SETTINGS,
    json_option,
    print_json,
    setting_options,
    wants_json,
)

if TYPE_CHECKING:
    from registry.assembly import Registry
    from registry.sweep import Candidate, Swept

_PLURALS = {
    "upload": "uploads",
    "manifest": "manifests",
    "link": "links",
    "blob": "blobs",
    "bytes": "leftovers",
}


def read_grace(text: str) -> int:
    """Return the seconds of a time span such as `12h`, or of `0`.

    Raises:
        click.BadParameter: it is something else.
    """
    return 0 if text == "0" else int(read_duration(text).total_seconds())


@click.command("sweep")
@setting_options("data", "database", *STORE_SETTINGS)
@click.option("--dry-run", is_flag=True, help="Say what would go and why, and change nothing.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="Look at so many things at most.  Default: at all that are due.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=1),
    metavar="N",
    help="Look at, and delete, so many things a second at most.  Default: as is polite.",
)
@click.option(
    "--grace",
    type=read_grace,
    metavar="12h",
    help="Another time from the last touch than `sweep_grace`; 0 takes what was pushed just now.",
)
@json_option
@click.pass_context
def sweep(
    ctx: click.Context,
    /,
    *,
    dry_run: bool,
    limit: int | None,
    rate: float | None,
    grace: int | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Remove what no tag, release, bundle or channel reaches, after its grace.

    Works while the server runs, which is not slowed down, and may be stopped at any time: the next
    sweep goes on. The server sweeps by itself too (`sweep_every`). What is removed is a manifest,
    a repository's link to a blob, then the blob and its bytes; each waits for the grace anew, since
    a client may just have seen that it is there.

    \b
    Examples:
      recipebox admin sweep --data DIR --dry-run
      recipebox admin sweep --data DIR --rate 100
      recipebox admin sweep --data DIR --grace 0
    """  # noqa: D301 - \b is click's
    as_json = wants_json(ctx, as_json)
    with opened_registry(flags, as_json=as_json) as registry:
        if dry_run:
            _preview(registry, limit, grace, as_json=as_json)
            return
        from registry.sweep import Pace

        done = registry.sweep.run(Pace(limit=limit, rate=rate, grace=grace, told=_tell))
    _clear()
    if as_json:
        print_json(_draw(done))
    else:
        _say(done)
    if done.failed:
        raise click.exceptions.Exit(FAILED)


def _preview(registry: "Registry", limit: int | None, grace: int | None, *, as_json: bool) -> None:
    counts: Counter[str] = Counter()
    size = 0
    drawn = []
    for each in registry.sweep.preview(grace):
        if limit is not None and counts.total() >= limit:
            break
        counts[each.kind] += 1
        size += each.size if each.kind in {"blob", "bytes"} else 0
        if as_json:
            drawn.append(_draw_candidate(each))
        else:
            said = f"{each.size} bytes, " if each.size else ""
            since = f"{each.since:%Y-%m-%dT%H:%M:%SZ}"
            click.echo(f"{each.kind} {each.name} ({said}{each.reason}, {since})")
    if as_json:
        print_json({"would_remove": drawn, "counts": dict(counts), "bytes": size})
    else:
        click.echo(f"Would remove {_count(counts)}: {size} bytes.")


def _draw_candidate(each: "Candidate") -> dict[str, Any]:
    from registry.clock import rfc3339

    return {
        "kind": each.kind,
        "name": each.name,
        "size": each.size,
        "reason": str(each.reason),
        "since": rfc3339(each.since),
    }


def _draw(done: "Swept") -> dict[str, Any]:
    return {
        "reviewed": done.reviewed,
        "kept": done.kept,
        "manifests": done.manifests,
        "links": done.links,
        "blobs": done.blobs,
        "bytes": done.bytes_freed,
        "uploads": done.uploads,
        "failed": done.failed,
        "done": done.is_done,
    }


def _say(done: "Swept") -> None:
    counts = Counter(
        {
            "manifest": done.manifests,
            "link": done.links,
            "blob": done.blobs,
            "upload": done.uploads,
        }
    )
    click.echo(
        f"Looked at {done.reviewed}, kept {done.kept}; "
        f"removed {_count(counts)}: {done.bytes_freed} bytes."
    )
    for location, reason in done.failed.items():
        click.echo(f"The bytes at {location} could not be deleted yet: {reason}", err=True)
    if not done.is_done:
        click.echo("There is more: the next sweep goes on.")


def _count(counts: Counter[str]) -> str:
    words = [f"{counts[kind]} {plural}" for kind, plural in _PLURALS.items() if counts[kind]]
    return ", ".join(words) or "nothing"


def _tell(done: "Swept") -> None:
    if sys.stderr.isatty():
        said = f"{done.reviewed} looked at, {done.blobs} blobs gone, {done.bytes_freed} bytes"
        click.echo(f"\r\033[K{said}", nl=False, err=True)


def _clear() -> None:
    if sys.stderr.isatty():
        click.echo("\r\033[K", nl=False, err=True)
