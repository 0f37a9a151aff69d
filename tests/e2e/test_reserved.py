"""Two registries that both have a name, of which a machine takes its own one's: real servers.

What the public one was asked is read in its access log.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from resolver.lock import Lock
from tests.checkouts import a_counting_checkout
from tests.e2e.support import Machine, add_namespace, build, files_of
from tests.tools.server import RunningServer, running_server, wait_until

SHARED, OPEN = "acme/count", "team/count"


@dataclass(frozen=True)
class Both:
    """A public registry with acme/count 9.0.0 and team/count, and acme's own with 1.0.0."""

    public: RunningServer
    own: RunningServer
    own_release: Path


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("registries")
    recipe = a_counting_checkout(folder / "checkout")
    with running_server(folder / "public") as public, running_server(folder / "own") as own:
        eve = Machine(folder / "eve", public.url, public.token)
        for name, version in ((SHARED, "9.0.0"), (OPEN, "1.0.0")):
            add_namespace(eve, name.partition("/")[0], "--public")
            words = ("--name", name, "--version", version, "--no-run")
            eve.run("publish", build(eve, recipe, folder / f"{name[:4]}-{version}", *words))
        ada = Machine(folder / "ada", own.url, own.token)
        add_namespace(ada, "acme")
        words = ("--name", SHARED, "--version", "1.0.0", "--no-run")
        release = build(ada, recipe, folder / "own-1.0.0", *words)
        ada.run("publish", release)
        yield Both(public, own, release)


def a_machine(home: Path, both: Both) -> Machine:
    """Return somebody's machine, on which `acme/` is reserved for its own registry."""
    folder = home / ".config" / "recipebox"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(
        f'url = "{both.public.url}"\nretries = 0\n\n'
        f'[registries.acme]\nurl = "{both.own.url}"\nprefixes = ["acme/"]\n'
    )
    machine = Machine(home)
    machine.run("login", both.own.url, "--token-stdin", given=f"{both.own.token}\n")
    return machine


def test_the_name_comes_from_its_own_registry_and_the_public_one_is_not_asked(
    both: Both, tmp_path: Path
) -> None:
    bob = a_machine(tmp_path / "bob", both)
    lock, out, again = (tmp_path / name for name in ("recipebox.lock", "out", "again"))
    before = len(both.public.log_text())

    bob.run("lock", SHARED, OPEN, "-o", lock)
    bob.run("fetch", "--frozen", lock, "--out", out)
    bob.run("fetch", SHARED, "--out", tmp_path / "by-name")
    bob.run("run", out / "acme" / "count-1.0.0")

    packages = {str(each.name): each for each in Lock.loads(lock.read_text()).packages}
    assert str(packages[SHARED].version) == "1.0.0"
    assert packages[SHARED].source == both.own.url
    assert packages[OPEN].source is None
    recipe = Path("acme") / "count-1.0.0" / "recipe"
    assert files_of(out / recipe) == files_of(both.own_release / recipe)
    wait_until(lambda: "/v2/team/count/blobs/" in both.public.log_text()[before:])
    asked = both.public.log_text()[before:]
    assert "/index/team/count.json" in asked
    assert "acme" not in asked
    assert "/index/acme/count.json" in both.own.log_text()
    assert "team" not in both.own.log_text()

    bob.run("--offline", "fetch", "--frozen", lock, "--out", again)
    assert files_of(again) == files_of(out)


def test_with_its_registry_down_a_command_fails_and_names_it(both: Both, tmp_path: Path) -> None:
    bob = a_machine(tmp_path / "bob", both)
    bob.run("lock", OPEN, "-o", tmp_path / "open.lock")
    before = len(both.public.log_text())
    assert both.own.stop() == 0

    for words in (("lock", SHARED, "-o", tmp_path / "a.lock"), ("fetch", SHARED, "--out", "out")):
        done = bob.run(*words, "--json", expected=6)
        assert done.error["url"] == both.own.url
        assert f"{both.own.url}: connection refused" in done.error["message"]

    assert not (tmp_path / "a.lock").exists()
    (tmp_path / "bob").joinpath(".cache").rename(tmp_path / "forgotten")
    bob.run("lock", OPEN, "-o", tmp_path / "open.lock")
    wait_until(lambda: "/index/team/count.json" in both.public.log_text()[before:])
    assert "acme" not in both.public.log_text()[before:]
