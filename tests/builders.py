"""Builders: a registry over a folder, principals by role, signed packages, bundles and locks.

::

    given = Given(tmp_path)                      a registry at its first start
    given.namespace("team", keys=[SIGNER])       a namespace and the keys that sign in it
    package = a_package("team/etl", "1.0.0")     a tiny package, drawn by recipes.layers
    given.push(package)                          its blobs, manifests and signature: staged
    given.publish(package)                       the same, and admitted

Packages and signatures are functions of their arguments, and so are made once a process.
"""

import hashlib
import io
import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.manifest import EMPTY_CONFIG, image_manifest
from artifacts.reference import PackageName, RepositoryName, Tag
from recipes.layers import build_release, wheel_set_manifest
from recipes.package import DeploymentConfig, Entry, PackageMetadata, PythonStep, Wheel
from registry.access import Principal, Role
from registry.assembly import Registry, open_registry
from registry.bundles import Bundle
from registry.config import RegistryConfig
from registry.images import ImageReference
from registry.promotions import Promotion
from registry.publish import Admission
from resolver.candidate import Environment
from resolver.lock import Lock, LockedPackage
from resolver.requirement import Requirement
from resolver.version import Version
from signing.sign import sign_with_key
from signing.statement import (
    Kind,
    Statement,
    bundle_statement,
    release_statement,
    statement_manifest,
)
from storage.blobs import ListedStore
from tests.keys import SIGNER, TestKey, make_key
from tests.tools.databases import databases

PLATFORM = "linux/amd64"


class SetClock:
    """A clock that stands still until it is moved; it begins at the real time, whole seconds.

    It can't begin elsewhere, since gpg writes the real time into the signatures that it makes.
    """

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        """Return the time that it shows."""
        return self.now

    def advance(self, by: timedelta) -> datetime:
        """Move it on, and return the new time."""
        self.now += by
        return self.now


@cache
def server_key() -> TestKey:
    """Return the key that every built registry signs with (made once: it takes 50 ms)."""
    return make_key("server@example.org")


@cache
def sign(data: bytes, key: TestKey) -> bytes:
    """Return a detached armoured signature."""
    return sign_with_key(data, key.secret, key.passphrase).encode("ascii")


def a_principal(
    role: Role | None, namespace: str | None = None, name: str | None = None
) -> Principal:
    """Return a principal as a token of this role and namespace gives it."""
    return Principal(
        name or (role.value if role else "anonymous"),
        role,
        namespace,
        "token" if role else "none",
        "0123456789ab" if role else None,
    )


ADMIN = a_principal(Role.ADMIN)
PUBLISHER = a_principal(Role.PUBLISHER, "team")
PROMOTER = a_principal(Role.PROMOTER, "team")
READER = a_principal(Role.READER, "team")
STRANGER = a_principal(Role.PUBLISHER, "others", name="stranger")
NOBODY = a_principal(None)


@dataclass(frozen=True)
class Referrer:
    """A signed statement as it is pushed: the manifest, and the blobs that it needs."""

    manifest: bytes
    blobs: tuple[bytes, ...]

    @property
    def digest(self) -> Digest:
        """The manifest's digest."""
        return Digest.of(self.manifest)


def a_referrer(
    subject: Descriptor, kind: Kind, statement: bytes, signature: bytes | TestKey
) -> Referrer:
    """Hang a statement on `subject`, with a signature, or with one by a key."""
    signed = sign(statement, signature) if isinstance(signature, TestKey) else signature
    return Referrer(
        statement_manifest(subject, kind, statement, signed),
        (media.EMPTY_JSON, statement, signed),
    )


@dataclass(frozen=True)
class Image:
    """An image that was drawn, or an index of some: its manifest, its blobs, what is below it."""

    manifest: bytes
    media_type: str = media.MANIFEST
    blobs: tuple[bytes, ...] = ()
    below: tuple["Image", ...] = ()
    platform: Mapping[str, str] | None = None

    @property
    def digest(self) -> Digest:
        """Its digest."""
        return Digest.of(self.manifest)

    @property
    def descriptor(self) -> Descriptor:
        """What an index says of it."""
        return replace(Descriptor.of(self.manifest, self.media_type), platform=self.platform)

    @property
    def size(self) -> int:
        """Bytes of all of it, each manifest and blob once."""
        held = {self.manifest: len(self.manifest)} | {each: len(each) for each in self.blobs}
        return sum(held.values()) + sum(each.size for each in self.below)


