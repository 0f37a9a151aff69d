"""Reads settings: a flag beats the environment, which beats the file, which beats the default."""

import difflib
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from settings.errors import InvalidSetting, UnknownSetting, UnreadableFile
from settings.registries import ReservedRegistry, read_registries
from settings.table import BY_NAME, BY_VARIABLE, PREFIX, SETTINGS, Kind, Setting

Value = str | int | bool | Path | tuple[ReservedRegistry, ...] | None

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off", ""})
_LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting's value, and where each came from: 'flag', 'environment', 'file', 'default'."""

    values: Mapping[str, Value]
    origins: Mapping[str, str]

    def text(self, name: str) -> str | None:
        """Return a text's value, or None where it isn't set."""
        value = self.values[name]
        return None if value is None else str(value)

    def path(self, name: str) -> Path | None:
        """Return a path's value, or None where it isn't set."""
        value = self.values[name]
        return None if value is None else Path(str(value))

    def whole(self, name: str) -> int:
        """Return a whole number's value."""
        return int(str(self.values[name]))

    def switch(self, name: str) -> bool:
        """Return a switch's value."""
        return self.values[name] is True

    def registries(self, name: str = "registries") -> tuple[ReservedRegistry, ...]:
        """Return the registries that prefixes are reserved for; none where that isn't set."""
        value = self.values[name]
        return value if isinstance(value, tuple) else ()

    def address(self, name: str) -> tuple[str, int]:
        """Return an address as host and port."""
        host, _, port = str(self.values[name]).rpartition(":")
        return host.strip("[]"), int(port)


def load_settings(
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    file: Path | None = None,
    *,
    other_variables: Collection[str] = (),
) -> Settings:
    """Read every setting.

    Args:
        flags: name to value, of the flags that were given; None means not given.
        environ: the environment; of it, only what begins with `RECIPEBOX_` is looked at.
        file: the file to read where neither a flag nor the environment names one; it may be absent.
        other_variables: variables that belong to somebody else in spite of their prefix.

    Raises:
        UnknownSetting: a variable or key that is no setting.
        InvalidSetting: a value of the wrong kind.
        UnreadableFile: the file is named and absent, or not TOML.
    """
    check_variables(environ, other_variables)
    named = flags.get("config") or environ.get(BY_NAME["config"].variable)
    keys = _read_file(Path(named), required=True) if named else _read_optional(file)
    place = f"file {named or file}"
    values: dict[str, Value] = {}
    origins: dict[str, str] = {}
    for setting in SETTINGS:
        values[setting.name], origins[setting.name] = _choose(setting, flags, environ, keys, place)
    return Settings(values, origins)


def check_variables(environ: Mapping[str, str], other_variables: Collection[str] = ()) -> None:
    """Refuse variables that begin with `RECIPEBOX_` and are no setting.

    Raises:
        UnknownSetting: names the first one, and the nearest setting.
    """
    for variable in sorted(environ):
        known = variable in BY_VARIABLE or variable in other_variables
        if variable.startswith(PREFIX) and not known:
            near = difflib.get_close_matches(variable.removeprefix(PREFIX).lower(), BY_NAME, n=1)
            nearest = BY_NAME[near[0]].variable if near else None
            raise UnknownSetting(variable, "the environment", nearest)


def read_value(setting: Setting, given: object, where: str) -> Value:
    """Return what `given` means for `setting`; `where` names its place in errors.

    Raises:
        InvalidSetting: it isn't of the setting's kind.
    """
    return _READERS[setting.kind](setting, given, where)


def _switch(setting: Setting, given: object, where: str) -> bool:
    text = str(given).lower()
    if text not in _TRUE | _FALSE:
        raise InvalidSetting(setting.name, where, given, "true or false")
    return text in _TRUE


def _whole(setting: Setting, given: object, where: str) -> int:
    text = str(given)
    if not text.isascii() or not text.isdigit() or int(text) < setting.smallest:
        expected = f"a whole number of {setting.unit}, {setting.smallest} or more"
        raise InvalidSetting(setting.name, where, given, expected)
    return int(text)


def _choice(setting: Setting, given: object, where: str) -> str:
    if given not in setting.choices:
        raise InvalidSetting(setting.name, where, given, " or ".join(setting.choices))
    return str(given)


def _address(setting: Setting, given: object, where: str) -> str:
    host, _, port = str(given).rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > _LAST_PORT:
        raise InvalidSetting(setting.name, where, given, "HOST:PORT")
    return str(given)


def _path(setting: Setting, given: object, where: str) -> Path:
    return Path(_text(setting, given, where)).expanduser()


def _text(setting: Setting, given: object, where: str) -> str:
    if not isinstance(given, str | Path) or not str(given):
        shown = "(hidden)" if setting.secret else given
        raise InvalidSetting(setting.name, where, shown, "a text that isn't empty")
    return str(given)


def _registries(setting: Setting, given: object, where: str) -> tuple[ReservedRegistry, ...]:
    return read_registries(setting.name, given, where)


_READERS: Mapping[Kind, Callable[[Setting, object, str], Value]] = {
    Kind.TEXT: _text,
    Kind.PATH: _path,
    Kind.WHOLE: _whole,
    Kind.SWITCH: _switch,
    Kind.ADDRESS: _address,
    Kind.CHOICE: _choice,
    Kind.REGISTRIES: _registries,
}


def _choose(
    setting: Setting,
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    keys: Mapping[str, Any],
    place: str,
) -> tuple[Value, str]:
    if flags.get(setting.name) is not None:
        return read_value(setting, flags[setting.name], f"flag {setting.flag}"), "flag"
    if environ.get(setting.variable):
        where = f"variable {setting.variable}"
        return read_value(setting, environ[setting.variable], where), "environment"
    if setting.name in keys:
        return read_value(setting, keys[setting.name], place), "file"
    return setting.default, "default"


def _read_optional(file: Path | None) -> dict[str, Any]:
    return {} if file is None else _read_file(file, required=False)


def _read_file(path: Path, *, required: bool) -> dict[str, Any]:
    try:
        drawn = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if required:
            raise UnreadableFile(str(path), "there is no such file") from error
        return {}
    except OSError as error:
        raise UnreadableFile(str(path), error.strerror or str(error)) from error
    except ValueError as error:
        raise UnreadableFile(str(path), f"not TOML: {error}") from error
    allowed = [setting.name for setting in SETTINGS if setting.file_allowed]
    for key in drawn:
        if key not in allowed:
            if key in BY_NAME:
                reason = f"{key} can't be set in a file; use {BY_NAME[key].variable}"
                raise UnreadableFile(str(path), reason)
            near = difflib.get_close_matches(key, allowed, n=1)
            raise UnknownSetting(key, str(path), near[0] if near else None)
    return drawn
