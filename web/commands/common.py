"""What the server's commands share: flags from the table of settings, errors, JSON."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from settings.errors import SettingsError
from settings.load import Settings, load_settings
from settings.table import BY_NAME, Kind

_Command = TypeVar("_Command", bound=Callable[..., Any])

FAILED = 1
USAGE = 2
NOT_FOUND = 3

_FOLDER_HINT = "make the folder writable for the user that runs this, or name another with --data"
_BUCKET_HINT = "see that s3_endpoint answers, and that the key may use the bucket (s3_bucket)"

STORE_SETTINGS = (
    "store",
    "s3_bucket",
    "s3_prefix",
    "s3_endpoint",
    "s3_public_endpoint",
    "s3_region",
    "s3_access_key",
    "s3_path_style",
)
"""Those of the blob store that are flags; its secret is none, since all on a machine see flags."""


def setting_options(*names: str) -> Callable[[_Command], _Command]:
    """Return a decorator that adds the flag of each of these settings."""

    def decorate(command: _Command) -> _Command:
        for name in reversed(names):
            setting = BY_NAME[name]
            shown = "" if setting.default is None else f" Default: {setting.default}."
            meaning = f"{setting.meaning}{shown}  [env: {setting.variable}]"
            metavar = {Kind.PATH: "PATH", Kind.WHOLE: "N", Kind.ADDRESS: "HOST:PORT"}
            option = click.option(
                setting.flag,
                name,
                metavar="|".join(setting.choices) or metavar.get(setting.kind, "TEXT"),
                help=meaning,
            )
            command = option(command)
        return command

    return decorate


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")


def read_settings(flags: Mapping[str, Any]) -> tuple[Settings, Path]:
    """Return the settings and the data folder, in which a configuration file may be.

    Raises:
        SettingsError: as `load_settings`.
        click.UsageError: no data folder was named.
    """
    data = flags.get("data") or os.environ.get(BY_NAME["data"].variable)
    file = Path(data).expanduser() / "recipebox.toml" if data else None
    settings = load_settings(flags, os.environ, file)
    folder = settings.path("data")
    if folder is None:
        raise click.UsageError("which data folder? give --data DIR, or set RECIPEBOX_DATA")
    return settings, folder.resolve()


def print_json(value: Any) -> None:
    """Write one JSON document on stdout, at once."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def wants_json(ctx: click.Context, flag: bool) -> bool:  # noqa: FBT001 - a click flag
    """Return whether JSON was asked for, after the command's name or before it."""
    output = getattr(ctx.obj, "output", None)
    return flag or bool(getattr(output, "json", False))


@contextmanager
def told_plainly(as_json: bool) -> Iterator[None]:  # noqa: FBT001 - a click flag
    """End with a message and an exit code where an error is one that an operator can mend."""
    from artifacts.errors import ArtifactError
    from registry.errors import Invalid, NotFound, RegistryError
    from signing.errors import SigningError
    from storage.errors import StorageError, StoreUnavailable

    try:
        yield
    except (SettingsError, ArtifactError, Invalid) as error:
        _end(error, USAGE, as_json=as_json)
    except NotFound as error:
        _end(error, NOT_FOUND, as_json=as_json)
    except StoreUnavailable as error:
        is_folder = Path(error.place).is_absolute()
        _end(error, FAILED, as_json=as_json, hint=_FOLDER_HINT if is_folder else _BUCKET_HINT)
    except (RegistryError, StorageError, SigningError, OSError) as error:
        _end(error, FAILED, as_json=as_json)


def _end(error: Exception, exit_code: int, *, as_json: bool, hint: str | None = None) -> None:
    message = _sentence(error)
    hint = hint or getattr(error, "hint", None)
    click.echo(f"error: {message}", err=True)
    if hint:
        click.echo(f"  {hint}", err=True)
    if as_json:
        print_json({"error": {"message": message, "hint": hint, "exit_code": exit_code}})
    raise click.exceptions.Exit(exit_code) from error


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}"
    return str(error)
