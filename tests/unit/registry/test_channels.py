"""Applications: the first bundle makes one, with its channels in their order."""

from datetime import timedelta

import pytest

from artifacts.reference import PackageName
from registry.access import Principal
from registry.channels import Application, Channel
from registry.errors import (
    ApplicationUnknown,
    NamespaceUnknown,
    NotAuthenticated,
    RegistryError,
)
from tests.builders import NOBODY, PROMOTER, READER, STRANGER, Given, Package

APP = PackageName("team", "app")
CHANNELS = ("dev", "staging", "production")


def test_a_new_application_has_three_empty_channels(released: Given, package: Package) -> None:
    released.bundle(APP, package)
    assert released.registry.channels.application(READER, APP) == Application(
        APP,
        tuple(Channel(name, position, None, None, None) for position, name in enumerate(CHANNELS)),
    )


def test_a_channel_says_what_it_holds_since_when_and_by_whom(
    released: Given, package: Package
) -> None:
    bundle = released.bundle(APP, package)
    released.promote(bundle)
    first = released.clock()
    released.clock.advance(timedelta(minutes=1))
    released.promote(bundle, "staging")

    assert released.registry.channels.application(READER, APP).channels == (
        Channel("dev", 0, bundle.digest, first, PROMOTER.name),
        Channel("staging", 1, bundle.digest, released.clock(), PROMOTER.name),
        Channel("production", 2, None, None, None),
    )


@pytest.mark.parametrize("name", ["none", "etl", "tools"])
def test_what_is_no_application_is_unknown(released: Given, name: str) -> None:
    released.artifact(PackageName("team", "tools").repository, b"x")
    with pytest.raises(ApplicationUnknown, match=f"no application team/{name}") as unknown:
        released.registry.channels.application(READER, PackageName("team", name))
    assert unknown.value.hint == "the first promotion of a lock creates it"


@pytest.mark.parametrize(
    ("principal", "refusal"), [(STRANGER, NamespaceUnknown), (NOBODY, NotAuthenticated)]
)
def test_a_private_one_is_not_there_for_others(
    released: Given, package: Package, principal: Principal, refusal: type[RegistryError]
) -> None:
    released.bundle(APP, package)
    with pytest.raises(refusal):
        released.registry.channels.application(principal, APP)
