"""The `recipebox` command's entry: cleans sys.path, then runs the group of commands.

Nothing heavy and nothing third-party is imported here before `drop_foreign_paths` has run: a
checkout with PYTHONPATH=. may hold a `click.py` or `yaml.py` of its own.
"""

import gc
import os
import sys
from collections.abc import Mapping

from recipebox import HOME

_COLLECT_EVERY = 100_000
"""Objects between two collections of cycles: a command is short, and a solve of 200 packages spent
a quarter of its time on them (benchmarks/resolver.py)."""


def drop_foreign_paths(path: list[str], environ: Mapping[str, str]) -> None:
    """Take out of `path` (sys.path) what PYTHONPATH or the working directory put there.

    The entry where recipebox itself lives stays.
    """
    foreign = {
        os.path.abspath(entry)  # noqa: PTH100
        for entry in environ.get("PYTHONPATH", "").split(os.pathsep)
    } | {os.path.abspath(".")}  # noqa: PTH100
    path[:] = [
        entry
        for entry in path
        if (resolved := os.path.abspath(entry)) == HOME or resolved not in foreign  # noqa: PTH100
    ]


def take_names_for_utf8() -> None:
    """Begin again in Python's UTF-8 mode, where the locale has another encoding.

    A file's name is bytes, and a package has it as UTF-8: read as Latin-1, it would be another
    name, and another digest.
    """
    if sys.getfilesystemencoding() != "utf-8" and not sys.flags.utf8_mode:
        words = [sys.executable, "-X", "utf8", *sys.orig_argv[1:]]
        os.execv(sys.executable, words)  # noqa: S606 - itself, with the same words


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code (recipebox/errors.py has the table)."""
    if arguments is None:
        take_names_for_utf8()
        gc.set_threshold(_COLLECT_EVERY)
    drop_foreign_paths(sys.path, os.environ)
    from recipebox.group import run

    return run(arguments)
