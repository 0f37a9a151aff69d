"""What a child does to itself: in order, with an account, and as far as the system allows."""

import errno
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from sandbox import confine
from sandbox.confine import (
    CanNotBe,
    Confinement,
    Linux,
    LinuxMounts,
    Seen,
    View,
    plan_views,
)


class Recorded:
    """A system that does nothing but remember, and refuses what it is told to."""

    def __init__(self, **refused: int) -> None:
        self.calls: list[str] = []
        self.refused = refused
        self.unreachable: set[str] = set()
        self.uid = 1000

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
        self.uid = user

    def reaches(self, user: int, path: str) -> bool:
        return user == NOBODY and path not in self.unreachable

    def tasks(self, user: int) -> int:
        raise NotImplementedError(user)  # main asks it, before all else

    def ids(self) -> tuple[int, int]:
        return self.uid, self.uid


FOLDER = Seen(is_folder=True, is_open=True)
CLOSED = Seen(is_folder=True, is_open=False)
FILE = Seen(is_folder=False, is_open=True)


def link(target: str) -> Seen:
    return Seen(is_folder=False, is_open=True, target=target)


class Drawn(Recorded):
    """A file system that is drawn as path -> what is there, and remembers what is mounted."""

    def __init__(self, there: Mapping[str, Seen], **refused: int) -> None:
        super().__init__(**refused)
        self.there = {"/": FOLDER, **there}
        self.mounted = [("/", 0x200000), ("/proc", 0xE)]

    def look(self, path: str) -> Seen | None:
        return self.there.get(path)

    def pin(self, path: str) -> str:
        self._do("pin", path)
        return f"pin:{path}"

    def flags(self, path: str) -> int:
        return dict(self.mounted).get(path, 0x200000)

    def points(self) -> list[tuple[str, int]]:
        return self.mounted

    def mount(
        self, source: str | None, target: str, kind: str | None, flags: int, data: str | None = None
    ) -> None:
        self._do("mount", source, target, kind, hex(flags), data)

    def make_all_read_only(self) -> None:
        self._do("make_all_read_only")

    def make(self, path: str, seen: Seen) -> None:
        self._do("make", path, *filter(None, [seen.target]))

    def enter(self, folder: str) -> None:
        self._do("enter", folder)


NOBODY = 65534
ASKED: Mapping[str, Any] = {
    "argv": ["/bin/sh"],
    "cwd": "/work",
    "network": False,
    "processes": True,
    "files": None,
    "user": NOBODY,
    "limits": {"RLIMIT_CORE": 0, "RLIMIT_AS": 5},
    "given_up": {},
}
NOTHING = {**ASKED, "network": True, "user": None, "limits": {}}
SH = {"/bin": FOLDER, "/bin/sh": FILE, "/work": FOLDER}


def apply(system: Recorded, mounts: Drawn, asked: Mapping[str, Any], tasks: int = 0) -> Confinement:
    confinement = Confinement(system, mounts, [], {})
    confinement.leave(asked)
    confinement.settle(asked, tasks)
    return confinement


def test_the_user_comes_last() -> None:
    system = Recorded()

    confinement = apply(system, Drawn(SH), ASKED)

    assert system.calls == [
        "unshare 0x40000000", "loopback", "limit RLIMIT_AS 5", "limit RLIMIT_CORE 0",
        "become 65534",
    ]  # fmt: skip
    assert confinement.enforced == ["network", "RLIMIT_AS", "RLIMIT_CORE", "user"]
    assert confinement.not_enforced == {}


def test_who_is_not_root_goes_through_one_namespace_of_users() -> None:
    system = Recorded(unshare=errno.EPERM)

    asked = {**NOTHING, "network": False, "processes": False, "files": EMPTY}
    apply(system, Drawn(SH), asked)

    assert system.calls == [
        "unshare 0x40000000", "unshare 0x50000000", "write /proc/self/setgroups deny",
        "write /proc/self/uid_map 1000 1000 1", "write /proc/self/gid_map 1000 1000 1",
        "loopback", "unshare 0x20000", "unshare 0x20000000",
    ]  # fmt: skip


EMPTY: Mapping[str, Sequence[str]] = {"writable": [], "readable": [], "hidden": []}


