"""oras: artifacts of every shape, what is attached to them, and copies of both."""

import json
from pathlib import Path

import pytest

from tests.oci.clients import ClientFailed, Crane, Oras
from tests.oci.conftest import Registry

pytestmark = pytest.mark.real

EMPTY = "application/vnd.oci.empty.v1+json"


def test_many_files_come_back_with_their_types_names_and_notes(
    registry: Registry, oras: Oras, tmp_path: Path
) -> None:
    name = registry.name("many")
    sources = {"a.txt": b"a", "folder/b.bin": bytes(1000), "config.json": b'{"config": true}'}
    for path, content in sources.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(content)
    words = ("push", "--plain-http", "--annotation", "org.example.who=me")
    words += ("--config", "config.json:application/vnd.example.config+json")
    oras.run(*words, f"{name}:1", "a.txt:text/plain", "folder:application/x-dir", cwd=tmp_path)
    manifest = oras.manifest(f"{name}:1")
    assert manifest["annotations"]["org.example.who"] == "me"
    assert [each["mediaType"] for each in manifest["layers"]] == ["text/plain", "application/x-dir"]
    config = oras.run("manifest", "fetch-config", "--plain-http", f"{name}:1")
    assert json.loads(config) == {"config": True}
    oras.pull(f"{name}:1", tmp_path / "back")
    assert (tmp_path / "back/a.txt").read_bytes() == b"a"
    assert (tmp_path / "back/folder/b.bin").read_bytes() == bytes(1000)


def test_an_artifact_needs_no_layers(registry: Registry, oras: Oras, tmp_path: Path) -> None:
    name = registry.name("bare")
    (tmp_path / "empty.json").write_text("{}")
    pushed = oras.run("blob", "push", "--plain-http", name, str(tmp_path / "empty.json"))
    empty = next(word for word in pushed.split() if word.startswith("sha256:"))
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "text/x-nothing",
        "config": {"mediaType": EMPTY, "digest": empty, "size": 2},
        "layers": [],
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    words = ("manifest", "push", "--plain-http", f"{name}:1", str(tmp_path / "manifest.json"))
    oras.run(*words)
    assert oras.manifest(f"{name}:1") == manifest
    # so may what is attached: all that it says are its annotations
    words = ("attach", "--plain-http", "--artifact-type", "text/x-remark")
    oras.run(*words, "--annotation", "remark=good", f"{name}:1")
    (remark,) = oras.referrers(f"{name}:1")
    assert remark["annotations"]["remark"] == "good"
    assert oras.referrers(remark["reference"]) == []


def test_a_chain_of_attachments_is_discovered_copied_and_deleted(
    registry: Registry, oras: Oras, note: Path
) -> None:
    source, target = registry.name("from"), registry.name("to")
    oras.push(f"{source}:1", note.name, cwd=note.parent)
    bill = oras.attach(f"{source}:1", note.name, kind="text/x-bill", cwd=note.parent)
    signature = oras.attach(f"{source}@{bill}", note.name, kind="text/x-sig", cwd=note.parent)
    oras.copy(f"{source}:1", f"{target}:1", "--recursive")
    tree = oras.run("discover", "--plain-http", "--format", "tree", f"{target}:1")
    assert tree.index("text/x-bill") < tree.index(bill) < tree.index(signature)
    oras.run("manifest", "delete", "--plain-http", "--force", f"{target}@{signature}")
    assert oras.referrers(f"{target}@{bill}") == []
    oras.run("manifest", "delete", "--plain-http", "--force", f"{target}@{bill}")
    assert oras.referrers(f"{target}:1") == []
    # the source has its own
    assert [each["digest"] for each in oras.referrers(f"{source}@{bill}")] == [signature]


