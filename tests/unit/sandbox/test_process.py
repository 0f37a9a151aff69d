"""The process sandbox: limits hold, nothing is left running, and the account is true."""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sandbox.errors import CannotStart, NotEnforced
from sandbox.process import ProcessSandbox
from sandbox.sandbox import NOBODY, Command, Limits, Outcome

DEBIAN = "/bin/sh"  # a program that every user can reach


def run(cwd: Path, *argv: str, **more: Any) -> Outcome:
    more.setdefault("env", {"PATH": os.defpath})
    return ProcessSandbox().run(Command(argv, cwd, **more))


def python(cwd: Path, text: str, **more: Any) -> Outcome:
    return run(cwd, sys.executable, "-c", text, **more)


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0]
    except FileNotFoundError:
        return False


def test_it_gives_output_exit_code_and_time(tmp_path: Path) -> None:
    outcome = run(tmp_path, "sh", "-c", "pwd; echo away >&2; exit 7")

    assert outcome.exit_code == 7
    assert outcome.stdout.decode().strip() == str(tmp_path)
    assert outcome.stderr == b"away\n"
    assert outcome.ended is None
    assert 0 < outcome.seconds < 30


def test_the_environment_is_what_was_asked_and_a_token(tmp_path: Path) -> None:
    outcome = run(tmp_path, "env", env={"PATH": os.defpath, "A": "1"})

    names = {line.partition(b"=")[0] for line in outcome.stdout.splitlines()}
    assert names - {b"PWD", b"SHLVL", b"_"} == {b"PATH", b"A", b"RECIPEBOX_SANDBOX"}


def test_a_signal_is_its_number_and_128(tmp_path: Path) -> None:
    assert run(tmp_path, "sh", "-c", "kill -SEGV $$").exit_code == 139


def test_what_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    text = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen(['sleep', '300'], start_new_session=True)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(300)\n"
    )
    outcome = python(tmp_path, text, limits=Limits(seconds=1.0))

    assert outcome.ended == "time"
    assert outcome.exit_code == 143
    assert outcome.seconds < 30
    assert not is_running(int(outcome.stdout))


def test_what_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.process._GRACE", 0.2)
    text = "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint(1, flush=True)\n"
    outcome = python(tmp_path, text + "time.sleep(300)", limits=Limits(seconds=1.0))

    assert outcome.exit_code == 137


def test_what_stays_behind_is_ended_too(tmp_path: Path) -> None:
    text = (
        "import subprocess\n"
        "child = subprocess.Popen(['sleep', '300'], start_new_session=True)\n"
        "print(child.pid)\n"
    )
    began = time.monotonic()
    outcome = python(tmp_path, text)

    assert outcome.exit_code == 0
    assert not is_running(int(outcome.stdout))
    assert time.monotonic() - began < 60


def test_a_flood_is_stopped_and_only_its_end_is_kept(tmp_path: Path) -> None:
    outcome = run(
        tmp_path, "sh", "-c", "while :; do echo 0123456789; done",
        limits=Limits(output_bytes=1000, flood_bytes=1 << 20),
    )  # fmt: skip

    assert outcome.ended == "flood"
    assert len(outcome.stdout) == 1000


def test_rlimits_hold_and_are_named(tmp_path: Path) -> None:
    limits = Limits(memory_bytes=1 << 30, file_bytes=1000, processes=10_000)
    outcome = run(tmp_path, "sh", "-c", "ulimit -v -f -c; yes > big", limits=limits)

    assert outcome.exit_code != 0
    assert (tmp_path / "big").stat().st_size <= 1024
    assert {"RLIMIT_AS", "RLIMIT_FSIZE", "RLIMIT_NPROC", "RLIMIT_CORE"} <= set(outcome.enforced)


def test_without_a_network_nothing_is_reached_but_loopback(tmp_path: Path) -> None:
    text = (
        "import socket\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "socket.create_connection(server.getsockname()).close()\n"
        "try:\n"
        "    socket.create_connection(('192.0.2.1', 80), timeout=5)\n"
        "except OSError as error:\n"
        "    print(type(error).__name__, error.errno)\n"
    )
    outcome = python(tmp_path, text, network=False)
    if "network" in outcome.not_enforced:
        pytest.skip(f"this machine can't: {outcome.not_enforced['network']}")

    assert "network" in outcome.enforced
    assert outcome.stdout.decode().split() == ["OSError", "101"]  # ENETUNREACH


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_is_another_user(tmp_path: Path) -> None:
    outcome = run(tmp_path, DEBIAN, "-c", "id -u; id -g; id -G", user=NOBODY)

    assert outcome.stdout.split() == [b"65534"] * 3
    assert "user" in outcome.enforced


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_program_that_the_user_can_not_reach_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    program = tmp_path / "mine"
    program.write_text("#!/bin/sh\nid -u\n")
    program.chmod(0o755)

    outcome = run(tmp_path, "./mine", user=NOBODY)

    assert outcome.stdout == b"0\n"
    assert "can't reach" in outcome.not_enforced["user"]
    with pytest.raises(NotEnforced, match="user"):
        run(tmp_path, "./mine", user=NOBODY, strict=True)


@pytest.mark.parametrize(
    ("argv", "more"),
    [
        (("no-such-program",), {}),
        (("/no/such/program",), {}),
        (("./no-such-program",), {}),
        (("sh",), {"env": {"PATH": "/nowhere"}}),
    ],
)
def test_what_can_not_start_is_said(
    tmp_path: Path, argv: tuple[str, ...], more: Mapping[str, Any]
) -> None:
    with pytest.raises(CannotStart, match=r"program|sh"):
        run(tmp_path, *argv, **more)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="is not there"):
        run(tmp_path / "gone", "sh")


def test_a_failing_start_leaves_no_open_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    monkeypatch.setattr(sys, "executable", "/no/such/python")

    with pytest.raises(CannotStart):
        run(tmp_path, "sh")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
