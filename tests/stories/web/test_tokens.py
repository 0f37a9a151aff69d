"""Docker's token protocol over HTTP, as its clients speak it; sessions that end; tokens by API."""

import base64
import json
import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from registry.access import Role
from registry.schema import EndedSessionRow
from tests.builders import ADMIN
from tests.stories.web.authors import Reply
from web.rates import RateLimits

FORM = "application/x-www-form-urlencoded"


def basic(token: str, user: str = "anyone") -> str:
    return "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()


def members(reply: Reply) -> dict[str, str]:
    """Return the members of a Bearer challenge."""
    scheme, _, rest = reply.headers["www-authenticate"].partition(" ")
    assert scheme == "Bearer"
    return dict(re.findall(r'([a-z]+)="([^"]*)"', rest))


def fetch(site: Any, login: str | None, *scopes: str) -> str:
    """Return a bearer token for `scopes`, asked for as docker asks."""
    query = urlencode([("service", "recipebox"), *(("scope", scope) for scope in scopes)])
    headers = {} if login is None else {"Authorization": login}
    reply = site.ask("GET", f"/v2/token?{query}", **headers)
    assert reply.status == 200, reply.body
    token: str = reply.json["token"]
    return token


@pytest.fixture
def team(site):
    """A private namespace with an image, a public one with the same, and who may push to both."""
    for name, public in (("team", False), ("open", True)):
        site.registry.namespaces.create(ADMIN, name, public=public)
    push(site, site.admin_token, "team/app")
    push(site, site.admin_token, "open/app")
    return site


CONFIG = b"{}"
DIGEST = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.empty.v1+json",
            "digest": DIGEST,
            "size": 2,
        },
        "artifactType": "application/vnd.example",
        "layers": [],
    }
).encode()


def push(site: Any, bearer: str, name: str) -> Reply:
    """Push a blob and a manifest with whatever Bearer token; return the last answer."""
    login = f"Bearer {bearer}"
    reply = site.ask(
        "POST", f"/v2/{name}/blobs/uploads/?digest={DIGEST}", CONFIG, Authorization=login
    )
    if reply.status != 201:
        return reply
    return site.ask(
        "PUT",
        f"/v2/{name}/manifests/v1",
        MANIFEST,
        Authorization=login,
        Content_Type="application/vnd.oci.image.manifest.v1+json",
    )


