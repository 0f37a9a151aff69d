"""Who requires a package, what a release leads to, what a yank affects; and who is told."""

from collections.abc import Callable

import pytest

from artifacts.reference import PackageName
from registry.access import Principal
from registry.errors import (
    InvalidValue,
    NamespaceUnknown,
    NotAuthenticated,
    PackageUnknown,
    RegistryError,
    ReleaseUnknown,
)
from registry.relations import SHOWN_RELEASES, Relations
from registry.schema import ReleaseRequirementRow, ReleaseRow
from tests.builders import (
    ADMIN,
    NOBODY,
    PROMOTER,
    PUBLISHER,
    READER,
    STRANGER,
    Given,
    a_package,
)

BASE = PackageName("open", "base")
CLEAN = PackageName("team", "clean")
APP = PackageName("team", "app")


@pytest.fixture(scope="module")
def filled(with_namespace: Given, tmp_path_factory: pytest.TempPathFactory) -> Given:
    """The private namespace team over the public open: who requires whom.

    ::

        team/app in dev ── team/report 1.0.0 ─┬─ team/clean 1.0.0 ── open/base 1.0.0
                                              └─ open/base
        open/tool 1.0.0 ── open/base, team/secret
    """
    given = with_namespace.copied_to(tmp_path_factory.mktemp("relations") / "data")
    given.namespace("open", public=True)
    base, base_2 = a_package("open/base"), a_package("open/base", "2.0.0")
    clean = a_package("team/clean", requires={"open/base": "^1"})
    report = a_package("team/report", requires={"team/clean": "^1", "open/base": "*"})
    tool = a_package("open/tool", requires={"open/base": "^2", "team/secret": "*"})
    for package in (base, base_2, tool):
        given.publish(package, by=ADMIN)
    for package in (
        clean,
        a_package("team/clean", "1.1.0"),
        report,
        a_package("team/secret"),
    ):
        given.publish(package)
    bundle = given.bundle(APP, report, base, clean)
    given.promote(bundle)
    return given


@pytest.fixture
def relations(filled: Given) -> Relations:
    return filled.registry.relations


def test_what_a_release_requires_is_kept_as_rows(filled: Given) -> None:
    with filled.registry.database.session():
        rows = ReleaseRequirementRow.select().join(ReleaseRow)
        found = sorted((row.release.repository.name, row.package, row.wanted) for row in rows)
    assert found == [
        ("open/tool", "open/base", "^2"),
        ("open/tool", "team/secret", "*"),
        ("team/clean", "open/base", "^1"),
        ("team/report", "open/base", "*"),
        ("team/report", "team/clean", "^1"),
    ]


class TestDependents:
    def test_each_who_requires_it_says_how(self, relations: Relations) -> None:
        found = relations.dependents(READER, BASE)

        drawn = [
            (
                str(one.name),
                one.newest,
                one.is_current,
                [(r.version, r.range) for r in one.releases],
            )
            for one in found.dependents
        ]
        assert drawn == [
            ("open/tool", "1.0.0", True, [("1.0.0", "^2")]),
            ("team/clean", "1.1.0", False, [("1.0.0", "^1")]),
            ("team/report", "1.0.0", True, [("1.0.0", "*")]),
        ]
        assert found.next is None

    def test_they_come_in_pages(self, relations: Relations) -> None:
        first = relations.dependents(READER, BASE, limit=2)
        rest = relations.dependents(READER, BASE, first.next, 2)

        assert [str(one.name) for one in first.dependents] == ["open/tool", "team/clean"]
        assert [str(one.name) for one in rest.dependents] == ["team/report"]
        assert first.next == "team/clean"
        assert (rest.next, rest.holders) == (None, ())
        for limit in (0, 101):
            with pytest.raises(InvalidValue):
                relations.dependents(READER, BASE, limit=limit)

    def test_applications_that_hold_it(self, relations: Relations) -> None:
        (holder,) = relations.dependents(READER, BASE).holders
        assert (holder.application, holder.bundles, holder.versions, holder.channels) == (
            APP,
            1,
            ("1.0.0",),
            (("dev", "1.0.0"),),
        )
        assert relations.dependents(READER, PackageName("team", "secret")).holders == ()

    def test_a_yanked_release_is_not_the_newest(self, given: Given) -> None:
        versions = [f"1.{number}.0" for number in range(SHOWN_RELEASES + 1)]
        given.publish(a_package("team/clean"))
        for version in versions:
            given.publish(a_package("team/etl", version, requires={"team/clean": "*"}))
        etl = PackageName("team", "etl")
        given.registry.publishing.yank(PUBLISHER, etl, versions[-1], "wrong")

        (one,) = given.registry.relations.dependents(READER, CLEAN).dependents

        assert (one.newest, one.count) == (versions[-2], len(versions))
        assert len(one.releases) == SHOWN_RELEASES
        assert [each.is_yanked for each in one.releases[:2]] == [True, False]
        for version in versions[:-1]:
            given.registry.publishing.yank(PUBLISHER, etl, version, "wrong")
        (one,) = given.registry.relations.dependents(READER, CLEAN).dependents
        assert (one.newest, one.is_current) == (None, False)


