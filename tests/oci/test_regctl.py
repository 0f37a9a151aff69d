"""regctl: images, artifacts, and each part of them by itself."""

import json
import os
from pathlib import Path

import pytest

from tests.oci import clients
from tests.oci.clients import ClientFailed, Crane, Regctl
from tests.oci.conftest import Registry

pytestmark = pytest.mark.real

MEBIBYTE = 1024 * 1024


@pytest.fixture
def name(registry: Registry, crane: Crane, image: Path) -> str:
    """A repository with the image `:1`."""
    made = registry.name("img")
    crane.append(f"{made}:1", image)
    return made


def test_an_image_is_copied_with_its_referrers(
    registry: Registry, regctl: Regctl, name: str, tmp_path: Path
) -> None:
    target, again = registry.name("to"), registry.name("again")
    regctl.attach(f"{name}:1", "a bill", kind="text/x-bill")
    regctl.run("image", "copy", "--referrers", f"{name}:1", f"{target}:1")
    assert regctl.referrers(f"{target}:1") == regctl.referrers(f"{name}:1") != []
    layout = f"ocidir://{tmp_path / 'layout'}:1"
    regctl.run("image", "copy", "--referrers", f"{target}:1", layout)
    regctl.run("image", "copy", "--referrers", layout, f"{again}:1")
    assert regctl.digest(f"{again}:1") == regctl.digest(f"{name}:1")
    assert len(regctl.referrers(f"{again}:1")) == 1


def test_an_image_goes_through_a_file_and_back(regctl: Regctl, name: str, tmp_path: Path) -> None:
    kept = str(tmp_path / "kept.tar")
    regctl.run("image", "export", f"{name}:1", kept)
    regctl.run("image", "import", f"{name}:2", kept)
    assert regctl.digest(f"{name}:2") == regctl.digest(f"{name}:1")
    assert regctl.run("image", "get-file", f"{name}:2", "etc/motd") == "hello\n"


def test_a_tag_is_removed_and_what_it_named_stays(regctl: Regctl, name: str) -> None:
    digest = regctl.digest(f"{name}:1")
    regctl.run("image", "copy", f"{name}:1", f"{name}:2")
    regctl.run("tag", "rm", f"{name}:1")
    assert regctl.tags(name) == ["2"]
    regctl.run("tag", "rm", f"{name}:2")
    assert regctl.tags(name) == []
    assert regctl.digest(f"{name}@{digest}") == digest
    regctl.run("manifest", "delete", f"{name}@{digest}")
    with pytest.raises(ClientFailed, match="not found"):
        regctl.digest(f"{name}@{digest}")


def test_artifacts_are_found_by_type_and_by_annotation(regctl: Regctl, name: str) -> None:
    for kind, who in (("text/x-bill", "me"), ("text/x-bill", "you"), ("text/x-other", "me")):
        options = ("--annotation", f"who={who}")
        regctl.attach(f"{name}:1", f"{kind} by {who}", *options, kind=kind)
    assert len(regctl.referrers(f"{name}:1")) == 3
    bills = regctl.referrers(f"{name}:1", "--filter-artifact-type", "text/x-bill")
    assert [each["artifactType"] for each in bills] == ["text/x-bill"] * 2
    mine = regctl.referrers(f"{name}:1", "--filter-annotation", "who=me")
    assert {each["artifactType"] for each in mine} == {"text/x-bill", "text/x-other"}
    words = ("artifact", "get", "--subject", f"{name}:1", "--filter-annotation", "who=you")
    assert regctl.run(*words) == "text/x-bill by you"
    # one deleted is no referrer any more, and nothing was left in the tags
    regctl.run("manifest", "delete", "--referrers", f"{name}@{mine[0]['digest']}")
    assert len(regctl.referrers(f"{name}:1")) == 2
    assert regctl.tags(name) == ["1"]