def an_image(
    *layers: bytes,
    architecture: str | None = "amd64",
    variant: str | None = None,
    is_docker: bool = False,
    subject: Descriptor | None = None,
) -> Image:
    """Draw an image for linux on an architecture (None: it says none)."""
    platform = {} if architecture is None else {"os": "linux", "architecture": architecture}
    if variant is not None:
        platform["variant"] = variant
    made_of = layers or (f"a layer for {architecture}".encode(),)
    config = json.dumps({**platform, "rootfs": {"type": "layers"}, "config": {}}).encode()
    drawn: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": media.DOCKER_MANIFEST if is_docker else media.MANIFEST,
        "config": Descriptor.of(
            config, media.DOCKER_IMAGE_CONFIG if is_docker else media.IMAGE_CONFIG
        ).to_json(),
        "layers": [Descriptor.of(layer, media.LAYER_TAR).to_json() for layer in made_of],
    }
    if subject is not None:
        drawn["subject"] = subject.to_json()
    return Image(
        json.dumps(drawn).encode(),
        drawn["mediaType"],
        (config, *made_of),
        platform=platform or None,
    )


def an_index(*images: Image, is_docker: bool = False) -> Image:
    """Draw an index of images, or of indexes."""
    drawn = {
        "schemaVersion": 2,
        "mediaType": media.DOCKER_INDEX if is_docker else media.INDEX,
        "manifests": [each.descriptor.to_json() for each in images],
    }
    return Image(json.dumps(drawn).encode(), str(drawn["mediaType"]), (), images)


@dataclass(frozen=True)
class Package:
    """A package that was drawn: its manifests and every blob that they need."""

    metadata: PackageMetadata
    manifest: bytes
    config: bytes
    layers: tuple[bytes, ...]
    files: Mapping[str, str] = field(hash=False)
    wheel_sets: Mapping[str, bytes] = field(hash=False)
    wheels: tuple[bytes, ...] = ()

    @property
    def name(self) -> PackageName:
        """The package's name."""
        return PackageName.parse(self.metadata.name)

    @property
    def repository(self) -> RepositoryName:
        """Where it is pushed."""
        return self.name.repository

    @property
    def version(self) -> str:
        """Its version."""
        return self.metadata.version

    @property
    def digest(self) -> Digest:
        """The release manifest's digest."""
        return Digest.of(self.manifest)

    @property
    def descriptor(self) -> Descriptor:
        """The release manifest's descriptor."""
        return Descriptor.of(self.manifest, media.MANIFEST)

    @property
    def tag(self) -> Tag:
        """The tag that the server gives it."""
        return Tag(self.version)

    @property
    def statement(self) -> Statement:
        """What its publisher signs."""
        return release_statement(self.name, self.version, self.digest, self.files)

    def signed_by(self, key: TestKey) -> Referrer:
        """Return its statement, signed."""
        return a_referrer(self.descriptor, Kind.RELEASE, self.statement.to_bytes(), key)


def a_package(
    name: str = "team/etl",
    version: str = "1.0.0",
    *,
    requires: Mapping[str, str] | None = None,
    extras: Mapping[str, Mapping[str, str]] | None = None,
    wheels: Mapping[str, Sequence[bytes]] | None = None,
    summary: str = "Moves numbers",
    python: str = ">=3.11",
    code: str = "print('hello')\n",
) -> Package:
    """Draw a package; `wheels` gives the bytes of each platform's wheels."""
    made_of = {platform: tuple(datas) for platform, datas in (wheels or {}).items()}
    return _package(
        name,
        version,
        requires=tuple(sorted((requires or {}).items())),
        extras=tuple(
            (extra, tuple(sorted(group.items()))) for extra, group in sorted((extras or {}).items())
        ),
        wheels=tuple(sorted(made_of.items())),
        summary=summary,
        python=python,
        code=code,
    )


