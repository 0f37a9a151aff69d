"""The whole path once, for real: what `make demo` shows.

A recipe is taken out of an old checkout, signed, published to a running registry, resolved, fetched
on another machine (another home, no checkout), verified, run, promoted, and shown on a page. A line
that begins with `$` was run as it stands; what follows it is what it printed. Everything stays in
`.demo/`, which each run begins by emptying; the author's cache of wheels alone is kept.
"""

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / ".demo"
CACHE = DEMO / "cache"
BIN = Path(sys.executable).parent
START_LIMIT = 30
BOLD, DIM, END = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")


class DemoFailed(Exception):
    """A command of the story didn't do what it should."""


class Machine:
    """Somebody's machine: a home of its own, a folder to work in, and nothing else in common."""

    def __init__(self, name: str, work: Path, **variables: str) -> None:
        self.home = DEMO / name
        self.work = work
        self.home.mkdir(parents=True, exist_ok=True)
        self.variables = variables

    @property
    def environ(self) -> dict[str, str]:
        """The whole environment of its commands."""
        return {
            "HOME": str(self.home),
            "PATH": f"{BIN}:{os.environ.get('PATH', os.defpath)}",
            "LANG": "C.UTF-8",
            **{key: value for key, value in os.environ.items() if key.lower().endswith("_proxy")},
            **{key: value for key, value in os.environ.items() if key.startswith("PIP_")},
            **self.variables,
        }

    def run(
        self,
        command: str,
        *,
        expected: int = 0,
        given: str = "",
        hidden: str | tuple[str, ...] = (),
        shown: int = 20,
        apart: bool = False,
    ) -> str:
        """Run a line of shell words here, show it with what it prints, and return its output.

        Args:
            command: the words.
            expected: the exit code that it must end with.
            given: what stands on its standard input.
            hidden: what the lines begin with that aren't shown, such as warnings seen before.
            shown: how many lines are shown at most.
            apart: return its stdout alone; else both streams are one, as on a terminal.

        Raises:
            DemoFailed: it ended with another exit code.
        """
        print(f"{BOLD}$ {command}{END}", flush=True)
        done = subprocess.run(
            shlex.split(command),
            cwd=self.work,
            env=self.environ,
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if apart else subprocess.STDOUT,
            text=True,
            check=False,
        )
        lines = ((done.stderr or "") + done.stdout).rstrip().splitlines()
        if done.returncode != expected:
            show(lines)
            raise DemoFailed(f"exit code {done.returncode}, expected {expected}: {command}")
        seen = [line for line in lines if not line.startswith(hidden)]
        show(seen[:shown])
        if len(seen) > shown:
            show([f"... and {len(seen) - shown} lines more"])
        return done.stdout


def show(lines: list[str]) -> None:
    """Print what a command printed, set off from what we say."""
    for line in lines:
        print(f"  {DIM}{line}{END}")


def say(text: str) -> None:
    """Print a heading of the story."""
    print(f"\n{BOLD}{text}{END}", flush=True)


def wait_for(path: Path, server: subprocess.Popen[bytes], log: Path) -> str:
    """Return the text of `path` once the server has written it.

    Raises:
        DemoFailed: the server ended, or wrote nothing in time; says what its log says.
    """
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline:
        if path.exists() and (text := path.read_text().strip()):
            return text
        if server.poll() is not None:
            break
        time.sleep(0.05)
    raise DemoFailed(f"the server did not start:\n{log.read_text()}")


def start_server(environ: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], str, str]:
    """Start a registry on a free port; return its process, URL and first administrator's token."""
    log = DEMO / "server.log"
    address = DEMO / "server.url"
    command = (
        f"recipebox serve --data {DEMO / 'data'} --listen 127.0.0.1:0 --address-file {address}"
    )
    print(f"{BOLD}$ recipebox serve --data .demo/data --listen 127.0.0.1:0 &{END}", flush=True)
    with log.open("wb") as output:
        server = subprocess.Popen(
            shlex.split(command), env=dict(environ), stdout=output, stderr=output, cwd=DEMO
        )
    url = wait_for(address, server, log)
    token = next(word for word in log.read_text().split() if word.startswith("rbx_"))
    show([f"listening on {url}", "an administrator's token was printed, once: rbx_..."])
    return server, url, token


def stop(server: subprocess.Popen[bytes]) -> None:
    """End the server as an operator would, and wait for it."""
    server.send_signal(signal.SIGTERM)
    server.wait(timeout=START_LIMIT)


RECIPES = "checkout/orchestrator/Recipes"
WARN = "warning: "
LOG = ("INFO", "WARNING", "numbers.")


def run_in_checkout(author: Machine) -> dict[str, Any]:
    """The recipe where it was written, by the checkout's own runner; return its context."""
    say(
        "1. A checkout: old, large, other people's; its recipes run from its root, and nowhere else"
    )
    author.run("ls -m checkout")
    author.run(f"head -n 17 {RECIPES}/sales_stats.yaml")
    inside = Machine("author", author.work / "checkout")
    out = inside.run(
        f"{sys.executable} -m orchestrator.runner --recipe orchestrator/Recipes/sales_stats.yaml"
        " --json-output",
        hidden="{",
        apart=True,
    )
    context: dict[str, Any] = json.loads(out.splitlines()[-1])["context"]
    return context


