"""What is believed of a release: everything is there, signed, and still one thing doesn't fit.

A `World` is a cache in which a release lies as a registry would have sent it, with signatures by
the namespace's key (SIGNER) and receipts by the registry's (OTHER), both pinned. Each test changes
one thing, signed or not, and reads it offline.
"""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.manifest import encode
from artifacts.reference import PackageName
from recipebox.cache import Cache
from recipebox.config import Places
from recipebox.errors import Missing, NotCached, Tampered, Untrusted
from recipebox.install import lay_out
from recipebox.output import Output
from recipebox.releases import Releases, VerifiedRelease
from recipebox.running import Unpacked
from recipebox.trust import SERVER, TrustStore
from recipes.environment import platform_here
from recipes.errors import InvalidLayer
from recipes.layers import build_release, wheel_set_manifest
from recipes.package import PackageMetadata, read_tree
from resolver.lock import LockedPackage
from resolver.requirement import Requirement
from resolver.version import Version
from signing.sign import sign_with_key
from signing.statement import (
    Kind,
    receipt_statement,
    release_statement,
    statement_manifest,
)
from tests.keys import OTHER, SIGNER, TestKey
from tests.stories.machines import URL, a_tree, a_wheel

NAME = PackageName("team", "etl")
HERE = platform_here()


@dataclass
class World:
    """A release in a cache, and what is changed of it before it is read."""

    folder: Path
    wheels: list[tuple[str, bytes]] = field(default_factory=list)
    version: str = "1.0.0"
    manifest_changes: dict[str, Any] = field(default_factory=dict)
    files_changes: dict[str, str] = field(default_factory=dict)
    signed_version: str | None = None
    signed_digest: Digest | None = None
    receipt_version: str = "1.0.0"
    admitted: datetime = field(default_factory=lambda: datetime.now(UTC))
    change_layers: Callable[[list[bytes]], list[bytes]] | None = None
    change_wheel_set: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    has_wheel_set: bool = True

    def __post_init__(self) -> None:
        self.places = Places(self.folder / "config", self.folder / "cache")
        self.cache = Cache(self.places.cache)
        self.trust = TrustStore(self.places, URL)
        for namespace, key in ((NAME.namespace, SIGNER), (SERVER, OTHER)):
            self.trust.add(namespace, key.fingerprint, "command")
            self.trust.keep_key(key.fingerprint, key.public)
        self.said = io.StringIO()
        self.releases = Releases(URL, None, self.cache, self.trust, Output(stderr=self.said))

    def draw(self) -> LockedPackage:
        """Put everything into the cache, and return what a lock would pin."""
        out = a_tree(self.folder / "out", str(NAME), "1.0.0", wheels=self.wheels)
        (self.folder / "layers").mkdir()
        tree = read_tree(out)
        artifact = build_release(tree.path, self.folder / "layers")
        drawn = json.loads(artifact.manifest)
        layers = [layer.path.read_bytes() for layer in artifact.layers]
        if self.change_layers is not None:
            layers = self.change_layers(layers)
        for entry, data in zip(drawn["layers"], layers, strict=True):
            entry |= {"digest": str(self.cache.put(data)), "size": len(data)}
        self.cache.put(artifact.config)
        for _, data in self.wheels:
            self.cache.put(data)
        manifest = encode(drawn | self.manifest_changes)
        digest = self.cache.put(manifest)
        subject = Descriptor.of(manifest, media.MANIFEST)
        files = artifact.files | self.files_changes
        statement = release_statement(
            NAME, self.signed_version or "1.0.0", self.signed_digest or digest, files
        ).to_bytes()
        receipt = receipt_statement(
            NAME,
            self.receipt_version,
            digest,
            statement=Digest.of(statement),
            signers=[SIGNER.fingerprint],
            admitted=self.admitted,
            revision=1,
        ).to_bytes()
        self.keep_referrers(
            digest,
            self.hang(subject, Kind.RELEASE, statement, SIGNER),
            self.hang(subject, Kind.RECEIPT, receipt, OTHER),
        )
        return LockedPackage(
            NAME,
            Version.parse(self.version),
            digest,
            len(manifest),
            (SIGNER.fingerprint,),
            (),
            self._wheel_sets(subject, tree.metadata),
        )

    def hang(self, subject: Descriptor, kind: Kind, statement: bytes, key: TestKey) -> Digest:
        """Keep a signed statement on `subject`, and return its manifest's digest."""
        signature = sign_with_key(statement, key.secret).encode()
        for blob in (statement, signature):
            self.cache.put(blob)
        return self.cache.put(statement_manifest(subject, kind, statement, signature))

    def keep_referrers(self, digest: Digest, *referrers: Digest) -> None:
        """Keep the list of what refers to a release."""
        name = f"referrers of {NAME}@{digest}"
        body = [str(each) for each in referrers]
        self.cache.keep_index_entry(URL, name, etag="", as_of=0, body=body)

    def _wheel_sets(self, subject: Descriptor, metadata: PackageMetadata) -> dict[str, Digest]:
        if not self.wheels or not self.has_wheel_set:
            return {}
        drawn = json.loads(wheel_set_manifest(subject, HERE, metadata.wheels))
        if self.change_wheel_set is not None:
            drawn = self.change_wheel_set(drawn)
        return {HERE: self.cache.put(encode(drawn))}

    def read(self) -> VerifiedRelease:
        """Draw it, and read it as `fetch` does."""
        return self.releases.get(self.draw(), HERE)

    def fetch(self, out: Path) -> None:
        """Read it, and lay it out."""
        release = self.read()
        with Unpacked(self.releases, self.cache, 1) as unpacked:
            env = unpacked.env(release)
            envs = {} if env is None else {release.title: env}
            lay_out(out, [release], unpacked.files(release.layer_blobs), envs, "a lock")


