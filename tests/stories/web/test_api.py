"""`/api/v1`, `/index`, `/keys` and `/schemas`: what the command line and solvers use."""

import io
import json

import jsonschema
import pytest

from artifacts import media
from artifacts.digest import Digest
from artifacts.reference import RepositoryName, Tag
from tests.builders import ADMIN, a_manifest
from tests.keys import SIGNER
from web.schemas import SCHEMAS


class TestAsking:
    def test_whose_token_it_is(self, site):
        author = site.author("publisher", "team")

        assert author.must("GET", "/api/v1/whoami").json == {
            "name": "publisher",
            "role": "publisher",
            "namespace": "team",
            "verbs": None,
        }

    def test_nobody_has_no_name(self, site):
        reply = site.ask("GET", "/api/v1/whoami")

        assert reply.status == 401
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.headers["www-authenticate"] == 'Basic realm="recipebox"'
        assert reply.json["code"] == "not_authenticated"
        assert reply.json["type"] == "urn:recipebox:error:not_authenticated"
        assert reply.json["request_id"] == reply.headers["x-request-id"]

    def test_a_token_that_is_over_says_so(self, site):
        with site.registry.database.session():
            from datetime import timedelta

            from registry.access import Role

            made = site.registry.tokens.create("ada", Role.READER, None, timedelta(days=1))
        site.clock.pass_time(days=2)

        reply = site.ask("GET", "/api/v1/whoami", Authorization=f"Bearer {made.text}")

        assert (reply.status, reply.json["code"]) == (401, "expired_token")

    def test_an_unknown_route_is_a_problem(self, admin):
        assert admin.ask("GET", "/api/v1/nonsense").json["code"] == "not_found"


class TestRequests:
    def test_an_unknown_member_is_refused_and_the_nearest_named(self, admin):
        reply = admin.ask("POST", "/api/v1/namespaces", {"name": "team", "publik": True})

        assert (reply.status, reply.json["code"]) == (422, "invalid_fields")
        assert reply.json["fields"] == [{"where": "publik", "message": "unknown"}]
        assert reply.json["hint"] == "did you mean public?"

    def test_one_that_is_like_none_gets_a_list(self, admin):
        reply = admin.ask("POST", "/api/v1/namespaces", {"name": "team", "zzz": 1})

        assert reply.json["hint"] == "it takes name, public"

    def test_a_member_of_another_type_is_named(self, admin):
        reply = admin.ask("POST", "/api/v1/namespaces", {"name": 5})

        assert [field["where"] for field in reply.json["fields"]] == ["name"]

    def test_a_body_that_is_no_object_is_refused(self, admin):
        reply = admin.ask("POST", "/api/v1/namespaces", [1])

        assert reply.json["fields"][0]["where"] == "the body"

    def test_a_body_that_is_not_json_is_refused(self, admin):
        path = "/api/v1/namespaces"

        assert admin.ask("POST", path, b"{", Content_Type="application/json").status == 400
        assert admin.ask("POST", path, b"{}", Content_Type="text/plain").json["code"] == "not_json"

    def test_a_body_over_the_limit_is_refused(self, make_site):
        admin = make_site(json_limit=50).author()

        reply = admin.ask("POST", "/api/v1/namespaces", {"name": "x" * 100})

        assert (reply.status, reply.json["limit"]) == (413, 50)


