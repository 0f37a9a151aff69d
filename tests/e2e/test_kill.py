"""kill -9, of the server at every failpoint and of either side in mid transfer.

Afterwards nothing is half listed and nothing half laid out, and doing it again succeeds.
"""

import random
import signal
from pathlib import Path

import pytest

from storage.failpoints import Failpoint
from tests.checkouts import a_counting_checkout, write
from tests.e2e.support import (
    APPLICATION,
    FIRST,
    PACKAGE,
    SECOND,
    Machine,
    Stage,
    add_namespace,
    ask,
    build,
    check_data,
    files_of,
    kill_group,
    killable,
    line,
    make_stage,
)
from tests.tools.server import RunningServer, running_server, wait_until

pytestmark = pytest.mark.real

NETWORK = 6
BIG = 64 << 20
PUBLISHING = ("upload.", "blob.", "manifest.", "admit.")
PROMOTING = ("bundle.", "promote.")
COLLECTING = ("mount.", "delete.", "sweep.")  # tests/faults/test_kill.py


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return make_stage(tmp_path_factory.mktemp("stage"))


@pytest.fixture(scope="session")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed package of 64 MB, before it is published."""
    folder = tmp_path_factory.mktemp("big")
    recipe = a_counting_checkout(folder / "checkout")
    write(folder / "checkout", {"recipebox.toml": BIG_PROJECT})
    (folder / "checkout" / "data" / "big.bin").write_bytes(random.Random(1).randbytes(BIG))
    return build(Machine(folder / "ada"), recipe, folder / "built", "--no-run")


BIG_PROJECT = """
schema_version = 1
[package]
namespace = "team"
version = "1.0.0"
[recipes.count]
name = "big"
data = ["data/big.bin"]
"""


def died(server: RunningServer) -> bool:
    """Whether a worker of the server was ended by SIGKILL, as its master says."""
    return "was sent SIGKILL" in server.log_text()


def listed(server: RunningServer, token: str, name: str = PACKAGE) -> dict[str, str]:
    """Return the digests of what the index lists, by version."""
    answer = ask(server, f"/index/{name}.json", token)
    if answer.status_code == 404:
        return {}
    assert answer.status_code == 200, answer.text
    return {each["version"]: each["digest"] for each in answer.json()["releases"]}


def check_fetches(server: RunningServer, token: str, folder: Path, version: str) -> None:
    """A machine that has seen nothing yet gets it whole."""
    bob = Machine(folder / "bob", server.url, token)
    bob.run("fetch", f"{PACKAGE}@{version}", "--out", "jobs")
    verified = bob.run("verify", "jobs", "--json").json["packages"]
    assert [each["version"] for each in verified] == [version]


@pytest.mark.parametrize("point", [each for each in Failpoint if each.value.startswith(PUBLISHING)])
def test_a_server_that_dies_within_a_publish_lists_nothing_half(
    stage: Stage, point: Failpoint, tmp_path: Path
) -> None:
    data = stage.copy(tmp_path)
    with killable(data, stage.token, point.value) as server:
        ada = Machine(tmp_path / "ada", server.url, stage.token)
        ada.run("publish", stage.second, "--retries", "0", expected=NETWORK)
        wait_until(lambda: died(server))
    check_data(data)

    with killable(data, stage.token) as server:
        before = listed(server, stage.token)
        assert before.keys() in ({FIRST}, {FIRST, SECOND})
        if SECOND in before:
            check_fetches(server, stage.token, tmp_path / "before", SECOND)
        else:
            bob = Machine(tmp_path / "bob", server.url, stage.token)
            bob.run("fetch", f"{PACKAGE}@{SECOND}", "--out", "jobs", expected=None)
            assert not (bob.home / "jobs").exists()

        ada = Machine(tmp_path / "ada", server.url, stage.token)
        again = ada.run("publish", stage.second, "--json").json
        assert listed(server, stage.token) == {FIRST: before[FIRST], SECOND: again["digest"]}
        assert before.get(SECOND, again["digest"]) == again["digest"]
        check_fetches(server, stage.token, tmp_path / "after", SECOND)
    check_data(data)


@pytest.fixture(scope="session")
def promotable(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> tuple[Stage, str]:
    """The stage with version 1.1.0 listed too, and a lock that pins it."""
    folder = tmp_path_factory.mktemp("promotable")
    data = stage.copy(folder)
    with running_server(data, token=stage.token) as server:
        ada = Machine(folder / "ada", server.url, stage.token)
        ada.run("publish", stage.second)
        ada.run("lock", PACKAGE, "-o", "second.lock")
    lock = (folder / "ada" / "second.lock").read_text()
    assert SECOND in lock
    return Stage(data, stage.token, stage.first, stage.second, stage.lock, stage.bundle), lock


@pytest.mark.parametrize("point", [each for each in Failpoint if each.value.startswith(PROMOTING)])
def test_a_server_that_dies_within_a_promotion_leaves_the_old_or_the_new(
    promotable: tuple[Stage, str], point: Failpoint, tmp_path: Path
) -> None:
    stage, lock = promotable
    data = stage.copy(tmp_path)
    (tmp_path / "second.lock").write_text(lock)
    promote = ("promote", APPLICATION, "--lock", tmp_path / "second.lock", "--to", "dev")
    with killable(data, stage.token, point.value) as server:
        ada = Machine(tmp_path / "ada", server.url, stage.token)
        ada.run(*promote, "--retries", "0", expected=NETWORK)
        wait_until(lambda: died(server))
    check_data(data)

    with killable(data, stage.token) as server:
        pointers = [check_channel(server, stage.token)]
        ada = Machine(tmp_path / "ada", server.url, stage.token)
        done = ada.run(*promote, "--json").json
        pointers.append(check_channel(server, stage.token))

        assert pointers[0] in {stage.bundle, done["bundle"]}
        assert pointers[1] == done["bundle"] != stage.bundle
        assert done["packages"] == {PACKAGE: SECOND}
    check_data(data)


def check_channel(server: RunningServer, token: str) -> str:
    """The pointer of `dev` is what its last record says, and its tag; return the bundle."""
    application = f"/api/v1/applications/{APPLICATION}"
    channels = ask(server, application, token).json()["channels"]
    pointer = {each["name"]: each["bundle"] for each in channels}["dev"]
    promotions = ask(server, f"{application}/channels/dev/promotions", token).json()["promotions"]
    assert promotions[0]["bundle"] == pointer
    tag = ask(server, f"/v2/{APPLICATION}/manifests/dev", token)
    assert tag.headers["Docker-Content-Digest"] == pointer
    for older, newer in zip(promotions[1:], promotions, strict=False):
        assert newer["previous"] == older["bundle"]
        assert newer["previous_record"] == older["record"]
    for each in promotions:
        record = ask(server, f"/v2/{APPLICATION}/manifests/{each['record']}", token)
        assert record.json()["subject"]["digest"] == each["bundle"]
    return str(pointer)


def some_moment() -> int:
    """Return after how many bytes of 64 MB a transfer breaks off (pytest shows it in failures)."""
    return random.SystemRandom().randrange(1, BIG)


def test_a_server_killed_at_a_random_moment_of_a_large_publish(big: Path, tmp_path: Path) -> None:
    data, moment = tmp_path / "data", some_moment()
    with killable(data, "") as server, line(server.url) as relay:
        token = server.token
        ada = Machine(tmp_path / "ada", relay.url, token)
        add_namespace(ada)
        relay.hold_after(up=moment)
        publish = ada.start("publish", big, "--retries", "0")
        wait_until(relay.held.is_set)
        kill_group(server)
        relay.cut()
        publish.communicate(timeout=60)
        assert publish.returncode == NETWORK, moment
    check_data(data)

    with killable(data, token) as server:
        assert listed(server, token, "team/big") == {}
        ada = Machine(tmp_path / "ada", server.url, token)
        ada.run("publish", big)
        bob = Machine(tmp_path / "bob", server.url, token)
        bob.run("fetch", "team/big", "--out", "jobs")
        bob.run("verify", "jobs")
    check_data(data)


@pytest.fixture(scope="session")
def large_stage(big: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A data folder in which the package of 64 MB is listed, and a token; it is only read."""
    data = tmp_path_factory.mktemp("large") / "data"
    with running_server(data) as server:
        ada = Machine(data.parent / "ada", server.url, server.token)
        add_namespace(ada)
        ada.run("publish", big)
        return data, server.token


