"""Bundles as their makers, their verifiers and those who carry them away see them."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.manifest import EMPTY_CONFIG, encode, image_manifest
from artifacts.reference import PackageName, RepositoryName, Tag
from recipebox.commands.bundle import _changes
from recipes.environment import platform_here
from resolver.lock import LockedPackage
from resolver.version import Version
from tests.fakes import WsgiAdapter, WsgiApp
from tests.keys import OTHER, SIGNER
from tests.stories.conftest import Place
from tests.stories.machines import Machine, a_wheel, signing
from tests.stories.test_fetching import meddle

Publish = Callable[..., Path]
WHEEL = a_wheel("helper", {"helper.py": "VALUE = 7\n"})


@pytest.fixture
def lock(publish: Publish, author: Machine, tmp_path: Path) -> Path:
    """A lock of one package that requires another, which has a wheel."""
    publish("team/clean", "1.0.0", wheels=[WHEEL])
    publish("team/etl", "1.0.0", requires={"team/clean": "^1"})
    path = tmp_path / "recipebox.lock"
    author.rb("lock", "team/etl", "-o", path)
    return path


@pytest.fixture
def made(author: Machine, lock: Path) -> str:
    """The reference of a bundle: `team/shop@sha256:…`."""
    said = author.rb("bundle", "create", "team/shop", "--lock", lock, "--json")
    return str(said.json["reference"])


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# Making one


def test_the_same_lock_gives_the_same_bundle_signed_once(author: Machine, lock: Path) -> None:
    first = author.rb("bundle", "create", "team/shop", "--lock", lock, "--json").json
    again = author.rb("bundle", "create", "team/shop", "--lock", "-", stdin=lock.read_text())

    assert first["digest"] in again.out
    assert first["is_newly_signed"]
    assert first["signed_by"] == SIGNER.fingerprint
    assert first["packages"] == {"team/clean": "1.0.0", "team/etl": "1.0.0"}
    assert first["url"].endswith("/applications/team/shop")
    assert "signed already by" in again.err
    shown = author.rb("bundle", "show", first["reference"], "--json").json
    assert len(shown["signatures"]) == 1


def test_a_statement_that_comes_later_makes_no_other_bundle(
    author: Machine, lock: Path, made: str
) -> None:
    transport, repository = author.client().transport, RepositoryName("team/etl")
    release = transport.find_tagged(repository, Tag("1.0.0"))
    assert release is not None
    first, *_ = transport.referrers(repository, Digest.of(release), media.STATEMENT)
    drawn = json.loads(transport.pull_manifest(repository, first.digest))
    drawn["annotations"]["io.example.again"] = "yes"
    transport.push_manifest(repository, encode(drawn), media.MANIFEST)

    again = author.rb("bundle", "create", "team/shop", "--lock", lock, "--json").json
    elsewhere = author.rb("bundle", "create", "team/shop-2", "--lock", lock, "--json").json

    assert again["reference"] == made
    assert elsewhere["digest"] != again["digest"]  # it would have been another one


def test_a_key_of_nobody_signs_no_bundle(author: Machine, lock: Path) -> None:
    author.variables |= signing(OTHER)

    said = author.rb("bundle", "create", "team/shop", "--lock", lock, code=4)

    assert OTHER.fingerprint in said.err
    assert "recipebox namespace key add team" in said.err


def test_a_key_may_be_chosen(author: Machine, lock: Path) -> None:
    del author.variables["RECIPEBOX_SIGNING_KEY"]

    said = author.rb("bundle", "create", "team/shop", "--lock", lock, "--key", "F" * 40, code=3)

    assert "F" * 40 in said.err


def test_every_part_that_does_not_hold_is_named_and_what_to_do(author: Machine, lock: Path) -> None:
    author.rb("yank", "team/clean@1.0.0", "--reason", "loses rows", "--yes")

    said = author.rb("bundle", "create", "team/shop", "--lock", lock, "--json", code=4)

    assert "team/clean 1.0.0 was yanked: loses rows" in said.json["error"]["message"]
    assert said.json["error"]["hint"] == "lock again without it: recipebox lock --for team/shop"


def test_a_part_that_is_not_listed_is_refused(author: Machine, lock: Path) -> None:
    lock.write_text(lock.read_text().replace('"1.0.0"', '"1.0.1"'))

    said = author.rb("bundle", "create", "team/shop", "--lock", lock, "--json", code=4)

    for name in ("team/clean", "team/etl"):
        assert f"{name} 1.0.1 is not listed" in said.json["error"]["message"]
    assert "publish it here first" in said.json["error"]["hint"]


# Looking at one


def test_what_is_in_a_bundle_is_shown(author: Machine, made: str) -> None:
    digest = made.partition("@")[2]
    author.rb("promote", "team/shop", "--bundle", digest, "--to", "dev")
    author.rb("bundle", "verify", made)  # pins the signer

    drawn = author.rb("bundle", "show", "team/shop:dev", "--json").json
    said = author.rb("bundle", "show", made)

    assert drawn["digest"] == digest
    assert [each["name"] for each in drawn["packages"]] == ["team/clean", "team/etl"]
    assert drawn["packages"][0]["wheel_sets"]
    types = [each["type"] for each in drawn["entries"]]
    assert types[0] == media.LOCK
    assert types.count(media.PACKAGE) == 2
    assert types.count(media.STATEMENT) == 4
    assert types.count(media.WHEEL_SET) == 2
    assert [each["fingerprint"] for each in drawn["signatures"]] == [SIGNER.fingerprint]
    assert [each["channel"] for each in drawn["promotions"]] == ["dev"]
    assert drawn["channels"] == ["dev"]
    for words in (
        digest,
        "asked for team/etl",
        "wheels for",
        "signed as team/shop by",
        "now in dev",
    ):
        assert words in said.out


def test_a_signature_by_somebody_who_is_not_pinned_is_shown_as_such(
    made: str, other: Machine
) -> None:
    drawn = other.rb("bundle", "show", made, "--json").json

    assert drawn["signatures"][0]["fingerprint"] is None
    assert "isn't trusted here yet" in drawn["signatures"][0]["problem"]
    assert "doesn't count" in other.rb("bundle", "show", made).out


def test_what_differs_between_two_bundles(
    author: Machine, made: str, publish: Publish, tmp_path: Path
) -> None:
    publish("team/extra", "1.0.0")
    publish("team/clean", "1.1.0", requires={"team/extra": "^1"})
    newer = tmp_path / "newer.lock"
    author.rb("lock", "team/etl@^1.0", "-o", newer)
    other = author.rb("bundle", "create", "team/shop", "--lock", newer, "--json").json["reference"]

    said = author.rb("bundle", "diff", made, other, "--exit-code", code=1)
    drawn = author.rb("bundle", "diff", made, other, "--json").json
    back = author.rb("bundle", "diff", other, made)

    assert "~ team/clean 1.0.0 -> 1.1.0" in said.out
    assert "now requires team/extra" in said.out
    assert "+ team/extra 1.0.0" in said.out
    assert "- asked for team/etl" in said.out
    assert "- team/extra 1.0.0" in back.out
    assert "no longer requires team/extra" in back.out
    assert not drawn["same"]
    assert [each["name"] for each in drawn["added"]] == ["team/extra"]
    assert [each["name"] for each in drawn["changed"]] == ["team/clean"]
    same = author.rb("bundle", "diff", made, made, "--exit-code")
    assert "no difference" in same.out


def test_a_bundle_that_is_not_there(author: Machine, made: str) -> None:
    author.rb("bundle", "show", f"team/shop@sha256:{'0' * 64}", code=3)
    author.rb("bundle", "show", "team/shop:nothing", code=3)
    author.rb("bundle", "show", "team/shop", code=2)
    author.rb("bundle", "show", "http://registry.example.org/x@sha256:0", code=2)
    assert made


# Verifying one


def test_every_check_is_told(author: Machine, made: str) -> None:
    digest = made.partition("@")[2]
    author.rb("promote", "team/shop", "--bundle", digest, "--to", "dev")

    said = author.rb("bundle", "verify", made)
    drawn = author.rb("bundle", "verify", made, "--json").json

    told = {each["check"] for each in drawn["checks"]}
    assert told == {
        "index",
        "lock",
        "release",
        "wheels",
        "signature",
        "promotion",
        "bytes",
        "files",
    }
    assert f"as team/shop, by {SIGNER.fingerprint}" in said.out
    assert drawn["digest"] == digest
    assert drawn["promotions"][0]["channel"] == "dev"


def test_a_bundle_of_another_application_is_refused(author: Machine, made: str) -> None:
    said = author.rb("bundle", "verify", made, "--application", "team/other", code=4)

    assert "expected team/other, found team/shop" in said.err


def test_a_signer_who_is_not_pinned_is_refused(author: Machine, made: str, other: Machine) -> None:
    other.rb("trust", "add", "team", OTHER.fingerprint)

    said = other.rb("bundle", "verify", made, code=4)

    assert OTHER.fingerprint in said.err
    assert author


def test_other_bytes_of_a_blob_are_found_out(author: Machine, made: str) -> None:
    def lie(path: str, body: bytes) -> bytes:
        return b"x" * len(body) if "/blobs/" in path and len(body) > 1000 else body

    meddle(author, lie)

    said = author.rb("bundle", "verify", made, code=4)

    assert "expected sha256:" in said.err


def test_what_is_in_the_cache_is_verified_offline(author: Machine, made: str) -> None:
    author.rb("bundle", "verify", made)
    before = len(author.adapter.requests)

    author.rb("bundle", "verify", made, "--offline")

    assert len(author.adapter.requests) == before
    author.rb("bundle", "verify", "team/shop:dev", "--offline", code=3)


# Fetching one


def test_exactly_the_locked_releases_are_laid_out(
    author: Machine, made: str, lock: Path, publish: Publish, tmp_path: Path
) -> None:
    publish("team/clean", "1.1.0")
    author.rb("fetch", "--frozen", lock, "--out", tmp_path / "frozen")

    said = author.rb("fetch", "--bundle", made, "--out", tmp_path / "bundle", "--json")

    assert [each["version"] for each in said.json["packages"]] == ["1.0.0", "1.0.0"]
    assert tree(tmp_path / "bundle") == tree(tmp_path / "frozen")
    author.rb("verify", tmp_path / "bundle")
    author.rb("fetch", "--bundle", made, "--out", tmp_path / "offline", "--offline")
    assert tree(tmp_path / "offline") == tree(tmp_path / "bundle")


def test_a_fetch_is_of_one_thing(author: Machine, tmp_path: Path) -> None:
    author.rb("fetch", "--out", tmp_path / "x", code=2)
    author.rb("fetch", "team/etl", "--bundle", "team/shop:dev", "--out", tmp_path / "x", code=2)
    author.rb("fetch", "team/etl", "--allow-unsigned", "--out", tmp_path / "x", code=2)


# Carrying one away


def test_to_a_folder_and_back_it_is_byte_for_byte_the_same(
    author: Machine, made: str, tmp_path: Path
) -> None:
    digest = made.partition("@")[2]
    author.rb("promote", "team/shop", "--bundle", digest, "--to", "dev")
    layout = tmp_path / "layout"

    done = author.rb("bundle", "copy", made, layout, "--json").json
    again = author.rb("bundle", "copy", made, layout, "--json").json

    assert done["digest"] == digest
    assert done["referrers"] == 2
    assert done["blobs"]["sent"]
    assert not again["blobs"]["sent"]
    author.rb("bundle", "verify", layout, "--application", "team/shop")
    author.rb("bundle", "verify", f"{layout}@{digest}", "--offline")
    author.rb("fetch", "--bundle", made, "--out", tmp_path / "a")
    author.rb("fetch", "--bundle", layout, "--out", tmp_path / "b")
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    back = author.rb("bundle", "copy", layout, "team/mirror/shop:first", "--json").json
    assert back["digest"] == digest
    author.rb("bundle", "verify", "team/mirror/shop:first", "--application", "team/shop")
    shown = author.rb("bundle", "show", f"team/mirror/shop@{digest}", "--json").json
    assert [each["channel"] for each in shown["promotions"]] == ["dev"]


def test_one_file_gives_the_same_bytes_and_is_read_again(
    author: Machine, made: str, tmp_path: Path
) -> None:
    one, two = tmp_path / "one.tar", tmp_path / "two.tar"
    author.rb("bundle", "copy", made, one)
    author.rb("bundle", "copy", made, two)

    assert one.read_bytes() == two.read_bytes()
    author.rb("bundle", "verify", one)
    author.rb("bundle", "copy", made, one, code=5)
    assert sorted(path.name for path in tmp_path.glob(".*")) == []


def test_blobs_are_mounted_within_a_registry(author: Machine, made: str) -> None:
    done = author.rb("bundle", "copy", made, "team/mirror/shop", "--json").json

    assert done["blobs"]["mounted"]
    assert not done["blobs"]["sent"]


def test_a_copy_that_broke_off_shows_nothing_and_goes_on(
    author: Machine, made: str, tmp_path: Path
) -> None:
    layout = tmp_path / "layout"
    author.rb("bundle", "copy", made, layout)
    digest = made.partition("@")[2]
    target = f"team/mirror/shop@{digest}"
    words = ("bundle", "copy", layout, target, "--application", "team/shop")
    whole = author.adapter

    for after in (0, 3, 7):  # manifests that arrive; it has 11
        author.adapter = WsgiAdapter(Breaking(whole.app, after))
        author.rb(*words, code=6)
        author.adapter = whole
        author.rb("bundle", "show", target, code=3)
    before = len(whole.requests)
    author.rb(*words)

    pushed = [path for method, path in whole.requests[before:] if method == "PUT"]
    assert pushed[-1] == f"/v2/team/mirror/shop/manifests/{digest}"
    assert not [path for path in pushed if "/blobs/" in path]
    author.rb("bundle", "verify", target, "--application", "team/shop")


class Breaking:
    """A connection that breaks at the push of a manifest, once `left` of them have arrived."""

    def __init__(self, app: WsgiApp, left: int) -> None:
        self._app = app
        self._left = left

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        if environ["REQUEST_METHOD"] == "PUT" and "/manifests/" in environ["PATH_INFO"]:
            self._left -= 1
            if self._left < 0:
                raise ConnectionResetError("reset by peer")
        return self._app(environ, start)


def test_an_application_takes_its_own_bundle_back(
    author: Machine, made: str, tmp_path: Path
) -> None:
    layout = tmp_path / "layout"
    author.rb("bundle", "copy", made, layout)

    done = author.rb("bundle", "copy", layout, "team/again", "--json").json

    digest = made.partition("@")[2]
    assert done["digest"] == digest
    # it is signed as another application's, which the gate of this one doesn't take
    said = author.rb("bundle", "verify", f"team/again@{digest}", code=4)
    assert "found team/shop" in said.err
    author.rb("bundle", "copy", layout, "team/shop")
    author.rb("bundle", "verify", made)


def test_what_a_target_says_must_be_the_bundles_digest(
    author: Machine, made: str, tmp_path: Path
) -> None:
    wrong = f"{tmp_path / 'layout'}@sha256:{'0' * 64}"

    author.rb("bundle", "copy", made, wrong, code=5)

    assert not (tmp_path / "layout").exists()


def test_something_else_in_the_folder_is_left_alone(
    author: Machine, made: str, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "letter").write_text("dear")

    author.rb("bundle", "copy", made, folder, code=2)

    assert [path.name for path in folder.iterdir()] == ["letter"]


def test_who_may_not_push_is_refused(author: Machine, made: str, place: Place) -> None:
    author.rb("bundle", "show", made)
    author.variables["RECIPEBOX_TOKEN"] = place.token("reader")

    author.rb("bundle", "copy", made, "team/mirror/shop", code=4)


# Edited by hand


class Layout:
    """A bundle in a folder, which can be edited; each edit makes another digest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        listed = json.loads((folder / "index.json").read_text())["manifests"]
        (self.entry,) = [one for one in listed if one["artifactType"] == media.BUNDLE]
        self.drawn: dict[str, Any] = json.loads(self.blob(self.entry["digest"]).read_bytes())

    def blob(self, digest: str) -> Path:
        return self.folder / "blobs" / digest.replace(":", "/")

    def keep(self, data: bytes, media_type: str = media.MANIFEST) -> dict[str, Any]:
        descriptor = Descriptor.of(data, media_type)
        self.blob(str(descriptor.digest)).write_bytes(data)
        return descriptor.to_json()

    def index(self, **changes: Any) -> str:
        """Keep the bundle's index with changes; return its reference."""
        digest = self.keep(encode(self.drawn | changes), media.INDEX)["digest"]
        return f"{self.folder}@{digest}"

    def of_type(self, artifact_type: str) -> list[dict[str, Any]]:
        return [one for one in self.drawn["manifests"] if one.get("artifactType") == artifact_type]


