"""The trace: what witnesses tell is read as it is meant, bounded, and believed no further."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox import trace
from sandbox.process import ProcessSandbox
from sandbox.sandbox import Command, Limits
from sandbox.trace import VARIABLE, Account, Trace, TracingSandbox

ESCAPED = r'7 openat(3</a\76b>, "\"q\\ \n\303\251\x41", O_RDONLY) = 3'
AT = "AT_FDCWD</tmp/x/work>"


def seen(*lines: str) -> Trace:
    account = Account()
    for line in lines:
        account.see(line.encode())
    return account.trace((), {})


def heard(*lines: Any) -> Trace:
    account = Account()
    for line in lines:
        account.hear(line if isinstance(line, bytes) else json.dumps(line).encode())
    return account.trace((), {})


@pytest.mark.parametrize(
    ("line", "read", "wrote"),
    [
        (f'7 openat({AT}, "a.c", O_RDONLY|O_CLOEXEC) = 3</work/a.c>', ["/tmp/x/work/a.c"], []),
        (f'7 openat({AT}, "../b", O_RDONLY) = 3</tmp/x/b>', ["/tmp/x/b"], []),
        ('7 openat(4</data>, "c", O_WRONLY|O_CREAT, 0666) = 5</data/c>', [], ["/data/c"]),
        ('7 open("/d", O_RDWR) = 3</d>', ["/d"], ["/d"]),
        ('7 openat2(AT_FDCWD</>, "e", {flags=O_RDONLY, resolve=0}, 24) = 3</e>', ["/e"], []),
        (f'7 openat({AT}, "/etc/f", O_RDONLY) = -1 ENOENT (No such file or directory)', [], []),
        (f'7 openat({AT}, "/etc", O_RDONLY|O_NONBLOCK|O_CLOEXEC|O_DIRECTORY) = 3</etc>', [], []),
        (f'7 openat({AT}, "/g", O_RDONLY|O_PATH) = 3</g>', [], []),
        (ESCAPED, ['/a>b/"q\\ \néA'], []),
        ("7 +++ exited with 0 +++", [], []),
        ("strace: Process 9 attached", [], []),
    ],
)  # fmt: skip
def test_a_file_that_was_opened(line: str, read: list[str], wrote: list[str]) -> None:
    found = seen(line)

    assert (sorted(found.read), sorted(found.wrote)) == (read, wrote)


def test_a_call_that_another_process_interrupts() -> None:
    found = seen(
        f'7 openat({AT}, "a", O_RDONLY <unfinished ...>',
        f'8 openat({AT}, "b", O_RDONLY <unfinished ...>',
        "7 <... openat resumed>) = 3</tmp/x/work/a>",
        "8 <... openat resumed>) = -1 ENOENT (No such file or directory)",
        "9 <... openat resumed>) = 3",
    )

    assert found.read == {"/tmp/x/work/a"}


def test_a_program_that_was_started() -> None:
    found = seen(
        '7 execve("/usr/bin/git", ["git", "log, [x] = 0"], 0x7ffe /* 3 vars */) = 0',
        '7 execve("/bin/nowhere", ["nowhere"], 0x7ffe /* 3 vars */) = -1 ENOENT (No such file)',
        '7 execveat(AT_FDCWD</>, "/bin/at", ["at"], 0x7ffe /* 3 vars */, 0) = 0',
    )

    assert found.programs == {"/usr/bin/git", "/bin/at"}


def test_hosts_that_were_tried_whether_or_not_they_answered() -> None:
    found = seen(
        "7 connect(3<socket:[1]>, {sa_family=AF_INET, sin_port=htons(5432), "
        'sin_addr=inet_addr("10.0.0.1")}, 16) = -1 ENETUNREACH (Network is unreachable)',
        "7 connect(3<socket:[1]>, {sa_family=AF_INET6, sin6_port=htons(443), "
        'sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "2001:db8::1", &sin6_addr), '
        "sin6_scope_id=0}, 28) = 0",
        '7 connect(3<socket:[1]>, {sa_family=AF_UNIX, sun_path="/run/docker.sock"}, 110) = 0',
        "7 connect(3<socket:[1]>, {sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000}, 12) = 0",
    )

    assert found.hosts == {"10.0.0.1:5432", "[2001:db8::1]:443", "unix:/run/docker.sock"}


def test_what_a_hook_tells() -> None:
    found = heard(
        ["work", "/tmp/x/work", "team/etl"], ["ran", "/tmp/x/work/a.py"], ["read", "/tmp/x/work/b"],
        ["wrote", "/tmp/x/work/c"], ["program", "git"], ["absent", "ujson"],
        ["host", "db.example.com", 5432], ["host", "::1", "80"], ["host", "cache", None],
    )  # fmt: skip

    assert found.works == {"/tmp/x/work": "team/etl"}
    assert (found.ran, found.read) == ({"/tmp/x/work/a.py"}, {"/tmp/x/work/b"})
    assert (found.wrote, found.programs, found.absent) == ({"/tmp/x/work/c"}, {"git"}, {"ujson"})
    assert found.hosts == {"db.example.com:5432", "[::1]:80", "cache"}
    assert not found.is_cut


@pytest.mark.parametrize(
    "line",
    [
        b"", b"no json", b"\xff\xfe", b"7", b"null", b"{}", b"[]", b"[[]]", b'["read"]',
        b"[" * 10_000,
        b'["read", 1]', b'["ruin", "a"]', b'["read", "a", "b"]', b'["read", "a\\u0000b"]',
        b'["work", "a", 7]',
    ],
)  # fmt: skip
def test_what_is_no_line_of_a_hook_is_left_out_and_said(line: bytes) -> None:
    found = heard(line)

    assert found.is_cut
    assert not found.read | set(found.works)


def test_it_keeps_no_more_than_it_should(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "MOST", 3)

    found = heard(*(["read", f"/{number}"] for number in range(9)))
    works = heard(*(["work", f"/{number}", "a/b"] for number in range(9)))
    interrupted = seen(*(f'{each} open("/a", O_RDONLY <unfinished ...>' for each in range(9)))

    assert (len(found.read), found.is_cut) == (3, True)
    assert len(works.works) == 3
    assert not interrupted.read


TELLS = """
import os, sys
def tell(data):
    handle = os.open(os.environ["RECIPEBOX_TRACE"], os.O_WRONLY)
    while data:
        data = data[os.write(handle, data):]
    os.close(handle)
