"""A release that Recipebox published, in the hands of the OCI clients.

What `oras pull` lays out is what `recipebox fetch` does, but for the statement and its signatures,
which sign the manifest and so are in no layer. The tags of releases and channels are the server's.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.oci import clients
from tests.oci.clients import ClientFailed, Crane, Oras
from tests.oci.conftest import Registry
from tests.tools.checkout import copy_checkout

pytestmark = pytest.mark.real

LIMIT = 180  # seconds; packing downloads wheels the first time
NETWORK = ("PIP_", "SSL_", "http_", "https_", "HTTP_", "HTTPS_", "no_proxy", "NO_PROXY")
FETCHED_ONLY = {"release.json", "signature.asc"}


@dataclass(frozen=True)
class Author:
    """Somebody with a checkout, a key and a token; `home` and `checkout` are theirs alone."""

    home: Path
    checkout: Path
    registry: Registry

    def recipebox(self, *arguments: str, given: str | None = None) -> str:
        """Run `recipebox` in the checkout with PYTHONPATH=. set, as is common there."""
        done = subprocess.run(
            [Path(sys.executable).parent / "recipebox", *arguments],
            cwd=self.checkout,
            env={
                **{key: value for key, value in os.environ.items() if key.startswith(NETWORK)},
                "HOME": str(self.home),
                "PATH": os.environ["PATH"],
                "PYTHONPATH": ".",
                "RECIPEBOX_URL": self.registry.url,
                "RECIPEBOX_TOKEN": self.registry.admin,
            },
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT,
        )
        assert done.returncode == 0, f"recipebox {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout


@dataclass(frozen=True)
class Published:
    """A release of demo's inventory-diff: its repository, version, and author."""

    repository: str
    name: str
    version: str
    author: Author