@pytest.fixture
def layout(author: Machine, made: str, tmp_path: Path) -> Iterator[Layout]:
    author.rb("bundle", "copy", made, tmp_path / "layout")
    return Layout(tmp_path / "layout")


def refused(author: Machine, reference: object, *words: str, code: int = 4) -> None:
    said = author.rb("bundle", "verify", reference, "--allow-unsigned", code=code)
    for word in words:
        assert word in said.err, said


def test_an_entry_that_was_removed(author: Machine, layout: Layout) -> None:
    entries = layout.drawn["manifests"]
    pinned = next(  # the lock is for this machine, and wheels of others aren't missed
        one
        for one in layout.of_type(media.WHEEL_SET)
        if platform_here() in layout.blob(one["digest"]).read_text()
    )
    for gone, word in (
        (layout.of_type(media.PACKAGE)[0], "which its lock pins"),
        (pinned, "which its lock pins"),
        (entries[0], "its first entry"),
    ):
        left = [one for one in entries if one != gone]
        refused(author, layout.index(manifests=left), word)


def test_a_release_without_its_statements(author: Machine, layout: Layout) -> None:
    left = [one for one in layout.drawn["manifests"] if one.get("artifactType") != media.STATEMENT]

    refused(author, layout.index(manifests=left), "receipt", "no good signature")


