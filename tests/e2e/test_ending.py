"""Whoever runs a recipe may end, or be ended, in any way: all that the recipe started ends too."""

import signal
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from tests.checkouts import a_counting_checkout
from tests.e2e.support import LIMIT, Machine
from tests.tools.server import wait_until

pytestmark = pytest.mark.real

CODE = """
import subprocess, time
WORDS = ["sh", "-c", "trap '' INT TERM HUP; while :; do sleep 1; done # {mark}"]
def Count(context, args):
    subprocess.Popen(WORDS)
    subprocess.Popen(WORDS, start_new_session=True)
    subprocess.run(["sh", "-c", "sh -c \\"$0\\" & wait", WORDS[2]])
    time.sleep(300)
"""
STARTED = 4  # shells that have the mark among their words

NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL]


def running(*marks: str) -> list[str]:
    """Return the command lines that have one of these texts in them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace")
        except OSError:  # it ended meanwhile
            continue
        if any(mark in words for mark in marks):
            found.append(words)
    return found


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: signal.Signals(number).name)
@pytest.mark.parametrize("command", ["run", "pack"])
def test_it_ends_with_the_command(command: str, number: signal.Signals, tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    code = CODE.replace("{mark}", mark)
    recipe = a_counting_checkout(tmp_path / "checkout", **{"steps/count.py": code})
    ada = Machine(tmp_path / "ada")
    words: tuple[str | Path, ...] = ("pack", recipe, "--out", tmp_path / "out")
    if command == "run":
        ada.run(*words, "--no-run")
        words = ("run", tmp_path / "out")
        temporary = tmp_path / f"tmp-{mark}"  # where the runner's files are, which its words name
        temporary.mkdir()
        ada = replace(ada, variables={"TMPDIR": str(temporary)})
    process = ada.start(*words)
    wait_until(lambda: len(running(f"# {mark}")) >= STARTED)

    process.send_signal(number)

    process.communicate(timeout=LIMIT)
    wait_until(lambda: running(mark) == [])
    if command == "run" and number != signal.SIGKILL:
        assert process.returncode == 128 + number
