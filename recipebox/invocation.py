"""One run of the command line: its options, output, settings and client, made when needed."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipebox.output import Output

if TYPE_CHECKING:
    from requests.adapters import BaseAdapter

    from recipebox.cache import Cache
    from recipebox.client import Client
    from recipebox.config import Places
    from settings.load import Settings

_OUTPUT_OPTIONS = frozenset({"quiet", "verbose", "json", "color"})


class Invocation:
    """What the global options said.

    `failure_code` is what a failure of ours ends with, where that differs (`run`: 125).
    """

    def __init__(self, adapter: "BaseAdapter | None" = None) -> None:
        """Begin a run; `adapter` is how requests travel, where not over the network."""
        self._adapter = adapter
        self.output = Output()
        self.debug = False
        self.failure_code: int | None = None
        self._flags: dict[str, Any] = {}
        self._settings: Settings | None = None
        self._client: Client | None = None

    def set(self, name: str, value: object) -> None:
        """Take in one global option that was given."""
        if name in _OUTPUT_OPTIONS:
            setattr(self.output, name, value)
        elif name == "debug":
            self.debug = bool(value)
        else:
            self._flags[name] = value
            self._settings = None

    @property
    def settings(self) -> "Settings":
        """The settings, by flags, environment and file (settings/load.py)."""
        if self._settings is None:
            from recipebox.config import Places
            from settings.load import load_settings

            file = Places.of_platform().config / "config.toml"
            self._settings = load_settings(self._flags, os.environ, file)
        return self._settings

    @property
    def places(self) -> "Places":
        """Where configuration and cache are."""
        from recipebox.config import Places

        return Places.of_platform(self.settings.path("cache"))

    @property
    def cache(self) -> "Cache":
        """The cache, for which no registry needs to be named."""
        from recipebox.cache import Cache

        return Cache(self.places.cache)

    @property
    def client(self) -> "Client":
        """The client of the registry that the settings name."""
        if self._client is None:
            from recipebox.client import Client

            self._client = Client.from_settings(
                self.settings, self.places, self.output, self._adapter
            )
        return self._client

    def close(self) -> None:
        """Close what was opened."""
        if self._client is not None:
            self._client.close()

    @staticmethod
    def read_text(path: str) -> str:
        """Read a file, or standard input where `path` is `-`.

        Raises:
            Misuse: it isn't UTF-8.
        """
        import click

        from recipebox.errors import Misuse

        try:
            with click.open_file(path, encoding="utf-8") as file:
                return str(file.read())
        except UnicodeDecodeError as error:
            raise Misuse(
                f"{path}: not text in UTF-8 ({error.reason})",
                hint="save it as UTF-8, or give another file",
            ) from error

    @staticmethod
    def write_text(path: str, text: str) -> None:
        """Write a file atomically, or standard output where `path` is `-`."""
        if path == "-":
            import click

            click.echo(text, nl=False)
            return
        from recipebox.config import write_atomically

        write_atomically(Path(path).absolute(), text.encode(), 0o644)