def test_another_release_swapped_in(
    author: Machine, layout: Layout, publish: Publish, tmp_path: Path
) -> None:
    publish("team/clean", "1.0.1")
    author.rb("lock", "team/clean@1.0.1", "-o", tmp_path / "l")
    author.rb("bundle", "create", "team/stray", "--lock", tmp_path / "l")
    stray = author.rb("bundle", "create", "team/stray", "--lock", tmp_path / "l", "--json").json
    author.rb("bundle", "copy", stray["reference"], layout.folder)
    other = Layout.__new__(Layout)
    other.folder = layout.folder
    other.drawn = json.loads(layout.blob(stray["digest"]).read_bytes())
    release = other.of_type(media.PACKAGE)[0]
    swapped = [*layout.drawn["manifests"], release]

    refused(author, layout.index(manifests=swapped), "a statement about what its lock pins")
    refused(author, layout.folder, "which bundle?", code=2)


def lock_entry(layout: Layout, change: Callable[[str], str]) -> dict[str, Any]:
    """Return the entry of a lock that differs."""
    manifest = json.loads(layout.blob(layout.drawn["manifests"][0]["digest"]).read_bytes())
    text = layout.blob(manifest["layers"][0]["digest"]).read_text()
    changed = change(text)
    assert changed != text
    layer = layout.keep(changed.encode(), media.LOCK_TOML)
    data = encode(manifest | {"layers": [layer]})
    return layout.keep(data) | {"artifactType": media.LOCK}


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ('requires = [\n    "team/clean ^1",\n]', "requires = []", ""),
        ('version = "1.0.0"', 'version = "1.0.7"', "1.0.7"),
        (SIGNER.fingerprint, OTHER.fingerprint, OTHER.fingerprint),
        ("size = ", "size = 1", "the size of its manifest"),
        ("schema_version = 1", "schema_version = 9", "9"),
        ("[[package]]", "[[parcel]]", ""),
    ],
)
def test_a_lock_that_differs_from_the_releases(
    author: Machine, layout: Layout, old: str, new: str, word: str
) -> None:
    entry = lock_entry(layout, lambda text: text.replace(old, new))

    said = author.rb(
        "bundle",
        "verify",
        layout.index(manifests=[entry, *layout.drawn["manifests"][1:]]),
        "--allow-unsigned",
        code=4,
    )

    assert word in said.err


