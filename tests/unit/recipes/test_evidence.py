"""Evidence: comparing two runs, licences of wheels, the SBOM, and what is read back."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from artifacts.digest import Digest
from recipes.compared import compare, copy_checkout
from recipes.errors import InvalidEvidence, ProofFailed, WheelError
from recipes.evidence import draw_evidence, read_evidence, write_evidence
from recipes.licences import read_facts
from recipes.pack import pack
from recipes.package import Entry, PackageMetadata, PythonStep, Wheel
from recipes.run import RunResult
from recipes.sbom import draw_sbom
from recipes.wheels import tags_of
from tests.checkouts import a_counting_checkout, a_wheel, write

MANIFEST = Digest.of(b"a manifest")


def ran(code: int = 0, steps: Sequence[int] = (0,), **context: object) -> RunResult:
    listed = [{"idx": idx, "name": f"s{idx}", "exit_code": each} for idx, each in enumerate(steps)]
    return RunResult(code, tuple(listed), context)


def runs(*results: RunResult) -> Any:
    left = list(results)
    return lambda: left.pop(0)


@pytest.mark.parametrize(
    ("packed", "checkout", "differences"),
    [
        (ran(a=1), [ran(a=1)], []),
        (ran(), [ran(3)], ["the exit code is 0, and 3 in the checkout"]),
        (
            ran(steps=(0,)),
            [ran(steps=(0, 0))],
            ["the steps ended as s0: 0, and as s0: 0, s1: 0 in the checkout"],
        ),
        (ran(a=1), [ran(a=2), ran(a=2)], ["the output a is another"]),
        (ran(), [ran(a=2), ran(a=2)], ["the output a is missing"]),
        (ran(a=1), [ran(), ran()], ["the output a is there, and isn't in the checkout"]),
        (ran(a=1, now=1), [ran(a=1, now=2), ran(a=1, now=3)], []),
    ],
)
def test_the_package_must_do_what_the_checkout_does(
    packed: RunResult, checkout: list[RunResult], differences: list[str]
) -> None:
    found = compare(packed, checkout[0], runs(*checkout[1:]))

    assert list(found.differences) == differences
    assert found.varying == (("now",) if "now" in packed.context else ())


def test_a_checkout_where_no_step_begins_is_nothing_to_compare_with() -> None:
    found = compare(ran(), RunResult(1, (), {}), runs())

    assert (found.was_run, found.differences) == (False, ())
    assert found.reason == "no step begins in a copy of the checkout: exit code 1"


def test_a_file_that_only_the_checkout_has_is_found_out(tmp_path: Path) -> None:
    code = (
        "import os\n\nNAME = os.environ.get('NAME', 'extra') + '.flag'\n\n"
        "def Count(c, a):\n    c.set('count.lines', os.path.exists(NAME))\n"
    )
    recipe = a_counting_checkout(
        tmp_path / "checkout", **{"steps/count.py": code, "extra.flag": "", ".gitignore": "out\n"}
    )

    with pytest.raises(ProofFailed, match=r"did otherwise than the checkout does:\n.*count\.lines"):
        pack(recipe, tmp_path / "out")


def test_what_is_local_or_links_out_is_not_copied(tmp_path: Path) -> None:
    root = write(
        tmp_path / "c",
        {"a.py": "", ".gitignore": "local\n", "local/x": "", ".git/config": "", "out/y": ""},
    )
    (tmp_path / "secret").write_text("")
    (root / "link").symlink_to(tmp_path / "secret")

    assert copy_checkout(root, tmp_path / "to", without=[root / "out"]) is None
    assert sorted(each.name for each in (tmp_path / "to").rglob("*")) == [".gitignore", "a.py"]


def test_a_link_to_a_folder_inside_is_copied_as_what_it_leads_to(tmp_path: Path) -> None:
    root = write(tmp_path / "c", {"data/2024/x.txt": "", "b.py": ""})
    (root / "data/latest").symlink_to("2024")
    (root / "data/up").symlink_to("..")
    (root / "out").symlink_to(tmp_path)

    assert copy_checkout(root, tmp_path / "to", without=[]) is None
    assert sorted(
        each.relative_to(tmp_path / "to").as_posix()
        for each in (tmp_path / "to").rglob("*")
        if each.is_file()
    ) == ["b.py", "data/2024/x.txt", "data/latest/x.txt"]


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["License-Expression: MIT OR Apache-2.0", "License: x"], "MIT OR Apache-2.0"),
        (["Classifier: License :: OSI Approved :: MIT License", "License: see file"], "MIT"),
        (["Classifier: License :: OSI Approved :: BSD License", "License: BSD-2"], "BSD-2"),
        (["Classifier: License :: OSI Approved :: BSD License"], "BSD License"),
        (["License: Long text", "        of several lines"], "Long text"),
        (["License: UNKNOWN"], None),
    ],
)
def test_a_licence_is_what_the_wheel_says(
    lines: list[str], found: str | None, tmp_path: Path
) -> None:
    text = "\n".join(["Metadata-Version: 2.1", "Name: a", "Version: 1.0", *lines, ""])
    path = tmp_path / "a-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a-1.0.dist-info/METADATA", text)

    assert read_facts(path, path.name).license == found


def test_what_is_no_wheel_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.whl"
    path.write_bytes(b"no zip")
    with pytest.raises(WheelError, match=r"a\.whl can't be read"):
        read_facts(path, "a.whl")


def a_package(**more: Any) -> PackageMetadata:
    step = PythonStep(type="python", idx=1, name="a", module="m", function="F")
    return PackageMetadata(
        name="team/etl", version="1.2.3", license="MIT", entry=Entry(runner="bundled"),
        steps=[step], **more,
    )  # fmt: skip


def an_sbom(tmp_path: Path) -> tuple[PackageMetadata, bytes]:
    paths = [a_wheel(tmp_path, "lib-one", requires=["two; python_version < '4'"])]
    paths.append(a_wheel(tmp_path, "two"))
    wheels = [
        Wheel(name=path.name.partition("-")[0], version="1.0", filename=path.name,
              sha256=Digest.of(path.read_bytes()).hex, size=1, tags=tags_of(path.name))
        for path in paths
    ]  # fmt: skip
    metadata = a_package(wheels=wheels, requires={"team/clean": "^1.2"})
    facts: Mapping[str, Any] = {path.name: read_facts(path, path.name) for path in paths}
    return metadata, draw_sbom(metadata, MANIFEST, facts, ["lib_one"])


def test_the_sbom_is_valid_and_has_each_wheel_and_requirement(tmp_path: Path) -> None:
    _, data = an_sbom(tmp_path)

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(data.decode()) is None
    drawn = json.loads(data)
    components = {each["name"]: each for each in drawn["components"]}
    assert set(components) == {"clean", "lib-one", "two"}
    assert components["two"]["purl"].startswith("pkg:pypi/two@1.0?file_name=two-1.0")
    depends = {each["ref"]: each.get("dependsOn", []) for each in drawn["dependencies"]}
    one, two = "lib_one-1.0-py3-none-any.whl", "two-1.0-py3-none-any.whl"
    assert depends["team/etl@1.2.3"] == [one, "team/clean"]
    assert depends[one] == [two]
    assert "timestamp" not in drawn["metadata"]
    assert an_sbom(tmp_path)[1] == data


def test_evidence_comes_back_and_a_changed_document_is_refused(tmp_path: Path) -> None:
    metadata, sbom = an_sbom(tmp_path)
    folder = tmp_path / "evidence"
    drawn = draw_evidence(metadata, MANIFEST, proof=None, documents={"sbom.cdx.json": sbom})
    write_evidence(folder, drawn)

    assert read_evidence(folder) == drawn
    assert drawn.is_about(MANIFEST)
    assert not drawn.is_about(Digest.of(b"another"))
    assert read_evidence(tmp_path / "nowhere").proof is None
    (folder / "sbom.cdx.json").write_bytes(b"{}")
    with pytest.raises(InvalidEvidence, match="expected sha256:"):
        read_evidence(folder)
