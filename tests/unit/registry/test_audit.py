"""Every write has an entry in the audit: who did what, in the transaction that did it."""

import ast
import json
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest

import registry
from artifacts import media
from artifacts.digest import Digest
from artifacts.errors import DigestMismatch
from artifacts.reference import PackageName, RepositoryName, Tag
from registry.access import Role
from registry.audit import OPERATOR, AuditEntry
from registry.schema import BlobRow
from registry.sweep import Pace
from signing.statement import Kind, ProofStatement, ProvedStep, proof_statement
from tests.builders import ADMIN, Given, a_manifest, a_package, a_referrer
from tests.keys import OTHER, SIGNER

HOME = Path(registry.__file__).parent
ONE = RepositoryName("team/one")
TWO = RepositoryName("team/two")

# Every function that opens a transaction to write, with the actions that it may record.
WRITERS = {
    "bundles.Bundles.create": {"bundle.create"},
    "check.repair.Repair.mend": {"check.repair"},
    "namespaces.Namespaces.add_key": {"namespace.add_key"},
    "namespaces.Namespaces.change": {"namespace.set"},
    "namespaces.Namespaces.create": {"namespace.create"},
    "oci.blobs.Blobs.delete": {"blob.delete"},
    "oci.manifests.Manifests.delete": {"tag.delete", "manifest.delete"},
    "oci.manifests.Manifests.put": {"manifest.put", "tag.set", "repository.create"},
    "oci.uploads.Uploads._finish": {"blob.push"},
    "oci.uploads.Uploads.cancel": {"upload.cancel"},
    "oci.uploads.Uploads.expire": {"upload.expire"},
    "oci.uploads.Uploads.mount": {"blob.mount"},
    "promotions.Promotions.promote": {"channel.promote"},
    "publish.Publishing._see_evidence": {"release.evidence"},
    "publish.Publishing.admit": {"release.admit"},
    "publish.Publishing.unyank": {"release.unyank"},
    "publish.Publishing.yank": {"release.yank"},
    "retention.Retentions._delete_some": {"tag.delete"},
    "retention.Retentions.set": {"namespace.set"},
    "sessions.Sessions.end": {"session.end"},
    "sweep._Batches.run": {"sweep.manifest", "sweep.link", "sweep.blob", "tag.delete"},
    "switches.Switches.turn_read_only": {"switch.on", "switch.off"},
    "tokens.Tokens.create": {"token.create"},
    "tokens.Tokens.revoke": {"token.revoke"},
}

# Those that record nothing, and why.
SILENT = {
    "leases.Leases.take": "who does background work is bookkeeping",
    "leases.Lease.release": "the same",
    "oci.uploads.Uploads.start": "an upload is nothing yet: what it becomes is recorded",
    "oci.uploads.Uploads._touch": "when an upload was last written to is bookkeeping",
    "oci.uploads.Uploads._end": "ends what was recorded by who asked for it",
    "reviews.Reviews.renew": "that somebody looked at something is bookkeeping",
    "sweep.Sweep._bring_back": "when something is looked at is bookkeeping",
    "sweep._Leftovers.delete": "bytes that no row points to: their rows' end was recorded",
    "sweep._Leftovers.forget": "the same",
    "tokens.Tokens.create_first": "calls create",
}


def writers() -> set[str]:
    """Return the functions of `registry` that open a transaction to write."""
    found = set()
    for path in HOME.rglob("*.py"):
        module = ".".join(path.relative_to(HOME).with_suffix("").parts)
        for owner in ast.walk(ast.parse(path.read_text())):
            if not isinstance(owner, ast.ClassDef):
                continue
            for function in owner.body:
                if isinstance(function, ast.FunctionDef) and any(map(_writes, ast.walk(function))):
                    found.add(f"{module}.{owner.name}.{function.name}")
    return found


def _writes(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "write"
        and isinstance(node.func.value, ast.Attribute)
        and node.func.value.attr == "_database"
    )


def entries(given: Given) -> list[AuditEntry]:
    with given.registry.database.session():
        return given.registry.audit.entries(limit=1000)


