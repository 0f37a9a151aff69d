"""Serves this package's recipe: it runs once for each request.

    python serve_recipe.py [--port N] [--host ADDRESS] [--parallel N] [--timeout S]
                           [--health PATH] [--prefix PATH] [--check]

    POST /run       {"set": {"[STEP.]ARG": value}, "only": ["STEP"], "context": {...}}, or no body
                    200 {"exit_code": 0, "steps": [...], "context": {...}}; 500 where the recipe
                    failed, 504 where it took too long; 400 says what is wrong with the request;
                    503 that as many as may run at once already do
    GET /healthz    200 while it takes requests
    GET /metrics    Prometheus's text format, of the runs so far

Where the variable RECIPEBOX_SERVE_TOKEN is set, POST /run needs `Authorization: Bearer TOKEN`. Each
run is a child of its own, `run_recipe.py`, and what it prints goes to this one's stderr. On SIGTERM
no more is taken, what runs is finished, and then this ends. --check asks a running one for its
health, and ends with 0 or 1. With --prefix /etl, what is sent to /etl/run and so on by an ingress
that leaves the prefix on is answered as what is sent to /run. It needs Python 3.11 or newer
and nothing else.
"""

import argparse
import hmac
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.request

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RUN = os.path.join(PACKAGE, "recipe", "run_recipe.py")
RUN_PATH, METRICS_PATH = "/run", "/metrics"
TOKEN = "RECIPEBOX_SERVE_TOKEN"
LARGEST = 1 << 20  # bytes of a request
GRACE = 5.0  # seconds between asking a run to end and ending it
IDLE = 60.0  # seconds that a client may say nothing
COUNTING = threading.Lock()


class Refused(Exception):
    """A request that can't be served: its status, and why."""

    def __init__(self, status, reason):
        super().__init__(reason)
        self.status = status


def main(argv):
    options = parse(argv)
    if options.check:
        return check(options)
    with open(os.path.join(PACKAGE, "metadata", "package.json"), encoding="utf-8") as file:
        package = json.load(file)
    token = os.environ.pop(TOKEN, "")
    scratch = tempfile.mkdtemp(prefix="recipebox-serve-")
    server = Server((options.host, options.port), Handler)
    server.package, server.options, server.token, server.scratch = package, options, token, scratch

    def end(_number, _frame):
        threading.Thread(target=server.shutdown).start()  # it waits for the loop below

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    port = server.server_address[1]
    say(f"{package['name']} {package['version']} takes requests at port {port}")
    try:
        server.serve_forever(poll_interval=0.2)
        server.server_close()  # waits for the runs
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return 0


def parse(argv):
    parser = argparse.ArgumentParser(
        prog="serve_recipe.py", description="Serves this package's recipe.", allow_abbrev=False
    )
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one, and says which")
    parser.add_argument("--host", default="0.0.0.0", help="the address to listen at")
    parser.add_argument("--parallel", type=int, default=1, help="runs at once")
    parser.add_argument("--timeout", type=float, default=3600.0, help="seconds of a run")
    parser.add_argument("--health", default="/healthz", metavar="PATH", help="where health is told")
    parser.add_argument("--prefix", default="", metavar="PATH", help="what may be before each path")
    parser.add_argument("--check", action="store_true", help="ask a running one for its health")
    options = parser.parse_args(argv)
    if options.parallel < 1:
        parser.error("--parallel: at least 1")
    if options.prefix and not options.prefix.startswith("/"):
        parser.error("--prefix: it begins with /")
    options.prefix = options.prefix.rstrip("/")
    return options


def check(options):
    url = f"http://127.0.0.1:{options.port}{options.health}"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return 0 if answer.status == 200 else 1
    except OSError as error:
        say(f"{url}: {error}")
        return 1


