"""Publishing: what is staged is looked at byte by byte, and listed as a whole or not at all."""

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Barrier
from typing import Any

import peewee
import pytest

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.errors import InvalidManifest
from artifacts.manifest import EMPTY_CONFIG, encode, image_manifest, parse_manifest
from artifacts.reference import PackageName, RepositoryName
from recipes.layers import files_of_layers, wheel_set_manifest, write_layer
from recipes.package import DeploymentConfig
from registry.access import Principal
from registry.errors import (
    Denied,
    InvalidRelease,
    InvalidValue,
    ManifestUnknown,
    NamespaceUnknown,
    NotAuthenticated,
    RegistryError,
    ReleaseExists,
    ReleaseUnknown,
    Untrusted,
    WrongKind,
)
from registry.publish import Admission, Yank
from registry.schema import (
    INLINE,
    AuditRow,
    BlobDataRow,
    BlobRow,
    EventRow,
    ManifestRow,
    ReleaseRow,
    TagRow,
    YankRow,
)
from signing.statement import Kind, Receipt, Statement, release_statement
from signing.verify import verify
from storage import paths
from tests.builders import (
    ADMIN,
    NOBODY,
    PLATFORM,
    PROMOTER,
    PUBLISHER,
    READER,
    STRANGER,
    Given,
    Package,
    a_package,
    a_principal,
    a_referrer,
    server_key,
)
from tests.keys import OTHER, SIGNER, TestKey, gnupg, make_key

ETL = PackageName("team", "etl")


def admit(given: Given, package: Package, by: Principal = PUBLISHER) -> Admission:
    return given.registry.publishing.admit(by, package.name, package.digest)


def listed(given: Given, name: PackageName = ETL) -> list[str]:
    with given.registry.database.session():
        return [
            row.version
            for row in ReleaseRow.select().order_by(ReleaseRow.id)
            if row.repository.name == str(name)
        ]


def events(given: Given) -> list[tuple[str, dict[str, Any]]]:
    with given.registry.database.session():
        return [
            (row.kind, json.loads(row.payload)) for row in EventRow.select().order_by(EventRow.id)
        ]


def audited(given: Given, prefix: str = "release.") -> list[tuple[str, str, str, dict[str, Any]]]:
    with given.registry.database.session():
        return [
            (row.action, row.target, row.actor, json.loads(row.detail))
            for row in AuditRow.select().order_by(AuditRow.id)
            if row.action.startswith(prefix)
        ]


class TestAdmission:
    def test_a_staged_release_is_listed_tagged_and_receipted(
        self, given: Given, package: Package
    ) -> None:
        given.push(package)
        admission = admit(given, package)

        assert admission == Admission(
            ETL, "1.0.0", package.digest, admission.receipt, 1, created=True
        )
        assert listed(given) == ["1.0.0"]
        manifests = given.registry.manifests
        assert manifests.stat(READER, package.repository, package.tag).digest == package.digest
        assert not manifests.stat(READER, package.repository, package.digest).staged

    def test_the_receipt_is_the_servers_word(self, given: Given, package: Package) -> None:
        admission = given.publish(package)
        receipt = parse_manifest(
            given.registry.manifests.get(READER, package.repository, admission.receipt).data
        )
        assert receipt.subject is not None
        assert receipt.subject.digest == package.digest
        statement, signature = (
            read(given, package.repository, layer.digest) for layer in receipt.blobs[1:]
        )
        signed_by = verify(statement, signature, [given.registry.server_key.public_key()])
        assert signed_by.fingerprint == server_key().fingerprint
        assert Receipt.read(Statement.parse(statement)) == Receipt(
            ETL,
            "1.0.0",
            package.digest,
            Digest.of(package.statement.to_bytes()),
            (SIGNER.fingerprint,),
            given.clock(),
            1,
        )

    def test_it_leaves_an_event_and_an_entry(self, given: Given, package: Package) -> None:
        given.publish(package)
        values = {"digest": str(package.digest), "revision": 1}
        assert events(given) == [
            ("release.listed", values | {"package": "team/etl", "version": "1.0.0"})
        ]
        assert audited(given) == [
            (
                "release.admit",
                "team/etl@1.0.0",
                "publisher",
                values | {"signers": [SIGNER.fingerprint]},
            )
        ]

    def test_the_same_bytes_again_are_a_success_and_no_change(
        self, released: Given, package: Package
    ) -> None:
        before = events(released)
        released.push(package)
        again = admit(released, package)
        assert not again.created
        assert again.revision == 1
        assert listed(released) == ["1.0.0"]
        assert events(released) == before
        assert released.registry.index.revision() == 1

    def test_other_bytes_are_refused_naming_both(self, released: Given, package: Package) -> None:
        other = a_package(code="print('other')\n")
        released.push(other)
        with pytest.raises(ReleaseExists) as refused:
            admit(released, other)
        assert refused.value.version == "1.0.0"
        assert refused.value.listed == str(package.digest)
        assert refused.value.offered == str(other.digest)
        assert released.registry.manifests.stat(PUBLISHER, ETL.repository, other.digest).staged
        assert released.registry.index.revision() == 1

    def test_versions_have_revisions_one_after_another(self, given: Given) -> None:
        made = [given.publish(a_package(version=f"1.{minor}.0")) for minor in range(3)]
        assert [admission.revision for admission in made] == [1, 2, 3]

    def test_an_administrator_publishes_where_there_was_no_namespace_once_it_has_a_key(
        self, given: Given
    ) -> None:
        package = a_package("new/etl")
        given.push(package, by=ADMIN)
        with pytest.raises(Untrusted, match=r"namespace new has none yet: recipebox namespace key"):
            admit(given, package, ADMIN)
        given.registry.namespaces.add_key(ADMIN, "new", SIGNER.public)
        assert admit(given, package, ADMIN).created