class TestAffected:
    def test_bundles_channels_and_who_is_left_without(self, relations: Relations) -> None:
        found = relations.affected(READER, BASE, "1.0.0")

        (bundle,) = found.bundles
        assert (bundle.application, bundle.channels, found.bundle_count) == (APP, ("dev",), 1)
        assert found.channels == ((APP, "dev"),)
        assert [(str(one.name), one.version, one.range) for one in found.stranded] == [
            ("team/clean", "1.0.0", "^1")  # `*` of team/report has open/base 2.0.0
        ]
        assert (found.stranded_count, found.is_yanked) == (1, False)

    def test_a_release_that_nobody_holds(self, relations: Relations) -> None:
        found = relations.affected(READER, CLEAN, "1.1.0")
        assert (found.bundles, found.channels, found.stranded) == ((), (), ())

    def test_bundles_that_no_channel_points_to_any_more(self, given: Given) -> None:
        clean = a_package("team/clean")
        etl = a_package("team/etl", requires={"team/clean": "*"})
        for package in (clean, etl):
            given.publish(package)
        first = given.bundle(APP, clean)
        given.promote(first)
        second = given.bundle(APP, etl, clean)

        found = given.registry.relations.affected(PROMOTER, CLEAN, "1.0.0")
        assert [(one.digest, one.channels) for one in found.bundles] == [
            (first.digest, ("dev",)),
            (second.digest, ()),
        ]
        assert found.bundle_count == 2
        given.registry.publishing.yank(PUBLISHER, CLEAN, "1.0.0", "wrong")
        assert given.registry.relations.affected(PROMOTER, CLEAN, "1.0.0").is_yanked


class TestGraph:
    def test_it_leads_to_the_newest_in_each_range(self, relations: Relations) -> None:
        found = relations.graph(READER, PackageName("team", "report"), "1.0.0")

        assert [(node.id, node.depth) for node in found.nodes] == [
            ("team/report@1.0.0", 0),
            ("open/base@2.0.0", 1),
            ("team/clean@1.1.0", 1),
        ]
        assert [(edge.source, edge.target, edge.range) for edge in found.edges] == [
            ("team/report@1.0.0", "open/base@2.0.0", "*"),
            ("team/report@1.0.0", "team/clean@1.1.0", "^1"),
        ]
        assert found.is_whole

    def test_it_is_cut_off(self, relations: Relations) -> None:
        found = relations.graph(READER, PackageName("team", "report"), "1.0.0", limit=2)
        assert len(found.nodes) == 2
        assert len(found.edges) == 1
        assert not found.is_whole

    def test_rings_and_what_is_yanked_or_nowhere(self, given: Given) -> None:
        given.publish(a_package("team/a", requires={"team/b": "*"}))
        given.publish(a_package("team/b", requires={"team/a": "*", "team/none": "*"}))
        given.publish(a_package("team/b", "1.1.0"))
        given.registry.publishing.yank(PUBLISHER, PackageName("team", "b"), "1.1.0", "wrong")

        found = given.registry.relations.graph(READER, PackageName("team", "a"), "1.0.0")

        assert [node.id for node in found.nodes] == ["team/a@1.0.0", "team/b@1.0.0", "team/none"]
        assert ("team/b@1.0.0", "team/a@1.0.0") in {(e.source, e.target) for e in found.edges}
        (alone,) = given.registry.relations.graph(READER, PackageName("team", "b"), "1.1.0").nodes
        assert alone.is_yanked


