"""`recipebox lock --for`: what is locked is what a bundle of the application may hold."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from artifacts.reference import PackageName
from recipebox.cache import Cache
from resolver.acceptance import Acceptance
from resolver.options import Options
from tests.keys import SIGNER
from tests.stories.conftest import Place
from tests.stories.machines import URL, Machine

Publish = Callable[..., Path]
SHOP = PackageName("team", "shop")
PRIVATE = "hidden/base is private, and team/shop would show it to everybody"


@pytest.fixture
def lock(publish: Publish, author: Machine, tmp_path: Path) -> Path:
    """Where a lock is to be; the newest of the public team/etl requires what is private."""
    author.rb("namespace", "create", "hidden")
    author.rb("namespace", "key", "add", "hidden", "-", stdin=SIGNER.public)
    publish("hidden/base", "1.0.0")
    publish("team/etl", "1.0.0")
    publish("team/etl", "1.1.0")
    publish("team/etl", "2.0.0", requires={"hidden/base": "*"})
    return tmp_path / "recipebox.lock"


def locked(path: Path) -> dict[str, str]:
    drawn = tomllib.loads(path.read_text())
    return {each["name"]: each["version"] for each in drawn["package"]}


def test_the_newest_that_can_not_go_into_the_bundle_is_passed_over(
    author: Machine, lock: Path
) -> None:
    author.rb("lock", "team/etl", "-o", lock)
    assert locked(lock) == {"team/etl": "2.0.0", "hidden/base": "1.0.0"}
    refused = author.rb("bundle", "create", "team/shop", "--lock", lock, code=4)
    assert PRIVATE in refused.err
    assert "recipebox lock --for team/shop" in refused.err

    said = author.rb("lock", "--for", "team/shop", "-o", lock)

    assert locked(lock) == {"team/etl": "1.1.0"}
    assert "  team/etl is locked as 2.0.0, and would now be 1.1.0" in said.out
    made = author.rb("bundle", "create", "team/shop", "--lock", lock, "--json").json
    assert made["packages"] == {"team/etl": "1.1.0"}


def test_an_application_that_is_not_there_yet_has_the_rules_of_its_namespace(
    author: Machine, lock: Path
) -> None:
    def told(application: str) -> str:
        lock.unlink(missing_ok=True)
        return author.rb("lock", "team/etl", "--for", application, "-o", lock).err

    assert "team/shop isn't there yet" in told("team/shop")
    assert "its namespace team, which is public, allows" in told("team/shop")
    assert "its namespace hidden, which is private, allows" in told("hidden/shop")
    assert locked(lock) == {"team/etl": "2.0.0", "hidden/base": "1.0.0"}
    author.rb("lock", "team/etl", "--for", "team/shop", "-o", lock)
    author.rb("bundle", "create", "team/shop", "--lock", lock)
    assert "isn't there yet" not in told("team/shop")


def test_the_lock_keeps_for_what_it_is(author: Machine, lock: Path) -> None:
    author.rb("lock", "team/etl", "--for", "team/shop", "-o", lock)
    assert tomllib.loads(lock.read_text())["application"] == "team/shop"

    author.rb("lock", "--check", "-o", lock)
    author.rb("lock", "-o", lock)
    author.rb("lock", "--upgrade", "-o", lock)
    author.rb("lock", "--upgrade", "team/etl", "-o", lock)
    assert locked(lock) == {"team/etl": "1.1.0"}
    other = author.rb("lock", "--check", "--for", "hidden/shop", "-o", lock, code=1)
    assert "it was solved with other options" in other.err
    author.rb("lock", "team/etl", "-o", lock)  # asked anew, for none
    assert locked(lock) == {"team/etl": "1.1.0"}
    assert "application" not in tomllib.loads(lock.read_text())


def test_questions_about_the_lock_heed_it(author: Machine, lock: Path) -> None:
    author.rb("lock", "team/etl", "--for", "team/shop", "-o", lock)

    why_not = author.rb("why-not", "team/etl@2.0.0", "--lock", lock)
    assert "hidden/base 1.0.0 can't be used, because it is private, and team/shop" in why_not.out
    assert "It would fit with team/etl ^1 instead of =2.0.0." in why_not.out

    [age] = author.rb("outdated", "--lock", lock, "--json").json["packages"]
    assert (age["locked"], age["fits"], age["newest"]) == ("1.1.0", "1.1.0", "2.0.0")
    assert "why-not team/etl@2.0.0" in age["why"]


def test_a_check_fails_once_a_locked_part_became_private(author: Machine, lock: Path) -> None:
    author.rb("lock", "team/etl", "--for", "team/shop", "-o", lock)
    author.client().transport.api("PATCH", "/api/v1/namespaces/hidden", body={"public": True})
    author.rb("lock", "--upgrade", "-o", lock)
    assert locked(lock) == {"team/etl": "2.0.0", "hidden/base": "1.0.0"}
    author.rb("lock", "--check", "-o", lock)

    author.client().transport.api("PATCH", "/api/v1/namespaces/hidden", body={"public": False})

    said = author.rb("lock", "--check", "-o", lock, code=1)
    assert "hidden/base 1.0.0 is locked, and not needed any more" in said.err
    author.rb("lock", "-o", lock)
    assert locked(lock) == {"team/etl": "1.1.0"}


def test_a_yanked_release_that_the_lock_holds_is_left(author: Machine, lock: Path) -> None:
    author.rb("lock", "team/etl <2", "-o", lock)
    author.rb("yank", "team/etl@1.1.0", "--reason", "loses rows", "--yes")
    author.rb("lock", "-o", lock)
    assert locked(lock) == {"team/etl": "1.1.0"}
    refused = author.rb("bundle", "create", "team/shop", "--lock", lock, code=4)
    assert "recipebox lock --for team/shop" in refused.err

    author.rb("lock", "--for", "team/shop", "-o", lock)

    assert locked(lock) == {"team/etl": "1.0.0"}
    author.rb("bundle", "create", "team/shop", "--lock", lock)


def test_it_is_solved_offline_by_what_was_said_last(author: Machine, lock: Path) -> None:
    author.rb("lock", "team/etl", "-o", lock)
    unknown = author.rb("--offline", "lock", "--for", "team/shop", "-o", lock, code=3)
    assert "what bundles of team/shop may hold: not in the cache" in unknown.err
    assert "run it once without --offline" in unknown.err
    author.rb("lock", "--for", "team/shop", "-o", lock)
    text = lock.read_text()
    lock.unlink()

    author.rb("--offline", "lock", "team/etl", "--for", "team/shop", "-o", lock)

    assert lock.read_text() == text


def test_the_rules_travel_once_and_only_when_they_changed(author: Machine, lock: Path) -> None:
    path = "/api/v1/applications/team/shop/acceptance"
    author.rb("lock", "team/etl", "--for", "team/shop", "-o", lock)
    kept = author.cache.index_entry(URL, "team/shop/acceptance")
    assert kept is not None
    assert author.client().transport.conditional(path, kept["etag"]) is None
    assert author.client().acceptance(SHOP).private == {"hidden"}
    assert author.cache.index_entry(URL, "team/shop/acceptance") == kept

    author.client().transport.api("PATCH", "/api/v1/namespaces/hidden", body={"public": True})

    assert author.client().acceptance(SHOP).private == frozenset()


@pytest.mark.parametrize("body", ["{", '{"schema_version": 9}', None])
def test_what_the_cache_has_of_the_rules_and_can_not_be_used_is_read_again(
    author: Machine, lock: Path, body: object
) -> None:
    author.cache.keep_index_entry(URL, "team/shop/acceptance", etag='"x"', as_of=0, body=body)

    said = author.rb("lock", "team/etl", "--for", "team/shop", "-o", lock)

    assert "the cache's team/shop/acceptance can't be used" in said.err
    assert locked(lock) == {"team/etl": "1.1.0"}
    cache: Cache = author.cache
    kept = cache.index_entry(URL, "team/shop/acceptance")
    assert kept is not None
    assert '"private":["hidden"]' in kept["body"]


def test_who_may_not_read_what_is_private_has_nothing_to_pass_over(
    make_machine: Callable[..., Machine], place: Place, lock: Path
) -> None:
    member = make_machine("member", place.token("reader"))

    member.rb("lock", "team/etl", "--for", "team/shop", "-o", lock)

    assert locked(lock) == {"team/etl": "1.1.0"}
    assert member.client().acceptance(SHOP) == Acceptance.of(
        SHOP, exists=False, is_public=True, private=()
    )


def test_what_is_no_application(author: Machine, other: Machine, lock: Path) -> None:
    said = author.rb("lock", "team/etl", "--for", "team/etl", "-o", lock, code=5)
    assert "team/etl is a package" in said.err
    other.rb("lock", "team/etl", "--for", "hidden/shop", "-o", lock, code=4)
    assert "not a package name" in author.rb("lock", "team/etl", "--for", "shop", code=2).err
    assert not lock.exists()


def test_from_python(author: Machine, lock: Path) -> None:
    client = author.client()
    solution = client.solve(["team/etl"], options=Options(application=SHOP))
    assert {str(one) for one in solution.candidates.values()} == {"team/etl 1.1.0"}
    assert solution.options.application == SHOP