FETCH = ("fetch", "team/big", "--out", "jobs")


def test_a_publish_goes_on_when_the_server_is_back(big: Path, tmp_path: Path) -> None:
    data, moment = tmp_path / "data", some_moment()
    with killable(data, "") as server, line(server.url) as relay:
        token = server.token
        ada = Machine(tmp_path / "ada", relay.url, token)
        add_namespace(ada)
        relay.hold_after(up=moment)
        publish = ada.start("publish", big, "--retries", "8")
        wait_until(relay.held.is_set)
        kill_group(server)
        with killable(data, token) as back:
            relay.mend(back.url)
            relay.cut()
            _, err = publish.communicate(timeout=120)
            assert publish.returncode == 0, (moment, err)
            assert listed(back, token, "team/big").keys() == {FIRST}


def test_a_fetch_goes_on_where_it_was_when_the_server_is_back(
    large_stage: tuple[Path, str], tmp_path: Path
) -> None:
    data, token = large_stage
    with killable(data, token) as server, line(server.url) as relay:
        relay.hold_after(down=BIG // 2)
        bob = Machine(tmp_path / "bob", relay.url, token)
        fetch = bob.start(*FETCH, "--retries", "8")
        wait_until(relay.held.is_set)
        kill_group(server)
        with killable(data, token) as back:
            relay.mend(back.url)
            relay.cut()
            _, err = fetch.communicate(timeout=120)
            assert fetch.returncode == 0, err
            wait_until(lambda: " status=206 " in back.log_text())  # not all of it again
        bob.run("verify", "jobs", "--offline")


def test_a_fetch_from_a_server_that_stays_away_says_so_and_leaves_nothing(
    large_stage: tuple[Path, str], tmp_path: Path
) -> None:
    data, token = large_stage
    with killable(data, token) as server, line(server.url) as relay:
        relay.hold_after(down=BIG // 2)
        bob = Machine(tmp_path / "bob", relay.url, token)
        fetch = bob.start(*FETCH, "--retries", "1")
        wait_until(relay.held.is_set)
        kill_group(server)
        relay.cut()
        _, err = fetch.communicate(timeout=120)
    assert fetch.returncode == NETWORK, err
    assert "error: " in err
    assert left_in(bob.home) == set()
    assert list(bob.home.rglob(".part-*")) == []


def test_a_client_killed_in_mid_download_leaves_nothing_half_laid_out(
    large_stage: tuple[Path, str], tmp_path: Path
) -> None:
    data, token = large_stage
    with killable(data, token) as server, line(server.url) as relay:
        relay.hold_after(down=BIG // 2)
        bob = Machine(tmp_path / "bob", relay.url, token)
        fetch = bob.start(*FETCH)
        wait_until(relay.held.is_set)
        fetch.kill()
        fetch.communicate(timeout=60)
        assert fetch.returncode == -signal.SIGKILL
        assert left_in(bob.home) == set()
        relay.mend()
        bob.run(*FETCH)
        bob.run("verify", "jobs")


def test_a_client_killed_while_it_lays_out_leaves_all_or_nothing(
    large_stage: tuple[Path, str], tmp_path: Path
) -> None:
    data, token = large_stage
    with killable(data, token) as server:
        bob = Machine(tmp_path / "bob", server.url, token)
        fetch = bob.start(*FETCH)
        wait_until(lambda: list(bob.home.glob(".recipebox-*")) or fetch.poll() is not None)
        fetch.kill()
        fetch.communicate(timeout=60)
        assert left_in(bob.home) in (set(), {"jobs"})
        if (bob.home / "jobs").exists():
            bob.run("verify", "jobs")
        bob.run(*FETCH)
        bob.run("verify", "jobs")
        assert any(name.endswith("big.bin") for name in files_of(bob.home / "jobs"))


def left_in(home: Path) -> set[str]:
    """Return what is to be seen in a home: not what is hidden, such as the cache."""
    return {path.name for path in home.iterdir() if not path.name.startswith(".")}


def test_no_failpoint_is_forgotten() -> None:
    """Each is in one of the tables above by the first word of its name; place new words."""
    words = {each.value.partition(".")[0] + "." for each in Failpoint}
    assert words == {*PUBLISHING, *PROMOTING, *COLLECTING}
