"""The front path answers as Flask does, header by header, whatever happened before."""

import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from artifacts import media
from artifacts.digest import Digest
from registry.access import Role
from registry.schema import ReviewRow
from tests.tools.server import ROOT, clean_environ
from web.access_log import NOTES
from web.front import Front

IMAGE = "team/image"
PACKAGE = "team/etl"
SECRET = "secret/image"
LAYER = b"0123456789" * 100
REVOKE = """
import sys
from pathlib import Path
from registry.assembly import open_registry
from registry.config import RegistryConfig

_, data, public_id, *url = sys.argv
registry = open_registry(RegistryConfig(data=Path(data), database_url=next(iter(url), None)))
with registry.database.session():
    registry.tokens.revoke(public_id)
"""


@dataclass(frozen=True)
class Seen:
    """What a client sees of an answer, and what the log is told."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes
    notes: dict[str, str]


class Pair:
    """The application with the front path, and the Flask behind it."""

    def __init__(self, site):
        self.site = site
        self.front = site.app.wsgi_app
        assert isinstance(self.front, Front)
        self.flask = self.front._application

    def ask(self, application, path, method="GET", **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named.setdefault("X-Request-Id", "the-same-for-both")
        environ = EnvironBuilder(path=path, method=method, headers=named).get_environ()
        said = []
        parts = application(environ, lambda status, headers, _=None: said.append((status, headers)))
        body = b"".join(parts)
        getattr(parts, "close", lambda: None)()
        [(status, answered)] = said
        return Seen(status, sorted(answered), body, environ[NOTES])

    def compare(self, path, method="GET", **headers):
        """Ask Flask, and the front path twice; all three must be one. Return it."""
        expected = self.ask(self.flask, path, method, **headers)
        for _ in range(2):
            assert self.ask(self.front, path, method, **headers) == expected
        return expected

    def is_kept(self, path, **headers):
        """Return whether the front path answers without Flask."""
        asked = []

        def listen(environ, start_response):
            asked.append(environ)
            return self.flask(environ, start_response)

        self.front._application = listen
        try:
            self.ask(self.front, path, **headers)
        finally:
            self.front._application = self.flask
        return not asked


@pytest.fixture
def pair(site, admin):
    admin.own("team", public=True)
    admin.own("secret")
    admin.push_image(IMAGE, "latest", LAYER)
    admin.push_image(SECRET, "latest", LAYER)
    admin.publish(PACKAGE, "1.0.0")
    admin.stage(admin.pack(PACKAGE, "2.0.0"))
    return Pair(site)


def staged(admin):
    """The digest of the package's staged release."""
    return admin.pack(PACKAGE, "2.0.0").descriptor.digest


class TestRepeating:
    def test_the_second_pull_is_answered_without_flask(self, pair):
        for path in (f"/v2/{IMAGE}/manifests/latest", f"/v2/{IMAGE}/blobs/{Digest.of(LAYER)}"):
            assert not pair.is_kept(path)
            assert pair.is_kept(path)
            assert pair.is_kept(path, X_Request_Id="another-client")
            assert not pair.is_kept(path, method="HEAD")
            assert pair.is_kept(path, method="HEAD")

    def test_each_answer_has_its_own_request_id(self, pair):
        path = f"/v2/{IMAGE}/manifests/latest"

        ids = [
            dict(pair.ask(pair.front, path, X_Request_Id="?").headers)["X-Request-Id"]
            for _ in range(3)
        ]

        assert len(set(ids)) == 3

    def test_a_range_of_a_kept_blob(self, pair):
        path = f"/v2/{IMAGE}/blobs/{Digest.of(LAYER)}"
        pair.compare(path)

        assert pair.compare(path, Range="bytes=2-4").body == b"234"
        assert pair.is_kept(path, Range="bytes=2-4")
        assert pair.compare(path, Range="bytes=5000-").status.startswith("416")

    def test_a_blob_that_was_lost_is_not_found_though_it_is_kept(self, pair, site):
        path = f"/v2/{IMAGE}/blobs/{Digest.of(LAYER)}"
        pair.compare(path)

        for file in (site.folder.parent / "data" / "blobs").rglob("*"):
            if file.is_file():
                file.unlink()

        assert not pair.ask(pair.front, path).status.startswith("200")

    def test_a_yanked_release_warns_from_then_on(self, pair, admin):
        path = f"/v2/{PACKAGE}/manifests/1.0.0"
        assert "Warning" not in dict(pair.compare(path).headers)

        admin.must("POST", f"/api/v1/packages/{PACKAGE}/releases/1.0.0/yank", {"reason": "broken"})

        assert "broken" in dict(pair.compare(path).headers)["Warning"]


