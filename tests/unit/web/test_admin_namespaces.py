"""`recipebox admin namespace` and `admin audit`, on the server's own machine."""

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from registry.access import Role
from tests.builders import ADMIN, Given, a_principal
from web.commands.admin import command
from web.commands.admin.namespace import draw_size, read_quota


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Given:
    monkeypatch.delenv("RECIPEBOX_DATA", raising=False)
    made = Given(tmp_path / "data")
    made.namespace("team", keys=())
    return made


@pytest.fixture
def run(given: Given):
    def run(*words: str) -> Result:
        url = given.config.database_url
        where = ["--data", str(given.data), *(["--database", url] if url else [])]
        return CliRunner().invoke(command, [*words, *where])

    return run


def test_settings_are_shown_and_set(run):
    words = ("--quota", "10GiB", "--sparse", "--immutable-tags", "v*", "--immutable-tags", "1.*")
    done = run("namespace", "set", "team", *words)

    assert done.exit_code == 0
    assert [line.split(":")[1].strip() for line in done.output.splitlines()] == [
        *("team", "no", "admin", "0 B", "10.0 GiB", "yes", "v* 1.*"),
    ]
    drawn = json.loads(run("namespace", "show", "team", "--json").output)
    assert drawn.pop("created").endswith("Z")
    assert drawn == {
        "name": "team",
        "public": False,
        "owner": "admin",
        "quota": 10 << 30,
        "used_bytes": 0,
        "sparse": True,
        "immutable_tags": ["v*", "1.*"],
        "retention": None,
    }


def test_they_are_taken_back(run):
    run("namespace", "set", "team", "--quota", "1KB", "--immutable-tags", "*", "--public")

    words = ("--quota", "none", "--immutable-tags", "", "--private", "--no-sparse")
    done = json.loads(run("namespace", "set", "team", *words, "--json").output)

    assert (done["quota"], done["immutable_tags"], done["public"]) == (None, [], False)


def test_all_are_listed(run, given):
    given.namespace("open", public=True, keys=())

    lines = run("namespace", "list").output.splitlines()

    assert lines[0].startswith("NAME")
    assert [line.split()[:4] for line in lines[1:]] == [
        ["open", "yes", "admin", "0"],
        ["team", "no", "admin", "0"],
    ]
    assert len(json.loads(run("namespace", "list", "--json").output)["namespaces"]) == 2


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("show", "no-such"), 3, "no namespace no-such"),
        (("set", "no-such", "--sparse"), 3, "no namespace no-such"),
        (("set", "team"), 2, "nothing to set"),
        (("set", "team", "--quota", "lots"), 2, "'lots' is not a size such as 10GiB"),
        (("set", "team", "--immutable-tags", "not a tag"), 2, "immutable_tags is 'not a tag'"),
    ],
)
def test_what_is_refused(run, words, code, said):
    done = run("namespace", *words)

    assert done.exit_code == code, done.output
    assert said in done.output


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("none", None),
        ("0", 0),
        ("1024", 1024),
        ("10B", 10),
        ("5K", 5000),
        ("5KB", 5000),
        ("5KiB", 5120),
        ("10GiB", 10 << 30),
        ("2T", 2 * 10**12),
        ("1TiB", 1 << 40),
    ],
)
def test_sizes(text, size):
    assert read_quota(text) == size


@pytest.mark.parametrize("text", ["", "-1", "1.5GiB", "10 GiB", "GiB", "10gib", "None", "1iB"])
def test_anything_else_is_no_size(text):
    with pytest.raises(click.BadParameter, match="not a size"):
        read_quota(text)


def test_sizes_for_people():
    assert [draw_size(size) for size in (0, 1023, 1024, 1536, 5 << 30)] == [
        *("0 B", "1023 B", "1.0 KiB", "1.5 KiB", "5.0 GiB"),
    ]


class TestAudit:
    def test_it_says_who_did_what(self, run):
        run("namespace", "set", "team", "--quota", "1KB")

        lines = run("audit").output.splitlines()

        assert lines[0].split() == ["TIME", "ACTOR", "ROLE", "ACTION", "TARGET"]
        assert lines[-1].split()[1:] == ["operator", "admin", "namespace.set", "team"]
        [entry] = json.loads(run("audit", "--limit", "1", "--json").output)["entries"]
        assert entry.pop("time").endswith("Z")
        assert entry == {
            "actor": "operator",
            "role": "admin",
            "proof": "none",
            "action": "namespace.set",
            "target": "team",
            "detail": {"quota_bytes": {"from": None, "to": 1000}},
        }

    @pytest.mark.parametrize(
        ("words", "targets"),
        [
            (("--actor", "bob"), ["bobs"]),
            (("--action", "namespace.create"), ["team", "teams", "bobs"]),
            (("--action", "namespace."), ["team", "teams", "bobs"]),
            (("--action", "namespace"), []),
            (("--target", "team"), ["team"]),
            (("--since", "1h", "--target", "bobs"), ["bobs"]),
            (("--limit", "1"), ["bobs"]),
        ],
    )
    def test_it_is_narrowed(self, run, given, words, targets):
        given.namespace("teams", keys=())
        bob = a_principal(Role.PUBLISHER, name="bob")
        given.registry.namespaces.create(bob, "bobs")

        entries = json.loads(run("audit", *words, "--json").output)["entries"]

        assert [entry["target"] for entry in entries if entry["actor"] != "operator"] == targets

    def test_what_is_old_is_left_out(self, given):
        given.registry.namespaces.create(ADMIN, "old")
        given.clock.now = given.clock.now.replace(year=given.clock.now.year + 1)
        given.registry.namespaces.create(ADMIN, "new")

        with given.registry.database.session():
            entries = given.registry.audit.entries(since=given.clock() - given.clock.now)

        assert [entry.target for entry in entries] == ["new"]
