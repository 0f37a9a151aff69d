"""What is believed of a proxy, over real connections: nothing, unless it was named."""

import json
from collections.abc import Callable, Iterator

import pytest
import requests

from tests.tools.server import RunningServer, running_server, wait_until

pytestmark = pytest.mark.real

TIMEOUT = 30
SPOOFED = {
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Ssl": "on",
    "X-Forwarded-Protocol": "ssl",
    "Forwarded": "for=6.6.6.6;proto=https;host=evil.example",
    "Script-Name": "/evil",
}


@pytest.fixture(scope="module")
def start(
    tmp_path_factory: pytest.TempPathFactory, kind: str
) -> Iterator[Callable[[str], RunningServer]]:
    """Start servers that trust what they are told to, once each."""
    import contextlib

    with contextlib.ExitStack() as stack:
        made: dict[str, RunningServer] = {}

        def start(trusted: str) -> RunningServer:
            if trusted not in made:
                data = tmp_path_factory.mktemp("proxies") / "data"
                options: dict[str, object] = {"server": kind, "log_format": "json", "threads": 2}
                if trusted:
                    options["trusted_proxies"] = trusted
                environ = {"FORWARDED_ALLOW_IPS": "*"}  # gunicorn's own: it must not weaken ours
                made[trusted] = stack.enter_context(
                    running_server(data, environ=environ, **options)
                )
            return made[trusted]

        yield start


def ask(server: RunningServer, path: str, **headers: str) -> tuple[requests.Response, str]:
    """Return the answer, and the address that was logged."""
    answer = requests.get(server.url + path, headers=headers, timeout=TIMEOUT)
    number = answer.headers["X-Request-Id"]

    def find() -> str | None:
        drawn = [json.loads(line) for line in server.log_text().splitlines()]
        return next((line["remote"] for line in drawn if line.get("request_id") == number), None)

    return answer, wait_until(find)


@pytest.mark.parametrize("trusted", ["", "10.0.0.0/8, 192.168.1.1"])
def test_from_anybody_else_nothing_is_believed(start, trusted):
    answer, remote = ask(start(trusted), "/login", **SPOOFED)

    assert remote == "127.0.0.1"
    assert "; Secure" not in answer.headers["Set-Cookie"]
    assert "evil" not in str(answer.headers)


def test_the_word_of_a_trusted_one_counts(start):
    answer, remote = ask(start("127.0.0.0/8"), "/login", **SPOOFED)

    assert remote == "6.6.6.6"
    assert "; Secure" in answer.headers["Set-Cookie"]


def test_it_counts_no_further_than_the_first_that_nobody_trusts(start):
    chain = {"X-Forwarded-For": "6.6.6.6, 8.8.8.8, 127.0.0.9"}

    _, remote = ask(start("127.0.0.0/8"), "/healthz", **chain)

    assert remote == "8.8.8.8"


def test_links_are_of_the_host_that_was_asked(start):
    server = start("127.0.0.0/8")
    headers = {
        "Authorization": f"Bearer {server.token}",
        "X-Forwarded-Host": "recipes.example.org",
        "X-Forwarded-Proto": "https",
    }
    url = f"{server.url}/v2/team/image/blobs/uploads/"

    location = requests.post(url, headers=headers, timeout=TIMEOUT).headers["Location"]

    assert location.startswith(("/v2/", "https://recipes.example.org/v2/"))