"""


def run(tmp_path: Path, text: str, strace: str | None = None, **more: Any) -> tuple[int, Trace]:
    sandbox = TracingSandbox(ProcessSandbox(), strace)
    words = (sys.executable, "-I", "-S", "-c", TELLS + text)
    outcome = sandbox.run(Command(words, tmp_path, {"PATH": "/bin:/usr/bin"}, **more))
    return outcome.exit_code, sandbox.traces[0]


def test_what_runs_tells_it_while_it_runs(tmp_path: Path) -> None:
    code, found = run(
        tmp_path,
        'tell(b\'["work", "/w", "a/b"]\\n\')\n'
        "tell(b''.join(b'[\"read\", \"/%d\"]\\n' % each for each in range(40_000)))\n"
        "sys.exit(5)",
    )

    assert code == 5
    assert len(found.read) == 40_000
    assert found.witnesses == ("hooks",)
    assert found.silent == {"strace": "there is no strace on this machine"}


def test_what_tells_nothing_is_said(tmp_path: Path) -> None:
    code, found = run(tmp_path, "sys.exit(0)")

    assert (code, found.witnesses) == (0, ())
    assert found.silent["hooks"] == f"what ran doesn't heed {VARIABLE}"


def test_what_floods_the_pipe_is_ended_with_the_run(tmp_path: Path) -> None:
    code, found = run(tmp_path, "while True: tell(b'x' * 100_000)", limits=Limits(seconds=0.5))

    assert code == 143
    assert found.is_cut


def test_a_witness_that_does_not_work_here_is_left_out(tmp_path: Path) -> None:
    broken = tmp_path / "strace"
    broken.write_text("#!/bin/sh\necho strace: ptrace: Operation not permitted >&2\nexit 1\n")
    broken.chmod(0o755)
    mute = tmp_path / "mute"
    mute.write_text("#!/bin/sh\nexit 1\n")
    mute.chmod(0o755)

    code, found = run(tmp_path, "sys.exit(3)", strace=str(broken))
    _, unsaid = run(tmp_path, "sys.exit(3)", strace=str(mute))

    assert code == 3
    assert found.silent["strace"] == "strace: ptrace: Operation not permitted"
    assert unsaid.silent["strace"] == "it doesn't work here"