class TestNamespaces:
    def test_a_namespace_is_private_until_it_is_made_public(self, site, admin):
        made = admin.must("POST", "/api/v1/namespaces", {"name": "team"})
        assert (made.status, made.json["public"], made.json["owner"]) == (201, False, "admin")
        assert site.ask("GET", "/api/v1/namespaces").json == {"namespaces": []}

        admin.must("PATCH", "/api/v1/namespaces/team", {"public": True})

        assert site.ask("GET", "/api/v1/namespaces/team").json["public"] is True
        [listed] = site.ask("GET", "/api/v1/namespaces").json["namespaces"]
        assert listed["name"] == "team"

    def test_a_name_is_taken_once(self, admin):
        admin.must("POST", "/api/v1/namespaces", {"name": "team"})

        reply = admin.ask("POST", "/api/v1/namespaces", {"name": "team"})

        assert (reply.status, reply.json["code"]) == (409, "namespace_exists")

    def test_rules_of_retention_are_set_and_tried(self, site, admin):
        admin.must("POST", "/api/v1/namespaces", {"name": "team", "public": True})
        one, data = RepositoryName("team/one"), media.EMPTY_JSON
        site.registry.uploads.push(ADMIN, one, Digest.of(data), io.BytesIO(data), len(data))
        tags = [Tag("a"), Tag("b")]
        site.registry.manifests.put(
            ADMIN, one, Digest.of(a_manifest()), a_manifest(), media.MANIFEST, tags=tags
        )
        rules = {"rules": [{"tags": "a", "keep_last": 0}]}

        admin.must("PATCH", "/api/v1/namespaces/team", {"retention": rules})

        path = "/api/v1/namespaces/team/retention/simulation"
        tried = admin.must("GET", path).json
        assert (tried["goes"], tried["stays"]) == (1, 1)
        assert [each["tag"] for each in tried["tags"]] == ["a"]
        assert site.ask("GET", path).status == 401
        reply = admin.ask("PATCH", "/api/v1/namespaces/team", {"retention": {"rules": [{}]}})
        assert (reply.status, reply.json["code"]) == (422, "invalid_value")

    def test_a_key_is_added_and_handed_out(self, site, admin):
        admin.must("POST", "/api/v1/namespaces", {"name": "team", "public": True})

        added = admin.must(
            "POST",
            "/api/v1/namespaces/team/keys",
            {"armored": SIGNER.public, "roles": ["release"]},
        )

        assert (added.status, added.json["fingerprint"]) == (201, SIGNER.fingerprint)
        assert added.json["roles"] == ["release"]
        [listed] = admin.must("GET", "/api/v1/namespaces/team/keys").json["keys"]
        assert listed["fingerprint"] == SIGNER.fingerprint
        keys = site.ask("GET", "/keys/team.asc")
        assert keys.headers["content-type"] == "application/pgp-keys"
        assert keys.headers["cache-control"] == "public, no-cache"
        assert b"BEGIN PGP PUBLIC KEY BLOCK" in keys.body
        again = site.ask("GET", "/keys/team.asc", If_None_Match=keys.headers["etag"])
        assert again.status == 304

    def test_a_secret_key_is_refused(self, admin):
        admin.must("POST", "/api/v1/namespaces", {"name": "team"})

        reply = admin.ask("POST", "/api/v1/namespaces/team/keys", {"armored": SIGNER.secret})

        assert (reply.status, reply.json["code"]) == (422, "invalid_key")

    def test_the_servers_own_key_is_for_all(self, site):
        assert b"BEGIN PGP PUBLIC KEY BLOCK" in site.ask("GET", "/keys/_server.asc").body

    def test_a_private_namespace_is_not_there_for_others(self, site, admin):
        admin.own("team")

        for path in ("/api/v1/namespaces/team", "/keys/team.asc"):
            assert site.ask("GET", path).status == 401
            assert site.stranger().ask("GET", path).status == 404
        assert admin.must("GET", "/keys/team.asc").headers["cache-control"].startswith("private")


