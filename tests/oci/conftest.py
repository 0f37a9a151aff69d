"""A real server for the clients, and names that no other test uses."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.tools.server import make_token, running_server


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

    def namespace(self, *, public: bool = False) -> str:
        """Create a namespace of its own."""
        name = f"t{uuid.uuid4().hex[:12]}"
        drawn = {"name": name, "public": public}
        answer = self.request("POST", "/api/v1/namespaces", json=drawn)
        assert answer.status_code == 201, answer.text
        return name

    def name(self, last: str, namespace: str | None = None) -> str:
        """Return `HOST:PORT/NAMESPACE/LAST`; the namespace is new where none is given."""
        return f"{self.host}/{namespace or self.namespace()}/{last}"

    def path(self, name: str) -> str:
        """Return a name without its host."""
        return name.removeprefix(f"{self.host}/")

    def token(self, role: str, namespace: str | None = None) -> str:
        """Have a token made, as the server's administrator would."""
        limit = ("--namespace", namespace) if namespace else ()
        return make_token(self.data, role, *limit)

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
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """One server for all these tests; each keeps to namespaces of its own."""
    with running_server(tmp_path_factory.mktemp("registry") / "data") as server:
        yield Registry(server.url, server.token, server.data)
