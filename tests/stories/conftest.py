"""The client's stories: a registry in this process, and machines that reach it without sockets."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from registry.access import Role
from registry.assembly import Registry
from tests.fakes import WsgiAdapter
from tests.keys import CASES, SIGNER, Gnupg, gnupg
from tests.stories.machines import URL, Machine, a_tree, signing
from web.app import create_app
from web.config import ServerConfig
from web.preparing import prepare
from web.services import build_services


@dataclass
class Place:
    """A registry, its adapter, and its first administrator's token."""

    registry: Registry
    adapter: WsgiAdapter
    admin_token: str

    def token(self, role: str, namespace: str | None = "team") -> str:
        """Make a token."""
        with self.registry.database.session():
            return self.registry.tokens.create(role, Role(role), namespace, None).text


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GNUPGHOME", "SSL_CERT_FILE", "NO_COLOR", "DOCKER_CONFIG", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    config = ServerConfig(data=tmp_path / "data", server_key=CASES / "other.secret.asc")
    token = prepare(config)
    assert token is not None
    services = build_services(config)
    app = create_app(services, config)
    app.testing = True
    return Place(services.registry, WsgiAdapter(app), token)


@pytest.fixture
def make_machine(
    place: Place,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Callable[..., Machine]:
    def make(name: str, token: str | None = None, **variables: str) -> Machine:
        given = {"RECIPEBOX_URL": URL, "RECIPEBOX_RETRIES": "0", **variables}
        if token:
            given["RECIPEBOX_TOKEN"] = token
        return Machine(tmp_path / name, place.adapter, monkeypatch, capfd, given)

    return make


@pytest.fixture
def author(place: Place, make_machine: Callable[..., Machine]) -> Machine:
    """The administrator's machine, which owns the public namespace `team` and signs there."""
    machine = make_machine("author", place.admin_token, **signing())
    machine.rb("namespace", "create", "team", "--public")
    machine.rb("namespace", "key", "add", "team", "-", stdin=SIGNER.public)
    return machine


@pytest.fixture
def other(make_machine: Callable[..., Machine]) -> Machine:
    """Another machine, of somebody without a token."""
    return make_machine("other")


@pytest.fixture
def publish(author: Machine, tmp_path: Path) -> Callable[..., Path]:
    def publish(name: str = "team/etl", version: str = "1.0.0", **options: object) -> Path:
        out = tmp_path / "packed" / f"{name.replace('/', '-')}-{version}"
        a_tree(out, name, version, **options)  # type: ignore[arg-type]
        author.rb("sign", out)
        author.rb("publish", out)
        return out

    return publish


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gnupg]:
    """The user's own GnuPG keyring, empty."""
    with gnupg() as own:
        monkeypatch.setenv("GNUPGHOME", str(own.home))
        yield own