class TestTheChallenge:
    @pytest.mark.parametrize(
        ("method", "path", "scope"),
        [
            ("GET", "/v2/", None),
            ("GET", "/v2", None),
            ("GET", "/v2/_catalog", "registry:catalog:*"),
            ("GET", "/v2/team/app/manifests/v1", "repository:team/app:pull"),
            ("HEAD", "/v2/team/app/manifests/v1", "repository:team/app:pull"),
            ("GET", f"/v2/team/app/blobs/{DIGEST}", "repository:team/app:pull"),
            ("HEAD", f"/v2/team/app/blobs/{DIGEST}", "repository:team/app:pull,push"),
            ("GET", "/v2/team/app/tags/list", "repository:team/app:pull"),
            ("GET", f"/v2/team/app/referrers/{DIGEST}", "repository:team/app:pull"),
            ("POST", "/v2/team/app/blobs/uploads/", "repository:team/app:pull,push"),
            (
                "POST",
                f"/v2/team/app/blobs/uploads/?mount={DIGEST}&from=open/app",
                "repository:team/app:pull,push repository:open/app:pull",
            ),
            (
                "POST",
                f"/v2/team/app/blobs/uploads/?mount={DIGEST}&from=No!",
                "repository:team/app:pull,push",
            ),
            (
                "GET",
                "/v2/team/app/blobs/uploads/0123456789abcdef0123456789abcdef",
                "repository:team/app:pull,push",
            ),
            (
                "PATCH",
                "/v2/team/app/blobs/uploads/0123456789abcdef0123456789abcdef",
                "repository:team/app:pull,push",
            ),
            (
                "DELETE",
                "/v2/team/app/blobs/uploads/0123456789abcdef0123456789abcdef",
                "repository:team/app:pull,push",
            ),
            ("DELETE", "/v2/team/app/manifests/v1", "repository:team/app:pull,delete"),
            ("DELETE", f"/v2/team/app/blobs/{DIGEST}", "repository:team/app:pull,delete"),
        ],
    )
    def test_it_says_where_to_go_and_what_to_ask_for(self, team, method, path, scope):
        reply = team.ask(method, path)

        assert reply.status == 401
        expected = {"realm": "http://localhost/v2/token", "service": "recipebox"}
        assert members(reply) == expected | ({"scope": scope} if scope else {})

    def test_there_is_one_scheme_alone(self, team):
        reply = team.ask("GET", "/v2/")

        assert "Basic" not in reply.headers["www-authenticate"]

    def test_the_realm_is_the_public_url_where_one_is_set(self, make_site):
        site = make_site(public_url="https://recipes.example.org/")

        assert members(site.ask("GET", "/v2/"))["realm"] == "https://recipes.example.org/v2/token"

    def test_the_realm_is_of_the_host_that_was_asked(self, site):
        reply = site.ask("GET", "/v2/", Host="registry.example.org:5000")

        assert members(reply)["realm"] == "http://registry.example.org:5000/v2/token"

    def test_who_sent_basic_is_told_basic(self, site):
        reply = site.ask("GET", "/v2/", Authorization=basic("wrong"))

        assert reply.status == 401
        assert reply.headers["www-authenticate"] == 'Basic realm="recipebox"'

    def test_the_api_says_basic(self, site):
        reply = site.ask("GET", "/api/v1/whoami")

        assert reply.headers["www-authenticate"] == 'Basic realm="recipebox"'

    def test_a_refused_bearer_token_is_said_to_be_invalid(self, site):
        reply = site.ask("GET", "/v2/", Authorization="Bearer a.b.c")

        assert members(reply)["error"] == "invalid_token"

    def test_one_for_something_else_is_said_to_be_too_narrow(self, team):
        pulls = fetch(team, basic(team.admin_token), "repository:team/app:pull")

        reply = push(team, pulls, "team/app")

        assert reply.status == 401
        assert members(reply)["error"] == "insufficient_scope"
        assert members(reply)["scope"] == "repository:team/app:pull,push"


