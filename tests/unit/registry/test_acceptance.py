"""What an application's bundles refuse: the same for the client, a solve, a bundle and a gate."""

import json

import pytest

from artifacts.reference import PackageName, RepositoryName
from registry.access import Principal, Role
from registry.errors import (
    GateClosed,
    InvalidBundle,
    NamespaceUnknown,
    NotAuthenticated,
    Unsolvable,
    WrongKind,
)
from registry.schema import ReleaseRow
from resolver.acceptance import parse_acceptance
from resolver.candidate import Environment
from resolver.options import Options
from resolver.requirement import Requirement
from tests.builders import (
    ADMIN,
    NOBODY,
    PUBLISHER,
    READER,
    STRANGER,
    Given,
    Package,
    a_lock,
    a_package,
    a_principal,
)

OPEN = PackageName("open", "app")
APP = PackageName("team", "app")
EVERYWHERE = a_principal(Role.PROMOTER)


def refuses(given: Given, application: PackageName, by: Principal = EVERYWHERE) -> set[str]:
    return set(given.registry.acceptances.get(by, application).refuses)


def private(given: Given, by: Principal, application: PackageName = OPEN) -> set[str]:
    return set(given.registry.acceptances.get(by, application).private)


@pytest.fixture
def world(given: Given) -> Given:
    """The private namespaces team and others, and the public open."""
    given.namespace("open", public=True)
    given.namespace("others")
    return given


def test_the_rules_are_those_of_the_namespace(world: Given) -> None:
    assert refuses(world, OPEN) == {"private", "unsigned", "yanked"}
    assert refuses(world, APP) == {"unsigned", "yanked"}
    assert private(world, EVERYWHERE, APP) == set()
    world.registry.namespaces.set_public(ADMIN, "team", public=True)
    assert refuses(world, APP) == {"private", "unsigned", "yanked"}
    assert private(world, EVERYWHERE, APP) == {"others"}


def test_nobody_is_told_of_namespaces_that_they_may_not_read(world: Given) -> None:
    assert private(world, EVERYWHERE) == {"team", "others"}
    assert private(world, ADMIN) == {"team", "others"}
    assert private(world, READER) == {"team"}
    assert private(world, STRANGER) == {"others"}
    assert private(world, NOBODY) == set()


def test_who_may_not_read_an_application_is_told_nothing(world: Given) -> None:
    with pytest.raises(NotAuthenticated):
        world.registry.acceptances.get(NOBODY, APP)
    for application in (APP, PackageName("no-such", "app")):
        with pytest.raises(NamespaceUnknown):
            world.registry.acceptances.get(STRANGER, application)


def test_an_application_needs_not_be_there_yet(world: Given) -> None:
    acceptances = world.registry.acceptances
    package = a_package("team/etl")
    world.publish(package)
    before = acceptances.get(READER, APP)
    assert not before.exists
    world.bundle(APP, package)
    after = acceptances.get(READER, APP)
    assert after.exists
    assert (after.refuses, after.private) == (before.refuses, before.private)
    fresh = acceptances.get(ADMIN, PackageName("fresh", "app"))
    assert (fresh.exists, "private" in fresh.refuses) == (False, False)


def test_a_name_is_one_thing(world: Given) -> None:
    acceptances = world.registry.acceptances
    world.publish(a_package("team/etl"))
    with pytest.raises(WrongKind) as caught:
        acceptances.get(READER, PackageName("team", "etl"))
    assert (caught.value.found, caught.value.wanted) == ("package", "bundle")
    world.artifact(RepositoryName("open/plain"), b"bytes")
    with pytest.raises(WrongKind):
        acceptances.get(NOBODY, PackageName("open", "plain"))


