"""Promotions: through the gates, one after the other, each with its signed record."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.reference import PackageName, Tag
from registry.access import Principal, Role
from registry.bundles import Bundle
from registry.errors import (
    ApplicationUnknown,
    BundleUnknown,
    ChannelUnknown,
    Denied,
    GateClosed,
    NamespaceUnknown,
    NotAuthenticated,
    PointerMoved,
    ServerOwned,
)
from registry.schema import AuditRow, EventRow
from signing.statement import (
    Kind,
    Promotion,
    Statement,
    bundle_statement,
    read_statement_manifest,
)
from signing.verify import verify
from tests.builders import (
    ADMIN,
    NOBODY,
    PROMOTER,
    PUBLISHER,
    READER,
    STRANGER,
    Given,
    Package,
    a_package,
    a_principal,
    a_referrer,
)
from tests.keys import OTHER, SIGNER

APP = PackageName("team", "app")


@pytest.fixture
def bundle(released: Given, package: Package) -> Bundle:
    """A signed bundle of the release, in no channel yet."""
    return released.bundle(APP, package)


def another(given: Given, version: str = "2.0.0") -> Bundle:
    package = a_package("team/etl", version)
    given.publish(package)
    return given.bundle(APP, package)


def pointers(given: Given) -> list[Digest | None]:
    return [each.bundle for each in given.registry.channels.application(READER, APP).channels]


def read(given: Given, digest: Digest) -> bytes:
    blobs = given.registry.blobs
    with blobs.open(blobs.stat(READER, APP.repository, digest)) as stream:
        return stream.read()


def test_a_bundle_passes_every_channel_in_order(released: Given, bundle: Bundle) -> None:
    for channel in ("dev", "staging", "production"):
        released.promote(bundle, channel)
    assert pointers(released) == [bundle.digest] * 3
    application = released.registry.channels.application(READER, APP)
    assert [each.name for each in application.channels] == ["dev", "staging", "production"]
    assert [each.position for each in application.channels] == [0, 1, 2]
    assert application.channels[2].promoted == released.clock.now
    assert application.channels[2].promoted_by == "promoter"


def test_a_channel_is_a_tag_of_the_servers(released: Given, bundle: Bundle) -> None:
    released.promote(bundle)
    stored = released.registry.manifests.get(READER, APP.repository, Tag("dev"))
    assert stored.info.digest == bundle.digest
    with pytest.raises(ServerOwned):
        released.registry.manifests.delete(ADMIN, APP.repository, Tag("dev"))
    newer = another(released)
    released.promote(newer, "dev", bundle.digest)
    stored = released.registry.manifests.get(READER, APP.repository, Tag("dev"))
    assert stored.info.digest == newer.digest


def test_the_record_says_everything_and_is_signed_by_the_server(
    released: Given, bundle: Bundle
) -> None:
    registry = released.registry
    first = released.promote(bundle)
    released.clock.advance(timedelta(hours=1))
    newer = another(released)
    made = released.promote(newer, "dev", bundle.digest)
    stored = registry.manifests.get(READER, APP.repository, made.record)
    assert stored.info.subject == newer.digest
    referrer = read_statement_manifest(stored.data)
    assert referrer.kind is Kind.PROMOTION
    statement, signature = (
        read(released, part.digest) for part in (referrer.statement, referrer.signature)
    )
    verified = verify(statement, signature, [registry.server_key.public_key()])
    assert verified.fingerprint == registry.server_key.fingerprint
    said = Promotion.read(Statement.parse(statement))
    assert (said.application, said.channel, said.came_from) == (APP, "dev", None)
    assert (said.bundle, said.previous_bundle) == (newer.digest, bundle.digest)
    assert said.previous == first.record
    assert (said.asked_by.name, said.asked_by.role, said.asked_by.proof) == (
        "promoter",
        "promoter",
        "token",
    )
    assert said.time == released.clock.now == made.at
    assert said.evidence == made.evidence
    assert len(made.evidence) == 1


def test_history_is_the_chain_of_records_newest_first(released: Given, bundle: Bundle) -> None:
    first = released.promote(bundle)
    newer = another(released)
    second = released.promote(newer, "dev", bundle.digest)
    assert released.registry.promotions.history(READER, APP, "dev") == (second, first)
    assert second.previous == first.record
    assert released.registry.promotions.history(READER, APP, "staging") == ()


def test_promoting_what_is_there_already_changes_nothing(released: Given, bundle: Bundle) -> None:
    first = released.promote(bundle)
    assert released.promote(bundle, "dev", bundle.digest) == first
    assert released.promote(bundle, "dev", None) == first
    assert len(released.registry.promotions.history(READER, APP, "dev")) == 1


def test_an_earlier_bundle_may_come_back(released: Given, bundle: Bundle) -> None:
    released.promote(bundle)
    released.promote(bundle, "staging")
    newer = another(released)
    released.promote(newer, "dev", bundle.digest)
    released.promote(newer, "staging", bundle.digest)
    back = released.promote(bundle, "staging", newer.digest)
    assert back.from_channel == "dev"
    assert pointers(released) == [newer.digest, bundle.digest, None]


class TestThePointer:
    def test_one_that_moved_is_refused_naming_both(self, released: Given, bundle: Bundle) -> None:
        newer = another(released)
        released.promote(newer)
        with pytest.raises(PointerMoved) as refused:
            released.promote(bundle, "dev", None)
        assert (refused.value.expected, refused.value.found) == (None, str(newer.digest))
        assert pointers(released)[0] == newer.digest

    def test_one_that_is_not_where_it_was_expected_is_refused(
        self, released: Given, bundle: Bundle
    ) -> None:
        wanted = Digest.of(b"another")
        with pytest.raises(PointerMoved) as refused:
            released.promote(bundle, "dev", wanted)
        assert (refused.value.expected, refused.value.found) == (str(wanted), None)

    def test_another_that_moves_it_meanwhile_wins(
        self, released: Given, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        newer = another(released)
        with Meanwhile(released, monkeypatch, lambda: released.promote(newer)):
            with pytest.raises(PointerMoved) as refused:
                released.promote(bundle)
            assert refused.value.found == str(newer.digest)

    def test_another_that_moves_it_to_the_same_bundle_is_no_conflict(
        self, released: Given, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with Meanwhile(released, monkeypatch, lambda: released.promote(bundle)):
            made = released.promote(bundle)
        assert released.registry.promotions.history(READER, APP, "dev") == (made,)

    def test_there_and_back_meanwhile_is_a_move_too(
        self, released: Given, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        newer, newest = another(released), another(released, "3.0.0")
        released.promote(newer)

        def there_and_back() -> None:
            released.promote(newest, "dev", newer.digest)
            released.promote(newer, "dev", newest.digest)

        with (
            Meanwhile(released, monkeypatch, there_and_back),
            pytest.raises(PointerMoved),
        ):
            released.promote(bundle, "dev", newer.digest)
        assert pointers(released)[0] == newer.digest


class Meanwhile:
    """Does something else once, while the server signs: what another worker would do then."""

    def __init__(
        self, given: Given, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]
    ) -> None:
        self._given = given
        self._monkeypatch = monkeypatch
        self._act = act

    def __enter__(self) -> None:
        key = self._given.registry.server_key
        sign = key.sign

        def sign_late(data: bytes) -> str:
            self._monkeypatch.undo()
            self._act()
            return sign(data)

        self._monkeypatch.setattr(key, "sign", sign_late)

    def __exit__(self, *_: object) -> None:
        self._monkeypatch.undo()


class TestGates:
    def test_an_unsigned_bundle_goes_nowhere(self, released: Given, package: Package) -> None:
        bundle = released.bundle(APP, package, signed_by=None)
        with pytest.raises(GateClosed, match="has no signature") as refused:
            released.promote(bundle)
        assert refused.value.bundle == str(bundle.digest)
        assert pointers(released) == [None, None, None]

    def test_one_signed_by_a_stranger_goes_nowhere(self, released: Given, package: Package) -> None:
        bundle = released.bundle(APP, package, signed_by=OTHER)
        with pytest.raises(GateClosed, match="unknown key"):
            released.promote(bundle)

    @pytest.mark.parametrize("role", ["release", "promote"])
    def test_a_key_of_either_role_signs_bundles(
        self, released: Given, package: Package, role: str
    ) -> None:
        released.registry.namespaces.add_key(ADMIN, "team", OTHER.public, [role])
        bundle = released.bundle(APP, package, signed_by=OTHER)
        assert released.promote(bundle).bundle == bundle.digest

    def test_a_statement_about_other_packages_does_not_count(
        self, released: Given, package: Package
    ) -> None:
        bundle = released.bundle(APP, package, signed_by=None)
        said = bundle_statement(APP, bundle.digest, {"team/etl": "9.9.9"}).to_bytes()
        subject = Descriptor(media.INDEX, bundle.digest, bundle.size)
        released.referrer(
            APP.repository, a_referrer(subject, Kind.BUNDLE, said, SIGNER), by=PROMOTER
        )
        with pytest.raises(GateClosed, match="about another bundle"):
            released.promote(bundle)

    def test_a_statement_that_cannot_be_read_does_not_count(
        self, released: Given, package: Package
    ) -> None:
        bundle = released.bundle(APP, package, signed_by=None)
        subject = Descriptor(media.INDEX, bundle.digest, bundle.size)
        referrer = a_referrer(subject, Kind.BUNDLE, b"{}", SIGNER)
        broken = referrer.manifest.replace(media.PGP_SIGNATURE.encode(), b"application/other-type")
        released.manifest(APP.repository, broken, *referrer.blobs, by=PROMOTER)
        with pytest.raises(GateClosed, match="layers are"):
            released.promote(bundle)

    def test_a_statement_that_is_too_large_is_not_read(
        self, released: Given, package: Package
    ) -> None:
        bundle = released.bundle(APP, package, signed_by=None)
        subject = Descriptor(media.INDEX, bundle.digest, bundle.size)
        large = b"x" * ((8 << 20) + 1)
        referrer = a_referrer(subject, Kind.BUNDLE, large, b"no signature")
        released.manifest(APP.repository, referrer.manifest, *referrer.blobs, by=PROMOTER)
        with pytest.raises(GateClosed, match="8388609 bytes, over the limit of 8388608"):
            released.promote(bundle)

    def test_statements_of_other_kinds_are_no_signature(
        self, released: Given, bundle: Bundle
    ) -> None:
        subject = Descriptor(media.INDEX, bundle.digest, bundle.size)
        said = bundle_statement(APP, bundle.digest, bundle.packages).to_bytes()
        released.referrer(APP.repository, a_referrer(subject, Kind.TEST, said, OTHER), by=PROMOTER)
        assert len(released.promote(bundle).evidence) == 1

    def test_a_channel_is_not_skipped(self, released: Given, bundle: Bundle) -> None:
        with pytest.raises(GateClosed, match="promote it there first"):
            released.promote(bundle, "production")

    def test_a_part_that_was_yanked_closes_the_next_gate(
        self, released: Given, bundle: Bundle, package: Package
    ) -> None:
        released.promote(bundle)
        released.registry.publishing.yank(PUBLISHER, package.name, "1.0.0", "it loses rows")
        with pytest.raises(GateClosed, match="it loses rows"):
            released.promote(bundle, "staging")

    def test_a_yank_while_the_server_signs_is_seen(
        self,
        released: Given,
        bundle: Bundle,
        package: Package,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def yank() -> None:
            released.registry.publishing.yank(PUBLISHER, package.name, "1.0.0", "it loses rows")

        with (
            Meanwhile(released, monkeypatch, yank),
            pytest.raises(GateClosed, match="it loses rows"),
        ):
            released.promote(bundle)
        assert pointers(released) == [None, None, None]


class TestWho:
    @pytest.mark.parametrize(
        ("principal", "refusal"),
        [
            (NOBODY, NotAuthenticated),
            (STRANGER, NamespaceUnknown),
            (READER, Denied),
            (PUBLISHER, Denied),
        ],
    )
    def test_others_promote_nothing(
        self, released: Given, bundle: Bundle, principal: Principal, refusal: type[Exception]
    ) -> None:
        with pytest.raises(refusal):
            released.promote(bundle, by=principal)

    def test_a_session_is_named_in_the_record(self, released: Given, bundle: Bundle) -> None:
        manager = a_principal(Role.PROMOTER, "team", name="mo")
        made = released.promote(bundle, by=manager)
        assert (made.asked_by, made.role, made.proof) == ("mo", "promoter", "token")


def test_what_is_not_there_is_said(released: Given, bundle: Bundle, package: Package) -> None:
    promotions = released.registry.promotions
    with pytest.raises(ApplicationUnknown):
        promotions.history(READER, PackageName("team", "none"), "dev")
    with pytest.raises(ApplicationUnknown):
        released.registry.channels.application(READER, package.name)
    with pytest.raises(ChannelUnknown) as refused:
        promotions.promote(PROMOTER, APP, "prod", bundle.digest, None)
    assert refused.value.known == ("dev", "staging", "production")
    with pytest.raises(BundleUnknown):
        promotions.promote(PROMOTER, APP, "dev", package.digest, None)


def test_a_promotion_leaves_an_event_and_an_entry(released: Given, bundle: Bundle) -> None:
    released.promote(bundle)
    with released.registry.database.session():
        events = [row.kind for row in EventRow.select().order_by(EventRow.id)]
        entry = AuditRow.get(AuditRow.action == "channel.promote")
    assert events[-1] == "channel.promoted"
    assert (entry.actor, entry.target) == ("promoter", "team/app:dev")