class TestPublishing:
    def test_a_release_is_listed_with_a_receipt_and_its_page(self, admin):
        admin.own("team")
        digest = admin.stage(admin.pack("team/etl", "1.0.0"))

        reply = admin.must("POST", "/api/v1/packages/team/etl/releases", {"digest": str(digest)})

        assert reply.status == 201
        assert reply.json["name"] == "team/etl"
        assert reply.json["version"] == "1.0.0"
        assert reply.json["digest"] == str(digest)
        assert reply.json["receipt"].startswith("sha256:")
        assert reply.json["url"] == "http://localhost/packages/team/etl/1.0.0"

    def test_the_page_is_where_the_operator_says(self, make_site):
        admin = make_site(public_url="https://recipes.example.org/").author()
        admin.own("team")
        digest = admin.stage(admin.pack("team/etl", "1.0.0"))

        reply = admin.must("POST", "/api/v1/packages/team/etl/releases", {"digest": str(digest)})

        assert reply.json["url"] == "https://recipes.example.org/packages/team/etl/1.0.0"

    def test_the_same_bytes_again_are_fine_and_others_are_not(self, admin):
        admin.own("team")
        digest = admin.publish("team/etl", "1.0.0")
        path = "/api/v1/packages/team/etl/releases"
        other = admin.stage(admin.pack("team/etl", "1.0.0", summary="Other words"))

        assert admin.ask("POST", path, {"digest": str(digest)}).status == 200
        reply = admin.ask("POST", path, {"digest": str(other)})

        assert (reply.status, reply.json["code"]) == (409, "release_exists")
        assert (reply.json["listed"], reply.json["offered"]) == (str(digest), str(other))

    def test_an_unsigned_release_is_refused(self, admin):
        admin.own("team")
        digest = admin.stage(admin.pack("team/etl", "1.0.0"), signed=False)

        reply = admin.ask("POST", "/api/v1/packages/team/etl/releases", {"digest": str(digest)})

        assert (reply.status, reply.json["code"]) == (403, "untrusted")

    def test_what_was_never_pushed_can_not_be_listed(self, admin):
        admin.own("team")

        reply = admin.ask(
            "POST", "/api/v1/packages/team/etl/releases", {"digest": str(Digest.of(b"x"))}
        )

        assert reply.status == 404

    def test_a_release_is_yanked_and_taken_back(self, admin):
        admin.own("team")
        admin.publish("team/etl", "1.0.0")
        path = "/api/v1/packages/team/etl/releases/1.0.0/yank"

        yanked = admin.must("POST", path, {"reason": "wrong sums"})
        [listed] = admin.must("GET", "/api/v1/packages/team/etl").json["releases"]
        back = admin.must("DELETE", path)
        [after] = admin.must("GET", "/api/v1/packages/team/etl").json["releases"]

        assert yanked.json["yanked"]["reason"] == "wrong sums"
        assert listed["yanked"]["reason"] == "wrong sums"
        assert back.json == {"version": "1.0.0", "yanked": None}
        assert after["yanked"] is None

    @pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "nul\0", "\x1b[31mred"])
    def test_a_yank_has_a_reason_that_can_be_shown(self, admin, reason):
        admin.own("team")
        admin.publish("team/etl", "1.0.0")
        path = "/api/v1/packages/team/etl/releases/1.0.0/yank"

        assert admin.ask("POST", path, {"reason": reason}).status == 422


class TestFinding:
    def test_packages_are_searched_in_pages(self, admin):
        admin.own("team")
        for name in ("alpha", "beta"):
            admin.publish(f"team/{name}", "1.0.0")

        first = admin.must("GET", "/api/v1/packages?limit=1").json
        second = admin.must("GET", f"/api/v1/packages?limit=1&cursor={first['next']}").json
        found = admin.must("GET", "/api/v1/packages?q=beta").json

        assert [package["name"] for package in first["packages"]] == ["team/alpha"]
        assert [package["name"] for package in second["packages"]] == ["team/beta"]
        assert second["next"] is None
        assert [package["name"] for package in found["packages"]] == ["team/beta"]
        assert found["packages"][0]["latest"] == "1.0.0"
        assert found["packages"][0]["signers"] == [SIGNER.fingerprint]

    @pytest.mark.parametrize("limit", ["0", "101", "x", "-1"])
    def test_a_page_has_1_to_100(self, admin, limit):
        reply = admin.ask("GET", f"/api/v1/packages?limit={limit}")

        assert (reply.status, reply.json["fields"][0]["where"]) == (422, "limit")

    def test_a_package_shows_its_releases(self, admin):
        admin.own("team")
        admin.publish("team/clean", "1.0.0")
        admin.publish("team/etl", "1.1.0", requires={"team/clean": "^1"})

        drawn = admin.must("GET", "/api/v1/packages/team/etl").json

        assert drawn["name"] == "team/etl"
        assert drawn["latest"] == "1.1.0"
        assert drawn["releases"][0]["requires"] == {"team/clean": "^1"}
        assert drawn["channels"] == []

    def test_a_package_that_is_not_there(self, admin):
        admin.own("team")

        assert admin.ask("GET", "/api/v1/packages/team/no").json["code"] == "package_unknown"