@pytest.fixture
def world(tmp_path: Path) -> Callable[..., World]:
    return lambda **changes: World(tmp_path / "world", **changes)


def test_a_release_as_it_should_be_is_believed(world: Callable[..., World], tmp_path: Path) -> None:
    wheels = [a_wheel("tiny", {"tiny.py": "x = 1\n"})]

    made = world(wheels=wheels)
    made.fetch(tmp_path / "out")

    assert (tmp_path / "out/team/etl-1.0.0/env/tiny.py").is_file()
    assert made.said.getvalue() == ""


def test_a_statement_about_another_manifest(world: Callable[..., World]) -> None:
    with pytest.raises(Tampered, match=f"what was signed: expected {Digest.of(b'x')}"):
        world(signed_digest=Digest.of(b"x")).read()


def test_a_statement_about_another_version(world: Callable[..., World]) -> None:
    with pytest.raises(Tampered, match=r"expected team/etl 2\.0\.0, found team/etl 1\.0\.0"):
        world(signed_version="2.0.0").read()


def test_a_receipt_of_another_version(world: Callable[..., World]) -> None:
    with pytest.raises(Tampered, match=r"receipt: expected team/etl 1\.0\.0"):
        world(receipt_version="2.0.0").read()


def test_a_statement_with_another_package_json(world: Callable[..., World]) -> None:
    with pytest.raises(Tampered, match=f"package.json: expected {'0' * 64}"):
        world(files_changes={"metadata/package.json": "0" * 64}).read()


def test_a_config_too_large_to_be_one(world: Callable[..., World]) -> None:
    config = Descriptor(media.PACKAGE_CONFIG, Digest.of(b"x"), 5 << 20).to_json()

    with pytest.raises(Tampered, match="at most 4194304 bytes"):
        world(manifest_changes={"config": config}).read()


@pytest.mark.parametrize("title", ["team/etl-1.0.0/env", "team/other-1.0.0/recipe", "../etl", ""])
def test_a_layer_with_a_title_that_no_layer_may_have(
    title: str, world: Callable[..., World]
) -> None:
    layer = Descriptor(media.LAYER_TAR_GZIP, Digest.of(b"x"), 1, {media.TITLE: title})

    with pytest.raises(Tampered, match="a layer's title"):
        world(manifest_changes={"layers": [layer.to_json()]}).read()


