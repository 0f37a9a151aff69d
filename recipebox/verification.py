"""Verifying packages on disk: every file as it was signed, and by whom.

Files are compared with release.json, and release.json's signatures with the pins; env/ with what
the signed wheels unpack to, which are downloaded where they aren't cached. Where a folder has a
lock, all that it pins must be there, with the digests that it pins.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.reference import PackageName
from recipebox.cache import Cache
from recipebox.errors import Missing, Tampered, Unsigned
from recipebox.install import LOCK_NAME
from recipebox.releases import CHANGED_HERE, Reader, Releases, SignedStatement
from recipebox.running import kept_env
from recipes.environment import compare_env, unpacked_aside, wheels_in
from recipes.errors import ChangedEnvironment
from recipes.evidence import Evidence, folder_of, read_evidence
from recipes.layers import build_release
from recipes.package import PackageTree, Wheel, read_tree
from recipes.wheels import wheels_here
from resolver.lock import Lock


@dataclass(frozen=True, slots=True)
class VerifiedTree:
    """A package on disk whose every file is as its pinned signers signed it.

    `has_proof` says whether they signed a proof too, `documents` which documents about it.
    """

    name: str
    version: str
    digest: Digest
    signers: tuple[str, ...]
    files: int
    path: Path
    has_proof: bool
    documents: tuple[str, ...]


class Verification:
    """Verifies folders, with the keys, pins and wheels that `reader` has."""

    def __init__(self, reader: Reader, cache: Cache) -> None:
        self._reader = reader
        self._cache = cache

    def verify(self, folder: Path) -> list[VerifiedTree]:
        """Verify the package in `folder`, or all that its lock pins.

        Raises:
            Unsigned, UnknownSigner, Untrusted: nobody who counts signed it well.
            Tampered: a file is missing, added or changed.
            Missing: a package of the lock isn't there.
        """
        path = folder / LOCK_NAME
        if not path.is_file():
            return [self._verify_tree(folder)]
        verified = []
        for package in Lock.loads(path.read_text(encoding="utf-8")).packages:
            place = folder / f"{package.name}-{package.version}"
            if not place.is_dir():
                raise Missing(
                    f"{place}: the lock pins it, and it isn't there",
                    hint=f"fetch it: recipebox fetch --frozen {path} --out {folder}",
                )
            tree = self._verify_tree(place)
            if tree.digest != package.digest:
                raise Tampered(
                    f"{package.name} {package.version} in {place}",
                    expected=f"{package.digest}, as {path} pins it",
                    found=tree.digest,
                    hint="the lock or the package is another one: fetch it again, with this lock",
                )
            verified.append(tree)
        return verified

    def _verify_tree(self, folder: Path) -> VerifiedTree:
        tree = read_tree(folder)
        what = f"{tree.metadata.name} {tree.metadata.version}"
        signed = signed_statements(tree)
        name = PackageName.parse(tree.metadata.name)
        statement, good = self._reader.of(name).signers(name.namespace, what, signed)
        found = compare_with_statement(tree, statement)
        self._verify_env(what, tree)
        evidence = self._verify_evidence(what, tree, found.digest)
        return VerifiedTree(
            tree.metadata.name,
            tree.metadata.version,
            found.digest,
            tuple(sorted(good)),
            found.files,
            tree.path,
            evidence.proof is not None,
            tuple(evidence.documents),
        )

    def _verify_evidence(self, what: str, tree: PackageTree, manifest: Digest) -> Evidence:
        """Return the evidence beside a tree, once somebody pinned has signed it; nothing if none.

        What was left unsigned because it is about other bytes is nobody's word, and is left out.
        """
        folder = folder_of(tree.out, tree.metadata.title)
        evidence = read_evidence(folder)
        if not evidence.is_about(manifest):
            if not evidence.signatures:
                return Evidence()
            raise Tampered(
                f"{what}: what its evidence in {folder} is about",
                expected=manifest,
                found="another manifest",
                hint=CHANGED_HERE,
            )
        name = PackageName.parse(tree.metadata.name)
        for kind, statement in evidence.statements.items():
            signed = [
                SignedStatement(statement, each)
                for each in evidence.signatures.get(kind, {}).values()
            ]
            self._reader.of(name).signers(name.namespace, f"{what}: its {kind}", signed)
        return evidence

    def _verify_env(self, what: str, tree: PackageTree) -> None:
        """Compare env/ with what the wheels unpack to, whose sha256 package.json has."""
        env = tree.path / "env"
        if not tree.metadata.wheels or not env.exists():
            return
        try:
            wheels = wheels_in(env, tree.metadata.wheels)
            if set(_names(wheels)) == set(_names(wheels_here(tree.metadata.wheels))):
                wanted = tree.metadata.wheels
                with kept_env(self._cache, wanted, lambda: self._wheels(tree, wheels)) as fresh:
                    compare_env(fresh, env)
            else:  # it was fetched for another Python or platform
                with unpacked_aside(wheels, self._wheels(tree, wheels)) as fresh:
                    compare_env(fresh, env)
        except ChangedEnvironment as error:
            raise Tampered(
                f"{what}: {error.path}",
                expected=error.expected,
                found=error.found,
                hint=CHANGED_HERE,
            ) from error

    def _wheels(self, tree: PackageTree, wheels: Sequence[Wheel]) -> Mapping[str, Path]:
        return wheels_of(tree, wheels, lambda: self._reader)


def wheels_of(
    tree: PackageTree, wheels: Sequence[Wheel], reader: Callable[[], Reader]
) -> Mapping[str, Path]:
    """Return verified files of wheels, by name: those beside the tree, or else the cache's.

    Raises:
        NotCached, Missing, Unreachable: one is at neither, and can't be had.
    """
    repository = PackageName.parse(tree.metadata.name).repository

    def cached(wheel: Wheel) -> Path:
        digest = Digest("sha256", wheel.sha256)
        return reader().of(repository).blob(repository, Descriptor(media.WHEEL, digest, wheel.size))

    return {each.filename: _beside(tree, each) or cached(each) for each in wheels}


@dataclass(frozen=True, slots=True)
class Compared:
    """A tree that is as a statement says: its release's digest, and how many files were signed."""

    digest: Digest
    files: int


