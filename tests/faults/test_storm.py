"""Clients push, pull, mount, delete and sweep at once while workers are killed: nothing is lost.

pytest tests/faults/test_storm.py --long     three minutes on each database; otherwise 25 seconds
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.faults.storm import Line, Storm, rage, run_admin
from tests.tools.server import RunningServer, running_server

pytestmark = pytest.mark.real

SHORT, LONG = 25.0, 180.0
AT_LEAST = {"operations": 5000, "deletes": 500, "sweeps": 20, "kills": 30}
SETTINGS = {"RECIPEBOX_SWEEP_GRACE": "2", "RECIPEBOX_SWEEP_EVERY": "60"}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: this is about order, not about disks."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="rbt-", dir=memory) as made:
        yield Path(made)


@pytest.fixture(params=["sqlite", "postgresql"])
def environ(request: pytest.FixtureRequest) -> Mapping[str, str]:
    """The settings of a server over each database."""
    if request.param == "sqlite":
        return SETTINGS
    cluster = request.getfixturevalue("cluster")
    return SETTINGS | {"RECIPEBOX_DATABASE": cluster.create().url}


def check_ledgers(storm: Storm, server: RunningServer) -> list[str]:
    """Everything that a client was told is so."""
    faults = []
    for client in storm.clients:
        client.line = Line(server.url, server.token)
        for place, images in client.ledger.items():
            try:
                client.check(place, images)
            except AssertionError as error:
                faults.append(f"client {client.number}: {error}")
        client.line.close()
    return faults


def findings(data: Path, environ: Mapping[str, str]) -> list[object]:
    return list(run_admin(data, environ, "check")["findings"])


def test_nothing_is_lost_in_a_storm(
    folder: Path,
    environ: Mapping[str, str],
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
) -> None:
    is_long = request.config.getoption("--long")
    seconds = LONG if is_long else SHORT
    wanted = {name: round(count * seconds / LONG) for name, count in AT_LEAST.items()}
    data = folder / "data"
    with running_server(data, environ=environ, workers=2, threads=16) as server:
        storm = rage(server, environ, seconds=seconds, wanted=wanted)
        print(storm.told())  # noqa: T201 - the figures, which a report is made of
        record_property("storm", storm.told())
        assert storm.faults == []
        assert findings(data, environ) == []
        assert check_ledgers(storm, server) == []
    # and again when all that is garbage has gone
    swept = run_admin(data, environ, "sweep", "--grace", "0")
    assert swept["done"]
    assert findings(data, environ) == []
    with running_server(data, environ=environ, token=server.token) as server:
        assert check_ledgers(storm, server) == []
    missed = {name: count for name, count in storm.counted.items() if count < wanted[name]}
    assert missed == {}
