"""The process sandbox: limits hold, nothing is left running, and the account is true."""

import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from sandbox import confine, process
from sandbox.errors import CannotStart, NotEnforced
from sandbox.interpreter import interpreter_folders
from sandbox.process import ProcessSandbox
from sandbox.sandbox import NOBODY, Command, Limits, Outcome
from tests.tools import parts

IS_ROOT = os.geteuid() == 0
ALONE: Mapping[str, Any] = {"processes": False}
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


def test_what_closes_its_output_goes_on(tmp_path: Path) -> None:
    text = "exec >&- 2>&-; sleep 0.3; echo done > said; exit 3"

    assert run(tmp_path, "sh", "-c", text).exit_code == 3
    assert (tmp_path / "said").read_text() == "done\n"
    outcome = run(tmp_path, "sh", "-c", "exec >&- 2>&-; sleep 300", limits=Limits(seconds=0.5))
    assert outcome.ended == "time"


def test_signals_are_as_they_come(tmp_path: Path) -> None:
    outcome = run(tmp_path, "sh", "-c", "grep -E 'Sig(Blk|Ign)' /proc/self/status", **ALONE)

    ours = re.findall(r"Sig(?:Blk|Ign):\t(\w+)", Path("/proc/self/status").read_text())
    pythons = sum(1 << number - 1 for number in (signal.SIGPIPE, signal.SIGXFSZ))  # ignores these
    assert [int(each, 16) for each in outcome.stdout.split()[1::2]] == [
        int(each, 16) & ~pythons for each in ours
    ]


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
    assert {"RLIMIT_AS", "RLIMIT_FSIZE", "RLIMIT_CORE"} <= set(outcome.enforced)
    binds = outcome.enforced if os.geteuid() else outcome.not_enforced
    assert "RLIMIT_NPROC" in binds


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


def need(outcome: Outcome, *names: str) -> None:
    """Skip where this machine can't do it; said is said, and nothing is hidden by that."""
    missing = {name: outcome.not_enforced[name] for name in names if name in outcome.not_enforced}
    if missing:
        pytest.skip(f"this machine can't: {missing}")
    assert set(names) <= set(outcome.enforced)


