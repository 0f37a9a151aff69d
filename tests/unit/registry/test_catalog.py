"""The catalog: search in what one may read, and a package's page."""

import json
from datetime import timedelta

import pytest

from artifacts.digest import Digest
from artifacts.reference import PackageName
from registry.access import Principal
from registry.catalog import ChannelUse
from registry.errors import InvalidValue, NamespaceUnknown, NotAuthenticated, PackageUnknown
from registry.publish import Yank
from tests.builders import (
    ADMIN,
    NOBODY,
    PLATFORM,
    PUBLISHER,
    READER,
    STRANGER,
    Given,
    Package,
    a_package,
)
from tests.keys import SIGNER

APP = PackageName("team", "app")


@pytest.fixture(scope="module")
def several(with_namespace: Given, tmp_path_factory: pytest.TempPathFactory) -> Given:
    given = with_namespace.copied_to(tmp_path_factory.mktemp("catalog") / "data")
    given.namespace("open", public=True)
    for name, summary in {
        "team/clean": "Cleans ROWS of tables",
        "team/etl-daily": "Moves numbers",
        "team/etl-weekly": "Moves 100% of numbers",
        "open/base": "A base for tables",
    }.items():
        given.publish(a_package(name, summary=summary), by=ADMIN)
    given.push(a_package("team/staged"))
    given.artifact(a_package("team/tools").repository, b"x")
    return given


def found(given: Given, query: str, who: Principal = READER) -> list[str]:
    return [str(one.name) for one in given.registry.catalog.search(who, query).packages]


class TestSearch:
    @pytest.mark.parametrize(
        ("query", "names"),
        [
            ("", ["open/base", "team/clean", "team/etl-daily", "team/etl-weekly"]),
            ("etl", ["team/etl-daily", "team/etl-weekly"]),
            ("tables", ["open/base", "team/clean"]),
            ("rows TABLES", ["team/clean"]),
            ("etl daily", ["team/etl-daily"]),
            ("etl tables", []),
            ("100%", ["team/etl-weekly"]),
            ("%", ["team/etl-weekly"]),
            ("etl_daily", []),
            ("staged", []),
            ("tools", []),
            ("'; drop table release; --", []),
        ],
    )
    def test_a_query_finds_what_has_every_word(
        self, several: Given, query: str, names: list[str]
    ) -> None:
        assert found(several, query) == names

    def test_each_finds_what_it_may_read(self, several: Given) -> None:
        assert found(several, "", NOBODY) == ["open/base"]
        assert found(several, "", STRANGER) == ["open/base"]
        assert len(found(several, "", ADMIN)) == 4

    def test_pages_follow_each_other(self, several: Given) -> None:
        first = several.registry.catalog.search(READER, limit=3)
        assert [one.name.name for one in first.packages] == ["base", "clean", "etl-daily"]
        assert first.next == "team/etl-daily"
        second = several.registry.catalog.search(READER, cursor=first.next, limit=3)
        assert [one.name.name for one in second.packages] == ["etl-weekly"]
        assert second.next is None

    @pytest.mark.parametrize("limit", [0, -1, 101])
    def test_a_page_has_a_limit(self, several: Given, limit: int) -> None:
        with pytest.raises(InvalidValue, match="between 1 and 100"):
            several.registry.catalog.search(READER, limit=limit)

    def test_a_line_says_what_is_newest(self, released: Given) -> None:
        released.clock.advance(timedelta(days=1))
        released.publish(a_package(version="1.1.0", summary="Moves more"))
        (line,) = released.registry.catalog.search(READER).packages
        assert (line.summary, line.latest) == ("Moves more", "1.1.0")
        assert line.published == released.clock()
        assert line.signers == (SIGNER.fingerprint,)


class TestPackage:
    def test_it_has_everything_of_its_releases(
        self, released: Given, with_release: Given, package: Package
    ) -> None:
        page = released.registry.catalog.package(READER, package.name)
        (wheel_set,) = package.wheel_sets.values()
        (release,) = page.releases
        assert page.latest == release
        assert (page.name, page.summary, page.public) == (package.name, "Moves numbers", False)
        assert release.version == "1.0.0"
        assert (release.digest, release.size) == (package.digest, len(package.manifest))
        assert (release.published, release.revision) == (with_release.clock(), 1)
        assert release.yanked is None
        assert release.signers == (SIGNER.fingerprint,)
        assert (release.requires, release.python) == ({}, ">=3.11")
        assert release.platforms == {PLATFORM: Digest.of(wheel_set)}
        assert release.metadata == json.loads(package.metadata.to_bytes())
        assert released.registry.manifests.find(READER, package.repository, release.receipt)

    def test_a_yanked_release_says_why_when_and_by_whom(
        self, released: Given, package: Package
    ) -> None:
        yank = released.registry.publishing.yank(PUBLISHER, package.name, "1.0.0", "wrong")
        page = released.registry.catalog.package(READER, package.name)
        assert page.latest.yanked == yank == Yank("wrong", released.clock(), "publisher")

    @pytest.mark.parametrize(
        ("listed", "yanked", "latest"),
        [
            (["1.0.0", "1.1.0"], [], "1.1.0"),
            (["1.0.0", "1.1.0-rc.1"], [], "1.0.0"),
            (["1.0.0-rc.1", "1.0.0-rc.2"], [], "1.0.0-rc.2"),
            (["1.0.0", "1.1.0"], ["1.1.0"], "1.0.0"),
            (["1.0.0", "1.1.0-rc.1"], ["1.0.0"], "1.1.0-rc.1"),
            (["1.0.0", "1.1.0"], ["1.0.0", "1.1.0"], "1.1.0"),
        ],
    )
    def test_the_latest_is_neither_yanked_nor_a_prerelease_if_there_is_one(
        self, given: Given, listed: list[str], yanked: list[str], latest: str
    ) -> None:
        name = a_package().name
        for version in listed:
            given.publish(a_package(version=version))
        for version in yanked:
            given.registry.publishing.yank(PUBLISHER, name, version, "wrong")
        assert given.registry.catalog.package(READER, name).latest.version == latest

    def test_it_names_the_channels_that_hold_it(self, released: Given, package: Package) -> None:
        first = released.bundle(APP, package)
        released.promote(first)
        released.promote(first, "staging")
        later = a_package(version="1.1.0")
        released.publish(later)
        released.promote(released.bundle(APP, later), previous=first.digest)

        page = released.registry.catalog.package(READER, package.name)

        assert page.channels == (
            ChannelUse(APP, "dev", "1.1.0"),
            ChannelUse(APP, "staging", "1.0.0"),
        )

    def test_channels_of_a_private_application_are_not_told_to_others(
        self, released: Given, package: Package
    ) -> None:
        private = PackageName("others", "app")
        released.namespace("others")
        bundle = released.bundle(private, package, by=ADMIN)
        released.promote(bundle, by=ADMIN)
        pages = released.registry.catalog
        assert pages.package(READER, package.name).channels == ()
        assert pages.package(ADMIN, package.name).channels == (ChannelUse(private, "dev", "1.0.0"),)

    def test_what_is_staged_has_no_page(self, given: Given, package: Package) -> None:
        given.push(package)
        with pytest.raises(PackageUnknown):
            given.registry.catalog.package(PUBLISHER, package.name)

    def test_a_private_one_has_none_for_others(self, released: Given, package: Package) -> None:
        with pytest.raises(NamespaceUnknown):
            released.registry.catalog.package(STRANGER, package.name)
        with pytest.raises(NotAuthenticated):
            released.registry.catalog.package(NOBODY, package.name)
