"""Laying verified releases out, all at once: nothing is visible before everything is right.

::

    OUT/
    ├── recipebox.lock
    ├── evidence/team/etl-1.2.3/    a proof and documents, where there are any (recipes/evidence.py)
    └── team/etl-1.2.3/
        ├── metadata/    from its layer, with release.json  signature.asc  signatures/<FPR>.asc
        ├── recipe/ …    from their layers: the very files whose sha256 was signed
        └── env/         the wheels for one platform and Python, unpacked; nothing of them is run:
                         a copy of the cache's

Everything is made in a hidden folder (in OUT, or beside where it will be) and renamed into place. A
tree that is there already and is the same is kept; one that differs is an error, or replaced where
that was asked for.
"""

import filecmp
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import replace as changed
from pathlib import Path

from artifacts.digest import Digest
from recipebox.errors import Conflicting
from recipebox.folders import clone_folder
from recipebox.releases import VerifiedRelease, compare_files
from recipes.evidence import FOLDER as EVIDENCE
from recipes.evidence import folder_of, write_evidence
from recipes.layers import unpack_layer

LOCK_NAME = "recipebox.lock"
_OPEN = 0o755


@dataclass(frozen=True, slots=True)
class LaidOut:
    """A tree that is now in place; `is_new` is False where the same one was there before."""

    title: str
    path: Path
    is_new: bool


def lay_out(
    out: Path,
    releases: Sequence[VerifiedRelease],
    blobs: Mapping[Digest, Path],
    envs: Mapping[str, Path],
    lock: str,
    *,
    replace: bool = False,
) -> list[LaidOut]:
    """Lay releases and their lock out in `out`.

    `blobs` are the verified files of all their layers and documents; `envs` is where the wheels of
    each that has some are unpacked, by its title.

    Raises:
        Tampered: a layer's files aren't those that were signed; nothing was laid out.
        Conflicting: something else is there under one of the names, and not `replace`.
        RecipeError: a layer or wheel that tries to climb out, or is broken.
    """
    out = out.absolute()
    with _staging(out) as staging:
        for release in releases:
            _draw(staging, release, blobs)
            if release.title in envs:
                clone_folder(envs[release.title], staging / release.title / "env")
        for top in {release.title.partition("/")[0] for release in releases}:
            _open_up(staging / top)
        (staging / LOCK_NAME).write_text(lock, encoding="utf-8")
        (staging / LOCK_NAME).chmod(0o644)
        titles = [release.title for release in releases]
        evident = [
            f"{EVIDENCE}/{release.title}" for release in releases if release.evidence.statements
        ]
        return _place(staging, out, titles, evident, replace=replace)


@contextmanager
def _staging(out: Path) -> Iterator[Path]:
    """Give a hidden folder on the file system of `out`; it is gone afterwards."""
    place = next(folder for folder in (out, *out.parents) if folder.is_dir())
    staging = Path(tempfile.mkdtemp(prefix=".recipebox-", dir=place))
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def unpack_layers(release: VerifiedRelease, blobs: Mapping[Digest, Path], into: Path) -> None:
    """Unpack a release's layers into the folder `into`, as `into/team/etl-1.2.3`.

    Raises:
        Tampered: a layer's files aren't those that were signed.
        RecipeError: a layer that tries to climb out, or is broken.
    """
    found: dict[str, str] = {}
    for title, layer in release.layers.items():
        with blobs[layer.digest].open("rb") as stream:
            found |= unpack_layer(
                stream, title, into, size=layer.size, wanted=release.files.__contains__
            )
    what = f"{release.name} {release.metadata.version}"
    compare_files(what, expected=release.files, found=found)


def _draw(staging: Path, release: VerifiedRelease, blobs: Mapping[Digest, Path]) -> None:
    unpack_layers(release, blobs, staging)
    tree = staging / release.title
    metadata = tree / "metadata"
    _write(metadata / "release.json", release.statement)
    _write(metadata / "signature.asc", release.signatures[release.publisher].encode("ascii"))
    (metadata / "signatures").mkdir(mode=_OPEN)
    for fingerprint, signature in release.signatures.items():
        _write(metadata / "signatures" / f"{fingerprint}.asc", signature.encode("ascii"))
    if release.evidence.statements:
        documents = {
            name: blobs[document.digest].read_bytes()
            for name, document in release.evidence.listed.items()
        }
        place = folder_of(staging, release.title)
        write_evidence(place, changed(release.evidence, documents=documents))
        _open_up(staging / EVIDENCE)


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    path.chmod(0o644)


def _open_up(top: Path) -> None:
    """Let other users read, whatever the umask: a recipe runs as somebody else."""
    for folder, _, files in os.walk(top):
        Path(folder).chmod(_OPEN)
        for name in files:
            path = Path(folder, name)
            path.chmod(_OPEN if path.stat().st_mode & 0o100 else 0o644)


def _place(
    staging: Path, out: Path, titles: Sequence[str], evident: Sequence[str], *, replace: bool
) -> list[LaidOut]:
    if not out.exists():
        staging.chmod(_OPEN)
        out.parent.mkdir(parents=True, exist_ok=True)
        staging.rename(out)
        return [LaidOut(title, out / title, is_new=True) for title in titles]
    if not out.is_dir():
        raise Conflicting(f"{out}: a file is there", hint="name another folder with --out")
    names = [*evident, *titles, LOCK_NAME]  # the lock last: with it, all that it names is there
    same = {name: _is_same(staging / name, out / name) for name in names}
    for name in names:
        if (out / name).exists() and not same[name] and not replace:
            raise Conflicting(
                f"{out / name}: something else is there; nothing was changed",
                hint="name another folder with --out, or replace it with --replace",
                path=str(out / name),
            )
    old = Path(tempfile.mkdtemp(prefix=".old-", dir=staging))
    done: list[str] = []
    try:
        for name in names:
            if not same[name]:
                done.append(name)
                _swap(staging / name, out / name, old / name)
    except BaseException:
        for name in reversed(done):
            _swap_back(staging / name, out / name, old / name)
        raise
    return [LaidOut(title, out / title, is_new=not same[title]) for title in titles]


def _swap(new: Path, place: Path, old: Path) -> None:
    for above in reversed(place.parents):
        if not above.is_dir():
            above.mkdir(mode=_OPEN)
            above.chmod(_OPEN)
    if place.exists():
        old.parent.mkdir(parents=True, exist_ok=True)
        place.rename(old)
    new.rename(place)


def _swap_back(new: Path, place: Path, old: Path) -> None:
    if not new.exists() and place.exists():
        place.rename(new)
    if old.exists():
        old.rename(place)


def _is_same(new: Path, place: Path) -> bool:
    """Whether two files, or two folders with everything in them, are the same."""
    if new.is_file():
        return place.is_file() and filecmp.cmp(new, place, shallow=False)
    if not place.is_dir() or place.is_symlink():
        return False
    names = sorted(path.name for path in new.iterdir())
    if names != sorted(path.name for path in place.iterdir()):
        return False
    return all(_is_same(new / name, place / name) for name in names)
