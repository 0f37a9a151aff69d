"""Bundles in the hands of plain OCI clients, and in a registry that isn't ours.

The other registry is distribution, which keeps no list of referrers. What comes back is verified,
and laid out again: byte for byte what was fetched from where it was made.
"""

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.keys import SIGNER
from tests.oci import clients
from tests.oci.clients import ClientFailed, Cosign, Crane, Oras, layer
from tests.oci.conftest import Registry
from tests.stories.machines import a_tree, a_wheel
from tests.tools import parts
from tests.tools.peer import running_distribution
from tests.tools.server import running_server

pytestmark = pytest.mark.real

LIMIT = 180
NETWORK = ("PIP_", "SSL_", "http_", "https_", "HTTP_", "HTTPS_", "no_proxy", "NO_PROXY")


@dataclass(frozen=True)
class User:
    """Somebody with a home of their own, a registry, and a key."""

    home: Path
    url: str
    token: str

    def start(self, *words: object, given: str | None = None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [Path(sys.executable).parent / "recipebox", *map(str, words)],
            cwd=self.home,
            env={
                **{key: value for key, value in os.environ.items() if key.startswith(NETWORK)},
                "HOME": str(self.home),
                "PATH": os.environ["PATH"],
                "RECIPEBOX_URL": self.url,
                "RECIPEBOX_TOKEN": self.token,
                "RECIPEBOX_SIGNING_KEY": SIGNER.secret,
                "RECIPEBOX_RETRIES": "0",
            },
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT,
        )

    def rb(self, *words: object, given: str | None = None, code: int = 0) -> str:
        done = self.start(*words, given=given)
        assert done.returncode == code, f"recipebox {words}: {done.stdout}{done.stderr}"
        return done.stdout if code == 0 else done.stdout + done.stderr


@dataclass(frozen=True)
class Made:
    """A bundle of an application, its lock, and what `fetch --frozen` lays out of that."""

    user: User
    namespace: str
    digest: str
    lock: Path
    fetched: dict[str, bytes]
    image: str = ""

    @property
    def application(self) -> str:
        return f"{self.namespace}/shop"

    @property
    def reference(self) -> str:
        return f"{self.application}@{self.digest}"

    def same_from(self, reference: str, out: Path, *words: str) -> None:
        """Verify a bundle somewhere, fetch it, and compare with what was fetched at first."""
        told = ("--application", self.application, *words)
        self.user.rb("bundle", "verify", reference, *told)
        self.user.rb("fetch", "--bundle", reference, "--out", out, *told)
        assert tree(out) == self.fetched


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def publish(user: User, folder: Path, namespace: str) -> None:
    wheel = a_wheel("helper", {"helper.py": "VALUE = 7\n"})
    for name, options in (
        ("clean", {"wheels": [wheel]}),
        ("etl", {"requires": {f"{namespace}/clean": "^1"}}),
    ):
        out = a_tree(folder / name, f"{namespace}/{name}", "1.0.0", **options)  # type: ignore[arg-type]
        user.rb("sign", out)
        user.rb("publish", out)


def make(user: User, folder: Path, namespace: str) -> Made:
    user.rb("namespace", "key", "add", namespace, "-", given=SIGNER.public)
    publish(user, folder / "packed", namespace)
    lock = folder / "recipebox.lock"
    user.rb("lock", f"{namespace}/etl@^1", "-o", lock)
    user.rb("fetch", "--frozen", lock, "--out", folder / "frozen")
    made = json.loads(user.rb("bundle", "create", f"{namespace}/shop", "--lock", lock, "--json"))
    user.rb("promote", f"{namespace}/shop", "--bundle", made["digest"], "--to", "dev")
    return Made(user, namespace, made["digest"], lock, tree(folder / "frozen"))


@pytest.fixture(scope="module")
def registry(registry_over: Callable[[str], Registry]) -> Registry:
    """One server: where the blobs are doesn't matter here."""
    return registry_over("folder")


