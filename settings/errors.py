"""What can be wrong with configuration.

::

    SettingsError
    ├── UnknownSetting      a key or variable that is not in the table; names the nearest
    ├── InvalidSetting      a value that the setting can't have
    └── UnreadableFile      a configuration file that can't be read or parsed
"""


class SettingsError(ValueError):
    """Base of everything that `settings` raises."""


class UnknownSetting(SettingsError):
    """`name`, found in `where`, is not a setting; `nearest` is the most alike one, if any is."""

    def __init__(self, name: str, where: str, nearest: str | None) -> None:
        self.name = name
        self.where = where
        self.nearest = nearest
        hint = f"; did you mean {nearest}?" if nearest else "; docs/settings.md lists them all"
        super().__init__(f"unknown setting {name} in {where}{hint}")


class InvalidSetting(SettingsError):
    """`value`, given for setting `name` in `where`, is not `expected`."""

    def __init__(self, name: str, where: str, value: object, expected: str) -> None:
        self.name = name
        self.where = where
        self.value = value
        self.expected = expected
        super().__init__(f"{name} in {where}: expected {expected}, found {value!r}")


class UnreadableFile(SettingsError):
    """The configuration file at `path` can't be read, for `reason`."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"configuration file {path}: {reason}")
