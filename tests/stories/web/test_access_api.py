"""The API of access: tokens, and what is set for namespaces; quotas as an OCI client meets them."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from artifacts.digest import Digest
from tests.stories.web.authors import Author, Reply


@pytest.fixture
def team(site, admin):
    """The administrator, with the private namespace `team`."""
    admin.own("team")
    return admin


@pytest.fixture
def publisher(site, team):
    """Somebody who publishes in it."""
    assert team.must("GET", "/api/v1/namespaces/team").status == 200
    return holder(site, site.token("publisher", "team", "ann"))


def holder(site: Any, token: str) -> Author:
    return Author(site.send, token, site.folder)


class TestTokens:
    def test_an_administrator_makes_one_for_a_robot(self, site, team):
        asked = {
            "name": "robot",
            "role": "publisher",
            "namespace": "team",
            "verbs": ["pull", "push"],
            "expires_in": 3600,
        }

        made = team.must("POST", "/api/v1/tokens", asked)

        drawn = made.json
        token = drawn.pop("token")
        assert made.status == 201
        assert made.headers["cache-control"] == "no-store"
        assert drawn["verbs"] == ["attach", "pull", "push", "see_staged"]
        assert drawn["made_by"] == site.admin_token.split("_")[1]
        assert (drawn["name"], drawn["role"], drawn["namespace"]) == ("robot", "publisher", "team")
        who = holder(site, token).must("GET", "/api/v1/whoami").json
        assert (who["name"], who["verbs"]) == ("robot", drawn["verbs"])

    def test_they_are_listed_without_their_secrets_and_revoked(self, site, team):
        made = team.must("POST", "/api/v1/tokens", {"name": "robot", "role": "reader"}).json

        listed = team.must("GET", "/api/v1/tokens")
        revoked = team.must("DELETE", f"/api/v1/tokens/{made['id']}").json

        assert [each["name"] for each in listed.json["tokens"]] == ["admin", "robot"]
        assert made["token"].rpartition("_")[2].encode() not in listed.body
        assert revoked["revoked"] is not None
        assert holder(site, made["token"]).ask("GET", "/api/v1/whoami").status == 401

    def test_a_publisher_makes_a_narrower_one_of_its_own(self, site, publisher):
        made = publisher.must("POST", "/api/v1/tokens", {"verbs": ["pull"]}).json

        assert (made["name"], made["role"], made["namespace"]) == ("ann", "publisher", "team")
        assert made["verbs"] == ["pull"]
        narrow = holder(site, made["token"])
        assert narrow.must("POST", "/api/v1/tokens", {}).json["verbs"] == ["pull"]
        assert narrow.ask("POST", "/api/v1/tokens", {"verbs": ["push"]}).status == 403

    @pytest.mark.parametrize(
        ("asked", "status", "said"),
        [
            ({"name": "bob"}, 403, "only an administrator makes tokens for others"),
            ({"role": "admin"}, 403, "it would have administer"),
            ({"namespace": "others"}, 403, "this one is for team only"),
            ({"verbs": ["fly"]}, 422, "verbs is 'fly'"),
            ({"verbs": []}, 422, "verbs is ''"),
            ({"expires_in": 0}, 422, "expires_in"),
            ({"expires_in": "1d"}, 422, "expires_in"),
            ({"rolle": "reader"}, 422, "did you mean role?"),
        ],
    )
    def test_what_is_refused(self, publisher, asked, status, said):
        reply = publisher.ask("POST", "/api/v1/tokens", asked)

        assert reply.status == status
        assert said in reply.body.decode()

    def test_nobody_has_tokens(self, site):
        for method, path in (("GET", ""), ("DELETE", "/0123")):
            assert site.ask(method, f"/api/v1/tokens{path}").status == 401
        reply = site.ask("POST", "/api/v1/tokens", b"{}", Content_Type="application/json")
        assert reply.status == 401

    def test_anothers_token_is_not_there(self, site, publisher):
        theirs = site.admin_token.split("_")[1]

        assert publisher.ask("DELETE", f"/api/v1/tokens/{theirs}").status == 404


class TestNamespaces:
    def test_settings_are_changed_one_by_one(self, team):
        path = "/api/v1/namespaces/team"
        team.must("PATCH", path, {"quota": 1000, "immutable_tags": ["v*"]})

        drawn = team.must("PATCH", path, {"sparse": True, "public": True}).json

        assert drawn.pop("created")
        assert drawn == {
            "name": "team",
            "owner": "admin",
            "public": True,
            "quota": 1000,
            "used_bytes": 0,
            "sparse": True,
            "immutable_tags": ["v*"],
            "retention": None,
        }
        assert team.must("PATCH", path, {"quota": None}).json["quota"] is None

    def test_rules_of_retention_are_set_and_taken_away(self, team):
        rules = {"rules": [{"tags": "pr-*", "keep_last": 5}], "keep_untagged_days": 30}
        path = "/api/v1/namespaces/team"

        assert team.must("PATCH", path, {"retention": rules}).json["retention"] == rules
        assert team.must("PATCH", path, {"quota": 1}).json["retention"] == rules
        assert team.must("PATCH", path, {"retention": None}).json["retention"] is None

    def test_members_see_them_and_others_do_not(self, site, team):
        team.must("PATCH", "/api/v1/namespaces/team", {"public": True})
        reader = holder(site, site.token("reader", "team"))

        assert "used_bytes" in reader.must("GET", "/api/v1/namespaces/team").json
        assert "used_bytes" not in site.ask("GET", "/api/v1/namespaces/team").json

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({}, "at least one of public, quota"),
            ({"public": None}, "public"),
            ({"quota": "10GiB"}, "quota"),
            ({"quota": -1}, "quota is '-1'"),
            ({"quota": 1.5}, "quota"),
            ({"quota": 1 << 70}, "quota is"),
            ({"immutable_tags": ["a b"]}, "immutable_tags is 'a b'"),
            ({"retention": {"rules": [{"tags": "pr-*"}]}}, "a rule needs keep_last or keep_days"),
            ({"retention": {"rule": []}}, "retention is"),
            ({"retention": []}, "retention"),
            ({"immutable": ["v*"]}, "did you mean immutable_tags?"),
        ],
    )
    def test_what_is_refused(self, team, changes, said):
        reply = team.ask("PATCH", "/api/v1/namespaces/team", changes)

        assert reply.status == 422
        assert said in reply.body.decode()

    def test_an_owner_does_not_raise_its_own_quota(self, site):
        owner = holder(site, site.token("publisher", None, "ann"))
        owner.own("mine")

        owner.must("PATCH", "/api/v1/namespaces/mine", {"sparse": True})
        assert owner.ask("PATCH", "/api/v1/namespaces/mine", {"quota": 1 << 40}).status == 403


class TestQuota:
    def push(self, author: Author, data: bytes, name: str = "team/app", **headers: str) -> Reply:
        login = {"Authorization": f"Bearer {author.token}", **headers}
        path = f"/v2/{name}/blobs/uploads/?digest={Digest.of(data)}"
        reply: Reply = author.send("POST", path, data, login)
        return reply

    def test_what_does_not_fit_is_denied_with_the_numbers(self, team):
        team.must("PATCH", "/api/v1/namespaces/team", {"quota": 100})
        assert self.push(team, b"x" * 60).status == 201

        refused = self.push(team, b"y" * 41)

        assert refused.status == 403
        [error] = refused.json["errors"]
        assert error["code"] == "DENIED"
        assert "team uses 60 of its quota of 100 bytes; 41 more don't fit" in error["message"]
        said = {name: error["detail"][name] for name in ("namespace", "quota", "used", "asked")}
        assert said == {"namespace": "team", "quota": 100, "used": 60, "asked": 41}
        assert team.must("GET", "/api/v1/namespaces/team").json["used_bytes"] == 60

    def test_a_chunk_that_does_not_fit_is_denied_before_it_is_read(self, site, team):
        team.must("PATCH", "/api/v1/namespaces/team", {"quota": 100})
        login = {"Authorization": f"Bearer {team.token}"}
        begun = site.send("POST", "/v2/team/app/blobs/uploads/", b"", login)

        refused = site.send("PATCH", begun.headers["location"], b"x" * 101, login)

        assert refused.status == 403
        state = site.send("GET", begun.headers["location"], None, login)
        assert state.headers["range"] == "0-0"

    def test_who_may_not_push_is_told_nothing_of_it(self, site, team):
        team.must("PATCH", "/api/v1/namespaces/team", {"quota": 0})
        stranger = holder(site, site.token("publisher", "others"))

        refused = self.push(stranger, b"x")

        assert refused.status == 404
        assert b"quota" not in refused.body

    def test_pushes_at_once_do_not_squeeze_in_together(self, team):
        team.must("PATCH", "/api/v1/namespaces/team", {"quota": 1000})

        with ThreadPoolExecutor(8) as pool:
            datas = [bytes([number]) * 300 for number in range(16)]
            answers = list(pool.map(lambda data: self.push(team, data).status, datas))

        assert sorted(answers) == [201] * 3 + [403] * 13
        assert team.must("GET", "/api/v1/namespaces/team").json["used_bytes"] == 900
