"""What a child does to itself: in order, with an account, and as far as the system allows."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import confine
from sandbox.confine import Confinement, Linux


class Recorded:
    """A system that does nothing but remember, and refuses what it is told to."""

    def __init__(self, **refused: int) -> None:
        self.calls: list[str] = []
        self.refused = refused
        self.reachable = True

    def _do(self, what: str, *words: object) -> None:
        self.calls.append(" ".join([what, *map(str, words)]))
        number = self.refused.pop(what, None)
        if number is not None:
            raise OSError(number, os.strerror(number))

    def unshare(self, flags: int) -> None:
        self._do("unshare", hex(flags))

    def write(self, path: str, text: str) -> None:
        self._do("write", path, text)

    def bring_up_loopback(self) -> None:
        self._do("loopback")

    def set_limit(self, name: str, value: int) -> None:
        self._do("limit", name, value)

    def become(self, user: int) -> None:
        self._do("become", user)

    def may_execute(self, program: str) -> bool:
        return self.reachable and program == "/bin/sh"

    def ids(self) -> tuple[int, int]:
        return 1000, 1000


ASKED = {
    "argv": ["/bin/sh"],
    "network": False,
    "user": 65534,
    "limits": {"RLIMIT_CORE": 0, "RLIMIT_AS": 5},
}


def test_the_user_comes_last() -> None:
    system = Recorded()
    confinement = Confinement(system, [], {})

    confinement.apply(ASKED)

    assert system.calls == [
        "unshare 0x40000000", "loopback", "limit RLIMIT_AS 5", "limit RLIMIT_CORE 0",
        "become 65534",
    ]  # fmt: skip
    assert confinement.enforced == ["network", "RLIMIT_AS", "RLIMIT_CORE", "user"]
    assert confinement.not_enforced == {}


def test_who_is_not_root_goes_through_a_namespace_of_users() -> None:
    system = Recorded(unshare=errno.EPERM)

    Confinement(system, [], {}).apply({**ASKED, "user": None, "limits": {}})

    assert system.calls == [
        "unshare 0x40000000", "unshare 0x50000000", "write /proc/self/setgroups deny",
        "write /proc/self/uid_map 1000 1000 1", "write /proc/self/gid_map 1000 1000 1",
        "loopback",
    ]  # fmt: skip


def test_what_can_not_be_done_is_told_and_the_rest_is_done() -> None:
    system = Recorded(unshare=errno.ENOSYS, limit=errno.EINVAL)
    system.reachable = False
    confinement = Confinement(system, [], {})

    confinement.apply(ASKED)

    assert confinement.enforced == ["RLIMIT_CORE"]
    assert set(confinement.not_enforced) == {"network", "RLIMIT_AS", "user"}
    assert "uid 65534 can't reach" in confinement.not_enforced["user"]


def test_nothing_asked_is_nothing_done() -> None:
    system = Recorded()

    Confinement(system, [], {}).apply({"network": True, "user": None, "limits": {}})

    assert system.calls == []


def test_linux_looks_at_every_folder_on_the_way(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("")
    program.chmod(0o755)
    tmp_path.chmod(0o700)

    assert Linux().may_execute("/bin/sh")
    assert not Linux().may_execute(str(program))


def test_linux_refuses_what_the_kernel_refuses(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        Linux().unshare(-1)
    Linux().write(str(tmp_path / "x"), "text")
    assert (tmp_path / "x").read_text() == "text"
    assert Linux().ids() == (os.geteuid(), os.getegid())


def test_linux_never_asks_for_more_than_the_hard_limit() -> None:
    text = """
import resource
from sandbox.confine import Linux
Linux().set_limit("RLIMIT_FSIZE", 4096)
Linux().set_limit("RLIMIT_FSIZE", 1 << 40)
print(*resource.getrlimit(resource.RLIMIT_FSIZE))
"""  # in a child: a limit can't be raised again
    root = Path(confine.__file__).parent.parent
    made = subprocess.run([sys.executable, "-c", text], cwd=root, capture_output=True, check=True)

    assert made.stdout.split() == [b"4096", b"4096"]
