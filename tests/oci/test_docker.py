"""docker: log in, build, push, pull and run, with an engine of our own."""

import json
import re
from pathlib import Path

import pytest

from tests.oci import clients
from tests.oci.clients import ClientFailed, Crane, Docker
from tests.oci.conftest import Registry
from tests.tools.docker import Engine

pytestmark = pytest.mark.real

RECIPE = """FROM {base}
RUN echo one > /one
RUN echo {word} > /two
CMD ["cat", "/one", "/two"]
"""


def build(docker: Docker, reference: str, word: str, base: str = "base:1") -> None:
    """Build an image of several layers that prints `one` and `word`."""
    docker.run(
        "build", "--quiet", "--tag", reference, "-", given=RECIPE.format(base=base, word=word)
    )


def forget(docker: Docker, *references: str) -> None:
    """Remove images from the engine, so that only the registry has them."""
    docker.run("image", "rm", "--force", *references)


def pushed_digest(text: str) -> str:
    found = re.search(r"digest: (sha256:[0-9a-f]{64})", text)
    assert found, text
    return found[1]


@pytest.fixture
def stranger(engine: Engine, tmp_path: Path) -> Docker:
    """Somebody who never logged in."""
    return clients.docker(engine, tmp_path / "stranger")


def test_an_image_is_built_pushed_pulled_and_run(registry: Registry, docker: Docker) -> None:
    name = registry.name("app")
    build(docker, f"{name}:1", "two")
    digest = pushed_digest(docker.run("push", f"{name}:1"))
    forget(docker, f"{name}:1")
    assert docker.run("run", "--rm", f"{name}:1") == "one\ntwo\n"
    forget(docker, f"{name}:1")
    docker.run("pull", f"{name}@{digest}")
    assert docker.run("run", "--rm", f"{name}@{digest}") == "one\ntwo\n"
    told = docker.run("image", "inspect", "--format", "{{json .RepoDigests}}", f"{name}@{digest}")
    assert f"{name}@{digest}" in json.loads(told)


def test_only_layers_that_are_new_are_sent(registry: Registry, docker: Docker) -> None:
    namespace = registry.namespace()
    name, other = registry.name("app", namespace), registry.name("other", namespace)
    build(docker, f"{name}:1", "three")
    docker.run("push", f"{name}:1")
    assert "Layer already exists" in docker.run("push", f"{name}:1")
    docker.run("tag", f"{name}:1", f"{other}:1")
    assert f"Mounted from {registry.path(name)}" in docker.run("push", f"{other}:1")


def test_an_image_is_the_base_of_the_next(registry: Registry, docker: Docker) -> None:
    name = registry.name("app")
    build(docker, f"{name}:base", "four")
    docker.run("push", f"{name}:base")
    forget(docker, f"{name}:base")
    build(docker, f"{name}:2", "five", base=f"{name}:base")
    docker.run("push", f"{name}:2")
    forget(docker, f"{name}:2")
    assert docker.run("run", "--rm", f"{name}:2") == "one\nfive\n"


def test_every_tag_is_pushed_and_pulled(registry: Registry, docker: Docker, crane: Crane) -> None:
    name = registry.name("app")
    for tag in ("1", "2"):
        build(docker, f"{name}:{tag}", f"tag {tag}")
    docker.run("push", "--all-tags", name)
    forget(docker, f"{name}:1", f"{name}:2")
    docker.run("pull", "--all-tags", name)
    assert docker.run("run", "--rm", f"{name}:2") == "one\ntag 2\n"
    assert crane.tags(name) == ["1", "2"]


def test_an_image_is_what_other_clients_say_it_is(
    registry: Registry, docker: Docker, crane: Crane
) -> None:
    name = registry.name("app")
    build(docker, f"{name}:1", "six")
    digest = pushed_digest(docker.run("push", f"{name}:1"))
    assert crane.digest(f"{name}:1") == digest
    assert crane.run("validate", "--insecure", "--remote", f"{name}:1").startswith("PASS")
    told = docker.run("manifest", "inspect", "--insecure", f"{name}:1")
    assert json.loads(told)["mediaType"].endswith("docker.distribution.manifest.v2+json")