class TestAskingForAToken:
    def test_docker_logs_in(self, site):
        challenge = members(site.ask("GET", "/v2/"))
        asked = {"account": "ann", "service": challenge["service"], "client_id": "docker"}

        reply = site.ask(
            "GET",
            f"/v2/token?{urlencode(asked)}&offline_token=true",
            Authorization=basic(site.admin_token),
        )

        assert reply.status == 200
        assert reply.headers["cache-control"] == "no-store"
        drawn = reply.json
        assert drawn["token"] == drawn["access_token"]
        assert drawn["expires_in"] == 300
        assert drawn["issued_at"].endswith("Z")
        assert "refresh_token" not in drawn
        assert site.ask("GET", "/v2/", Authorization=f"Bearer {drawn['token']}").status == 200

    def test_a_wrong_password_is_refused(self, site):
        reply = site.ask("GET", "/v2/token?service=recipebox", Authorization=basic("wrong"))

        assert reply.status == 401
        assert reply.json["errors"][0]["code"] == "UNAUTHORIZED"
        assert reply.headers["www-authenticate"] == 'Basic realm="recipebox"'

    def test_a_bearer_token_gets_no_other(self, site):
        short = fetch(site, basic(site.admin_token))

        reply = site.ask("GET", "/v2/token", Authorization=f"Bearer {short}")

        assert reply.status == 401

    def test_another_services_request_is_refused(self, site):
        reply = site.ask("GET", "/v2/token?service=registry.docker.io")

        assert reply.status == 422
        assert "expected recipebox" in reply.json["errors"][0]["message"]

    def test_it_pushes_and_pulls(self, team):
        login = basic(team.token("publisher", "team"))
        short = fetch(team, login, "repository:team/new:pull,push")

        assert push(team, short, "team/new").status == 201
        pulled = team.ask("GET", "/v2/team/new/manifests/v1", Authorization=f"Bearer {short}")
        assert pulled.body == MANIFEST

    def test_several_scopes_stand_in_one_request(self, team):
        login = basic(team.admin_token)
        scopes = ("repository:team/a:pull,push repository:open/app:pull", "registry:catalog:*")

        short = fetch(team, login, *scopes)

        assert push(team, short, "team/a").status == 201
        named = team.ask("GET", "/v2/_catalog", Authorization=f"Bearer {short}")
        assert "team/a" in named.json["repositories"]

    def test_the_catalog_needs_its_own_scope(self, team):
        short = fetch(team, basic(team.admin_token), "repository:team/app:pull")

        reply = team.ask("GET", "/v2/_catalog", Authorization=f"Bearer {short}")

        assert reply.status == 401
        assert members(reply)["scope"] == "registry:catalog:*"

    def test_what_was_granted_is_said(self, team):
        login = basic(team.token("reader", "team"))
        query = urlencode({"scope": "repository:team/app:pull,push repository:other/x:pull"})

        reply = team.ask("GET", f"/v2/token?{query}", Authorization=login)

        assert reply.json["scope"] == "repository:team/app:pull"

    def test_a_revoked_api_token_ends_its_bearer_tokens_at_once(self, team):
        token = team.token("publisher", "team")
        short = f"Bearer {fetch(team, basic(token), 'repository:team/app:pull')}"
        assert team.ask("GET", "/v2/team/app/manifests/v1", Authorization=short).status == 200

        team.registry.tokens.revoke(token.split("_")[1])

        reply = team.ask("GET", "/v2/team/app/manifests/v1", Authorization=short)
        assert reply.status == 401
        assert members(reply)["error"] == "invalid_token"

    def test_five_minutes_later_it_is_over(self, team):
        short = f"Bearer {fetch(team, basic(team.admin_token), 'repository:team/app:pull')}"
        assert team.ask("GET", "/v2/team/app/manifests/v1", Authorization=short).status == 200

        team.clock.pass_time(minutes=5, seconds=10)

        assert team.ask("GET", "/v2/team/app/manifests/v1", Authorization=short).status == 401

    def test_it_opens_nothing_but_the_registry(self, team):
        short = f"Bearer {fetch(team, basic(team.admin_token), 'repository:team/app:pull')}"

        for path in ("/api/v1/whoami", "/api/v1/namespaces", "/index/team/app.json"):
            assert team.ask("GET", path, Authorization=short).status == 401


class TestNobody:
    def test_docker_pulls_what_is_public_without_a_login(self, team):
        challenge = members(team.ask("GET", "/v2/"))
        assert challenge["realm"].endswith("/v2/token")
        short = f"Bearer {fetch(team, None, 'repository:open/app:pull')}"

        assert team.ask("GET", "/v2/", Authorization=short).status == 200
        pulled = team.ask("GET", "/v2/open/app/manifests/v1", Authorization=short)
        assert (pulled.status, pulled.body) == (200, MANIFEST)
        assert team.ask("GET", "/v2/open/app/manifests/v1").status == 200

    def test_a_private_name_is_as_one_that_is_not_there(self, team):
        answers = []
        for name in ("team/app", "no-such/app"):
            scope = f"repository:{name}:pull,push"
            reply = team.ask("GET", f"/v2/token?{urlencode({'scope': scope})}")
            short = f"Bearer {reply.json['token']}"
            refused = team.ask("GET", f"/v2/{name}/manifests/v1", Authorization=short)
            answers.append((reply.json["scope"], refused.status, members(refused)["error"]))

        assert answers == [("", 401, "insufficient_scope")] * 2

    def test_nobody_pushes(self, team):
        short = fetch(team, None, "repository:open/app:pull,push")

        assert push(team, short, "open/app").status == 401

    def test_nobody_lists_the_public_names_with_a_token_of_nobodys(self, team):
        short = f"Bearer {fetch(team, None, 'registry:catalog:*')}"

        listed = team.ask("GET", "/v2/_catalog", Authorization=short)

        assert listed.json["repositories"] == ["open/app"]