class TestConfirming:
    """What was kept before a commit about something else still holds, and Flask isn't asked."""

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    @pytest.mark.parametrize("what", ["manifests/latest", f"blobs/{Digest.of(LAYER)}"])
    def test_a_push_of_another_image(self, pair, admin, site, method, what):
        token = site.token("reader", "secret")
        asked = {"method": method, "Authorization": f"Bearer {token}"}
        path = f"/v2/{SECRET}/{what}"
        before = pair.compare(path, **asked)

        for number in range(3):
            admin.push_image("secret/other", "latest", f"another {number}".encode())
            assert pair.is_kept(path, **asked)
            assert pair.compare(path, **asked) == before

    def test_who_may_push_is_told_anew_what_waits_for_a_review(self, pair, admin, site):
        """HEAD has it kept for a grace: so each must come to the registry."""
        with site.registry.database.write():
            ReviewRow.delete().execute()  # as a sweep leaves what is needed
        asked = {"method": "HEAD", "Authorization": f"Bearer {admin.token}"}
        path = f"/v2/{IMAGE}/blobs/{Digest.of(LAYER)}"
        pair.compare(path, **asked)
        assert pair.is_kept(path, **asked)

        image = dict(pair.ask(pair.flask, f"/v2/{IMAGE}/manifests/latest").headers)
        admin.must("DELETE", f"/v2/{IMAGE}/manifests/{image['Docker-Content-Digest']}")

        for _ in range(2):
            assert not pair.is_kept(path, **asked)


