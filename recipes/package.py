"""A package on disk, and its package.json.

::

    OUT/
    ├── recipebox.lock                  of fetch: which required packages, by version
    ├── recipebox.wheels.toml           of pack: the wheel lock, where there is no recipebox.toml
    ├── wheels/*.whl                    of pack: every locked wheel, for every platform and Python
    └── team/etl-daily-1.2.3/
        ├── metadata/   package.json  deployment_config.yaml    (a layer)
        │               release.json  signature.asc  signatures/    (in no layer)
        ├── containers/  monitoring/  ci-cd/    what recipes/render draws    (a layer each)
        ├── recipe/     recipe.yaml  run_recipe.py  the closure, at its paths in the checkout
        └── env/        the wheels unpacked for one platform and Python    (in no layer)

package.json is RFC 8785 bytes; it is the release manifest's config as well as a file of the
metadata layer.

Example::

    {"entry": {"module": null, "runner": "bundled"}, "name": "team/etl-daily", "python": ">=3.11",
     "requires": {"team/clean": "^1.2", "team/sum": "[gpu] ^1"},
     "schema_version": 1, "steps": [{"args": {}, "function": "Run", "idx": 1, "module": "steps.run",
     "name": "run", "success": {}, "type": "python"}], "version": "1.2.3", "wheels": [], ...}
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import rfc8785
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    model_validator,
)

from artifacts.reference import PackageName
from recipes.deployment import DeploymentConfig
from recipes.errors import InvalidMetadata, NotAPackage
from resolver.requirement import Range, Requirement, check_extra
from resolver.version import Version

FOLDERS: Final = ("metadata", "containers", "recipe", "monitoring", "ci-cd")
"""The folders that are layers, in the order of a manifest's layers."""

METADATA_FILES: Final = ("deployment_config.yaml", "package.json")
"""What the metadata layer holds, and nothing else."""

RECIPE: Final = "recipe.yaml"
RUN_RECIPE: Final = "run_recipe.py"
"""Files of recipe/ that are the package's own: the recipe as it was read, and what runs it."""

SCHEMA_VERSION: Final = 1
_SHA256 = r"^[0-9a-f]{64}$"
_MODULE = r"^[^\W\d]\w*(\.[^\W\d]\w*)*$"


def _check_version(text: str) -> str:
    return str(Version.parse(text))


def _check_range(text: str) -> str:
    Range.parse(text)
    return text


def _check_wanted(text: str) -> str:
    Requirement.of("any/package", text)
    return text


def _check_name(text: str) -> str:
    return str(PackageName.parse(text))


def _check_python(text: str) -> str:
    try:
        SpecifierSet(text)
    except InvalidSpecifier as error:
        raise ValueError(f"{text!r} is not a range of Python versions, such as >=3.11") from error
    return text


def _check_filename(text: str) -> str:
    if "/" in text or not text.endswith(".whl") or not text.isprintable() or not text.isascii():
        raise ValueError(f"{text!r} is not the file name of a wheel")
    return text


