"""package.json: what is valid, and finding a package's folder."""

import json
from pathlib import Path
from typing import Any

import pytest

from recipes.errors import InvalidMetadata, NotAPackage
from recipes.package import PackageMetadata, read_tree, schemas

STEP = {"idx": 1, "name": "a", "type": "python", "module": "a.b", "function": "C"}


def drawn(**more: Any) -> dict[str, Any]:
    return {
        "schema_version": 1, "name": "team/etl", "version": "1.2.3", "steps": [STEP],
        "entry": {"runner": "bundled"}, **more,
    }  # fmt: skip


def a_package(out: Path, name: str = "team/etl", **more: Any) -> Path:
    metadata = PackageMetadata.model_validate(drawn(name=name, **more))
    tree = out / metadata.title
    (tree / "metadata").mkdir(parents=True)
    (tree / "metadata" / "package.json").write_bytes(metadata.to_bytes())
    return tree


def test_the_bytes_are_canonical_and_come_back() -> None:
    metadata = PackageMetadata.model_validate(drawn())
    data = metadata.to_bytes()

    assert data == json.dumps(json.loads(data), sort_keys=True, separators=(",", ":")).encode()
    assert PackageMetadata.from_bytes(data) == metadata
    assert metadata.title == "team/etl-1.2.3"


def test_execution_is_there_only_where_it_says_something() -> None:
    without = PackageMetadata.model_validate(drawn()).to_bytes()
    said = {"timeout_seconds": 60, "retry_attempts": 2}
    data = PackageMetadata.model_validate(drawn(execution=said)).to_bytes()

    assert "execution" not in json.loads(without)
    assert json.loads(data)["execution"] == said
    assert PackageMetadata.from_bytes(data).to_bytes() == data
    with pytest.raises(InvalidMetadata, match="RFC 8785"):
        PackageMetadata.from_bytes(without.replace(b'"license"', b'"execution":null,"license"'))


def test_extras_are_in_the_bytes_only_where_there_are_any() -> None:
    plain = PackageMetadata.model_validate(drawn(extras={}))
    extras = {"mail": {"team/send": "[tls] ^2"}}
    metadata = PackageMetadata.model_validate(drawn(extras=extras, requires={"team/sum": "*"}))

    assert b"extras" not in plain.to_bytes()
    assert PackageMetadata.from_bytes(metadata.to_bytes()) == metadata
    assert json.loads(metadata.to_bytes())["extras"] == extras
    assert metadata.may_require == {"team/send", "team/sum"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "etl"}, "name:"),
        ({"name": "team/Etl"}, "name:"),
        ({"version": "1.2"}, "version:"),
        ({"version": "1.2.3+build"}, "version:"),
        ({"requires": {"team/x": "not a range"}}, "requires"),
        ({"requires": {"team/x": "[GPU] ^1"}}, "requires"),
        ({"extras": {"mail": {"team/x": "[gpu]^1", "x": "*"}}}, "extras.mail.x"),
        ({"extras": {"Mail": {}}}, "extras.Mail"),
        ({"python": "three"}, "not a range of Python versions"),
        ({"entry": {"runner": "checkout"}}, "needs one"),
        ({"entry": {"runner": "bundled", "module": "a.b"}}, "needs one"),
        ({"steps": []}, "steps:"),
        ({"execution": {"timeout_seconds": 0}}, "timeout_seconds"),
        ({"execution": {"retry_attempts": -1}}, "retry_attempts"),
        ({"steps": [{**STEP, "module": "a-b"}]}, "module"),
        ({"steps": [{**STEP, "type": "java"}]}, "steps.0"),
        ({"unknown": 1}, "unknown: Extra inputs"),
        (
            {"wheels": [{"name": "a", "version": "1", "filename": "../a.whl", "sha256": "0" * 64,
                         "size": 1, "tags": []}]},
            "not the file name of a wheel",
        ),
    ],
)  # fmt: skip
def test_what_the_schema_does_not_allow_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidMetadata) as refused:
        PackageMetadata.model_validate({**drawn(), **change})

    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "not JSON"),
        (b"[]", "not an object"),
        (b'{"schema_version": 2}', "schema_version is 2; this Recipebox understands 1"),
        (b'{"schema_version": true}', "schema_version is True"),
        (json.dumps(drawn()).encode(), "not RFC 8785"),
    ],
)
def test_other_bytes_are_refused(data: bytes, said: str) -> None:
    with pytest.raises(InvalidMetadata, match=said):
        PackageMetadata.from_bytes(data)


def test_a_number_that_json_can_not_hold_is_refused() -> None:
    metadata = PackageMetadata.model_validate(drawn(steps=[{**STEP, "args": {"n": 1 << 60}}]))

    with pytest.raises(InvalidMetadata):
        metadata.to_bytes()


def test_both_documents_have_a_schema() -> None:
    found = schemas()

    assert set(found) == {"package", "deployment_config"}
    assert found["package"]["$id"] == "urn:recipebox:schema:package:v1"
    assert found["package"]["additionalProperties"] is False


def test_a_package_is_found_from_its_own_folder_and_from_out(tmp_path: Path) -> None:
    tree = a_package(tmp_path)

    assert read_tree(tree).path == tree
    assert read_tree(tmp_path).path == tree
    assert read_tree(tmp_path).out == tmp_path


def test_of_a_package_and_what_it_requires_the_first_is_meant(tmp_path: Path) -> None:
    a_package(tmp_path, "team/clean")
    tree = a_package(tmp_path, requires={"team/clean": "^1.0"})

    assert read_tree(tmp_path).path == tree


def test_where_there_is_none_or_several_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotAPackage, match="no package is here"):
        read_tree(tmp_path)
    a_package(tmp_path)
    a_package(tmp_path, "team/other")

    with pytest.raises(NotAPackage, match=r"several packages .*team/etl-1.2.3, team/other-1.2.3"):
        read_tree(tmp_path)


def test_a_folder_of_another_name_is_refused(tmp_path: Path) -> None:
    tree = a_package(tmp_path)
    renamed = tree.rename(tree.with_name("etl-9.9.9"))

    with pytest.raises(NotAPackage, match=r"team/etl-1.2.3, not of this folder"):
        read_tree(renamed)