def compare_with_statement(tree: PackageTree, statement: bytes) -> Compared:
    """Compare a tree's files with a release statement; who signed that is not looked at.

    Raises:
        Tampered: a file is missing, added or changed.
    """
    what = f"{tree.metadata.name} {tree.metadata.version}"
    with tempfile.TemporaryDirectory(prefix="recipebox-") as into:
        artifact = build_release(tree.path, Path(into))
    release = Releases.read_release(
        what, statement, artifact.descriptor.digest, tree.metadata, files=artifact.files
    )
    return Compared(release.manifest, len(release.files))


def signed_statements(tree: PackageTree) -> list[SignedStatement]:
    """Return what lies in a tree's metadata/, nothing of it checked.

    Raises:
        Unsigned: there is no statement, or no signature.
        Tampered: signature.asc is none of signatures/.
    """
    metadata = tree.path / "metadata"
    path = metadata / "release.json"
    files = sorted((metadata / "signatures").glob("*.asc"))
    if not path.is_file() or not files:
        raise Unsigned(
            f"{tree.metadata.name} {tree.metadata.version} in {tree.path}: no signature",
            hint="its publisher signs it: recipebox sign",
        )
    statement = path.read_bytes()
    signatures = [file.read_text("ascii", "replace") for file in files]
    first = metadata / "signature.asc"
    if not first.is_file() or first.read_text("ascii", "replace") not in signatures:
        raise Tampered(
            f"{tree.metadata.name} {tree.metadata.version}: metadata/signature.asc",
            expected="one of metadata/signatures",
            found="another signature" if first.is_file() else "no such file",
            hint=CHANGED_HERE,
        )
    return [SignedStatement(statement, each) for each in signatures]


def _beside(tree: PackageTree, wheel: Wheel) -> Path | None:
    """Return a wheel that `pack` laid out beside the tree, where it is the one that was locked."""
    path = tree.out / "wheels" / wheel.filename
    try:
        with path.open("rb") as file:
            return path if Digest.of_stream(file).hex == wheel.sha256 else None
    except FileNotFoundError:
        return None


def _names(wheels: Sequence[Wheel]) -> list[str]:
    return [each.filename for each in wheels]