def test_a_staged_package_is_told_to_those_alone_who_see_it(world: Given) -> None:
    world.push(a_package("open/staged"), by=ADMIN)
    staged = PackageName("open", "staged")
    with pytest.raises(WrongKind):
        world.registry.acceptances.get(ADMIN, staged)
    assert not world.registry.acceptances.get(NOBODY, staged).exists
    assert not world.registry.acceptances.get(READER, staged).exists


def test_the_document_says_the_same_and_changes_its_etag_with_it(world: Given) -> None:
    acceptances = world.registry.acceptances
    first = acceptances.document(EVERYWHERE, OPEN)
    assert parse_acceptance(first.body) == acceptances.get(EVERYWHERE, OPEN)
    assert acceptances.document(EVERYWHERE, OPEN) == first
    world.registry.namespaces.set_public(ADMIN, "others", public=True)
    second = acceptances.document(EVERYWHERE, OPEN)
    assert second.etag != first.etag
    assert json.loads(second.body)["private"] == ["team"]


def unsigned(given: Given, package: Package) -> None:
    """Take a release's signers away, as an earlier policy might have let it in."""
    with given.registry.database.write():
        ReleaseRow.update(signers="[]").where(ReleaseRow.version == str(package.version)).execute()


def yanked(given: Given, package: Package) -> None:
    given.registry.publishing.yank(ADMIN, package.name, str(package.version), "it loses rows")


@pytest.mark.parametrize("application", [OPEN, APP], ids=str)
@pytest.mark.parametrize("name", ["team/etl", "open/etl", "others/etl"])
@pytest.mark.parametrize("change", [None, unsigned, yanked], ids=["whole", "unsigned", "yanked"])
def test_bundle_solve_and_client_agree(
    world: Given, application: PackageName, name: str, change: object
) -> None:
    package = a_package(name)
    world.publish(package, by=ADMIN)
    if callable(change):
        change(world, package)
    index = world.registry.index.releases(EVERYWHERE, package.name)
    accepted = world.registry.acceptances.get(EVERYWHERE, application)
    by_client = accepted.why_not(index.releases[0])

    by_bundle = by_solve = None
    signers = index.releases[0].signers
    try:
        world.registry.bundles.create(EVERYWHERE, application, a_lock(package, signers=signers))
    except InvalidBundle as error:
        by_bundle = error.problems
    try:
        world.registry.solving.solve(
            EVERYWHERE,
            [Requirement.parse(name)],
            Environment("3.11", "linux/amd64"),
            Options(application=application),
        )
    except Unsolvable as error:
        by_solve = error.sentences

    assert (by_client is None) == (by_bundle is None) == (by_solve is None)
    is_shown = application == OPEN and name != "open/etl"
    assert (by_client is None) == (change is None and not is_shown)
    if by_solve is not None:
        assert any(f"because {by_client}." in sentence for sentence in by_solve)


def test_a_part_that_became_private_passes_no_gate(world: Given) -> None:
    part, own = a_package("other/etl"), a_package("open/report", requires={"other/etl": "*"})
    world.namespace("other", public=True)
    world.publish(part, by=ADMIN)
    world.publish(own, by=ADMIN)
    made = world.bundle(OPEN, own, part, by=ADMIN)
    world.promote(made, by=ADMIN)

    world.registry.namespaces.set_public(ADMIN, "other", public=False)

    with pytest.raises(GateClosed) as caught:
        world.promote(made, "staging", by=ADMIN)
    said = "other/etl is private, and open/app would show it to everybody"
    assert caught.value.reasons == (said,)
    with pytest.raises(InvalidBundle, match=said):
        world.registry.bundles.create(ADMIN, OPEN, a_lock(part))


def test_nothing_is_solved_for_what_is_no_application(world: Given) -> None:
    world.publish(a_package("team/etl"), by=PUBLISHER)
    with pytest.raises(WrongKind):
        world.registry.solving.solve(
            READER,
            [Requirement.parse("team/etl")],
            Environment("3.11", "linux/amd64"),
            Options(application=PackageName("team", "etl")),
        )