class TestWhoIsTold:
    @pytest.mark.parametrize("who", [NOBODY, STRANGER])
    def test_nothing_private_shows_in_what_is_public(
        self, who: Principal, relations: Relations
    ) -> None:
        found = relations.dependents(who, BASE)
        assert [str(one.name) for one in found.dependents] == ["open/tool"]
        assert (found.holders, found.are_all_holders) == ((), True)
        affected = relations.affected(who, BASE, "1.0.0")
        assert (affected.bundles, affected.bundle_count, affected.channels) == ((), 0, ())
        assert (affected.stranded, affected.stranded_count) == ((), 0)

    @pytest.mark.parametrize("who", [NOBODY, STRANGER])
    def test_what_is_private_looks_as_if_it_were_not_there(
        self, who: Principal, filled: Given, given: Given
    ) -> None:
        tool = PackageName("open", "tool")
        hidden = filled.registry.relations.graph(who, tool, "1.0.0")
        assert {node.id for node in hidden.nodes} == {
            "open/tool@1.0.0",
            "open/base@2.0.0",
            "team/secret",
        }
        # the same where there is no such package at all
        given.namespace("open", public=True)
        given.publish(a_package("open/base", "2.0.0"), by=ADMIN)
        given.publish(
            a_package("open/tool", requires={"open/base": "^2", "team/secret": "*"}), by=ADMIN
        )
        assert given.registry.relations.graph(who, tool, "1.0.0") == hidden
        shown = filled.registry.relations.graph(READER, tool, "1.0.0")
        assert "team/secret@1.0.0" in {node.id for node in shown.nodes}

    @pytest.mark.parametrize(
        ("who", "error"), [(NOBODY, NotAuthenticated), (STRANGER, NamespaceUnknown)]
    )
    def test_a_private_package_can_not_be_asked_about(
        self, who: Principal, error: type[RegistryError], relations: Relations
    ) -> None:
        asking: list[Callable[[], object]] = [
            lambda: relations.dependents(who, CLEAN),
            lambda: relations.affected(who, CLEAN, "1.0.0"),
            lambda: relations.graph(who, CLEAN, "1.0.0"),
        ]
        for ask in asking:
            with pytest.raises(error):
                ask()

    def test_what_is_not_there(self, relations: Relations) -> None:
        with pytest.raises(PackageUnknown):
            relations.dependents(READER, APP)
        for ask in (relations.affected, relations.graph):
            with pytest.raises(ReleaseUnknown):
                ask(READER, CLEAN, "9.9.9")


class TestExtras:
    @pytest.fixture
    def relations(self, given: Given) -> Relations:
        """team/etl requires team/clean always and with `all`, team/send with `mail` alone."""
        for package in (
            a_package("team/clean", extras={"fast": {"team/sum": "*"}}),
            a_package("team/clean", "2.0.0"),
            a_package("team/send"),
            a_package("team/sum"),
            a_package(
                "team/etl",
                requires={"team/clean": "*"},
                extras={
                    "all": {"team/clean": "[fast] <2", "team/send": "^1"},
                    "mail": {"team/send": "^1"},
                },
            ),
            a_package("team/top", requires={"team/etl": "[all,mail] *"}),
        ):
            given.publish(package)
        return given.registry.relations

    def test_it_is_said_with_which_one_a_release_requires(self, relations: Relations) -> None:
        (etl,) = relations.dependents(READER, PackageName("team", "send")).dependents
        assert [(one.range, one.extra) for one in etl.releases] == [("^1", "all")]
        (etl,) = relations.dependents(READER, CLEAN).dependents
        assert [(one.range, one.extra) for one in etl.releases] == [("*", None)]

    def test_a_yank_strands_what_an_extra_requires(self, relations: Relations) -> None:
        found = relations.affected(READER, CLEAN, "1.0.0").stranded
        assert [(str(one.name), one.range, one.extra) for one in found] == [
            ("team/etl", "<2", "all")
        ]

    def test_a_graph_has_what_extras_ask_for(self, relations: Relations) -> None:
        found = relations.graph(READER, PackageName("team", "top"), "1.0.0")
        assert {node.id for node in found.nodes} == {
            "team/top@1.0.0",
            "team/etl@1.0.0",
            "team/clean@2.0.0",
            "team/clean@1.0.0",
            "team/send@1.0.0",
            "team/sum@1.0.0",
        }
        alone = relations.graph(READER, PackageName("team", "etl"), "1.0.0")
        assert [node.id for node in alone.nodes] == ["team/etl@1.0.0", "team/clean@2.0.0"]