def publish(author: Machine, token: str) -> None:
    """The author's machine: a key, a namespace, three packages out of one checkout."""
    say("2. Ada logs in, makes a key, and opens a namespace whose releases it signs")
    author.run("recipebox login --token-stdin", given=token)
    author.run("recipebox namespace create demo --public")
    author.run("recipebox key new 'Ada Author <ada@example.org>' --no-passphrase")
    author.run("recipebox key export --output ada.asc")
    author.run("recipebox namespace key add demo ada.asc")

    say("3. She packs a recipe: its steps, the code and data that they need, wheels locked by hash")
    author.run(f"recipebox pack {RECIPES}/sales_stats.yaml --out build/sales")
    print(
        "\nA recipe that can't run is refused, with each thing that is missing and who asks for it:"
    )
    author.run(f"recipebox pack {RECIPES}/quarterly_forecast.yaml --out build/bad", expected=1)
    author.run(f"recipebox pack {RECIPES}/ftp_upload.yaml --out build/bad", expected=1)
    print("\nA template is filled in from a file of values, or refused by what is unfilled:")
    author.run(f"recipebox pack {RECIPES}/region_report.yaml --out build/bad", expected=1)
    north = f"--values {RECIPES}/values/region_north.toml"
    command = f"recipebox pack {RECIPES}/region_report.yaml {north} --out build/north"
    author.run(command, hidden=f"{WARN}common/")

    say("4. Signed and published; until the server has read every byte, nobody else sees it")
    author.run("recipebox sign build/sales")
    author.run("recipebox publish build/sales")
    print("\nA second one, and a third whose steps run these two as packages of their own:")
    author.run(f"recipebox pack {RECIPES}/customer_cleanup.yaml --out build/customers", hidden=WARN)
    author.run("recipebox sign build/customers")
    author.run("recipebox publish build/customers")
    author.run("recipebox fetch demo/sales-stats demo/customer-cleanup --out build/required")
    weekly = f"{RECIPES}/weekly_digest.yaml --required build/required --out build/weekly"
    author.run(f"recipebox pack {weekly}", hidden=WARN)
    author.run("recipebox sign build/weekly")
    author.run("recipebox publish build/weekly")


def fetch_and_run(other: Machine, before: dict[str, Any]) -> None:
    """Another machine: finds, resolves, fetches, verifies, runs; there is no checkout any more."""
    say("5. The checkout is gone. Another machine knows the registry's address, and nothing else")
    shutil.rmtree(DEMO / "author" / "work" / "checkout")
    other.run("recipebox search digest")
    other.run("recipebox fetch demo/weekly-digest@^1 --out jobs")
    print("\nEvery file is as Ada signed it, and plain gpg says so too:")
    other.run("recipebox verify jobs")
    other.run("recipebox trust export demo --output ada.asc")
    other.run("gpg --quiet --batch --import ada.asc")
    metadata = "jobs/demo/weekly-digest-1.0.0/metadata"
    other.run(f"gpg --verify {metadata}/signature.asc {metadata}/release.json")

    say("6. It runs: three packages, each in a process with its own code and wheels")
    other.run("recipebox run jobs")
    out = other.run(
        "recipebox run demo/sales-stats@1.2.0 --json --offline", hidden=LOG, shown=10, apart=True
    )
    same = json.loads(out)["context"] == before
    if not same:
        raise DemoFailed("the fetched package gave another result than the checkout did")
    show(["the same result as in the checkout: every key of the context, compared"])


def promote(author: Machine) -> None:
    """What was solved is frozen and moved through the channels."""
    say("7. What was solved is frozen in a lock, bundled, signed, and promoted; no byte changes")
    author.run("recipebox lock demo/weekly-digest@^1 --output recipebox.lock")
    out = author.run("recipebox promote demo/monday --lock recipebox.lock --to dev")
    bundle = next(word for word in out.split() if word.startswith("sha256:"))
    print("\nChannels have an order, and a bundle can't leap over one:")
    author.run(f"recipebox promote demo/monday --bundle {bundle} --to production", expected=4)
    author.run(f"recipebox promote demo/monday --bundle {bundle} --to staging")


def look(url: str) -> None:
    """The page that people see."""
    say("8. And on a page")
    page = f"{url}/packages/demo/weekly-digest"
    with urllib.request.urlopen(page, timeout=START_LIMIT) as answer:
        text = answer.read().decode()
    for wanted in ("demo/weekly-digest", "demo/monday", "staging", "recipebox fetch"):
        if wanted not in text:
            raise DemoFailed(f"{page} doesn't say {wanted}")
    show([f"{page}: its versions, signers, requirements, channels, and how to fetch it"])


def main() -> int:
    """Tell the story; return 0 when all of it was as told."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="leave the server up")
    keep = parser.parse_args().keep
    began = time.monotonic()
    for old in DEMO.iterdir() if DEMO.exists() else ():
        if old != CACHE:
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    work = DEMO / "author" / "work"
    work.mkdir(parents=True)
    (DEMO / "other" / "work").mkdir(parents=True)
    shutil.copytree(ROOT / "examples" / "checkout", work / "checkout")
    say("A registry, on a free port")
    server, url, token = start_server(Machine("server", DEMO).environ)
    try:
        author = Machine("author", work, RECIPEBOX_URL=url, RECIPEBOX_CACHE=str(CACHE))
        before = run_in_checkout(author)
        publish(author, token)
        fetch_and_run(Machine("other", DEMO / "other" / "work", RECIPEBOX_URL=url), before)
        promote(author)
        look(url)
    except DemoFailed as error:
        print(f"\nthe demo failed: {error}", file=sys.stderr)
        stop(server)
        return 1
    print(f"\nAll of it in {time.monotonic() - began:.0f} seconds. What was made is in .demo/")
    if keep:
        print(f"The server is still up: {url}  (stop it with: kill {server.pid})")
        print(f"Log in at {url}/login with: {token}")
    else:
        stop(server)
        print("See the pages yourself: make demo KEEP=1")
    return 0


if __name__ == "__main__":
    sys.exit(main())
