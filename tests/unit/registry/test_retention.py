"""Retention: rules are judged as a table, tried without a trace, applied with an entry each."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from artifacts import media
from artifacts.digest import Digest
from artifacts.reference import PackageName, RepositoryName, Tag
from registry.audit import SERVER
from registry.errors import (
    Denied,
    InvalidValue,
    LeaseLost,
    ManifestUnknown,
    NamespaceUnknown,
    ReadOnly,
)
from registry.retention import Retention, Rule, TagFacts, Verdict, judge
from registry.schema import AuditRow, LeaseRow, NamespaceRow, ReviewRow, TagRow
from registry.sweep import Pace
from tests.builders import ADMIN, PUBLISHER, READER, Given, Package, a_manifest

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ONE = RepositoryName("team/one")
WEB = RepositoryName("team/web")
APP = PackageName("team", "app")
DAY = timedelta(days=1)


def a_tag(name: str, days: int, repository: str = "team/one", held: str | None = None) -> TagFacts:
    """Return a tag that changed so many days ago."""
    return TagFacts(repository, name, f"sha256:{name}", NOW - days * DAY, held)


def going(rules: list[Rule], *tags: TagFacts) -> set[str]:
    return {verdict.tag.name for verdict in judge(rules, tags, NOW) if verdict.goes}


class TestJudging:
    TAGS = (a_tag("a", 1), a_tag("b", 10), a_tag("c", 20), a_tag("d", 30))

    @pytest.mark.parametrize(
        ("rule", "gone"),
        [
            (Rule(keep_last=2), {"c", "d"}),
            (Rule(keep_last=0), {"a", "b", "c", "d"}),
            (Rule(keep_last=9), set()),
            (Rule(keep_days=15), {"c", "d"}),
            (Rule(keep_days=10), {"b", "c", "d"}),
            (Rule(keep_days=0), {"a", "b", "c", "d"}),
            (Rule(keep_last=1, keep_days=25), {"d"}),
            (Rule(keep_last=3, keep_days=5), {"d"}),
            (Rule(tags="[cd]", keep_last=0), {"c", "d"}),
            (Rule(tags="[cd]", keep_last=1), {"d"}),
            (Rule(repositories="two", keep_last=0), set()),
            (Rule(repositories="o*", keep_last=0), {"a", "b", "c", "d"}),
            (Rule(repositories="team/one", keep_last=0), set()),
        ],
    )
    def test_a_rule_keeps_what_it_says(self, rule: Rule, gone: set[str]) -> None:
        assert going([rule], *self.TAGS) == gone

    def test_the_first_rule_that_is_about_a_tag_counts(self) -> None:
        rules = [Rule(tags="a", keep_days=100), Rule(keep_last=1)]
        assert going(rules, *self.TAGS) == {"c", "d"}

    def test_each_rule_counts_its_own(self) -> None:
        rules = [Rule(tags="[ab]", keep_last=1), Rule(keep_last=1)]
        assert going(rules, *self.TAGS) == {"b", "d"}

    def test_what_is_held_stays_and_takes_no_place(self) -> None:
        held = a_tag("v1", 0, held="the release 1.0.0 is listed")
        assert going([Rule(keep_last=1)], held, *self.TAGS) == {"b", "c", "d"}

    def test_of_one_moment_the_last_name_is_newest(self) -> None:
        assert going([Rule(keep_last=1)], a_tag("1", 5), a_tag("2", 5)) == {"1"}

    def test_everything_has_a_reason(self) -> None:
        rules = [Rule(tags="[abc]", keep_last=1, keep_days=15)]
        held = a_tag("v1", 0, held="the server made it")
        said = {each.tag.name: each.why for each in judge(rules, (held, *self.TAGS), NOW)}
        assert said == {
            "v1": "the server made it",
            "a": "rule 1 keeps the last 1",
            "b": "rule 1 keeps 15 days",
            "c": "rule 1: it is not among the last 1 and it changed over 15 days ago",
            "d": "no rule is about it",
        }


class TestReading:
    def test_what_was_drawn_is_read_again(self) -> None:
        value = {"rules": [{"tags": "pr-*", "keep_last": 3}], "keep_untagged_days": 7}
        assert json.loads(Retention.read(value).draw()) == value
        assert Retention.read({}).draw() == "{}"

    @pytest.mark.parametrize(
        ("value", "said"),
        [
            ([], "it: "),
            ({"rule": []}, "rule: "),
            ({"rules": [{}]}, "rules.0: "),
            ({"rules": [{"keep_last": -1}]}, "rules.0.keep_last: "),
            ({"rules": [{"keep_days": "7"}]}, "rules.0.keep_days: "),
            ({"rules": [{"keep_last": 1, "tags": ""}]}, "rules.0.tags: "),
            ({"rules": [{"keep_last": 1}] * 51}, "rules: "),
            ({"keep_untagged_days": 1e9}, "keep_untagged_days: "),
        ],
    )
    def test_what_is_no_rule_is_refused_with_its_place(self, value: object, said: str) -> None:
        with pytest.raises(InvalidValue) as caught:
            Retention.read(value)
        assert said in str(caught.value)


KEEP_ONE = Retention(rules=(Rule(keep_last=1),))


def tags(given: Given, repository: RepositoryName = ONE) -> set[str]:
    return set(given.registry.tags.page(ADMIN, repository).names)


@pytest.fixture
def tagged(given: Given) -> Given:
    """Five tags of a repository, a day between each and the next; one of another."""
    for number in range(5):
        given.artifact(ONE, b"%d" % number, tag=f"t{number}")
        given.clock.advance(DAY)
    given.artifact(WEB, b"web")
    return given


class TestApplying:
    def test_what_is_simulated_is_what_is_applied(self, tagged: Given) -> None:
        retentions = tagged.registry.retentions
        retentions.set(ADMIN, "team", KEEP_ONE)
        tried = [each for each in retentions.simulate(ADMIN, "team") if each.goes]
        assert tags(tagged) == {"t0", "t1", "t2", "t3", "t4"}
        gone: list[Verdict] = []
        assert retentions.apply(ADMIN, "team", gone.append) == 4
        assert {each.tag.name for each in gone} == {each.tag.name for each in tried}
        assert tags(tagged) == {"t4"}
        assert tags(tagged, WEB) == {"v1"}
        with tagged.registry.database.session():
            entries = AuditRow.select().where(AuditRow.action == "tag.delete")
            assert {entry.target for entry in entries} == {f"team/one:t{n}" for n in range(4)}
            assert "not among the last 1" in entries[0].detail
        assert retentions.apply(ADMIN, "team") == 0

    def test_what_went_is_swept_after_the_grace(self, tagged: Given) -> None:
        tagged.registry.retentions.set(ADMIN, "team", KEEP_ONE)
        tagged.registry.retentions.apply(ADMIN, "team")
        tagged.clock.advance(tagged.config.sweep_grace)
        assert tagged.registry.sweep.run(Pace(wait=lambda _: None)).manifests == 4

    def test_signatures_in_tags_stay_with_what_they_sign(self, tagged: Given) -> None:
        def about(digest: Digest) -> str:
            return f"sha256-{digest.hex}.sig"

        kept, gone = Digest.of(a_manifest(b"4")), Digest.of(a_manifest(b"0"))
        for digest in (kept, gone, Digest.of(b"nothing here")):
            tagged.artifact(ONE, str(digest).encode(), tag=about(digest))
        retentions = tagged.registry.retentions
        retentions.set(ADMIN, "team", KEEP_ONE)
        said = {each.tag.name: each for each in retentions.simulate(ADMIN, "team")}
        assert said[about(kept)].why == f"it is about {kept}, and goes with it"
        retentions.apply(ADMIN, "team")
        assert tags(tagged) == {about(kept), about(gone), about(Digest.of(b"nothing here"))}
        retentions.apply(ADMIN, "team")
        tagged.clock.advance(tagged.config.sweep_grace)
        tagged.registry.sweep.run(Pace(wait=lambda _: None))
        assert about(gone) not in tags(tagged)

    def test_rules_can_be_tried_before_they_are_set(self, tagged: Given) -> None:
        retentions = tagged.registry.retentions
        tried = list(retentions.simulate(ADMIN, "team", KEEP_ONE))
        assert sum(each.goes for each in tried) == 4
        assert not any(each.goes for each in retentions.simulate(ADMIN, "team"))
        assert retentions.get(ADMIN, "team") is None
        assert retentions.apply(ADMIN, "team") == 0

    def test_rules_can_be_taken_away(self, tagged: Given) -> None:
        retentions = tagged.registry.retentions
        retentions.set(ADMIN, "team", KEEP_ONE)
        assert retentions.get(ADMIN, "team") == KEEP_ONE
        assert retentions.due() == ["team"]
        retentions.set(ADMIN, "team", None)
        assert retentions.due() == []

    def test_many_go_in_chunks(self, given: Given) -> None:
        given.artifact(ONE, b"all")
        with given.registry.database.write():
            row = TagRow.get()
            for number in range(250):
                TagRow.create(
                    repository=row.repository,
                    name=f"n{number}",
                    manifest=row.manifest,
                    is_server_owned=False,
                    changed=row.changed - number - 1,
                )
        given.registry.retentions.set(ADMIN, "team", KEEP_ONE)
        assert given.registry.retentions.apply(ADMIN, "team") == 250
        assert tags(given) == {"v1"}

    def test_what_is_immutable_listed_or_promoted_stays(
        self, released: Given, package: Package
    ) -> None:
        registry = released.registry
        released.promote(released.bundle(APP, package))
        with registry.database.write():
            for reference, name in ((package.tag, "latest"), (Tag("dev"), "mine")):
                row = TagRow.get(TagRow.name == reference.text)
                TagRow.create(
                    repository=row.repository,
                    name=name,
                    manifest=row.manifest,
                    is_server_owned=False,
                    changed=row.changed,
                )
        released.artifact(ONE, b"held", tag="v1")
        registry.namespaces.change(ADMIN, "team", {"immutable_tags": ["v*"]})
        registry.retentions.set(ADMIN, "team", Retention(rules=(Rule(keep_last=0),)))
        said = {
            f"{each.tag.repository}:{each.tag.name}": each.why
            for each in registry.retentions.simulate(ADMIN, "team")
        }
        assert said == {
            "team/etl:1.0.0": "the release 1.0.0 is listed",
            "team/etl:latest": "the release 1.0.0 is listed",
            "team/app:dev": "it is or was in the channel dev",
            "team/app:mine": "it is or was in the channel dev",
            "team/one:v1": "it is immutable, by the pattern v*",
        }
        assert registry.retentions.apply(ADMIN, "team") == 0

    def test_tags_that_change_meanwhile_are_decided_anew(
        self, tagged: Given, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        registry = tagged.registry
        registry.retentions.set(ADMIN, "team", KEEP_ONE)
        require = registry.switches.require_writable

        def delete_the_newest_first() -> None:
            monkeypatch.setattr(registry.switches, "require_writable", require)
            registry.manifests.delete(PUBLISHER, ONE, Tag("t4"))

        monkeypatch.setattr(registry.switches, "require_writable", delete_the_newest_first)
        assert registry.retentions.apply(ADMIN, "team") == 3
        assert tags(tagged) == {"t3"}

    @pytest.mark.parametrize("is_moved", [True, False])
    def test_one_that_is_pushed_again_stays(
        self, tagged: Given, monkeypatch: pytest.MonkeyPatch, *, is_moved: bool
    ) -> None:
        """Within the second in which another changed, too."""
        registry = tagged.registry
        days = Retention(rules=(Rule(keep_days=1),))
        registry.retentions.set(ADMIN, "team", days)
        tagged.clock.advance(timedelta(days=2))
        data = b"newest" if is_moved else None
        tagged.artifact(ONE, b"another", tag="newest")
        require = registry.switches.require_writable

        def push_first() -> None:
            monkeypatch.setattr(registry.switches, "require_writable", require)
            old = registry.manifests.get(ADMIN, ONE, Tag("t0")).data
            if data is not None:
                tagged.artifact(ONE, data, tag="t0")
            else:
                registry.manifests.put(ADMIN, ONE, Tag("t0"), old, None)

        monkeypatch.setattr(registry.switches, "require_writable", push_first)
        registry.retentions.apply(ADMIN, "team")
        assert tags(tagged) == {"newest", "t0"}

    def test_what_was_just_made_immutable_stays(
        self, tagged: Given, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        registry = tagged.registry
        registry.retentions.set(ADMIN, "team", KEEP_ONE)
        require = registry.switches.require_writable

        def hold_them_first() -> None:
            monkeypatch.setattr(registry.switches, "require_writable", require)
            NamespaceRow.update(immutable_tags='["t[0-3]"]').execute()

        monkeypatch.setattr(registry.switches, "require_writable", hold_them_first)
        assert registry.retentions.apply(ADMIN, "team") == 0
        assert len(tags(tagged)) == 5

    def test_one_that_changes_all_the_time_is_left_to_the_next_time(
        self, tagged: Given, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        registry = tagged.registry
        registry.retentions.set(ADMIN, "team", KEEP_ONE)
        stamps = iter(range(1000))
        monkeypatch.setattr("registry.retention._stamp", lambda _: next(stamps))
        assert registry.retentions.apply(ADMIN, "team") == 0
        assert len(tags(tagged)) == 5

    def test_many_are_decided_about_once(
        self, given: Given, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(30):
            given.artifact(ONE, b"%d" % number, tag=f"t{number}")
        monkeypatch.setattr("registry.retention._CHUNK", 4)
        retentions = given.registry.retentions
        retentions.set(ADMIN, "team", KEEP_ONE)
        asked: list[int] = []

        def counting(*of: Any) -> list[Verdict]:
            asked.append(1)
            return judge(*of)

        monkeypatch.setattr("registry.retention.judge", counting)
        assert retentions.apply(ADMIN, "team") == 29
        assert len(asked) == 1
        assert len(tags(given)) == 1

    def test_only_its_owner_may(self, tagged: Given) -> None:
        retentions = tagged.registry.retentions
        with pytest.raises(Denied):
            retentions.get(READER, "team")
        with pytest.raises(Denied):
            list(retentions.simulate(READER, "team"))
        with pytest.raises(NamespaceUnknown):
            retentions.set(ADMIN, "nobody", KEEP_ONE)

    def test_nothing_goes_while_nothing_may_be_written(self, tagged: Given) -> None:
        tagged.registry.retentions.set(ADMIN, "team", KEEP_ONE)
        tagged.registry.switches.turn_read_only("a backup")
        with pytest.raises(ReadOnly):
            tagged.registry.retentions.apply(ADMIN, "team")
        assert len(tags(tagged)) == 5

    def test_under_a_lease_that_was_lost_nothing_goes(self, tagged: Given) -> None:
        tagged.registry.retentions.set(ADMIN, "team", KEEP_ONE)
        lease = tagged.registry.leases.take("retention")
        with tagged.registry.database.write():
            LeaseRow.update(holder="another").execute()
        with pytest.raises(LeaseLost):
            tagged.registry.retentions.apply(SERVER, "team", lease=lease)
        assert len(tags(tagged)) == 5


class TestUntagged:
    def test_what_has_no_tag_stays_as_long_as_the_rules_say(self, given: Given) -> None:
        given.registry.retentions.set(ADMIN, "team", Retention(keep_untagged_days=30))
        digest = given.artifact(ONE, b"layer")
        given.registry.manifests.delete(PUBLISHER, ONE, Tag("v1"))
        given.clock.advance(given.config.sweep_grace)
        assert list(given.registry.sweep.preview()) == []
        assert given.registry.sweep.run(Pace(wait=lambda _: None)).manifests == 0
        given.clock.advance(28 * DAY)
        assert given.registry.sweep.run(Pace(wait=lambda _: None)).manifests == 0
        assert given.registry.manifests.stat(PUBLISHER, ONE, digest)
        given.clock.advance(DAY)
        assert given.registry.sweep.run(Pace(wait=lambda _: None)).manifests == 1

    @pytest.mark.parametrize("grace", [0, 3600])
    def test_a_sweep_with_a_shorter_grace_leaves_it_and_ends(
        self, given: Given, grace: int
    ) -> None:
        given.registry.retentions.set(ADMIN, "team", Retention(keep_untagged_days=1))
        digest = given.artifact(ONE, b"layer")
        given.registry.manifests.delete(PUBLISHER, ONE, Tag("v1"))
        given.clock.advance(timedelta(hours=2))
        batches: list[object] = []
        pace = Pace(
            grace=grace,
            wait=lambda _: None,
            told=batches.append,
            is_stopped=lambda: len(batches) > 10,
        )
        done = given.registry.sweep.run(pace)
        assert done.is_done
        assert done.manifests == 0
        given.clock.advance(3 * DAY)
        assert given.registry.sweep.run(Pace(wait=lambda _: None)).manifests == 1
        with pytest.raises(ManifestUnknown):
            given.registry.manifests.stat(PUBLISHER, ONE, digest)

    def test_what_an_index_held_waits_for_the_grace_only(self, given: Given) -> None:
        given.registry.retentions.set(ADMIN, "team", Retention(keep_untagged_days=30))
        leaf = a_manifest(b"leaf")
        given.manifest(ONE, leaf, media.EMPTY_JSON, b"leaf")
        index = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": media.INDEX,
                "manifests": [
                    {
                        "mediaType": media.MANIFEST,
                        "digest": str(Digest.of(leaf)),
                        "size": len(leaf),
                    }
                ],
            }
        ).encode()
        given.registry.manifests.put(PUBLISHER, ONE, Tag("v1"), index, media.INDEX)
        given.registry.manifests.delete(PUBLISHER, ONE, Digest.of(index))
        given.clock.advance(given.config.sweep_grace)
        assert given.registry.sweep.run(Pace(wait=lambda _: None)).manifests == 1


def test_maintenance_applies_rules_once_a_day(tagged: Given) -> None:
    registry = tagged.registry
    registry.retentions.set(ADMIN, "team", KEEP_ONE)
    registry.maintenance.turn()
    assert tags(tagged) == {"t4"}
    tagged.artifact(ONE, b"more", tag="t5")
    registry.maintenance.turn()
    assert tags(tagged) == {"t4", "t5"}
    tagged.clock.advance(DAY)
    held = registry.leases.take("retention")
    registry.maintenance.turn()
    assert tags(tagged) == {"t4", "t5"}
    held.release()
    registry.maintenance.turn()
    assert tags(tagged) == {"t5"}
    with registry.database.session():
        assert ReviewRow.select().count() > 0
        assert NamespaceRow.select().count() == 1