def last(given: Given, action: str) -> AuditEntry:
    return [entry for entry in entries(given) if entry.action == action][-1]


def test_every_writer_is_in_the_table() -> None:
    assert writers() == {*WRITERS, *SILENT}


def _release(given: Given) -> None:
    given.publish(a_package())


def _bundle(given: Given) -> None:
    _release(given)
    bundle = given.bundle(PackageName("team", "app"), a_package())
    given.promote(bundle)


def _yank(given: Given) -> None:
    _release(given)
    given.registry.publishing.yank(ADMIN, a_package().name, "1.0.0", "broken")
    given.registry.publishing.unyank(ADMIN, a_package().name, "1.0.0")


def _evidence(given: Given) -> None:
    package = a_package()
    given.publish(package)
    proof = ProofStatement(
        package=package.name,
        version=package.version,
        manifest=package.digest,
        exit_code=0,
        steps=(ProvedStep(1, "a", 0),),
        outputs={},
        python="3.11.7",
        platform="linux/amd64",
        runner="bundled",
        milliseconds=1,
        enforced=(),
        not_enforced={},
        is_compared=False,
        reason="it was not run there",
        varying=(),
    )
    statement = proof_statement(proof).to_bytes()
    signed = a_referrer(package.descriptor, Kind.PROOF, statement, SIGNER)
    given.referrer(package.repository, signed)
    given.registry.publishing.admit(ADMIN, package.name, package.digest)


def _uploads(given: Given) -> None:
    uploads = given.registry.uploads
    digest = given.blob(ONE, b"bytes")
    uploads.mount(ADMIN, TWO, digest, ONE)
    uploads.cancel(ADMIN, ONE, uploads.start(ADMIN, ONE).id)
    uploads.start(ADMIN, ONE)
    given.clock.advance(timedelta(days=1))
    uploads.expire(timedelta(hours=1))


def _deletes(given: Given) -> None:
    digest = given.artifact(ONE, b"bytes")
    given.registry.manifests.delete(ADMIN, ONE, Tag("v1"))
    given.registry.manifests.delete(ADMIN, ONE, digest)
    given.registry.blobs.delete(ADMIN, ONE, Digest.of(b"bytes"))


def _sweep(given: Given) -> None:
    digest = given.artifact(ONE, b"bytes")
    given.registry.manifests.delete(ADMIN, ONE, Tag("v1"))
    given.artifact(ONE, b"others", tag="v2")
    for _ in range(3):  # a manifest, then its links, then what nothing links to
        given.clock.advance(timedelta(days=365))
        given.registry.sweep.run(Pace(wait=lambda _: None))
    assert given.registry.manifests.find(ADMIN, ONE, digest) is None


def _settings(given: Given) -> None:
    namespaces = given.registry.namespaces
    namespaces.create(ADMIN, "new")
    namespaces.change(ADMIN, "new", {"quota": 1})
    namespaces.add_key(ADMIN, "new", OTHER.public)


def _switch(given: Given) -> None:
    given.registry.switches.turn_read_only("moving", ADMIN)
    given.registry.switches.turn_read_only(None, ADMIN)


def _tokens(given: Given) -> None:
    made = given.registry.tokens.create("ci", Role.READER)
    given.registry.tokens.revoke(made.token.id)
    given.registry.sessions.end(ADMIN, "0123456789", given.clock())


def _repair(given: Given) -> None:
    given.artifact(ONE, b"bytes")
    with given.registry.database.write():
        BlobRow.update(size=1).where(BlobRow.digest == str(Digest.of(b"bytes"))).execute()
    findings = list(given.registry.checker.run(lambda _stage, _seen: None, reads_bytes=True))
    assert any(given.registry.repair.mend(finding) for finding in findings)


ACTS: list[Callable[[Given], None]] = [
    *(_bundle, _yank, _evidence, _uploads, _deletes, _sweep, _settings, _switch, _tokens, _repair),
]


