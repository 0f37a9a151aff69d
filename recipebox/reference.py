"""The reference of the command line, as Markdown, made from the commands themselves."""

import inspect
from collections.abc import Iterator

import click

from recipebox.errors import MEANINGS
from recipebox.group import group
from recipebox.options import GLOBAL_OPTIONS

_INTRO = """\
Every command takes the options below before or after its name, and `-h`. A text beginning with
`RECIPEBOX_` is the environment variable that means the same ([settings](settings.md)). With
`--json` stdout holds one JSON document, of the form that each command names here; progress, notes
and errors are on stderr.
"""


def command_page(note: str) -> str:
    """Return docs/cli.md; `note` says that it is generated."""
    lines = ["# Commands", note, _INTRO]
    lines += _option_table(GLOBAL_OPTIONS)
    lines += ["## Exit codes", "", "| code | means |", "|---|---|"]
    lines += [f"| {int(code)} | {meaning} |" for code, meaning in MEANINGS.items()]
    lines.append("")
    context = click.Context(group, info_name="recipebox")
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None:
            for path, one in _walk(f"recipebox {name}", command):
                lines += _section(path, one)
    return "\n".join(lines).rstrip() + "\n"


def _walk(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, child in sorted(command.commands.items()):
            yield from _walk(f"{path} {name}", child)


def _section(path: str, command: click.Command) -> list[str]:
    context = click.Context(command, info_name=path)
    pieces = [] if isinstance(command, click.Group) else command.collect_usage_pieces(context)
    lines = [f"{'#' * min(len(path.split()), 4)} `{path}`", ""]
    if pieces:
        lines += ["```", " ".join([path, *pieces]), "```", ""]
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        verbatim = paragraph.startswith("\b")
        text = paragraph.removeprefix("\b").strip("\n")
        lines += ["```", text, "```", ""] if verbatim else [" ".join(text.split()), ""]
    shared = {option.name for option in GLOBAL_OPTIONS}
    own = [
        each
        for each in command.params
        if isinstance(each, click.Option) and (each.name not in shared or each.expose_value)
    ]
    return lines + _option_table(own)


def _option_table(options: "list[click.Option] | tuple[click.Option, ...]") -> list[str]:
    rows = []
    for option in options:
        names = ", ".join(f"`{each}`" for each in (*option.opts, *option.secondary_opts))
        takes = "" if option.is_flag or option.count else f" {option.metavar or option.type.name}"
        text = (option.help or "").replace("|", "\\|")
        rows.append(f"| {names}{takes.replace('|', ' ')} | {' '.join(text.split())} |")
    return ["| option | |", "|---|---|", *rows, ""] if rows else []
