"""A proof and an SBOM travel with a release: signed, published, listed, fetched, verified."""

import json
from pathlib import Path
from typing import Any

import pytest

from artifacts import media
from artifacts.digest import Digest
from artifacts.reference import PackageName
from recipes.evidence import folder_of
from registry.access import ANONYMOUS
from signing.statement import EvidenceStatement, ProofStatement, Statement
from tests.checkouts import a_counting_checkout
from tests.stories.conftest import Place
from tests.stories.machines import Machine

TITLE = "team/count-1.0.0"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return a_counting_checkout(tmp_path / "checkout")


def referrers(place: Place, digest: str) -> list[dict[str, Any]]:
    """What any OCI client finds hanging on a release of team/count."""
    index = place.registry.referrers.index(
        ANONYMOUS,
        PackageName.parse("team/count").repository,
        Digest.parse(digest),
    )
    listed: list[dict[str, Any]] = json.loads(index.data)["manifests"]
    return listed


def test_they_are_referrers_that_any_client_lists_and_every_page_shows(
    place: Place, author: Machine, other: Machine, recipe: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    author.rb("pack", recipe, "--out", out)
    signed = author.rb("sign", out, "--json").json
    assert signed["evidence"] == ["evidence", "proof"]
    published = author.rb("publish", out, "--json").json
    assert (published["proof"], published["documents"]) == (True, ["sbom.cdx.json", "trace.json"])

    hanging = referrers(place, signed["digest"])
    kinds = {each.get("annotations", {}).get(media.STATEMENT_KIND) for each in hanging}
    assert {"release", "receipt", "proof", "evidence"} <= kinds
    assert media.CYCLONEDX in {each["artifactType"] for each in hanging}

    (release,) = other.rb("info", "team/count", "--json").json["releases"]
    proof = ProofStatement.read(
        Statement.parse((folder_of(out, TITLE) / "proof.json").read_bytes())
    )
    assert release["proof"]["compared"] is proof.is_compared is True
    assert release["proof"]["enforced"] == list(proof.enforced)
    sbom = (folder_of(out, TITLE) / "sbom.cdx.json").read_bytes()
    assert release["documents"]["sbom.cdx.json"] == {
        "digest": str(Digest.of(sbom)), "media_type": media.CYCLONEDX, "size": len(sbom)
    }  # fmt: skip
    assert "proved by a run from a clean folder" in other.rb("info", "team/count").out
    assert "no proof" not in other.rb("search", "count").out
    client = place.adapter.app.test_client()  # type: ignore[attr-defined]
    page = client.get("/packages/team/count").text
    assert "it gave what its checkout gives" in page
    assert f"/v2/team/count/blobs/{Digest.of(sbom)}" in page
    assert "no proof" not in client.get("/").text


def test_they_are_laid_out_held_to_the_signers_and_stay_with_what_is_promoted(
    author: Machine, other: Machine, recipe: Path, tmp_path: Path
) -> None:
    out, here, lock = tmp_path / "out", tmp_path / "here", tmp_path / "recipebox.lock"
    author.rb("pack", recipe, "--out", out)
    author.rb("sign", out)
    author.rb("publish", out)
    author.rb("lock", "team/count", "-o", lock)
    author.rb("promote", "team/app", "--to", "dev", "--lock", lock)

    other.rb("fetch", "--frozen", lock, "--out", here)
    packed, fetched = folder_of(out, TITLE), folder_of(here, TITLE)
    names = {path.relative_to(packed) for path in packed.rglob("*") if path.is_file()}
    assert {path.relative_to(fetched) for path in fetched.rglob("*") if path.is_file()} == names
    assert all((fetched / name).read_bytes() == (packed / name).read_bytes() for name in names)
    (verified,) = other.rb("verify", here, "--json").json["packages"]
    assert (verified["proof"], verified["documents"]) == (True, ["sbom.cdx.json", "trace.json"])

    sbom, proof = fetched / "sbom.cdx.json", fetched / "proof.json"
    sbom.write_bytes(sbom.read_bytes().replace(b"count", b"COUNT"))
    assert "sbom.cdx.json: expected sha256:" in other.rb("verify", here, code=4).err
    sbom.write_bytes((packed / "sbom.cdx.json").read_bytes())
    proof.write_bytes(proof.read_bytes().replace(b'"exit_code":0', b'"exit_code":1', 1))
    other.rb("verify", here, code=4)


def test_without_a_run_there_is_no_proof_and_every_list_says_so(
    place: Place, author: Machine, other: Machine, recipe: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    author.rb("pack", recipe, "--out", out, "--no-run")
    assert "without a proof" in author.rb("sign", out).out
    assert "without a proof" in author.rb("publish", out).out

    (release,) = other.rb("info", "team/count", "--json").json["releases"]
    assert release["proof"] is None
    assert list(release["documents"]) == ["sbom.cdx.json"]
    assert "no proof that it runs" in other.rb("info", "team/count").out
    assert "no proof" in other.rb("search", "count").out
    client = place.adapter.app.test_client()  # type: ignore[attr-defined]
    assert "no proof" in client.get("/").text
    assert "No proof: nobody signed" in client.get("/packages/team/count").text

    # the same bytes, run now: the proof is taken in
    author.rb("pack", recipe, "--out", out)
    author.rb("sign", out)
    author.rb("publish", out)
    (release,) = other.rb("info", "team/count", "--json").json["releases"]
    assert release["proof"] is not None


def test_what_is_strange_unsigned_or_about_other_bytes_is_not_published(
    author: Machine, recipe: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    author.rb("pack", recipe, "--out", out)
    author.rb("sign", out)
    strange = folder_of(out, TITLE) / "notes.txt"
    strange.write_text("mine")
    assert "isn't evidence that is known" in author.rb("publish", out, code=4).err
    strange.unlink()
    for path in (folder_of(out, TITLE) / "signatures").glob("proof.*"):
        path.unlink()
    assert "the proof of team/count 1.0.0 isn't signed" in author.rb("publish", out, code=4).err

    (out / TITLE / "recipe" / "steps" / "count.py").write_text("def Count(c, a):\n    return 0\n")

    said = author.rb("sign", out)

    assert "were left out: it was changed" in said.err
    assert author.rb("publish", out, "--json").json["proof"] is False
    listing = EvidenceStatement.read(
        Statement.parse((folder_of(out, TITLE) / "evidence.json").read_bytes())
    )
    assert list(listing.documents) == ["sbom.cdx.json", "trace.json"]
    assert not (folder_of(out, TITLE) / "signatures").exists()
