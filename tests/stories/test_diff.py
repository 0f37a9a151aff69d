"""Comparing two releases, a folder, a file of `export`: verified as elsewhere, or not at all."""

import io
import json
import os
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from artifacts.digest import Digest
from recipes.difference import LARGEST_SHOWN, difference_schema
from recipes.evidence import draw_evidence, folder_of, write_evidence
from recipes.licences import WheelFacts
from recipes.package import read_tree
from recipes.sbom import draw_sbom
from tests.checkouts import a_counting_checkout
from tests.keys import OTHER, SIGNER
from tests.stories.machines import STEP, URL, Machine, a_tree, a_wheel

Publish = Callable[..., Path]

MORE = STEP.replace("42", "43") + "# more\n"


@pytest.fixture
def two(publish: Publish) -> None:
    """Publish `team/etl` 1.0.0 and 1.1.0: another step, argument, summary, requirement, wheel."""
    publish("team/clean", "1.1.0")
    publish("team/etl", wheels=[a_wheel("tiny", {"tiny.py": "x = 1\n"})])
    publish(
        "team/etl",
        "1.1.0",
        code=MORE,
        args={"answer": 7},
        summary="Moves more",
        requires={"team/clean": "^1"},
        wheels=[a_wheel("tiny", {"tiny.py": "x = 2\n"}), a_wheel("huge", {"huge.py": ""})],
    )


def by_path(found: dict[str, Any]) -> dict[str, Any]:
    return {each["path"]: each for each in found["files"]}


@pytest.mark.usefixtures("two")
def test_two_releases_are_told_apart_by_everything_that_they_are(other: Machine) -> None:
    found = other.rb("diff", "team/etl@1.0.0", "1.1.0", "--json").json
    jsonschema.validate(found, difference_schema())

    assert [found[side]["version"] for side in ("old", "new")] == ["1.0.0", "1.1.0"]
    assert found["new"]["signers"] == [SIGNER.fingerprint]
    assert found["signers"] == {"added": [], "removed": []}
    assert found["metadata"] == [{"member": "summary", "old": "Moves numbers", "new": "Moves more"}]
    assert found["requires"] == [{"member": "team/clean", "old": None, "new": "^1"}]
    assert found["steps"] == [
        {
            "name": "a",
            "change": "changed",
            "members": [{"member": "args.answer", "old": None, "new": 7}],
        }
    ]
    assert [(each["name"], each["change"]) for each in found["wheels"]] == [
        ("huge", "added"),
        ("tiny", "files"),
    ]
    assert found["licences"] is None
    assert list(by_path(found)) == ["metadata/package.json", "recipe/steps/a.py"]
    step = by_path(found)["recipe/steps/a.py"]
    assert (step["change"], step["old"]["size"]) == ("changed", len(STEP))
    assert (step["new"]["size"], step["patch"]) == (len(MORE), None)


@pytest.mark.usefixtures("two")
def test_people_read_it_and_the_exit_code_says_it_where_that_is_asked_for(other: Machine) -> None:
    said = other.rb("diff", "team/etl@1.0.0", "1.1.0", "-p", "--exit-code", code=1).out

    assert "+ team/clean ^1" in said
    assert "+ huge 1.0 (linux/amd64, linux/arm64)" in said
    assert "files: 0 added, 0 removed, 2 changed" in said
    assert '-        context.set("answer", args.get("answer", 42))\n' in said
    assert "+# more\n" in said
    assert "\x1b" not in said
    assert "\x1b[32m" in other.rb("diff", "team/etl@1.0.0", "1.1.0", "-p", "--color", "always").out
    other.rb("diff", "team/etl@1.0.0", "1.1.0")
    same = other.rb("diff", "team/etl@1.0.0", "1.0.0", "--exit-code")
    assert "no difference" in same.out