def test_a_signature_of_another_bundle_does_not_count(author: Machine, layout: Layout) -> None:
    digest = layout.index(annotations={"x": "y"}).rpartition("@")[2]
    size = layout.blob(digest).stat().st_size
    listed = json.loads((layout.folder / "index.json").read_text())
    subject = {"mediaType": media.INDEX, "digest": digest, "size": size}
    moved = []
    for one in listed["manifests"]:
        drawn = json.loads(layout.blob(one["digest"]).read_bytes())
        is_about = "subject" in drawn
        moved.append(one | layout.keep(encode(drawn | {"subject": subject})) if is_about else one)
    listed["manifests"] = moved
    (layout.folder / "index.json").write_text(json.dumps(listed))

    said = author.rb("bundle", "verify", f"{layout.folder}@{digest}", code=4)

    assert f"expected {digest}" in said.err


def test_a_bundle_without_its_own_signature(author: Machine, layout: Layout) -> None:
    index = json.loads((layout.folder / "index.json").read_text())
    index["manifests"] = [layout.entry]
    (layout.folder / "index.json").write_text(json.dumps(index))

    said = author.rb("bundle", "verify", layout.folder, code=4)
    author.rb("bundle", "copy", layout.folder, f"{layout.folder}-2", code=4)

    assert "no signature of its own" in said.err
    assert "oras cp -r" in said.err
    said = author.rb("bundle", "verify", layout.folder, "--allow-unsigned")
    assert "none of its own" in said.out


