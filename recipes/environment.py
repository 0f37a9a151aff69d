"""`env/`: a package's wheels unpacked for one platform and Python, like `pip install --target`.

Nothing is run: wheels are unpacked by PyPA's `installer`. `.recipebox.json` in it says what it is
for, and run_recipe.py refuses it elsewhere. What was signed are the wheels: `compare_env` says
whether a folder still is what they unpack to. `env_key` names what a set of them unpacks to here,
so that it need be done only once.
"""

import hashlib
import json
import os
import platform as machines
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from installer import install
from installer.destinations import SchemeDictionaryDestination
from installer.exceptions import InstallerError
from installer.sources import WheelFile

from recipes.errors import ChangedEnvironment, UnsafePath, WheelError
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


def python_here() -> str:
    """Return this interpreter's minor version, as environments are marked with: `3.11`."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def env_key(wheels: Sequence[Wheel]) -> str:
    """Return a hash (sha256, hex) of what `wheels` unpack to on this Python and platform.

    It is of their names and bytes, and not of the package that needs them: packages with the same
    wheels share an environment.
    """
    drawn = {
        "format": 1,  # of what `lay_out_env` makes of the same wheels
        "platform": platform_here(),
        "python": python_here(),
        "wheels": {each.filename: each.sha256 for each in wheels_here(wheels)},
    }
    return hashlib.sha256(json.dumps(drawn, sort_keys=True).encode()).hexdigest()


def lay_out_env(wheels: Sequence[Wheel], files: Mapping[str, Path], into: Path) -> list[Wheel]:
    """Unpack those of `wheels` that fit this Python and platform into the new folder `into`.

    `files` are file name -> path, of bytes that were verified. Returns what was unpacked.

    Raises:
        WheelError: no wheel of a distribution fits here, or one is broken.
    """
    chosen = wheels_here(wheels)
    here, python = platform_here(), python_here()
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


def wheels_in(env: Path, wheels: Sequence[Wheel]) -> list[Wheel]:
    """Return those of `wheels` that the folder `env` says it was unpacked from.

    Raises:
        WheelError: it doesn't say, or names a wheel that isn't one of these.
    """
    known = {(each.filename, each.sha256): each for each in wheels}
    try:
        said = json.loads((env / MARK).read_bytes())["wheels"]
        return [known[filename, sha256] for filename, sha256 in sorted(said.items())]
    except KeyError as error:
        raise WheelError(
            f"{env / MARK} names what isn't a wheel of this package: {error}"
        ) from error
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise WheelError(f"{env / MARK} doesn't say what was unpacked here: {error}") from error


@contextmanager
def unpacked_aside(wheels: Sequence[Wheel], files: Mapping[str, Path]) -> Iterator[Path]:
    """Give a folder with just what `wheels` unpack to; it is gone afterwards.

    `files` are file name -> path, of bytes that were verified.

    Raises:
        WheelError: a wheel is broken.
    """
    with tempfile.TemporaryDirectory(prefix="recipebox-env-") as scratch:
        for each in wheels:
            _unpack(each.filename, files[each.filename], Path(scratch))
        yield Path(scratch)


def compare_env(fresh: Path, env: Path) -> None:
    """Compare the folder `env` with one that was unpacked afresh, file by file.

    Raises:
        ChangedEnvironment: a file is missing, added or changed, or is a link.
    """
    expected = dict(_files_in(fresh))
    found = dict(_files_in(env))
    for files in (expected, found):
        files.pop(MARK, None)
    for path in sorted(expected.keys() | found.keys()):
        if expected.get(path) != found.get(path):
            raise ChangedEnvironment(
                f"env/{path}", expected=expected.get(path), found=found.get(path)
            )


def _files_in(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield every file's path and sha256; for a link, where it leads."""
    for above, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(above, name)
            inside = path.relative_to(folder).as_posix()
            if path.is_symlink():
                yield inside, f"a link to {path.readlink()}"
            elif path.is_file():
                with path.open("rb") as stream:
                    yield inside, f"sha256 {hashlib.file_digest(stream, 'sha256').hexdigest()}"
            elif not path.is_dir():
                yield inside, "no plain file"


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
