"""The options that every command takes, before or after its name."""

import click

from recipebox.invocation import Invocation


def _keep(ctx: click.Context, parameter: click.Parameter, value: object) -> None:
    source = ctx.get_parameter_source(parameter.name or "")
    if source is click.core.ParameterSource.COMMANDLINE and parameter.name:
        ctx.ensure_object(Invocation).set(parameter.name, value)


def _option(*names: str, **attributes: object) -> click.Option:
    return click.Option(names, callback=_keep, expose_value=False, **attributes)  # type: ignore[arg-type]


GLOBAL_OPTIONS: tuple[click.Option, ...] = (
    _option("-q", "--quiet", is_flag=True, help="Print results and errors only."),
    _option("-v", "--verbose", count=True, help="Print what is done on the way."),
    _option("--json", is_flag=True, help="Print one JSON document on stdout."),
    _option("--debug", is_flag=True, help="Print tracebacks."),
    _option(
        "--color",
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        help="Colours: on a terminal (auto; NO_COLOR switches them off), always, never.",
    ),
    _option("--offline", is_flag=True, help="Use the cache only.  [env: RECIPEBOX_OFFLINE]"),
    _option("--url", metavar="URL", help="The registry.  [env: RECIPEBOX_URL]"),
    _option(
        "--insecure",
        is_flag=True,
        help="Allow plain http to other machines.  [env: RECIPEBOX_INSECURE]",
    ),
    _option("--config", metavar="FILE", help="Configuration file.  [env: RECIPEBOX_CONFIG]"),
    _option("--cache", "cache", metavar="DIR", help="The cache's folder.  [env: RECIPEBOX_CACHE]"),
    _option("--jobs", type=int, metavar="N", help="Transfers at once.  [env: RECIPEBOX_JOBS]"),
    _option("--timeout", type=int, metavar="S", help="Seconds.  [env: RECIPEBOX_TIMEOUT]"),
    _option("--retries", type=int, metavar="N", help="Tries.  [env: RECIPEBOX_RETRIES]"),
)
