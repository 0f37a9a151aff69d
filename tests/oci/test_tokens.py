"""Docker's token protocol by real clients: as nobody, with narrow tokens, and once a token ends."""

from collections.abc import Callable
from pathlib import Path

import oras.provider
import pytest

from tests.oci import clients
from tests.oci.clients import Client, ClientFailed, layer
from tests.oci.conftest import Registry

pytestmark = pytest.mark.real


def pull_with_crane(client: Client, name: str, into: Path) -> None:
    client.run("pull", "--insecure", name, str(into / "image.tar"))


def pull_with_skopeo(client: Client, name: str, into: Path) -> None:
    words = ("--insecure-policy", "copy", "--src-tls-verify=false")
    client.run(*words, f"docker://{name}", f"dir:{into / 'image'}")


def pull_with_oras(client: Client, name: str, into: Path) -> None:
    client.run("pull", "--plain-http", name, "-o", str(into / "files"))


@pytest.mark.parametrize(
    ("make", "pull"),
    [
        (clients.crane, pull_with_crane),
        (clients.skopeo, pull_with_skopeo),
        (clients.oras, pull_with_oras),
    ],
    ids=["crane", "skopeo", "oras"],
)
def test_nobody_pulls_what_is_public_and_nothing_else(
    registry: Registry,
    tmp_path: Path,
    make: Callable[[Path], Client],
    pull: Callable[[Client, str, Path], None],
) -> None:
    image = layer(tmp_path / "layer.tar", {"etc/motd": b"hello\n"})
    author = clients.crane(tmp_path / "author")
    author.login(registry.host, "anyone", registry.admin)
    public = registry.name("app", registry.namespace(public=True))
    private = registry.name("app")
    for name in (public, private):
        author.append(f"{name}:1", image)
    nobody = make(tmp_path / "nobody")

    pull(nobody, f"{public}:1", tmp_path)

    with pytest.raises(ClientFailed, match=r"(?i)unauthori[sz]ed|authentication required|401"):
        pull(nobody, f"{private}:1", tmp_path)


def test_a_token_for_pulls_alone_pushes_nothing(registry: Registry, tmp_path: Path) -> None:
    image = layer(tmp_path / "layer.tar", {"etc/motd": b"hello\n"})
    namespace = registry.namespace()
    name = registry.name("app", namespace)
    author, reader = clients.crane(tmp_path / "author"), clients.crane(tmp_path / "reader")
    author.login(registry.host, "anyone", registry.admin)
    asked = {"name": "ci", "role": "publisher", "namespace": namespace, "verbs": ["pull"]}
    made = registry.request("POST", "/api/v1/tokens", json=asked).json()
    reader.login(registry.host, "anyone", made["token"])
    author.append(f"{name}:1", image)

    assert reader.digest(f"{name}:1") == author.digest(f"{name}:1")
    with pytest.raises(ClientFailed, match=r"DENIED: ci may not push"):
        reader.append(f"{name}:2", image)

    registry.request("DELETE", f"/api/v1/tokens/{made['id']}")
    with pytest.raises(ClientFailed, match=r"(?i)unauthorized"):
        reader.digest(f"{name}:1")


def test_oras_for_python_speaks_it_too(registry: Registry, tmp_path: Path) -> None:
    """As others use it: its own log-in and token backend, not our transport."""
    name = registry.name("notes")
    (tmp_path / "note.txt").write_text("a note\n")
    client = oras.provider.Registry(registry.host, insecure=True, auth_backend="token")
    client.auth.set_basic_auth("anyone", registry.token("publisher"))

    pushed = client.push(
        target=f"{name}:1", files=[str(tmp_path / "note.txt")], disable_path_validation=True
    )
    pulled = client.pull(target=f"{name}:1", outdir=str(tmp_path / "out"))

    assert pushed.status_code == 201
    assert [Path(path).read_text() for path in pulled] == ["a note\n"]
