"""Running: from the cache at the second time, verified before, with a record and outputs after."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from recipes.record import RunRecord
from tests.keys import OTHER, SIGNER
from tests.stories.machines import Machine, a_tree, a_wheel

Publish = Callable[..., Path]

STEP = """
class A:
    def run(self, context, args):
        import os, tiny
        context.set("answer", tiny.x)
        context.set("args", args)
        open("made.txt", "w").write("made")
        if args.get("spoil"):
            for path in (tiny.__file__, os.path.realpath(__file__)):
                os.chmod(path, 0o644)
                open(path, "a").write("\\nx = 666\\n")
        return args.get("code", 0)
"""


@pytest.fixture
def published(publish: Publish) -> Path:
    return publish(
        wheels=[a_wheel("tiny", {"tiny.py": "x = 42\n"})], code=STEP, args={"spoil": 0, "code": 0}
    )


def test_a_second_run_downloads_nothing_and_an_offline_one_asks_nothing(
    published: Path, other: Machine
) -> None:
    first = other.rb("run", "team/etl", "--json").json
    before = len(other.adapter.requests)
    second = other.rb("run", "team/etl@1.0.0", "--json").json
    asked = other.adapter.requests[before:]
    before = len(other.adapter.requests)
    third = other.rb("run", "team/etl@1.0.0", "--json", "--offline").json

    assert first["context"] == second["context"] == third["context"]
    assert first["context"]["answer"] == 42
    assert asked
    assert not [path for _, path in asked if "/blobs/" in path or "/manifests/" in path]
    assert other.adapter.requests[before:] == []
    usage = other.rb("cache", "info", "--json").json
    assert usage["files"] == len([p for p in other.places.cache.rglob("*") if p.is_file()])


def test_what_a_recipe_did_to_its_wheels_harms_no_other_run(
    published: Path, other: Machine, tmp_path: Path
) -> None:
    other.rb("run", "team/etl", "--set", "spoil=1")
    (env,) = (other.places.cache / "envs").glob("*/tree")
    assert "666" in (env / "tiny.py").read_text()

    again = other.rb("run", "team/etl", "--json").json
    other.rb("fetch", "team/etl", "--out", tmp_path / "here")
    other.rb("verify", tmp_path / "here")

    assert again["context"]["answer"] == 42
    assert (env / "tiny.py").read_text() == "x = 42\n"


def test_a_folder_is_verified_before_it_is_run(
    published: Path, other: Machine, tmp_path: Path
) -> None:
    out = tmp_path / "here"
    other.rb("fetch", "team/etl", "--out", out)
    before = len(other.adapter.requests)
    other.rb("run", out)
    assert other.adapter.requests[before:] == []  # by the keys and wheels that are kept
    step = out / "team/etl-1.0.0/recipe/steps/a.py"
    step.write_text(step.read_text() + "# mine\n")

    said = other.rb("run", out, code=125)
    (out / "team/etl-1.0.0/env/tiny.py").write_text("x = 7\n")
    ran = other.rb("run", out / "team/etl-1.0.0", "--no-verify", "--json").json

    assert "recipe/steps/a.py: expected sha256" in said.err
    assert ran["context"]["answer"] == 7
    assert ran["package"]["signers"] == []
    assert "what is fetched is always verified" in (
        other.rb("run", "team/etl", "--no-verify", code=125).err
    )


def test_a_folder_signed_by_somebody_else_is_not_run(
    published: Path, other: Machine, tmp_path: Path
) -> None:
    other.rb("fetch", "team/etl", "--out", tmp_path / "here")
    other.rb("trust", "add", "team", OTHER.fingerprint)
    other.rb("trust", "remove", "team", SIGNER.fingerprint, "-y")

    said = other.rb("run", tmp_path / "here", code=125)

    assert f"signed by {SIGNER.fingerprint}" in said.err


def test_where_no_registry_is_named_the_files_are_compared_and_that_is_said(
    published: Path, make_machine: Callable[..., Machine]
) -> None:
    alone = make_machine("alone", RECIPEBOX_URL="")

    said = alone.rb("run", published)
    (published / "team/etl-1.0.0/recipe/recipe.yaml").write_text("steps: [1]\n")
    refused = alone.rb("run", published, code=125)

    assert "who signed that wasn't looked at" in said.err
    assert "recipe/recipe.yaml" in refused.err


def test_what_was_packed_runs_with_its_wheels_though_they_are_not_unpacked_there(
    make_machine: Callable[..., Machine], tmp_path: Path
) -> None:
    out = a_tree(tmp_path / "packed", code=STEP, wheels=[a_wheel("tiny", {"tiny.py": "x = 1\n"})])

    ran = make_machine("alone").rb("run", out, "--offline", "--json").json

    assert ran["context"]["answer"] == 1
    assert not (out / "team/etl-1.0.0/env").exists()


def test_a_record_tells_what_ran_and_no_value_that_was_given(
    published: Path, other: Machine, tmp_path: Path
) -> None:
    path, outputs = tmp_path / "records" / "run.json", tmp_path / "outputs"
    words = ("--set", "a.word=s3cret", "--set", "code=3", "--env", "TOKEN=t0ken", "--only", "a")

    other.rb("run", "team/etl", *words, "--record", path, "--outputs", outputs, code=3)

    record = RunRecord.from_text(path.read_text())
    assert record.package.name == "team/etl"
    assert record.package.signers == [SIGNER.fingerprint]
    assert (record.set, record.env, record.only) == (["a.word", "code"], ["TOKEN"], ["a"])
    assert "t0ken" not in path.read_text()
    assert record.exit_code == record.steps[0].exit_code == 3
    assert record.steps[0].seconds is not None
    assert record.started <= record.ended
    assert record.python == f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert (outputs / "made.txt").read_text() == "made"
    assert json.loads(path.read_text())["environment"] in {
        each.name for each in (other.places.cache / "envs").iterdir()
    }


def test_a_cache_that_was_moved_is_read_again_and_believed(
    published: Path, other: Machine, make_machine: Callable[..., Machine]
) -> None:
    other.rb("run", "team/etl")
    moved = make_machine("moved")
    shutil.copytree(other.home, moved.home, symlinks=True)

    ran = moved.rb("run", "team/etl", "--offline", "--json").json

    assert ran["context"]["answer"] == 42