@pytest.mark.parametrize("artifact_type", [media.PACKAGE, media.EXPORT, "text/plain"])
def test_what_is_no_bundle(author: Machine, layout: Layout, artifact_type: str) -> None:
    refused(author, layout.index(artifactType=artifact_type), "expected application/vnd.recipebox")


def test_entries_of_another_size_type_or_twice(author: Machine, layout: Layout) -> None:
    first, *rest = layout.drawn["manifests"]
    for changed, word in (
        ([first, rest[0] | {"size": rest[0]["size"] + 1}, *rest[1:]], "bytes, found"),
        ([first, rest[0] | {"artifactType": "text/plain"}, *rest[1:]], "expected text/plain"),
        ([first, rest[0] | {"mediaType": media.DOCKER_MANIFEST}, *rest[1:]], "mediaType"),
        ([first, *rest, rest[0]], "each entry once"),
        ([first, rest[0] | {"size": 5 << 20}, *rest[1:]], "at most"),
        ([first] + [rest[0] | {"size": 4 << 20}] * 70, "bytes of manifests"),
        ([], "no entries"),
    ):
        refused(author, layout.index(manifests=changed), word)


def test_a_huge_index_is_not_read(author: Machine, layout: Layout) -> None:
    refused(author, layout.index(annotations={"x": "y" * (5 << 20)}), "at most 4194304")


