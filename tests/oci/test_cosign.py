"""cosign: signatures and attestations, as referrers and in tags.

`cosign load` is tried with signatures in tags alone: of those that are referrers, version 3.1.2
sends the manifest and not the layer, which every registry refuses.
"""

import json
from pathlib import Path

import pytest

from tests.oci.clients import ClientFailed, Cosign, Crane, Oras
from tests.oci.conftest import Registry

pytestmark = pytest.mark.real

PROVENANCE = "https://slsa.dev/provenance/v0.2"


@pytest.fixture(scope="module")
def key(cosign: Cosign) -> str:
    """The name of a key pair."""
    cosign.new_key("own")
    return "own"


@pytest.fixture(scope="module")
def strange(cosign: Cosign) -> str:
    """The name of a key pair that signs nothing."""
    cosign.new_key("strange")
    return "strange"


@pytest.fixture
def predicate(tmp_path: Path) -> Path:
    """What is attested."""
    path = tmp_path / "predicate.json"
    path.write_text(json.dumps({"builder": {"id": "me"}, "buildType": "hand"}))
    return path


@pytest.fixture
def name(registry: Registry, crane: Crane, image: Path) -> str:
    """A repository with the image `:1`."""
    made = registry.name("img")
    crane.append(f"{made}:1", image)
    return made


@pytest.fixture
def signed(crane: Crane, name: str) -> str:
    """The same image by its digest, which is what one signs."""
    return f"{name}@{crane.digest(f'{name}:1')}"


@pytest.mark.parametrize("scheme", [(), Cosign.IN_TAGS], ids=["referrers", "tags"])
class TestEachScheme:
    def test_what_is_signed_is_verified(
        self, cosign: Cosign, key: str, name: str, signed: str, scheme: tuple[str, ...]
    ) -> None:
        with pytest.raises(ClientFailed, match=r"no signatures found|no matching signatures"):
            cosign.verify(f"{name}:1", key, *scheme)
        cosign.sign(signed, key, *scheme)
        for reference in (f"{name}:1", signed):
            (payload,) = cosign.verify(reference, key, *scheme)
            found = payload["critical"]["image"]["docker-manifest-digest"]
            assert found == signed.partition("@")[2]

    def test_another_key_or_annotation_is_refused(
        self, cosign: Cosign, key: str, strange: str, signed: str, scheme: tuple[str, ...]
    ) -> None:
        cosign.sign(signed, key, "--annotations", "stage=tested", *scheme)
        assert cosign.verify(signed, key, "--annotations", "stage=tested", *scheme)
        with pytest.raises(ClientFailed, match=r"(?i)missing or incorrect annotation|no matching"):
            cosign.verify(signed, key, "--annotations", "stage=shipped", *scheme)
        with pytest.raises(ClientFailed, match=r"no matching (signatures|attestations)"):
            cosign.verify(signed, strange, *scheme)

    def test_what_is_attested_is_verified_by_its_type(
        self, cosign: Cosign, key: str, signed: str, predicate: Path, scheme: tuple[str, ...]
    ) -> None:
        cosign.attest(signed, key, predicate, "--type", "slsaprovenance", *scheme)
        statement = cosign.verify_attestation(signed, key, "slsaprovenance", *scheme)
        assert statement["predicateType"] == PROVENANCE
        (subject,) = statement["subject"]
        assert f"sha256:{subject['digest']['sha256']}" == signed.partition("@")[2]
        assert statement["predicate"]["builder"] == {"id": "me"}
        with pytest.raises(ClientFailed, match=r"(?i)none of the attestations|no matching"):
            cosign.verify_attestation(signed, key, "spdxjson", *scheme)

    def test_each_image_of_an_index_is_signed(
        self, cosign: Cosign, crane: Crane, key: str, name: str, scheme: tuple[str, ...]
    ) -> None:
        words = ("--insecure", "--set-platform", "linux/arm64", "-t", f"{name}:2", f"{name}:1")
        crane.run("mutate", *words)
        words = ("--insecure", "-m", f"{name}:1", "-m", f"{name}:2", "-t", f"{name}:all")
        crane.run("index", "append", *words)
        cosign.sign(f"{name}@{crane.digest(f'{name}:all')}", key, "--recursive", *scheme)
        for tag in ("1", "2", "all"):
            assert cosign.verify(f"{name}:{tag}", key, *scheme)


def test_the_tree_shows_both_schemes_and_clean_removes_them(
    cosign: Cosign, oras: Oras, key: str, signed: str, predicate: Path
) -> None:
    for scheme in ((), Cosign.IN_TAGS):
        cosign.sign(signed, key, *scheme)
        cosign.attest(signed, key, predicate, *scheme)
    name = signed.partition("@")[0]
    tree = cosign.run("tree", *Cosign.PLAIN, f"{name}:1")
    assert "Signatures for an image tag" in tree
    assert "Attestations for an image tag" in tree
    referrers = oras.referrers(f"{name}:1")
    assert len(referrers) == 2
    assert all(each["digest"] in tree for each in referrers)
    assert len(oras.tags(name)) == 3  # the image's, and of each in tags one
    cosign.run("clean", "--force", *Cosign.PLAIN, f"{name}:1")
    assert oras.tags(name) == ["1"]
    assert oras.referrers(f"{name}:1") == []


def test_a_signature_travels_with_its_image(
    registry: Registry, cosign: Cosign, oras: Oras, key: str, signed: str
) -> None:
    cosign.sign(signed, key)
    target = registry.name("to")
    oras.copy(signed, f"{target}:1", "--recursive")
    assert cosign.verify(f"{target}:1", key)


def test_a_signature_is_saved_and_loaded_with_its_image(
    registry: Registry, cosign: Cosign, key: str, signed: str, tmp_path: Path
) -> None:
    cosign.sign(signed, key, *Cosign.IN_TAGS)
    target = registry.name("to")
    cosign.run("save", *Cosign.PLAIN, "--dir", str(tmp_path / "kept"), signed)
    cosign.run("load", *Cosign.PLAIN, "--dir", str(tmp_path / "kept"), f"{target}:1")
    assert cosign.verify(f"{target}:1", key, *Cosign.IN_TAGS)
