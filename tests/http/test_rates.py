"""Rate limits of a real server: each process by itself, or all together in a real Redis."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.tools.redis import running_redis
from tests.tools.server import RunningServer, running_server

pytestmark = pytest.mark.real

LIMIT = 20


def ask(server: RunningServer, token: str | None) -> requests.Response:
    """Ask on a connection of its own, which either process may take."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.get(f"{server.url}/api/v1/packages", headers=headers, timeout=60)


def ask_often(server: RunningServer, times: int, token: str | None = None) -> Counter[int]:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(server, token), range(times)))
    for answer in answers:
        if answer.status_code == 429:
            assert 0 < int(answer.headers["Retry-After"]) <= 60
    return Counter(answer.status_code for answer in answers)


def test_a_process_counts_for_itself(tmp_path: Path) -> None:
    with running_server(tmp_path / "data", workers=1, rate_limit=LIMIT) as server:
        assert ask_often(server, 30, server.token) == {200: LIMIT, 429: 10}
        assert ask_often(server, 30) == {200: 30}
        assert requests.get(f"{server.url}/readyz", timeout=60).status_code == 200


def test_all_processes_count_together_in_redis_and_go_on_without_it(tmp_path: Path) -> None:
    with running_redis() as redis:
        environ = {"RECIPEBOX_RATE_STORAGE": redis.url}
        options = {"rate_limit": LIMIT, "rate_limit_anonymous": 5}
        with running_server(tmp_path / "data", workers=3, environ=environ, **options) as server:
            assert ask_often(server, 40, server.token) == {200: LIMIT, 429: 20}
            assert ask_often(server, 10) == {200: 5, 429: 5}

            redis.stop()

            assert ask_often(server, 10, server.token) == {200: 10}
            assert "the storage of rates is away" in server.log_text()
