"""What the running interpreter is made of, as folders: what a command that it runs must reach."""

import sys
import sysconfig
from pathlib import Path


def interpreter_folders() -> tuple[Path, ...]:
    """Return the prefixes of the interpreter and of its virtual environment, and its library.

    A folder within another of them is left out.
    """
    names = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}
    names |= {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    names |= {str(Path(sys.executable).parent), str(Path(sys.executable).resolve().parent)}
    paths = sorted({Path(each) for each in names})
    return tuple(path for path in paths if not any(each in paths for each in path.parents))
