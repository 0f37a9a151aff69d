"""Statements have one form in bytes, and only that form is read."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import jsonschema
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.manifest import EMPTY_CONFIG, image_index, image_manifest, parse_manifest
from artifacts.reference import PackageName
from signing.errors import InvalidStatement, UnknownStatement
from signing.statement import (
    LARGEST_STATEMENT,
    SCHEMA,
    STATEMENT_TYPE,
    AskedBy,
    BundleStatement,
    Kind,
    Promotion,
    Receipt,
    ReleaseStatement,
    Statement,
    Subject,
    bundle_statement,
    promotion_statement,
    read_statement_manifest,
    receipt_statement,
    release_statement,
    statement_manifest,
)
from tests.keys import SIGNER

PACKAGE = PackageName("team", "etl")
APPLICATION = PackageName("team", "app")
MANIFEST, OTHER_DIGEST = Digest.of(b"manifest"), Digest.of(b"other")
HEX = Digest.of(b"file").hex
TIME = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
FILES = {"metadata/package.json": HEX, "recipe/recipe.yaml": HEX}


def a_release() -> Statement:
    return release_statement(PACKAGE, "1.2.3", MANIFEST, FILES)


def a_receipt() -> Statement:
    return receipt_statement(
        PACKAGE,
        "1.2.3",
        MANIFEST,
        statement=OTHER_DIGEST,
        signers=[SIGNER.fingerprint],
        admitted=TIME,
        revision=7,
    )


def a_bundle() -> Statement:
    return bundle_statement(APPLICATION, MANIFEST, {"team/etl": "1.2.3"})


def a_promotion(**changed: Any) -> Statement:
    asked: dict[str, Any] = {
        "came_from": "dev",
        "previous": OTHER_DIGEST,
        "previous_bundle": MANIFEST,
        "evidence": [OTHER_DIGEST],
        "asked_by": AskedBy("ada", "promoter", "token"),
        "time": TIME,
    }
    return promotion_statement(APPLICATION, "staging", MANIFEST, **(asked | changed))


ALL: dict[str, tuple[Callable[[], Statement], Callable[[Statement], object]]] = {
    "release": (a_release, ReleaseStatement.read),
    "receipt": (a_receipt, Receipt.read),
    "bundle": (a_bundle, BundleStatement.read),
    "promotion": (a_promotion, Promotion.read),
}


def drawn(statement: Statement) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(statement.to_bytes())
    return read


def test_a_releases_bytes_are_these() -> None:
    assert (
        a_release().to_bytes()
        == (
            '{"_type":"https://in-toto.io/Statement/v1",'
            f'"predicate":{{"files":{{"metadata/package.json":"{HEX}","recipe/recipe.yaml":"{HEX}"}},'
            '"package":"team/etl","version":"1.2.3"},'
            '"predicateType":"urn:recipebox:release:v1",'
            f'"subject":[{{"digest":{{"sha256":"{MANIFEST.hex}"}},"name":"team/etl@1.2.3"}}]}}'
        ).encode()
    )


@pytest.mark.parametrize("name", ALL)
def test_what_is_written_is_read_again(name: str) -> None:
    make, read = ALL[name]
    statement = make()
    parsed = Statement.parse(statement.to_bytes())
    assert parsed == statement
    assert parsed.kind is Kind(name)
    assert parsed.predicate_type == f"urn:recipebox:{name}:v1"
    assert read(parsed) == read(statement)


def test_typed_readings_hold_what_was_said() -> None:
    assert ReleaseStatement.read(a_release()) == ReleaseStatement(PACKAGE, "1.2.3", MANIFEST, FILES)
    assert Receipt.read(a_receipt()) == Receipt(
        PACKAGE, "1.2.3", MANIFEST, OTHER_DIGEST, (SIGNER.fingerprint,), TIME, 7
    )
    assert BundleStatement.read(a_bundle()) == BundleStatement(
        APPLICATION, MANIFEST, {"team/etl": "1.2.3"}
    )
    assert Promotion.read(a_promotion()) == Promotion(
        APPLICATION,
        "staging",
        "dev",
        MANIFEST,
        OTHER_DIGEST,
        MANIFEST,
        (OTHER_DIGEST,),
        AskedBy("ada", "promoter", "token"),
        TIME,
    )


def test_a_first_promotion_has_nothing_before_it() -> None:
    first = Promotion.read(a_promotion(came_from=None, previous=None, previous_bundle=None))
    assert (first.came_from, first.previous, first.previous_bundle) == (None, None, None)


def test_times_are_utc_to_the_second() -> None:
    elsewhere = timezone(timedelta(hours=2))
    moment = TIME.astimezone(elsewhere).replace(microsecond=999_999)
    statement = a_promotion(time=moment)
    assert statement.predicate["time"] == "2026-05-04T03:02:01Z"
    assert Promotion.read(statement).time == TIME
    with pytest.raises(InvalidStatement, match="no time zone"):
        a_promotion(time=TIME.replace(tzinfo=None))


def test_statements_of_other_kinds_carry_any_object() -> None:
    statement = Statement(Kind.SCAN, (Subject("x", MANIFEST),), {"found": [1, None, True]})
    assert Statement.parse(statement.to_bytes()) == statement


@given(
    st.dictionaries(
        st.text(st.characters(categories=("L", "N")), min_size=1),
        st.sampled_from([HEX, MANIFEST.hex]),
        min_size=1,
    )
)
def test_any_files_come_back_as_they_went(files: dict[str, str]) -> None:
    data = release_statement(PACKAGE, "1.2.3", MANIFEST, files).to_bytes()
    parsed = Statement.parse(data)
    assert parsed.to_bytes() == data
    assert ReleaseStatement.read(parsed).files == files


# The envelope


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: data + b"\n", "not canonical"),
        (lambda data: data.replace(b":", b": ", 1), "not canonical"),
        (lambda data: data.replace(b'{"_type"', b'{"_type":"x","_type"', 1), "not canonical"),
        (lambda data: data.replace(b"team/etl", b"te\\u0061m/etl", 1), "not canonical"),
        (lambda data: data[:-1], "not JSON"),
        (lambda _: b"", "not JSON"),
        (lambda _: b"\xff", "not JSON"),
        (lambda _: b"[" * 100_000, "not JSON"),
        (lambda _: b"[]", "not a JSON object"),
        (lambda _: b'{"a":"\\ud800"}', "canonical"),
        (lambda _: b'{"a":90071992547409930}', "no canonical form"),
        (lambda _: b'{"a":NaN}', "no canonical form"),
        (lambda _: b" " * (LARGEST_STATEMENT + 1), "over the limit"),
    ],
)
def test_other_bytes_are_refused(change: Callable[[bytes], bytes], reason: str) -> None:
    with pytest.raises(InvalidStatement, match=reason):
        Statement.parse(change(a_release().to_bytes()))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"extra": 1}, "unknown members: extra"),
        ({"predicate": None}, "lacks predicate"),
        ({"predicate": []}, "predicate is not an object"),
        ({"subject": {}}, "expected a list"),
        ({"subject": []}, "subject is empty"),
        ({"subject": [1]}, r"subject\[0\] is not an object"),
        ({"subject": [{"name": "x"}]}, "lacks digest"),
        ({"subject": [{"name": "x", "digest": {}}]}, "lacks sha256"),
        ({"subject": [{"name": "x", "digest": {"sha512": "0"}}]}, "lacks sha256"),
        ({"subject": [{"name": "x", "digest": {"sha256": "0"}}]}, "64 lower-case hex"),
        ({"subject": [{"name": "", "digest": {"sha256": HEX}}]}, "printable text"),
    ],
)
def test_an_envelope_of_another_shape_is_refused(changed: dict[str, Any], reason: str) -> None:
    whole = drawn(a_release()) | changed
    if changed.get("predicate", ...) is None:
        del whole["predicate"]
    with pytest.raises(InvalidStatement, match=reason):
        Statement.parse(rfc8785.dumps(whole))


@pytest.mark.parametrize(
    ("member", "found", "understood"),
    [
        ("_type", "https://in-toto.io/Statement/v0.1", STATEMENT_TYPE),
        ("predicateType", "urn:recipebox:release:v2", "urn:recipebox:release:v1"),
        ("predicateType", "urn:recipebox:release:v01", "urn:recipebox:release:v1"),
        ("predicateType", "urn:recipebox:unheard:v1", "urn:recipebox:<kind>:v1"),
        ("predicateType", "https://slsa.dev/provenance/v1", "urn:recipebox:<kind>:v1"),
        ("predicateType", 7, "urn:recipebox:<kind>:v1"),
    ],
)
def test_an_unknown_type_is_refused_with_the_one_that_is_understood(
    member: str, found: object, understood: str
) -> None:
    with pytest.raises(UnknownStatement) as refused:
        Statement.parse(rfc8785.dumps(drawn(a_release()) | {member: found}))
    assert (refused.value.member, refused.value.found) == (member, str(found))
    assert refused.value.understood.startswith(understood)
    assert understood in str(refused.value)


def test_a_statement_that_json_can_not_carry_is_refused() -> None:
    statement = Statement(Kind.TEST, (Subject("x", MANIFEST),), {"ratio": float("inf")})
    with pytest.raises(InvalidStatement, match="no canonical form"):
        statement.to_bytes()


def test_a_subject_has_a_name_and_a_sha256() -> None:
    with pytest.raises(InvalidStatement, match="no name"):
        Subject("", MANIFEST)
    with pytest.raises(InvalidStatement, match="no sha256"):
        Subject("x", Digest.of(b"", "sha512"))


# Predicates


def with_predicate(statement: Statement, changed: dict[str, Any]) -> Statement:
    return Statement(statement.kind, statement.subjects, {**statement.predicate, **changed})


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("release", {"package": "etl"}, "predicate.package"),
    ("release", {"package": 1}, "predicate.package"),
    ("release", {"version": "1.2"}, "SemVer"),
    ("release", {"version": "1.2.3+build"}, "SemVer"),
    ("release", {"version": "1.2.3-" + "a" * 64}, "at most 64"),
    ("release", {"version": "1.2.4"}, "its subject is 'team/etl@1.2.3'"),
    ("release", {"files": {}}, "files is empty"),
    ("release", {"files": []}, "expected an object"),
    ("release", {"files": {"../x": HEX}}, "relative path"),
    ("release", {"files": {"/etc/x": HEX}}, "relative path"),
    ("release", {"files": {"a//b": HEX}}, "relative path"),
    ("release", {"files": {"a\\b": HEX}}, "relative path"),
    ("release", {"files": {"a\nb": HEX}}, "printable"),
    ("release", {"files": {"a": HEX.upper()}}, "64 lower-case hex"),
    ("release", {"time": "x"}, "unknown members: time"),
    ("receipt", {"statement": "sha256:00"}, "predicate.statement"),
    ("receipt", {"statement": str(Digest.of(b"", "sha512"))}, "a sha256 digest"),
    ("receipt", {"signers": ["abc"]}, r"signers\[0\].*fingerprint"),
    ("receipt", {"signers": "abc"}, "expected a list"),
    ("receipt", {"admitted": "2026-05-04 03:02:01"}, "predicate.admitted"),
    ("receipt", {"admitted": "2026-5-4T3:2:1Z"}, "RFC 3339"),
    ("receipt", {"revision": -1}, "whole number"),
    ("receipt", {"revision": True}, "whole number"),
    ("receipt", {"version": "2.0.0"}, "its subject is"),
    ("bundle", {"packages": {"etl": "1.2.3"}}, "a name in predicate.packages"),
    ("bundle", {"packages": {"team/etl": "one"}}, "SemVer"),
    ("bundle", {"application": "team/other"}, "its subject is 'team/app'"),
    ("promotion", {"channel": "No Channel"}, "a channel's name"),
    ("promotion", {"to": "production"}, "predicate.to is 'production'"),
    ("promotion", {"from": ""}, "predicate.from"),
    ("promotion", {"previous": None}, "go together"),
    ("promotion", {"bundle": str(OTHER_DIGEST)}, "its subject is"),
    ("promotion", {"asked_by": "ada"}, "asked_by is not an object"),
    ("promotion", {"asked_by": {"name": "ada"}}, "lacks proof, role"),
    (
        "promotion",
        {"asked_by": {"name": "ada", "role": "admin", "proof": "word"}},
        "one of token, session",
    ),
    ("promotion", {"evidence": [None]}, r"evidence\[0\]"),
]


@pytest.mark.parametrize(("name", "changed", "reason"), WRONG)
def test_a_predicate_that_breaks_its_form_is_refused(
    name: str, changed: dict[str, Any], reason: str
) -> None:
    make, read = ALL[name]
    with pytest.raises(InvalidStatement, match=reason):
        read(with_predicate(make(), changed))


@pytest.mark.parametrize("name", ALL)
def test_each_reader_takes_its_own_kind_about_one_thing(name: str) -> None:
    make, read = ALL[name]
    statement = make()
    (subject,) = statement.subjects
    with pytest.raises(InvalidStatement, match="it is a policy statement"):
        read(Statement(Kind.POLICY, statement.subjects, statement.predicate))
    with pytest.raises(InvalidStatement, match="has 2 subjects"):
        read(Statement(statement.kind, (subject, subject), statement.predicate))
    for member in statement.predicate:
        less = {key: value for key, value in statement.predicate.items() if key != member}
        with pytest.raises(InvalidStatement, match=f"lacks {member}"):
            read(Statement(statement.kind, statement.subjects, less))


def test_a_constructor_refuses_what_its_reader_would() -> None:
    with pytest.raises(InvalidStatement, match="relative path"):
        release_statement(PACKAGE, "1.2.3", MANIFEST, {"../x": HEX})


# The schema


def test_the_schema_takes_every_statement_that_is_made() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for make, _ in ALL.values():
        jsonschema.validate(drawn(make()), SCHEMA)
    jsonschema.validate(
        drawn(a_promotion(came_from=None, previous=None, previous_bundle=None)), SCHEMA
    )
    jsonschema.validate(drawn(Statement(Kind.SCAN, (Subject("x", MANIFEST),), {"a": 1})), SCHEMA)


# What only the code can say: agreement between members, and normal paths.
BEYOND_SCHEMA = ("its subject is", "predicate.to is", "go together", "relative path", "printable")


@pytest.mark.parametrize(
    ("name", "changed"),
    [(name, changed) for name, changed, reason in WRONG if not reason.startswith(BEYOND_SCHEMA)],
)
def test_the_schema_refuses_what_the_readers_refuse(name: str, changed: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(drawn(with_predicate(ALL[name][0](), changed)), SCHEMA)


# The manifest that carries it

ABOUT = Descriptor(media.MANIFEST, MANIFEST, 8, {"a": "b"}, media.PACKAGE)


def test_a_statements_manifest_is_a_referrer_of_what_it_is_about() -> None:
    data = statement_manifest(ABOUT, Kind.RELEASE, b"{}", b"signed")
    assert data == statement_manifest(ABOUT, Kind.RELEASE, b"{}", b"signed")
    manifest = parse_manifest(data)
    assert manifest.subject == Descriptor(media.MANIFEST, MANIFEST, 8)
    assert manifest.kind == media.STATEMENT
    assert manifest.annotations == {"io.recipebox.statement": "release"}
    assert manifest.blobs[0] == EMPTY_CONFIG
    kind, statement, signature = read_statement_manifest(data)
    assert (kind, statement, signature) == read_statement_manifest(manifest)
    assert kind is Kind.RELEASE
    assert statement == Descriptor.of(b"{}", media.IN_TOTO)
    assert signature == Descriptor.of(b"signed", media.PGP_SIGNATURE)


def a_manifest(**changed: Any) -> bytes:
    asked: dict[str, Any] = {
        "artifact_type": media.STATEMENT,
        "config": EMPTY_CONFIG,
        "layers": [
            Descriptor.of(b"{}", media.IN_TOTO),
            Descriptor.of(b"signed", media.PGP_SIGNATURE),
        ],
        "subject": ABOUT,
        "annotations": {media.STATEMENT_KIND: "release"},
    }
    return image_manifest(**(asked | changed))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"),
        (image_index(artifact_type=media.STATEMENT, manifests=[]), "artifactType"),
        (a_manifest(artifact_type=media.PACKAGE), "expected application/vnd.recipebox.statement"),
        (a_manifest(subject=None), "no subject"),
        (a_manifest(layers=[]), "layers are"),
        (
            a_manifest(
                layers=[
                    Descriptor.of(b"signed", media.PGP_SIGNATURE),
                    Descriptor.of(b"{}", media.IN_TOTO),
                ]
            ),
            "layers are",
        ),
        (
            a_manifest(
                layers=[
                    Descriptor(media.IN_TOTO, MANIFEST, LARGEST_STATEMENT + 1),
                    Descriptor.of(b"signed", media.PGP_SIGNATURE),
                ]
            ),
            "over the limit",
        ),
        (a_manifest(annotations={}), "io.recipebox.statement is ''"),
        (a_manifest(annotations={media.STATEMENT_KIND: "poem"}), "'poem'.*release, receipt"),
    ],
)
def test_a_manifest_of_another_shape_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidStatement, match=reason):
        read_statement_manifest(data)
