"""skopeo: copies between registries, folders, archives and layouts, in each format."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.oci.clients import ClientFailed, Crane, Skopeo, layer
from tests.oci.conftest import Registry

pytestmark = pytest.mark.real

OCI = "application/vnd.oci.image.manifest.v1+json"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
PLAIN = ("--tls-verify=false",)


@pytest.fixture
def name(registry: Registry, crane: Crane, image: Path) -> str:
    """A repository with the image `:1`."""
    made = registry.name("img")
    crane.append(f"{made}:1", image)
    return made


@pytest.fixture
def platforms(crane: Crane, name: str) -> str:
    """An index of that image for two platforms."""
    for platform in ("amd64", "arm64"):
        words = ("--insecure", "--set-platform", f"linux/{platform}", "-t", f"{name}:{platform}")
        crane.run("mutate", *words, f"{name}:1")
    words = ("--insecure", "-m", f"{name}:amd64", "-m", f"{name}:arm64", "-t", f"{name}:all")
    crane.run("index", "append", *words)
    return f"{name}:all"


@pytest.mark.parametrize(("form", "kind"), [("oci", OCI), ("v2s2", DOCKER)])
def test_an_image_is_copied_in_each_format(
    registry: Registry, skopeo: Skopeo, name: str, form: str, kind: str
) -> None:
    target = registry.name("to")
    skopeo.copy(f"docker://{name}:1", f"docker://{target}:1", "--format", form)
    assert raw(skopeo, f"{target}:1")["mediaType"] == kind
    config = skopeo.run("inspect", *PLAIN, "--config", f"docker://{target}:1")
    assert json.loads(config)["rootfs"]["type"] == "layers"


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive", "dir", "oci"])
def test_an_image_goes_through_a_file_and_back(
    registry: Registry, skopeo: Skopeo, name: str, tmp_path: Path, form: str
) -> None:
    target = registry.name("to")
    tag = ":app:1" if form == "docker-archive" else "" if form == "dir" else ":1"
    kept = f"{form}:{tmp_path / 'kept'}{tag}"
    words = ("--format", "v2s2") if form == "docker-archive" else ()
    skopeo.copy(f"docker://{name}:1", kept, *words)
    skopeo.copy(kept, f"docker://{target}:1")
    configs = [
        json.loads(skopeo.run("inspect", *PLAIN, "--config", f"docker://{each}:1"))
        for each in (name, target)
    ]
    assert configs[0]["rootfs"] == configs[1]["rootfs"]
    if form != "docker-archive":  # which keeps layers unpacked
        assert skopeo.inspect(f"{target}:1")["Layers"] == skopeo.inspect(f"{name}:1")["Layers"]


@pytest.mark.parametrize("form", ["gzip", "zstd"])
def test_layers_are_compressed_on_the_way(
    registry: Registry, skopeo: Skopeo, crane: Crane, tmp_path: Path, form: str
) -> None:
    # of a content that is new: else a blob known from elsewhere, compressed otherwise, would do
    name, archive = registry.name("img"), tmp_path / "archive.tar"
    crane.append(f"{name}:1", layer(tmp_path / "layer.tar", {"random": os.urandom(1000)}))
    crane.run("pull", "--insecure", f"{name}:1", str(archive))
    words = ("--dest-compress-format", form, "--format", "oci")
    skopeo.copy(f"docker-archive:{archive}", f"docker://{name}:{form}", *words)
    (found,) = raw(skopeo, f"{name}:{form}")["layers"]
    assert found["mediaType"].endswith(f"+{form}")


def test_an_index_is_copied_whole_and_by_platform(
    registry: Registry, skopeo: Skopeo, platforms: str
) -> None:
    target = registry.name("to")
    skopeo.copy(f"docker://{platforms}", f"docker://{target}:all", "--all")
    copied, source = (raw(skopeo, each)["manifests"] for each in (f"{target}:all", platforms))
    assert [each["digest"] for each in copied] == [each["digest"] for each in source]
    for each in raw(skopeo, platforms)["manifests"]:
        assert raw(skopeo, f"{target}@{each['digest']}")["mediaType"] == each["mediaType"]
    words = ("--override-arch", "arm64", "--insecure-policy", "copy")
    plain = ("--src-tls-verify=false", "--dest-tls-verify=false")
    skopeo.run(*words, *plain, f"docker://{platforms}", f"docker://{target}:arm")
    assert skopeo.inspect(f"{target}:arm")["Architecture"] == "arm64"


def test_an_index_goes_without_its_images_where_that_is_allowed(
    registry: Registry, skopeo: Skopeo, platforms: str
) -> None:
    target = registry.name("to")
    words = ("--multi-arch", "index-only")
    with pytest.raises(ClientFailed, match=r"(?i)manifest.*unknown|MANIFEST_BLOB_UNKNOWN"):
        skopeo.copy(f"docker://{platforms}", f"docker://{target}:all", *words)
    sparse = registry.name("to", registry.namespace(sparse=True))
    skopeo.copy(f"docker://{platforms}", f"docker://{sparse}:all", *words)
    assert len(raw(skopeo, f"{sparse}:all")["manifests"]) == 2


def test_a_repository_is_synchronised_both_ways(
    registry: Registry, skopeo: Skopeo, crane: Crane, name: str, tmp_path: Path
) -> None:
    crane.tag(f"{name}:1", "2")
    plain = ("--src-tls-verify=false", "--dest-tls-verify=false")
    words = ("--insecure-policy", "sync", *plain, "--src", "docker", "--dest", "dir")
    skopeo.run(*words, name, str(tmp_path / "kept"))
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["img:1", "img:2"]
    target = f"{registry.host}/{registry.namespace()}"
    words = ("--insecure-policy", "sync", *plain, "--src", "dir", "--dest", "docker")
    skopeo.run(*words, str(tmp_path / "kept"), target)
    assert skopeo.tags(f"{target}/img") == ["1", "2"]
    # and from registry to registry
    words = ("--insecure-policy", "sync", *plain, "--src", "docker", "--dest", "docker")
    skopeo.run(*words, name, f"{target}/copies")
    assert skopeo.tags(f"{target}/copies/img") == ["1", "2"]


def test_a_deleted_image_is_gone_with_its_tags(skopeo: Skopeo, crane: Crane, name: str) -> None:
    crane.tag(f"{name}:1", "2")
    skopeo.run("delete", *PLAIN, f"docker://{name}:1")
    with pytest.raises(ClientFailed, match=r"manifest unknown"):
        skopeo.inspect(f"{name}:2")


def test_a_login_is_asked_for_and_forgotten(registry: Registry, skopeo: Skopeo, name: str) -> None:
    assert skopeo.run("login", "--get-login", registry.host).strip() == "anyone"
    skopeo.run("logout", registry.host)
    with pytest.raises(ClientFailed, match=r"(?i)unauthorized|authentication required"):
        skopeo.inspect(f"{name}:1")
    skopeo.login(registry.host, "anyone", registry.admin)
    assert skopeo.inspect(f"{name}:1")["Digest"]


def raw(skopeo: Skopeo, reference: str) -> dict[str, Any]:
    """Return a manifest as it is in the registry."""
    text = skopeo.run("inspect", *PLAIN, "--raw", f"docker://{reference}")
    found: dict[str, Any] = json.loads(text)
    return found
