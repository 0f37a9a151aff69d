"""The page of all commands, docs/cli.md, drawn from the commands themselves."""

from collections.abc import Iterator
from typing import Any

import click

from recipebox.errors import MEANINGS
from recipebox.group import group
from recipebox.options import GLOBAL_OPTIONS

_WIDTH = 92
_SETTINGS: Any = {"terminal_width": _WIDTH, "help_option_names": ["-h", "--help"]}
_INTRODUCTION = """\
Every command takes the options below, before or after its name. Results go to stdout, all else to
stderr. With `--json`, stdout holds one JSON document; what it holds stands in each command's help,
and members are only ever added. A failure's is `{"error": {"code", "message", "hint", "exit_code",
...}}`, with the values that the message names.
"""
_COMPLETION = """\
## Completion
`recipebox completion bash|zsh|fish` prints the script; its help says where it belongs.
"""


def command_page(note: str = "") -> str:
    """Return docs/cli.md; `note` says that it is generated."""
    context = click.Context(group, info_name="recipebox", **_SETTINGS)
    lines = ["# Command line", note, _INTRODUCTION, "```", *_options(context), "```", ""]
    lines += ["## Exit codes", "| code | means |", "|---|---|"]
    lines += [f"| {int(code)} | {meaning} |" for code, meaning in MEANINGS.items()]
    lines += ["", _COMPLETION]
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None:
            lines += [f"## recipebox {name}", "```", *_helps(command, context, name), "```", ""]
    return "\n".join(lines)


def _options(context: click.Context) -> Iterator[str]:
    formatter = context.make_formatter()
    formatter.width = _WIDTH
    records = (option.get_help_record(context) for option in GLOBAL_OPTIONS)
    formatter.write_dl([record for record in records if record])
    yield from formatter.getvalue().rstrip().splitlines()


def _helps(command: click.Command, parent: click.Context, name: str) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent, terminal_width=_WIDTH)
    shared = {option.name for option in GLOBAL_OPTIONS}
    own = [each for each in command.params if each.name not in shared]
    kept, command.params = command.params, own
    try:
        text = command.get_help(context)
    finally:
        command.params = kept
    yield from text.rstrip().splitlines()
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            if found is not None:
                yield ""
                yield from _helps(found, context, child)
