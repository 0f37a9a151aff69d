"""Fetching: what is believed, what is refused, and that nothing half is ever visible."""

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.reference import PackageName
from recipebox.errors import (
    Conflicting,
    Interrupted,
    Misuse,
    NotCached,
    Tampered,
    UnknownSigner,
    Unsigned,
    Untrusted,
)
from recipebox.install import LOCK_NAME
from recipes.environment import lay_out_env
from recipes.package import read_tree
from resolver.lock import Lock
from signing.sign import sign_with_key
from signing.statement import Kind, statement_manifest
from tests.fakes import WsgiAdapter
from tests.keys import OTHER, SIGNER, gnupg
from tests.stories.machines import Machine, a_tree, a_wheel

Publish = Callable[..., Path]


class Meddler:
    """A server that answers as the real one does, but for what a test changes.

    `change` gets path and body of each answer of status 200 and returns the body to send.
    """

    def __init__(self, adapter: WsgiAdapter, change: Callable[[str, bytes], bytes]) -> None:
        self.app = adapter.app
        self.change = change

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        kept: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], _: Any = None) -> None:
            kept[:] = [status, headers]

        answer = self.app(environ, start)
        body = b"".join(answer)
        status, headers = kept
        if status.startswith("200") and environ["REQUEST_METHOD"] == "GET":
            body = self.change(environ["PATH_INFO"], body)
            headers = [each for each in headers if each[0].lower() != "content-length"]
            headers.append(("Content-Length", str(len(body))))
        start_response(status, headers)
        return [body]