@pytest.mark.parametrize(
    ("what", "asked"),
    [
        ("network", {"network": False}),
        ("files", {"files": EMPTY}),
        ("processes", {"processes": False}),
    ],
)
def test_a_namespace_that_can_not_be_had_is_given_up_in_a_new_start(
    what: str, asked: Mapping[str, Any]
) -> None:
    with pytest.raises(CanNotBe) as refused:
        apply(Recorded(unshare=errno.ENOSYS), Drawn(SH), {**NOTHING, **asked})
    given_up = {refused.value.what: refused.value.why}
    assert given_up == {what: "[Errno 38] Function not implemented"}

    system = Recorded()
    confinement = apply(system, Drawn(SH), {**NOTHING, **asked, "given_up": given_up})

    assert system.calls == []
    assert confinement.enforced == []
    assert confinement.not_enforced == given_up


def test_what_can_not_be_done_is_told_and_the_rest_is_done() -> None:
    system = Recorded(limit=errno.EINVAL)
    system.unreachable = {"/bin/sh"}

    confinement = apply(system, Drawn(SH), ASKED)

    assert confinement.enforced == ["network", "RLIMIT_CORE"]
    assert set(confinement.not_enforced) == {"RLIMIT_AS", "user"}
    assert "uid 65534 can't reach" in confinement.not_enforced["user"]


def test_a_library_that_the_user_can_not_read_is_as_a_program_that_it_can_not_run() -> None:
    system = Recorded()
    system.unreachable = {"/lib", "/gone"}
    files = {"writable": [], "readable": ["/gone", "/lib"], "hidden": []}

    confinement = apply(system, Drawn({**SH, "/lib": FOLDER}), {**ASKED, "files": files})

    assert confinement.not_enforced == {"user": "uid 65534 can't reach /lib"}


def test_nothing_asked_is_nothing_done() -> None:
    system, mounts = Recorded(), Drawn(SH)

    apply(system, mounts, NOTHING)

    assert system.calls == mounts.calls == []


@pytest.mark.parametrize(("uid", "processes"), [(1000, True), (0, False), (1000, False)])
def test_processes_are_counted_beside_those_that_are_there(uid: int, *, processes: bool) -> None:
    system = Recorded()
    system.uid = uid
    asked = {**NOTHING, "limits": {"RLIMIT_NPROC": 100}, "processes": processes}

    confinement = apply(system, Drawn(SH), asked, tasks=30)

    assert system.calls[-1] == "limit RLIMIT_NPROC 194"  # and a margin: what counts them is first
    assert "RLIMIT_NPROC" in confinement.enforced


def test_root_is_held_to_no_number_of_processes_and_that_is_said() -> None:
    system = Recorded()
    system.uid = 0

    confinement = apply(system, Drawn(SH), {**NOTHING, "limits": {"RLIMIT_NPROC": 100}})

    assert "root" in confinement.not_enforced["RLIMIT_NPROC"]