class TestIndex:
    def test_an_index_is_revalidated_by_its_etag(self, site, admin):
        admin.own("team", public=True)
        admin.publish("team/etl", "1.0.0")

        whole = site.ask("GET", "/index/team/etl.json")
        again = site.ask("GET", "/index/team/etl.json", If_None_Match=whole.headers["etag"])

        assert whole.headers["etag"] == f'"{Digest.of(whole.body).hex}"'
        assert whole.headers["cache-control"] == "public, no-cache"
        assert (again.status, again.body) == (304, b"")
        jsonschema.validate(whole.json, SCHEMAS["index"]())

    def test_a_private_index_stays_with_who_may_read_it(self, site, admin):
        admin.own("team")
        admin.publish("team/etl", "1.0.0")

        assert site.ask("GET", "/index/team/etl.json").status == 401
        headers = admin.must("GET", "/index/team/etl.json").headers
        assert headers["cache-control"] == "private, no-cache"
        assert headers["vary"] == "Authorization, Cookie"

    def test_an_older_state_can_be_read(self, admin):
        admin.own("team")
        admin.publish("team/etl", "1.0.0")
        before = admin.must("GET", "/index/revision.json").json["revision"]
        admin.publish("team/etl", "1.1.0")

        then = admin.must("GET", f"/index/team/etl.json?as_of={before}").json
        now = admin.must("GET", "/index/team/etl.json").json

        assert [release["version"] for release in then["releases"]] == ["1.0.0"]
        assert [release["version"] for release in now["releases"]] == ["1.1.0", "1.0.0"]

    @pytest.mark.parametrize("revision", ["x", "-1", "9" * 5000], ids=["text", "minus", "long"])
    def test_a_revision_that_is_no_number_is_refused(self, admin, revision):
        assert admin.ask("GET", f"/index/team/etl.json?as_of={revision}").status == 422


