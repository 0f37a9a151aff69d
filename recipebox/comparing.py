"""Comparing two packages, wherever they are: what is needed of each is brought here, verified.

::

    team/etl@1.2.3     the index, manifest, signatures, receipt, as `fetch` verifies them
    etl.tar            what `export` wrote, by the pins of this machine, as `import --to` does
    here/team/etl-1    its files as they are; who signed them where that holds, and else nobody

Files are compared by the sha256 that the statement has. Of layers, only those folders are read
that differ between both: sizes and permissions are nowhere else.
"""

import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from artifacts.digest import Digest
from artifacts.reference import PackageName
from recipebox.archive import Archive
from recipebox.errors import Missing, Misuse, NotCached, Untrusted
from recipebox.output import Output
from recipebox.releases import Reader, Releases, VerifiedRelease, compare_files
from recipebox.verification import signed_statements
from recipes.deployment import DeploymentConfig
from recipes.difference import Contents, FileFacts
from recipes.evidence import Evidence, folder_of, read_evidence
from recipes.layers import ReleaseArtifact, build_release, unpack_layer
from recipes.licences import read_facts
from recipes.package import FOLDERS, PackageMetadata, PackageTree, read_tree
from recipes.sbom import FILE_NAME as SBOM
from recipes.sbom import licences_in
from resolver.candidate import Candidate
from resolver.lock import Lock, LockedPackage
from resolver.source import IndexSource
from resolver.version import Version
from signing.errors import InvalidStatement, VerificationFailed

Licences = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Subject:
    """A package that is to be compared, before any of its layers was read.

    `layers` are the digests of its folders; `files` the sha256 (hex) of each of its files. `lay`
    gives a tree in which those folders' files are, that are asked for.
    """

    name: str
    metadata: PackageMetadata
    digest: Digest
    layers: Mapping[str, Digest]
    files: Mapping[str, str]
    signers: tuple[str, ...] | None
    licences: Callable[[], Licences | None]
    lay: Callable[[list[str]], Path]

    def contents(self, folders: list[str]) -> Contents:
        """Return what is compared, with the files of `folders`, of which metadata is one."""
        tree = self.lay(folders)
        data = (tree / "metadata" / "deployment_config.yaml").read_bytes()
        facts = {
            path: _facts(tree / path, sha256)
            for path, sha256 in self.files.items()
            if path.partition("/")[0] in folders
        }
        return Contents(
            self.name,
            self.metadata,
            self.digest,
            DeploymentConfig.from_bytes(data, f"{self.name}: deployment_config.yaml"),
            facts,
            frozenset(_empty(tree, folders)),
            self.licences(),
            self.signers,
            lambda path: (tree / path).read_bytes(),
        )


def _facts(path: Path, sha256: str) -> FileFacts:
    status = path.lstat()
    return FileFacts(sha256, status.st_size, bool(status.st_mode & 0o100))


def _empty(tree: Path, folders: list[str]) -> list[str]:
    return [
        path.relative_to(tree).as_posix()
        for folder in folders
        for path in (tree / folder, *(tree / folder).rglob("*"))
        if path.is_dir() and not any(path.iterdir())
    ]


def both(old: Subject, new: Subject) -> tuple[Contents, Contents]:
    """Return what is compared of two packages: the folders that differ, and metadata."""
    folders = [
        each
        for each in FOLDERS
        if each == "metadata" or old.layers.get(each) != new.layers.get(each)
    ]
    return old.contents(folders), new.contents(folders)