@cache
def _package(
    name: str,
    version: str,
    *,
    requires: tuple[tuple[str, str], ...],
    extras: tuple[tuple[str, tuple[tuple[str, str], ...]], ...],
    wheels: tuple[tuple[str, tuple[bytes, ...]], ...],
    summary: str,
    python: str,
    code: str,
) -> Package:
    locked = {platform: [_a_wheel(data, platform) for data in datas] for platform, datas in wheels}
    metadata = PackageMetadata(
        name=name,
        version=version,
        summary=summary,
        license="MIT",
        requires=dict(requires),
        extras={extra: dict(group) for extra, group in extras},
        python=python,
        wheels=[wheel for each in locked.values() for wheel in each],
        entry=Entry(runner="bundled"),
        steps=[PythonStep(idx=1, name="a", type="python", module="steps.a", function="A")],
    )
    with tempfile.TemporaryDirectory(prefix="rbt-") as folder:
        tree = Path(folder) / metadata.title
        (tree / "recipe").mkdir(parents=True)
        (tree / "metadata").mkdir()
        (tree / "recipe" / "run_recipe.py").write_text(code)
        (tree / "recipe" / "recipe.yaml").write_text("steps: []\n")
        (tree / "metadata" / "package.json").write_bytes(metadata.to_bytes())
        config = DeploymentConfig().to_bytes()
        (tree / "metadata" / "deployment_config.yaml").write_bytes(config)
        release = build_release(tree, Path(folder))
        layers = tuple(layer.path.read_bytes() for layer in release.layers)
    return Package(
        metadata,
        release.manifest,
        release.config,
        layers,
        release.files,
        {
            platform: wheel_set_manifest(release.descriptor, platform, each)
            for platform, each in locked.items()
        },
        tuple(data for _, datas in wheels for data in datas),
    )


def _a_wheel(data: bytes, platform: str) -> Wheel:
    tag = f"py3-none-{platform.replace('/', '_')}"
    distribution = f"w{hashlib.sha256(data).hexdigest()[:8]}"
    return Wheel(
        name=distribution,
        version="1.0",
        filename=f"{distribution}-1.0-{tag}.whl",
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        tags=[tag],
    )


def a_lock(*packages: Package, signers: Sequence[str] = (SIGNER.fingerprint,)) -> str:
    """Return the text of a lock that asks for the first package and holds all of them."""
    locked = tuple(
        LockedPackage(
            each.name,
            Version.parse(each.version),
            each.digest,
            len(each.manifest),
            tuple(signers),
            tuple(Requirement.of(name, wanted) for name, wanted in each.metadata.requires.items()),
            {
                platform: Digest.of(manifest)
                for platform, manifest in each.wheel_sets.items()
                if platform == PLATFORM
            },
        )
        for each in packages
    )
    asked = (Requirement.parse(f"{packages[0].name} {packages[0].version}"),)
    return Lock(asked, Environment("3.11", PLATFORM), 1, locked).dumps()


def a_manifest(
    *blobs: bytes,
    subject: Descriptor | None = None,
    artifact_type: str = "application/vnd.example.v1",
    annotations: Mapping[str, str] | None = None,
) -> bytes:
    """Return a manifest of any artifact, whose layers are `blobs`; it needs `{}` too."""
    return image_manifest(
        artifact_type=artifact_type,
        config=EMPTY_CONFIG,
        layers=[Descriptor.of(blob, "application/octet-stream") for blob in blobs],
        subject=subject,
        annotations=annotations,
    )


def a_config(data: Path, **options: Any) -> RegistryConfig:
    """Return the configuration of a registry over `data`, on the database that the tests run on."""
    return RegistryConfig(data, database_url=databases().url_of(data), **options)