def test_a_file_that_nobody_signed_is_not_laid_out(
    world: Callable[..., World], tmp_path: Path
) -> None:
    """The layer holds other bytes than the statement says, under the manifest's own digests."""
    made = world(files_changes={"recipe/steps/a.py": "0" * 64})

    with pytest.raises(Tampered, match=r"recipe/steps/a\.py: expected sha256 0000"):
        made.fetch(tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_a_file_that_was_signed_and_is_in_no_layer(
    world: Callable[..., World], tmp_path: Path
) -> None:
    with pytest.raises(Tampered, match=r"recipe/more\.py: expected sha256"):
        world(files_changes={"recipe/more.py": "0" * 64}).fetch(tmp_path / "out")


def _link(kind: bytes) -> Callable[[list[bytes]], list[bytes]]:
    def change(layers: list[bytes]) -> list[bytes]:
        import gzip
        import tarfile

        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for name, type_ in (
                ("team/etl-1.0.0/recipe/", tarfile.DIRTYPE),
                ("team/etl-1.0.0/recipe/evil", kind),
            ):
                entry = tarfile.TarInfo(name)
                entry.type, entry.linkname = type_, "/etc/passwd"
                tar.addfile(entry)
        return [layers[0], gzip.compress(stream.getvalue(), mtime=0)]

    return change


@pytest.mark.parametrize(
    ("kind", "said"), [(b"1", "hard link"), (b"2", "symbolic link"), (b"3", "device")]
)
def test_a_hostile_tar_lays_nothing_out(
    kind: bytes, said: str, world: Callable[..., World], tmp_path: Path
) -> None:
    with pytest.raises(InvalidLayer, match=said):
        world(change_layers=_link(kind)).fetch(tmp_path / "out")

    assert [path.name for path in tmp_path.iterdir()] == ["world"]


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "team/other-1.0.0/recipe/evil"])
def test_a_tar_that_climbs_out_lays_nothing_out(
    name: str, world: Callable[..., World], tmp_path: Path
) -> None:
    def change(layers: list[bytes]) -> list[bytes]:
        import gzip
        import tarfile

        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            entry = tarfile.TarInfo(name)
            entry.size = 1
            tar.addfile(entry, io.BytesIO(b"x"))
        return [layers[0], gzip.compress(stream.getvalue(), mtime=0)]

    with pytest.raises(InvalidLayer):
        world(change_layers=change).fetch(tmp_path / "out")

    assert [path.name for path in tmp_path.iterdir()] == ["world"]


# Wheels

TINY = [a_wheel("tiny", {"tiny.py": "x = 1\n"})]


def test_a_lock_without_the_platforms_wheels(world: Callable[..., World]) -> None:
    with pytest.raises(Missing, match=f"its wheels for {HERE}: the lock has none"):
        world(wheels=TINY, has_wheel_set=False).read()


def test_a_wheel_set_of_another_release(world: Callable[..., World]) -> None:
    other = Descriptor(media.MANIFEST, Digest.of(b"x"), 1).to_json()

    with pytest.raises(Tampered, match="a wheel set of sha256:"):
        world(wheels=TINY, change_wheel_set=lambda drawn: drawn | {"subject": other}).read()


def test_a_wheel_set_of_nothing(world: Callable[..., World]) -> None:
    def change(drawn: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in drawn.items() if name != "subject"}

    with pytest.raises(Tampered, match="found of None"):
        world(wheels=TINY, change_wheel_set=change).read()


def test_a_wheel_set_without_a_locked_wheel(world: Callable[..., World]) -> None:
    with pytest.raises(Tampered, match="not in the wheel set"):
        world(wheels=TINY, change_wheel_set=lambda drawn: drawn | {"layers": []}).read()