class TestFiles:
    """Everything is read-only before anything is shown, and what is needed is as it was."""

    THERE: Mapping[str, Seen] = {
        **SH,
        "/tmp": FOLDER,
        "/tmp/scratch": FOLDER,
        "/root": CLOSED,
        "/root/python": FOLDER,
    }
    ASKED: Mapping[str, Any] = {
        **NOTHING,
        "user": NOBODY,
        "files": {
            "writable": ["/tmp/scratch"],
            "readable": ["/root/python", "/gone"],
            "hidden": [],
        },
    }

    def test_in_order(self) -> None:
        system, mounts = Recorded(), Drawn(self.THERE)

        confinement = apply(system, mounts, self.ASKED)

        assert system.calls == ["unshare 0x20000", "become 65534"]
        pins = [call for call in mounts.calls if call.startswith("pin")]
        assert sorted(pins) == ["pin /root/python", "pin /tmp/scratch"]
        assert [call for call in mounts.calls if call not in pins] == [
            "mount None / None 0x44000 None",  # private, before all else
            "make_all_read_only",
            "mount tmpfs /root tmpfs 0x6 mode=755",
            "make /root/python",
            "mount pin:/root/python /root/python None 0x5000 None",
            "mount tmpfs /tmp tmpfs 0x6 mode=1777",
            "make /tmp/scratch",
            "mount pin:/tmp/scratch /tmp/scratch None 0x5000 None",
            "mount None /tmp/scratch None 0x201020 None",  # writable, with the flags it had
            "mount None /proc None 0x102e None",
            "mount None /root None 0x1027 None",  # read-only, once what it shows is in it
            "enter /work",
        ]
        assert confinement.enforced == ["files", "user"]

    def test_a_writable_folder_that_nothing_covers_is_mounted_on_itself(self) -> None:
        mounts = Drawn(self.THERE)

        apply(
            Recorded(),
            mounts,
            {**NOTHING, "files": {"writable": ["/work"], "readable": [], "hidden": []}},
        )

        place = mounts.calls.index("mount pin:/work /work None 0x5000 None")
        assert mounts.calls[place + 1] == "mount None /work None 0x201020 None"

    @pytest.mark.parametrize("number", [errno.ENOSYS, errno.EPERM])
    def test_where_not_all_can_be_set_at_once_each_is_set_with_its_flags(self, number: int) -> None:
        mounts = Drawn(SH, make_all_read_only=number)

        apply(Recorded(), mounts, {**NOTHING, "files": EMPTY})

        place = mounts.calls.index("make_all_read_only")
        assert mounts.calls[place + 1 : place + 3] == [
            "mount None / None 0x201021 None", "mount None /proc None 0x102f None"
        ]  # fmt: skip

    def test_a_mount_that_another_covers_is_left(self) -> None:
        class Covered(Drawn):
            def mount(
                self, source: str | None, target: str, kind: str | None, flags: int,
                data: str | None = None,
            ) -> None:  # fmt: skip
                super().mount(source, target, kind, flags, data)
                if target == "/covered":
                    raise OSError(self.number, os.strerror(self.number))

            number = errno.EINVAL

        mounts = Covered(SH, make_all_read_only=errno.ENOSYS)
        mounts.mounted += [("/covered", 0)]
        assert apply(Recorded(), mounts, {**NOTHING, "files": EMPTY}).enforced == ["files"]

        mounts.number = errno.EBUSY
        mounts.refused = {"make_all_read_only": errno.ENOSYS}
        with pytest.raises(CanNotBe, match="files"):
            apply(Recorded(), mounts, {**NOTHING, "files": EMPTY})

    def test_another_failure_is_one(self) -> None:
        with pytest.raises(CanNotBe, match="files"):
            apply(
                Recorded(), Drawn(SH, make_all_read_only=errno.EBUSY), {**NOTHING, "files": EMPTY}
            )


def test_the_first_process_of_a_namespace_mounts_its_proc() -> None:
    system, mounts = Recorded(), Drawn(SH)

    Confinement(system, mounts, [], {}).start_processes()

    assert system.calls == ["unshare 0x20000"]
    assert mounts.calls == ["mount None / None 0x44000 None", "mount proc /proc proc 0xe None"]


def test_a_proc_that_can_not_be_mounted_is_no_namespace() -> None:
    mounts = Drawn(SH, mount=errno.EPERM)

    with pytest.raises(CanNotBe, match=r"a new /proc can't be mounted: .*not permitted"):
        Confinement(Recorded(), mounts, [], {}).start_processes()


def covered(path: str, *shown: str) -> View:
    return View(path, is_private=True, shown=shown, links={})


def opened(path: str, *shown: str, links: Mapping[str, str] | None = None) -> View:
    return View(path, is_private=False, shown=shown, links=links or {})


PRIVATE = ("/tmp", "/var/tmp")
ROOT = {"/root": CLOSED, "/root/py": FOLDER, "/root/py/bin": FOLDER, "/root/py/bin/python": FILE}
OTHERS = {"/home": FOLDER, "/home/env": link("/root/env"), "/root/env": link("py/../py")}
TMP = {"/tmp": FOLDER, "/tmp/mine": CLOSED, "/tmp/mine/package": FOLDER}


