"""Locks as commands read them: from a file, or solved now."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from recipebox.errors import Missing
from recipebox.invocation import Invocation

if TYPE_CHECKING:
    from resolver.lock import Lock

lock_option = click.option(
    "--lock",
    "path",
    metavar="FILE",
    default="recipebox.lock",
    show_default=True,
    help="The lock to look at; `-` is stdin.",
)


def find_lock(invocation: Invocation, path: str) -> "Lock | None":
    """Read a lock; None where there is no file.

    Raises:
        InvalidLock, UnsupportedSchema: (resolver) it isn't one.
    """
    if path != "-" and not Path(path).is_file():
        return None
    from resolver.lock import Lock

    return Lock.loads(invocation.read_text(path))


def get_lock(invocation: Invocation, path: str, requirements: Sequence[str] = ()) -> "Lock":
    """Read a lock; where there are requirements, those are solved now, and no file is read.

    Raises:
        Missing: there is no file.
        InvalidLock, UnsupportedSchema: (resolver) it isn't one.
        ResolutionImpossible: (resolver) nothing fits; the error says why.
    """
    if requirements:
        return invocation.client.lock(requirements)
    found = find_lock(invocation, path)
    if found is None:
        raise Missing(
            f"{path}: there is no lock", hint="write it: recipebox lock ..., or name packages"
        )
    return found