class TestForgetting:
    def test_a_tag_that_moves(self, pair, admin):
        path = f"/v2/{IMAGE}/manifests/latest"
        before = pair.compare(path)

        admin.push_image(IMAGE, "latest", b"another")

        assert pair.compare(path).body != before.body

    def test_a_namespace_that_becomes_private(self, pair, admin):
        path = f"/v2/{IMAGE}/manifests/latest"
        assert pair.compare(path).status == "200 OK"

        admin.must("PATCH", "/api/v1/namespaces/team", {"public": False})

        assert pair.compare(path).status.startswith("401")

    def test_a_token_that_is_revoked_by_another_process(self, pair, site):
        token = site.token("reader", "secret")
        path = f"/v2/{SECRET}/manifests/latest"
        assert pair.compare(path, Authorization=f"Bearer {token}").status == "200 OK"
        assert pair.is_kept(path, Authorization=f"Bearer {token}")

        public_id = token.split("_")[1]
        config = site.registry.config
        words = [sys.executable, "-c", REVOKE, str(config.data), public_id]
        words += [config.database_url] if config.database_url else []
        subprocess.run(words, cwd=ROOT, env=clean_environ(), check=True)

        answer = pair.ask(pair.front, path, Authorization=f"Bearer {token}")
        assert answer.status.startswith("401")

    def test_a_token_that_expires_by_the_clock_alone(self, pair, site):
        with site.registry.database.session():
            made = site.registry.tokens.create("short", Role.READER, "secret", timedelta(minutes=5))
        path = f"/v2/{SECRET}/manifests/latest"
        login = f"Bearer {made.text}"
        assert pair.compare(path, Authorization=login).status == "200 OK"

        site.clock.pass_time(minutes=4, seconds=58)
        assert pair.is_kept(path, Authorization=login)
        site.clock.pass_time(seconds=10)

        assert pair.compare(path, Authorization=login).status.startswith("401")

    @pytest.mark.parametrize("is_anybody", [True, False])
    def test_a_bearer_token_ends_by_the_clock_too(self, pair, site, admin, is_anybody):
        headers = {} if is_anybody else {"Authorization": f"Bearer {admin.token}"}
        scope = f"repository:{IMAGE}:pull"
        asked = site.send("GET", f"/v2/token?service=recipebox&scope={scope}", None, headers)
        login = f"Bearer {asked.json['token']}"
        path = f"/v2/{IMAGE}/manifests/latest"
        assert pair.compare(path, Authorization=login).status == "200 OK"
        assert pair.is_kept(path, Authorization=login)

        site.clock.pass_time(minutes=6)

        assert pair.compare(path, Authorization=login).status.startswith("401")

    def test_what_is_staged_is_for_those_who_may_publish(self, pair, admin):
        path = f"/v2/{PACKAGE}/manifests/{staged(admin)}"

        assert pair.compare(path, Authorization=f"Bearer {admin.token}").status == "200 OK"
        assert pair.compare(path).status.startswith("404")

    def test_a_check_that_says_no_leaves_it_to_flask(self, pair):
        path = f"/v2/{IMAGE}/manifests/latest"
        pair.compare(path)
        asked = []

        def refuse(environ, principal):
            asked.append((environ["PATH_INFO"], principal.name))
            return False

        pair.front._checks = (refuse,)

        assert not pair.is_kept(path)
        assert asked == [(path, "anonymous")]

    def test_a_database_that_is_away_is_flask_s_to_tell(self, pair):
        path = f"/v2/{IMAGE}/manifests/latest"
        pair.compare(path)

        pair.front._stamp = lambda _namespace: None

        assert not pair.is_kept(path)


PATHS = st.sampled_from(
    [
        f"/v2/{IMAGE}/manifests/latest",
        f"/v2/{IMAGE}/manifests/other",
        f"/v2/{IMAGE}/manifests/a b",
        f"/v2/{IMAGE}/manifests/sha256:short",
        f"/v2/{IMAGE}/blobs/{Digest.of(LAYER)}",
        f"/v2/{IMAGE}/blobs/{Digest.of(b'another')}",
        f"/v2/{IMAGE}/blobs/{Digest.of(b'{}')}",
        f"/v2/{IMAGE}/blobs/nonsense",
        f"/v2/{IMAGE}/blobs/uploads/",
        f"/v2/{SECRET}/manifests/latest",
        f"/v2/{SECRET}/blobs/{Digest.of(LAYER)}",
        f"/v2/{PACKAGE}/manifests/1.0.0",
        f"/v2/{PACKAGE}/manifests/2.0.0",
        f"/v2/{PACKAGE}/manifests/staged",
        "/v2/Team/image/manifests/latest",
        "/v2/nobody/image/manifests/latest",
        f"/v2//{IMAGE}/manifests/latest",
        f"/v2/{IMAGE}/manifests/blobs/manifests/latest",
    ]
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "Range": st.sampled_from(["bytes=0-3", "bytes=-5", "bytes=9999-", "bytes=0-1,3-4", "x"]),
        "If_None_Match": st.sampled_from([f'"{Digest.of(LAYER)}"', "*", '"x"']),
        "Accept": st.sampled_from(["*/*", media.MANIFEST, "text/plain", "application/*;q=0.1", ""]),
        "Cookie": st.just("recipebox_session=forged"),
        "X_Forwarded_Proto": st.just("https"),
    },
)
PULLS = st.tuples(
    st.just("pull"),
    PATHS,
    st.sampled_from(["GET", "HEAD", "OPTIONS"]),
    st.sampled_from(["nobody", "admin", "reader", "publisher", "elsewhere", "forged", "basic"]),
    HEADERS,
)
CHANGES = st.sampled_from(
    [
        "move",
        "untag",
        "delete",
        "yank",
        "unyank",
        "public",
        "private",
        "drop-blob",
        "revoke",
        "wait",
    ]
).map(lambda name: (name,))


