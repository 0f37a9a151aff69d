"""serve_recipe.py, a real process: a run for each request; and a job that pushes its metrics."""

import base64
import contextlib
import http.server
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from recipes.pack import pack
from recipes.render.monitoring import EMITTED
from recipes.run import run_package
from tests.checkouts import a_counting_checkout
from tests.tools.server import LIMIT, wait_until

pytestmark = pytest.mark.real

CODE = """
    import os, time
    class Count:
        def run(self, context, args):
            print("running")
            until = args.get("until")
            while until and not os.path.exists(until):
                time.sleep(0.05)
            context.set("count.lines", args.get("more", 0))
            context.set("token", "RECIPEBOX_SERVE_TOKEN" in os.environ)
            return args.get("code", 0)
    """


@dataclass(frozen=True)
class Service:
    """A running serve_recipe.py."""

    url: str
    process: "subprocess.Popen[str]"

    def post(self, document: object = None, **more: Any) -> requests.Response:
        """POST /run."""
        return requests.post(f"{self.url}/run", json=document, timeout=LIMIT, **more)

    def get(self, path: str) -> requests.Response:
        """GET a path."""
        return requests.get(f"{self.url}{path}", timeout=LIMIT)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packed service."""
    folder = tmp_path_factory.mktemp("service")
    config = "schema_version: 1\nkind: service\n"
    recipe = a_counting_checkout(
        folder / "checkout", **{"deployment_config.yaml": config, "steps/count.py": CODE}
    )
    return pack(recipe, folder / "out", prove=False).path


@contextlib.contextmanager
def serving(tree: Path, *words: str, **environ: str) -> Iterator[Service]:
    program = str(tree / "containers" / "serve_recipe.py")
    process = subprocess.Popen(
        [sys.executable, "-I", "-B", program, "--port", "0", "--host", "127.0.0.1", *words],
        env={"PATH": os.environ["PATH"], **environ},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    found = re.search(r"takes requests at port (\d+)", process.stderr.readline())
    assert found
    reader = threading.Thread(target=process.stderr.read)  # so that it never waits to be read
    reader.start()
    try:
        yield Service(f"http://127.0.0.1:{found[1]}", process)
    finally:
        process.terminate()
        process.wait(LIMIT)
        reader.join(LIMIT)
        process.stderr.close()


@pytest.fixture(scope="module")
def service(tree: Path) -> Iterator[Service]:
    """A service that takes one run at once."""
    with serving(tree, "--timeout", "30") as started:
        yield started


def test_it_runs_once_for_each_request(service: Service) -> None:
    answer = service.post({"set": {"count.more": 4}})
    assert answer.status_code == 200
    document = answer.json()
    assert (document["exit_code"], document["context"]["count.lines"]) == (0, 4)
    assert [step["name"] for step in document["steps"]] == ["count"]
    assert service.post().json()["context"]["count.lines"] == 0


def test_a_context_goes_in_and_out(service: Service) -> None:
    assert service.post({"context": {"given": [1]}}).json()["context"]["given"] == [1]


def test_a_recipe_that_fails_is_a_500_with_its_exit_code(service: Service) -> None:
    answer = service.post({"set": {"count.code": 3}})
    assert (answer.status_code, answer.json()["exit_code"]) == (500, 3)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "not a JSON object"),
        ({"sett": {}}, "unknown: sett (known are set, only, context)"),
        ({"set": []}, "set is not an object"),
        ({"set": {"nothing": 1}}, "no step has an argument 'nothing'"),
        ({"set": {"count.a=b": 1}}, "no step has an argument 'count.a=b'"),
        ({"only": []}, "only is a list of steps (there are count)"),
        ({"only": ["other"]}, "only is a list of steps"),
        ({"context": 1}, "context is not an object"),
    ],
)
def test_a_wrong_request_is_told_why(service: Service, document: object, said: str) -> None:
    answer = service.post(document)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_what_is_no_request_is_refused(service: Service) -> None:
    assert requests.post(f"{service.url}/run", data=b"{", timeout=LIMIT).status_code == 400
    large = requests.post(f"{service.url}/run", data=b" " * ((1 << 20) + 1), timeout=LIMIT)
    assert large.status_code == 413
    chunks = requests.post(f"{service.url}/run", data=iter([b"{}"]), timeout=LIMIT)
    assert chunks.status_code == 411
    assert requests.post(f"{service.url}/other", timeout=LIMIT).status_code == 404
    assert service.get("/run").status_code == 405
    assert service.get("/other").status_code == 404
    assert service.get("/healthz").json() == {"status": "ok"}


def test_its_metrics_are_those_that_are_asked_for(service: Service) -> None:
    service.post()
    text = service.get("/metrics").text
    assert set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE)) == set(EMITTED)
    assert 'recipebox_runs_running{package="team/count"} 0\n' in text


def test_more_than_may_run_at_once_are_told_to_come_again(service: Service, tmp_path: Path) -> None:
    until = tmp_path / "done"
    answers: list[requests.Response] = []
    ask = {"set": {"count.until": str(until)}}
    thread = threading.Thread(target=lambda: answers.append(service.post(ask)))
    thread.start()
    wait_until(lambda: "} 1\n" in service.get("/metrics").text.partition("# HELP recipebox_p")[0])
    refused = service.post()
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert service.get("/healthz").status_code == 200
    until.touch()
    thread.join(LIMIT)
    assert answers[0].status_code == 200


def test_a_token_is_asked_for_where_there_is_one(tree: Path) -> None:
    with serving(tree, RECIPEBOX_SERVE_TOKEN="word") as service:
        assert service.post().status_code == 401
        assert service.post(headers={"Authorization": "Bearer other"}).status_code == 401
        answer = service.post(headers={"Authorization": "Bearer word"})
        assert (answer.status_code, answer.json()["context"]["token"]) == (200, False)
        assert service.get("/healthz").status_code == 200


@pytest.mark.parametrize("prefix", ["/etl", "/a/b/", "/run"])
def test_what_an_ingress_leaves_on_is_taken_off(tree: Path, prefix: str) -> None:
    with serving(tree, "--prefix", prefix, "--health", "/alive") as service:
        for before in ("", prefix.rstrip("/")):
            answer = requests.post(f"{service.url}{before}/run?x=1", timeout=LIMIT)
            assert (answer.status_code, answer.json()["exit_code"]) == (200, 0)
            assert service.get(f"{before}/alive").json() == {"status": "ok"}
            assert "recipebox_runs_running" in service.get(f"{before}/metrics").text
            assert service.get(f"{before}/other").status_code == 404
        for wrong in (f"{prefix.rstrip('/')}x/run", f"/x{prefix.rstrip('/')}/run"):
            assert requests.post(f"{service.url}{wrong}", timeout=LIMIT).status_code == 404


def test_without_a_prefix_there_is_none(service: Service) -> None:
    assert requests.post(f"{service.url}/etl/run", timeout=LIMIT).status_code == 404


def test_a_prefix_that_is_none_is_refused(tree: Path) -> None:
    program = str(tree / "containers" / "serve_recipe.py")
    refused = subprocess.run(
        [sys.executable, program, "--prefix", "etl"], check=False, capture_output=True, text=True
    )
    assert refused.returncode == 2
    assert "--prefix: it begins with /" in refused.stderr


def test_a_run_that_takes_too_long_is_ended(tree: Path, tmp_path: Path) -> None:
    with serving(tree, "--timeout", "0.5") as service:
        answer = service.post({"set": {"count.until": str(tmp_path / "never")}})
        assert answer.status_code == 504
        assert "ended after 0.5 s" in answer.json()["error"]


def test_it_finishes_what_runs_before_it_ends(tree: Path, tmp_path: Path) -> None:
    until = tmp_path / "done"
    answers: list[requests.Response] = []
    with serving(tree) as service:
        ask = {"set": {"count.until": str(until)}}
        thread = threading.Thread(target=lambda: answers.append(service.post(ask)))
        thread.start()
        wait_until(lambda: "} 1\n" in service.get("/metrics").text)
        service.process.send_signal(signal.SIGTERM)
        until.touch()
        assert service.process.wait(LIMIT) == 0
        thread.join(LIMIT)
    assert answers[0].status_code == 200


def test_whether_it_is_well_can_be_asked(tree: Path, service: Service) -> None:
    program = str(tree / "containers" / "serve_recipe.py")
    port = service.url.rpartition(":")[2]

    def check(*words: str) -> int:
        return subprocess.run(
            [sys.executable, program, "--check", *words], check=False, capture_output=True
        ).returncode

    assert check("--port", port) == 0
    assert check("--port", port, "--health", "/other") == 1
    assert check("--port", "1") == 1


def test_a_job_pushes_to_a_gateway(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []

    class Gateway(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            told.append((self.path, self.rfile.read(length).decode()))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    packed = pack(a_counting_checkout(tmp_path / "checkout"), tmp_path / "out", prove=False)
    with http.server.HTTPServer(("127.0.0.1", 0), Gateway) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        for settings in ([], ["src=missing.txt"]):
            environ = {"RECIPEBOX_METRICS": url}
            run_package(packed.path, settings=settings, environment=environ, is_quiet=True)
        server.shutdown()
        thread.join(LIMIT)
    (path, good), (_, bad) = told
    group = base64.urlsafe_b64encode(b"team/count").decode().rstrip("=")
    assert path == f"/metrics/job/recipebox/package@base64/{group}"
    assert 'recipebox_run_exit_code{package="team/count"} 0\n' in good
    assert "recipebox_last_success_timestamp_seconds" in good
    assert "recipebox_last_success_timestamp_seconds" not in bad  # the gateway keeps what it has
    assert "recipebox_runs_total" not in good + bad