class TestWho:
    @pytest.mark.parametrize(
        ("principal", "refusal"),
        [
            (READER, Denied),
            (PROMOTER, Denied),
            (STRANGER, NamespaceUnknown),
            (NOBODY, NotAuthenticated),
        ],
    )
    def test_only_publishers_admit_and_yank(
        self, released: Given, package: Package, principal: Principal, refusal: type[RegistryError]
    ) -> None:
        later = a_package(version="1.1.0")
        released.push(later)
        publishing = released.registry.publishing
        for act in (
            lambda: admit(released, later, principal),
            lambda: admit(released, package, principal),
            lambda: publishing.yank(principal, ETL, "1.0.0", "wrong"),
            lambda: publishing.unyank(principal, ETL, "1.0.0"),
        ):
            with pytest.raises(refusal):
                act()
        assert listed(released) == ["1.0.0"]


class TestWhatIsThere:
    def test_what_was_not_pushed_is_unknown(self, given: Given, package: Package) -> None:
        with pytest.raises(ManifestUnknown, match=f"team/etl@{package.digest}"):
            admit(given, package)
        given.push(a_package(version="1.1.0"))
        with pytest.raises(ManifestUnknown):
            admit(given, package)

    def test_what_was_pushed_elsewhere_is_unknown_here(
        self, given: Given, package: Package
    ) -> None:
        given.push(package)
        with pytest.raises(ManifestUnknown):
            given.registry.publishing.admit(PUBLISHER, PackageName("team", "x"), package.digest)

    def test_a_plain_repository_and_an_application_have_no_releases(
        self, released: Given, package: Package
    ) -> None:
        app = PackageName("team", "app")
        bundle = released.bundle(app, package)
        tools = PackageName("team", "tools")
        plain = released.artifact(tools.repository, b"x")
        for name, digest, found in (
            (app, bundle.digest, "an application"),
            (app, package.digest, "an application"),
            (tools, plain, "a plain repository"),
        ):
            with pytest.raises(WrongKind, match=f"{name} is {found}"):
                released.registry.publishing.admit(PUBLISHER, name, digest)

    def test_a_wheel_set_is_no_release(self, given: Given, package: Package) -> None:
        given.push(package)
        (wheel_set,) = package.wheel_sets.values()
        with pytest.raises(InvalidRelease, match=r"manifest: its type is .*wheelset"):
            given.registry.publishing.admit(PUBLISHER, ETL, Digest.of(wheel_set))

    def test_a_referrer_alone_makes_no_release(self, given: Given, package: Package) -> None:
        digest = given.referrer(package.repository, package.signed_by(SIGNER), PUBLISHER)
        with pytest.raises(InvalidRelease, match="no manifest of one was pushed"):
            given.registry.publishing.admit(PUBLISHER, ETL, digest)


# --- what a release must be -------------------------------------------------------------------

TITLE = "team/etl-1.0.0"
RECIPE = {"run_recipe.py": b"print('hello')\n", "recipe.yaml": b"steps: []\n"}
Change = Callable[[dict[str, Any]], object]


def drawn(
    *,
    config: bytes | None = None,
    metadata_files: Mapping[str, bytes] | None = None,
    recipe: Mapping[str, bytes] = RECIPE,
    blobs: Mapping[str, bytes] | None = None,
    change: Change = lambda manifest: manifest,
) -> Package:
    """Draw a release with something about it; `blobs` replaces layers, by their folder."""
    config = a_package().config if config is None else config
    files = {"package.json": config, "deployment_config.yaml": DeploymentConfig().to_bytes()}
    if metadata_files is not None:
        files = dict(metadata_files)
    with TemporaryDirectory(prefix="rbt-") as name:
        made = []
        for folder, contents in {"metadata": files, "recipe": recipe}.items():
            tree = Path(name) / folder
            tree.mkdir()
            for path, data in contents.items():
                (tree / path).write_bytes(data)
            made.append(write_layer(tree, f"{TITLE}/{folder}", Path(name)))
        layers = [layer.path.read_bytes() for layer in made]
    descriptors = [layer.descriptor.to_json() for layer in made]
    for index, folder in enumerate(("metadata", "recipe")):
        blob = (blobs or {}).get(folder)
        if blob is not None:
            layers[index] = blob
            descriptors[index] |= {"digest": str(Digest.of(blob)), "size": len(blob)}
    manifest = json.loads(a_package().manifest)
    manifest["config"] = Descriptor.of(config, media.PACKAGE_CONFIG).to_json()
    manifest["layers"] = descriptors
    change(manifest)
    return Package(
        a_package().metadata, encode(manifest), config, tuple(layers), files_of_layers(made), {}, ()
    )