class TestFiles:
    """Nothing can be written to but what is named, and what is private is empty."""

    WRITE = """
import os, sys
for path in sys.argv[1:]:
    try:
        with open(path, "w") as file:
            file.write("x")
        print("wrote")
    except OSError as error:
        print(os.strerror(error.errno))
"""

    def write(self, cwd: Path, *paths: Path | str, **more: Any) -> list[str]:
        words = [str(each) for each in paths]
        outcome = run(
            cwd, sys.executable, "-I", "-c", self.WRITE, *words, readable=[*interpreter_folders()],
            **more,
        )  # fmt: skip
        need(outcome, "files")
        assert outcome.exit_code == 0, outcome.stderr
        return outcome.stdout.decode().splitlines()

    @pytest.mark.parametrize("processes", [False, True])
    def test_only_what_is_named_is_writable(self, tmp_path: Path, *, processes: bool) -> None:
        mine, other = tmp_path / "mine", tmp_path / "other"
        mine.mkdir()
        other.mkdir()
        paths = [mine / "x", other / "x", tmp_path / "x", "/x", "/sys/x", "/dev/x"]

        said = self.write(tmp_path, *paths, writable=[mine], processes=processes)

        assert said == ["wrote", *["Read-only file system"] * 5]
        assert (mine / "x").read_text() == "x"
        assert not (other / "x").exists()

    def test_devices_and_what_is_its_own_in_proc_are_written_to(self, tmp_path: Path) -> None:
        paths = ["/dev/null", "/dev/zero", "/proc/self/oom_score_adj", "/proc/self/comm"]

        for processes in (False, True):
            said = self.write(tmp_path, *paths, writable=[], processes=processes)
            assert said == ["wrote", "wrote", "Invalid argument", "wrote"]  # "x" is no number

    def test_a_pipe_in_what_is_named_leads_out(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        handle = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)

        assert self.write(tmp_path, tmp_path / "pipe", writable=[tmp_path]) == ["wrote"]
        assert os.read(handle, 10) == b"x"
        os.close(handle)

    def test_temporary_folders_are_its_own(self, tmp_path: Path) -> None:
        name = f"recipebox-{os.getpid()}"
        with tempfile.NamedTemporaryFile(prefix=name, dir="/dev/shm") as ours:
            paths = ["/tmp/" + name, "/var/tmp/" + name, "/dev/shm/" + name]
            assert self.write(tmp_path, *paths, writable=[]) == ["wrote"] * 3
            outcome = run(tmp_path, "ls", "/dev/shm", "/var/tmp", writable=[])
            assert Path(ours.name).name.encode() not in outcome.stdout
        assert not any(Path(each).exists() for each in paths)

    def test_what_python_needs_of_a_machine_works(self, tmp_path: Path) -> None:
        text = (
            "import multiprocessing, os, tempfile, threading\n"
            "os.openpty()\n"
            "lock = multiprocessing.Lock()\n"
            "with multiprocessing.Pool(2) as pool: print(pool.map(abs, [1, -2]))\n"
            "print(os.getpid(), os.readlink('/proc/self'), tempfile.gettempdir())\n"
        )
        folders = interpreter_folders()
        outcome = python(tmp_path, text, writable=[], readable=folders, **ALONE)
        need(outcome, "files", "processes")

        assert outcome.stdout.split() == [b"[1,", b"2]", b"2", b"2", b"/tmp"], outcome.stderr

    def test_what_is_hidden_is_empty_but_for_what_is_needed(self, tmp_path: Path) -> None:
        for name in ("shut/env", "shut/data", "open"):
            (tmp_path / name).mkdir(parents=True)
        (tmp_path / "open" / "link").symlink_to(tmp_path / "shut")

        outcome = run(
            tmp_path, "ls", "shut", "open/link/", writable=[], readable=[tmp_path / "shut" / "env"],
            hidden=[tmp_path / "open" / "link"],
        )  # fmt: skip
        need(outcome, "files")

        assert outcome.stdout.split() == [b"open/link/:", b"env", b"shut:", b"env"]

    def test_nothing_of_it_is_seen_outside(self, tmp_path: Path) -> None:
        before = Path("/proc/self/mountinfo").read_bytes()

        need(run(tmp_path, "true", writable=[tmp_path], **ALONE), "files")

        assert Path("/proc/self/mountinfo").read_bytes() == before

    def test_a_writable_folder_that_is_not_there_is_said(self, tmp_path: Path) -> None:
        outcome = run(tmp_path, "true", writable=[tmp_path / "gone"])

        assert "files" in outcome.not_enforced
        assert "files" not in outcome.enforced
        with pytest.raises(NotEnforced, match="files"):
            run(tmp_path, "true", writable=[tmp_path / "gone"], strict=True)

    def test_without_the_call_for_all_mounts_each_is_made_read_only(self, tmp_path: Path) -> None:
        text = """
import errno, os, sys
from sandbox.confine import Confinement, Linux, LinuxMounts
class Old(LinuxMounts):
    def make_all_read_only(self):
        raise OSError(errno.ENOSYS, "as before Linux 5.12")
confinement = Confinement(Linux(), Old(), [], {})
confinement._own_mounts()
os.makedirs(sys.argv[1] + "/a b/c")
for place in ("/a b", "/a b/c", "/a b"):
    os.makedirs(sys.argv[1] + place, exist_ok=True)
    Old().mount("tmpfs", sys.argv[1] + place, "tmpfs", 2)
confinement.leave({"network": True, "processes": True, "user": None, "given_up": {}, "cwd": "/",
    "argv": ["/bin/sh"], "files": {"writable": [], "readable": [sys.argv[1]], "hidden": []}})
for path in ("/", "/sys", "/dev", sys.argv[1], sys.argv[1] + "/a b"):
    print(os.statvfs(path).f_flag & 1)
print(os.statvfs(sys.argv[1] + "/a b").f_flag & 2)
"""
        made = unshared(text, str(tmp_path))

        assert made.stdout.split() == ["1", "1", "1", "1", "1", "2"], made.stderr