class TestOauth:
    """As containerd asks (distribution's spec/auth/oauth)."""

    def post(self, site: Any, **form: str) -> Reply:
        reply: Reply = site.ask("POST", "/v2/token", urlencode(form).encode(), Content_Type=FORM)
        return reply

    @pytest.mark.parametrize(
        ("kind", "member"), [("password", "password"), ("refresh_token", "refresh_token")]
    )
    def test_a_login_in_the_form(self, team, kind, member):
        form = {
            "grant_type": kind,
            member: team.admin_token,
            "username": "ann",
            "service": "recipebox",
            "client_id": "containerd-client",
            "scope": "repository:team/app:pull repository:open/app:pull",
        }

        reply = self.post(team, **form)

        assert reply.status == 200
        drawn = reply.json
        assert drawn["scope"] == form["scope"]
        assert drawn["token_type"] == "Bearer"
        login = f"Bearer {drawn['access_token']}"
        assert team.ask("GET", "/v2/team/app/manifests/v1", Authorization=login).status == 200

    @pytest.mark.parametrize(
        ("form", "status", "said"),
        [
            ({"grant_type": "password", "password": "wrong"}, 401, "the token was refused"),
            ({"grant_type": "password"}, 401, "send it as password"),
            ({"grant_type": "refresh_token", "password": "x"}, 401, "send it as refresh_token"),
            ({"grant_type": "authorization_code"}, 422, "expected password or refresh_token"),
            ({}, 422, "expected password or refresh_token, found ''"),
            ({"grant_type": "password", "service": "other"}, 422, "expected recipebox"),
        ],
    )
    def test_what_is_refused(self, site, form, status, said):
        reply = self.post(site, **form)

        assert reply.status == status
        assert said in reply.json["errors"][0]["message"]

    def test_a_form_that_is_too_large_is_refused(self, site):
        assert self.post(site, grant_type="password", password="x" * 70_000).status == 413

    def test_bytes_that_are_no_form_are_refused(self, site):
        reply = site.ask("POST", "/v2/token", b"\xff\xfe\x00", Content_Type=FORM)

        assert reply.status == 422


class TestSessions:
    def log_in(self, site: Any) -> Any:
        browser = site.browser()
        page = browser.get("/login").text
        csrf = re.search(r'name="csrf" value="([^"]+)"', page)
        assert csrf
        done = browser.post("/login", data={"token": site.admin_token, "csrf": csrf[1]})
        assert done.status_code == 303
        return browser

    def log_out(self, browser: Any) -> None:
        csrf = re.search(r'name="csrf" value="([^"]+)"', browser.get("/").text)
        assert csrf
        assert browser.post("/logout", data={"csrf": csrf[1]}).status_code == 303

    def test_a_copied_cookie_is_worth_nothing_after_the_log_out(self, site):
        browser = self.log_in(site)
        cookie = browser.get_cookie("recipebox_session")
        copied = {"Cookie": f"recipebox_session={cookie.value}"}
        assert site.ask("GET", "/api/v1/whoami", **copied).json["name"] == "admin"

        self.log_out(browser)

        assert site.ask("GET", "/api/v1/whoami", **copied).status == 401

    def test_another_browser_stays_logged_in(self, site):
        one, other = self.log_in(site), self.log_in(site)

        self.log_out(one)

        assert one.get("/api/v1/whoami").status_code == 401
        assert other.get("/api/v1/whoami").status_code == 200

    def test_ended_sessions_are_forgotten_once_their_cookies_have_run_out(self, site):
        self.log_out(self.log_in(site))
        site.clock.pass_time(days=31)
        self.log_out(self.log_in(site))

        with site.registry.database.session():
            assert EndedSessionRow.select().count() == 1