@pytest.mark.parametrize(
    ("there", "needed", "views"),
    [
        ({}, ["/"], []),
        (TMP, ["/usr"], [covered("/tmp")]),
        (TMP, ["/tmp"], []),  # needed itself
        (TMP, ["/tmp/mine/package"], [covered("/tmp", "/tmp/mine/package")]),
        ({"/var": FOLDER, "/var/tmp": link("../tmp"), **TMP}, [], [covered("/tmp")]),
        (ROOT, ["/root/py"], [opened("/root", "/root/py")]),
        (ROOT, ["/root/py/bin/python", "/root/py"], [opened("/root", "/root/py")]),
        (
            ROOT,
            ["/root/py/bin/python"],
            [opened("/root", "/root/py/bin/python")],
        ),
        (
            {**ROOT, **OTHERS},
            ["/home/env/bin/python"],
            [opened("/root", "/root/py/bin/python", links={"/root/env": "py/../py"})],
        ),
        ({"/shut": FOLDER, "/shut/x": FOLDER}, ["/shut"], []),
        ({"/loop": link("/loop")}, ["/loop/x"], []),
        (
            {**ROOT, "/root/py/own": CLOSED, "/root/py/own/lib": FOLDER},
            ["/root/py", "/root/py/own/lib"],
            [
                opened("/root", "/root/py"),
                opened("/root/py/own", "/root/py/own/lib"),
            ],
        ),
        (
            {**ROOT, "/root/own": CLOSED, "/root/own/lib": FOLDER},
            ["/root/py", "/root/own/lib"],
            [opened("/root", "/root/own/lib", "/root/py")],
        ),
    ],
)
def test_what_is_needed_is_shown_and_nothing_else_of_what_is_covered(
    there: Mapping[str, Seen], needed: Sequence[str], views: Sequence[View]
) -> None:
    look = Drawn(there).look

    assert plan_views(needed, PRIVATE, ["/shut", "/gone"], look, opens=True) == views
    assert plan_views(needed, PRIVATE, ["/shut", "/gone"], look, opens=False) == [
        view for view in views if view.is_private
    ]


def test_what_is_hidden_shows_what_is_needed() -> None:
    there = {"/shut": FOLDER, "/shut/env": FOLDER, "/shut/a": FOLDER, "/open": link("shut/a")}

    views = plan_views(["/shut/env"], (), ["/open", "/shut", "/"], Drawn(there).look, opens=False)

    assert views == [opened("/shut", "/shut/env")]


class TestLinux:
    def test_it_looks_without_following(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to("gone")
        (tmp_path / "closed").mkdir(mode=0o700)
        look = LinuxMounts().look

        assert look(str(tmp_path / "link")) == link("gone")._replace(is_open=True)
        assert look(str(tmp_path / "closed")) == CLOSED
        assert look(str(tmp_path / "gone")) is None
        assert look("/bin/sh/x") is None

    def test_it_makes_what_is_mounted_on_and_lets_be_what_is_there(self, tmp_path: Path) -> None:
        mounts = LinuxMounts()
        for _ in range(2):
            mounts.make(str(tmp_path / "a" / "folder"), FOLDER)
            mounts.make(str(tmp_path / "a" / "file"), FILE)
            mounts.make(str(tmp_path / "a" / "link"), link("file"))

        assert (tmp_path / "a" / "folder").is_dir()
        assert (tmp_path / "a" / "file").read_bytes() == b""
        assert (tmp_path / "a" / "link").readlink() == Path("file")

    def test_a_pin_leads_there_when_something_else_is(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "here").touch()
        pinned = Path(LinuxMounts().pin(str(tmp_path / "a")))
        (tmp_path / "a").rename(tmp_path / "b")

        assert [each.name for each in pinned.iterdir()] == ["here"]
        os.close(int(pinned.name))

    def test_points_and_flags_agree(self) -> None:
        mounts = LinuxMounts()
        points = dict(mounts.points())

        assert "/" in points
        assert mounts.flags("/proc") & ~1 == points["/proc"]
        assert points["/proc"] & 0x200000 or points["/proc"] & 0x400

    def test_it_enters_a_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir("/")
        LinuxMounts().enter(str(tmp_path))

        assert Path.cwd() == tmp_path

    def test_what_the_kernel_refuses_names_the_place(self) -> None:
        with pytest.raises(OSError, match=r"No such file|not permitted") as refused:
            LinuxMounts().mount(None, "/no/such/place", None, 0x1020)
        assert refused.value.filename == "/no/such/place"

    def test_tasks_are_those_of_a_user(self) -> None:
        before = Linux().tasks(os.geteuid())
        with subprocess.Popen(["sleep", "300"]) as child:
            assert Linux().tasks(os.geteuid()) >= 2
            child.kill()
        assert before >= 1
        assert Linux().tasks(1 << 30) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can look as another user")
def test_linux_looks_as_the_user(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("")
    program.chmod(0o755)
    tmp_path.chmod(0o700)

    assert Linux().reaches(NOBODY, "/bin/sh")
    assert not Linux().reaches(NOBODY, str(program))
    assert not Linux().reaches(NOBODY, str(tmp_path))
    assert os.geteuid() == 0


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