def unshared(text: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run Python in a namespace of users and mounts, in which it is root."""
    root = Path(confine.__file__).parent.parent
    argv = [parts.unshare(), "--user", "--map-root-user", "--mount", sys.executable, "-c", text]
    made = subprocess.run(
        [*argv, *words], cwd=root, capture_output=True, text=True, check=False, timeout=300
    )
    if "unshare failed" in made.stderr:
        pytest.skip(f"this machine has no namespaces of users: {made.stderr}")
    return made


class TestProcesses:
    """With a namespace of processes, or without: nothing is left, whatever it does."""

    BOMB = """
import os, sys
while True:
    try:
        if os.fork() == 0:
            os.setsid()
            first = os.getppid()
            if os.fork():
                if {ends}:
                    os.kill(first, 9)
                os._exit(0)
            if {again}:
                os.execve(sys.executable, sys.orig_argv, {{}})
    except OSError:
        pass
"""

    @pytest.fixture(params=["a namespace", "none"])
    def kept(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
        """Give what keeps the processes: init, or a parent that adopts them."""
        if request.param == "none":
            given_up = {"processes": "as where there are none"}
            asked = process._asked
            monkeypatch.setattr(
                process, "_asked", lambda command, program, token, _: asked(
                    command, program, token, given_up
                )
            )  # fmt: skip
        return str(request.param)

    @pytest.mark.parametrize("again", [False, True])
    @pytest.mark.parametrize("ends", [False, True])
    def test_a_bomb_is_ended_and_nothing_of_it_is_left(
        self, tmp_path: Path, kept: str, *, again: bool, ends: bool
    ) -> None:
        if kept == "none" and not IS_ROOT:
            pytest.skip("a command that is the same user may end what keeps it")
        mark = f"bomb-{secrets.token_hex(8)}"
        text = self.BOMB.format(again=again, ends=ends)
        outcome = run(
            tmp_path, sys.executable, "-I", "-S", "-c", text, mark,
            limits=Limits(seconds=60, processes=100), writable=[], readable=interpreter_folders(),
            user=NOBODY if IS_ROOT else None, **ALONE,
        )  # fmt: skip
        if kept == "a namespace":
            need(outcome, "processes")

        if not ends:  # else whichever is quicker, the bomb's own end of the first of it or ours
            assert outcome.ended == "processes"
        assert outcome.exit_code == 137
        assert running(mark) == []

    def test_what_hides_is_ended(self, tmp_path: Path, kept: str) -> None:
        mark = f"hidden-{secrets.token_hex(8)}"
        text = (
            "import os, sys, time\n"
            "if os.fork() == 0:\n"
            "    os.setsid()\n"
            "    if os.fork() == 0:\n"
            "        os.closerange(0, 3)\n"
            "        os.execve('/bin/sh', ['sh', '-c', 'sleep 300; :', sys.argv[1]], {})\n"
            "    os._exit(0)\n"
            "time.sleep(0.2)\n"
        )
        outcome = run(tmp_path, sys.executable, "-I", "-S", "-c", text, mark, **ALONE)

        assert outcome.exit_code == 0, outcome.stderr
        assert running(mark) == []
        assert kept

    def test_time_ends_all_of_it_at_once(self, tmp_path: Path, kept: str) -> None:
        text = (
            "import signal, subprocess, sys, time\n"
            "def end(*_):\n"
            "    print('asked', flush=True)\n"
            "signal.signal(15, end)\n"
            "subprocess.Popen(['sleep', '300'], start_new_session=True, env={})\n"
            "time.sleep(300)\n"
        )
        outcome = python(tmp_path, text, limits=Limits(seconds=1.0), **ALONE)

        assert outcome.ended == "time"
        assert outcome.stdout == b"asked\n"  # once, and then nothing can be caught
        assert outcome.exit_code == 137
        assert kept

    def test_it_ends_with_the_one_who_asked_even_if_killed(self, tmp_path: Path) -> None:
        mark = f"orphan-{secrets.token_hex(8)}"
        text = (
            "import sys\n"
            "from pathlib import Path\n"
            "from sandbox.process import ProcessSandbox\n"
            "from sandbox.sandbox import Command\n"
            "words = ('/bin/sh', '-c', 'touch began; setsid sleep 300; :', sys.argv[2])\n"
            "ProcessSandbox().run(Command(words, Path(sys.argv[1]), processes=False))\n"
        )
        need(run(tmp_path, "true", **ALONE), "processes")
        root = Path(confine.__file__).parent.parent
        with subprocess.Popen([sys.executable, "-c", text, tmp_path, mark], cwd=root) as asker:
            wait_for((tmp_path / "began").exists)
            assert running(mark) != []
            asker.kill()
        wait_for(lambda: running(mark) == [])

    def test_exit_codes_and_signals_come_through(self, tmp_path: Path, kept: str) -> None:
        assert run(tmp_path, "sh", "-c", "exit 7", **ALONE).exit_code == 7
        assert run(tmp_path, "sh", "-c", "kill -SEGV $$", **ALONE).exit_code == 139
        assert run(tmp_path, "sh", "-c", "kill -TERM 0", **ALONE).exit_code == 143  # its own only
        assert kept

    def test_it_sees_no_process_but_its_own(self, tmp_path: Path) -> None:
        outcome = run(tmp_path, "sh", "-c", "echo $$; echo /proc/[0-9]*", **ALONE)
        need(outcome, "processes")

        assert outcome.stdout.split() == [b"2", b"/proc/1", b"/proc/2"]

    def test_a_program_that_is_not_there_is_said(self, tmp_path: Path, kept: str) -> None:
        with pytest.raises(CannotStart, match="No such file"):
            run(tmp_path, "/no/such/program", **ALONE)
        assert kept

    def test_where_proc_can_not_be_mounted_it_is_started_anew_without(self, tmp_path: Path) -> None:
        """As in a container, whose /proc is covered in parts: the kernel shows no more of it."""
        text = """
import json, os, subprocess, sys
inner = '''
import json, sys
from pathlib import Path
from sandbox.process import ProcessSandbox
from sandbox.sandbox import Command
outcome = ProcessSandbox().run(Command(("sh", "-c", "setsid sleep 300 & echo $PPID"),
    Path(sys.argv[1]), {"PATH": "/usr/bin:/bin"}, processes=False, writable=()))
print(json.dumps([outcome.exit_code, list(outcome.enforced), dict(outcome.not_enforced)]))
'''
from sandbox.confine import LinuxMounts
LinuxMounts().mount("tmpfs", "/proc/fs", "tmpfs", 0)
words = [sys.argv[2], "--user", "--map-root-user", "--mount", sys.executable, "-c", inner]
subprocess.run([*words, sys.argv[1]], check=True)
"""
        made = unshared(text, str(tmp_path), parts.unshare())

        assert made.returncode == 0, made.stderr
        code, enforced, not_enforced = json.loads(made.stdout)
        assert code == 0
        assert enforced == ["files", "RLIMIT_CORE"]
        assert "a new /proc can't be mounted" in not_enforced["processes"]


def wait_for(holds: Callable[[], bool]) -> None:
    """Wait until something holds, for a minute at most."""
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def running(mark: str) -> list[int]:
    """Return the processes that have a word in their command line."""
    found = []
    for each in Path("/proc").iterdir():
        if each.name.isdigit():
            with contextlib.suppress(OSError):
                if mark.encode() in (each / "cmdline").read_bytes():
                    found.append(int(each.name))
    return found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
class TestUser:
    """Nobody runs an interpreter that is where nobody may go, and sees nothing else there."""

    LOOK = """
import json, os, sys
def look(path):
    try:
        return os.listdir(path) if os.path.isdir(path) else open(path).read()
    except OSError as error:
        return type(error).__name__
print(json.dumps([os.getuid(), os.getgroups(), sys.prefix, *map(look, sys.argv[1:])]))
"""

    @pytest.fixture
    def closed(self, tmp_path: Path) -> Path:
        """Give a folder that nobody else may enter, with an interpreter and a secret in it."""
        closed = tmp_path / "closed"
        closed.mkdir()
        (closed / "secret").write_text("hush")
        (closed / "secret").chmod(0o644)
        words = ["-m", "venv", "--copies", "--without-pip", str(closed / "own" / "env")]
        subprocess.run([sys.executable, *words], check=True)
        (closed / "own" / "secret").write_text("hush")
        closed.chmod(0o700)
        return closed

    def test_it_runs_what_it_could_not_reach(self, closed: Path) -> None:
        env = closed / "own" / "env"
        program = str(env / "bin" / "python")
        folders = [env, *interpreter_folders()]

        secrets = [closed / "secret", closed / "own" / "secret", closed, closed / "own"]
        outcome = run(
            Path("/"), program, "-I", "-c", self.LOOK, *map(str, secrets), user=NOBODY,
            writable=[], readable=folders, network=False, **ALONE,
        )  # fmt: skip
        need(outcome, "files", "user")

        assert json.loads(outcome.stdout) == [
            NOBODY, [], str(env), *["FileNotFoundError"] * 2, ["own"], ["env"]
        ]  # fmt: skip
        assert (closed / "secret").read_text() == "hush"
        assert closed.stat().st_mode & 0o777 == 0o700

    def test_a_link_into_it_leads_there_too(self, closed: Path, tmp_path: Path) -> None:
        (closed / "link").symlink_to("own")
        (tmp_path / "python").symlink_to(closed / "link" / "env" / "bin" / "python")
        folders = [closed / "own" / "env", *interpreter_folders()]

        outcome = run(
            tmp_path, str(tmp_path / "python"), "-I", "-c", self.LOOK, str(closed), user=NOBODY,
            writable=[], readable=folders,
        )  # fmt: skip
        need(outcome, "files", "user")

        assert json.loads(outcome.stdout)[3] == ["own", "link"]

    def test_it_gains_nothing_by_a_program_of_roots(self, tmp_path: Path) -> None:
        program = shutil.copy("/usr/bin/id", tmp_path / "id")
        Path(program).chmod(0o4755)
        tmp_path.chmod(0o755)

        outcome = run(Path("/"), str(program), "-u", user=NOBODY, writable=[])
        need(outcome, "files", "user")

        assert outcome.stdout == b"65534\n"


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