@pytest.fixture(scope="module")
def published(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    folder = tmp_path_factory.mktemp("author")
    home = folder / "h"
    home.mkdir()
    author = Author(home, copy_checkout(folder).root, registry)
    namespace = registry.namespace()
    author.recipebox("key", "new", "Ada Author <ada@example.org>", "--no-passphrase")
    armored = author.recipebox("key", "export")
    author.recipebox("namespace", "key", "add", namespace, "-", given=armored)
    recipe = "orchestrator/Recipes/inventory_diff.yaml"
    name, build = f"{namespace}/inventory-diff", str(folder / "build")
    author.recipebox("pack", recipe, "--name", name, "--version", "1.0.0", "--out", build)
    author.recipebox("sign", build)
    author.recipebox("publish", build)
    yield Published(f"{registry.host}/{name}", name, "1.0.0", author)
    subprocess.run(
        ["gpgconf", "--kill", "gpg-agent"], env={**os.environ, "HOME": str(home)}, check=False
    )


@pytest.fixture
def oras(tmp_path: Path, registry: Registry) -> Oras:
    client = clients.oras(tmp_path / "oras")
    client.login(registry.host, "anyone", registry.admin)
    return client


@pytest.fixture
def crane(tmp_path: Path, registry: Registry) -> Crane:
    client = clients.crane(tmp_path / "crane")
    client.login(registry.host, "anyone", registry.admin)
    return client


def test_oras_pull_lays_out_what_fetch_does(
    published: Published, oras: Oras, tmp_path: Path
) -> None:
    out = tmp_path / "fetched"
    published.author.recipebox("fetch", f"{published.name}@1.0.0", "--out", str(out))
    oras.pull(f"{published.repository}:{published.version}", tmp_path / "pulled")
    place = f"{published.name}-{published.version}"
    fetched, pulled = tree(out / place), tree(tmp_path / "pulled" / place)
    extra = {path: seen for path, seen in fetched.items() if path not in pulled}
    assert pulled == {path: seen for path, seen in fetched.items() if path in pulled}
    for path in extra:
        top, _, rest = path.partition("/")
        assert top == "env" or rest in FETCHED_ONLY or rest.startswith("signatures"), path
    assert {"metadata/release.json", "metadata/signature.asc"} <= extra.keys()
    assert "recipe/deploy/plan.py" in pulled
    namespace, _, _ = place.partition("/")
    assert [path.name for path in (tmp_path / "pulled").iterdir()] == [namespace]


def test_the_runner_that_oras_pulled_says_how_it_is_used(
    published: Published, oras: Oras, tmp_path: Path
) -> None:
    oras.pull(f"{published.repository}:{published.version}", tmp_path / "pulled")
    recipe = tmp_path / "pulled" / f"{published.name}-{published.version}" / "recipe"
    done = subprocess.run(
        [sys.executable, recipe / "run_recipe.py", "--help"],
        cwd=tmp_path,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "--only" in done.stdout


def test_the_signature_is_a_referrer_that_oras_discovers(
    published: Published, oras: Oras, tmp_path: Path
) -> None:
    release = f"{published.repository}:{published.version}"
    kind = "application/vnd.recipebox.statement.v1"
    found = {
        each["annotations"]["io.recipebox.statement"]: each
        for each in oras.referrers(release, kind)
    }
    assert found.keys() == {"release", "receipt", "proof", "evidence"}
    digest = found["release"]["digest"]
    layers = oras.manifest(f"{published.repository}@{digest}")["layers"]
    blobs = []
    for number, each in enumerate(layers):
        path = tmp_path / str(number)
        source = f"{published.repository}@{each['digest']}"
        oras.run("blob", "fetch", "--plain-http", source, "-o", str(path))
        blobs.append(path.read_bytes())
    statement = json.loads(blobs[0])
    subject = oras.run("resolve", "--plain-http", release).strip()
    assert statement["subject"][0]["digest"]["sha256"] == subject.removeprefix("sha256:")
    assert blobs[1].startswith(b"-----BEGIN PGP SIGNATURE-----")


@pytest.mark.parametrize("what", ["retag", "overwrite", "delete the tag", "delete the manifest"])
def test_a_release_cannot_be_changed_behind_the_servers_back(
    published: Published, crane: Crane, oras: Oras, tmp_path: Path, what: str
) -> None:
    release = f"{published.repository}:{published.version}"
    before = crane.digest(release)
    (tmp_path / "other.txt").write_text("other\n")
    acts: dict[str, Callable[[], object]] = {
        "retag": lambda: oras.push(release, "other.txt", cwd=tmp_path),
        "overwrite": lambda: crane.copy(release, f"{published.repository}:9.9.9"),
        "delete the tag": lambda: crane.delete(release),
        "delete the manifest": lambda: crane.delete(f"{published.repository}@{before}"),
    }
    with pytest.raises(ClientFailed, match=r"(?i)denied"):
        acts[what]()
    assert crane.digest(release) == before
    assert crane.tags(published.repository) == [published.version]


def test_a_bundle_leaves_with_its_signatures_as_entries(
    published: Published, crane: Crane, oras: Oras, registry: Registry, tmp_path: Path
) -> None:
    namespace, _, _ = published.name.partition("/")
    author, lock = published.author, str(tmp_path / "recipebox.lock")
    author.recipebox("lock", f"{published.name}@^1", "-o", lock)
    author.recipebox("promote", f"{namespace}/app", "--lock", lock, "--to", "dev")
    application = f"{registry.host}/{namespace}/app"
    digest = crane.digest(f"{application}:dev")
    index = oras.manifest(f"{application}:dev")
    assert index["artifactType"] == "application/vnd.recipebox.bundle.v1"
    release = crane.digest(f"{published.repository}:{published.version}")
    assert release in {each["digest"] for each in index["manifests"]}

    # crane drops referrers: what proves the bundle's parts comes along only since it is an entry
    layout = tmp_path / "layout"
    crane.run("pull", "--insecure", "--format=oci", f"{application}:dev", str(layout))
    blobs = {path.name for path in (layout / "blobs" / "sha256").iterdir()}
    assert {each["digest"].removeprefix("sha256:") for each in index["manifests"]} <= blobs
    assert digest.removeprefix("sha256:") in blobs
    signed = [
        each
        for each in index["manifests"]
        if each.get("artifactType") == "application/vnd.recipebox.statement.v1"
    ]
    assert len(signed) == 2

    # another repository takes it with its parts, which are releases of other names
    crane.copy(f"{application}:dev", f"{registry.host}/{namespace}/backup/app:dev")
    assert crane.digest(f"{registry.host}/{namespace}/backup/app:dev") == digest

    with pytest.raises(ClientFailed, match=r"(?i)denied"):
        crane.tag(f"{application}@{digest}", "production")


def tree(folder: Path) -> dict[str, tuple[int, bytes | None]]:
    """Return mode and content (None for a folder) by path, of everything below `folder`."""
    found: dict[str, tuple[int, bytes | None]] = {}
    for path in sorted(folder.rglob("*")):
        assert not path.is_symlink(), path
        name = path.relative_to(folder).as_posix()
        content = path.read_bytes() if path.is_file() else None
        found[name] = (path.stat().st_mode & 0o777, content)
    return found
