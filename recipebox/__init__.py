"""Recipebox's client: the command line and the Python API (`recipebox.client.Client`).

Importing it pins the names of its sibling packages to the place where this one lies. The checkouts
that it works in have folders named `storage`, `recipes` or `web` too, and PYTHONPATH=. is common
there; the finder below stands before sys.path, so that ours and theirs can't mix.
"""

import os.path
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder

__version__ = "0.1.0"

SIBLINGS = frozenset(
    {
        "artifacts",
        "deploy",
        "recipebox",
        "recipes",
        "registry",
        "resolver",
        "sandbox",
        "settings",
        "signing",
        "storage",
        "web",
    }
)
HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100,PTH120


class SiblingFinder:
    """Finds the siblings in `HOME` and nowhere else (a meta path finder, PEP 302)."""

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: object = None
    ) -> ModuleSpec | None:
        """Return where the sibling `name` is; None for what is no sibling.

        Raises:
            ModuleNotFoundError: a sibling that isn't installed, whatever sys.path has of that name.
        """
        del target
        if path is not None or name not in SIBLINGS:
            return None
        spec = PathFinder.find_spec(name, [HOME])
        if spec is None or spec.origin is None:
            message = f"no module named {name!r} beside recipebox in {HOME}"
            raise ModuleNotFoundError(message, name=name)
        return spec


def _refuse_strangers() -> None:
    for name in sorted(SIBLINGS & sys.modules.keys()):
        found = getattr(sys.modules[name], "__file__", None) or ""
        if not os.path.abspath(found).startswith(HOME + os.sep):  # noqa: PTH100
            message = (
                f"another package named {name!r} was imported before recipebox, from "
                f"{found or 'a folder'}; import recipebox first, or run it in a process of its own"
            )
            raise ImportError(message, name=name)


_refuse_strangers()
sys.meta_path.insert(0, SiblingFinder)
