"""Signing and publishing, from the command line to the registry's list."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from artifacts.digest import Digest
from recipebox.errors import Missing, Tampered, Unsigned
from recipebox.publishing import plan_push
from tests.keys import OTHER, SIGNER
from tests.stories.conftest import Place
from tests.stories.machines import Machine, a_tree, a_wheel, signing


def test_a_package_is_signed_published_and_listed(author: Machine, tmp_path: Path) -> None:
    out = a_tree(tmp_path / "out")

    signed = author.rb("sign", out, "--json").json
    published = author.rb("publish", out, "--json").json

    assert signed["signer"] == SIGNER.fingerprint
    assert published["digest"] == signed["digest"]
    assert published["url"].endswith("/packages/team/etl/1.0.0")
    assert [each["name"] for each in author.rb("search", "--json").json["packages"]] == ["team/etl"]


def test_the_lines_name_the_digest_and_the_page(author: Machine, tmp_path: Path) -> None:
    out = a_tree(tmp_path / "out")
    author.rb("sign", out)

    said = author.rb("publish", out, "-v")

    assert "published team/etl 1.0.0" in said.out
    assert "http://127.0.0.1:8080/packages/team/etl/1.0.0" in said.out
    assert "signature by " + SIGNER.fingerprint in said.err


def test_publishing_the_same_bytes_again_sends_nothing_and_is_a_success(
    author: Machine, publish: Callable[..., Path]
) -> None:
    out = publish()

    again = author.rb("publish", out, "--json").json

    assert again["sent_blobs"] == 0
    assert again["version"] == "1.0.0"


def test_the_same_version_with_other_bytes_is_a_conflict_that_names_both(
    author: Machine, publish: Callable[..., Path], tmp_path: Path
) -> None:
    first = publish()
    listed = author.rb("publish", first, "--json").json["digest"]
    other = a_tree(tmp_path / "other", code="class A: pass\n")
    offered = author.rb("sign", other, "--json").json["digest"]

    said = author.rb("publish", other, "--json", code=5)

    error = said.json["error"]
    assert error["server_code"] == "release_exists"
    assert (error["listed"], error["offered"]) == (listed, offered)
    assert "another version" in said.err


def test_a_dry_run_sends_nothing(author: Machine, place: Place, tmp_path: Path) -> None:
    out = a_tree(tmp_path / "out")
    author.rb("sign", out)
    before = len(place.adapter.requests)

    said = author.rb("publish", out, "--dry-run")

    assert said.out.startswith("would publish team/etl 1.0.0")
    assert len(place.adapter.requests) == before


def test_what_is_not_signed_is_not_sent(author: Machine, tmp_path: Path) -> None:
    said = author.rb("publish", a_tree(tmp_path / "out"), code=4)

    assert "isn't signed" in said.err
    assert "recipebox sign" in said.err


def test_what_was_changed_after_signing_is_not_sent(author: Machine, tmp_path: Path) -> None:
    out = a_tree(tmp_path / "out")
    author.rb("sign", out)
    (out / "team/etl-1.0.0/recipe/steps/a.py").write_text("changed = True\n")

    said = author.rb("publish", out, code=4)

    assert "changed after it was signed" in said.err
    assert "expected sha256:" in said.err


def test_signing_again_after_a_change_drops_signatures_over_the_old_bytes(
    author: Machine, tmp_path: Path
) -> None:
    out = a_tree(tmp_path / "out")
    author.rb("sign", out)
    author.variables |= signing(OTHER)
    (out / "team/etl-1.0.0/recipe/steps/a.py").write_text("changed = True\n")

    author.rb("sign", out)

    signatures = out / "team/etl-1.0.0/metadata/signatures"
    assert [path.stem for path in signatures.iterdir()] == [OTHER.fingerprint]


def test_a_second_signer_adds_a_signature(author: Machine, tmp_path: Path) -> None:
    out = a_tree(tmp_path / "out")
    author.rb("sign", out)
    author.variables |= signing(OTHER)
    author.rb("sign", out / "team/etl-1.0.0")

    author.rb("publish", out)

    release = author.rb("info", "team/etl@1.0.0", "--json").json["releases"][0]
    assert release["signers"] == [SIGNER.fingerprint]  # the other isn't a key of the namespace


def test_a_signer_who_is_not_the_namespaces_is_refused_by_the_registry(
    author: Machine, tmp_path: Path
) -> None:
    author.variables |= signing(OTHER)
    out = a_tree(tmp_path / "out")
    author.rb("sign", out)

    said = author.rb("publish", out, code=4)

    assert OTHER.fingerprint in said.err
    assert author.rb("search", "--json").json["packages"] == []


def test_wheels_are_pushed_as_a_set_for_each_platform(
    author: Machine, publish: Callable[..., Path]
) -> None:
    publish(wheels=[a_wheel("tiny", {"tiny.py": "x = 1\n"})])

    release = author.rb("info", "team/etl", "--json").json["releases"][0]

    assert set(release["platforms"]) == {"linux/amd64", "linux/arm64"}


def test_a_locked_wheel_that_is_missing_or_changed_stops_the_push(tmp_path: Path) -> None:
    out = a_tree(tmp_path / "out", wheels=[a_wheel("tiny", {"tiny.py": "x = 1\n"})])
    with pytest.raises(Unsigned), plan_push(out):
        pass
    _signed_by_hand(out)
    wheel = next((out / "wheels").iterdir())
    wheel.write_bytes(b"changed")
    with pytest.raises(Tampered, match="pack it again"), plan_push(out):
        pass
    wheel.unlink()
    with pytest.raises(Missing, match="pack it again"), plan_push(out):
        pass


def _signed_by_hand(out: Path) -> None:
    from recipebox.publishing import make_signer, sign_tree

    sign_tree(out, make_signer(SIGNER.secret, None, None))


def test_no_token_is_denied_with_what_to_do(
    make_machine: Callable[..., Machine], author: Machine, tmp_path: Path
) -> None:
    out = a_tree(tmp_path / "out")
    author.rb("sign", out)

    said = make_machine("stranger").rb("publish", out, code=4)

    assert "recipebox login" in said.err


@pytest.mark.parametrize("role", ["reader", "promoter"])
def test_who_may_not_publish_is_told_so(
    role: str, place: Place, author: Machine, tmp_path: Path
) -> None:
    out = a_tree(tmp_path / "out")
    author.rb("sign", out)
    author.variables["RECIPEBOX_TOKEN"] = place.token(role)

    said = author.rb("publish", out, code=4)

    assert role in said.err


def test_signing_with_the_only_key_of_the_keyring(
    make_machine: Callable[..., Machine], tmp_path: Path, keyring: object
) -> None:
    machine = make_machine("keyed")
    made = machine.rb("key", "new", "Ada <ada@example.org>", "--no-passphrase", "--json").json
    out = a_tree(tmp_path / "out")

    assert machine.rb("sign", out, "--json").json["signer"] == made["fingerprint"]
    assert machine.rb("key", "list", "--json").json["keys"][0]["fingerprint"] == made["fingerprint"]


def test_several_keys_need_a_choice(
    make_machine: Callable[..., Machine], tmp_path: Path, keyring: object
) -> None:
    machine = make_machine("keyed")
    for name in ("ada", "bob"):
        machine.rb("key", "new", f"{name} <{name}@example.org>", "--no-passphrase")
    out = a_tree(tmp_path / "out")

    said = machine.rb("sign", out, code=1)
    chosen = machine.rb("sign", out, "--key", "bob@example.org", "--json").json

    assert "choose one: --key" in said.err
    listed = {key["fingerprint"]: key for key in machine.rb("key", "list", "--json").json["keys"]}
    assert listed[chosen["signer"]]["user_ids"] == ["bob <bob@example.org>"]


def test_no_key_at_all_says_how_to_make_one(
    make_machine: Callable[..., Machine], tmp_path: Path, keyring: object
) -> None:
    said = make_machine("keyless").rb("sign", a_tree(tmp_path / "out"), code=3)

    assert "recipebox key new" in said.err


def test_the_statement_lists_every_file(author: Machine, tmp_path: Path) -> None:
    out = a_tree(tmp_path / "out")
    author.rb("sign", out)

    tree = out / "team/etl-1.0.0"
    statement = json.loads((tree / "metadata/release.json").read_bytes())

    files = statement["predicate"]["files"]
    assert set(files) == {
        "metadata/deployment_config.yaml",
        "metadata/package.json",
        "recipe/recipe.yaml",
        "recipe/run_recipe.py",
        "recipe/steps/a.py",
    }
    for path, digest in files.items():
        assert Digest.of((tree / path).read_bytes()).hex == digest
