"""`recipebox admin namespace`: list, show and set what is set for namespaces."""

import re
from typing import TYPE_CHECKING, Any

import click

from web.commands.admin.common import opened_registry, print_table
from web.commands.common import json_option, print_json, setting_options, wants_json

if TYPE_CHECKING:
    from registry.namespaces import Changes, Namespace

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY_UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}
_SIZE = re.compile(r"([0-9]{1,18})([KMGT]i?)?B?")
_HEADINGS = ("NAME", "PUBLIC", "OWNER", "USED", "QUOTA", "SPARSE", "IMMUTABLE TAGS")


def read_quota(text: str) -> int | None:
    """Return a number of bytes such as `10GiB`, `500MB` or `1024`; `none` is None.

    Raises:
        click.BadParameter: it is something else.
    """
    if text == "none":
        return None
    matched = _SIZE.fullmatch(text)
    if matched is None:
        raise click.BadParameter(f"{text!r} is not a size such as 10GiB or 500MB, nor 'none'")
    return int(matched[1]) * (_UNITS | _BINARY_UNITS)[matched[2] or ""]


def draw_size(size: int) -> str:
    """Return a number of bytes for people: the largest unit that it has one of, one decimal."""
    for unit, factor in reversed(_BINARY_UNITS.items()):
        if size >= factor:
            return f"{size / factor:.1f} {unit}B"
    return f"{size} B"


@click.group("namespace")
def namespace() -> None:
    """List, show and set what is set for namespaces: quotas, immutable tags and the like."""


@namespace.command("list")
@setting_options("data", "database")
@json_option
@click.pass_context
def list_namespaces(ctx: click.Context, /, *, as_json: bool, **flags: Any) -> None:
    """List namespaces: whose, what they use, and what is set for them."""
    as_json = wants_json(ctx, as_json)
    with opened_registry(flags, as_json=as_json) as registry:
        from registry.audit import OPERATOR

        _show(registry.namespaces.visible(OPERATOR), as_json=as_json)


@namespace.command("show")
@click.argument("name", metavar="NS")
@setting_options("data", "database")
@json_option
@click.pass_context
def show(ctx: click.Context, /, *, name: str, as_json: bool, **flags: Any) -> None:
    """Show what is set for the namespace NS, and what it uses."""
    as_json = wants_json(ctx, as_json)
    with opened_registry(flags, as_json=as_json) as registry:
        from registry.audit import OPERATOR

        _show_one(registry.namespaces.get(OPERATOR, name), as_json=as_json)


@namespace.command("set")
@click.argument("name", metavar="NS")
@setting_options("data", "database")
@click.option("--public/--private", default=None, help="Whether anyone may pull from it.")
@click.option("--quota", metavar="SIZE", help="How much it may use, such as 10GiB; or 'none'.")
@click.option(
    "--sparse/--no-sparse",
    default=None,
    help="Whether an index may name images that it doesn't hold.",
)
@click.option(
    "--immutable-tags",
    metavar="PATTERN",
    multiple=True,
    help="Hold tags like this where they are, such as 'v*'; may be repeated. '' for none.",
)
@json_option
@click.pass_context
def set_namespace(
    ctx: click.Context,
    /,
    *,
    name: str,
    public: bool | None,
    quota: str | None,
    sparse: bool | None,
    immutable_tags: tuple[str, ...],
    as_json: bool,
    **flags: Any,
) -> None:
    """Change what is set for the namespace NS; what isn't named stays as it is.

    A quota below what is used is allowed: nothing more is taken until there is room.

    \b
    Examples:
      recipebox admin namespace set team --data DIR --quota 10GiB
      recipebox admin namespace set team --data DIR --immutable-tags 'v*' --immutable-tags '1.*'
      recipebox admin namespace set team --data DIR --quota none --immutable-tags ''
    """  # noqa: D301 - \b is click's
    as_json = wants_json(ctx, as_json)
    changes: Changes = {}
    if public is not None:
        changes["public"] = public
    if quota is not None:
        changes["quota"] = read_quota(quota)
    if sparse is not None:
        changes["sparse"] = sparse
    if immutable_tags:
        changes["immutable_tags"] = [] if immutable_tags == ("",) else immutable_tags
    if not changes:
        raise click.UsageError("nothing to set; 'recipebox admin namespace set --help' lists what")
    with opened_registry(flags, as_json=as_json) as registry:
        from registry.audit import OPERATOR

        _show_one(registry.namespaces.change(OPERATOR, name, changes), as_json=as_json)


def _draw(entry: "Namespace") -> dict[str, Any]:
    from web.api.drawn import draw_namespace

    return draw_namespace(entry)


def _show(namespaces: "list[Namespace]", *, as_json: bool) -> None:
    if as_json:
        print_json({"namespaces": [_draw(entry) for entry in namespaces]})
        return
    print_table([_HEADINGS, *(_row(_draw(entry)) for entry in namespaces)])


def _show_one(entry: "Namespace", *, as_json: bool) -> None:
    if as_json:
        print_json(_draw(entry))
        return
    cells = zip(_HEADINGS, _row(_draw(entry)), strict=True)
    print_table([(f"{heading.capitalize()}:", cell) for heading, cell in cells])


def _row(drawn: dict[str, Any]) -> tuple[str, ...]:
    return (
        drawn["name"],
        "yes" if drawn["public"] else "no",
        drawn["owner"],
        draw_size(drawn["used_bytes"]),
        "none" if drawn["quota"] is None else draw_size(drawn["quota"]),
        "yes" if drawn["sparse"] else "no",
        " ".join(drawn["immutable_tags"]) or "none",
    )