def say(text):
    print(f"serve_recipe: {text}", file=sys.stderr, flush=True)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False  # so that server_close() waits for them
    request_queue_size = 128
    running = 0

    def begin(self):
        """Take a place for a run, if there is one."""
        with COUNTING:
            if self.running >= self.options.parallel:
                return False
            self.running += 1
            return True

    def end(self):
        with COUNTING:
            self.running -= 1


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers one request; the connection ends with it, so that none keeps this from ending."""

    server_version = "recipebox"
    sys_version = ""
    timeout = IDLE

    def do_GET(self):
        path = self.place()
        if path == self.server.options.health:
            self.answer(200, {"status": "ok"})
        elif path == METRICS_PATH:
            self.send(200, "text/plain; version=0.0.4; charset=utf-8", metrics(self.server))
        elif path == RUN_PATH:
            self.answer(405, {"error": "POST to it"}, Allow="POST")
        else:
            there = f"POST {RUN_PATH}, GET {self.server.options.health} and GET {METRICS_PATH}"
            self.answer(404, {"error": f"there are {there}"})

    do_HEAD = do_GET

    def do_POST(self):
        if self.place() != RUN_PATH:
            self.answer(404, {"error": f"there is POST {RUN_PATH}"})
            return
        try:
            body = self.body()
            self.admit()
            words, context = read_request(body, self.server.package["steps"])
        except Refused as refused:
            headers = {"WWW-Authenticate": "Bearer"} if refused.status == 401 else {}
            self.answer(refused.status, {"error": str(refused)}, **headers)
            return
        if not self.server.begin():
            said = f"{self.server.options.parallel} runs are under way; ask again"
            self.answer(503, {"error": said}, **{"Retry-After": "1"})
            return
        try:
            status, result = run(self.server, words, context)
        finally:
            self.server.end()
        self.answer(status, result)

    def place(self):
        """Return the path without the prefix that an ingress left on."""
        path = self.path.partition("?")[0]
        options = self.server.options
        if path in {options.health, METRICS_PATH, RUN_PATH}:  # the prefix may be one of these
            return path
        return path.removeprefix(options.prefix) if path.startswith(f"{options.prefix}/") else path

    def admit(self):
        wanted = self.server.token
        given = self.headers.get("Authorization", "")
        if wanted and not hmac.compare_digest(given.encode(), f"Bearer {wanted}".encode()):
            raise Refused(401, "Authorization: Bearer TOKEN is needed")

    def body(self):
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdigit():
            raise Refused(411, "a body needs Content-Length")
        if int(length) > LARGEST:
            raise Refused(413, f"a body has at most {LARGEST} bytes")
        return self.rfile.read(int(length))

    def answer(self, status, document, **headers):
        data = (json.dumps(document, sort_keys=True) + "\n").encode()
        self.send(status, "application/json", data, **headers)

    def send(self, status, kind, data, **headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Connection", "close")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, form, *values):
        say(f"{self.address_string()} {form % values}")


def metrics(server):
    """Return what the runs have written, and how many are under way."""
    name = json.dumps(server.package["name"])
    text = (
        "# HELP recipebox_runs_running Runs that are under way.\n"
        "# TYPE recipebox_runs_running gauge\n"
        f"recipebox_runs_running{{package={name}}} {server.running}\n"
    )
    path = os.path.join(server.scratch, "metrics.prom")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            text += file.read()
    return text.encode()


def read_request(data, steps):
    """Return the words for run_recipe, and the context or None."""
    try:
        asked = json.loads(data or b"{}")
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"the body is not JSON: {error}") from error
    if not isinstance(asked, dict):
        raise Refused(400, "the body is not a JSON object")
    unknown = sorted(set(asked) - {"set", "only", "context"})
    if unknown:
        raise Refused(400, f"unknown: {', '.join(unknown)} (known are set, only, context)")
    values, only, context = asked.get("set", {}), asked.get("only"), asked.get("context")
    if not isinstance(values, dict):
        raise Refused(400, "set is not an object of arguments")
    if context is not None and not isinstance(context, dict):
        raise Refused(400, "context is not an object")
    names = [step["name"] for step in steps]
    words = []
    for key, value in values.items():
        known = any(key in step["args"] for step in steps)
        if (not known and not any(key.startswith(f"{name}.") for name in names)) or "=" in key:
            arguments = sorted({key for step in steps for key in step["args"]})
            raise Refused(
                400, f"no step has an argument {key!r} (there are {', '.join(arguments) or 'none'})"
            )
        words += ["--set", f"{key}={json.dumps(value)}"]
    if only is not None:
        if not isinstance(only, list) or not only or not all(each in names for each in only):
            raise Refused(400, f"only is a list of steps (there are {', '.join(names)})")
        words += ["--only", ",".join(only)]
    return words, context


def run(server, words, context):
    """Run the recipe once; return the status and the document to answer with."""
    with tempfile.TemporaryDirectory(dir=server.scratch) as folder:
        result = os.path.join(folder, "result.json")
        command = [sys.executable, "-I", "-B", RUN, "--json", result, *words]
        command += ["--metrics", os.path.join(server.scratch, "metrics.prom")]
        if context is not None:
            given = os.path.join(folder, "context.json")
            with open(given, "w", encoding="utf-8") as file:
                json.dump(context, file)
            command += ["--context", given]
        # who asked may ask again; and what a killed server leaves is nobody's
        own = {"RECIPEBOX_ATTEMPTS": "1", "RECIPEBOX_PARENT": str(os.getpid())}
        environment = {**os.environ, **own}
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=sys.stderr, env=environment
        )
        try:
            code = child.wait(server.options.timeout)
        except subprocess.TimeoutExpired:
            child.terminate()
            try:
                child.wait(GRACE)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            return 504, {"error": f"it was ended after {server.options.timeout:g} s"}
        if not os.path.exists(result):
            return 500, {"error": "it did not run; the log says why", "exit_code": code}
        with open(result, encoding="utf-8") as file:
            return (200 if code == 0 else 500), json.load(file)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
