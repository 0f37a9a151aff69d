"""What is kept in the memory of one worker is never older than what another one wrote."""

import pytest
import requests

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.manifest import image_manifest
from tests.tools.server import RunningServer, admin

pytestmark = pytest.mark.real

REPOSITORY = "team/front"
TIMEOUT = 30


def asked_often(server: RunningServer, path: str, token: str) -> set[tuple[int, str]]:
    """Pull over many connections, which both workers take; return each answer that was given."""
    answers = set()
    for _ in range(20):
        reply = requests.get(
            f"{server.url}{path}", headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT
        )
        answers.add((reply.status_code, reply.headers.get("Docker-Content-Digest", "")))
    return answers


def push(server: RunningServer, number: int) -> Digest:
    """Push a manifest under the tag `latest`."""
    login = {"Authorization": f"Bearer {server.token}"}
    config = b'{"number": %d}' % number
    base = f"{server.url}/v2/{REPOSITORY}"
    made = requests.post(
        f"{base}/blobs/uploads/?digest={Digest.of(config)}",
        data=config,
        headers=login,
        timeout=TIMEOUT,
    )
    assert made.status_code == 201
    data = image_manifest(
        artifact_type="application/x-test",
        config=Descriptor.of(config, media.IMAGE_CONFIG),
        layers=[],
    )
    put = requests.put(
        f"{base}/manifests/latest",
        data=data,
        headers={**login, "Content-Type": media.MANIFEST},
        timeout=TIMEOUT,
    )
    assert put.status_code == 201
    return Digest.of(data)


def test_a_tag_that_moves_is_seen_by_every_worker_at_once(server):
    path = f"/v2/{REPOSITORY}/manifests/latest"

    for number in range(10):
        digest = push(server, number)

        assert asked_often(server, path, server.token) == {(200, str(digest))}


def test_a_token_revoked_on_the_server_s_machine_is_refused_by_every_worker_at_once(server):
    push(server, 0)
    path = f"/v2/{REPOSITORY}/manifests/latest"
    words = ["--data", str(server.data)]
    token = admin("token", "create", *words, "--name", "x", "--role", "reader").stdout.strip()
    [(status, _)] = asked_often(server, path, token)
    assert status == 200

    admin("token", "revoke", *words, token.split("_")[1])

    assert asked_often(server, path, token) == {(401, "")}
