"""The other commands, each as a story."""

import io
import os
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recipebox.errors import Misuse
from recipebox.prompts import confirm, read_duration
from tests.keys import OTHER, SIGNER, Gnupg
from tests.stories.conftest import Place
from tests.stories.machines import URL, Machine
from tests.stories.test_fetching import meddle

Publish = Callable[..., Path]


# search, info


def test_search_lists_names_newest_versions_and_summaries(publish: Publish, other: Machine) -> None:
    publish("team/etl", "1.0.0")
    publish("team/etl", "1.1.0", summary="Moves more numbers")
    publish("team/report", "0.1.0", summary="Reports")

    said = other.rb("search", "numbers")

    assert said.out.split() == [
        *("team/etl", "1.1.0", "just", "now", "no", "proof", "Moves", "more", "numbers")
    ]
    assert len(other.rb("search", "--json").json["packages"]) == 2
    assert len(other.rb("search", "--json", "--limit", "1").json["packages"]) == 1


def test_search_goes_over_pages(publish: Publish, other: Machine) -> None:
    for name in ("a", "b", "c"):
        publish(f"team/{name}")

    found = other.client()._search("", 1)

    assert [each["name"] for each in found] == ["team/a", "team/b", "team/c"]


def test_info_shows_releases_signers_and_how_to_fetch(publish: Publish, other: Machine) -> None:
    publish("team/clean", "1.0.0")
    publish("team/etl", "1.0.0", requires={"team/clean": "^1"})

    said = other.rb("info", "team/etl").out

    assert f"signed by {SIGNER.fingerprint}" in said
    assert "requires team/clean ^1" in said
    assert "fetch it: recipebox fetch team/etl" in said


def test_info_of_a_version_that_is_not_there(publish: Publish, other: Machine) -> None:
    publish()

    assert "has no release 9.9.9" in other.rb("info", "team/etl@9.9.9", code=3).err


def test_text_from_a_server_can_not_steer_a_terminal(publish: Publish, other: Machine) -> None:
    publish(summary="plain")
    meddle(other, lambda _, body: body.replace(b"plain", b"\\u001b[31m\\u202eevil"))

    assert "??evil" in other.rb("search").out.replace("[31m", "")


# yank


def test_a_yanked_release_is_not_chosen_but_stays_in_locks(
    publish: Publish, author: Machine, other: Machine, tmp_path: Path
) -> None:
    publish("team/etl", "1.0.0")
    publish("team/etl", "1.1.0")
    lock = tmp_path / "recipebox.lock"
    other.rb("lock", "team/etl", "-o", lock)

    author.rb("yank", "team/etl@1.1.0", "--reason", "drops rows", "--yes")

    assert "yanked: drops rows" in other.rb("info", "team/etl").out
    other.rb("fetch", "team/etl", "--out", tmp_path / "new")
    assert (tmp_path / "new/team/etl-1.0.0").is_dir()
    other.rb("fetch", "--frozen", lock, "--out", tmp_path / "old")
    assert (tmp_path / "old/team/etl-1.1.0").is_dir()
    other.rb("lock", "--check", "-o", lock)
    author.rb("unyank", "team/etl@1.1.0")
    assert "yanked" not in other.rb("info", "team/etl").out


def test_yank_asks_first(publish: Publish, author: Machine) -> None:
    publish()
    said = author.rb("yank", "team/etl@1.0.0", "--reason", "x", code=2)
    assert "give --yes" in said.err
    author.rb("yank", "team/etl@1.0.0", "--reason", "x", typed="n\n", code=130)
    author.rb("yank", "team/etl@1.0.0", "--reason", "x", typed="y\n")


