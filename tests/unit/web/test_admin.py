"""`recipebox admin`: tokens, on the server's own machine."""

import json
from datetime import timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from recipebox.invocation import Invocation
from registry.access import Role, Verb
from storage.errors import StoreUnavailable
from web.commands.admin import command
from web.commands.admin.common import read_duration
from web.commands.admin.token import _ROLES, _VERBS
from web.commands.common import told_plainly

pytestmark = pytest.mark.sqlite


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("RECIPEBOX_DATA", raising=False)

    def run(*words: str, data: Path | None = tmp_path / "data", **more: object) -> Result:
        where = [] if data is None else ["--data", str(data)]
        return CliRunner().invoke(command, ["token", *words, *where], **more)

    return run


def test_a_token_is_printed_once_and_works(run, make_site):
    site = make_site()
    data = site.registry.config.data

    made = run("create", "--name", "ada", "--role", "publisher", "--namespace", "team", data=data)

    assert made.exit_code == 0
    token = made.output.strip()
    assert site.ask("GET", "/api/v1/whoami", Authorization=f"Bearer {token}").json == {
        "name": "ada",
        "role": "publisher",
        "namespace": "team",
        "verbs": None,
    }
    assert token not in run("list", data=data).output


def test_it_works_before_the_first_start(run):
    assert run("create", "--name", "ada", "--role", "admin").output.startswith("rbx_")


def test_json_has_all_of_it(run):
    made = run("create", "--name", "ci", "--role", "reader", "--expires", "30d", "--json")

    drawn = json.loads(made.output)
    assert drawn["token"].startswith(f"rbx_{drawn['id']}_")
    assert (drawn["name"], drawn["role"], drawn["namespace"]) == ("ci", "reader", None)
    assert drawn["expires"] > drawn["created"]


def test_json_may_be_asked_for_before_the_commands_name(run):
    invocation = Invocation()
    invocation.output.json = True

    made = run("create", "--name", "ci", "--role", "reader", obj=invocation)

    assert json.loads(made.output)["name"] == "ci"


def test_tokens_are_listed_and_revoked(run):
    made = json.loads(run("create", "--name", "ada", "--role", "reader", "--json").output)
    run("create", "--name", "ci", "--role", "promoter", "--namespace", "team", "--expires", "4w")

    before = run("list").output.splitlines()
    revoked = run("revoke", made["id"])
    after = run("list", "--json")

    assert before[0].split() == [
        *("ID", "NAME", "ROLE", "NAMESPACE", "VERBS", "CREATED", "ENDS"),
    ]
    assert before[1].split()[1:4] == ["ada", "reader", "every"]
    assert before[1].endswith("never")
    assert before[2].split()[1:4] == ["ci", "promoter", "team"]
    assert revoked.output == f"revoked {made['id']} (ada)\n"
    [ada, ci] = json.loads(after.output)["tokens"]
    assert ada["revoked"] is not None
    assert ci["revoked"] is None
    assert "revoked 2" in run("list").output
    assert json.loads(run("revoke", made["id"], "--json").output)["id"] == made["id"]


def test_a_token_may_be_held_to_some_verbs(run):
    words = ("--name", "ci", "--role", "publisher", "--verb", "pull", "--verb", "push")

    made = json.loads(run("create", *words, "--json").output)

    assert made["verbs"] == ["attach", "pull", "push", "see_staged"]
    assert run("list").output.splitlines()[1].split()[4] == "attach,pull,push,see_staged"
    wrong = run("create", "--name", "ci", "--role", "reader", "--verb", "push")
    assert wrong.exit_code == 2
    assert "verbs is 'push', but must be some of what a reader may: pull" in wrong.output


def test_every_verb_and_role_may_be_named():
    assert set(_VERBS) == set(Verb)
    assert set(_ROLES) == set(Role)


def test_an_unknown_token_is_not_found(run):
    missing = run("revoke", "abc")

    assert missing.exit_code == 3
    assert "error: no token abc" in missing.output


def test_a_namespace_that_can_not_be_is_misuse(run):
    wrong = run("create", "--name", "ada", "--role", "admin", "--namespace", "No!", "--json")

    assert wrong.exit_code == 2
    assert json.loads(wrong.stdout)["error"]["exit_code"] == 2


def test_the_data_folder_must_be_named(run):
    wrong = run("list", data=None)

    assert wrong.exit_code == 2
    assert "give --data DIR, or set RECIPEBOX_DATA" in wrong.output


def test_the_environment_names_it_too(run, tmp_path, monkeypatch):
    monkeypatch.setenv("RECIPEBOX_DATA", str(tmp_path / "elsewhere"))

    assert run("list", data=None).exit_code == 0
    assert (tmp_path / "elsewhere").is_dir()


def test_an_unknown_variable_is_misuse(run, monkeypatch):
    monkeypatch.setenv("RECIPEBOX_DATTA", "x")

    wrong = run("list")

    assert wrong.exit_code == 2
    assert "did you mean RECIPEBOX_DATA?" in wrong.output


def test_a_folder_that_can_not_be_made_says_why(run):
    wrong = run("list", data=Path("/proc/nowhere"))

    assert wrong.exit_code == 1
    assert "/proc/nowhere can't be used: No such file or directory" in wrong.output
    assert "make the folder writable" in wrong.output


def test_a_bucket_that_can_not_be_used_is_no_folder(capsys):
    with pytest.raises(click.exceptions.Exit) as caught, told_plainly(as_json=False):
        raise StoreUnavailable("bucket 'b' at http://s3.example.org", "refused")

    assert caught.value.exit_code == 1
    assert "s3_endpoint" in capsys.readouterr().err


def test_a_file_that_can_not_be_read_is_named(run, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "migrations.lock").mkdir()

    wrong = run("list")

    assert wrong.exit_code == 1
    assert "migrations.lock: Is a directory" in wrong.output


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90m", timedelta(minutes=90)),
        ("12h", timedelta(hours=12)),
        ("30d", timedelta(days=30)),
        ("4w", timedelta(weeks=4)),
    ],
)
def test_time_spans(text, span):
    assert read_duration(text) == span


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "-1d", "1y", "1.5h"])
def test_anything_else_is_no_time_span(text):
    with pytest.raises(click.BadParameter, match="not a time span"):
        read_duration(text)