class TestRates:
    def test_who_asks_too_often_is_told_when_to_come_back(self, make_site):
        site = make_site(rates=RateLimits(principal=2))
        login = f"Bearer {site.admin_token}"
        for _ in range(2):
            assert site.ask("GET", "/v2/", Authorization=login).status == 200

        refused = site.ask("GET", "/v2/", Authorization=login)
        site.clock.pass_time(seconds=60)

        assert refused.status == 429
        assert refused.json["errors"][0]["code"] == "TOOMANYREQUESTS"
        assert 0 < int(refused.headers["retry-after"]) <= 60
        assert site.ask("GET", "/v2/", Authorization=login).status == 200

    def test_the_api_says_it_as_a_problem_and_pages_as_a_page(self, make_site):
        site = make_site(rates=RateLimits(anonymous=1))
        site.ask("GET", "/")

        problem = site.ask("GET", "/api/v1/packages")
        page = site.ask("GET", "/")

        assert (problem.status, problem.json["code"]) == (429, "too_many_requests")
        assert page.status == 429
        assert page.headers["content-type"].startswith("text/html")
        assert "retry-after" in page.headers

    def test_health_is_asked_as_often_as_wanted(self, make_site):
        site = make_site(rates=RateLimits(anonymous=1, principal=1))

        assert {site.ask("GET", "/healthz").status for _ in range(10)} == {200}
        assert {site.ask("GET", "/readyz").status for _ in range(10)} == {200}

    def test_what_is_answered_without_flask_counts_too(self, make_site):
        site = make_site(rates=RateLimits(principal=5))
        login = f"Bearer {site.admin_token}"
        assert push(site, site.admin_token, "team/app").status == 201

        found = [
            site.ask("GET", "/v2/team/app/manifests/v1", Authorization=login).status
            for _ in range(5)
        ]

        assert found == [200, 200, 200, 429, 429]

    def test_refused_logins_are_slowed_and_good_ones_are_not(self, make_site):
        site = make_site(rates=RateLimits(failures=2))
        wrong = [site.ask("GET", "/v2/", Authorization=basic("wrong")).status for _ in range(3)]

        assert wrong == [401, 401, 429]
        assert site.ask("GET", "/v2/", Authorization=basic(site.admin_token)).status == 200

    def test_they_count_where_bearer_tokens_are_asked_for_too(self, make_site):
        site = make_site(rates=RateLimits(failures=2))
        form = urlencode({"grant_type": "password", "password": "wrong"}).encode()

        wrong = [
            site.ask("POST", "/v2/token", form, Content_Type=FORM).status,
            site.ask("GET", "/v2/token", Authorization=basic("wrong")).status,
            site.ask("POST", "/v2/token", form, Content_Type=FORM).status,
        ]

        assert wrong == [401, 401, 429]

    def test_a_token_that_has_run_out_is_no_guess(self, make_site):
        site = make_site(rates=RateLimits(failures=1))
        short = fetch(site, basic(site.admin_token))
        with site.registry.database.session():
            made = site.registry.tokens.create("ci", Role.READER, None, timedelta(minutes=1))
        site.clock.pass_time(minutes=6)

        for login in (f"Bearer {short}", basic(made.text)) * 3:
            assert site.ask("GET", "/v2/", Authorization=login).status == 401
        form = urlencode({"grant_type": "password", "password": made.text}).encode()
        for _ in range(3):
            assert site.ask("POST", "/v2/token", form, Content_Type=FORM).status == 401