@pytest.mark.usefixtures("two")
def test_only_layers_that_differ_are_downloaded_and_the_cache_will_do(
    other: Machine, tmp_path: Path
) -> None:
    other.rb("diff", "team/etl@1.0.0", "1.1.0")
    asked = [path for _, path in other.adapter.requests if "/blobs/" in path]
    offline = other.rb("diff", "team/etl@1.0.0", "team/etl@1.1.0", "-p", "--offline", "--json")
    refused = other.rb("diff", "team/clean", "team/etl@1.1.0", "--offline", code=3)

    assert asked
    assert not [path for path in asked if "wheel" in path]
    assert "+# more" in by_path(offline.json)["recipe/steps/a.py"]["patch"]
    assert "not in the cache" in refused.err


@pytest.mark.usefixtures("two")
def test_a_name_alone_is_the_newest_that_is_not_yanked(author: Machine, other: Machine) -> None:
    newest = other.rb("diff", "team/etl@1.0.0", "team/etl", "--json").json["new"]["version"]
    author.rb("yank", "team/etl@1.1.0", "--reason", "broken", "--yes")
    then = other.rb("diff", "team/etl@1.0.0", "team/etl", "--json").json
    named = other.rb("diff", "team/etl", "1.1.0")

    assert (newest, then["new"]["version"], then["differs"]) == ("1.1.0", "1.0.0", False)
    assert "team/etl@1.1.0 is yanked: broken" in named.err


