"""`recipebox admin retention`: which tags go by themselves, tried before it is applied."""

import json
from collections import Counter
from typing import IO, TYPE_CHECKING, Any

import click

from web.commands.admin.common import opened_registry
from web.commands.common import json_option, print_json, setting_options, wants_json

if TYPE_CHECKING:
    from registry.retention import Retention, Verdict


@click.group("retention")
def retention() -> None:
    r"""Show, set, try and apply the rules by which a namespace's tags go.

    \b
    Rules are JSON:
      {"rules": [{"repositories": "web-*", "tags": "pr-*", "keep_last": 5, "keep_days": 14}],
       "keep_untagged_days": 30}

    For a tag the first rule counts whose patterns are about it; it goes where neither keep_last
    nor keep_days keeps it. What no rule is about stays, and so does what is listed, bundled, is or
    was in a channel, or is immutable. The server applies rules once a day, when it sweeps.
    """


@retention.command("show")
@click.argument("name", metavar="NS")
@setting_options("data", "database")
@json_option
@click.pass_context
def show(ctx: click.Context, /, *, name: str, as_json: bool, **flags: Any) -> None:
    """Show the rules of the namespace NS."""
    as_json = wants_json(ctx, as_json)
    with opened_registry(flags, as_json=as_json) as registry:
        from registry.audit import OPERATOR

        rules = registry.retentions.get(OPERATOR, name)
        if as_json:
            print_json({"namespace": name, "retention": _draw_rules(rules)})
        else:
            click.echo("none" if rules is None else json.dumps(_draw_rules(rules), indent=2))


@retention.command("set")
@click.argument("name", metavar="NS")
@click.argument("file", type=click.File("r", encoding="utf-8"), required=False)
@click.option("--none", "is_none", is_flag=True, help="Have no rules from now on.")
@setting_options("data", "database")
@json_option
@click.pass_context
def set_rules(
    ctx: click.Context,
    /,
    *,
    name: str,
    file: IO[str] | None,
    is_none: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    r"""Set the rules of the namespace NS from FILE (- for stdin). Try them with simulate first.

    \b
    Examples:
      recipebox admin retention simulate team rules.json --data DIR
      recipebox admin retention set team rules.json --data DIR
      recipebox admin retention set team --none --data DIR
    """
    as_json = wants_json(ctx, as_json)
    if is_none == (file is not None):
        raise click.UsageError("give a FILE of rules, or --none")
    with opened_registry(flags, as_json=as_json) as registry:
        from registry.audit import OPERATOR

        rules = None if file is None else _read(file)
        registry.retentions.set(OPERATOR, name, rules)
        if as_json:
            print_json({"namespace": name, "retention": _draw_rules(rules)})
        else:
            click.echo(f"{name} has {'no rules' if rules is None else 'these rules'} from now on")


@retention.command("simulate")
@click.argument("name", metavar="NS")
@click.argument("file", type=click.File("r", encoding="utf-8"), required=False)
@setting_options("data", "database")
@json_option
@click.pass_context
def simulate(
    ctx: click.Context, /, *, name: str, file: IO[str] | None, as_json: bool, **flags: Any
) -> None:
    """Say of each tag of NS if it would go, and why: by the rules in FILE, or those that are set.

    Nothing is changed.
    """
    as_json = wants_json(ctx, as_json)
    counts: Counter[bool] = Counter()
    drawn = []
    with opened_registry(flags, as_json=as_json) as registry:
        from registry.audit import OPERATOR

        rules = None if file is None else _read(file)
        for verdict in registry.retentions.simulate(OPERATOR, name, rules):
            counts[verdict.goes] += 1
            if as_json:
                drawn.append(_draw(verdict))
            else:
                _say(verdict)
    if as_json:
        print_json({"namespace": name, "goes": counts[True], "stays": counts[False], "tags": drawn})
    else:
        click.echo(f"{counts[True]} would go, {counts[False]} stay.")


@retention.command("apply")
@click.argument("name", metavar="NS")
@setting_options("data", "database")
@json_option
@click.pass_context
def apply(ctx: click.Context, /, *, name: str, as_json: bool, **flags: Any) -> None:
    """Delete the tags of NS that its rules let go. A sweep removes what they pointed to."""
    as_json = wants_json(ctx, as_json)
    drawn = []
    with opened_registry(flags, as_json=as_json) as registry:
        from registry.audit import OPERATOR

        def tell(verdict: "Verdict") -> None:
            if as_json:
                drawn.append(_draw(verdict))
            else:
                _say(verdict)

        count = registry.retentions.apply(OPERATOR, name, tell)
    if as_json:
        print_json({"namespace": name, "goes": count, "tags": drawn})
    else:
        click.echo(f"{count} tags went.")


def _draw(verdict: "Verdict") -> dict[str, Any]:
    from web.api.drawn import draw_verdict

    return draw_verdict(verdict)


def _say(verdict: "Verdict") -> None:
    word = "goes " if verdict.goes else "stays"
    click.echo(f"{word} {verdict.tag.repository}:{verdict.tag.name} ({verdict.why})")


def _draw_rules(rules: "Retention | None") -> Any:
    return None if rules is None else json.loads(rules.draw())


def _read(file: IO[str]) -> "Retention":
    from registry.errors import InvalidValue
    from registry.retention import Retention

    text = file.read()
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InvalidValue("retention", text, f"JSON: {error}") from error
    return Retention.read(value)