def a_tar(*entries: tuple[str, bytes, str]) -> bytes:
    """A gzipped tar of (name, type, link) by the standard library."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, kind, link in entries:
            info = tarfile.TarInfo(name)
            info.type = kind
            info.linkname = link
            tar.addfile(info)
    return gzip.compress(made.getvalue())


def hostile(*entry: Any) -> dict[str, Any]:
    folder = (f"{TITLE}/recipe", tarfile.DIRTYPE, "")
    return {"blobs": {"recipe": a_tar(folder, entry)}}


def set_in(*path: Any, to: Any) -> Change:
    def change(manifest: dict[str, Any]) -> None:
        place: Any = manifest
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to

    return change


def title_of(layer: int, to: str) -> Change:
    return set_in("layers", layer, "annotations", media.TITLE, to=to)


BAD_RELEASES: dict[str, tuple[dict[str, Any], str]] = {
    "config of another type": (
        {"change": set_in("config", "mediaType", to=media.IMAGE_CONFIG)},
        "config: its type is",
    ),
    "config that is no package.json": ({"config": b"{}"}, "config: .*package.json"),
    "config over the limit": (
        {"config": b" " * (5 << 20)},
        f"config: {5 << 20} bytes; the limit is {4 << 20}",
    ),
    "another version in the annotations": (
        {"change": set_in("annotations", media.VERSION, to="1.0.1")},
        r"manifest: .*version is '1\.0\.1', expected '1\.0\.0'",
    ),
    "another name in the annotations": (
        {"change": set_in("annotations", media.TITLE, to="team/../etl")},
        r"manifest: .*title is 'team/\.\./etl', expected 'team/etl'",
    ),
    "a package.json in another form": (
        {"config": json.dumps(json.loads(a_package().config)).encode()},
        r"config: package\.json.*RFC 8785",
    ),
    "a name that is another's": (
        {"config": a_package("team/other").config},
        "config: its name is team/other, expected team/etl",
    ),
    "a release that requires itself": (
        {"config": a_package(requires={"team/etl": "^1"}).config},
        "config: it requires itself",
    ),
    "a release that requires itself with an extra": (
        {"config": a_package(extras={"all": {"team/etl": "[gpu] *"}}).config},
        "config: it requires itself",
    ),
    "layers in another order": (
        {"change": lambda manifest: manifest["layers"].reverse()},
        "layers: their titles are",
    ),
    "a layer twice": (
        {"change": lambda manifest: manifest["layers"].append(manifest["layers"][1])},
        "layers: their titles are",
    ),
    "no recipe": (
        {"change": lambda manifest: manifest["layers"].pop(1)},
        r"there is no layer team/etl-1\.0\.0/recipe",
    ),
    "no metadata": (
        {"change": lambda manifest: manifest["layers"].pop(0)},
        r"there is no layer team/etl-1\.0\.0/metadata",
    ),
    "a title that climbs": (
        {"change": title_of(1, f"{TITLE}/../../recipe")},
        "layers: their titles are",
    ),
    "a title of another version": (
        {"change": title_of(1, "team/etl-1.0.1/recipe")},
        "layers: their titles are",
    ),
    "a layer of another type": (
        {"change": set_in("layers", 1, "mediaType", to=media.LAYER_TAR)},
        f"recipe: its type is {media.LAYER_TAR}",
    ),
    "a layer that oras would not unpack": (
        {"change": set_in("layers", 1, "annotations", media.UNPACK, to="false")},
        "unpack isn't 'true'",
    ),
    "a layer that is no archive": ({"blobs": {"recipe": b"nonsense"}}, "recipe: "),
    "a path that climbs": (hostile(f"{TITLE}/recipe/../../../x", tarfile.REGTYPE, ""), "recipe: "),
    "an absolute path": (hostile("/etc/passwd", tarfile.REGTYPE, ""), "recipe: "),
    "a path outside of the title": (hostile("team/other-1.0.0/x", tarfile.REGTYPE, ""), "recipe: "),
    "a symbolic link": (hostile(f"{TITLE}/recipe/x", tarfile.SYMTYPE, "/etc/passwd"), "recipe: "),
    "a hard link": (hostile(f"{TITLE}/recipe/x", tarfile.LNKTYPE, "/etc/passwd"), "recipe: "),
    "a device": (hostile(f"{TITLE}/recipe/x", tarfile.CHRTYPE, ""), "recipe: "),
    "no deployment configuration": (
        {"metadata_files": {"package.json": a_package().config}},
        r"metadata: it holds \['metadata/package.json'\], expected",
    ),
    "a deployment configuration that is none": (
        {
            "metadata_files": {
                "package.json": a_package().config,
                "deployment_config.yaml": b"kind: everything\n",
            }
        },
        r"deployment_config\.yaml: ",
    ),
    "a file more in the metadata": (
        {
            "metadata_files": {
                "package.json": a_package().config,
                "deployment_config.yaml": DeploymentConfig().to_bytes(),
                "release.json": b"{}",
            }
        },
        "metadata: it holds",
    ),
    "a package.json that is not the config": (
        {
            "metadata_files": {
                "package.json": a_package(version="1.0.1").config,
                "deployment_config.yaml": DeploymentConfig().to_bytes(),
            }
        },
        r"metadata/package\.json: it isn't the config's bytes",
    ),
    "no run_recipe.py": (
        {"recipe": {"recipe.yaml": b"steps: []\n"}},
        r"recipe: there is no recipe/run_recipe\.py",
    ),
    "no recipe.yaml": (
        {"recipe": {"run_recipe.py": b"print()\n"}},
        r"recipe: there is no recipe/recipe\.yaml",
    ),
}


def test_the_drawing_that_the_bad_ones_start_from_is_good(given: Given) -> None:
    assert given.publish(drawn()).created


@pytest.mark.parametrize("case", BAD_RELEASES)
def test_a_release_that_is_not_as_it_must_be_is_refused(given: Given, case: str) -> None:
    arguments, reason = BAD_RELEASES[case]
    package = drawn(**arguments)
    given.push(package, signed_by=())  # what it is comes before who signed it

    with pytest.raises(InvalidRelease, match=reason) as refused:
        admit(given, package)

    assert refused.value.package == "team/etl"
    assert refused.value.digest == str(package.digest)
    assert listed(given) == []
    assert events(given) == []
    with pytest.raises(ManifestUnknown):
        given.registry.manifests.get(READER, package.repository, package.digest)


@pytest.mark.parametrize(
    ("change", "blob", "size", "reason"),
    [
        (set_in("config", "size", to=1), "config", 1, "config: [0-9]+ bytes, expected 1"),
        (
            set_in("layers", 1, "size", to=1 << 20),
            "layer",
            1 << 20,
            "recipe: expected .* of 1048576 bytes, found",
        ),
    ],
)
def test_bytes_that_are_not_as_long_as_their_row_says_are_refused(
    given: Given, change: Change, blob: str, size: int, reason: str
) -> None:
    """What is put must have the size that is on record; here the record is wrong."""
    package = drawn(change=change)
    wrong = package.config if blob == "config" else package.layers[1]
    with pytest.raises(InvalidManifest, match=f"has {size} bytes, and that has {len(wrong)}"):
        given.push(package, signed_by=())
    with given.registry.database.write():
        BlobRow.update(size=size).where(BlobRow.digest == str(Digest.of(wrong))).execute()
    given.push(package, signed_by=())

    with pytest.raises(InvalidRelease, match=reason):
        admit(given, package)


def test_a_release_under_another_algorithm_than_is_signed_is_refused(given: Given) -> None:
    package = a_package()
    given.push(package)
    digest = Digest.of(package.manifest, "sha512")
    given.manifest(package.repository, package.manifest, reference=digest)
    with pytest.raises((Untrusted, InvalidRelease)):
        given.registry.publishing.admit(PUBLISHER, ETL, digest)


class TestWheelSets:
    def push(self, given: Given, package: Package, *sets: bytes) -> None:
        given.push(replace(package, wheel_sets={}))
        given.blob(package.repository, b"strange")
        for data in sets:
            given.manifest(package.repository, data, by=PUBLISHER)

    def a_set(
        self, package: Package, *wheels: bytes, platform: str = PLATFORM, title: str = ""
    ) -> bytes:
        return image_manifest(
            artifact_type=media.WHEEL_SET,
            config=EMPTY_CONFIG,
            layers=[
                Descriptor.of(
                    data, media.WHEEL, {media.TITLE: title or package.metadata.wheels[0].filename}
                )
                for data in wheels
            ],
            subject=package.descriptor,
            annotations={media.PLATFORM: platform},
        )

    def test_every_platform_is_listed(self, given: Given) -> None:
        package = a_package(wheels={PLATFORM: [b"amd"], "linux/arm64": [b"arm"]})
        given.publish(package)
        release = given.registry.catalog.package(READER, ETL).latest
        assert release.platforms == {
            platform: Digest.of(data) for platform, data in package.wheel_sets.items()
        }

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ({"wheels": [b"strange"]}, "package.json doesn't lock"),
            ({"wheels": []}, "package.json doesn't lock its wheels"),
            ({"wheels": [b"wheel"], "title": "../x.whl"}, "package.json doesn't lock"),
            ({"wheels": [b"wheel"], "platform": "../linux"}, "platform"),
            ({"wheels": [b"wheel"], "platform": ""}, "platform"),
        ],
        ids=["a strange wheel", "no wheel", "a name that climbs", "no platform", "empty platform"],
    )
    def test_a_set_that_is_not_as_it_must_be_is_refused(
        self, given: Given, arguments: dict[str, Any], reason: str
    ) -> None:
        package = a_package(wheels={PLATFORM: [b"wheel"]})
        wheels = arguments["wheels"]
        options = {key: value for key, value in arguments.items() if key != "wheels"}
        self.push(given, package, self.a_set(package, *wheels, **options))
        with pytest.raises(InvalidRelease, match=f"wheel set sha256:.*{reason}"):
            admit(given, package)

    @pytest.mark.parametrize("kind", ["text/plain", "application/vnd.foreign.layer"])
    def test_a_set_holds_nothing_but_wheels(self, given: Given, kind: str) -> None:
        package = a_package(wheels={PLATFORM: [b"wheel"]})
        drawn = json.loads(package.wheel_sets[PLATFORM])
        drawn["layers"].append(Descriptor.of(b"strange", kind).to_json())
        self.push(given, package, json.dumps(drawn).encode())
        with pytest.raises(InvalidRelease, match=f"it holds {kind} beside its wheels"):
            admit(given, package)

    def test_a_platform_has_one(self, given: Given) -> None:
        package = a_package(wheels={PLATFORM: [b"one", b"two"]})
        sets = [
            wheel_set_manifest(package.descriptor, PLATFORM, wheels)
            for wheels in (package.metadata.wheels, package.metadata.wheels[:1])
        ]
        self.push(given, package, *sets)
        with pytest.raises(InvalidRelease, match=r"linux/amd64 has another, .*; delete one"):
            admit(given, package)

        given.registry.manifests.delete(PUBLISHER, ETL.repository, Digest.of(sets[1]))

        assert admit(given, package).created

    def test_a_wheel_that_no_set_holds_is_named(self, given: Given) -> None:
        package = a_package(wheels={PLATFORM: [b"wheel"]})
        self.push(given, package)
        with pytest.raises(
            InvalidRelease, match=f"no wheel set holds {package.metadata.wheels[0].filename}"
        ):
            admit(given, package)


# --- who signed it ----------------------------------------------------------------------------


class TestTrust:
    def refused(self, given: Given, package: Package) -> Untrusted:
        with pytest.raises(Untrusted) as refused:
            admit(given, package)
        assert refused.value.what == "team/etl 1.0.0"
        assert listed(given) == []
        return refused.value

    def test_an_unsigned_release_is_refused_naming_who_must_sign(
        self, given: Given, package: Package
    ) -> None:
        given.push(package, signed_by=())
        refusal = self.refused(given, package)
        assert refusal.expected == f"a signature by {SIGNER.fingerprint}"
        assert "no" in refusal.found

    def test_a_stranger_does_not_count(self, given: Given, package: Package) -> None:
        given.push(package, signed_by=[OTHER])
        refusal = self.refused(given, package)
        assert refusal.expected == f"a signature by {SIGNER.fingerprint}"
        assert OTHER.fingerprint[-16:] in refusal.found

    def test_a_key_for_promotions_does_not_count(self, given: Given, package: Package) -> None:
        given.registry.namespaces.add_key(ADMIN, "team", SIGNER.public, ["promote"])
        given.push(package)
        assert "promote" in self.refused(given, package).found

    def test_a_key_of_another_namespace_does_not_count(
        self, given: Given, package: Package
    ) -> None:
        given.namespace("others", keys=[OTHER])
        given.push(package, signed_by=[OTHER])
        self.refused(given, package)

    def test_a_key_that_expired_since_does_not_count(self, given: Given, package: Package) -> None:
        key = make_key("month@example.org", lifetime="30d")
        given.namespace("others", keys=())
        given.registry.namespaces.add_key(ADMIN, "team", key.public)
        given.push(package, signed_by=[key])
        given.clock.advance(timedelta(days=31))
        assert "expired" in self.refused(given, package).found

    def test_a_key_that_was_revoked_since_does_not_count(
        self, given: Given, package: Package
    ) -> None:
        with gnupg() as gpg:
            fingerprint = gpg.make("gone@example.org")
            key = TestKey(fingerprint, gpg.public(fingerprint), gpg.secret(fingerprint))
            gpg.revoke(fingerprint)
            revoked = gpg.public(fingerprint)
        given.registry.namespaces.add_key(ADMIN, "team", key.public)
        given.push(package, signed_by=[key])
        given.registry.namespaces.add_key(ADMIN, "team", revoked)
        assert "revoked" in self.refused(given, package).found

    def test_a_signature_over_other_bytes_does_not_count(
        self, given: Given, package: Package
    ) -> None:
        given.push(package, signed_by=())
        other = a_package(version="1.0.1").signed_by(SIGNER).blobs[2]
        statement = package.statement.to_bytes()
        referrer = a_referrer(package.descriptor, Kind.RELEASE, statement, other)
        given.referrer(package.repository, referrer, PUBLISHER)
        assert SIGNER.fingerprint[-16:] in self.refused(given, package).found

    def test_everyone_who_signed_is_listed_and_strangers_are_not(
        self, given: Given, package: Package
    ) -> None:
        second = make_key("second@example.org")
        given.registry.namespaces.add_key(ADMIN, "team", second.public)
        given.push(package, signed_by=[SIGNER, OTHER, second])
        admit(given, package)
        release = given.registry.catalog.package(READER, ETL).latest
        assert release.signers == tuple(sorted([SIGNER.fingerprint, second.fingerprint]))

    @pytest.mark.parametrize("kind", [Kind.BUNDLE, Kind.TEST])
    def test_a_statement_of_another_kind_is_no_signature(
        self, given: Given, package: Package, kind: Kind
    ) -> None:
        given.push(package, signed_by=())
        statement = package.statement.to_bytes()
        referrer = a_referrer(package.descriptor, kind, statement, SIGNER)
        given.referrer(package.repository, referrer, PUBLISHER)
        self.refused(given, package)


class TestStatements:
    def test_a_statement_about_something_else_is_refused_naming_both(
        self, given: Given, package: Package
    ) -> None:
        given.push(package, signed_by=())
        other = a_package(version="1.0.1")
        for statement in (
            other.statement,
            release_statement(ETL, "1.0.0", other.digest, package.files),
            release_statement(PackageName("team", "x"), "1.0.0", package.digest, package.files),
        ):
            referrer = a_referrer(package.descriptor, Kind.RELEASE, statement.to_bytes(), SIGNER)
            digest = given.referrer(package.repository, referrer, PUBLISHER)
            with pytest.raises(InvalidRelease, match=f"expected team/etl 1.0.0, {package.digest}"):
                admit(given, package)
            given.registry.manifests.delete(PUBLISHER, package.repository, digest)

    @pytest.mark.parametrize(
        "files",
        [
            {"metadata/package.json": "0" * 64},
            {"recipe/more.py": "0" * 64},
        ],
        ids=["another hash", "a file that no layer holds"],
    )
    def test_its_files_must_be_those_of_the_layers(
        self, given: Given, package: Package, files: dict[str, str]
    ) -> None:
        given.push(package, signed_by=())
        statement = release_statement(
            ETL, "1.0.0", package.digest, dict(package.files) | files
        ).to_bytes()
        referrer = a_referrer(package.descriptor, Kind.RELEASE, statement, SIGNER)
        given.referrer(package.repository, referrer, PUBLISHER)
        (path,) = files
        with pytest.raises(InvalidRelease, match=f"isn't what the layers hold, at {path}"):
            admit(given, package)

    @pytest.mark.parametrize("statement", [b"{}", b"nonsense", b'{"a": 1}'])
    def test_signed_bytes_that_are_no_statement_are_refused(
        self, given: Given, package: Package, statement: bytes
    ) -> None:
        given.push(package, signed_by=())
        referrer = a_referrer(package.descriptor, Kind.RELEASE, statement, SIGNER)
        given.referrer(package.repository, referrer, PUBLISHER)
        with pytest.raises(InvalidRelease, match="statement sha256:"):
            admit(given, package)

    def test_a_referrer_that_carries_no_statement_is_refused(
        self, given: Given, package: Package
    ) -> None:
        given.push(package)
        data = image_manifest(
            artifact_type=media.STATEMENT,
            config=EMPTY_CONFIG,
            layers=[],
            subject=package.descriptor,
            annotations={media.STATEMENT_KIND: "release"},
        )
        digest = given.manifest(package.repository, data, by=PUBLISHER)
        with pytest.raises(
            InvalidRelease, match=f"statement {digest}: .*the manifest's layers are"
        ):
            admit(given, package)

    def test_a_signature_that_is_far_too_long_is_refused(
        self, given: Given, package: Package
    ) -> None:
        given.push(package, signed_by=())
        referrer = a_referrer(
            package.descriptor, Kind.RELEASE, package.statement.to_bytes(), b"x" * (1 << 20)
        )
        given.referrer(package.repository, referrer, PUBLISHER)
        with pytest.raises(InvalidRelease, match=r"layers\[1\]: 1048576 bytes; the limit is 16384"):
            admit(given, package)


# --- what was changed on the disk -------------------------------------------------------------


def read(given: Given, repository: RepositoryName, digest: Digest) -> bytes:
    info = given.registry.blobs.stat(PUBLISHER, repository, digest)
    with given.registry.blobs.open(info) as opened:
        return opened.read()


def tamper(given: Given, data: bytes, into: bytes) -> None:
    """Change a blob where it is kept: in the store, or in the database."""
    with given.registry.database.write():
        blob = BlobRow.get(BlobRow.digest == str(Digest.of(data)))
        if blob.location == INLINE:
            BlobDataRow.update(data=into).where(BlobDataRow.blob == blob).execute()
            return
    path = paths.blob(given.data, blob.location)
    assert path is not None
    assert path.read_bytes() == data
    path.chmod(0o600)
    path.write_bytes(into)


class TestTampered:
    def test_a_layer_is_refused_naming_expected_and_found(
        self, given: Given, package: Package
    ) -> None:
        given.push(package)
        layer = package.layers[1]
        changed = layer.replace(b"print('hello')", b"print('HELLO')")
        tamper(given, layer, changed)
        with pytest.raises(InvalidRelease) as refused:
            admit(given, package)
        assert refused.value.where == f"{TITLE}/recipe"
        assert listed(given) == []

    def test_a_layer_of_another_valid_archive_too(self, given: Given, package: Package) -> None:
        other = a_package(code="print('other')\n").layers[1]
        given.push(package)
        tamper(given, package.layers[1], other)
        with pytest.raises(InvalidRelease) as refused:
            admit(given, package)
        assert str(Digest.of(package.layers[1])) in refused.value.reason
        assert str(Digest.of(other)) in refused.value.reason

    def test_a_config_is_refused_naming_expected_and_found(
        self, given: Given, package: Package
    ) -> None:
        given.push(package)
        changed = package.config.replace(b"Moves", b"moves")
        tamper(given, package.config, changed)
        with pytest.raises(InvalidRelease) as refused:
            admit(given, package)
        assert refused.value.where == "config"
        assert str(Digest.of(package.config)) in refused.value.reason
        assert str(Digest.of(changed)) in refused.value.reason

    @pytest.mark.parametrize("which", ["release", "wheel set", "statement"])
    def test_a_manifest_is_refused_naming_expected_and_found(
        self, given: Given, package: Package, which: str
    ) -> None:
        data = {
            "release": package.manifest,
            "wheel set": next(iter(package.wheel_sets.values())),
            "statement": package.signed_by(SIGNER).manifest,
        }[which]
        given.push(package)
        changed = data.replace(b'{"', b'{ "', 1)
        tamper(given, data, changed)
        with pytest.raises(InvalidRelease) as refused:
            admit(given, package)
        assert str(Digest.of(data)) in refused.value.reason
        assert str(Digest.of(changed)) in refused.value.reason
        assert listed(given) == []

    @pytest.mark.parametrize("which", [1, 2], ids=["statement", "signature"])
    def test_what_was_signed_is_refused_naming_expected_and_found(
        self, given: Given, package: Package, which: int
    ) -> None:
        given.push(package)
        data = package.signed_by(SIGNER).blobs[which]
        changed = data.swapcase()
        tamper(given, data, changed)
        with pytest.raises(InvalidRelease) as refused:
            admit(given, package)
        assert str(Digest.of(data)) in refused.value.reason
        assert str(Digest.of(changed)) in refused.value.reason

    def test_a_wheel_is_refused_naming_expected_and_found(
        self, given: Given, package: Package
    ) -> None:
        given.push(package)
        (wheel,) = package.wheels
        tamper(given, wheel, b"a wheel for linuX")
        with pytest.raises(InvalidRelease) as refused:
            admit(given, package)
        assert str(Digest.of(wheel)) in refused.value.reason
        assert str(Digest.of(b"a wheel for linuX")) in refused.value.reason


# --- all of it or nothing ---------------------------------------------------------------------


@contextmanager
def refusing(given: Given, table: str) -> Iterator[None]:
    """Let the database itself refuse rows of a table."""
    body, rest = "BEGIN SELECT RAISE(ABORT, 'refused by a test'); END", ""
    if given.config.database_url is not None:
        body, rest = "EXECUTE FUNCTION refuse()", f"ON {table}"
        tell(
            given,
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "RAISE 'refused by a test' USING ERRCODE = 'integrity_constraint_violation'; END $$",
        )
    tell(given, f"CREATE TRIGGER refusing BEFORE INSERT ON {table} {body}")
    try:
        yield
    finally:
        tell(given, f"DROP TRIGGER refusing {rest}")


def tell(given: Given, statement: str) -> None:
    with given.registry.database.write():
        AuditRow._meta.database.execute_sql(statement)


class TestWholeOrNot:
    @pytest.mark.parametrize("table", ["release", "tag", "event", "audit_entry"])
    def test_an_admission_that_fails_leaves_nothing(
        self, given: Given, package: Package, table: str
    ) -> None:
        given.push(package)
        with given.registry.database.session():
            manifests = ManifestRow.select().count()

        with refusing(given, table), pytest.raises(peewee.IntegrityError, match="by a test"):
            admit(given, package)

        assert listed(given) == []
        assert events(given) == []
        assert audited(given) == []
        assert given.registry.index.revision() == 0
        with given.registry.database.session():
            assert ManifestRow.select().count() == manifests
            assert TagRow.select().count() == 0
        assert given.registry.manifests.stat(PUBLISHER, ETL.repository, package.digest).staged
        assert admit(given, package).created

    @pytest.mark.parametrize("table", ["event", "audit_entry"])
    def test_a_yank_that_fails_leaves_nothing(
        self, released: Given, package: Package, table: str
    ) -> None:
        with refusing(released, table), pytest.raises(peewee.IntegrityError):
            released.registry.publishing.yank(PUBLISHER, package.name, "1.0.0", "wrong")
        assert released.registry.index.revision() == 1
        with released.registry.database.session():
            assert YankRow.select().count() == 0


def at_once(*acts: Callable[[], Admission]) -> list[Admission | ReleaseExists]:
    start = Barrier(len(acts))

    def run(act: Callable[[], Admission]) -> Admission | ReleaseExists:
        start.wait()
        try:
            return act()
        except ReleaseExists as error:
            return error

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


class TestAtOnce:
    def test_of_two_with_one_version_exactly_one_is_listed(self, given: Given) -> None:
        offered = [a_package(code=f"print({number})\n") for number in range(2)]
        for package in offered:
            given.push(package)

        outcomes = at_once(*(lambda package=package: admit(given, package) for package in offered))

        won = [one for one in outcomes if isinstance(one, Admission)]
        lost = [one for one in outcomes if isinstance(one, ReleaseExists)]
        assert (len(won), len(lost)) == (1, 1)
        assert lost[0].listed == str(won[0].digest)
        assert listed(given) == ["1.0.0"]
        assert given.registry.index.revision() == 1
        assert [kind for kind, _ in events(given)] == ["release.listed"]

    def test_the_same_bytes_twice_are_listed_once(self, given: Given, package: Package) -> None:
        given.push(package)
        outcomes = at_once(*[lambda: admit(given, package)] * 3)
        made = [one for one in outcomes if isinstance(one, Admission)]
        assert len(made) == 3
        assert [one.created for one in made].count(True) == 1
        assert len({one.receipt for one in made}) == 1
        assert given.registry.index.revision() == 1

    def test_several_packages_have_revisions_of_their_own_and_receipts_that_say_them(
        self, given: Given
    ) -> None:
        packages = [a_package(f"team/p{number}") for number in range(4)]
        for package in packages:
            given.push(package)

        outcomes = at_once(*(lambda package=package: admit(given, package) for package in packages))

        made = [one for one in outcomes if isinstance(one, Admission)]
        assert sorted(one.revision for one in made) == [1, 2, 3, 4]
        for admission in made:
            repository = admission.name.repository
            data = given.registry.manifests.get(READER, repository, admission.receipt).data
            statement = read(given, repository, parse_manifest(data).blobs[1].digest)
            assert Receipt.read(Statement.parse(statement)).revision == admission.revision


# --- yanks ------------------------------------------------------------------------------------


class TestYank:
    def test_it_is_said_with_reason_time_and_name(self, released: Given) -> None:
        released.clock.advance(timedelta(hours=1))
        someone = a_principal(PUBLISHER.role, "team", name="ann")
        yank = released.registry.publishing.yank(someone, ETL, "1.0.0", "  wrong totals\n")
        assert yank == Yank("wrong totals", released.clock(), "ann")
        assert released.registry.index.revision() == 2
        assert events(released)[-1] == (
            "release.yanked",
            {"package": "team/etl", "version": "1.0.0", "revision": 2},
        )
        assert audited(released)[-1] == (
            "release.yank",
            "team/etl@1.0.0",
            "ann",
            {"reason": "wrong totals"},
        )

    def test_again_with_the_same_reason_nothing_changes(self, released: Given) -> None:
        publishing = released.registry.publishing
        first = publishing.yank(PUBLISHER, ETL, "1.0.0", "wrong")
        released.clock.advance(timedelta(hours=1))
        assert publishing.yank(PUBLISHER, ETL, "1.0.0", "wrong") == first
        assert released.registry.index.revision() == 2

    def test_another_reason_takes_its_place(self, released: Given) -> None:
        publishing = released.registry.publishing
        publishing.yank(PUBLISHER, ETL, "1.0.0", "wrong")
        publishing.yank(PUBLISHER, ETL, "1.0.0", "very wrong")
        latest = released.registry.catalog.package(READER, ETL).latest
        assert latest.yanked is not None
        assert latest.yanked.reason == "very wrong"

    def test_it_is_taken_back_once(self, released: Given) -> None:
        publishing = released.registry.publishing
        publishing.unyank(PUBLISHER, ETL, "1.0.0")
        assert released.registry.index.revision() == 1
        publishing.yank(PUBLISHER, ETL, "1.0.0", "wrong")

        publishing.unyank(PUBLISHER, ETL, "1.0.0")
        publishing.unyank(PUBLISHER, ETL, "1.0.0")

        assert released.registry.catalog.package(READER, ETL).latest.yanked is None
        assert released.registry.index.revision() == 3
        assert [kind for kind, _ in events(released)][-1] == "release.unyanked"

    def test_a_yanked_release_is_still_there_for_who_pinned_it(
        self, released: Given, package: Package
    ) -> None:
        released.registry.publishing.yank(PUBLISHER, ETL, "1.0.0", "wrong")
        manifests = released.registry.manifests
        for reference in (package.digest, package.tag):
            assert manifests.get(READER, package.repository, reference).data == package.manifest

    @pytest.mark.parametrize("reason", ["", "   ", "x" * 501, "a\nb", "a\0b"])
    def test_a_reason_of_one_line_is_needed(self, released: Given, reason: str) -> None:
        with pytest.raises(InvalidValue, match="one line of 1 to 500 printable"):
            released.registry.publishing.yank(PUBLISHER, ETL, "1.0.0", reason)

    @pytest.mark.parametrize("version", ["1.0.1", "1.0", "..", ""])
    def test_what_is_not_listed_is_unknown(self, released: Given, version: str) -> None:
        publishing = released.registry.publishing
        with pytest.raises(ReleaseUnknown):
            publishing.yank(PUBLISHER, ETL, version, "wrong")
        with pytest.raises(ReleaseUnknown):
            publishing.unyank(PUBLISHER, ETL, version)

    def test_a_yanked_version_cannot_be_published_again_with_other_bytes(
        self, released: Given
    ) -> None:
        released.registry.publishing.yank(PUBLISHER, ETL, "1.0.0", "wrong")
        with pytest.raises(ReleaseExists):
            released.publish(a_package(code="print('other')\n"))
