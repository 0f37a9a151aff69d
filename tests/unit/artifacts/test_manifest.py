import json
from base64 import b64encode

import pytest

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.errors import InvalidManifest
from artifacts.manifest import (
    EMPTY_CONFIG,
    ImageIndex,
    ImageManifest,
    image_index,
    image_manifest,
    parse_manifest,
)

LAYER = Descriptor.of(b"layer", media.LAYER_TAR_GZIP, {media.TITLE: "a/b-1.0.0/recipe"})
SUBJECT = Descriptor.of(b"subject", media.MANIFEST)
D = {"mediaType": "a/b", "digest": str(LAYER.digest), "size": 5}


def drawn(**members):
    whole = {"schemaVersion": 2, "mediaType": media.MANIFEST, "config": D, "layers": []}
    whole.update(members)
    return json.dumps({key: value for key, value in whole.items() if value is not ...}).encode()


def test_a_manifest_that_we_make_reads_back():
    data = image_manifest(
        artifact_type=media.PACKAGE,
        config=EMPTY_CONFIG,
        layers=[LAYER],
        subject=SUBJECT,
        annotations={media.TITLE: "a/b"},
    )
    manifest = parse_manifest(data, media.MANIFEST)
    assert isinstance(manifest, ImageManifest)
    assert manifest.kind == media.PACKAGE
    assert manifest.blobs == (EMPTY_CONFIG, LAYER)
    assert manifest.children == ()
    assert manifest.subject == SUBJECT
    assert manifest.annotations == {media.TITLE: "a/b"}


def test_an_index_that_we_make_reads_back():
    entry = Descriptor(
        media.MANIFEST, SUBJECT.digest, 7, artifact_type=media.LOCK, platform={"os": "linux"}
    )
    data = image_index(artifact_type=media.BUNDLE, manifests=[entry], annotations={"a": "b"})
    index = parse_manifest(data)
    assert isinstance(index, ImageIndex)
    assert index.kind == media.BUNDLE
    assert index.children == (entry,)
    assert index.blobs == ()


def test_entries_of_an_index_that_are_no_manifests_are_blobs():
    cached = Descriptor.of(b"cached", media.LAYER_TAR_GZIP)
    index = parse_manifest(image_index(artifact_type=None, manifests=[SUBJECT, cached]))
    assert (index.children, index.blobs) == ((SUBJECT,), (cached,))


def test_an_index_may_be_plain():
    index = parse_manifest(image_index(artifact_type=None, manifests=[]))
    assert isinstance(index, ImageIndex)
    assert index.kind is None


def test_the_same_content_has_the_same_bytes():
    first = image_manifest(artifact_type="a", config=EMPTY_CONFIG, layers=[])
    assert first == image_manifest(layers=[], config=EMPTY_CONFIG, artifact_type="a")
    assert b" " not in first


def test_without_a_media_type_the_members_tell_what_it_is():
    assert isinstance(parse_manifest(drawn(mediaType=...)), ImageManifest)
    assert isinstance(
        parse_manifest(json.dumps({"schemaVersion": 2, "manifests": []}).encode()), ImageIndex
    )


def test_a_list_that_go_never_filled_is_empty():
    assert parse_manifest(drawn(layers=None)).layers == ()


def test_embedded_content_is_what_the_descriptor_describes():
    embedded = {**D, "data": b64encode(b"layer").decode(), "urls": ["https://example.org/layer"]}
    assert parse_manifest(drawn(config=embedded)).config.digest == LAYER.digest


def test_an_older_docker_manifest_is_read():
    manifest = parse_manifest(drawn(mediaType=media.DOCKER_MANIFEST))
    assert manifest.kind == "a/b"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"annotations": {"a": "\\ud800"}}', "surrogate"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "deep"),
        (b'{"a":' + b"[" * 40 + b"1" + b"]" * 40 + b"}", "deep"),
        (b"[" * 100_000, "deep"),
        (drawn().decode().encode("utf-16"), "not UTF-8"),
        (b"\xef\xbb\xbf" + drawn(), "not JSON"),
        (b'{"schemaVersion": NaN}', "NaN is no number"),
        (b'{"schemaVersion": 1' + b"0" * 5000 + b"}", "not JSON"),
        (drawn(schemaVersion=1), "schemaVersion"),
        (drawn(schemaVersion=2.0), "schemaVersion"),
        (drawn(schemaVersion=...), "schemaVersion"),
        (drawn(mediaType=7), "mediaType"),
        (drawn(mediaType="text/plain"), "not supported"),
        (drawn(config=...), "config is not an object"),
        (drawn(config={**D, "size": -1}), "size"),
        (drawn(config={**D, "size": True}), "size"),
        (drawn(config={**D, "size": 1 << 63}), "size"),
        (drawn(config={**D, "size": 5.0}), "size"),
        (drawn(config={**D, "mediaType": 7}), "config.mediaType is not a string"),
        (drawn(config={**D, "mediaType": "a/b\0"}), "visible ASCII"),
        (drawn(config={**D, "mediaType": "a/" + "b" * 254}), "up to 255"),
        (drawn(config={**D, "urls": "https://example.org"}), "urls"),
        (drawn(config={**D, "urls": [7]}), "urls"),
        (drawn(config={**D, "data": 7}), "not base64"),
        (drawn(config={**D, "data": "bGF5ZX"}), "not base64"),
        (drawn(config={**D, "data": "bGF5ZXJz"}), "data has 6 bytes, and size says 5"),
        (drawn(config={**D, "data": "bGF5ZWQ="}), "config.data: expected sha256:"),
        (drawn(config={**D, "digest": "sha256:x"}), "config.digest"),
        (drawn(config={**D, "digest": None}), "digest is missing"),
        (drawn(config={**D, "mediaType": ""}), "config.mediaType"),
        (drawn(config={**D, "annotations": [1]}), "annotations is not an object"),
        (drawn(config={**D, "annotations": {"a": 1}}), "is not a string"),
        (drawn(config={**D, "artifactType": 1}), "artifactType"),
        (drawn(config={**D, "platform": 1}), "platform"),
        (drawn(layers=...), "layers is missing"),
        (drawn(layers={}), "not a list"),
        (drawn(layers=[1]), r"layers\[0\]"),
        (drawn(artifactType=1), "artifactType"),
        (drawn(artifactType="a\nb"), "visible ASCII"),
        (drawn(subject=1), "subject"),
        (drawn(manifests=[]), "not 'manifests'"),
        (drawn(mediaType=media.INDEX), "not 'config' or 'layers'"),
        (drawn(config=EMPTY_CONFIG.to_json()), "artifactType is missing"),
    ],
)
def test_what_is_no_manifest_is_refused_with_the_reason(data, reason):
    with pytest.raises(InvalidManifest, match=reason):
        parse_manifest(data)


def test_a_manifest_sent_as_something_else_is_refused():
    with pytest.raises(InvalidManifest, match="was sent as"):
        parse_manifest(drawn(), media.INDEX)