@pytest.fixture(scope="module")
def made(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("maker")
    home = folder / "h"
    home.mkdir()
    return make(User(home, registry.url, registry.admin), folder, registry.namespace())


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`HOST:PORT` of distribution."""
    with running_distribution(tmp_path_factory.mktemp("distribution")) as host:
        yield host


@dataclass(frozen=True)
class Carriers:
    """What carries bundles, and from where to where."""

    crane: Crane
    oras: Oras
    registry: Registry
    peer: str


@pytest.fixture
def carriers(crane: Crane, oras: Oras, registry: Registry, peer: str) -> Carriers:
    return Carriers(crane, oras, registry, peer)


@pytest.fixture(scope="module")
def with_image(made: Made, crane: Crane, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The bundle of the same lock with an image for two platforms, as crane made and pushed it."""
    folder = tmp_path_factory.mktemp("image")
    name = f"{urlsplit(made.user.url).netloc}/{made.namespace}/shop/image"
    for architecture in ("amd64", "arm64"):
        tar = layer(folder / f"{architecture}.tar", {"etc/motd": architecture.encode()})
        crane.append(f"{name}:{architecture}", tar)
        words = ("--set-platform", f"linux/{architecture}", "-t", f"{name}:{architecture}")
        crane.run("mutate", "--insecure", *words, f"{name}:{architecture}")
    of_both = ("-m", f"{name}:amd64", "-m", f"{name}:arm64")
    crane.run("index", "append", "--insecure", *of_both, "-t", f"{name}:1")
    reference = f"{made.namespace}/shop/image:1"
    words = ("bundle", "create", made.application, "--lock", str(made.lock), "--image", reference)
    drawn = json.loads(made.user.rb(*words, "--json"))
    made.user.rb("promote", made.application, "--bundle", drawn["digest"], "--to", "dev")
    return replace(made, digest=drawn["digest"], image=crane.digest(f"{name}:1"))


def pulled(crane: Crane, reference: str, into: Path) -> dict[str, bytes]:
    """Pull an image for each platform; return a file of each."""
    found = {}
    for architecture in ("amd64", "arm64"):
        tar = into.with_suffix(f".{architecture}.tar")
        platform = ("--platform", f"linux/{architecture}")
        crane.run("export", "--insecure", *platform, reference, str(tar))
        with tarfile.open(tar) as archive:
            stream = archive.extractfile("etc/motd")
            assert stream is not None
            found[architecture] = stream.read()
    return found


@pytest.mark.parametrize("by", ["crane", "oras", "ourselves"])
def test_an_image_in_a_bundle_goes_there_and_back_byte_for_byte(
    with_image: Made, carriers: Carriers, tmp_path: Path, by: str
) -> None:
    made = with_image
    crane, oras, registry, peer = carriers.crane, carriers.oras, carriers.registry, carriers.peer
    there = f"{peer}/{made.namespace}/image-{by}"
    mirror = f"{made.namespace}/mirror/image-{by}"
    back = f"{registry.host}/{mirror}"
    told: tuple[str, ...] = ("--application", made.application)
    if by == "crane":
        told = (*told, "--allow-unsigned")
        crane.copy(f"{registry.host}/{made.reference}", f"{there}:1")
        crane.copy(f"{there}:1", f"{back}:1")
    elif by == "oras":
        oras.copy(f"{registry.host}/{made.reference}", f"{there}:1", "-r")
        oras.copy(f"{there}:1", f"{back}:1", "-r")
    else:
        made.user.rb("bundle", "copy", made.reference, f"{there}:1")
        made.user.rb("bundle", "copy", f"{there}:1", f"{mirror}:1", *told)

    first = pulled(crane, f"{registry.host}/{made.namespace}/shop/image:1", tmp_path / "first")
    assert first == {"amd64": b"amd64", "arm64": b"arm64"}
    for number, place in enumerate((there, back)):
        assert crane.digest(f"{place}:1") == made.digest
        reference = f"{there}:1" if place == there else f"{mirror}:1"
        said = made.user.rb("bundle", "verify", reference, *told)
        assert f"{made.namespace}/shop/image: {made.image}" in said
        assert "for linux/amd64, linux/arm64" in said
        assert crane.digest(f"{place}@{made.image}") == made.image
        assert pulled(crane, f"{place}@{made.image}", tmp_path / str(number)) == first
    drawn = json.loads(made.user.rb("bundle", "show", f"{mirror}:1", "--json"))
    assert [each["digest"] for each in drawn["images"]] == [made.image]


def test_a_channel_is_a_tag_of_the_image_that_nobody_else_moves(
    with_image: Made, carriers: Carriers
) -> None:
    name = f"{carriers.registry.host}/{with_image.namespace}/shop/image"

    assert carriers.crane.digest(f"{name}:dev") == with_image.image
    with pytest.raises(ClientFailed, match="the channel dev of"):
        carriers.crane.tag(f"{name}:amd64", "dev")
    with pytest.raises(ClientFailed, match="the channel dev of"):
        carriers.crane.delete(f"{name}:dev")
    assert carriers.crane.digest(f"{name}:dev") == with_image.image


def test_a_cosign_signature_of_an_image_travels_in_the_bundle(
    made: Made, carriers: Carriers, cosign: Cosign, tmp_path: Path
) -> None:
    """By `crane copy` too, which drops referrers: it is an entry."""
    crane, registry, peer = carriers.crane, carriers.registry, carriers.peer
    name = f"{registry.host}/{made.namespace}/signed"
    digest = crane.append(f"{name}:1", layer(tmp_path / "a.tar", {"a": b"a"}))
    cosign.new_key("of-image")
    cosign.sign(f"{name}@{digest}", "of-image")
    words = ("bundle", "create", made.application, "--lock", made.lock, "--json")
    drawn = json.loads(made.user.rb(*words, "--image", f"{made.namespace}/signed:1"))

    back = f"{registry.host}/{made.namespace}/mirror/signed"
    crane.copy(f"{registry.host}/{drawn['reference']}", f"{peer}/{made.namespace}/signed:1")
    crane.copy(f"{peer}/{made.namespace}/signed:1", f"{back}:1")

    for place in (back, f"{registry.host}/{made.application}"):
        assert cosign.verify(f"{place}@{digest}", "of-image")


def test_by_crane_all_but_the_bundles_own_signature_comes_back(
    made: Made, crane: Crane, registry: Registry, peer: str, tmp_path: Path
) -> None:
    there = f"{peer}/{made.namespace}/crane:first"
    back = f"{registry.host}/{made.namespace}/mirror/crane:first"

    crane.copy(f"{registry.host}/{made.reference}", there)
    crane.copy(there, back)

    assert crane.digest(there) == crane.digest(back) == made.digest
    for number, reference in enumerate((there, back)):
        said = made.user.rb(
            "bundle", "verify", reference, "--application", made.application, code=4
        )
        assert "no signature of its own" in said
        made.same_from(reference, tmp_path / str(number), "--allow-unsigned")


def test_by_oras_all_comes_back(
    made: Made, oras: Oras, registry: Registry, peer: str, tmp_path: Path
) -> None:
    there = f"{peer}/{made.namespace}/oras:first"
    back = f"{registry.host}/{made.namespace}/mirror/oras:first"

    oras.copy(f"{registry.host}/{made.reference}", there, "-r")
    oras.copy(there, back, "-r")

    for number, reference in enumerate((there, back)):
        made.same_from(reference, tmp_path / str(number))
    drawn = json.loads(made.user.rb("bundle", "show", back, "--json"))
    assert drawn["digest"] == made.digest
    assert [each["channel"] for each in drawn["promotions"]] == ["dev"]
    assert [each["fingerprint"] for each in drawn["signatures"]] == [SIGNER.fingerprint]


def test_by_ourselves_all_comes_back(
    made: Made, oras: Oras, crane: Crane, peer: str, tmp_path: Path
) -> None:
    there = f"{peer}/{made.namespace}/ours"
    mirror = f"{made.namespace}/mirror/ours:first"

    first = json.loads(made.user.rb("bundle", "copy", made.reference, f"{there}:first", "--json"))
    again = json.loads(made.user.rb("bundle", "copy", made.reference, f"{there}:first", "--json"))
    made.user.rb("bundle", "copy", f"{there}:first", mirror, "--application", made.application)
    made.user.rb("bundle", "copy", f"{there}@{made.digest}", made.application)

    assert first["blobs"]["sent"] > 0
    assert first["referrers"] == 2
    assert again["blobs"] == {"there": first["blobs"]["sent"], "mounted": 0, "sent": 0}
    for number, reference in enumerate((f"{there}@{made.digest}", mirror, made.reference)):
        made.same_from(reference, tmp_path / str(number))
    # other clients find all of it there
    assert crane.digest(f"{there}:first") == made.digest
    assert len(oras.referrers(f"{there}@{made.digest}")) == 2


def test_oras_and_skopeo_read_a_layout_of_ours(
    made: Made, oras: Oras, registry: Registry, tmp_path: Path
) -> None:
    layout = tmp_path / "layout"
    made.user.rb("bundle", "copy", made.reference, f"{layout}:first")
    made.user.rb("bundle", "copy", made.reference, tmp_path / "one.tar")

    back = f"{registry.host}/{made.namespace}/mirror/layout:first"
    oras.run("cp", "-r", "--from-oci-layout", "--to-plain-http", f"{layout}:first", back)

    made.same_from(back, tmp_path / "a")
    made.same_from(f"{layout}:first", tmp_path / "b")
    made.same_from(str(tmp_path / "one.tar"), tmp_path / "c")
    oras.run(
        "cp", "-r", "--to-oci-layout", "--from-plain-http", back, f"{tmp_path / 'theirs'}:first"
    )
    made.same_from(f"{tmp_path / 'theirs'}:first", tmp_path / "d")


def test_a_lock_is_fetched_and_a_bundle_verified_with_the_server_stopped(
    tmp_path: Path,
) -> None:
    home = tmp_path / "h"
    home.mkdir()
    with running_server(tmp_path / "data") as server:
        user = User(home, server.url, server.token)
        user.rb("namespace", "create", "team")
        made = make(user, tmp_path, "team")
        user.rb("bundle", "verify", made.reference)
        user.rb("bundle", "copy", made.reference, tmp_path / "layout")

    assert user.start("fetch", "--frozen", made.lock, "--out", tmp_path / "x").returncode == 6
    user.rb("fetch", "--frozen", made.lock, "--out", tmp_path / "again", "--offline")
    assert tree(tmp_path / "again") == made.fetched
    user.rb("fetch", "--bundle", made.reference, "--out", tmp_path / "b", "--offline")
    assert tree(tmp_path / "b") == made.fetched
    user.rb("bundle", "verify", made.reference, "--offline")
    # without --offline, what lies here is verified by the keys that are kept here
    said = user.start("bundle", "verify", tmp_path / "layout")
    assert said.returncode == 0, said.stderr
    assert "only the keys that are kept here are used" in said.stderr


def test_another_registry_is_logged_into_as_docker_does(
    made: Made, registry: Registry, tmp_path: Path
) -> None:
    """Our own server, taken for another one: it asks for a token, as distribution-spec has it."""
    home = tmp_path / "h"
    home.mkdir()
    name = f"{registry.url}/{made.namespace}/mirror/login"
    with running_server(tmp_path / "data") as server:
        user = User(home, server.url, server.token)
        user.rb("trust", "add", made.namespace, SIGNER.fingerprint)
        layout = tmp_path / "layout"
        made.user.rb("bundle", "copy", made.reference, layout)

        said = made.user.start("bundle", "copy", layout, name)
        assert said.returncode == 0, said.stderr
        said = user.start("bundle", "show", f"{name}@{made.digest}", "--json")
        assert said.returncode in {3, 4}, said.stderr

        login = clients.crane(home / ".docker")
        login.login(registry.host, "anyone", registry.admin)
        drawn = json.loads(user.rb("bundle", "show", f"{name}@{made.digest}", "--json"))

    assert drawn["digest"] == made.digest
    assert parts.crane()