class TestApplications:
    @pytest.fixture
    def bundle(self, admin):
        admin.own("team")
        admin.publish("team/etl", "1.0.0")
        return admin.bundle("team/app", "team/etl ^1")

    def test_a_bundle_moves_through_the_channels(self, admin, bundle):
        first = admin.promote("team/app", "dev", bundle, None)
        second = admin.promote("team/app", "staging", bundle, None)

        assert (first.status, second.status) == (201, 201)
        assert second.json["from"] == "dev"
        assert second.json["asked_by"] == {"name": "admin", "role": "admin", "proof": "token"}
        channels = admin.must("GET", "/api/v1/applications/team/app").json["channels"]
        assert [(one["name"], one["bundle"]) for one in channels] == [
            ("dev", bundle),
            ("staging", bundle),
            ("production", None),
        ]
        path = "/api/v1/applications/team/app/channels/dev/promotions"
        [record] = admin.must("GET", path).json["promotions"]
        assert record["record"] == first.json["record"]

    def test_a_bundle_can_be_read(self, admin, bundle):
        drawn = admin.must("GET", f"/api/v1/applications/team/app/bundles/{bundle}").json

        assert drawn["packages"] == {"team/etl": "1.0.0"}

    def test_it_holds_images(self, admin, bundle):
        digest = admin.push_image("team/app/image", "1")
        where = f"team/app/image@{digest}"
        made = admin.bundle("team/app", "team/etl ^1", images=[where])

        assert made != bundle
        drawn = admin.must("GET", f"/api/v1/applications/team/app/bundles/{made}").json
        [image] = drawn["images"]
        assert image.pop("size") > 0
        assert image == {"repository": "team/app/image", "digest": str(digest), "platforms": []}

    @pytest.mark.parametrize(
        ("images", "status", "code"),
        [
            ([{"repository": "team/x", "digest": f"sha256:{'0' * 64}"}], 422, "invalid_bundle"),
            ([{"repository": "team/x", "digest": "sha256:0"}], 400, "invalid_digest"),
            ([{"repository": "Team", "digest": f"sha256:{'0' * 64}"}], 400, "invalid_name"),
            ([{"repository": "team/x"}], 422, "invalid_fields"),
            ([{"repository": "team/x", "tag": "1", "digest": ""}], 422, "invalid_fields"),
            ("team/x", 422, "invalid_fields"),
            (
                [{"repository": "a/b", "digest": f"sha256:{n:064}"} for n in range(500)],
                422,
                "invalid_bundle",
            ),
        ],
        ids=["absent", "typo", "name", "no-digest", "a-tag", "no-list", "500"],
    )
    def test_what_is_no_image(self, admin, bundle, images, status, code):
        body = {"lock": admin.lock("team/etl ^1"), "images": images}
        reply = admin.ask("POST", "/api/v1/applications/team/app/bundles", body)

        assert (reply.status, reply.json["code"]) == (status, code)
        assert bundle

    def test_a_channel_that_moved_refuses(self, admin, bundle):
        admin.promote("team/app", "dev", bundle, None)
        admin.publish("team/etl", "1.1.0")
        newer = admin.bundle("team/app", "team/etl ^1")

        stale = admin.promote("team/app", "dev", newer, None)
        fresh = admin.promote("team/app", "dev", newer, bundle)

        assert (stale.status, stale.json["code"]) == (409, "pointer_moved")
        assert stale.json["found"] == bundle
        assert (fresh.status, fresh.json["previous"]) == (201, bundle)

    def test_a_gate_names_its_reasons(self, admin, bundle):
        reply = admin.promote("team/app", "production", bundle, None)

        assert (reply.status, reply.json["code"]) == (409, "gate_closed")
        assert reply.json["reasons"]

    def test_a_package_says_which_channels_hold_it(self, admin, bundle):
        admin.promote("team/app", "dev", bundle, None)

        assert admin.must("GET", "/api/v1/packages/team/etl").json["channels"] == [
            {"application": "team/app", "channel": "dev", "version": "1.0.0"}
        ]

    def test_a_lock_that_is_none_makes_no_bundle(self, admin):
        admin.own("team")

        reply = admin.ask("POST", "/api/v1/applications/team/app/bundles", {"lock": "nonsense ["})

        assert (reply.status, reply.json["code"]) == (422, "invalid_bundle")

    def test_an_application_that_is_not_there(self, admin):
        admin.own("team")

        reply = admin.ask("GET", "/api/v1/applications/team/no")

        assert (reply.status, reply.json["code"]) == (404, "application_unknown")


class TestSchemas:
    @pytest.mark.parametrize("name", sorted(SCHEMAS))
    def test_each_format_has_a_schema(self, site, name):
        reply = site.ask("GET", f"/schemas/{name}.json")

        assert reply.headers["content-type"] == "application/schema+json"
        jsonschema.Draft202012Validator.check_schema(reply.json)

    @pytest.mark.parametrize("name", ["packages", "zzz"])
    def test_an_unknown_one_names_those_that_are(self, site, name):
        reply = site.ask("GET", f"/schemas/{name}.json")

        assert reply.status == 404
        assert ["package", "/schemas/package.json"] in reply.json["nearest"]


class TestHealth:
    def test_a_server_that_is_well(self, site):
        alive, ready = site.ask("GET", "/healthz"), site.ask("GET", "/readyz")

        assert (alive.status, alive.json["status"]) == (200, "ok")
        assert ready.json == {
            "status": "ok",
            "checks": {"database": "ok", "schema": "ok", "store": "ok"},
        }

    def test_a_server_that_is_not_says_what_fails_and_logs_why(self, site, caplog):
        blobs = site.registry.config.data / "blobs"
        for folder in (blobs, site.registry.config.data / "uploads"):
            if folder.is_dir():
                folder.rmdir()
            folder.write_text("in the way")

        reply = site.ask("GET", "/readyz")

        assert (reply.status, reply.json["checks"]["store"]) == (503, "failed")
        assert str(site.registry.config.data) not in json.dumps(reply.json)
        assert "store" in caplog.text
