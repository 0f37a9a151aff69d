"""What two packages differ in, as a table of decisions."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from artifacts.digest import Digest
from recipes.deployment import DeploymentConfig
from recipes.difference import Contents, Difference, FileFacts, compare, difference_schema
from recipes.errors import InvalidEvidence
from recipes.licences import WheelFacts
from recipes.package import Entry, PackageMetadata, ShellStep, Wheel
from recipes.sbom import draw_sbom, licences_in
from recipes.wheels import tags_of


def a_wheel(name: str, version: str, tag: str = "py3-none-any", byte: str = "a") -> Wheel:
    filename = f"{name}-{version}-{tag}.whl"
    return Wheel(
        name=name,
        version=version,
        filename=filename,
        sha256=byte * 64,
        size=1,
        tags=tags_of(filename),
    )


def a_step(name: str, idx: int, command: str = "true") -> ShellStep:
    return ShellStep(idx=idx, name=name, type="shell", command=command)


def contents(**members: Any) -> Contents:
    given: dict[str, Any] = {
        "name": "team/etl",
        "version": "1.0.0",
        "entry": Entry(runner="bundled"),
        "steps": [a_step("a", 1)],
    }
    metadata = PackageMetadata(**(given | members))
    digest = Digest.of(metadata.to_bytes())
    return Contents("here", metadata, digest, DeploymentConfig(), {})


def compared(old: Contents, new: Contents) -> Difference:
    found = compare(old, new, with_patch=True)
    jsonschema.validate(found.model_dump(mode="json"), difference_schema())
    return found


def test_the_same_does_not_differ() -> None:
    found = compared(contents(), contents())
    assert not found.differs
    assert found.licences is None
    assert found.signers is None


def test_members_of_the_metadata() -> None:
    found = compared(
        contents(license="MIT", python=">=3.11"),
        contents(entry=Entry(runner="checkout", module="a.b"), authors=["Ada"], python=">=3.12"),
    )
    assert {each.member: (each.old, each.new) for each in found.metadata} == {
        "license": ("MIT", None),
        "authors": ([], ["Ada"]),
        "python": (">=3.11", ">=3.12"),
        "entry.runner": ("bundled", "checkout"),
        "entry.module": (None, "a.b"),
    }
    assert found.differs


def test_steps_by_name_also_where_two_have_the_same() -> None:
    found = compared(
        contents(steps=[a_step("a", 1), a_step("b", 2), a_step("b", 3, "false"), a_step("c", 4)]),
        contents(steps=[a_step("a", 1), a_step("b", 2), a_step("b", 3), a_step("d", 4)]),
    )
    assert [(each.name, each.change) for each in found.steps] == [
        ("b", "changed"),
        ("d", "added"),
        ("c", "removed"),
    ]
    (member,) = found.steps[0].members
    assert (member.member, member.old, member.new) == ("command", "false", "true")


def test_requirements() -> None:
    found = compared(
        contents(requires={"team/a": "^1", "team/b": "^1"}),
        contents(requires={"team/b": "^2", "team/c": "*"}),
    )
    assert {each.member: (each.old, each.new) for each in found.requires} == {
        "team/a": ("^1", None),
        "team/b": ("^1", "^2"),
        "team/c": (None, "*"),
    }


def test_members_of_the_deployment() -> None:
    old = replace(contents(), deployment=DeploymentConfig(secrets=["A"]))
    new = replace(
        contents(),
        deployment=DeploymentConfig.model_validate(
            {"secrets": ["A", "B"], "configuration": {"REGION": {"type": "string"}}, "retries": 2}
        ),
    )
    found = {each.member: (each.old, each.new) for each in compared(old, new).deployment}
    assert found["secrets"] == (["A"], ["A", "B"])
    assert found["retries"] == (0, 2)
    assert found["configuration.REGION.type"] == (None, "string")
    assert "configuration" not in found


INTEL, ARM = "cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-manylinux_2_17_aarch64"
LATER = "cp312-cp312-manylinux_2_17_x86_64"


def test_wheels_by_distribution_and_platform() -> None:
    found = compared(
        contents(
            wheels=[
                a_wheel("both", "1.0", INTEL),
                a_wheel("both", "1.0", ARM),
                a_wheel("gone", "1.0"),
                a_wheel("Same_Name", "1.0"),
                a_wheel("rebuilt", "1.0"),
            ]
        ),
        contents(
            wheels=[
                a_wheel("both", "1.1", INTEL),
                a_wheel("both", "1.0", LATER),
                a_wheel("both", "1.0", ARM),
                a_wheel("new", "2.0", ARM),
                a_wheel("same-name".replace("-", "_"), "1.0"),
                a_wheel("rebuilt", "1.0", byte="b"),
            ]
        ),
    )
    changes = {each.name: each for each in found.wheels}
    assert {name: each.change for name, each in changes.items()} == {
        "both": "version",
        "gone": "removed",
        "new": "added",
        "rebuilt": "files",
        "same-name": "files",
    }
    (touched,) = changes["both"].platforms
    assert (touched.platform, touched.old, touched.new) == ("linux/amd64", ["1.0"], ["1.0", "1.1"])
    assert [each.platform for each in changes["gone"].platforms] == ["linux/amd64", "linux/arm64"]
    assert [each.platform for each in changes["new"].platforms] == ["linux/arm64"]
    assert changes["rebuilt"].files_added == changes["rebuilt"].files_removed


def test_licences_and_signers_where_both_are_known() -> None:
    old = replace(
        contents(), licences={"a": ("MIT",), "b": (), "c": ("MIT", "BSD")}, signers=("A", "B")
    )
    new = replace(
        contents(), licences={"a": ("GPL-3.0-only",), "c": ("BSD", "MIT"), "d": ()}, signers=("B",)
    )
    found = compared(old, new)
    assert found.licences is not None
    assert {each.name: (each.old, each.new) for each in found.licences} == {
        "a": (["MIT"], ["GPL-3.0-only"]),
        "b": ([], None),
        "d": (None, []),
    }
    assert found.signers is not None
    assert (found.signers.added, found.signers.removed) == ([], ["A"])
    assert compared(replace(contents(), signers=("A",)), replace(contents(), signers=())).differs
    assert compared(replace(old, licences=None), new).licences is None


def test_lines_of_a_file_without_a_newline_at_its_end() -> None:
    def with_file(data: bytes) -> Contents:
        facts = FileFacts(Digest.of(data).hex, len(data), is_executable=False)
        return replace(contents(), files={"recipe/a": facts}, read=lambda _: data)

    (change,) = compared(with_file(b"a\nb"), with_file(b"a\nb\n")).files
    assert change.patch is not None
    assert change.patch.splitlines()[4:] == [" a", "-b", "\\ No newline at end of file", "+b"]


def test_licences_in_an_sbom_of_ours() -> None:
    wheels = [a_wheel("one", "1.0", INTEL), a_wheel("one", "1.0", ARM), a_wheel("two", "1.0")]
    metadata = contents(wheels=wheels, requires={"team/x": "^1"}).metadata
    said = ["MIT", "Apache-2.0 OR MIT", None]
    facts = {
        wheel.filename: WheelFacts(each, (), (), "")
        for wheel, each in zip(wheels, said, strict=True)
    }
    data = draw_sbom(metadata, Digest.of(b""), facts, ["one"])
    assert licences_in(data, "here") == {"one": ("Apache-2.0 OR MIT", "MIT"), "two": ()}
    named = draw_sbom(metadata, Digest.of(b""), facts | {
        wheels[2].filename: WheelFacts("My own words", (), (), "")
    }, ["one"])  # fmt: skip
    assert licences_in(named, "here")["two"] == ("My own words",)


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"[]",
        b'{"components": [{"purl": "pkg:pypi/a"}]}',
        b'{"components": [{"purl": "pkg:pypi/a", "name": "a", "licenses": [{}]}]}',
        b'{"components": [{"purl": 1}]}',
    ],
)
def test_an_sbom_that_cannot_be_read_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidEvidence, match="here"):
        licences_in(data, str(Path("here")))