Name = Annotated[str, AfterValidator(_check_name)]
VersionText = Annotated[str, AfterValidator(_check_version)]
RangeText = Annotated[str, AfterValidator(_check_range)]
WantedText = Annotated[str, AfterValidator(_check_wanted)]
"""What is wanted of another package: a range, `^1.2`, or extras and one, `[gpu] ^1.2`."""
ExtraText = Annotated[str, AfterValidator(check_extra)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Wheel(_Model):
    """One locked distribution's file: `size` in bytes, `sha256` in hex, `tags` of PEP 425."""

    name: str
    version: str
    filename: Annotated[str, AfterValidator(_check_filename)]
    sha256: Annotated[str, Field(pattern=_SHA256)]
    size: Annotated[int, Field(ge=0)]
    tags: list[str]


class Entry(_Model):
    """What runs the steps: the bundled runner, or the checkout's own (`python -m module`)."""

    runner: Literal["bundled", "checkout"]
    module: Annotated[str, Field(pattern=_MODULE)] | None = None

    @model_validator(mode="after")
    def _module_with_checkout(self) -> Self:
        if (self.runner == "checkout") != (self.module is not None):
            raise ValueError("module is for the checkout's runner, which needs one")
        return self


class Execution(_Model):
    """How the bundled runner tries: seconds of an attempt, and how often it tries again."""

    timeout_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    retry_attempts: Annotated[int, Field(ge=0)] = 0


class _Step(_Model):
    idx: int
    name: Annotated[str, Field(min_length=1)]
    args: dict[str, JsonValue] = Field(default_factory=dict)
    success: dict[str, JsonValue] = Field(default_factory=dict)


class PythonStep(_Step):
    """Import `module`, take `function`, call it with the context and `args`."""

    type: Literal["python"]
    module: Annotated[str, Field(pattern=_MODULE)]
    function: Annotated[str, Field(pattern=_MODULE)]


class ShellStep(_Step):
    """Run `command`: a text through `/bin/sh -c`, or a list of words without a shell."""

    type: Literal["shell"]
    command: Annotated[str, Field(min_length=1)] | Annotated[list[str], Field(min_length=1)]


class RecipeStep(_Step):
    """Run the required package `package`, whose version is in the range `version`."""

    type: Literal["recipe"]
    package: Name
    version: RangeText


Step = Annotated[PythonStep | ShellStep | RecipeStep, Field(discriminator="type")]


class PackageMetadata(_Model):
    """package.json: what a release is, requires, and runs; `execution` is left out where null."""

    schema_version: Literal[1] = 1
    name: Name
    version: VersionText
    summary: str = ""
    license: str | None = None
    authors: list[str] = Field(default_factory=list)
    readme: str | None = None
    requires: dict[Name, WantedText] = Field(default_factory=dict)
    extras: dict[ExtraText, dict[Name, WantedText]] = Field(default_factory=dict)
    python: Annotated[str, AfterValidator(_check_python)] = ">=3.11"
    wheels: list[Wheel] = Field(default_factory=list)
    entry: Entry
    execution: Execution | None = None
    steps: Annotated[list[Step], Field(min_length=1)]

    @property
    def title(self) -> str:
        """The tree's folder below OUT, and the beginning of every layer's title."""
        return f"{self.name}-{self.version}"

    @property
    def may_require(self) -> frozenset[str]:
        """The packages that it requires, by itself or with an extra."""
        return frozenset(self.requires).union(*self.extras.values())

    def to_bytes(self) -> bytes:
        """Return the document in RFC 8785 form: one content, one digest.

        Raises:
            InvalidMetadata: a number in it is none that JSON can hold exactly.
        """
        try:
            drawn = self.model_dump(mode="json")
            if self.execution is None:  # as it was before there was such a member
                del drawn["execution"]
            if not self.extras:  # as it was before there were any: the same content, one digest
                del drawn["extras"]
            return rfc8785.dumps(drawn)
        except rfc8785.CanonicalizationError as error:
            raise InvalidMetadata("package.json", [str(error)]) from error

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a package.json.

        Raises:
            InvalidMetadata: not JSON, of a newer schema, outside of the schema, or not in the one
                form that `to_bytes` gives.
        """
        try:
            drawn = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise InvalidMetadata("package.json", [f"not JSON: {error}"]) from error
        metadata = cls.model_validate(_of_this_version(drawn, "package.json"))
        if metadata.to_bytes() != data:
            raise InvalidMetadata(
                "package.json", ["not RFC 8785 bytes with every member; pack it again"]
            )
        return metadata

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """Validate as pydantic does, with this package's error.

        Raises:
            InvalidMetadata: with a line for each problem.
        """
        try:
            return super().model_validate(obj, **options)
        except ValidationError as error:
            raise InvalidMetadata("package.json", _problems(error)) from error


def _of_this_version(drawn: object, what: str) -> dict[str, Any]:
    if not isinstance(drawn, dict):
        raise InvalidMetadata(what, ["not an object"])
    version = drawn.get("schema_version")
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise InvalidMetadata(
            what, [f"schema_version is {version!r}; this Recipebox understands {SCHEMA_VERSION}"]
        )
    return drawn


def _problems(error: ValidationError) -> list[str]:
    return [
        f"{'.'.join(str(part) for part in problem['loc']) or 'document'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_input=False)
    ]


def schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schemas (draft 2020-12) of both documents, by the name of `/schemas/`."""
    models: dict[str, type[BaseModel]] = {
        "package": PackageMetadata,
        "deployment_config": DeploymentConfig,
    }
    return {
        name: {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": f"urn:recipebox:schema:{name}:v1",
            **model.model_json_schema(),
        }
        for name, model in models.items()
    }


@dataclass(frozen=True, slots=True)
class PackageTree:
    """A package's folder, `OUT/team/etl-daily-1.2.3`, and what its package.json says."""

    path: Path
    metadata: PackageMetadata

    @property
    def out(self) -> Path:
        """The folder above: where the lock, the wheels and the required packages are."""
        return self.path.parent.parent


def read_tree(path: Path) -> PackageTree:
    """Find the package in `path`: a package's own folder, or an OUT that holds exactly one.

    An OUT that `fetch` made holds required packages too; the one that no other requires is meant.

    Raises:
        NotAPackage: there is none, or more than one that nobody requires.
        InvalidMetadata: its package.json is not valid.
    """
    if (path / "metadata" / "package.json").is_file():
        return _tree_at(path.resolve())
    found = [
        _tree_at(each.parent.parent.resolve())
        for each in sorted(path.glob("*/*/metadata/package.json"))
    ]
    required = {name for tree in found for name in tree.metadata.may_require}
    wanted = [tree for tree in found if tree.metadata.name not in required]
    if len(wanted) == 1:
        return wanted[0]
    if not wanted:
        raise NotAPackage(path, "no package is here (no metadata/package.json)")
    names = ", ".join(tree.metadata.title for tree in wanted)
    raise NotAPackage(path, f"several packages are here ({names}): name one's folder")


def _tree_at(path: Path) -> PackageTree:
    metadata = PackageMetadata.from_bytes((path / "metadata" / "package.json").read_bytes())
    if f"{path.parent.name}/{path.name}" != metadata.title:
        raise NotAPackage(path, f"its package.json is of {metadata.title}, not of this folder")
    return PackageTree(path, metadata)
