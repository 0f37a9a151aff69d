"""`env/`: a package's wheels unpacked for one platform and Python, like `pip install --target`.

Nothing is run: wheels are unpacked by PyPA's `installer`. `.recipebox.json` in it says what it is
for, and run_recipe.py refuses it elsewhere.
"""

import json
import platform as machines
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from installer import install
from installer.destinations import SchemeDictionaryDestination
from installer.exceptions import InstallerError
from installer.sources import WheelFile

from recipes.errors import UnsafePath, WheelError
from recipes.package import Wheel
from recipes.paths import check_path
from recipes.project import PLATFORMS
from recipes.wheels import MINORS, wheels_for, wheels_here

MARK: Final = ".recipebox.json"

_LARGEST = 4 << 30  # bytes unpacked, of one wheel: PyTorch's has 2.9 GB
_PLATFORMS = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}


def platform_here() -> str:
    """Return this machine's platform, as wheel sets are named (`linux/amd64`)."""
    machine = machines.machine()
    return _PLATFORMS.get(machine, machine)


def lay_out_env(wheels: Sequence[Wheel], files: Mapping[str, Path], into: Path) -> list[Wheel]:
    """Unpack those of `wheels` that fit this Python and platform into the new folder `into`.

    `files` are file name -> path, of bytes that were verified. Returns what was unpacked.

    Raises:
        WheelError: no wheel of a distribution fits here, or one is broken.
    """
    chosen = wheels_here(wheels)
    here, python = platform_here(), f"{sys.version_info[0]}.{sys.version_info[1]}"
    for name in sorted({each.name for each in wheels} - {each.name for each in chosen}):
        on_platform = here in PLATFORMS and wheels_for(
            here, [each for each in wheels if each.name == name]
        )
        if not on_platform or python not in MINORS:
            raise WheelError(f"{name} has no wheel for Python {python} on {here} in this package")
    into.mkdir()
    for each in chosen:
        _unpack(each.filename, files[each.filename], into)
    mark = {
        "platform": here,
        "python": python,
        "wheels": {each.filename: each.sha256 for each in chosen},
    }
    (into / MARK).write_text(json.dumps(mark, sort_keys=True), encoding="utf-8")
    return chosen


def _unpack(filename: str, path: Path, into: Path) -> None:
    """Install one wheel, after a look at what it would write.

    Modules go to the folder itself, scripts to `bin`; headers and data where nothing reads them.
    """
    scheme = {
        "purelib": str(into),
        "platlib": str(into),
        "scripts": str(into / "bin"),
        "headers": str(into / ".headers"),
        "data": str(into / ".data"),
    }
    destination = SchemeDictionaryDestination(scheme, "/usr/bin/env python3", "posix")
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(each.file_size for each in archive.infolist()) > _LARGEST:
                raise WheelError(f"{filename} unpacks to more than {_LARGEST} bytes")
            for each in archive.infolist():
                check_path(each.filename.rstrip("/"))
            archive.filename = filename  # a store's file is named by its hash
            install(source=WheelFile(archive), destination=destination, additional_metadata={})
    except (InstallerError, UnsafePath, zipfile.BadZipFile, ValueError, OSError) as error:
        raise WheelError(f"{filename} can't be unpacked: {error}") from error