def test_an_artifact_comes_back_as_it_went(registry: Registry, regctl: Regctl) -> None:
    name = registry.name("notes")
    regctl.put(f"{name}:1", "a note\n", kind="text/x-note")
    assert regctl.run("artifact", "get", f"{name}:1") == "a note\n"
    assert f"Digest: {regctl.digest(f'{name}:1')}" in regctl.run("artifact", "tree", f"{name}:1")


@pytest.mark.parametrize("size", [0, 5, MEBIBYTE, 12 * MEBIBYTE + 3])
def test_a_blob_is_sent_in_chunks_and_comes_back(
    registry: Registry, tmp_path: Path, size: int
) -> None:
    # of 1 MiB, unless the registry asks for larger ones
    regctl = clients.regctl(tmp_path / "regctl")
    regctl.login(registry.host, "anyone", registry.admin)
    chunks = ("--blob-max", "1", "--blob-chunk", str(MEBIBYTE))
    regctl.run("registry", "set", *chunks, "--skip-check", registry.host)
    name = registry.name("blobs")
    content = os.urandom(size // 2).hex() + "x" * (size % 2)
    digest = regctl.run("blob", "put", name, given=content).strip()
    assert regctl.run("blob", "get", name, digest) == content
    assert f"Content-Length: {len(content)}" in regctl.run(
        "blob", "head", name, digest, "--format", "raw-headers"
    )
    other = registry.name("other", registry.path(name).partition("/")[0])
    regctl.run("blob", "copy", name, other, digest)
    regctl.run("blob", "delete", name, digest)
    with pytest.raises(ClientFailed, match="not found"):
        regctl.run("blob", "head", name, digest)
    assert regctl.run("blob", "get", other, digest) == content


def test_an_image_may_have_digests_of_sha512(regctl: Regctl, name: str) -> None:
    words = ("image", "mod", f"{name}:1", "--digest-algo", "sha512", "--create", f"{name}:512")
    regctl.run(*words)
    digest = regctl.digest(f"{name}:512")
    assert digest.startswith("sha512:")
    assert regctl.run("image", "get-file", f"{name}@{digest}", "etc/motd") == "hello\n"
    told = regctl.run("manifest", "diff", f"{name}:1", f"{name}:512")
    assert '+       "digest": "sha512:' in told


def test_an_image_is_converted_to_dockers_types_and_back(regctl: Regctl, name: str) -> None:
    regctl.run("image", "mod", f"{name}:1", "--to-docker", "--create", f"{name}:docker")
    regctl.run("image", "mod", f"{name}:docker", "--to-oci", "--create", f"{name}:oci")
    kinds = [
        json.loads(regctl.run("manifest", "get", f"{name}:{tag}", "--format", "raw-body"))[
            "mediaType"
        ]
        for tag in ("docker", "oci")
    ]
    assert kinds == [
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
    ]


def test_an_index_gains_and_loses_an_entry(regctl: Regctl, name: str) -> None:
    digest = regctl.digest(f"{name}:1")
    regctl.run("index", "create", f"{name}:all")
    regctl.run("index", "add", f"{name}:all", "--ref", f"{name}:1")
    body = ("manifest", "get", f"{name}:all", "--format", "raw-body")
    assert [each["digest"] for each in json.loads(regctl.run(*body))["manifests"]] == [digest]
    regctl.run("index", "delete", f"{name}:all", "--digest", digest)
    assert json.loads(regctl.run(*body))["manifests"] == []


def test_repositories_are_listed_in_pages(
    registry: Registry, regctl: Regctl, crane: Crane, image: Path
) -> None:
    namespace = registry.namespace()
    for last in ("a", "b", "c"):
        crane.append(f"{registry.name(last, namespace)}:1", image)
    words = ("repo", "ls", "--limit", "2", "--last", f"{namespace}/a", registry.host)
    assert regctl.run(*words).split()[:2] == [f"{namespace}/b", f"{namespace}/c"]