def meddle(machine: Machine, change: Callable[[str, bytes], bytes]) -> None:
    machine.adapter = WsgiAdapter(Meddler(machine.adapter, change))


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_package_is_fetched_verified_and_runs(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish()
    out = tmp_path / "here"

    fetched = other.rb("fetch", "team/etl@^1", "--out", out, "--json").json
    verified = other.rb("verify", out, "--json").json
    ran = other.rb("run", out, "--json").json

    assert fetched["packages"][0]["path"] == str(out / "team/etl-1.0.0")
    assert verified["packages"][0]["signers"] == [SIGNER.fingerprint]
    assert ran["exit_code"] == 0
    assert ran["context"] == {"answer": 42}


def test_what_was_fetched_is_what_was_packed_and_a_statement(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    packed = publish() / "team/etl-1.0.0"
    out = tmp_path / "here"
    other.rb("fetch", "team/etl", "--out", out)
    tree = out / "team/etl-1.0.0"

    def files(folder: Path) -> dict[str, bytes]:
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }

    assert files(tree) == files(packed)
    assert left_in(out) == [LOCK_NAME, "team"]
    with gnupg() as plain:
        plain("--import", data=SIGNER.public.encode())
        metadata = tree / "metadata"
        plain("--verify", str(metadata / "signature.asc"), str(metadata / "release.json"))


def test_everything_is_readable_by_others_whatever_the_umask(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish()
    out = tmp_path / "deep" / "here"
    before = os.umask(0o077)
    try:
        other.rb("fetch", "team/etl", "--out", out)
    finally:
        os.umask(before)

    for path in (out, *out.rglob("*")):
        wanted = 0o555 if path.is_dir() else 0o444
        assert stat.S_IMODE(path.stat().st_mode) & wanted == wanted, path


def test_a_required_package_is_laid_out_beside(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish("team/clean", "1.1.0")
    publish("team/etl", "1.0.0", requires={"team/clean": "^1"})
    out = tmp_path / "here"

    other.rb("fetch", "team/etl", "--out", out)

    assert left_in(out / "team") == ["clean-1.1.0", "etl-1.0.0"]
    assert other.rb("verify", out).out.count("verified") == 2
    assert 'required_by = [\n    "team/etl",\n]' in (out / LOCK_NAME).read_text()


def test_an_extra_brings_what_it_requires_and_stays_in_the_lock(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish("team/send", "2.1.0")
    publish("team/etl", "1.0.0", extras={"mail": {"team/send": "^2"}})
    publish("team/app", "1.0.0", requires={"team/etl": "[mail] ^1"})
    lock = tmp_path / "recipebox.lock"

    other.rb("lock", "team/etl", "-o", lock)
    assert "team/send" not in lock.read_text()
    other.rb("lock", "team/etl[mail]", "-o", lock)
    other.rb("lock", "--check", "-o", lock)
    other.rb("fetch", "--frozen", lock, "--out", tmp_path / "here")
    other.rb("fetch", "team/app", "--out", tmp_path / "through")

    locked = Lock.loads(lock.read_text())
    assert [(str(one.name), one.extras) for one in locked.packages] == [
        ("team/etl", ("mail",)),
        ("team/send", ()),
    ]
    assert left_in(tmp_path / "here" / "team") == ["etl-1.0.0", "send-2.1.0"]
    assert left_in(tmp_path / "through" / "team") == ["app-1.0.0", "etl-1.0.0", "send-2.1.0"]
    assert read_tree(tmp_path / "here").metadata.name == "team/etl"
    assert other.rb("verify", tmp_path / "here").out.count("verified") == 2


def test_an_extra_that_there_is_not_is_refused_with_the_nearest(
    publish: Publish, other: Machine
) -> None:
    publish("team/send", "2.1.0")
    publish("team/etl", "1.0.0", extras={"mail": {"team/send": "^2"}})

    said = other.rb("lock", "team/etl[mails]", "-o", "-", code=1)

    assert "No release of team/etl declares the extra [mails]; did you mean [mail]?" in said.err
    assert "It would fit with team/etl[mail] * instead of team/etl[mails] *." in said.err


def test_a_lock_keeps_the_options_that_it_was_solved_with(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish("team/clean", "1.0.0")
    publish("team/clean", "1.1.0")
    publish("team/clean", "2.0.0-rc.1")
    publish("team/etl", "1.0.0", requires={"team/clean": "^1"})
    lock, bounds = tmp_path / "recipebox.lock", tmp_path / "bounds.txt"
    bounds.write_text("# as in production\nteam/clean <1.1  # slower since\n")

    other.rb("lock", "team/etl", "-o", lock, "--constraint", bounds)
    assert 'constraints = [\n    "team/clean <1.1",\n]' in lock.read_text()
    other.rb("lock", "--check", "-o", lock)
    other.rb("lock", "-o", lock)
    assert '"team/clean <1.1"' in lock.read_text()
    said = other.rb("lock", "--check", "-o", lock, "--prefer", "lowest", code=1)
    assert "it was solved with other options" in said.err

    other.rb("lock", "team/etl", "-o", lock, "--override", "team/clean >=2.0.0-rc.1", "--pre")
    text = lock.read_text()
    assert ("prereleases = true" in text, 'version = "2.0.0-rc.1"' in text) == (True, True)
    other.rb("fetch", "--frozen", lock, "--out", tmp_path / "here")
    assert left_in(tmp_path / "here" / "team") == ["clean-2.0.0-rc.1", "etl-1.0.0"]


def test_what_was_published_too_late_is_no_candidate(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish("team/etl", "1.0.0")
    lock = tmp_path / "recipebox.lock"

    said = other.rb("lock", "team/etl", "-o", lock, "--published-before", "2020-01-02", code=1)
    other.rb("lock", "team/etl", "-o", lock, "--published-before", "2100-01-02T03:04:05Z")
    misused = other.rb("lock", "team/etl", "--published-before", "yesterday", code=2)

    assert "too late for --published-before 2020-01-02T00:00:00Z" in said.err
    assert "It would fit with --published-before 20" in said.err
    assert 'published_before = "2100-01-02T03:04:05Z"' in lock.read_text()
    assert "--published-before yesterday: not a time in UTC" in misused.err


def test_fetching_again_keeps_what_is_there(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish()
    out = tmp_path / "here"
    other.rb("fetch", "team/etl", "--out", out)
    before = (out / "team/etl-1.0.0").stat().st_ino

    again = other.rb("fetch", "team/etl", "--out", out, "--json").json

    assert again["packages"][0]["is_new"] is False
    assert (out / "team/etl-1.0.0").stat().st_ino == before


def test_a_tree_that_differs_is_named_and_kept_unless_told_otherwise(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish()
    out = tmp_path / "here"
    other.rb("fetch", "team/etl", "--out", out)
    changed = out / "team/etl-1.0.0/recipe/steps/a.py"
    changed.write_text("mine\n")

    said = other.rb("fetch", "team/etl", "--out", out, code=5)

    assert str(out / "team/etl-1.0.0") in said.err
    assert changed.read_text() == "mine\n"
    other.rb("fetch", "team/etl", "--out", out, "--replace")
    assert changed.read_text() != "mine\n"
    assert left_in(out) == [LOCK_NAME, "team"]


def test_another_lock_in_the_same_place_is_a_conflict(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish("team/etl")
    publish("team/report")
    out = tmp_path / "here"
    other.rb("fetch", "team/etl", "--out", out)

    said = other.rb("fetch", "team/report", "--out", out, code=5)

    assert LOCK_NAME in said.err
    assert left_in(out / "team") == ["etl-1.0.0"]
    other.rb("fetch", "team/report", "--out", out, "--replace")
    assert left_in(out / "team") == ["etl-1.0.0", "report-1.0.0"]


def _step(tree: Path) -> str:
    return (tree / "recipe/steps/a.py").read_text()


def test_a_failure_while_placing_puts_everything_back(
    publish: Publish, other: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish("team/clean", "1.0.0")
    publish("team/etl", "1.0.0", requires={"team/clean": "*"})
    out = tmp_path / "here"
    other.rb("fetch", "team/etl", "--out", out)
    (out / "team/clean-1.0.0/recipe/steps/a.py").write_text("mine\n")
    (out / "team/etl-1.0.0/recipe/steps/a.py").write_text("mine\n")
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        is_new = ".recipebox-" in str(self)
        if is_new and Path(target) == out / "team/etl-1.0.0" and "class A" in _step(self):
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    other.rb("fetch", "team/etl", "--out", out, "--replace", code=1)

    assert (out / "team/clean-1.0.0/recipe/steps/a.py").read_text() == "mine\n"
    assert (out / "team/etl-1.0.0/recipe/steps/a.py").read_text() == "mine\n"
    assert left_in(out) == [LOCK_NAME, "team"]


def test_a_file_where_the_folder_should_be(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish()
    (tmp_path / "here").write_text("a file")

    with pytest.raises(Conflicting, match="a file is there"):
        other.client().fetch(other.client().lock(["team/etl"]), tmp_path / "here")


def test_wheels_are_unpacked_for_this_python(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish(
        wheels=[
            a_wheel("tiny", {"tiny.py": "x = 41\n"}),
            a_wheel("elsewhere", {"elsewhere.py": ""}, "py3-none-any"),
        ],
        code=(
            "import tiny\nclass A:\n    def run(self, context, args):\n"
            "        context.set('answer', tiny.x + 1)\n        return 0\n"
        ),
    )
    out = tmp_path / "here"
    other.rb("fetch", "team/etl", "--out", out)

    env = out / "team/etl-1.0.0/env"

    assert (env / "tiny.py").read_text() == "x = 41\n"
    assert not list(env.rglob("*.pyc"))
    assert other.rb("run", out, "--json").json["context"] == {"answer": 42}


def test_a_wheel_that_climbs_out_is_refused_and_nothing_is_laid_out(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish(wheels=[a_wheel("evil", {"../../evil.py": "x = 1\n"})])
    out = tmp_path / "here"

    said = other.rb("fetch", "team/etl", "--out", out, code=None)

    assert said.code != 0
    assert "evil" in said.err
    assert not out.exists()
    assert not list(tmp_path.rglob("evil.py"))


def test_the_first_signer_is_shown_and_pinned(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish()

    said = other.rb("fetch", "team/etl", "--out", tmp_path / "here")

    assert f"first signature of namespace team seen here: {SIGNER.fingerprint}" in said.err
    assert f"of this registry itself seen here: {OTHER.fingerprint}" in said.err
    pins = other.rb("trust", "list", "--json").json["pins"]
    assert {(pin["namespace"], pin["fingerprint"], pin["how"]) for pin in pins} == {
        ("_server", OTHER.fingerprint, "first use"),
        ("team", SIGNER.fingerprint, "first use"),
    }
    again = other.rb("fetch", "team/etl", "--out", tmp_path / "there")
    assert "first signature" not in again.err


def test_an_unknown_signer_is_refused_whatever_the_server_says(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish()
    other.rb("trust", "add", "team", OTHER.fingerprint)

    said = other.rb("fetch", "team/etl", "--out", tmp_path / "here", "--json", code=4)

    error = said.json["error"]
    assert error["code"] == "unknown_signer"
    assert error["expected"] == [OTHER.fingerprint]
    assert error["found"] == [SIGNER.fingerprint]
    assert f"recipebox trust add team {SIGNER.fingerprint}" in said.err
    assert not (tmp_path / "here").exists()


def test_another_servers_receipts_are_refused(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish()
    other.rb("trust", "add", "_server", SIGNER.fingerprint)

    said = other.rb("fetch", "team/etl", "--out", tmp_path / "here", code=4)

    assert "the registry's receipt" in said.err


def test_who_signed_must_be_who_the_lock_says(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish()
    text = other.client().lock(["team/etl"]).dumps()
    lock = tmp_path / "recipebox.lock"
    lock.write_text(text.replace(SIGNER.fingerprint, OTHER.fingerprint))

    said = other.rb("fetch", "--frozen", lock, "--out", tmp_path / "here", code=4)

    assert "as locked" in said.err
    assert other.rb("trust", "list", "--json").json["pins"] == [
        pin
        for pin in other.rb("trust", "list", "--json").json["pins"]
        if pin["namespace"] == "_server"
    ]


def test_a_tampered_layer_is_refused_naming_both_digests(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish()
    meddle(other, lambda _, body: body.replace(b"hello from", b"HELLO FROM"))

    said = other.rb("fetch", "team/etl", "--out", tmp_path / "here", "--json", code=4)

    assert said.json["error"]["code"] == "tampered"
    assert said.json["error"]["expected"].startswith("sha256:")
    assert said.json["error"]["found"].startswith("sha256:")
    assert not (tmp_path / "here").exists()


def test_a_tampered_manifest_is_refused(publish: Publish, other: Machine, tmp_path: Path) -> None:
    publish()
    meddle(
        other,
        lambda path, body: body.replace(b"Moves", b"Drops") if "/manifests/" in path else body,
    )

    said = other.rb("fetch", "team/etl", "--out", tmp_path / "here", code=4)

    assert "manifest sha256:" in said.err
    assert "expected sha256:" in said.err


def test_a_tampered_signature_is_refused(publish: Publish, other: Machine, tmp_path: Path) -> None:
    publish()

    def change(path: str, body: bytes) -> bytes:
        return body.replace(b"-----BEGIN PGP SIGNATURE", b"-----BEGIN PGP SIGNATURF")

    meddle(other, change)
    said = other.rb("fetch", "team/etl", "--out", tmp_path / "here", code=4)

    assert "expected sha256:" in said.err


def test_a_download_that_breaks_off_leaves_nothing(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish()
    out = tmp_path / "here"
    meddle(other, lambda path, body: body[:-1] if "/blobs/" in path else body)
    client = other.client()

    with pytest.raises(Interrupted):
        client.fetch(client.lock(["team/etl"]), out)

    assert not out.exists()
    assert not list(tmp_path.rglob(".recipebox-*"))
    assert not list(other.places.cache.rglob(".part-*"))


def test_a_server_that_goes_away_is_exit_code_6(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish()

    def gone(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        raise ConnectionResetError("reset by peer")

    other.adapter = WsgiAdapter(gone)

    said = other.rb("fetch", "team/etl", "--out", tmp_path / "here", code=6)

    assert "connection reset" in said.err


def test_offline_fetches_what_is_cached_and_names_what_is_not(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish()
    lock = tmp_path / "recipebox.lock"
    other.rb("lock", "team/etl", "-o", lock)
    other.rb("fetch", "--frozen", lock, "--out", tmp_path / "first")
    asked = len(other.adapter.requests)

    other.rb("fetch", "--frozen", lock, "--out", tmp_path / "second", "--offline")
    other.rb("fetch", "team/etl", "--out", tmp_path / "third", "--offline")
    said = other.rb("fetch", "team/unknown", "--out", tmp_path / "fourth", "--offline", code=3)

    assert len(other.adapter.requests) == asked
    assert "not in the cache" in said.err
    other.cache.clear()
    with pytest.raises(NotCached):
        other.client(offline=True).fetch(Lock.loads(lock.read_text()), tmp_path / "fifth")


def test_a_cached_blob_that_rotted_is_had_again(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish()
    other.rb("fetch", "team/etl", "--out", tmp_path / "first")
    for blob in (other.places.cache / "blobs").rglob("*"):
        if blob.is_file():
            blob.write_bytes(b"rotten")

    other.rb("fetch", "team/etl", "--out", tmp_path / "second")

    assert (tmp_path / "second/team/etl-1.0.0/recipe/steps/a.py").is_file()


def test_a_lock_for_another_python_with_wheels_is_not_fetched_here(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish(wheels=[a_wheel("tiny", {"tiny.py": ""})])
    lock = tmp_path / "recipebox.lock"
    other.rb("lock", "team/etl", "-o", lock, "--python", "3.99")

    said = other.rb("fetch", "--frozen", lock, "--out", tmp_path / "here", code=2)

    assert "3.99" in said.err
    with pytest.raises(Misuse):
        other.client().fetch(Lock.loads(lock.read_text()), tmp_path / "here")


def test_fetch_takes_packages_or_a_lock(other: Machine, tmp_path: Path) -> None:
    other.rb("fetch", "--out", tmp_path, code=2)
    other.rb("fetch", "team/etl", "--frozen", "x", "--out", tmp_path, code=2)


def test_an_index_that_lies_about_requirements_is_found_out(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish("team/clean", "1.0.0")
    publish("team/etl", "1.0.0", requires={"team/clean": "^1"})
    lie = json.dumps(
        [{"extras": [], "package": "team/clean", "range": "^1"}], separators=(",", ":")
    )

    meddle(
        other,
        lambda path, body: (
            body.replace(lie.encode(), b"[]") if path == "/index/team/etl.json" else body
        ),
    )
    said = other.rb("fetch", "team/etl", "--out", tmp_path / "here", code=4)

    assert "its requirements in package.json and in the lock" in said.err


# What a registry could send that is wrong in itself: each is believed by nobody.


@pytest.fixture
def staged(author: Machine, publish: Publish, other: Machine) -> "Forgery":
    publish()
    return Forgery(author, other)


class Forgery:
    """A release that is listed, and what else a registry may say about it."""

    def __init__(self, author: Machine, machine: Machine) -> None:
        self.transport = author.client().transport
        self.machine = machine
        self.repository = PackageName("team", "etl").repository
        self.client = machine.client()
        self.lock = self.client.lock(["team/etl"])
        self.digest = self.lock.packages[0].digest
        manifest = self.transport.pull_manifest(self.repository, self.digest)
        self.subject = Descriptor.of(manifest, media.MANIFEST)

    def hang(self, kind: Kind, statement: bytes, signature: bytes) -> Digest:
        """Push a statement onto the release."""
        for blob in (media.EMPTY_JSON, statement, signature):
            self.transport.push_bytes(self.repository, blob, "application/octet-stream")
        manifest = statement_manifest(self.subject, kind, statement, signature)
        return self.transport.push_manifest(self.repository, manifest, media.MANIFEST)

    def only(self, kind: Kind, keep: Digest | None) -> None:
        """Have the registry list, of referrers of this kind, only `keep`."""

        def change(path: str, body: bytes) -> bytes:
            if "/referrers/" not in path:
                return body
            drawn = json.loads(body)
            drawn["manifests"] = [
                entry
                for entry in drawn["manifests"]
                if entry["annotations"][media.STATEMENT_KIND] != kind
                or entry["digest"] == str(keep)
            ]
            return json.dumps(drawn).encode()

        meddle(self.machine, change)
        self.client = self.machine.client()

    def fetch(self, out: Path) -> None:
        self.client.fetch(self.lock, out)


def test_without_a_signature_it_is_unsigned(staged: Forgery, tmp_path: Path) -> None:
    staged.only(Kind.RELEASE, None)

    with pytest.raises(Unsigned):
        staged.fetch(tmp_path / "here")


def test_without_a_receipt_it_is_not_believed(staged: Forgery, tmp_path: Path) -> None:
    staged.only(Kind.RECEIPT, None)

    with pytest.raises(Unsigned, match="receipt"):
        staged.fetch(tmp_path / "here")


def test_a_good_signature_over_another_statement_is_refused(
    staged: Forgery, tmp_path: Path
) -> None:
    statement = b'{"not":"the statement"}'
    signature = sign_with_key(statement, SIGNER.secret).encode()
    staged.only(Kind.RELEASE, staged.hang(Kind.RELEASE, statement, signature))

    with pytest.raises(Tampered, match="the statement that its receipt names") as caught:
        staged.fetch(tmp_path / "here")

    assert str(Digest.of(statement)) in str(caught.value)


def test_a_bad_signature_alone_is_refused_and_beside_a_good_one_ignored(
    staged: Forgery, tmp_path: Path
) -> None:
    release = staged.client.releases.statements(staged.repository, staged.digest, (Kind.RELEASE,))[
        Kind.RELEASE
    ][0]
    wrong = sign_with_key(b"something else", SIGNER.secret).encode()
    bad = staged.hang(Kind.RELEASE, release.statement, wrong)
    staged.fetch(tmp_path / "beside")

    staged.only(Kind.RELEASE, bad)

    with pytest.raises(Untrusted, match="not over this data"):
        staged.fetch(tmp_path / "alone")


def test_a_signature_by_a_key_that_nobody_knows(staged: Forgery, tmp_path: Path) -> None:
    release = staged.client.releases.statements(staged.repository, staged.digest, (Kind.RELEASE,))[
        Kind.RELEASE
    ][0]
    theirs = sign_with_key(release.statement, OTHER.secret).encode()
    staged.only(Kind.RELEASE, staged.hang(Kind.RELEASE, release.statement, theirs))

    with pytest.raises(UnknownSigner) as caught:
        staged.fetch(tmp_path / "here")

    assert caught.value.values["found"] == [OTHER.fingerprint]


def test_a_referrer_of_something_else_is_refused(staged: Forgery, tmp_path: Path) -> None:
    listed: list[bytes] = []

    def change(path: str, body: bytes) -> bytes:
        if "/referrers/" in path:
            listed.append(body)
            return listed[0]
        return body

    meddle(staged.machine, change)
    client = staged.machine.client()
    client.releases.statements(staged.repository, staged.digest, ())

    with pytest.raises(Tampered, match="referrer sha256:"):
        client.releases.statements(staged.repository, Digest.of(b"another"), ())


def test_a_lock_that_pins_something_that_is_no_release(staged: Forgery, tmp_path: Path) -> None:
    digest = staged.transport.referrers(staged.repository, staged.digest)[0].digest
    text = staged.lock.dumps().replace(str(staged.digest), str(digest))

    with pytest.raises(Tampered, match=r"expected application/vnd\.recipebox\.package"):
        staged.client.fetch(Lock.loads(text), tmp_path / "here")


def test_a_lock_that_calls_a_release_by_another_version(staged: Forgery, tmp_path: Path) -> None:
    text = staged.lock.dumps().replace('version = "1.0.0"', 'version = "1.0.1"')

    with pytest.raises(Tampered, match=r"expected team/etl 1\.0\.1, found team/etl 1\.0\.0"):
        staged.client.fetch(Lock.loads(text), tmp_path / "here")


# Verifying what is on disk


def test_verify_names_the_file_that_was_changed(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish()
    out = tmp_path / "here"
    other.rb("fetch", "team/etl", "--out", out)
    (out / "team/etl-1.0.0/recipe/steps/a.py").write_text("changed\n")

    said = other.rb("verify", out, code=4)

    assert "recipe/steps/a.py: expected sha256" in said.err


@pytest.mark.parametrize("act", ["add", "remove"])
def test_verify_notices_files_that_were_added_or_removed(
    act: str, publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish()
    out = tmp_path / "here"
    other.rb("fetch", "team/etl", "--out", out)
    path = out / "team/etl-1.0.0/recipe/steps/a.py"
    if act == "add":
        path.with_name("b.py").write_text("")
    else:
        path.unlink()

    assert "no such file" in other.rb("verify", out, code=4).err


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda env: (env / "tiny.py").write_text("x = 2\n"), "env/tiny.py: expected sha256"),
        (lambda env: (env / "sitecustomize.py").write_text(""), "expected no such file"),
        (lambda env: (env / "tiny.py").unlink(), "found no such file"),
        (lambda env: (env / "more").symlink_to("/etc"), "found a link to /etc"),
        (lambda env: os.mkfifo(env / "pipe"), "found no plain file"),
    ],
)
def test_verify_compares_the_unpacked_wheels_with_those_that_were_signed(
    act: Callable[[Path], object], said: str, publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish(wheels=[a_wheel("tiny", {"tiny.py": "x = 1\n", "deep/a.py": ""})])
    out = tmp_path / "here"
    other.rb("fetch", "team/etl", "--out", out)
    other.rb("verify", out, "--offline")

    act(out / "team/etl-1.0.0/env")

    refused = other.rb("verify", out, "--offline", code=4)
    assert said in refused.err
    assert "changed on this machine" in refused.err


@pytest.mark.parametrize(
    ("mark", "said"),
    [("{}", "isn't a wheel of this package"), ("[]", "doesn't say"),
     ('{"wheels": {"a.whl": "b"}}', "isn't a wheel")],
)  # fmt: skip
def test_verify_wants_to_know_which_wheels_were_unpacked(
    mark: str, said: str, publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish(wheels=[a_wheel("tiny", {"tiny.py": "x = 1\n"})])
    out = tmp_path / "here"
    other.rb("fetch", "team/etl", "--out", out)
    (out / "team/etl-1.0.0/env/.recipebox.json").write_text(mark)

    assert said in other.rb("verify", out, code=1).err


def test_verify_takes_the_wheels_that_were_packed_beside_it(
    publish: Publish, other: Machine
) -> None:
    out = publish(wheels=[a_wheel("tiny", {"tiny.py": "x = 1\n"})])
    tree = read_tree(out)
    files = {each.name: each for each in (out / "wheels").iterdir()}
    lay_out_env(tree.metadata.wheels, files, tree.path / "env")

    other.rb("verify", out)


@pytest.mark.parametrize("act", ["remove", "change"])
def test_verify_minds_the_signature_that_plain_gpg_looks_at(
    act: str, publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish()
    out = tmp_path / "here"
    other.rb("fetch", "team/etl", "--out", out)
    path = out / "team/etl-1.0.0/metadata/signature.asc"
    if act == "remove":
        path.unlink()
    else:
        path.write_text("x")

    assert "signature.asc: expected one of" in other.rb("verify", out, code=4).err


def test_verify_says_that_a_mode_was_changed(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish()
    out = tmp_path / "here"
    other.rb("fetch", "team/etl", "--out", out)
    (out / "team/etl-1.0.0/recipe/steps/a.py").chmod(0o755)

    assert "the mode of one isn't" in other.rb("verify", out, code=4).err


def test_verify_without_a_signature(tmp_path: Path, other: Machine) -> None:
    said = other.rb("verify", a_tree(tmp_path / "out"), code=4)

    assert "no signature" in said.err


def test_verify_misses_a_package_that_the_lock_pins(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish()
    out = tmp_path / "here"
    other.rb("fetch", "team/etl", "--out", out)
    shutil.move(out / "team/etl-1.0.0", tmp_path / "etl-1.0.0")

    assert "the lock pins it" in other.rb("verify", out, code=3).err


def test_verify_compares_with_the_digest_that_the_lock_pins(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish()
    out = tmp_path / "here"
    other.rb("fetch", "team/etl", "--out", out)
    lock = out / LOCK_NAME
    pinned = Lock.loads(lock.read_text()).packages[0].digest
    lock.write_text(lock.read_text().replace(str(pinned), str(Digest.of(b"x"))))

    assert "pins it, found" in other.rb("verify", out, code=4).err


def test_verify_works_offline_after_the_first_time(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish()
    out = tmp_path / "here"
    other.rb("fetch", "team/etl", "--out", out)

    other.rb("verify", out, "--offline")
    other.rb("verify", out / "team/etl-1.0.0", "--offline")


def test_offline_nobody_is_trusted_on_first_use(
    publish: Publish, other: Machine, make_machine: Callable[..., Machine], tmp_path: Path
) -> None:
    publish()
    out = tmp_path / "here"
    other.rb("fetch", "team/etl", "--out", out)

    said = make_machine("third").rb("verify", out, "--offline", code=4)

    assert "no key of team is known here" in said.err


# Running


def test_run_ends_with_the_recipes_exit_code(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish(args={"code": 7})
    out = tmp_path / "here"
    other.rb("fetch", "team/etl", "--out", out)

    assert other.rb("run", out, code=7).code == 7
    assert other.rb("run", out, "--set", "code=3", code=3).code == 3


def test_run_fetches_verifies_and_runs_by_name(publish: Publish, other: Machine) -> None:
    publish(args={"answer": 7})

    ran = other.rb("run", "team/etl@^1", "--json").json

    assert ran["context"] == {"answer": 7}


@pytest.mark.parametrize(
    "words",
    [
        ["team/unknown"],
        ["neither-a-folder"],
        ["--nonsense"],
        [],
        ["team/etl", "--env", "NOVALUE"],
    ],
)
def test_a_failure_of_ours_is_125(words: list[str], publish: Publish, other: Machine) -> None:
    publish()

    other.rb("run", *words, code=125)


def test_nothing_of_ours_is_on_a_recipes_path(
    publish: Publish, other: Machine, tmp_path: Path
) -> None:
    publish(
        code=(
            "import sys, os\nclass A:\n    def run(self, context, args):\n"
            "        context.set('path', sys.path)\n"
            "        context.set('env', sorted(os.environ))\n        return 0\n"
        )
    )

    context = other.rb("run", "team/etl", "--json", "--env", "DAY=1").json["context"]

    root = str(Path(__file__).resolve().parents[2])
    assert not [entry for entry in context["path"] if entry.startswith(root)]
    assert not [name for name in context["env"] if name.startswith("RECIPEBOX")]
    assert "DAY" in context["env"]