def test_yank_shows_what_it_affects_before_it_asks(
    publish: Publish, author: Machine, tmp_path: Path
) -> None:
    publish("team/clean", "1.0.0")
    publish("team/etl", "1.0.0", requires={"team/clean": "^1"})
    lock = tmp_path / "recipebox.lock"
    author.rb("lock", "team/etl", "-o", lock)
    author.rb("promote", "team/app", "--lock", lock, "--to", "dev")
    words = ("yank", "team/clean@1.0.0", "--reason", "drops rows")

    said = author.rb(*words, typed="n\n", code=130)
    assert "1 bundle holds it, and goes on working:" in said.err
    assert "team/app@sha256:" in said.err
    assert " in dev" in said.err
    assert "team/etl 1.0.0 requires ^1" in said.err

    drawn = author.rb(*words, "--dry-run", "--json").json
    assert (drawn["yanked"], drawn["dry_run"]) == (None, True)
    assert "yanked" not in author.rb("info", "team/clean").out
    done = author.rb(*words, "--yes", "--json").json
    assert done["affected"] == drawn["affected"]
    assert done["affected"]["channels"] == [{"application": "team/app", "channel": "dev"}]
    assert done["yanked"]["reason"] == "drops rows"


def test_yank_shows_ten_of_many(publish: Publish, author: Machine) -> None:
    publish("team/clean", "1.0.0")
    for number in range(11):
        publish(f"team/p{number:02}", requires={"team/clean": "*"})

    said = author.rb("yank", "team/clean@1.0.0", "--reason", "x", "--dry-run")

    assert "team/p09" in said.err
    assert "team/p10" not in said.err
    assert "and 1 more" in said.err


@pytest.mark.parametrize("release", ["team/etl", "team/etl@"])
def test_yank_needs_a_version(release: str, author: Machine) -> None:
    assert "names no version" in author.rb("yank", release, "--reason", "x", "-y", code=2).err


# namespace


def test_namespaces_and_their_keys(author: Machine) -> None:
    made = author.rb("namespace", "create", "mine", "--json").json
    author.rb("namespace", "create", "open", "--public")
    author.rb("namespace", "key", "add", "mine", "-", "--role", "release", stdin=OTHER.public)

    assert made["public"] is False
    listed = {
        each["name"]: each for each in author.rb("namespace", "list", "--json").json["namespaces"]
    }
    assert listed["open"]["public"] is True
    assert "private" in author.rb("namespace", "list").out
    keys = author.rb("namespace", "key", "list", "mine", "--json").json["keys"]
    assert [(key["fingerprint"], key["roles"]) for key in keys] == [
        (OTHER.fingerprint, ["release"])
    ]
    assert OTHER.fingerprint in author.rb("namespace", "key", "list", "mine").out


def test_a_namespace_that_is_taken(author: Machine) -> None:
    assert "taken" in author.rb("namespace", "create", "team", code=5).err


def test_a_private_key_is_never_sent_on(author: Machine) -> None:
    said = author.rb("namespace", "key", "add", "team", "-", stdin=OTHER.secret, code=1)

    assert "private key" in said.err


# key


def test_a_new_key_is_exported_for_a_namespace(
    author: Machine, keyring: Gnupg, tmp_path: Path
) -> None:
    made = author.rb("key", "new", "Ada <ada@example.org>", "--no-passphrase", "--json").json

    exported = author.rb("key", "export").out
    author.rb("key", "export", made["fingerprint"], "-o", tmp_path / "key.asc")

    assert exported.startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----")
    assert (tmp_path / "key.asc").read_text() == exported
    assert author.rb("key", "export", "--json").json["armored"] == exported
    author.rb("namespace", "key", "add", "team", tmp_path / "key.asc")
    assert made["expires"] is not None
    assert made["fingerprint"] in author.rb("key", "list").out


def test_a_key_is_protected_by_the_passphrase_of_the_variable(
    author: Machine, keyring: Gnupg, tmp_path: Path
) -> None:
    author.variables["RECIPEBOX_SIGNING_PASSPHRASE"] = "open sesame"

    said = author.rb("key", "new", "Ada <ada@example.org>", "--expires", "90d")

    assert "with a passphrase" in said.err
    assert keyring.fingerprints("ada@example.org") == [said.out.strip()]


def test_a_passphrase_is_asked_for_where_somebody_is(author: Machine, keyring: Gnupg) -> None:
    said = author.rb("key", "new", "Ada <ada@example.org>", code=2)
    assert "--no-passphrase" in said.err

    author.rb("key", "new", "Ada <ada@example.org>", typed="sesame\nsesame\n")