def test_an_index_in_an_index(author: Machine, layout: Layout) -> None:
    first, *rest = layout.drawn["manifests"]
    nested = layout.entry | {"artifactType": media.BUNDLE}

    refused(author, layout.index(manifests=[first, *rest, nested]), "a statement about what")


def test_a_wheel_that_nobody_locked(author: Machine, layout: Layout) -> None:
    entry = layout.of_type(media.WHEEL_SET)[0]
    drawn = json.loads(layout.blob(entry["digest"]).read_bytes())
    drawn["layers"] = [layout.keep(b"not locked", media.WHEEL)]
    stray = layout.keep(encode(drawn)) | {"artifactType": media.WHEEL_SET}

    refused(
        author,
        layout.index(manifests=[*layout.drawn["manifests"], stray]),
        "wheels that its package.json names",
    )


def test_bytes_that_were_changed_or_lost(author: Machine, layout: Layout) -> None:
    manifest = layout.of_type(media.PACKAGE)[0]["digest"]
    layer = json.loads(layout.blob(manifest).read_bytes())["layers"][0]["digest"]
    data = layout.blob(layer).read_bytes()
    for changed, word in (
        (b"x" + data[1:], "found sha256:"),
        (data[:-1], "bytes, found"),
        (data + b"x", "found more"),
    ):
        layout.blob(layer).write_bytes(changed)
        refused(author, layout.folder, word)
    layout.blob(layer).unlink()
    refused(author, layout.folder, layer, code=3)
    layout.blob(manifest).write_bytes(b"{}")
    refused(author, layout.folder, manifest)


