"""crane: images as files, as tags and as indexes."""

import json
import tarfile
from pathlib import Path

import pytest

from tests.oci.clients import ClientFailed, Crane, layer
from tests.oci.conftest import Registry

pytestmark = pytest.mark.real


@pytest.fixture
def name(registry: Registry, crane: Crane, image: Path) -> str:
    """A repository with the image `:1`."""
    made = registry.name("img")
    crane.append(f"{made}:1", image)
    return made


@pytest.mark.parametrize("form", ["tarball", "legacy", "oci"])
def test_an_image_is_pulled_as_a_file_and_pushed_again(
    crane: Crane, name: str, tmp_path: Path, form: str
) -> None:
    kept = tmp_path / "kept"
    crane.run("pull", "--insecure", "--format", form, f"{name}:1", str(kept))
    crane.run("push", "--insecure", str(kept), f"{name}:again")
    exported = tmp_path / "root.tar"
    crane.run("export", "--insecure", f"{name}:again", str(exported))
    with tarfile.open(exported) as tar:
        motd = tar.extractfile("etc/motd")
        assert motd is not None
        assert motd.read() == b"hello\n"
    if form == "oci":
        assert crane.digest(f"{name}:again") == crane.digest(f"{name}:1")


def test_what_the_registry_holds_is_valid(crane: Crane, name: str) -> None:
    told = crane.run("validate", "--insecure", "--remote", f"{name}:1")
    assert told.startswith("PASS")
    config = json.loads(crane.run("config", "--insecure", f"{name}:1"))
    manifest = json.loads(crane.run("manifest", "--insecure", f"{name}:1"))
    blob = crane.run("blob", "--insecure", f"{name}@{manifest['config']['digest']}")
    assert json.loads(blob) == config


def test_an_image_is_changed_and_rebased(crane: Crane, name: str, tmp_path: Path) -> None:
    other = layer(tmp_path / "other.tar", {"other": b"other"})
    words = ("--insecure", "--label", "who=me", "--env", "A=b", "--append", str(other))
    crane.run("mutate", *words, "--tag", f"{name}:2", f"{name}:1")
    config = json.loads(crane.run("config", "--insecure", f"{name}:2"))
    assert config["config"] == {"Env": ["A=b"], "Labels": {"who": "me"}}
    assert len(config["rootfs"]["diff_ids"]) == 2
    crane.run("flatten", "--insecure", "--tag", f"{name}:flat", f"{name}:2")
    config = json.loads(crane.run("config", "--insecure", f"{name}:flat"))
    assert len(config["rootfs"]["diff_ids"]) == 1


def test_an_index_of_platforms_is_made_and_filtered(crane: Crane, name: str) -> None:
    for platform in ("linux/amd64", "linux/arm64"):
        tag = f"{name}:{platform.rpartition('/')[2]}"
        crane.run("mutate", "--insecure", "--set-platform", platform, "-t", tag, f"{name}:1")
    words = ("--insecure", "-m", f"{name}:amd64", "-m", f"{name}:arm64", "-t", f"{name}:all")
    crane.run("index", "append", *words)
    for platform in ("amd64", "arm64"):
        found = crane.run("digest", "--insecure", "--platform", f"linux/{platform}", f"{name}:all")
        assert found.strip() == crane.digest(f"{name}:{platform}")
    words = ("--insecure", "--platform", "linux/arm64", "-t", f"{name}:arm", f"{name}:all")
    crane.run("index", "filter", *words)
    index = json.loads(crane.run("manifest", "--insecure", f"{name}:arm"))
    assert [each["platform"]["architecture"] for each in index["manifests"]] == ["arm64"]
    assert crane.run("validate", "--insecure", "--remote", f"{name}:all").startswith("PASS")


def test_every_tag_is_copied_at_once(registry: Registry, crane: Crane, name: str) -> None:
    target = registry.name("to")
    for tag in ("2", "3"):
        crane.tag(f"{name}:1", tag)
    crane.run("copy", "--insecure", "--all-tags", name, target)
    assert crane.tags(target) == ["1", "2", "3"]
    full = crane.run("ls", "--insecure", "--full-ref", target).split()
    assert full == [f"{target}:{tag}" for tag in ("1", "2", "3")]
    # without --no-clobber a tag may move, with it it may not
    crane.run("copy", "--insecure", "--all-tags", "--no-clobber", name, target)


def test_a_deleted_image_is_gone_with_its_tags(crane: Crane, name: str) -> None:
    digest = crane.digest(f"{name}:1")
    crane.tag(f"{name}:1", "2")
    crane.delete(f"{name}@{digest}")
    assert crane.tags(name) == []
    with pytest.raises(ClientFailed, match=r"MANIFEST_UNKNOWN|NAME_UNKNOWN"):
        crane.run("manifest", "--insecure", f"{name}@{digest}")


def test_the_catalog_names_it_with_its_host(registry: Registry, crane: Crane, name: str) -> None:
    listed = crane.run("catalog", "--insecure", "--full-ref", registry.host).split()
    assert name in listed