def test_a_wheel_set_that_calls_a_wheel_larger(world: Callable[..., World]) -> None:
    def change(drawn: dict[str, Any]) -> dict[str, Any]:
        layers = [each | {"size": each["size"] + 1} for each in drawn["layers"]]
        return drawn | {"layers": layers}

    with pytest.raises(Tampered, match=r"tiny-1\.0.*bytes, found"):
        world(wheels=TINY, change_wheel_set=change).read()


# Signatures and their time


def test_two_pinned_signers_of_two_statements_contradict_each_other(
    world: Callable[..., World],
) -> None:
    made = world()
    made.trust.add(NAME.namespace, OTHER.fingerprint, "command")
    locked = made.draw()
    signed = made.releases.statements(NAME.repository, locked.digest, (Kind.RELEASE,))
    another = b'{"another":"statement"}'
    theirs = replace(
        signed[Kind.RELEASE][0],
        statement=another,
        signature=sign_with_key(another, OTHER.secret),
    )

    with pytest.raises(Tampered, match="its statement: expected sha256:"):
        made.releases.signers(NAME.namespace, "x", [*signed[Kind.RELEASE], theirs])


def test_a_signature_made_after_the_receipt_is_judged_now(world: Callable[..., World]) -> None:
    made = world(admitted=datetime.now(UTC) - timedelta(minutes=10))

    assert made.read().publisher == SIGNER.fingerprint


def test_a_key_that_was_not_there_yet_at_the_receipt(world: Callable[..., World]) -> None:
    with pytest.raises(Untrusted):
        world(admitted=datetime(2020, 1, 1, tzinfo=UTC)).read()


def test_a_signature_too_large_to_be_one(world: Callable[..., World]) -> None:
    made = world()
    subject = Descriptor.of(b"{}", media.MANIFEST)
    manifest = made.cache.put(
        statement_manifest(subject, Kind.RELEASE, b"statement", b"x" * (17 << 10))
    )

    with pytest.raises(Tampered, match="at most 16384 bytes"):
        made.releases.signed_statement(NAME.repository, manifest)


def test_a_lock_that_says_what_package_json_does_not(world: Callable[..., World]) -> None:
    made = world()
    locked = replace(made.draw(), requires=(Requirement.parse("team/clean ^1"),))

    with pytest.raises(Tampered, match="its requirements"):
        made.releases.get(locked, HERE)


# What isn't in the cache


def test_offline_what_is_not_there_is_named(world: Callable[..., World]) -> None:
    made = world()
    locked = made.draw()
    (entry,) = (made.places.cache / "index").iterdir()
    kept = entry.read_bytes()
    entry.unlink()
    with pytest.raises(NotCached, match="referrers of team/etl@"):
        made.releases.get(locked, HERE)
    entry.write_bytes(kept)
    manifest = made.cache.find(locked.digest)
    assert manifest is not None
    manifest.unlink()
    with pytest.raises(NotCached, match=f"manifest {locked.digest}"):
        made.releases.get(locked, HERE)
    with pytest.raises(NotCached, match="blob sha256:"):
        made.releases.blob(NAME.repository, Descriptor.of(b"nowhere", media.WHEEL))


def test_a_blob_that_vanishes_while_it_is_used(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    from recipebox.transport import Transport
    from tests.fakes import WsgiAdapter

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        start("200 OK", [])
        return [b"content"]

    made = world()
    transport = Transport(URL)
    transport.mount(WsgiAdapter(app))
    releases = Releases(URL, transport, made.cache, made.trust, Output(quiet=True))
    monkeypatch.setattr(made.cache, "find", lambda _: None)

    with pytest.raises(NotCached, match="vanished from the cache"):
        releases.blob(NAME.repository, Descriptor.of(b"content", media.WHEEL))


def test_a_download_that_fails_stops_the_others(world: Callable[..., World]) -> None:
    made = world()
    release = made.read()
    for layer in release.layers.values():
        path = made.cache.find(layer.digest)
        assert path is not None
        path.unlink()

    with pytest.raises(NotCached):
        made.releases.download(release.layer_blobs, 2)
