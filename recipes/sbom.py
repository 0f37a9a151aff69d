"""The SBOM of a package: CycloneDX 1.6 as JSON, by cyclonedx-python-lib.

::

    metadata.component   the package: its manifest's sha256, its licence
    components           each locked wheel, of every platform and Python: purl, sha256, licence
                         each required package, by its range: which release it is, a lock says
    dependencies         the package on what its code imports, wheels on what their metadata asks

The same package gives the same bytes: there is no time in it, the serial number is made from what
it is about, and members and components are sorted.
"""

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import rfc8785
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from artifacts.digest import Digest
from recipes.errors import InvalidEvidence
from recipes.licences import WheelFacts
from recipes.package import PackageMetadata, Wheel

if TYPE_CHECKING:
    from cyclonedx.model.component import Component

FILE_NAME: Final = "sbom.cdx.json"

_SPACE = uuid.UUID("5e0a3f0e-6f3b-5f0c-9b0a-2d2b7b8f6c11")  # of the serial numbers made here


def draw_sbom(
    metadata: PackageMetadata,
    manifest: Digest,
    facts: Mapping[str, WheelFacts],
    imported: Iterable[str],
) -> bytes:
    """Return the SBOM of a package in RFC 8785 bytes.

    `manifest` is the release's digest, `facts` what each wheel says of itself, by file name, and
    `imported` the distributions that its own code imports.
    """
    # heavy: only packing needs it
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6

    own = _own_component(metadata, manifest)
    bom = Bom(serial_number=uuid.uuid5(_SPACE, f"{metadata.title} {manifest}"))
    bom.metadata.component = own
    bom.metadata.tools.components.add(Component(name="recipebox", type=ComponentType.APPLICATION))
    wheels = {
        each.filename: _wheel_component(each, facts[each.filename]) for each in metadata.wheels
    }
    required = [_required_component(name, said) for name, said in metadata.requires.items()]
    for component in (*wheels.values(), *required):
        bom.components.add(component)
    by_name: dict[str, list[Component]] = {}
    for each in metadata.wheels:
        by_name.setdefault(canonicalize_name(each.name), []).append(wheels[each.filename])
    direct = {canonicalize_name(each) for each in imported}
    bom.register_dependency(
        own, [*required, *(one for name in sorted(direct) for one in by_name.get(name, ()))]
    )
    for each in metadata.wheels:
        wanted = _names(facts[each.filename].requires) - {canonicalize_name(each.name)}
        found = [one for name in sorted(wanted) for one in by_name.get(name, ())]
        bom.register_dependency(wheels[each.filename], found)
    drawn: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    drawn["metadata"].pop("timestamp", None)
    return rfc8785.dumps(drawn)


def licences_in(data: bytes, what: str) -> dict[str, tuple[str, ...]]:
    """Return what an SBOM says of each distribution's licences, by its name.

    Several wheels of one may say several things; none where they say nothing. `what` names the
    SBOM in errors.

    Raises:
        InvalidEvidence: it can't be read.
    """
    found: dict[str, set[str]] = {}
    try:
        for component in json.loads(data).get("components", []):
            if not component.get("purl", "").startswith("pkg:pypi/"):
                continue
            said = found.setdefault(canonicalize_name(component["name"]), set())
            for each in component.get("licenses", []):
                named = each.get("license", {})
                said.add(str(each.get("expression") or named.get("id") or named["name"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidEvidence(Path(what), f"{FILE_NAME} can't be read") from error
    return {name: tuple(sorted(said)) for name, said in sorted(found.items())}


def _own_component(metadata: PackageMetadata, manifest: Digest) -> "Component":
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    namespace, _, name = metadata.name.partition("/")
    return Component(
        type=ComponentType.APPLICATION,
        bom_ref=f"{metadata.name}@{metadata.version}",
        group=namespace,
        name=name,
        version=metadata.version,
        description=metadata.summary or None,
        licenses=_licences(metadata.license),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=manifest.hex)],
        purl=PackageURL(
            type="oci", name=name, version=str(manifest), qualifiers={"tag": metadata.version}
        ),
    )


def _wheel_component(wheel: Wheel, facts: WheelFacts) -> "Component":
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    name = canonicalize_name(wheel.name)
    return Component(
        type=ComponentType.LIBRARY,
        bom_ref=wheel.filename,
        name=name,
        version=wheel.version,
        description=facts.summary or None,
        licenses=_licences(facts.license),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=wheel.sha256)],
        purl=PackageURL(
            type="pypi", name=name, version=wheel.version, qualifiers={"file_name": wheel.filename}
        ),
        properties=[
            Property(name="recipebox:license-file", value=each) for each in facts.license_files
        ],
    )


def _required_component(name: str, said: str) -> "Component":
    from cyclonedx.model import Property
    from cyclonedx.model.component import Component, ComponentType

    namespace, _, last = name.partition("/")
    return Component(
        type=ComponentType.APPLICATION,
        bom_ref=name,
        group=namespace,
        name=last,
        properties=[Property(name="recipebox:requires", value=said)],
    )


def _licences(said: str | None) -> "Sequence[Any]":
    """Return what was said as an SPDX identifier or expression where it is one, else as a name."""
    from cyclonedx.contrib.license.factories import LicenseFactory

    return [LicenseFactory().make_from_string(said)] if said else []


def _names(requires: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for each in requires:
        try:
            found.add(canonicalize_name(Requirement(each).name))
        except InvalidRequirement:
            continue  # pip solved without it, too
    return found
