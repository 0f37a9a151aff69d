"""A site: the application over a real registry in a temporary folder, asked without sockets."""

import itertools
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from registry.access import Role
from registry.assembly import Registry
from tests.keys import CASES, OTHER
from tests.stories.web.authors import Author, Reply
from tests.tools.databases import Databases, databases
from web.app import create_app
from web.config import ServerConfig
from web.preparing import prepare
from web.services import build_services


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_time(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class Site:
    """The application, its registry and clock, and the first administrator's token."""

    app: Flask
    registry: Registry
    clock: Clock
    admin_token: str
    folder: Path

    def browser(self) -> FlaskClient:
        """Return a client with cookies of its own."""
        return self.app.test_client()

    def send(self, method: str, path: str, data: bytes | None, headers: dict[str, str]) -> Reply:
        """Ask without cookies."""
        declared = headers.get("Content-Length")
        answer = self.app.test_client(use_cookies=False).open(
            path,
            method=method,
            data=data,
            headers=headers,
            environ_overrides={} if declared is None else {"CONTENT_LENGTH": declared},
        )
        lowered = {name.lower(): value for name, value in answer.headers.items()}
        reply = Reply(answer.status_code, lowered, answer.data)
        answer.close()
        return reply

    def ask(self, method: str, path: str, data: bytes | None = None, **headers: str) -> Reply:
        """Ask as nobody in particular."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send(method, path, data, named)

    def token(self, role: str, namespace: str | None = None, name: str | None = None) -> str:
        """Make a token."""
        with self.registry.database.session():
            return self.registry.tokens.create(name or role, Role(role), namespace).text

    def author(self, role: str = "admin", namespace: str | None = None) -> Author:
        """Return somebody who has a token of this role."""
        token = self.admin_token if role == "admin" else self.token(role, namespace)
        return Author(self.send, token, self.folder)

    def stranger(self) -> Author:
        """Return somebody with another key, and a token for another namespace."""
        return replace(self.author("publisher", "elsewhere"), key=OTHER)


def build_site(folder: Path, **members: object) -> Site:
    """Make a site in a folder that isn't there yet; `members` are those of its configuration."""
    members.setdefault("server_key", CASES / "other.secret.asc")  # making one takes a while
    members.setdefault("database", databases().url_of(folder / "data"))
    config = ServerConfig(data=folder / "data", **members)  # type: ignore[arg-type]
    token = prepare(config)
    assert token is not None
    return _open(folder, config, token)


def copy_site(of: Site, folder: Path, **members: object) -> Site:
    """Make a site as another was after its first start, when nobody had asked it for anything."""
    data = of.registry.config.data
    of.registry.database.close()
    shutil.copytree(data, folder / "data")
    databases().copy(data, folder / "data")
    members["database"] = databases().url_of(folder / "data")
    members["server_key"] = CASES / "other.secret.asc"
    config = ServerConfig(data=folder / "data", **members)  # type: ignore[arg-type]
    return _open(folder, config, of.admin_token)


def _open(folder: Path, config: ServerConfig, token: str) -> Site:
    clock = Clock()
    services = build_services(config, clock)
    app = create_app(services, config)
    app.testing = True
    (folder / "packing").mkdir()
    return Site(app, services.registry, clock, token, folder / "packing")


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory, kept_databases: Databases) -> Site:
    """One for all tests of a module: each keeps to repositories of its own."""
    return build_site(tmp_path_factory.mktemp("shared") / "site")


@pytest.fixture(scope="session")
def new_site(
    kept_databases: Databases, once: dict[object, Any], tmp_path_factory: pytest.TempPathFactory
) -> Site:
    """One that was just made, for others to be copies of."""
    key = kept_databases, "site"
    if key not in once:
        once[key] = build_site(tmp_path_factory.mktemp("new") / "site")
    made: Site = once[key]
    return made


@pytest.fixture
def make_site(new_site: Site, folder: Path, own_databases: Databases) -> Callable[..., Site]:
    numbers = itertools.count(1)

    def make(**members: object) -> Site:
        return copy_site(new_site, folder / f"site{next(numbers)}", **members)

    return make


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site()


@pytest.fixture
def admin(site: Site) -> Author:
    return site.author()
