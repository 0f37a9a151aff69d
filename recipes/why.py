"""Why a file is in a package: the chain from a step down to it."""

import difflib
import re
from collections.abc import Mapping, Sequence

from recipes.closure import Reason
from recipes.errors import InvalidOption

_PLACE = re.compile(r"(?P<path>[^:]+):\d+")  # engine/steps/load.py:12


def explain(path: str, files: Mapping[str, Sequence[Reason]]) -> list[tuple[str, Reason]]:
    """Return the shortest chain of reasons from `path` up to what was asked for at first.

    Each is a file of `files` with why it is in; the file that asks for it is the next.

    Raises:
        InvalidOption: the package has no such file.
    """
    plain = path.removeprefix("./").removeprefix("recipe/")
    if plain not in files:
        near = difflib.get_close_matches(plain, files, n=3)
        meant = f"; did you mean {' or '.join(near)}?" if near else ""
        raise InvalidOption(
            "explain",
            f"{path!r} is not in the package: no step, no code that they reach, no data of"
            f" recipebox.toml and no run asked for it{meant}",
        )
    pending: list[list[tuple[str, Reason]]] = [[(plain, each)] for each in files[plain]]
    seen = {plain}
    first = pending[0]
    for chain in pending:  # breadth first: it grows as it is walked
        found = _PLACE.match(chain[-1][1].asked_by)
        above = found["path"] if found else None
        if above is None or above not in files:
            return chain
        if above not in seen:
            seen.add(above)
            pending += [[*chain, (above, each)] for each in files[above]]
    return first