def test_what_will_be_published_is_compared_with_what_is(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish("team/etl")
    out = a_tree(tmp_path / "new", "team/etl", "1.0.0")
    recipe = out / "team/etl-1.0.0/recipe"

    same = other.rb("diff", "team/etl", out, "--json").json
    (recipe / "steps/a.py").chmod(0o755)
    (recipe / "spool").mkdir()
    (recipe / "new.txt").write_text("one\n")
    (recipe / "recipe.yaml").unlink()
    (recipe / "red.txt").write_text("\x1b[31mred\x9b\u202e\n")
    found = other.rb("diff", "team/etl", out, "-p", "--json")
    said = other.rb("diff", "team/etl", out, "-p")

    assert (same["differs"], same["new"]["signers"], same["signers"]) == (False, None, None)
    files = by_path(found.json)
    assert {path: each["change"] for path, each in files.items()} == {
        "recipe/new.txt": "added",
        "recipe/recipe.yaml": "removed",
        "recipe/steps/a.py": "changed",
        "recipe/red.txt": "added",
    }
    assert files["recipe/steps/a.py"]["patch"].endswith("old mode 100644\nnew mode 100755\n")
    assert found.json["folders"] == [{"path": "recipe/spool", "change": "added"}]
    assert "a.py  same content, now executable" in said.out
    assert "+?[31mred??" in said.out
    for text in (said.out, found.out):
        assert not set("\x1b\x9b\u202e") & set(text)


def test_a_name_with_a_line_in_it_makes_no_line_of_ours(other: Machine, tmp_path: Path) -> None:
    old = a_tree(tmp_path / "old", args={"a": 1})
    new = a_tree(tmp_path / "new", args={"a\n+ recipe/innocent.py": "x\ny"})

    said = other.rb("diff", old, new).out

    assert "+ recipe/innocent.py" not in [line.strip() for line in said.splitlines()]
    assert 'args.a?+ recipe/innocent.py: null -> "x\\ny"' in said


def test_a_patch_is_one_that_git_applies(publish: Publish, other: Machine, tmp_path: Path) -> None:
    publish("team/etl")
    out = a_tree(tmp_path / "new", "team/etl", "1.0.0", code=MORE + "no end")
    recipe = out / "team/etl-1.0.0/recipe"
    (recipe / "recipe.yaml").unlink()
    (recipe / "made.sh").write_text("#!/bin/sh\r\n")
    (recipe / "made.sh").chmod(0o755)
    (recipe / "empty").write_text("")
    other.rb("fetch", "team/etl", "--out", tmp_path / "here")

    found = other.rb("diff", tmp_path / "here", out, "-p", "--json").json
    patch = "".join(each["patch"] for each in found["files"])
    subprocess.run(
        ["git", "apply", "--unsafe-paths", "--directory", "team/etl-1.0.0", "-"],
        input=patch.encode(),
        cwd=tmp_path / "here",
        check=True,
        env={**os.environ, "GIT_DIR": str(tmp_path / "none")},
    )

    assert other.rb("diff", tmp_path / "here", out, "--json").json["differs"] is False


def test_what_is_not_text_or_too_large_is_not_shown(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish("team/etl")
    out = a_tree(tmp_path / "new", "team/etl", "1.0.0")
    recipe = out / "team/etl-1.0.0/recipe"
    (recipe / "zero.bin").write_bytes(b"a\0b")
    (recipe / "latin.txt").write_bytes(b"\xe9")
    (recipe / "large.txt").write_bytes(b"a" * (LARGEST_SHOWN + 1))
    (recipe / "lines.txt").write_bytes(b"\n" * 20_001)

    found = by_path(other.rb("diff", "team/etl", out, "-p", "--json").json)
    said = other.rb("diff", "team/etl", out, "-p").out

    assert {path: each["unshown"] for path, each in found.items()} == {
        "recipe/zero.bin": "binary",
        "recipe/latin.txt": "binary",
        "recipe/large.txt": "large",
        "recipe/lines.txt": "large",
    }
    assert said.count("Binary files differ") == 4


def test_a_folder_that_was_changed_is_compared_and_not_taken_for_signed(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish("team/etl")
    here = tmp_path / "here"
    other.rb("fetch", "team/etl", "--out", here)
    intact = other.rb("diff", here, "1.0.0", "--json")
    step = here / "team/etl-1.0.0/recipe/steps/a.py"
    step.write_text(step.read_text() + "# mine\n")

    changed = other.rb("diff", here, "1.0.0", "--json")

    assert intact.json["differs"] is False
    assert intact.json["old"]["signers"] == [SIGNER.fingerprint]
    assert list(by_path(changed.json)) == ["recipe/steps/a.py"]
    assert changed.json["old"]["signers"] is None
    assert "not taken for signed: team/etl 1.0.0" in changed.err


@pytest.mark.usefixtures("two")
def test_a_release_is_verified_as_fetch_does_it(other: Machine) -> None:
    other.rb("trust", "add", "team", OTHER.fingerprint)

    refused = other.rb("diff", "team/etl@1.0.0", "1.1.0", code=4)

    assert f"signed by {SIGNER.fingerprint}" in refused.err


@pytest.mark.usefixtures("two")
def test_a_file_is_compared_by_the_pins_of_this_machine(
    other: Machine, make_machine: Callable[..., Machine], tmp_path: Path
) -> None:
    path, both = tmp_path / "etl.tar", tmp_path / "both.tar"
    other.rb("export", "team/etl@1.1.0", "-o", path)
    other.rb("export", "team/etl@1.1.0", "team/clean", "-o", both)
    gap = make_machine("gap", RECIPEBOX_URL="")

    untrusted = gap.rb("diff", path, path, code=4)
    gap.rb("trust", "add", "team", SIGNER.fingerprint, "--url", URL)
    gap.rb("trust", "add", "_server", OTHER.fingerprint, "--url", URL)
    same = gap.rb("diff", path, both, "--package", "team/etl", "--json").json
    several = gap.rb("diff", both, path, code=2)
    absent = gap.rb("diff", path, path, "--package", "team/none", code=3)
    with_registry = other.rb("diff", path, "1.0.0", "--json").json

    assert "isn't trusted here yet" in untrusted.err
    assert same["differs"] is False
    assert same["old"]["signers"] == [SIGNER.fingerprint]
    assert "--package NS/NAME" in several.err
    assert "it has team/clean, team/etl" in absent.err
    assert with_registry["differs"] is True


def test_licences_are_those_of_the_sboms(author: Machine, tmp_path: Path) -> None:
    recipe = a_counting_checkout(tmp_path / "checkout")
    for version in ("1.0.0", "1.1.0"):
        out = tmp_path / version
        author.rb("pack", recipe, "--out", out, "--version", version, "--no-run")
        author.rb("sign", out)
        author.rb("publish", out)

    found = author.rb("diff", "team/count@1.0.0", "1.1.0", "--json").json

    assert found["licences"] == []
    assert {each["path"].partition("/")[0] for each in found["files"]} <= {
        "metadata", "containers", "monitoring", "ci-cd"
    }  # fmt: skip
    assert json.dumps(found["steps"]) == "[]"


def licensed(wheel: tuple[str, bytes], said: str) -> tuple[str, bytes]:
    """Return a wheel whose METADATA says something of its licence."""
    filename, data = wheel
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w") as new:
        for each in old.infolist():
            more = f"License-Expression: {said}\n" if each.filename.endswith("/METADATA") else ""
            new.writestr(each, old.read(each).decode() + more)
    return filename, made.getvalue()


def test_what_was_packed_is_compared_by_the_wheels_and_sboms_that_lie_beside_it(
    make_machine: Callable[..., Machine], tmp_path: Path
) -> None:
    alone = make_machine("alone", RECIPEBOX_URL="")
    tiny = a_wheel("tiny", {"tiny.py": "x = 1\n"})
    gone = a_wheel("gone", {"gone.py": ""})
    old = a_tree(tmp_path / "old", wheels=[licensed(tiny, "MIT"), gone])
    new = a_tree(tmp_path / "new", wheels=[licensed(tiny, "ISC")])
    script = new / "team/etl-1.0.0/recipe/made.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)

    told = alone.rb("diff", old, new).out
    back = alone.rb("diff", new, old).out
    found = alone.rb("diff", old, new, "--json").json

    assert "~ tiny: MIT -> ISC" in told
    assert "~ gone: (nothing said) -> (no wheel)" in told
    assert "~ tiny: other files of the same version" in told
    assert "- gone 1.0 (linux/amd64, linux/arm64)" in told
    assert "+ recipe/made.sh  10 B, executable" in told
    assert "- recipe/made.sh  10 B, executable" in back
    assert "+ gone 1.0 (linux/amd64, linux/arm64)" in back

    tree = read_tree(new)
    facts = {tree.metadata.wheels[0].filename: WheelFacts("Zlib", (), (), "")}
    digest = Digest.parse(found["new"]["digest"])
    documents = {"sbom.cdx.json": draw_sbom(tree.metadata, digest, facts, ["tiny"])}
    evidence = draw_evidence(tree.metadata, digest, proof=None, documents=documents)
    write_evidence(folder_of(new, "team/etl-1.0.0"), evidence)
    assert "~ tiny: MIT -> Zlib" in alone.rb("diff", old, new).out

    for path in (old / "wheels").iterdir():
        path.unlink()
    assert "not compared: one of both has no SBOM" in alone.rb("diff", old, new).out


def test_who_signed_a_folder_is_not_said_where_no_registry_is_named(
    publish: Publish, make_machine: Callable[..., Machine]
) -> None:
    out = publish("team/etl")

    said = make_machine("alone", RECIPEBOX_URL="").rb("diff", out, out, "--json")

    assert said.json["old"]["signers"] is None
    assert "who signed it wasn't looked at: no registry is named" in said.err


def test_two_versions_of_requirements_are_told_in_words(other: Machine, tmp_path: Path) -> None:
    old = a_tree(tmp_path / "old", requires={"team/a": "^1", "team/b": "^1"})
    new = a_tree(tmp_path / "new", requires={"team/b": "^2"})
    (new / "team/etl-1.0.0/recipe/steps/a.py").chmod(0o755)
    (new / "team/etl-1.0.0/recipe/only").mkdir()

    said = other.rb("diff", old, new).out
    back = other.rb("diff", new, old).out

    assert "- team/a ^1" in said
    assert "~ team/b ^1 -> ^2" in said
    assert "+ recipe/only/" in said
    assert "not executable any more" in back
    assert "- recipe/only/" in back


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (("etl", "1.0.0"), 2, "is no folder, no file and no release"),
        (("team/etl@", "1.0.0"), 2, "is no folder, no file and no release"),
        (("team/none", "1.0.0"), 3, "there is no package team/none"),
        (("team/etl", "9.9.9"), 3, "team/etl has no release 9.9.9"),
        (("-", "-"), 2, "both can't be read from stdin"),
    ],
)
def test_what_cannot_be_meant_is_said(
    publish: Publish, other: Machine, words: tuple[str, str], code: int, reason: str
) -> None:
    publish("team/etl")
    assert reason in other.rb("diff", *words, code=code).err