def test_blobs_are_pushed_fetched_and_deleted_by_themselves(
    registry: Registry, oras: Oras, note: Path
) -> None:
    name = registry.name("blobs")
    oras.push(f"{name}:1", note.name, cwd=note.parent)
    loose = note.parent / "loose"
    loose.write_bytes(b"loose")
    words = ("--plain-http", "--descriptor", name, str(loose))
    digest = json.loads(oras.run("blob", "push", *words))["digest"]
    fetched = oras.run("blob", "fetch", "--plain-http", "--output", "-", f"{name}@{digest}")
    assert fetched == "loose"
    oras.run("blob", "delete", "--plain-http", "--force", f"{name}@{digest}")
    with pytest.raises(ClientFailed, match="not found"):
        oras.run("blob", "fetch", "--plain-http", "--output", "-", f"{name}@{digest}")


def test_an_empty_file_is_an_artifact_too(registry: Registry, oras: Oras, tmp_path: Path) -> None:
    name = registry.name("empty")
    (tmp_path / "empty.txt").touch()
    oras.push(f"{name}:1", "empty.txt", cwd=tmp_path)
    oras.pull(f"{name}:1", tmp_path / "back")
    assert (tmp_path / "back/empty.txt").read_bytes() == b""


def test_an_index_of_indexes_is_made_and_copied(
    registry: Registry, oras: Oras, crane: Crane, image: Path
) -> None:
    source, target = registry.name("from"), registry.name("to")
    crane.append(f"{source}:amd64", image)
    crane.append(f"{source}:arm64", image)
    oras.run("manifest", "index", "create", "--plain-http", f"{source}:inner", "amd64", "arm64")
    oras.run("manifest", "index", "create", "--plain-http", f"{source}:outer", "inner")
    oras.copy(f"{source}:outer", f"{target}:1")
    for reference in (f"{source}:outer", f"{target}:1"):
        (inner,) = oras.manifest(reference)["manifests"]
        assert inner["digest"] == crane.digest(f"{source}:inner")
    assert len(oras.manifest(f"{target}@{inner['digest']}")["manifests"]) == 2


def test_several_tags_are_set_at_once_and_listed(
    registry: Registry, oras: Oras, note: Path
) -> None:
    name = registry.name("tags")
    oras.push(f"{name}:1,2,3", note.name, cwd=note.parent)
    oras.run("tag", "--plain-http", f"{name}:1", "latest", "4")
    assert oras.tags(name) == ["1", "2", "3", "4", "latest"]
    listed = oras.run("repo", "ls", "--plain-http", f"{name.rpartition('/')[0]}/").split()
    assert listed == ["tags"]


def test_a_repository_is_backed_up_and_restored(registry: Registry, oras: Oras, note: Path) -> None:
    source, target = registry.name("from"), registry.name("to")
    oras.push(f"{source}:1", note.name, cwd=note.parent)
    attached = oras.attach(f"{source}:1", note.name, kind="text/x-about", cwd=note.parent)
    kept = note.parent / "kept.tar"
    oras.run("backup", "--plain-http", "--include-referrers", "--output", str(kept), f"{source}:1")
    oras.run("restore", "--plain-http", "--input", str(kept), f"{target}:1")
    assert oras.manifest(f"{target}:1") == oras.manifest(f"{source}:1")
    assert [each["digest"] for each in oras.referrers(f"{target}:1")] == [attached]


def test_a_layout_on_disk_and_the_registry_are_copied_both_ways(
    registry: Registry, oras: Oras, note: Path
) -> None:
    name = registry.name("layout")
    digest = oras.push(f"{name}:1", note.name, cwd=note.parent)
    words = ("cp", "--from-plain-http", "--to-oci-layout", f"{name}:1")
    oras.run(*words, f"{note.parent / 'layout'}:1")
    words = ("cp", "--from-oci-layout", "--to-plain-http", f"{note.parent / 'layout'}:1")
    oras.run(*words, f"{name}:2")
    assert oras.run("resolve", "--plain-http", f"{name}:2").strip() == digest
