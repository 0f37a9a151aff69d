"""The index: every listed release, as it was at any revision."""

import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
import rfc8785

from artifacts.digest import Digest
from registry.access import Principal
from registry.clock import rfc3339
from registry.errors import InvalidValue, NamespaceUnknown, NotAuthenticated, PackageUnknown
from resolver.source import parse_index
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

ETL = a_package("team/etl").name


def document(given: Given, as_of: int | None = None, who: Principal = READER) -> dict[str, Any]:
    drawn: dict[str, Any] = json.loads(given.registry.index.package_index(who, ETL, as_of).body)
    return drawn


def versions(given: Given, as_of: int | None = None) -> dict[str, bool]:
    return {one["version"]: one["yanked"] is not None for one in document(given, as_of)["releases"]}


def test_a_release_has_all_that_a_solver_needs(given: Given) -> None:
    given.publish(a_package("team/clean"))
    package = a_package(
        requires={"team/clean": "^1"}, wheels={PLATFORM: [b"wheel"]}, python=">=3.12"
    )
    admission = given.publish(package)
    (wheel_set,) = package.wheel_sets.values()

    assert document(given) == {
        "schema_version": 1,
        "name": "team/etl",
        "revision": admission.revision,
        "releases": [
            {
                "version": "1.0.0",
                "digest": str(package.digest),
                "size": len(package.manifest),
                "requires": [{"package": "team/clean", "range": "^1", "extras": []}],
                "python": ">=3.12",
                "platforms": {
                    PLATFORM: {"digest": str(Digest.of(wheel_set)), "size": len(wheel_set)}
                },
                "yanked": None,
                "signers": [SIGNER.fingerprint],
                "published": rfc3339(given.clock()),
            }
        ],
    }


def test_extras_are_in_the_index_where_there_are_any(given: Given) -> None:
    given.publish(a_package("team/etl", "1.0.0"))
    given.publish(
        a_package("team/etl", "1.1.0", extras={"mail": {"team/send": "^2", "team/sum": "[gpu] *"}})
    )

    newest, oldest = document(given)["releases"]

    assert "extras" not in oldest
    assert newest["extras"] == {
        "mail": [
            {"package": "team/send", "range": "^2", "extras": []},
            {"package": "team/sum", "range": "*", "extras": ["gpu"]},
        ]
    }


def test_the_client_reads_what_the_server_writes(released: Given, package: Package) -> None:
    answer = released.registry.index.package_index(READER, ETL)
    (candidate,) = parse_index(answer.body).releases
    assert (candidate.digest, candidate.size) == (package.digest, len(package.manifest))


def test_its_bytes_are_canonical_and_the_etag_is_theirs(released: Given) -> None:
    answer = released.registry.index.package_index(READER, ETL)
    assert answer.body == rfc8785.dumps(json.loads(answer.body))
    assert answer.etag == f'"{hashlib.sha256(answer.body).hexdigest()}"'
    assert answer.revision == 1


def test_versions_come_newest_first(given: Given) -> None:
    for version in ("1.9.0", "1.10.0", "2.0.0-rc.1", "1.10.0-beta"):
        given.publish(a_package(version=version))
    assert list(versions(given)) == ["2.0.0-rc.1", "1.10.0", "1.10.0-beta", "1.9.0"]


def test_any_earlier_index_can_be_told_with_its_yanks(released: Given) -> None:
    publishing = released.registry.publishing  # revision 1: 1.0.0 is listed
    released.publish(a_package(version="1.1.0"))  # 2
    publishing.yank(PUBLISHER, ETL, "1.1.0", "wrong totals")  # 3
    publishing.unyank(PUBLISHER, ETL, "1.1.0")  # 4
    publishing.yank(PUBLISHER, ETL, "1.0.0", "too old")  # 5
    released.publish(a_package("team/clean"))  # 6, of another package

    assert released.registry.index.revision() == 6
    history = [versions(released, revision) for revision in range(1, 7)]
    assert history == [
        {"1.0.0": False},
        {"1.1.0": False, "1.0.0": False},
        {"1.1.0": True, "1.0.0": False},
        {"1.1.0": False, "1.0.0": False},
        {"1.1.0": False, "1.0.0": True},
        {"1.1.0": False, "1.0.0": True},
    ]
    assert versions(released) == history[-1]


def test_the_revision_of_an_answer_is_that_of_its_last_change(released: Given) -> None:
    released.publish(a_package("team/clean"))
    released.registry.publishing.yank(PUBLISHER, ETL, "1.0.0", "too old")
    released.publish(a_package("team/clean", "1.1.0"))

    assert released.registry.index.revision() == 4
    assert [document(released, revision)["revision"] for revision in (1, 2, 3, 4)] == [1, 1, 3, 3]
    answers = [released.registry.index.package_index(READER, ETL, at) for at in (3, 4, None)]
    assert len({answer.etag for answer in answers}) == 1


def test_a_yank_has_its_reason_and_time(released: Given) -> None:
    released.clock.advance(timedelta(days=1))
    released.registry.publishing.yank(PUBLISHER, ETL, "1.0.0", " wrong totals ")
    (release,) = document(released)["releases"]
    assert release["yanked"] == {"reason": "wrong totals", "at": rfc3339(released.clock())}


@pytest.mark.parametrize("as_of", [-1, 2, 10**12])
def test_a_revision_that_is_not_yet_is_refused(released: Given, as_of: int) -> None:
    with pytest.raises(InvalidValue, match="a revision between 0 and 1"):
        document(released, as_of)


def test_before_its_first_release_a_package_is_unknown(released: Given) -> None:
    with pytest.raises(PackageUnknown, match="no package team/etl"):
        document(released, 0)


def test_what_is_staged_is_not_listed_to_anybody(given: Given, package: Package) -> None:
    given.push(package)
    assert given.registry.index.revision() == 0
    for principal in (ADMIN, PUBLISHER, READER):
        with pytest.raises(PackageUnknown):
            document(given, who=principal)


def test_a_private_package_is_not_there_for_others(released: Given) -> None:
    with pytest.raises(NamespaceUnknown):
        document(released, who=STRANGER)
    with pytest.raises(NotAuthenticated):
        document(released, who=NOBODY)


def test_an_answer_says_whether_any_cache_may_keep_it(released: Given) -> None:
    assert not released.registry.index.package_index(READER, ETL).public
    released.registry.namespaces.set_public(ADMIN, "team", public=True)
    assert released.registry.index.package_index(NOBODY, ETL).public