def test_a_layout_that_is_none(author: Machine, layout: Layout, tmp_path: Path) -> None:
    refused(author, tmp_path / "nothing", "no OCI layout", code=3)
    (layout.folder / "oci-layout").write_text('{"imageLayoutVersion":"2.0.0"}')
    refused(author, layout.folder, "imageLayoutVersion 1.0.0")
    (layout.folder / "oci-layout").write_text("?")
    refused(author, layout.folder, "imageLayoutVersion 1.0.0")
    (layout.folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (layout.folder / "index.json").write_text("?")
    refused(author, layout.folder, "an OCI manifest")
    (layout.folder / "index.json").unlink()
    refused(author, layout.folder, "isn't there", code=3)


def test_a_tar_that_is_none(author: Machine, layout: Layout, tmp_path: Path) -> None:
    path = tmp_path / "broken.tar"
    refused(author, path, "no such file", code=3)
    path.write_bytes(b"x" * 2000)
    refused(author, path, "a whole tar")
    (layout.folder / "more").write_text("x")
    made = shutil.make_archive(str(tmp_path / "more"), "tar", layout.folder)
    refused(author, made, "something else")


def test_junk_that_somebody_hung_on_a_bundle_is_carried_and_counts_for_nothing(
    author: Machine, made: str, tmp_path: Path
) -> None:
    client = author.client()
    name, _, digest = made.partition("@")
    repository = RepositoryName(name)
    size = len(client.transport.pull_manifest(repository, Digest.parse(digest)))
    client.transport.push_bytes(repository, media.EMPTY_JSON, media.EMPTY)
    subject = Descriptor(media.INDEX, Digest.parse(digest), size)
    note = image_manifest(
        artifact_type="text/x-note", config=EMPTY_CONFIG, layers=[], subject=subject
    )
    on_it = client.transport.push_manifest(repository, note, media.MANIFEST)
    reply = image_manifest(
        artifact_type="text/x-note",
        config=EMPTY_CONFIG,
        layers=[],
        subject=Descriptor(media.MANIFEST, on_it, len(note)),
    )
    client.transport.push_manifest(repository, reply, media.MANIFEST)

    done = author.rb("bundle", "copy", made, tmp_path / "layout", "--json").json

    assert done["referrers"] == 3
    author.rb("bundle", "verify", tmp_path / "layout")


def test_how_a_package_differs_is_said_in_lines() -> None:
    old = LockedPackage(
        PackageName("team", "etl"), Version.parse("1.0.0"), Digest.of(b"1"), 1, ("A" * 40,)
    )
    other = replace(
        old, digest=Digest.of(b"2"), signers=(), wheel_sets={"linux/amd64": Digest.of(b"3")}
    )

    lines = _changes(old, other)

    assert "with other bytes" in lines[0]
    assert f"    signed by nobody, before by {'A' * 40}" in lines
    assert "    other wheels" in lines
    assert _changes(old, replace(old, signers=()))[0] == "~ team/etl 1.0.0"
