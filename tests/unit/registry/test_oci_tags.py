"""Tags and repositories, in pages, with what the principal may see and nothing else."""

import pytest

from artifacts import media
from artifacts.reference import RepositoryName, Tag
from registry.access import Principal, Role
from registry.errors import (
    NamespaceUnknown,
    NotAuthenticated,
    RegistryError,
    RepositoryUnknown,
)
from tests.builders import (
    ADMIN,
    NOBODY,
    PROMOTER,
    PUBLISHER,
    READER,
    STRANGER,
    Given,
    Package,
    a_manifest,
    a_package,
    a_principal,
)

TOOLS = RepositoryName("team/tools")


def tagged(given: Given, *names: str) -> None:
    given.blob(TOOLS, media.EMPTY_JSON)
    given.registry.manifests.put(
        ADMIN, TOOLS, Tag(names[0]), a_manifest(), None, tags=[Tag(name) for name in names[1:]]
    )


class TestTags:
    def test_they_come_in_order_and_whole(self, given: Given) -> None:
        tagged(given, "b", "a", "C", "10", "9")
        page = given.registry.tags.page(READER, TOOLS)
        assert page.names == ("10", "9", "C", "a", "b")
        assert page.last is None

    def test_pages_follow_each_other_to_the_end(self, given: Given) -> None:
        tagged(given, "a", "b", "c", "d", "e")
        pages = []
        last = None
        while True:
            page = given.registry.tags.page(READER, TOOLS, 2, last)
            pages.append(page.names)
            last = page.last
            if last is None:
                break
        assert pages == [("a", "b"), ("c", "d"), ("e",)]

    def test_a_page_that_ends_where_the_list_does_has_no_next(self, given: Given) -> None:
        tagged(given, "a", "b")
        assert given.registry.tags.page(READER, TOOLS, 2).last is None

    def test_a_page_of_none_is_empty(self, given: Given) -> None:
        tagged(given, "a", "b")
        page = given.registry.tags.page(READER, TOOLS, 0)
        assert (page.names, page.last) == ((), None)

    def test_after_a_tag_that_is_gone_the_next_in_order_follow(self, given: Given) -> None:
        tagged(given, "a", "c")
        assert given.registry.tags.page(READER, TOOLS, last="b").names == ("c",)

    def test_tags_of_staged_releases_are_hidden(self, released: Given, package: Package) -> None:
        later = a_package("team/etl", "1.1.0")
        released.push(later)
        released.manifest(later.repository, later.manifest, reference=Tag("candidate"))

        assert released.registry.tags.page(READER, package.repository).names == ("1.0.0",)
        assert released.registry.tags.page(PUBLISHER, package.repository).names == (
            "1.0.0",
            "candidate",
        )

    def test_a_repository_with_nothing_but_staged_things_is_not_there(
        self, given: Given, package: Package
    ) -> None:
        given.push(package)
        for principal in (READER, PROMOTER):
            with pytest.raises(RepositoryUnknown):
                given.registry.tags.page(principal, package.repository)
        assert given.registry.tags.page(PUBLISHER, package.repository).names == ()

    @pytest.mark.parametrize(
        ("principal", "refusal"),
        [
            (READER, RepositoryUnknown),
            (STRANGER, NamespaceUnknown),
            (NOBODY, NotAuthenticated),
        ],
    )
    def test_what_is_not_there_or_private(
        self, given: Given, principal: Principal, refusal: type[RegistryError]
    ) -> None:
        with pytest.raises(refusal):
            given.registry.tags.page(principal, RepositoryName("team/none"))


class TestRepositories:
    @pytest.fixture
    def several(self, released: Given) -> Given:
        released.namespace("open", public=True)
        released.namespace("others")
        released.artifact(RepositoryName("open/base"), b"x")
        released.artifact(RepositoryName("others/tool"), b"x")
        released.artifact(TOOLS, b"x")
        released.push(a_package("team/staged"))
        released.blob(RepositoryName("team/empty"), b"x")
        return released

    @pytest.mark.parametrize(
        ("principal", "names"),
        [
            (ADMIN, ("open/base", "others/tool", "team/etl", "team/staged", "team/tools")),
            (PUBLISHER, ("open/base", "team/etl", "team/staged", "team/tools")),
            (READER, ("open/base", "team/etl", "team/tools")),
            (a_principal(Role.READER), ("open/base", "others/tool", "team/etl", "team/tools")),
            (STRANGER, ("open/base", "others/tool")),
            (NOBODY, ("open/base",)),
        ],
        ids=["admin", "publisher", "reader", "reader-of-all", "stranger", "nobody"],
    )
    def test_each_sees_those_with_something_for_it(
        self, several: Given, principal: Principal, names: tuple[str, ...]
    ) -> None:
        assert several.registry.repositories.page(principal).names == names

    def test_they_come_in_pages(self, several: Given) -> None:
        first = several.registry.repositories.page(READER, 2)
        assert first.names == ("open/base", "team/etl")
        assert first.last == "team/etl"
        second = several.registry.repositories.page(READER, 2, first.last)
        assert (second.names, second.last) == (("team/tools",), None)
