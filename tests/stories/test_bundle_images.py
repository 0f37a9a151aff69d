"""Images in bundles as their makers, their verifiers and those who carry them away see them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.images import platform_text
from artifacts.manifest import EMPTY_CONFIG, encode, image_manifest
from artifacts.reference import PackageName, RepositoryName, Tag
from recipebox.bundle_work import compare_images
from recipebox.bundles import BundledImage, BundleEntry
from recipebox.errors import Tampered
from recipebox.promotion import Promoter
from tests.builders import Image, an_image, an_index
from tests.fakes import WsgiAdapter
from tests.stories.conftest import Place
from tests.stories.machines import URL, Machine
from tests.stories.test_bundles import Breaking, Layout, refused
from tests.stories.test_fetching import meddle

Publish = Callable[..., Path]
BOTH = an_index(an_image(), an_image(architecture="arm64"))
TOOL = an_image(b"a tool", is_docker=True)


def push(machine: Machine, repository: str, image: Image, tag: str | None = None) -> str:
    """Push an image as any client does; return its reference."""
    transport, name = machine.client().transport, RepositoryName(repository)
    for each in image.below:
        push(machine, repository, each)
    for blob in image.blobs:
        transport.push_bytes(name, blob, "application/octet-stream")
    reference = image.digest if tag is None else Tag(tag)
    transport.put_manifest(name, reference, image.manifest, image.media_type)
    return f"{repository}@{image.digest}"


def signature_of(image: Image) -> Image:
    data = image_manifest(
        artifact_type=media.SIGSTORE_BUNDLE,
        config=EMPTY_CONFIG,
        layers=[Descriptor.of(b"signed", media.SIGSTORE_BUNDLE)],
        subject=Descriptor.of(image.manifest, image.media_type),
    )
    return Image(data, media.MANIFEST, (media.EMPTY_JSON, b"signed"))


@pytest.fixture
def lock(publish: Publish, author: Machine, tmp_path: Path) -> Path:
    publish("team/etl", "1.0.0")
    path = tmp_path / "recipebox.lock"
    author.rb("lock", "team/etl", "-o", path)
    return path


@pytest.fixture
def made(author: Machine, lock: Path) -> str:
    """The reference of a bundle of a lock, an image for two platforms, signed, and a tool."""
    image = push(author, "team/shop/image", BOTH, "1")
    push(author, "team/shop/image", signature_of(BOTH.below[0]))
    tool = push(author, "team/tools", TOOL)
    options = ("--image", image, "--image", tool)
    said = author.rb("bundle", "create", "team/shop", "--lock", lock, *options, "--json")
    return str(said.json["reference"])


# Making one


def test_images_may_be_named_by_tags_which_is_said(author: Machine, lock: Path, made: str) -> None:
    options = (
        "--image",
        "team/tools@" + str(TOOL.digest),
        "--image",
        "team/shop/image:1",
        "--image",
        f"{URL}/team/shop/image@{BOTH.digest}",
    )
    again = author.rb("bundle", "create", "team/shop", "--lock", lock, *options)

    assert made in again.out
    assert f"  team/shop/image@{BOTH.digest}" in again.out
    assert f"team/shop/image:1 is {BOTH.digest} now" in again.err
    assert "team/tools" not in again.err


def test_a_lock_may_be_promoted_with_images(author: Machine, lock: Path, made: str) -> None:
    options = ("--image", "team/shop/image:1", "--image", f"team/tools@{TOOL.digest}")
    done = author.rb("promote", "team/shop", "--lock", lock, *options, "--to", "dev", "--json").json

    assert f"team/shop@{done['bundle']}" == made
    words = ("promote", "team/shop", "--bundle", done["bundle"], "--to", "staging")
    said = author.rb(*words, "--image", "team/shop/image:1", code=2)
    assert "a bundle that is there has its images" in said.err
    author.rb(*words)


@pytest.mark.parametrize(
    ("image", "code", "said"),
    [
        ("team/shop/image@sha256:" + "0" * 64, 4, "push it here first"),
        ("nowhere/image@sha256:" + "0" * 64, 4, "push it here first"),
        ("team/shop/image:2", 3, "has no tag 2"),
        ("team/shop/image", 2, "give its digest or a tag"),
        ("team/shop/image@sha256:abc", 2, "sha256:abc"),
        ("registry.example.org/image@sha256:" + "0" * 64, 2, "copy it to"),
        ("./layout", 2, "copy it to"),
        ("team/etl:1.0.0", 4, "is no image that a bundle holds"),
    ],
)
def test_what_is_no_image_here(
    author: Machine, lock: Path, image: str, code: int, said: str
) -> None:
    push(author, "team/shop/image", BOTH, "1")
    words = ("bundle", "create", "team/shop", "--lock", lock, "--image", image)

    assert said in author.rb(*words, code=code).err


def test_other_images_than_were_asked_for_are_not_signed(
    author: Machine, lock: Path, made: str
) -> None:
    client = author.client()

    class Lying:
        """A registry that makes another bundle than it was asked for."""

        def __getattr__(self, name: str) -> Any:
            return getattr(client.transport, name)

        def api(self, *_: Any, **__: Any) -> dict[str, Any]:
            return {"digest": made.partition("@")[2]}

    liar = Promoter(PackageName("team", "shop"), Lying(), client.releases)  # type: ignore[arg-type]
    asked = [(RepositoryName("team/shop/image"), BOTH.digest)]

    with pytest.raises(Tampered, match="the images in it") as caught:
        liar.make_bundle(lock.read_text(), asked)
    assert f"team/tools@{TOOL.digest}" in str(caught.value)


# Looking at one


def test_what_images_a_bundle_holds_is_shown(author: Machine, made: str) -> None:
    drawn = author.rb("bundle", "show", made, "--json").json
    said = author.rb("bundle", "show", made).out

    assert drawn["images"] == [
        {
            "repositories": ["team/shop/image"],
            "digest": str(BOTH.digest),
            "size": BOTH.size,
            "platforms": ["linux/amd64", "linux/arm64"],
        },
        {
            "repositories": ["team/tools"],
            "digest": str(TOOL.digest),
            "size": TOOL.size,
            "platforms": ["linux/amd64"],
        },
    ]
    types = [each["type"] for each in drawn["entries"]]
    assert types[-3:] == [media.INDEX, media.DOCKER_IMAGE_CONFIG, media.SIGSTORE_BUNDLE]
    for words in ("image team/shop/image", str(BOTH.digest), "for linux/amd64, linux/arm64, "):
        assert words in said


def test_the_server_says_the_same(author: Machine, place: Place, made: str) -> None:
    digest = made.partition("@")[2]
    found = author.client().transport.api("GET", f"/api/v1/applications/team/shop/bundles/{digest}")

    assert [each["repository"] for each in found["images"]] == ["team/shop/image", "team/tools"]
    assert found["images"][0]["platforms"] == ["linux/amd64", "linux/arm64"]
    assert found["images"][0]["size"] == BOTH.size
    assert place


def test_which_images_differ(author: Machine, lock: Path, made: str) -> None:
    newer = an_index(an_image(b"newer"), an_image(b"newer", architecture="arm64"))
    push(author, "team/shop/image", newer, "2")
    push(author, "team/more", TOOL, "1")
    options = ("--image", "team/shop/image:2", "--image", "team/more:1")
    words = ("bundle", "create", "team/shop", "--lock", lock, *options, "--json")
    other = author.rb(*words).json["reference"]

    said = author.rb("bundle", "diff", made, other, "--exit-code", code=1).out
    drawn = author.rb("bundle", "diff", made, other, "--json").json

    assert f"~ image team/shop/image {BOTH.digest} -> {newer.digest}" in said
    assert f"- image team/tools@{TOOL.digest}" in said
    assert f"+ image team/more@{TOOL.digest}" in said
    assert not drawn["same"]
    assert drawn["images"] == {
        "added": [{"repository": "team/more", "digest": str(TOOL.digest)}],
        "removed": [{"repository": "team/tools", "digest": str(TOOL.digest)}],
        "changed": [
            {
                "repository": "team/shop/image",
                "before": str(BOTH.digest),
                "after": str(newer.digest),
            }
        ],
    }
    assert author.rb("bundle", "diff", made, made, "--exit-code", "--json").json["same"]


def test_several_images_of_a_repository_come_and_go() -> None:
    name = RepositoryName("team/image")

    def of(*images: Image) -> list[BundledImage]:
        manifest = TOOL  # what it is doesn't matter
        return [
            BundledImage((name,), BundleEntry(Descriptor.of(each.manifest, ""), manifest), ())  # type: ignore[arg-type]
            for each in images
        ]

    one, two, three = an_image(b"1"), an_image(b"2"), an_image(b"3")

    found = compare_images(of(one, two), of(three))

    assert found.changed == ()
    assert {digest for _, digest in found.removed} == {one.digest, two.digest}
    assert found.added == ((name, three.digest),)
    assert compare_images(of(one, two), of(two, three)).changed == (
        (name, one.digest, three.digest),
    )


@pytest.mark.parametrize(
    ("platform", "text"),
    [
        ({"os": "linux", "architecture": "arm64", "variant": "v8"}, "linux/arm64/v8"),
        ({"os": "linux", "architecture": "amd64", "os.version": "1"}, "linux/amd64"),
        ({"os": "unknown", "architecture": "unknown"}, None),
        ({"os": "linux"}, None),
        ({"os": "linux", "architecture": 1}, None),
        ([], None),
        (None, None),
    ],
)
def test_what_a_platform_is_called(platform: object, text: str | None) -> None:
    assert platform_text(platform) == text


# Verifying one


def test_each_image_is_verified(author: Machine, made: str) -> None:
    drawn = author.rb("bundle", "verify", made, "--json").json

    details = [each["detail"] for each in drawn["checks"] if each["check"] == "image"]
    assert len(details) == 2
    assert str(BOTH.digest) in details[0]
    assert "for linux/amd64, linux/arm64, 3 manifests, 1 signatures beside it" in details[0]
    assert [each["digest"] for each in drawn["images"]] == [str(BOTH.digest), str(TOOL.digest)]
    author.rb("bundle", "verify", made, "--offline")


def test_other_bytes_of_a_layer_are_found_out(author: Machine, made: str) -> None:
    layer = BOTH.below[1].blobs[1]

    def lie(path: str, body: bytes) -> bytes:
        return b"x" * len(body) if path.endswith(str(Digest.of(layer))) else body

    meddle(author, lie)

    assert str(Digest.of(layer)) in author.rb("bundle", "verify", made, code=4).err


@pytest.fixture
def layout(author: Machine, made: str, tmp_path: Path) -> Iterator[Layout]:
    author.rb("bundle", "copy", made, tmp_path / "layout")
    return Layout(tmp_path / "layout")


def entry_of(layout: Layout, image: Image) -> dict[str, Any]:
    return next(one for one in layout.drawn["manifests"] if one["digest"] == str(image.digest))


def test_what_is_below_an_image_may_not_be_missing(author: Machine, layout: Layout) -> None:
    child = BOTH.below[0]
    layer = layout.blob(str(Digest.of(child.blobs[1])))
    data = layer.read_bytes()
    layer.unlink()
    refused(author, layout.folder, str(Digest.of(child.blobs[1])), code=3)
    layer.write_bytes(data)
    layout.blob(str(child.digest)).write_bytes(child.manifest + b" ")
    refused(author, layout.folder, str(child.digest))
    layout.blob(str(child.digest)).unlink()
    refused(author, layout.folder, str(child.digest), code=3)


def test_entries_that_say_otherwise_than_their_images(author: Machine, layout: Layout) -> None:
    entries = layout.drawn["manifests"]
    image, signature = entry_of(layout, BOTH), entries[-1]
    without = [one for one in entries if one != image]
    as_image = {"annotations": {media.IMAGE: "team/lock"}}
    note = layout.keep(
        image_manifest(
            artifact_type="text/x-note",
            config=EMPTY_CONFIG,
            layers=[],
            subject=Descriptor.of(BOTH.manifest, media.INDEX),
        )
    )
    release = next(one for one in entries if one.get("artifactType") == media.PACKAGE)
    for changed, word in (
        ([*without, image | {"annotations": {}}], "a statement about what its lock pins"),
        ([*without, image | {"annotations": {media.IMAGE: "Team"}}], "Team"),
        ([*without, image | {"annotations": {media.IMAGE: ""}}], "the repositories of an image"),
        (without, str(signature["digest"])),
        ([*entries, note], "a statement about what its lock pins"),
        (
            [*(one for one in entries if one != release), release | as_image],
            "expected an image",
        ),
    ):
        refused(author, layout.index(manifests=changed), word)


def test_another_platform_than_its_configuration_says(author: Machine, layout: Layout) -> None:
    tool = entry_of(layout, TOOL)
    others = [one for one in layout.drawn["manifests"] if one != tool]
    lying = tool | {"platform": {"os": "linux", "architecture": "arm64"}}
    refused(author, layout.index(manifests=[*others, lying]), "expected linux/arm64")
    odd = json.loads(TOOL.manifest)
    odd["config"] |= {**layout.keep(b"?"), "mediaType": media.IMAGE_CONFIG}
    lying |= layout.keep(encode(odd), media.DOCKER_MANIFEST)
    refused(author, layout.index(manifests=[*others, lying]), "found None")


def test_too_many_manifests_are_not_read(
    author: Machine, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = len(layout.drawn["manifests"]) + 1
    monkeypatch.setattr("recipebox.bundles.MOST_ENTRIES", limit)
    refused(author, layout.folder, f"at most {limit} manifests")


def test_a_fetch_reads_no_layer_of_an_image(author: Machine, made: str, tmp_path: Path) -> None:
    before = len(author.adapter.requests)
    author.rb("fetch", "--bundle", made, "--out", tmp_path / "out")
    asked = [path for _, path in author.adapter.requests[before:]]
    for image in (*BOTH.below, TOOL):
        assert not [path for path in asked if path.endswith(str(Digest.of(image.blobs[1])))]
    assert (tmp_path / "out" / "team" / "etl-1.0.0").is_dir()


def test_an_index_that_lies_about_what_is_below_it(author: Machine, layout: Layout) -> None:
    entries = layout.drawn["manifests"]
    without = [one for one in entries[:-1] if one != entry_of(layout, BOTH)]
    drawn = json.loads(BOTH.manifest)
    for change, word in (
        ({"size": drawn["manifests"][0]["size"] + 1}, "bytes, found"),
        ({"mediaType": media.DOCKER_MANIFEST}, "mediaType"),
        ({"size": 5 << 20}, "at most"),
        ({"digest": f"sha256:{'0' * 64}"}, "0000"),
    ):
        first, second = drawn["manifests"]
        lying = layout.keep(encode(drawn | {"manifests": [first | change, second]}), media.INDEX)
        said = author.rb(
            "bundle",
            "verify",
            layout.index(manifests=[*without, lying | {"annotations": {media.IMAGE: "a/b"}}]),
            "--allow-unsigned",
            code=3 if "digest" in change else 4,
        )
        assert word in said.err
    # twice, with two sizes; and a blob with another size than one of two manifests says
    first, second = drawn["manifests"]
    twice = encode(drawn | {"manifests": [first, second, first | {"size": first["size"] + 1}]})
    lying = layout.keep(twice, media.INDEX) | {"annotations": {media.IMAGE: "a/b"}}
    refused(author, layout.index(manifests=[*without, lying]), "bytes, found")
    child = json.loads(BOTH.below[0].manifest)
    child["layers"][0]["size"] += 1
    lying = layout.keep(encode(child)) | {"annotations": {media.IMAGE: "a/b"}}
    refused(author, layout.index(manifests=[*entries, lying]), "bytes, found")


# Carrying one away


def test_to_a_folder_and_back_all_of_it_comes(author: Machine, made: str, layout: Layout) -> None:
    author.rb("bundle", "verify", layout.folder, "--application", "team/shop")
    author.rb("bundle", "copy", layout.folder, "team/mirror/shop:first")

    mirror = "team/mirror/shop:first"
    author.rb("bundle", "verify", mirror, "--application", "team/shop")
    drawn = author.rb("bundle", "show", mirror, "--json").json
    assert f"team/shop@{drawn['digest']}" == made
    transport, name = author.client().transport, RepositoryName("team/mirror/shop")
    for each in (BOTH, *BOTH.below, TOOL):
        assert transport.pull_manifest(name, each.digest) == each.manifest
    found = transport.referrers(name, BOTH.below[0].digest)
    assert [each.digest for each in found] == [signature_of(BOTH.below[0]).digest]


def test_what_needs_others_comes_after_them(author: Machine, made: str, layout: Layout) -> None:
    """A registry refuses an index whose parts aren't there yet."""
    words = ("bundle", "copy", layout.folder, "team/mirror/shop", "--application", "team/shop")
    whole = author.adapter
    for after in (1, 5, 2):  # manifests that arrive, more each time; it has 12
        author.adapter = WsgiAdapter(Breaking(whole.app, after))
        author.rb(*words, code=6)
        author.adapter = whole
    author.rb(*words)
    author.rb("bundle", "verify", made.replace("shop", "mirror/shop"), "--application", "team/shop")


def test_an_application_makes_the_same_again(author: Machine, made: str, layout: Layout) -> None:
    again = author.rb("bundle", "copy", layout.folder, "team/again", "--json").json
    assert f"team/shop@{again['digest']}" == made
    for name in ("team/shop/image", "team/tools"):
        transport = author.client().transport
        digest = (BOTH if name.endswith("image") else TOOL).digest
        transport.do_request(f"{URL}/v2/{name}/manifests/{digest}", "DELETE")
    assert author.rb("bundle", "copy", layout.folder, "team/shop", "--json").json["digest"]
    said = author.rb("bundle", "copy", layout.folder, "team/other", code=4)
    assert f"the image team/tools@{TOOL.digest} is not there" in said.err
