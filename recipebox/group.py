"""The group of commands: lazy, from the entry-point group `recipebox.commands`.

A command of the client's own is `command` in the file of its name in recipebox/commands (`why-not`
in why_not.py), found by that file, so that starting one reads no package metadata. `serve`, `admin`
and others come from the entry points of whatever is installed beside it. Nothing is imported for a
list of commands: their one-line helps are their modules' docstrings, read from the source.
"""

import ast
import copy
import difflib
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from recipebox import __version__
from recipebox.errors import ClientError, ExitCode, describe, exit_code_of, is_expected
from recipebox.invocation import Invocation
from recipebox.options import GLOBAL_OPTIONS

ENTRY_POINT_GROUP = "recipebox.commands"
COMPLETE_VARIABLE = "_RECIPEBOX_COMPLETE"
_SHOWN_EVERYWHERE = frozenset({"quiet", "json"})
_COMMANDS = Path(__file__).parent / "commands"
_EXAMPLES = """\b
Examples:
  recipebox pack recipes/etl.yaml --out build
  recipebox sign build && recipebox publish build
  recipebox fetch team/etl@^1.2 --out here && recipebox run here
"""


class CommandGroup(click.Group):
    """Finds commands by name, imports only the one that runs, and says which name was meant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return every command's name, sorted."""
        del ctx
        return sorted({*_own_commands(), *_entry_points()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command; None where there is none of that name."""
        del ctx
        if cmd_name in _own_commands():
            module = importlib.import_module(_module_of(cmd_name))
            return _with_global_options(module.command)
        target = _entry_points().get(cmd_name)
        if target is None:
            return None
        module_name, _, attribute = target.partition(":")
        try:
            loaded = getattr(importlib.import_module(module_name), attribute)
        except ModuleNotFoundError as error:
            raise _not_installed(error, f"`recipebox {cmd_name}`") from error
        return loaded if isinstance(loaded, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that `args` begins with; a misspelt name gets a suggestion."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and self.get_command(ctx, name) is None:
            near = difflib.get_close_matches(name, self.list_commands(ctx), n=1, cutoff=0.5)
            hint = f"; did you mean `{near[0]}`?" if near else "; `recipebox --help` lists them"
            raise click.UsageError(f"no command `{name}`{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands with the first line of each module's docstring."""
        foreign = _entry_points()
        rows = [
            (name, _first_line(foreign.get(name) or f"{_module_of(name)}:command"))
            for name in self.list_commands(ctx)
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _own_commands() -> frozenset[str]:
    return frozenset(
        entry[:-3].replace("_", "-")
        for entry in os.listdir(_COMMANDS)  # noqa: PTH208 - quicker at start-up than a Path each
        if entry.endswith(".py") and not entry.startswith("_")
    )


def _module_of(command: str) -> str:
    return f"recipebox.commands.{command.replace('-', '_')}"


def _entry_points() -> dict[str, str]:
    from importlib.metadata import entry_points

    return {
        point.name: point.value
        for point in entry_points(group=ENTRY_POINT_GROUP)
        if not point.value.startswith("recipebox.")
    }


def _first_line(target: str) -> str:
    try:
        spec = importlib.util.find_spec(target.partition(":")[0])
    except ImportError:
        return "(not installed)"
    if spec is None or spec.origin is None:
        return "(not installed)"
    docstring = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]


def _shown_above(option: click.Option) -> click.Option:
    """Return the option as a command takes it: hidden, but for those that are used everywhere."""
    if option.name in _SHOWN_EVERYWHERE:
        return option
    quiet = copy.copy(option)
    quiet.hidden = True
    return quiet


def _with_global_options(command: click.Command) -> click.Command:
    taken = {name for parameter in command.params for name in parameter.opts}
    known = {parameter.name for parameter in command.params}
    for option in GLOBAL_OPTIONS:
        if option.name not in known and not taken & set(option.opts):
            command.params.append(_shown_above(option))
    command.epilog = (
        command.epilog or "`recipebox --help` lists the options that every command takes."
    )
    if isinstance(command, click.Group):
        for child in command.commands.values():
            _with_global_options(child)
    return command


@click.group(
    cls=CommandGroup,
    params=list(GLOBAL_OPTIONS),
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EXAMPLES,
)
@click.version_option(__version__, prog_name="recipebox", message="%(prog)s %(version)s")
def group() -> None:
    """Take recipes out of their checkout: pack, sign, publish, fetch, run, promote.

    The registry is RECIPEBOX_URL, or the one that `recipebox login` kept.
    """


def run(arguments: Sequence[str] | None = None, invocation: Invocation | None = None) -> int:
    """Run the command line `arguments` (sys.argv's by default) and return the exit code.

    `invocation` is what the commands work with, where it isn't a new one. What goes wrong is told
    on stderr, without a traceback unless `--debug` is given.
    """
    invocation = invocation or Invocation()
    try:
        code: Any = group.main(
            args=None if arguments is None else list(arguments),
            prog_name="recipebox",
            standalone_mode=False,
            obj=invocation,
            complete_var=COMPLETE_VARIABLE,
        )
    except click.exceptions.Exit as exit_request:
        return exit_request.exit_code
    except click.UsageError as error:
        return _tell_usage(error, invocation)
    except (click.Abort, KeyboardInterrupt):
        invocation.output.error({"message": "interrupted", "code": "interrupted"})
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    except Exception as error:  # noqa: BLE001 - the last line: tell it, with its exit code
        return _tell(error, invocation)
    finally:
        invocation.close()
    return code if isinstance(code, int) else ExitCode.OK


def _tell_usage(error: click.UsageError, invocation: Invocation) -> int:
    output = invocation.output
    code = invocation.failure_code or ExitCode.USAGE
    if error.ctx is not None and not output.json:
        output.note(error.ctx.get_usage())
    where = error.ctx.command_path if error.ctx is not None else "recipebox"
    drawn = {
        "code": "usage",
        "message": error.format_message(),
        "hint": f"`{where} --help` explains it",
        "exit_code": int(code),
    }
    output.error(drawn)
    return code


def _not_installed(error: ModuleNotFoundError, who: str) -> ClientError:
    return ClientError(
        f"{who} needs the module {error.name}, which isn't installed",
        hint="install the part it belongs to, such as recipebox[server]",
    )


def _tell(error: Exception, invocation: Invocation) -> int:
    if isinstance(error, ModuleNotFoundError):  # a command imports when it runs, not before
        error = _not_installed(error, "this command").with_traceback(error.__traceback__)
    code = invocation.failure_code or exit_code_of(error)
    drawn = describe(error) | {"exit_code": int(code)}
    if not is_expected(error):
        drawn["message"] = f"{type(error).__name__}: {drawn['message']}"
        drawn["hint"] = "this is a defect of Recipebox: please report it with what --debug prints"
    if invocation.debug:
        traceback.print_exception(error, file=invocation.output.stderr)
    invocation.output.error(drawn)
    return code
