"""Read-only mode: who said it, why, and what it stops."""

import io
from datetime import timedelta

import pytest

from artifacts.digest import Digest
from artifacts.reference import RepositoryName, Tag
from registry.access import Role
from registry.assembly import open_registry
from registry.audit import Audit
from registry.errors import InvalidValue, ReadOnly
from registry.schema import AuditRow
from registry.switches import ReadOnlyMode, Switches
from tests.builders import ADMIN, PUBLISHER, READER, Given, Package, a_manifest, a_package

TOOLS = RepositoryName("team/tools")
HELLO = Digest.of(b"hello")


def test_it_says_why_since_when_and_who_said_so(given: Given) -> None:
    switches = given.registry.switches
    assert switches.read_only() is None
    switches.require_writable()

    switches.turn_read_only("  the disk is moved ", ADMIN)

    assert switches.read_only() == ReadOnlyMode("the disk is moved", given.clock.now, "admin")
    with pytest.raises(ReadOnly, match="read-only: the disk is moved"):
        switches.require_writable()


def test_it_is_turned_off_and_on_again_and_all_of_it_is_audited(given: Given) -> None:
    switches = given.registry.switches
    switches.turn_read_only("first")
    switches.turn_read_only(None)
    assert switches.read_only() is None
    switches.turn_read_only("second")
    mode = switches.read_only()
    assert mode is not None
    assert (mode.reason, mode.by) == ("second", "operator")
    with given.registry.database.session():
        rows = AuditRow.select().where(AuditRow.target == "read_only").order_by(AuditRow.id)
        assert [row.action for row in rows] == ["switch.on", "switch.off", "switch.on"]


def test_another_process_sees_it_at_once(given: Given) -> None:
    other = open_registry(given.config)
    given.registry.switches.turn_read_only("now")
    with pytest.raises(ReadOnly):
        other.switches.require_writable()


def test_the_settings_force_it(given: Given) -> None:
    registry = given.registry
    forced = Switches(registry.database, Audit(given.clock), given.clock, is_read_only=True)
    assert forced.read_only() == ReadOnlyMode("it was started so (setting read_only)")


@pytest.mark.parametrize("reason", ["", " ", "a\nb", "x" * 501])
def test_a_reason_is_one_line(given: Given, reason: str) -> None:
    with pytest.raises(InvalidValue):
        given.registry.switches.turn_read_only(reason)
    assert given.registry.switches.read_only() is None


def test_a_push_that_had_begun_can_not_end(given: Given) -> None:
    uploads = given.registry.uploads
    begun = uploads.start(PUBLISHER, TOOLS)
    uploads.append(PUBLISHER, TOOLS, begun.id, io.BytesIO(b"hello"))
    given.registry.switches.turn_read_only("now")

    with pytest.raises(ReadOnly):
        uploads.finish(PUBLISHER, TOOLS, begun.id, HELLO)
    with pytest.raises(ReadOnly):
        given.registry.manifests.put(PUBLISHER, TOOLS, Tag("v1"), a_manifest(), None)

    given.registry.switches.turn_read_only(None)
    assert uploads.finish(PUBLISHER, TOOLS, begun.id, HELLO).digest == HELLO


def test_no_change_that_had_begun_is_made(released: Given, package: Package) -> None:
    registry = released.registry
    repository = package.repository
    put = released.artifact(TOOLS, b"hello", tag="v1")
    spare = released.blob(TOOLS, b"needed by nothing")
    staged = released.push(a_package("team/etl", "2.0.0"))
    bundle = released.bundle(a_package("team/app").name, package)
    registry.switches.turn_read_only("now")

    for change in (
        lambda: registry.manifests.delete(PUBLISHER, TOOLS, Tag("v1")),
        lambda: registry.manifests.delete(PUBLISHER, TOOLS, put),
        lambda: registry.blobs.delete(PUBLISHER, TOOLS, spare),
        lambda: registry.publishing.admit(PUBLISHER, package.name, staged),
        lambda: registry.publishing.yank(PUBLISHER, package.name, "1.0.0", "wrong"),
        lambda: released.promote(bundle),
        lambda: registry.namespaces.set_public(ADMIN, "team", public=True),
        lambda: registry.namespaces.create(ADMIN, "new", public=False),
    ):
        with pytest.raises(ReadOnly):
            change()

    registry.switches.turn_read_only(None)
    assert registry.manifests.stat(READER, TOOLS, Tag("v1")).digest == put
    assert registry.manifests.stat(READER, repository, package.tag).warning is None
    assert registry.publishing.admit(PUBLISHER, package.name, staged).created


def test_a_start_ends_no_upload(given: Given) -> None:
    begun = given.registry.uploads.start(PUBLISHER, TOOLS)
    given.clock.advance(timedelta(days=30))
    given.registry.switches.turn_read_only("now")
    given.registry.prepare()
    assert given.registry.uploads.status(PUBLISHER, TOOLS, begun.id).size == 0


def test_the_operator_goes_on_writing(given: Given) -> None:
    given.registry.switches.turn_read_only("now")
    made = given.registry.tokens.create("ci", Role.READER, "team", None)
    assert given.registry.access.authenticate(made.text).name == "ci"


def test_reads_go_on(given: Given) -> None:
    digest = given.artifact(TOOLS, b"hello")
    given.registry.switches.turn_read_only("now")
    assert given.registry.manifests.stat(READER, TOOLS, digest).digest == digest
