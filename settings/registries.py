"""Registries beside the default one, each with the names that come from it, and from it alone.

::

    [registries.acme]                            any name, for the errors that speak of it
    url = "https://recipes.acme.example"
    prefixes = ["acme/", "team/private-"]        a namespace with its slash, which may go on

The variable holds the same tables as a text of TOML, such as
`acme = {url = "https://recipes.acme.example", prefixes = ["acme/"]}`.
"""

import itertools
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from settings.errors import InvalidSetting

_NAME = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
_SEGMENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PREFIX = re.compile(rf"{_SEGMENT}/(?:[a-z0-9][a-z0-9._-]*)?")
_KEYS = ("url", "prefixes")


@dataclass(frozen=True, slots=True)
class ReservedRegistry:
    """A registry at `url` that names which begin with one of `prefixes` come from, and only they.

    `name` is what the configuration calls it, and `where` is the place at which it does so.
    """

    name: str
    url: str
    prefixes: tuple[str, ...]
    where: str = ""

    def holds(self, name: str) -> bool:
        """Whether a package's name, `acme/etl`, is reserved for this registry."""
        return name.startswith(self.prefixes)


def read_registries(setting: str, given: object, where: str) -> tuple[ReservedRegistry, ...]:
    """Read the tables of registries, or a text of them; `where` names their place in errors.

    Raises:
        InvalidSetting: they aren't as the module draws them, or a name could come from two.
    """
    tables = _tables(setting, given, where)
    registries = tuple(
        _registry(f"{setting}.{name}", name, table, where) for name, table in tables.items()
    )
    _check_apart(setting, registries, where)
    return registries


def _tables(setting: str, given: object, where: str) -> Mapping[str, Any]:
    if isinstance(given, str):
        try:
            given = tomllib.loads(given)
        except ValueError as error:
            expected = f"tables in TOML ({error})"
            raise InvalidSetting(setting, where, given, expected) from error
    if not isinstance(given, Mapping):
        raise InvalidSetting(setting, where, given, "a table for each registry")
    return given


def _registry(setting: str, name: str, table: object, where: str) -> ReservedRegistry:
    if not _NAME.fullmatch(name):
        expected = "a name of lower-case letters and digits, joined by - or _"
        raise InvalidSetting(setting, where, name, expected)
    if not isinstance(table, Mapping) or set(table) != set(_KEYS):
        raise InvalidSetting(setting, where, table, f"a table of {' and '.join(_KEYS)}")
    url, prefixes = table["url"], table["prefixes"]
    if not isinstance(url, str) or not url:
        raise InvalidSetting(f"{setting}.url", where, url, "the URL of a registry")
    if not isinstance(prefixes, list) or not prefixes:
        raise InvalidSetting(f"{setting}.prefixes", where, prefixes, "a list of prefixes")
    for prefix in prefixes:
        if not isinstance(prefix, str) or not _PREFIX.fullmatch(prefix):
            expected = "a namespace with its slash, as in acme/, or more, as in team/private-"
            raise InvalidSetting(f"{setting}.prefixes", where, prefix, expected)
    return ReservedRegistry(name, url, tuple(prefixes), where)


def _check_apart(setting: str, registries: Iterable[ReservedRegistry], where: str) -> None:
    """Refuse two prefixes of which one begins with the other."""
    reserved = sorted((prefix, one.name) for one in registries for prefix in one.prefixes)
    for (first, first_name), (second, second_name) in itertools.pairwise(reserved):
        if second.startswith(first):
            whose = "its own" if first_name == second_name else f"that of {first_name}"
            expected = f"a prefix that doesn't overlap {whose}, {first}"
            raise InvalidSetting(f"{setting}.{second_name}.prefixes", where, second, expected)
