"""Real servers for the clients, one over each store, and names that no other test uses.

A server, its store and the Docker engine are started once, by the first test that wants them, and
serve every test of this process after it. The tests of a module that take a `registry` run on each.
"""

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
import requests

from tests.oci import clients
from tests.oci.clients import Cosign, Crane, Docker, Helm, Oras, Regctl, Skopeo, layer
from tests.tools.docker import Engine, base_image, running_docker
from tests.tools.server import running_server
from tests.tools.stores import STARTERS

STORES = {"folder": "folder", "minio": "minio", "seaweedfs": "s3"}
"""Where blobs are, and the setting `store`: each server by the library that fits it best."""

REDIRECTING = "minio"
"""The store that clients are sent to for blobs: by another name than that of the server's host."""

BUCKET = "clients"
WORKERS = 2

_Client = TypeVar("_Client", Oras, Crane, Skopeo, Regctl, Cosign, Helm, Docker)


@dataclass(frozen=True)
class Registry:
    """A running server: its URL, its administrator's token, its data folder."""

    url: str
    admin: str
    data: Path

    @property
    def host(self) -> str:
        """`HOST:PORT`, as references begin."""
        return urlsplit(self.url).netloc

    @property
    def address(self) -> tuple[str, int]:
        """For a socket."""
        parts = urlsplit(self.url)
        assert parts.hostname
        assert parts.port
        return parts.hostname, parts.port

    def namespace(self, *, public: bool = False, **settings: object) -> str:
        """Create a namespace of its own; `settings` are those that PATCH takes."""
        name = f"t{uuid.uuid4().hex[:12]}"
        drawn = {"name": name, "public": public}
        answer = self.request("POST", "/api/v1/namespaces", json=drawn)
        assert answer.status_code == 201, answer.text
        if settings:
            answer = self.request("PATCH", f"/api/v1/namespaces/{name}", json=settings)
            assert answer.status_code == 200, answer.text
        return name

    def name(self, last: str, namespace: str | None = None) -> str:
        """Return `HOST:PORT/NAMESPACE/LAST`; the namespace is new where none is given."""
        return f"{self.host}/{namespace or self.namespace()}/{last}"

    def path(self, name: str) -> str:
        """Return a name without its host."""
        return name.removeprefix(f"{self.host}/")

    def token(self, role: str, namespace: str | None = None) -> str:
        """Make a token."""
        wanted = {"name": role, "role": role, "namespace": namespace}
        answer = self.request("POST", "/api/v1/tokens", json=wanted)
        assert answer.status_code == 201, answer.text
        made: str = answer.json()["token"]
        return made

    def request(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        **rest: Any,
    ) -> requests.Response:
        """Ask the server something, as its administrator or with `token`."""
        login = {"Authorization": f"Bearer {token or self.admin}", **(headers or {})}
        return requests.request(method, f"{self.url}{path}", headers=login, timeout=60, **rest)

    def page(self, path: str) -> tuple[dict[str, Any], str]:
        """Return a page of a listing and the path of the next (empty at the end)."""
        answer = self.request("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json(), answer.links.get("next", {}).get("url", "")


@pytest.fixture(scope="session")
def registry_over(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Registry]]:
    """Return what gives the server over a store, started with the first request for it."""
    with ExitStack() as started:

        @cache
        def over(store: str) -> Registry:
            folder = tmp_path_factory.mktemp(store)
            for large in (folder / "data", folder / store):  # the logs beside them stay
                started.callback(shutil.rmtree, large, ignore_errors=True)
            environ = {}
            if store in STARTERS:
                objects = started.enter_context(STARTERS[store](folder / store))
                objects.create_bucket(BUCKET)
                environ = objects.environ_of(BUCKET, STORES[store])
            if store == REDIRECTING:
                public = environ["RECIPEBOX_S3_ENDPOINT"].replace("127.0.0.1", "localhost")
                environ["RECIPEBOX_S3_PUBLIC_ENDPOINT"] = public
            server = started.enter_context(
                running_server(folder / "data", environ=environ, workers=WORKERS)
            )
            return Registry(server.url, server.token, server.data)

        yield over


@pytest.fixture(scope="module", params=STORES)
def registry(request: pytest.FixtureRequest, registry_over: Callable[[str], Registry]) -> Registry:
    """A server over each store in turn; each test keeps to namespaces of its own."""
    return registry_over(request.param)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A Docker engine that has the image `base:1`, a busybox."""
    with running_docker() as started:
        base = base_image(tmp_path_factory.mktemp("base") / "base.tar")
        started.run("import", str(base), "base:1")
        yield started


@pytest.fixture(scope="module")
def home(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the clients of a module keep their logins to a server."""
    return tmp_path_factory.mktemp(f"home-{registry.address[1]}")


@pytest.fixture(scope="module")
def oras(registry: Registry, home: Path) -> Oras:
    """oras, logged in as the administrator."""
    return _logged_in(clients.oras(home / "oras"), registry)


@pytest.fixture(scope="module")
def crane(registry: Registry, home: Path) -> Crane:
    """crane, logged in as the administrator."""
    return _logged_in(clients.crane(home / "crane"), registry)


@pytest.fixture(scope="module")
def skopeo(registry: Registry, home: Path) -> Skopeo:
    """skopeo, logged in as the administrator."""
    return _logged_in(clients.skopeo(home / "skopeo"), registry)


@pytest.fixture(scope="module")
def regctl(registry: Registry, home: Path) -> Regctl:
    """regctl, logged in as the administrator."""
    return _logged_in(clients.regctl(home / "regctl"), registry)


@pytest.fixture(scope="module")
def cosign(registry: Registry, home: Path) -> Cosign:
    """cosign, logged in as the administrator."""
    return _logged_in(clients.cosign(home / "cosign"), registry)


@pytest.fixture(scope="module")
def helm(registry: Registry, home: Path) -> Helm:
    """helm, logged in as the administrator."""
    return _logged_in(clients.helm(home / "helm"), registry)


@pytest.fixture(scope="module")
def docker(registry: Registry, engine: Engine, home: Path) -> Docker:
    """docker, logged in as the administrator."""
    return _logged_in(clients.docker(engine, home / "docker"), registry)


@pytest.fixture
def note(tmp_path: Path) -> Path:
    """A small file."""
    path = tmp_path / "note.txt"
    path.write_text("a note\n")
    return path


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The tar of an image's layer."""
    return layer(tmp_path / "layer.tar", {"etc/motd": b"hello\n", "empty": b""})


def _logged_in(client: _Client, registry: Registry) -> _Client:
    client.login(registry.host, "anyone", registry.admin)
    return client
