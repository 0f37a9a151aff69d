"""Making a package ready to run: from the cache, or from where it is, without writing there.

::

    <temporary folder>/             a view, for one run: links, and the lock
    ├── recipebox.lock
    └── team/etl-1.2.3/
        ├── metadata -> <cache>/trees/<manifest's sha256>/tree/team/etl-1.2.3/metadata
        ├── recipe   -> <cache>/trees/<manifest's sha256>/tree/team/etl-1.2.3/recipe
        └── env      -> <cache>/envs/<hash of its wheels>/tree

What a release unpacks to and what its wheels unpack to is kept in the cache (recipebox/folders.py),
by what it is made of, so that a second run needs nothing but to look at them. Runs read them at
once; nobody writes to them.
"""

import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from artifacts.digest import Digest
from recipebox.cache import Cache
from recipebox.install import LOCK_NAME, unpack_layers
from recipebox.releases import LocatedBlob, Reader, VerifiedRelease
from recipes.environment import env_key, lay_out_env
from recipes.package import FOLDERS, Wheel

Files = Callable[[], Mapping[str, Path]]
"""Brings wheels, and returns their files by name, of bytes that were verified."""


@dataclass(frozen=True, slots=True)
class Part:
    """A package of a view: its folder's `title`, its `tree`, and its wheels, unpacked (or None)."""

    title: str
    tree: Path
    env: Path | None


@dataclass(frozen=True, slots=True)
class Ready:
    """A package that can be run: `path` is its folder, beside all that it requires.

    `runner` is `bundled` or `checkout`, as package.json has it. `digest` and `signers` are what was
    verified; None and nobody where nothing was. `environment` is the hash of its wheels; None where
    it has none.
    """

    path: Path
    name: str
    version: str
    runner: Literal["bundled", "checkout"]
    digest: Digest | None
    signers: tuple[str, ...]
    environment: str | None


@contextmanager
def view(parts: Iterable[Part], lock: str | None) -> Iterator[Path]:
    """Give an OUT that holds these packages by links; it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="recipebox-view-") as folder:
        out = Path(folder)
        for part in parts:
            place = out / part.title
            place.mkdir(parents=True)
            for name in FOLDERS:
                if (part.tree / name).is_dir():
                    (place / name).symlink_to(part.tree / name)
            if part.env is not None:
                (place / "env").symlink_to(part.env)
        if lock is not None:
            (out / LOCK_NAME).write_text(lock, encoding="utf-8")
        yield out


class Unpacked:
    """Verified releases and their wheels, unpacked in the cache; a context, in which they stay.

    What isn't there is downloaded at once, `jobs` blobs at a time, before the first is unpacked.
    """

    def __init__(self, reader: Reader, cache: Cache, jobs: int) -> None:
        self._reader = reader
        self._cache = cache
        self._jobs = jobs
        self._blobs: dict[Digest, Path] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let others remove what was held."""
        self._stack.close()

    def bring(self, releases: Sequence[VerifiedRelease], *, layers: bool) -> None:
        """Download what these need that isn't unpacked: wheels, and `layers`, where asked for."""
        self._fetch(
            blob
            for release in releases
            for blob in (
                *(release.layer_blobs if layers or not self._has_tree(release) else ()),
                *(() if self._has_env(release) else release.wheel_blobs),
            )
        )

    def files(self, blobs: Sequence[LocatedBlob]) -> Mapping[Digest, Path]:
        """Return the files of blobs, downloaded where they aren't here."""
        self._fetch(each for each in blobs if each[1].digest not in self._blobs)
        return {blob.digest: self._blobs[blob.digest] for _, blob in blobs}

    def tree(self, release: VerifiedRelease) -> Path:
        """Return where a release is unpacked: each file of it as it was signed.

        Raises:
            Tampered: a layer's files aren't those that were signed.
        """
        expected = {f"{release.title}/{path}": found for path, found in release.files.items()}

        def make(into: Path) -> None:
            into.mkdir()
            unpack_layers(release, self.files(release.layer_blobs), into)

        kept = self._cache.trees.using(release.descriptor.digest.hex, make, files=expected)
        return self._stack.enter_context(kept) / release.title

    def env(self, release: VerifiedRelease) -> Path | None:
        """Return where a release's wheels are unpacked; None where it has none."""
        if not release.wheels:
            return None
        return self._stack.enter_context(
            kept_env(
                self._cache,
                release.metadata.wheels,
                lambda: {
                    name: self.files([(release.repository, blob)])[blob.digest]
                    for name, blob in release.wheels.items()
                },
            )
        )

    def part(self, release: VerifiedRelease) -> Part:
        """Return a release as a part of a view."""
        return Part(release.title, self.tree(release), self.env(release))

    def _has_tree(self, release: VerifiedRelease) -> bool:
        return self._cache.trees.has(release.descriptor.digest.hex)

    def _has_env(self, release: VerifiedRelease) -> bool:
        return bool(release.wheels) and self._cache.envs.has(env_key(release.metadata.wheels))

    def _fetch(self, blobs: Iterable[LocatedBlob]) -> None:
        wanted = list(blobs)
        if wanted:
            self._blobs |= self._reader.download(wanted, self._jobs)


@contextmanager
def kept_env(cache: Cache, wheels: Sequence[Wheel], files: Files) -> Iterator[Path]:
    """Give what `wheels` unpack to here, from the cache; `files` is asked where it isn't there.

    Raises:
        WheelError: no wheel of a distribution fits here, or one is broken.
    """

    def make(into: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # bytecode in a wheel is left out
            lay_out_env(wheels, files(), into)

    with cache.envs.using(env_key(wheels), make) as env:
        yield env