def test_a_manifest_list_is_made_and_pulled(
    registry: Registry, docker: Docker, crane: Crane
) -> None:
    name = registry.name("app")
    build(docker, f"{name}:amd64", "seven")
    docker.run("push", f"{name}:amd64")
    docker.run("manifest", "create", "--insecure", f"{name}:all", f"{name}:amd64")
    docker.run("manifest", "push", "--insecure", "--purge", f"{name}:all")
    forget(docker, f"{name}:amd64")
    assert docker.run("run", "--rm", f"{name}:all") == "one\nseven\n"


def test_anyone_pulls_and_runs_what_is_public(
    registry: Registry, docker: Docker, stranger: Docker
) -> None:
    name = registry.name("app", registry.namespace(public=True))
    build(docker, f"{name}:1", "eight")
    docker.run("push", f"{name}:1")
    forget(docker, f"{name}:1")
    assert stranger.run("run", "--rm", f"{name}:1") == "one\neight\n"
    with pytest.raises(ClientFailed, match=r"(?i)denied|unauthorized|authentication required"):
        stranger.run("push", f"{name}:1")


def test_a_stranger_is_told_to_log_in_and_not_whether_it_is_there(
    registry: Registry, docker: Docker, stranger: Docker
) -> None:
    name = registry.name("app")
    build(docker, f"{name}:1", "nine")
    docker.run("push", f"{name}:1")
    forget(docker, f"{name}:1")
    told = []
    for each in (name, f"{name}-missing"):
        with pytest.raises(ClientFailed, match=r"may require 'docker login'") as refused:
            stranger.run("pull", f"{each}:1")
        told.append(str(refused.value).replace(f"{name}-missing", name))
    assert told[0] == told[1]


def test_a_wrong_password_is_no_login(registry: Registry, stranger: Docker) -> None:
    with pytest.raises(ClientFailed, match=r"(?i)unauthorized"):
        stranger.login(registry.host, "anyone", "wrong")


def test_a_reader_pulls_and_does_not_push(
    registry: Registry, docker: Docker, stranger: Docker
) -> None:
    namespace = registry.namespace()
    name = registry.name("app", namespace)
    build(docker, f"{name}:1", "ten")
    docker.run("push", f"{name}:1")
    stranger.login(registry.host, "reader", registry.token("reader", namespace))
    forget(docker, f"{name}:1")
    stranger.run("pull", f"{name}:1")
    docker.run("tag", f"{name}:1", f"{name}:2")
    with pytest.raises(ClientFailed, match=r"(?i)denied"):
        stranger.run("push", f"{name}:2")
    stranger.run("logout", registry.host)


def test_a_push_over_the_quota_is_told_the_numbers(registry: Registry, docker: Docker) -> None:
    name = registry.name("app", registry.namespace(quota=1000))
    build(docker, f"{name}:1", "eleven")
    with pytest.raises(ClientFailed, match=r"(?i)denied: .*1,?000") as refused:
        docker.run("push", f"{name}:1")
    assert "quota" in str(refused.value)


def test_a_tag_that_may_not_move_stays(registry: Registry, docker: Docker, crane: Crane) -> None:
    name = registry.name("app", registry.namespace(immutable_tags=["v*"]))
    build(docker, f"{name}:v1", "twelve")
    digest = pushed_digest(docker.run("push", f"{name}:v1"))
    assert pushed_digest(docker.run("push", f"{name}:v1")) == digest  # the same again is success
    build(docker, f"{name}:v1", "thirteen")
    with pytest.raises(ClientFailed, match=r"(?i)v1.*(immutable|never moves|may not move)"):
        docker.run("push", f"{name}:v1")
    docker.run("tag", f"{name}:v1", f"{name}:latest")
    docker.run("push", f"{name}:latest")
    assert crane.digest(f"{name}:v1") == digest
