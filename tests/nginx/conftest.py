"""A server, and the shipped nginx in front of it."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from artifacts.digest import Digest
from tests.tools.proxy import BEHIND, RunningProxy, running_nginx
from tests.tools.server import RunningServer, running_server

TIMEOUT = 120


@dataclass
class Site:
    """The server behind, the proxy before it, and how both are asked."""

    server: RunningServer
    proxy: RunningProxy

    def ask(
        self, method: str, path: str, *, direct: bool = False, **rest: Any
    ) -> requests.Response:
        """Send a request as the administrator, through the proxy or past it."""
        headers = {"Authorization": f"Bearer {self.server.token}"} | rest.pop("headers", {})
        url = self.server.url if direct else self.proxy.url
        session = requests.Session()
        session.trust_env = False
        session.verify = str(self.proxy.authority)
        with session:
            return session.request(method, f"{url}{path}", headers=headers, timeout=TIMEOUT, **rest)

    def repository(self) -> str:
        """Return a repository's name, in a namespace of its own."""
        namespace = f"t{uuid.uuid4().hex[:12]}"
        made = self.ask("POST", "/api/v1/namespaces", json={"name": namespace, "public": False})
        assert made.status_code == 201, made.text
        return f"{namespace}/app"

    def push(self, repository: str, data: Any, digest: Digest) -> requests.Response:
        """Push a blob in one request."""
        path = f"/v2/{repository}/blobs/uploads/?digest={digest}"
        return self.ask("POST", path, data=data)


@pytest.fixture(scope="package", params=["gunicorn", "granian"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    options = {"workers": 2, "threads": 8, "log_format": "json", **BEHIND}
    options["server"] = request.param
    with (
        running_server(folder / "data", **options) as server,
        running_nginx(folder / "nginx", server.url, server.data / "blobs") as proxy,
    ):
        yield Site(server, proxy)