class Subjects:
    """Finds subjects by what somebody calls them; a context, in which their files stay."""

    def __init__(self, output: Output, jobs: int) -> None:
        self._output = output
        self._jobs = jobs
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what was unpacked."""
        self._stack.close()

    def in_registry(
        self, name: PackageName, version: str | None, source: IndexSource, reader: Releases
    ) -> Subject:
        """Return a release as the registry has it, verified; None is the newest that isn't yanked.

        Raises:
            Missing: there is no such release.
            Untrusted: and its subclasses, for what can't be believed.
        """
        found = _listed(name, version, source)
        what = f"{name}@{found.version}"
        if found.yanked is not None:
            self._output.warn(f"{what} is yanked: {found.yanked.reason}")
        locked = LockedPackage(
            found.name, found.version, found.digest, found.size, found.signers, found.requires
        )
        return self._release(what, reader.get(locked, None), reader)

    def in_archive(
        self, path: str, archive: Archive, reader: Releases, package: str | None
    ) -> Subject:
        """Return a release of an archive: `package`, or the one that was asked for at its making.

        Raises:
            Misuse: several were asked for.
            Missing: it hasn't got it.
            Untrusted: and its subclasses, for what can't be believed.
        """
        locked = _meant(path, archive.lock, package)
        return self._release(
            f"{path}: {locked.name}@{locked.version}", reader.get(locked, None), reader
        )

    def in_folder(self, path: Path, reader: Reader | None) -> Subject:
        """Return a package as it lies on disk; `reader` says who signed it, where it is given.

        What is wrong with its signatures is told, and stops nothing: its files are compared as they
        are.

        Raises:
            NotAPackage: there is none, or several.
            UnsafePath: a link, a device, or a name that can't be laid out everywhere.
        """
        tree = read_tree(path)
        with tempfile.TemporaryDirectory(prefix="recipebox-diff-") as into:
            artifact = build_release(tree.path, Path(into))
        digest = artifact.descriptor.digest
        return Subject(
            str(path),
            tree.metadata,
            digest,
            {each.title.rpartition("/")[2]: each.descriptor.digest for each in artifact.layers},
            artifact.files,
            self._signers(tree, artifact, reader),
            lambda: _licences_beside(tree, digest),
            lambda _folders: tree.path,
        )

    def _release(self, what: str, release: VerifiedRelease, reader: Releases) -> Subject:
        titles = {title.rpartition("/")[2]: layer for title, layer in release.layers.items()}

        def lay(folders: list[str]) -> Path:
            return self._lay(what, release, reader, folders)

        def licences() -> Licences | None:
            document = release.evidence.listed.get(SBOM)
            if document is None:
                return None if release.metadata.wheels else {}
            path = reader.blob(release.repository, document.descriptor)
            return licences_in(path.read_bytes(), what)

        return Subject(
            what,
            release.metadata,
            release.descriptor.digest,
            {folder: layer.digest for folder, layer in titles.items()},
            release.files,
            tuple(sorted(release.signatures)),
            licences,
            lay,
        )

    def _lay(
        self, what: str, release: VerifiedRelease, reader: Releases, folders: list[str]
    ) -> Path:
        """Unpack the layers of some folders, each file of which must be as it was signed."""
        into = Path(
            self._stack.enter_context(tempfile.TemporaryDirectory(prefix="recipebox-diff-"))
        )
        wanted = {
            title: layer
            for title, layer in release.layers.items()
            if title.rpartition("/")[2] in folders
        }
        blobs = reader.download(
            [(release.repository, layer) for layer in wanted.values()], self._jobs
        )
        found: dict[str, str] = {}
        for title, layer in wanted.items():
            with blobs[layer.digest].open("rb") as stream:
                found |= unpack_layer(
                    stream, title, into, size=layer.size, wanted=release.files.__contains__
                )
        expected = {
            path: sha256
            for path, sha256 in release.files.items()
            if path.partition("/")[0] in folders
        }
        compare_files(what, expected=expected, found=found)
        return into / release.title

    def _signers(
        self, tree: PackageTree, artifact: ReleaseArtifact, reader: Reader | None
    ) -> tuple[str, ...] | None:
        what = f"{tree.metadata.name} {tree.metadata.version} in {tree.path}"
        if not (tree.path / "metadata" / "release.json").is_file():
            return None
        if reader is None:
            self._output.note(f"{what}: who signed it wasn't looked at: no registry is named")
            return None
        try:
            name = PackageName.parse(tree.metadata.name)
            signed = signed_statements(tree)
            statement, good = reader.of(name).signers(name.namespace, what, signed)
            Releases.read_release(
                what, statement, artifact.descriptor.digest, tree.metadata, artifact.files
            )
        except (Untrusted, NotCached, VerificationFailed, InvalidStatement) as error:
            self._output.warn(f"not taken for signed: {getattr(error, 'message', error)}")
            return None
        return tuple(sorted(good))


def parse_release(text: str) -> tuple[PackageName, str | None]:
    """Read `NS/NAME` or `NS/NAME@VERSION`.

    Raises:
        Misuse: it is neither, nor a file or folder.
    """
    name, separator, version = text.partition("@")
    if name.count("/") != 1 or (separator and not version):
        raise Misuse(
            f"{text!r} is no folder, no file and no release",
            hint="name a folder, a file that `export` wrote, or NS/NAME@VERSION",
        )
    return PackageName.parse(name), str(Version.parse(version)) if separator else None


def _listed(name: PackageName, version: str | None, source: IndexSource) -> Candidate:
    index = source.find_index(name)
    if index is None or not index.releases:
        raise Missing(
            f"there is no package {name} that you may read",
            hint=f"look for it: recipebox search {name.name}",
            package=str(name),
        )
    if version is None:
        ordered = sorted(
            index.releases,
            key=lambda each: (each.yanked is None, not each.version.is_prerelease, each.version),
        )
        return ordered[-1]
    for release in index.releases:
        if str(release.version) == version:
            return release
    raise Missing(f"{name} has no release {version}", hint=f"recipebox info {name}")


def _meant(path: str, lock: Lock, package: str | None) -> LockedPackage:
    names = [str(each) for each in lock.roots]
    if package is None and len(names) != 1:
        raise Misuse(f"{path} was made for {', '.join(names)}", hint="say which: --package NS/NAME")
    wanted = package or names[0]
    for each in lock.packages:
        if str(each.name) == wanted:
            return each
    held = ", ".join(str(each.name) for each in lock.packages)
    raise Missing(f"{path} has no {wanted}", hint=f"it has {held}")


def _licences_beside(tree: PackageTree, digest: Digest) -> Licences | None:
    """Return what wheels say, by the SBOM beside a tree, or else by those that `pack` left."""
    wheels = tree.metadata.wheels
    if not wheels:
        return {}
    folder = folder_of(tree.out, tree.metadata.title)
    evidence: Evidence = read_evidence(folder)
    if SBOM in evidence.documents and evidence.is_about(digest):
        return licences_in(evidence.documents[SBOM], str(folder / SBOM))
    found: dict[str, list[str]] = {}
    for each in wheels:
        path = tree.out / "wheels" / each.filename
        if not path.is_file():
            return None
        said = read_facts(path, each.filename).license
        found.setdefault(each.name, []).extend([said] if said else [])
    return {name: tuple(sorted(set(said))) for name, said in found.items()}