def test_what_is_no_user_id(author: Machine) -> None:
    assert "expected 'NAME <EMAIL>'" in author.rb("key", "new", "Ada", code=2).err


def test_no_keys_yet(author: Machine, keyring: Gnupg) -> None:
    assert "none yet" in author.rb("key", "list").err


# trust


def test_pins_are_added_listed_and_removed(other: Machine) -> None:
    spaced = " ".join(SIGNER.fingerprint[i : i + 4] for i in range(0, 40, 4)).lower()
    assert other.rb("trust", "add", "team", spaced, "--json").json["is_new"] is True
    assert "already" in other.rb("trust", "add", "team", SIGNER.fingerprint).out
    assert SIGNER.fingerprint in other.rb("trust", "list").out
    other.rb("trust", "remove", "team", SIGNER.fingerprint, code=2)

    other.rb("trust", "remove", "team", SIGNER.fingerprint, "--yes")

    assert other.rb("trust", "list", "--json").json["pins"] == []
    other.rb("trust", "remove", "team", SIGNER.fingerprint, "--yes", code=3)


def test_a_short_key_id_is_no_fingerprint(other: Machine) -> None:
    assert "all 40" in other.rb("trust", "add", "team", SIGNER.fingerprint[-16:], code=2).err


def test_trusted_keys_are_exported_for_plain_gpg(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    assert "no key of team was seen" in other.rb("trust", "export", "team", code=3).err
    publish()
    other.rb("fetch", "team/etl", "--out", tmp_path / "here")

    exported = other.rb("trust", "export", "team")
    other.rb("trust", "export", "team", "-o", tmp_path / "team.asc")

    assert exported.out.startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----")
    assert (tmp_path / "team.asc").read_text() == exported.out
    drawn = other.rb("trust", "export", "team", "--json").json
    assert drawn["fingerprints"] == [SIGNER.fingerprint]


# login, logout


def test_login_keeps_a_token_that_the_registry_knows(
    place: Place, make_machine: Callable[..., Machine]
) -> None:
    machine = make_machine("fresh")
    del machine.variables["RECIPEBOX_URL"]
    token = place.token("publisher")

    said = machine.rb("login", URL, "--token-stdin", "--json", stdin=f"{token}\n").json

    assert said["name"] == "publisher"
    assert said["namespace"] == "team"
    kept = Path(said["kept_in"])
    assert kept.stat().st_mode & 0o777 == 0o600
    assert machine.client(url=None, token=None).whoami()["role"] == "publisher"
    assert "logged out" in machine.rb("logout").out
    assert "no token" in machine.rb("logout", URL).out
    assert token not in kept.read_text()


def test_login_with_a_wrong_token_keeps_nothing(other: Machine) -> None:
    other.rb("login", "--token-stdin", stdin="rbx_0_0\n", code=4)

    assert not (other.places.config / "credentials.json").exists()


def test_login_takes_the_variable_or_asks(
    place: Place, make_machine: Callable[..., Machine]
) -> None:
    make_machine("ci", place.token("reader")).rb("login")
    fresh = make_machine("fresh")
    assert "--token-stdin" in fresh.rb("login", code=2).err

    assert "logged in" in fresh.rb("login", typed=place.token("reader")).out


# cache


def test_the_cache_is_counted_pruned_and_cleared(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish()
    other.rb("fetch", "team/etl", "--out", tmp_path / "here")
    before = other.rb("cache", "info", "--json").json
    assert before["files"] > 5
    assert before["path"] == str(other.places.cache)

    assert other.rb("cache", "prune", "--json").json["files"] == 0
    old = datetime.now(UTC) - timedelta(days=40)
    for path in other.places.cache.rglob("*"):
        os.utime(path, (old.timestamp(), old.timestamp()))
    assert other.rb("cache", "prune", "--json").json["files"] == before["files"]
    other.rb("cache", "clear", code=2)
    assert "lost 0 files" in other.rb("cache", "clear", "-y").out


# lock


def test_a_lock_is_written_checked_and_renewed(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish("team/etl", "1.0.0")
    lock = tmp_path / "recipebox.lock"
    assert other.rb("lock", "team/etl@^1", "-o", lock, "--json").json["changed"] is True
    first = lock.read_text()
    other.rb("lock", "--check", "-o", lock)
    publish("team/report", "1.0.0")
    other.rb("lock", "--check", "-o", lock)  # the index moved, the answer did not
    publish("team/etl", "1.1.0")
    other.rb("lock", "--check", "-o", lock)  # what is locked still fits
    assert tomllib.loads(first)["package"] == tomllib.loads(relocked(other, lock))["package"]
    first = lock.read_text()

    said = other.rb("lock", "--check", "--upgrade", "-o", lock, code=1)

    assert "team/etl is locked as 1.0.0, and would now be 1.1.0" in said.err
    assert lock.read_text() == first
    assert "would now be 1.1.0" in other.rb("lock", "--upgrade", "-o", lock).out
    other.rb("lock", "--check", "--upgrade", "-o", lock)


def relocked(machine: Machine, lock: Path) -> str:
    """Lock again, without a word about what, and return the text."""
    machine.rb("lock", "-o", lock)
    return lock.read_text()


def test_check_fails_where_the_requirements_do_not_give_the_lock_any_more(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish("team/etl", "1.0.0")
    publish("team/etl", "2.0.0")
    lock = tmp_path / "recipebox.lock"
    other.rb("lock", "team/etl@^1", "-o", lock)
    text = lock.read_text()

    said = other.rb("lock", "team/etl@^2", "--check", "-o", lock, code=1)

    assert "team/etl is locked as 1.0.0, and would now be 2.0.0" in said.err
    assert lock.read_text() == text


def test_check_notices_other_requirements_and_another_python(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish()
    lock = tmp_path / "recipebox.lock"
    other.rb("lock", "team/etl", "-o", lock, "--python", "3.12")

    said = other.rb("lock", "team/etl@^1", "--python", "3.13", "--check", "-o", lock, code=1)

    assert "asks for something else" in said.err
    assert "it is for python 3.12" in said.err


def test_a_lock_to_standard_output(publish: Publish, other: Machine) -> None:
    publish()

    said = other.rb("lock", "team/etl", "-o", "-")

    assert tomllib.loads(said.out)["requirements"] == ["team/etl *"]
    assert "team/etl" in other.rb("lock", "team/etl", "-o", "-", "--json").json["lock"]


def test_nothing_to_lock_or_to_check(other: Machine, tmp_path: Path) -> None:
    other.rb("lock", "-o", tmp_path / "none", code=2)
    other.rb("lock", "team/etl", "--check", "-o", tmp_path / "none", code=3)


def test_what_can_not_be_solved_says_why(publish: Publish, other: Machine) -> None:
    publish("team/etl", "1.0.0")

    said = other.rb("lock", "team/etl@^2", "-o", "-", code=1)

    assert "No set of releases fits" in said.err


def test_prereleases_only_where_asked(publish: Publish, other: Machine, tmp_path: Path) -> None:
    publish("team/etl", "1.0.0")
    publish("team/etl", "1.1.0-rc.1")

    assert 'version = "1.0.0"' in other.rb("lock", "team/etl", "-o", "-").out
    assert 'version = "1.1.0-rc.1"' in other.rb("lock", "team/etl", "-o", "-", "--pre").out
    other.rb("fetch", "team/etl", "--pre", "--out", tmp_path / "here")
    assert (tmp_path / "here/team/etl-1.1.0-rc.1").is_dir()


# init, pack


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "Our Checkout"
    (folder / "steps").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    (folder / ".hidden/no.yaml").write_text("steps: []\n")
    (folder / "steps/a.py").write_text(
        "class A:\n    def run(self, context, args):\n"
        "        context.set('x', 1)\n        return 0\n"
    )
    (folder / "etl_daily.yaml").write_text(
        "test_meta: {description: Moves numbers}\n"
        "steps:\n  - {idx: 1, name: a, type: python, module: steps.a, function: A}\n"
    )
    (folder / "more").mkdir()
    (folder / "more/etl_daily.yml").write_text(
        "steps:\n  - {idx: 1, name: r, type: recipe, package: team/clean, version: ^1}\n"
    )
    (folder / "weekly.yaml").write_text(
        "steps:\n  - {idx: 1, name: r, type: recipe, package: team/clean, version: ^1}\n"
    )
    (folder / "template.yaml").write_text("steps:\n  - {name: '{{ name }}'}\n")
    (folder / "ci.yml").write_text("jobs: {}\n")
    return folder


def test_init_looks_at_the_checkout(checkout: Path, other: Machine) -> None:
    said = other.rb("init", checkout, "--json").json

    drawn = tomllib.loads((checkout / "recipebox.toml").read_text())
    assert drawn["package"]["namespace"] == "our-checkout"
    assert drawn["recipes"]["etl_daily"] == {"name": "etl-daily", "summary": "Moves numbers"}
    assert drawn["recipes"]["weekly"]["requires"] == {"team/clean": "^1"}
    assert [each["path"] for each in said["refused"]] == ["template.yaml"]
    assert "# not here: template.yaml: a template" in (checkout / "recipebox.toml").read_text()
    assert "is there already" in other.rb("init", checkout, code=5).err


def test_init_can_print_only(checkout: Path, other: Machine) -> None:
    said = other.rb("init", checkout, "--dry-run", "--namespace", "team")

    assert tomllib.loads(said.out)["package"]["namespace"] == "team"
    assert not (checkout / "recipebox.toml").exists()


def test_init_tells_what_it_wrote_and_what_is_no_recipe(checkout: Path, other: Machine) -> None:
    said = other.rb("init", checkout)

    assert "3 recipes in namespace our-checkout" in said.out
    assert "template.yaml: a template" in said.err


def test_init_of_an_empty_folder_and_of_one_without_letters(tmp_path: Path, other: Machine) -> None:
    (tmp_path / "___").mkdir()

    said = other.rb("init", tmp_path / "___", "--json").json

    assert said["namespace"] == "team"
    assert "recipes" not in tomllib.loads((tmp_path / "___/recipebox.toml").read_text())


def test_pack_sign_publish_from_a_checkout(
    checkout: Path, author: Machine, other: Machine, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ("pack", checkout / "etl_daily.yaml", "--out", out, "--name", "team/etl")

    said = author.rb(*words, "--version", "1.0.0", "--explain", "-v")
    author.rb("sign", out)
    author.rb("publish", out)

    assert "packed team/etl 1.0.0" in said.out
    assert "steps/a.py" in said.out
    assert "proved by running it once: exit code 0" in said.out
    assert other.rb("run", "team/etl", "--json").json["context"] == {"x": 1}


def test_pack_says_why_a_file_is_in_and_what_the_run_read(
    checkout: Path, author: Machine, tmp_path: Path
) -> None:
    (checkout / "steps/b.py").write_text("")
    (checkout / "steps/a.py").write_text("import steps.b\n" + (checkout / "steps/a.py").read_text())
    words = ("--out", tmp_path / "out", "--name", "team/etl", "--version", "1.0.0")
    recipe = checkout / "etl_daily.yaml"

    said = author.rb("pack", recipe, *words, "--explain", "steps/b.py")
    drawn = author.rb("pack", recipe, *words, "--explain=steps/b.py", "--json").json
    each = author.rb("pack", *words, "--explain", recipe)

    assert "steps/b.py: module: steps/a.py:1\n  steps/a.py: module: " in said.out
    assert "traced by hooks" in said.out
    assert drawn["why"][0] == {"file": "steps/b.py", "because": "module: steps/a.py:1"}
    assert drawn["trace"]["runs"]["package"]["imported"] == ["steps/a.py", "steps/b.py"]
    assert drawn["trace"]["closure"] == {"added": {}, "not_read": []}
    assert "steps/a.py" in each.out
    refused = author.rb("pack", recipe, *words, "--explain", "steps/d.py", code=1)
    assert "'steps/d.py' is not in the package" in refused.err
    assert "no recipe is named" in author.rb("pack", *words, code=2).err
    assert (
        "it has no FILE"
        in author.rb(
            "pack", checkout, "--out", tmp_path / "all", "--all", "--explain", "steps/b.py", code=2
        ).err
    )


def test_pack_without_a_run_says_so(checkout: Path, author: Machine, tmp_path: Path) -> None:
    words = ("pack", checkout / "etl_daily.yaml", "--name", "team/etl", "--version", "1.0.0")

    said = author.rb(*words, "--out", tmp_path / "a", "--no-run")
    drawn = author.rb(*words, "--out", tmp_path / "b", "--no-run", "--json").json

    assert "not proved by a run" in said.out
    assert drawn["proof"]["ran"] is False
    assert "steps/a.py" in drawn["files"]


def test_pack_names_what_is_missing(checkout: Path, author: Machine, tmp_path: Path) -> None:
    (checkout / "steps/a.py").write_text("import steps.nowhere\nclass A: pass\n")

    words = ("pack", checkout / "etl_daily.yaml", "--name", "team/etl", "--version", "1.0.0")
    said = author.rb(*words, "--out", tmp_path / "a", code=1)

    assert "steps.nowhere" in said.err


# doctor


def test_doctor_finds_all_well(author: Machine) -> None:
    said = author.rb("doctor")

    assert "FAIL" not in said.out
    assert "ok   token: admin (admin)" in said.out


def test_doctor_says_what_is_wrong_and_what_to_do(
    make_machine: Callable[..., Machine], keyring: Gnupg, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = make_machine("broken", "rbx_0_0")
    monkeypatch.setattr("shutil.which", lambda _: None)

    said = machine.rb("doctor", "--json", code=1).json

    found = {each["check"]: each for each in said["checks"]}
    assert not found["gpg"]["is_good"]
    assert "apt install gnupg" in found["signing key"]["said"]
    assert not found["token"]["is_good"]
    assert found["server"]["is_good"]


def test_doctor_compares_the_clocks(author: Machine) -> None:
    class Late:
        def __init__(self, app: object) -> None:
            self.app = app

        def __call__(self, environ: object, start: object) -> object:
            def begin(status: str, headers: list[tuple[str, str]], _: object = None) -> None:
                date = ("Date", "Wed, 21 Oct 2015 07:28:00 GMT")
                start(status, [each for each in headers if each[0] != "Date"] + [date])  # type: ignore[operator]

            return self.app(environ, begin)  # type: ignore[operator]

    from tests.fakes import WsgiAdapter

    author.adapter = WsgiAdapter(Late(author.adapter.app))  # type: ignore[arg-type]

    said = author.rb("doctor", code=1)

    assert "FAIL clocks: this clock and the server's differ" in said.out


def test_doctor_uses_a_key_of_the_keyring_and_a_token_of_a_namespace(
    place: Place, make_machine: Callable[..., Machine], keyring: Gnupg
) -> None:
    machine = make_machine("keyed", place.token("publisher"))
    made = machine.rb("key", "new", "Ada <ada@example.org>", "--no-passphrase", "--json").json

    said = machine.rb("doctor").out

    assert made["fingerprint"] in said
    assert "publisher (publisher in team)" in said


def test_a_defect_is_not_taken_for_a_finding(
    author: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recipebox.commands.doctor._cache", lambda _: {}["x"])

    assert "report it" in author.rb("doctor", code=1).err


# What is typed


@pytest.mark.parametrize(
    ("text", "days"), [("36h", 1.5), ("30d", 30), ("2w", 14), ("2y", 730), ("30m", 1 / 48)]
)
def test_time_spans(text: str, days: float) -> None:
    assert read_duration(text) == timedelta(days=days)


def test_what_is_no_time_span(other: Machine) -> None:
    assert "not a time span" in other.rb("cache", "prune", "--older-than", "soon", code=2).err


def test_a_question_needs_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    confirm("Sure?", yes=True)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(Misuse):
        confirm("Sure?", yes=False)
