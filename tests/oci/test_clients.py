"""oras, crane and skopeo against a real server: log in, push, pull, list, copy, attach, refuse."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.oci import clients
from tests.oci.clients import ClientFailed, Crane, Oras, Skopeo, layer
from tests.oci.conftest import Registry

pytestmark = pytest.mark.real

MEBIBYTE = 1024 * 1024
Login = Callable[[Path], Oras | Skopeo]


class TestLogin:
    @pytest.mark.parametrize("make", [clients.oras, clients.skopeo])
    @pytest.mark.parametrize("user", ["anyone", "token", "a@b"])
    def test_any_user_name_with_a_token_will_do(
        self, registry: Registry, tmp_path: Path, make: Login, user: str
    ) -> None:
        make(tmp_path / "home").login(registry.host, user, registry.token("reader"))

    @pytest.mark.parametrize("make", [clients.oras, clients.skopeo])
    @pytest.mark.parametrize("password", ["wrong", "rbx_0000000000000000_wrong"])
    def test_anything_but_a_token_is_refused(
        self, registry: Registry, tmp_path: Path, make: Login, password: str
    ) -> None:
        with pytest.raises(ClientFailed, match=r"(?i)401|unauthori[sz]ed|invalid username"):
            make(tmp_path / "home").login(registry.host, "anyone", password)

    def test_a_pull_with_a_wrong_token_is_refused(
        self, registry: Registry, tmp_path: Path, crane: Crane, image: Path
    ) -> None:
        name = registry.name("img")
        crane.append(f"{name}:1", image)
        other = clients.crane(tmp_path / "other")
        other.login(registry.host, "anyone", "wrong")
        with pytest.raises(ClientFailed, match=r"(?i)unauthorized"):
            other.digest(f"{name}:1")


class TestPushAndPull:
    def test_an_artifact_comes_back_as_it_went(
        self, registry: Registry, oras: Oras, note: Path, tmp_path: Path
    ) -> None:
        name = registry.name("notes")
        digest = oras.push(f"{name}:1", f"{note.name}:text/plain", cwd=note.parent)
        oras.pull(f"{name}:1", tmp_path / "by-tag")
        oras.pull(f"{name}@{digest}", tmp_path / "by-digest")
        for folder in ("by-tag", "by-digest"):
            assert (tmp_path / folder / note.name).read_bytes() == note.read_bytes()
        assert oras.manifest(f"{name}:1")["artifactType"] == "text/x-note"

    def test_an_image_has_one_digest_for_every_client(
        self, registry: Registry, crane: Crane, oras: Oras, skopeo: Skopeo, image: Path
    ) -> None:
        name = registry.name("img")
        digest = crane.append(f"{name}:1", image)
        assert crane.digest(f"{name}:1") == digest
        assert skopeo.inspect(f"{name}:1")["Digest"] == digest
        assert oras.run("resolve", "--plain-http", f"{name}:1").strip() == digest

    def test_an_image_goes_through_a_layout_and_back(
        self, registry: Registry, crane: Crane, skopeo: Skopeo, image: Path, tmp_path: Path
    ) -> None:
        name = registry.name("img")
        digest = crane.append(f"{name}:1", image)
        layout = f"oci:{tmp_path / 'layout'}:1"
        skopeo.copy(f"docker://{name}:1", layout)
        skopeo.copy(layout, f"docker://{name}:2", "--preserve-digests")
        assert crane.digest(f"{name}:2") == digest

    def test_pushing_the_same_again_is_success(
        self, registry: Registry, crane: Crane, image: Path
    ) -> None:
        name = registry.name("img")
        assert crane.append(f"{name}:1", image) == crane.append(f"{name}:1", image)

    def test_a_tag_of_an_image_moves(
        self, registry: Registry, crane: Crane, image: Path, tmp_path: Path
    ) -> None:
        name = registry.name("img")
        first = crane.append(f"{name}:latest", image)
        other = layer(tmp_path / "other.tar", {"other": b"other"})
        second = crane.append(f"{name}:latest", other)
        assert crane.digest(f"{name}:latest") == second != first
        assert crane.digest(f"{name}@{first}") == first

    def test_what_is_not_there_is_said_to_be_unknown(
        self, registry: Registry, crane: Crane
    ) -> None:
        name = registry.name("img")
        with pytest.raises(ClientFailed, match=r"NAME_UNKNOWN|MANIFEST_UNKNOWN"):
            crane.digest(f"{name}:nothing")
        with pytest.raises(ClientFailed, match=r"NAME_UNKNOWN|MANIFEST_UNKNOWN"):
            crane.run("manifest", "--insecure", f"{name}:nothing")

    def test_a_deleted_tag_is_gone_and_its_manifest_stays(
        self, registry: Registry, crane: Crane, image: Path
    ) -> None:
        name = registry.name("img")
        digest = crane.append(f"{name}:1", image)
        crane.tag(f"{name}:1", "2")
        crane.delete(f"{name}:1")
        assert crane.tags(name) == ["2"]
        assert crane.digest(f"{name}@{digest}") == digest

    def test_a_blob_of_50_mb_comes_back_whole(
        self, registry: Registry, oras: Oras, tmp_path: Path
    ) -> None:
        name = registry.name("large")
        content = os.urandom(MEBIBYTE) * 50
        (tmp_path / "large.bin").write_bytes(content)
        oras.push(f"{name}:1", "large.bin", cwd=tmp_path)
        oras.pull(f"{name}:1", tmp_path / "back")
        assert (tmp_path / "back" / "large.bin").read_bytes() == content


class TestTags:
    def test_every_client_lists_the_same(
        self, registry: Registry, crane: Crane, oras: Oras, skopeo: Skopeo, image: Path
    ) -> None:
        name = registry.name("img")
        crane.append(f"{name}:b", image)
        for tag in ("a", "c", "1.0"):
            crane.tag(f"{name}:b", tag)
        expected = ["1.0", "a", "b", "c"]
        assert crane.tags(name) == oras.tags(name) == skopeo.tags(name) == expected

    def test_more_than_a_page_is_followed(
        self, registry: Registry, crane: Crane, oras: Oras, image: Path
    ) -> None:
        name = registry.name("img")
        crane.append(f"{name}:t00", image)
        wanted = [f"t{number:02}" for number in range(1, 25)]
        oras.run("tag", "--plain-http", f"{name}:t00", *wanted)
        assert crane.tags(name) == oras.tags(name) == ["t00", *wanted]
        first, following = registry.page(f"/v2/{registry.path(name)}/tags/list?n=10")
        second, _ = registry.page(following)
        assert [*first["tags"], *second["tags"]] == ["t00", *wanted][:20]

    def test_the_catalog_lists_repositories(
        self, registry: Registry, crane: Crane, image: Path
    ) -> None:
        name = registry.name("img")
        crane.append(f"{name}:1", image)
        listed = crane.run("catalog", "--insecure", registry.host).split()
        assert registry.path(name) in listed


class TestCopy:
    def test_to_another_repository_with_each_client(
        self, registry: Registry, crane: Crane, oras: Oras, skopeo: Skopeo, image: Path
    ) -> None:
        source = registry.name("from")
        digest = crane.append(f"{source}:1", image)
        targets = {each: registry.name(each) for each in ("crane", "oras", "skopeo")}
        crane.copy(f"{source}:1", f"{targets['crane']}:1")
        oras.copy(f"{source}:1", f"{targets['oras']}:1")
        skopeo.copy(f"docker://{source}:1", f"docker://{targets['skopeo']}:1")
        assert {crane.digest(f"{target}:1") for target in targets.values()} == {digest}

    def test_an_index_is_copied_with_its_images(
        self, registry: Registry, crane: Crane, image: Path
    ) -> None:
        source, target = registry.name("from"), registry.name("to")
        digest = crane.append(f"{source}:1", image)
        crane.run(
            *("index", "append", "--insecure", "-m", f"{source}@{digest}", "-t", f"{source}:all")
        )
        crane.copy(f"{source}:all", f"{target}:all")
        assert crane.digest(f"{target}:all") == crane.digest(f"{source}:all")
        assert crane.digest(f"{target}@{digest}") == digest

    def test_oras_copies_referrers_too(self, registry: Registry, oras: Oras, note: Path) -> None:
        source, target = registry.name("from"), registry.name("to")
        oras.push(f"{source}:1", note.name, cwd=note.parent)
        attached = oras.attach(f"{source}:1", note.name, kind="text/x-about", cwd=note.parent)
        oras.copy(f"{source}:1", f"{target}:1", "-r")
        assert [each["digest"] for each in oras.referrers(f"{target}:1")] == [attached]


class TestReferrers:
    def test_what_is_attached_is_discovered_by_its_type(
        self, registry: Registry, oras: Oras, note: Path
    ) -> None:
        name = registry.name("notes")
        oras.push(f"{name}:1", note.name, cwd=note.parent)
        made = {
            kind: oras.attach(f"{name}:1", note.name, kind=kind, cwd=note.parent)
            for kind in ("text/x-about", "text/x-other")
        }
        found = {each["artifactType"]: each["digest"] for each in oras.referrers(f"{name}:1")}
        assert found == made
        (only,) = oras.referrers(f"{name}:1", "text/x-other")
        assert only["digest"] == made["text/x-other"]

    def test_no_fallback_tag_is_left_behind(
        self, registry: Registry, oras: Oras, note: Path
    ) -> None:
        name = registry.name("notes")
        oras.push(f"{name}:1", note.name, cwd=note.parent)
        oras.attach(f"{name}:1", note.name, kind="text/x-about", cwd=note.parent)
        assert oras.tags(name) == ["1"]


class TestWhoMay:
    def test_a_private_name_looks_like_none_to_a_stranger(
        self, registry: Registry, oras: Oras, note: Path, tmp_path: Path
    ) -> None:
        name = registry.name("notes")
        oras.push(f"{name}:1", note.name, cwd=note.parent)
        stranger = clients.oras(tmp_path / "stranger")
        stranger.login(registry.host, "anyone", registry.token("reader", registry.namespace()))
        missing = f"{name}-missing"
        told = [_refused(stranger, f"{each}:1", tmp_path) for each in (name, missing)]
        assert told[0] == told[1].replace(missing, name)
        assert "404" in told[0] or "not found" in told[0]

    def test_a_private_name_asks_who_is_not_logged_in_to_do_so(
        self, registry: Registry, oras: Oras, note: Path, tmp_path: Path
    ) -> None:
        name = registry.name("notes")
        oras.push(f"{name}:1", note.name, cwd=note.parent)
        nobody = clients.oras(tmp_path / "nobody")
        assert re.search(
            r"(?i)401|unauthorized|basic cred", _refused(nobody, f"{name}:1", tmp_path)
        )

    def test_anyone_pulls_what_is_public_and_pushes_nothing(
        self, registry: Registry, oras: Oras, note: Path, tmp_path: Path
    ) -> None:
        name = registry.name("notes", registry.namespace(public=True))
        digest = oras.push(f"{name}:1", note.name, cwd=note.parent)
        nobody = clients.oras(tmp_path / "nobody")
        nobody.pull(f"{name}:1", tmp_path / "back")
        assert (tmp_path / "back" / note.name).read_bytes() == note.read_bytes()
        assert clients.crane(tmp_path / "no").digest(f"{name}:1") == digest
        with pytest.raises(ClientFailed, match=r"(?i)401|unauthorized|basic cred"):
            nobody.push(f"{name}:2", note.name, cwd=note.parent)

    def test_anyone_lists_what_is_public_and_nothing_else(
        self, registry: Registry, crane: Crane, image: Path, tmp_path: Path
    ) -> None:
        public = registry.name("img", registry.namespace(public=True))
        private = registry.name("img")
        for name in (public, private):
            crane.append(f"{name}:1", image)
        nobody = clients.crane(tmp_path / "nobody")
        listed = nobody.run("catalog", "--insecure", registry.host).split()
        assert registry.path(public) in listed
        assert registry.path(private) not in listed

    def test_a_reader_reads_and_does_not_write(
        self, registry: Registry, oras: Oras, note: Path, tmp_path: Path
    ) -> None:
        namespace = registry.namespace()
        name = registry.name("notes", namespace)
        oras.push(f"{name}:1", note.name, cwd=note.parent)
        reader = clients.oras(tmp_path / "reader")
        reader.login(registry.host, "reader", registry.token("reader", namespace))
        reader.pull(f"{name}:1", tmp_path / "back")
        note.write_text("another\n")
        with pytest.raises(ClientFailed, match=r"(?i)403|denied"):
            reader.push(f"{name}:2", note.name, cwd=note.parent)

    def test_a_publisher_writes_in_its_own_namespace_only(
        self, registry: Registry, note: Path, tmp_path: Path
    ) -> None:
        own, other = registry.namespace(), registry.namespace()
        publisher = clients.oras(tmp_path / "publisher")
        publisher.login(registry.host, "ci", registry.token("publisher", own))
        publisher.push(f"{registry.name('notes', own)}:1", note.name, cwd=note.parent)
        with pytest.raises(ClientFailed, match=r"(?i)404|not found|unknown"):
            publisher.push(f"{registry.name('notes', other)}:1", note.name, cwd=note.parent)

    def test_a_blob_of_a_private_name_cannot_be_mounted_by_a_stranger(
        self, registry: Registry, oras: Oras, note: Path
    ) -> None:
        name, own = registry.name("notes"), registry.namespace()
        oras.push(f"{name}:1", note.name, cwd=note.parent)
        digest = oras.manifest(f"{name}:1")["layers"][0]["digest"]
        answer = registry.request(
            "POST",
            f"/v2/{own}/mine/blobs/uploads/?mount={digest}&from={registry.path(name)}",
            token=registry.token("publisher", own),
        )
        assert answer.status_code == 202


def _refused(client: Oras, reference: str, folder: Path) -> str:
    with pytest.raises(ClientFailed) as raised:
        client.pull(reference, folder / "nowhere")
    return str(raised.value)