class Given:
    """A registry that was started over `data`, and the acts that tests begin with."""

    def __init__(
        self,
        data: Path,
        store: ListedStore | None = None,
        clock: SetClock | None = None,
        *,
        is_first_start: bool = True,
    ) -> None:
        self.data = data
        self.clock = clock or SetClock()
        key = data.parent / f"{data.name}.server.asc"
        key.parent.mkdir(parents=True, exist_ok=True)
        key.write_text(server_key().secret)
        self.config = a_config(data, server_key=key)
        self.registry: Registry = open_registry(self.config, store, self.clock)
        self.first_token = self.registry.prepare() if is_first_start else None

    def copied_to(self, data: Path) -> "Given":
        """Return a registry over a copy of the data; nobody may be working on it."""
        self.registry.database.close()
        shutil.copytree(self.data, data)
        databases().copy(self.data, data)
        copy = Given(data, is_first_start=False)
        # The same key from the same file: reading it by gpg again takes 60 ms.
        vars(copy.registry.server_key).update(vars(self.registry.server_key))
        return copy

    def namespace(
        self, name: str = "team", *, public: bool = False, keys: Iterable[TestKey] = (SIGNER,)
    ) -> None:
        """Make a namespace with the keys that sign in it."""
        self.registry.namespaces.create(ADMIN, name, public=public)
        for key in keys:
            self.registry.namespaces.add_key(ADMIN, name, key.public)

    def blob(self, repository: RepositoryName, data: bytes, by: Principal = ADMIN) -> Digest:
        """Push a blob."""
        digest = Digest.of(data)
        self.registry.uploads.push(by, repository, digest, io.BytesIO(data), len(data))
        return digest

    def manifest(
        self,
        repository: RepositoryName,
        data: bytes,
        *blobs: bytes,
        by: Principal = ADMIN,
        reference: Tag | Digest | None = None,
    ) -> Digest:
        """Push a manifest, after the blobs that it needs, by its digest or another reference."""
        for blob in blobs:
            self.blob(repository, blob, by)
        put = self.registry.manifests.put(
            by, repository, reference or Digest.of(data), data, media.MANIFEST
        )
        return put.info.digest

    def image(
        self,
        repository: RepositoryName,
        image: Image,
        by: Principal = ADMIN,
        tag: str | None = None,
    ) -> ImageReference:
        """Push all of an image, what is below it first; tell where it is."""
        for each in image.below:
            self.image(repository, each, by)
        for blob in image.blobs:
            self.blob(repository, blob, by)
        reference = image.digest if tag is None else Tag(tag)
        self.registry.manifests.put(by, repository, reference, image.manifest, image.media_type)
        return ImageReference(repository, image.digest)

    def artifact(
        self, repository: RepositoryName, *blobs: bytes, by: Principal = ADMIN, tag: str = "v1"
    ) -> Digest:
        """Push a plain artifact of these blobs under a tag."""
        data = a_manifest(*blobs)
        return self.manifest(repository, data, media.EMPTY_JSON, *blobs, by=by, reference=Tag(tag))

    def referrer(
        self, repository: RepositoryName, referrer: Referrer, by: Principal = ADMIN
    ) -> Digest:
        """Push a signed statement."""
        return self.manifest(repository, referrer.manifest, *referrer.blobs, by=by)

    def push(
        self,
        package: Package,
        *,
        signed_by: Iterable[TestKey] = (SIGNER,),
        by: Principal = PUBLISHER,
    ) -> Digest:
        """Push all of a package as a client does; it is staged then. Return its digest."""
        for blob in (package.config, *package.layers, *package.wheels, media.EMPTY_JSON):
            self.blob(package.repository, blob, by)
        for manifest in (package.manifest, *package.wheel_sets.values()):
            self.manifest(package.repository, manifest, by=by)
        for key in signed_by:
            self.referrer(package.repository, package.signed_by(key), by=by)
        return package.digest

    def publish(
        self,
        package: Package,
        *,
        signed_by: Iterable[TestKey] = (SIGNER,),
        by: Principal = PUBLISHER,
    ) -> Admission:
        """Push a package and have it admitted."""
        digest = self.push(package, signed_by=signed_by, by=by)
        return self.registry.publishing.admit(by, package.name, digest)

    def bundle(
        self,
        application: PackageName,
        *packages: Package,
        signed_by: TestKey | None = SIGNER,
        by: Principal = PROMOTER,
        images: Sequence[ImageReference] = (),
    ) -> Bundle:
        """Have a bundle of published packages and pushed images made, and sign it."""
        made = self.registry.bundles.create(by, application, a_lock(*packages), images)
        if signed_by is not None:
            self.sign_bundle(made, signed_by, by)
        return made

    def sign_bundle(self, bundle: Bundle, key: TestKey, by: Principal = PROMOTER) -> Digest:
        """Push the statement that signs a bundle."""
        statement = bundle_statement(bundle.application, bundle.digest, bundle.packages)
        subject = Descriptor(media.INDEX, bundle.digest, bundle.size)
        referrer = a_referrer(subject, Kind.BUNDLE, statement.to_bytes(), key)
        return self.referrer(bundle.application.repository, referrer, by)

    def promote(
        self,
        bundle: Bundle,
        to: str = "dev",
        previous: Digest | None = None,
        by: Principal = PROMOTER,
    ) -> Promotion:
        """Point a channel at a bundle."""
        return self.registry.promotions.promote(by, bundle.application, to, bundle.digest, previous)