def test_every_action_is_recorded_with_who_did_it(with_namespace: Given, tmp_path: Path) -> None:
    seen: set[str] = set()
    for act in ACTS:
        given = with_namespace.copied_to(tmp_path / act.__name__)
        act(given)
        recorded = entries(given)
        assert all(entry.actor and entry.target for entry in recorded)
        seen |= {entry.action for entry in recorded}

    assert seen == {action for actions in WRITERS.values() for action in actions}


class TestWhatAnEntrySays:
    def test_a_tag_that_moved_says_from_where_to_where(self, given: Given) -> None:
        first = given.artifact(ONE, b"one")
        made = last(given, "tag.set")
        second = given.artifact(ONE, b"two")
        moved = last(given, "tag.set")

        assert made.target == moved.target == "team/one:v1"
        assert dict(made.detail) == {"from": None, "to": str(first)}
        assert dict(moved.detail) == {"from": str(first), "to": str(second)}

    def test_a_tag_that_stays_is_not_said_to_move(self, given: Given) -> None:
        given.artifact(ONE, b"one")
        given.artifact(ONE, b"one")

        assert [entry.action for entry in entries(given)].count("tag.set") == 1
        assert dict(last(given, "manifest.put").detail) == {"created": False, "tags": ["v1"]}

    def test_several_tags_are_told_each(self, given: Given) -> None:
        given.blob(ONE, media.EMPTY_JSON)
        data = a_manifest()
        given.registry.manifests.put(
            ADMIN, ONE, Digest.of(data), data, media.MANIFEST, tags=[Tag("a"), Tag("b"), Tag("a")]
        )

        told = [entry.target for entry in entries(given) if entry.action == "tag.set"]
        assert told == ["team/one:a", "team/one:b"]

    def test_what_was_deleted_says_what_it_was(self, given: Given) -> None:
        digest = given.artifact(ONE, b"one", tag="a")
        given.artifact(ONE, b"one", tag="b")
        given.registry.manifests.delete(ADMIN, ONE, Tag("a"))
        given.registry.manifests.delete(ADMIN, ONE, digest)

        assert last(given, "tag.delete").target == "team/one:a"
        assert dict(last(given, "tag.delete").detail) == {"digest": str(digest)}
        assert last(given, "manifest.delete").target == f"team/one@{digest}"
        assert dict(last(given, "manifest.delete").detail) == {"tags": ["b"]}

    def test_a_blob_says_its_size_and_a_mount_its_source(self, given: Given) -> None:
        digest = given.blob(ONE, b"bytes")
        given.registry.uploads.mount(ADMIN, TWO, digest, ONE)

        assert last(given, "blob.push").target == f"team/one@{digest}"
        assert last(given, "blob.push").detail["size"] == 5
        assert dict(last(given, "blob.mount").detail) == {"from": "team/one", "size": 5}

    def test_what_the_server_does_itself_is_the_servers(self, given: Given) -> None:
        upload = given.registry.uploads.start(ADMIN, ONE)
        given.clock.advance(timedelta(days=1))
        given.registry.uploads.expire(timedelta(hours=1))

        entry = last(given, "upload.expire")
        assert (entry.actor, entry.target) == ("server", f"team/one@{upload.id}")

    def test_what_an_operator_does_is_the_operators(self, given: Given) -> None:
        given.registry.namespaces.change(OPERATOR, "team", {"sparse": True})

        entry = last(given, "namespace.set")
        assert (entry.actor, entry.role, entry.proof) == ("operator", "admin", "none")

    def test_no_secret_is_in_it(self, given: Given) -> None:
        made = given.registry.tokens.create("ci", Role.READER)
        secret = made.text.rpartition("_")[2]

        assert secret not in json.dumps([dict(entry.detail) for entry in entries(given)])

    def test_what_fails_leaves_none(self, given: Given) -> None:
        before = len(entries(given))
        upload = given.registry.uploads.start(ADMIN, ONE)
        given.registry.uploads.append(ADMIN, ONE, upload.id, BytesIO(b"bytes"))

        with pytest.raises(DigestMismatch):
            given.registry.uploads.finish(ADMIN, ONE, upload.id, Digest.of(b"others"))

        assert [entry.action for entry in entries(given)[before:]] == ["repository.create"]
