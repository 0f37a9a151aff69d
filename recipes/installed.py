"""What a checkout says of itself as a distribution: its name, and what an installation wrote down.

`importlib.metadata` and `pkg_resources` read `NAME.dist-info/METADATA` or `NAME.egg-info/PKG-INFO`
in the folders of sys.path, which are the checkout's root and its `src`.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name

_METADATA: Final = ("METADATA", "PKG-INFO")
_BESIDE: Final = "entry_points.txt"
_NAME = re.compile(r"^Name: *(\S+)", re.MULTILINE)
_SETUP_NAME = re.compile(r"""^\s*name\s*=\s*["']?([A-Za-z0-9._-]+)["']?\s*,?\s*$""", re.MULTILINE)


def find_installed(root: Path, folders: Iterable[str], name: str) -> list[str]:
    """Return the files, from the root, that say what is installed as `name`; none if it isn't."""
    wanted = canonicalize_name(name)
    found = []
    for folder in folders:
        for suffix in ("*.dist-info", "*.egg-info"):
            for place in sorted((root / folder).glob(suffix)):
                if wanted in _names_of(place):
                    found += [each.relative_to(root).as_posix() for each in _files_of(place)]
    return found


def _files_of(place: Path) -> Iterator[Path]:
    if place.is_file():  # distutils wrote it as one file
        yield place
    for name in (*_METADATA, _BESIDE):
        if (place / name).is_file():
            yield place / name


def _names_of(place: Path) -> set[str]:
    files = [each for each in _files_of(place) if each.name != _BESIDE]
    texts = [each.read_text(encoding="utf-8", errors="replace") for each in files]
    return {canonicalize_name(match[1]) for text in texts if (match := _NAME.search(text))}


def own_name(root: Path) -> str | None:
    """Return what a checkout is called as a distribution, by its pyproject.toml, setup.cfg or .py.

    In PyPI's normal form; None where none of them says so.
    """
    try:
        drawn = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
        return canonicalize_name(str(drawn["project"]["name"]))
    except (FileNotFoundError, KeyError, TypeError, ValueError):
        pass  # not said there: it may be in an older file
    for name in ("setup.cfg", "setup.py"):
        path = root / name
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        if (match := _SETUP_NAME.search(text)) is not None:
            return canonicalize_name(match[1])
    return None