class Story:
    """Does what a generated list says, and compares every pull on the way."""

    def __init__(self, pair, admin):
        self._pair = pair
        self._admin = admin
        site = pair.site
        self._count = 0
        self._staged = staged(admin)
        self._logins = {
            "nobody": None,
            "admin": f"Bearer {admin.token}",
            "reader": f"Bearer {site.token('reader', 'secret')}",
            "publisher": f"Bearer {site.token('publisher', 'team')}",
            "elsewhere": f"Bearer {site.token('reader', 'elsewhere')}",
            "forged": "Bearer rbx_000000000000_" + "0" * 64,
            "basic": "Basic bm9ib2R5Om5vdGhpbmc=",
        }

    def tell(self, steps):
        for name, *details in steps:
            if name == "pull":
                self._pull(*details)
            else:
                self._change(name)

    def _pull(self, path, method, who, headers):
        login = self._logins[who]
        if login is not None:
            headers = {**headers, "Authorization": login}
        self._pair.compare(path.replace("staged", str(self._staged)), method, **headers)

    def _change(self, name):
        admin = self._admin
        release = f"/api/v1/packages/{PACKAGE}/releases/1.0.0"
        self._count += 1
        if name == "move":
            admin.push_image(IMAGE, "latest", f"layer {self._count}".encode())
        elif name == "untag":
            admin.ask("DELETE", f"/v2/{IMAGE}/manifests/latest")
        elif name == "delete":
            found = admin.ask("GET", f"/v2/{IMAGE}/manifests/latest")
            digest = found.headers.get("docker-content-digest", "none")
            admin.ask("DELETE", f"/v2/{IMAGE}/manifests/{digest}")
        elif name in {"yank", "unyank"}:
            admin.ask("POST", f"{release}/yank", {"reason": f"reason {self._count}"})
            if name == "unyank":
                admin.ask("DELETE", f"{release}/yank")
        elif name in {"public", "private"}:
            is_public = name == "public"
            admin.must("PATCH", "/api/v1/namespaces/team", {"public": is_public})
            admin.must("PATCH", "/api/v1/namespaces/secret", {"public": is_public})
        elif name == "drop-blob":
            admin.ask("DELETE", f"/v2/{IMAGE}/blobs/{Digest.of(LAYER)}")
        elif name == "revoke":
            site = self._pair.site
            with site.registry.database.session():
                site.registry.tokens.revoke(self._logins["reader"].split("_")[1])
        else:
            self._pair.site.clock.pass_time(hours=1)


@given(steps=st.lists(PULLS | PULLS | PULLS | CHANGES, max_size=25))
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_order_of_pulls_and_changes_gives_what_flask_gives(pair, admin, steps):
    Story(pair, admin).tell(steps)


def test_each_unusual_request_is_the_same(pair, admin):
    """A table of all of them, from a fresh start and after everything was kept."""
    Story(pair, admin).tell(
        ("pull", path, method, who, headers)
        for path in (f"/v2/{IMAGE}/manifests/latest", f"/v2/{IMAGE}/blobs/{Digest.of(LAYER)}")
        for method in ("GET", "HEAD")
        for who in ("nobody", "admin", "publisher", "forged")
        for headers in (
            {},
            {"Accept": media.MANIFEST},
            {"Accept": "text/plain"},
            {"Range": "bytes=0-3"},
            {"If_None_Match": "*"},
            {"Content_Length": "0"},
        )
    )


def test_what_is_kept_is_json_of_the_manifest(pair):
    kept = pair.compare(f"/v2/{IMAGE}/manifests/latest")

    assert json.loads(kept.body)["mediaType"] == media.MANIFEST
