"""`/v2/` as an OCI client meets it (distribution-spec 1.1)."""

import base64
import json

import pytest

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest

BLOB = b"0123456789" * 10
DIGEST = Digest.of(BLOB)
REPOSITORY = "team/tools/image"


def code_of(reply):
    """The OCI code of an error answer."""
    [error] = reply.json["errors"]
    return error["code"]


class TestAsking:
    def test_a_client_learns_how_to_log_in(self, site):
        reply = site.ask("GET", "/v2/")

        assert reply.status == 401
        assert reply.headers["www-authenticate"] == (
            'Bearer realm="http://localhost/v2/token",service="recipebox"'
        )
        assert reply.headers["docker-distribution-api-version"] == "registry/2.0"
        assert code_of(reply) == "UNAUTHORIZED"

    @pytest.mark.parametrize("path", ["/v2/", "/v2"])
    def test_any_user_name_goes_with_a_token(self, site, path):
        basic = base64.b64encode(f"whoever:{site.admin_token}".encode()).decode()

        assert site.ask("GET", path, Authorization=f"Basic {basic}").status == 200
        assert site.ask("GET", path, Authorization=f"Bearer {site.admin_token}").status == 200

    @pytest.mark.parametrize(
        "header", ["Bearer rbx_no_such", "Basic !!!", "Digest x", "Basic eDo="]
    )
    def test_anything_else_is_refused(self, site, header):
        reply = site.ask("GET", "/v2/", Authorization=header)

        assert reply.status == 401
        assert code_of(reply) == "UNAUTHORIZED"

    def test_every_answer_has_an_id_a_version_and_can_do_nothing_in_a_browser(self, site):
        headers = site.ask("GET", "/v2/", X_Request_Id="from-the-client").headers

        assert headers["x-request-id"] == "from-the-client"
        assert headers["x-recipebox-version"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'; sandbox")

    def test_an_unknown_path_is_an_oci_error(self, site):
        reply = site.ask("GET", "/v2/team/etl/nonsense")

        assert reply.status == 404
        assert code_of(reply) == "NAME_UNKNOWN"

    def test_an_unknown_method_names_those_that_are(self, admin):
        reply = admin.ask("PUT", f"/v2/{REPOSITORY}/blobs/{DIGEST}")

        assert reply.status == 405
        assert "DELETE" in reply.headers["allow"]
        assert code_of(reply) == "UNSUPPORTED"

    @pytest.mark.parametrize("name", ["Team/etl", "team//etl", "team/etl-", "te am/x"])
    def test_a_name_outside_of_the_grammar_is_refused(self, admin, name):
        reply = admin.ask("GET", f"/v2/{name}/tags/list")

        assert reply.status == 400
        assert code_of(reply) == "NAME_INVALID"


class TestPushingBlobs:
    def test_in_one_request(self, admin):
        reply = admin.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/?digest={DIGEST}", BLOB)

        assert reply.status == 201
        assert reply.headers["location"] == f"/v2/{REPOSITORY}/blobs/{DIGEST}"
        assert reply.headers["docker-content-digest"] == str(DIGEST)
        assert admin.ask("GET", reply.headers["location"]).body == BLOB

    def test_by_a_post_and_a_put(self, admin):
        started = admin.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/")
        assert (started.status, started.headers["range"]) == (202, "0-0")

        reply = admin.ask("PUT", f"{started.headers['location']}?digest={DIGEST}", BLOB)

        assert reply.status == 201

    def test_in_chunks_that_say_where_they_belong(self, admin):
        place = admin.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads").headers["location"]

        first = admin.ask("PATCH", place, BLOB[:60], Content_Range="0-59")
        assert (first.status, first.headers["range"]) == (202, "0-59")
        status = admin.ask("GET", place)
        assert (status.status, status.headers["range"]) == (204, "0-59")
        last = admin.ask("PATCH", first.headers["location"], BLOB[60:], Content_Range="60-99")
        done = admin.ask("PUT", f"{last.headers['location']}?digest={DIGEST}")

        assert done.status == 201

    def test_in_chunks_that_do_not(self, admin):
        place = admin.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/").headers["location"]

        admin.must("PATCH", place, BLOB[:60])
        done = admin.ask("PUT", f"{place}?digest={DIGEST}", BLOB[60:], Content_Range="60-99")

        assert done.status == 201

    def test_with_chunked_transfer_encoding(self, admin):
        place = admin.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/").headers["location"]

        reply = admin.ask("PATCH", place, BLOB, Transfer_Encoding="chunked")

        assert (reply.status, reply.headers["range"]) == (202, "0-99")

    def test_an_empty_blob(self, admin):
        empty = Digest.of(b"")

        assert admin.push_blob(REPOSITORY, b"") == empty
        assert admin.must("GET", f"/v2/{REPOSITORY}/blobs/{empty}").body == b""

    def test_a_chunk_in_the_wrong_place_says_where_the_upload_goes_on(self, admin):
        place = admin.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/").headers["location"]
        admin.must("PATCH", place, BLOB[:60])

        reply = admin.ask("PATCH", place, BLOB[70:], Content_Range="70-99")

        assert (reply.status, reply.headers["range"]) == (416, "0-59")
        assert code_of(reply) == "BLOB_UPLOAD_INVALID"

    @pytest.mark.parametrize("given", ["70", "a-b", "0-5", "9-0"])
    def test_a_content_range_that_is_none_is_refused(self, admin, given):
        place = admin.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/").headers["location"]

        reply = admin.ask("PATCH", place, BLOB, Content_Range=given)

        assert reply.status == 400
        assert code_of(reply) == "BLOB_UPLOAD_INVALID"

    @pytest.mark.parametrize(
        ("given", "code"),
        [
            ("60-98", "BLOB_UPLOAD_INVALID"),
            ("60-100", "SIZE_INVALID"),
            ("99-60", "BLOB_UPLOAD_INVALID"),
        ],
    )
    @pytest.mark.parametrize("method", ["PATCH", "PUT"])
    def test_a_chunked_body_of_another_length_than_its_range_is_refused(
        self, admin, method, given, code
    ):
        place = admin.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/").headers["location"]
        admin.must("PATCH", place, BLOB[:60])
        headers = {"Transfer_Encoding": "chunked", "Content_Range": given}

        reply = admin.ask(method, f"{place}?digest={DIGEST}", BLOB[60:], **headers)

        assert (reply.status, code_of(reply)) == (400, code)
        kept = int(admin.ask("GET", place).headers["range"].partition("-")[2]) + 1
        rest = admin.ask("PUT", f"{place}?digest={DIGEST}", BLOB[kept:])
        assert rest.status == 201

    def test_a_truncated_body_is_refused_and_nothing_is_kept(self, admin):
        path = f"/v2/{REPOSITORY}/blobs/uploads/?digest={DIGEST}"

        reply = admin.ask("POST", path, BLOB, Content_Length="200")

        assert reply.status == 400
        assert code_of(reply) == "SIZE_INVALID"
        assert admin.ask("HEAD", f"/v2/{REPOSITORY}/blobs/{DIGEST}").status == 404

    def test_a_truncated_chunk_can_be_gone_on_with(self, admin):
        place = admin.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/").headers["location"]

        reply = admin.ask("PATCH", place, BLOB[:60], Content_Length="100")

        assert (reply.status, reply.headers["range"]) == (400, "0-59")
        assert admin.must("PUT", f"{place}?digest={DIGEST}", BLOB[60:]).status == 201

    def test_bytes_of_another_digest_are_refused(self, admin):
        wrong = Digest.of(b"something else")

        reply = admin.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/?digest={wrong}", BLOB)

        assert reply.status == 400
        assert code_of(reply) == "DIGEST_INVALID"
        [error] = reply.json["errors"]
        assert error["detail"]["expected"] == str(wrong)
        assert error["detail"]["found"] == str(DIGEST)

    @pytest.mark.parametrize("digest", ["sha256:abc", "md5:0", "nothing", ""])
    def test_what_is_no_digest_is_refused(self, admin, digest):
        reply = admin.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/?digest={digest}", BLOB)

        assert reply.status == 400
        assert code_of(reply) == "DIGEST_INVALID"

    def test_an_upload_needs_its_digest_at_the_end(self, admin):
        place = admin.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/").headers["location"]

        assert code_of(admin.ask("PUT", place, BLOB)) == "DIGEST_INVALID"

    @pytest.mark.parametrize("query", ["", f"?mount={DIGEST}", f"?mount={DIGEST}&from=team/none"])
    def test_a_store_with_a_smallest_part_says_how_long_chunks_should_be(self, site, admin, query):
        path = f"/v2/{REPOSITORY}/blobs/uploads/{query}"
        assert "oci-chunk-min-length" not in admin.must("POST", path).headers

        site.registry.store.smallest_chunk = 5 * 1024 * 1024
        begun = admin.must("POST", path)

        assert (begun.status, begun.headers["oci-chunk-min-length"]) == (202, "5242880")
        place = begun.headers["location"]
        assert admin.must("PATCH", place, BLOB[:60]).status == 202  # it is no limit
        assert admin.must("PUT", f"{place}?digest={DIGEST}", BLOB[60:]).status == 201

    def test_an_upload_can_be_cancelled(self, admin):
        place = admin.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/").headers["location"]

        assert admin.ask("DELETE", place).status == 204
        gone = admin.ask("GET", place)
        assert (gone.status, code_of(gone)) == (404, "BLOB_UPLOAD_UNKNOWN")

    def test_a_blob_is_mounted_from_another_repository(self, admin):
        admin.push_blob("team/base", BLOB)

        reply = admin.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/?mount={DIGEST}&from=team/base")

        assert reply.status == 201
        assert admin.must("GET", f"/v2/{REPOSITORY}/blobs/{DIGEST}").body == BLOB

    @pytest.mark.parametrize("source", ["&from=team/nothing", ""])
    def test_a_mount_that_finds_nothing_begins_an_upload(self, admin, source):
        admin.push_blob(REPOSITORY, b"so that the namespace is there")

        reply = admin.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/?mount={DIGEST}{source}")

        assert reply.status == 202
        assert reply.headers["docker-upload-uuid"] in reply.headers["location"]


class TestPullingBlobs:
    @pytest.fixture
    def path(self, admin):
        admin.push_blob(REPOSITORY, BLOB)
        return f"/v2/{REPOSITORY}/blobs/{DIGEST}"

    def test_the_size_is_told_without_the_bytes(self, admin, path):
        reply = admin.ask("HEAD", path)

        assert (reply.status, reply.headers["content-length"], reply.body) == (200, "100", b"")
        assert reply.headers["docker-content-digest"] == str(DIGEST)
        assert reply.headers["accept-ranges"] == "bytes"

    def test_a_range_is_sent(self, admin, path):
        reply = admin.ask("GET", path, Range="bytes=10-14")

        assert (reply.status, reply.body) == (206, b"01234")
        assert reply.headers["content-range"] == "bytes 10-14/100"

    def test_a_range_past_the_end_is_refused(self, admin, path):
        reply = admin.ask("GET", path, Range="bytes=100-")

        assert (reply.status, reply.headers["content-range"]) == (416, "bytes */100")

    def test_what_the_client_has_is_not_sent_again(self, admin, path):
        etag = admin.ask("GET", path).headers["etag"]

        reply = admin.ask("GET", path, If_None_Match=etag)

        assert (reply.status, reply.body) == (304, b"")

    def test_a_blob_that_is_not_there(self, admin, path):
        reply = admin.ask("GET", path.replace(str(DIGEST), str(Digest.of(b"other"))))

        assert (reply.status, code_of(reply)) == (404, "BLOB_UNKNOWN")

    def test_a_blob_is_deleted(self, admin, path):
        assert admin.ask("DELETE", path).status == 202
        assert admin.ask("GET", path).status == 404

    def test_others_can_not_tell_that_it_is_there(self, site, path):
        stranger = site.stranger()

        there = stranger.ask("GET", path)
        missing = stranger.ask("GET", path.replace(str(DIGEST), str(Digest.of(b"x"))))

        assert there.status == missing.status == 404
        assert code_of(there) == code_of(missing)
        assert site.ask("GET", path).status == 401


class TestManifests:
    def test_a_manifest_is_pushed_and_pulled_by_tag_and_digest(self, admin):
        digest = admin.push_image(REPOSITORY, "v1")

        by_tag = admin.must("GET", f"/v2/{REPOSITORY}/manifests/v1")
        by_digest = admin.must("GET", f"/v2/{REPOSITORY}/manifests/{digest}")

        assert by_tag.body == by_digest.body
        assert Digest.of(by_tag.body) == digest
        assert by_tag.headers["content-type"] == media.MANIFEST
        assert by_tag.headers["docker-content-digest"] == str(digest)

    def test_head_says_the_same_without_the_bytes(self, admin):
        digest = admin.push_image(REPOSITORY, "v1")
        whole = admin.must("GET", f"/v2/{REPOSITORY}/manifests/v1")

        head = admin.ask("HEAD", f"/v2/{REPOSITORY}/manifests/v1")

        assert (head.status, head.body) == (200, b"")
        assert head.headers["docker-content-digest"] == str(digest)
        assert head.headers["content-length"] == str(len(whole.body))
        assert head.headers["content-type"] == media.MANIFEST

    def test_one_push_gives_several_tags(self, admin):
        digest = admin.push_image(REPOSITORY, "v1")
        data = admin.must("GET", f"/v2/{REPOSITORY}/manifests/v1").body

        reply = admin.ask(
            "PUT",
            f"/v2/{REPOSITORY}/manifests/{digest}?tag=v2&tag=latest",
            data,
            Content_Type=media.MANIFEST,
        )

        assert reply.status == 201
        assert reply.headers["location"] == f"/v2/{REPOSITORY}/manifests/{digest}"
        tags = admin.must("GET", f"/v2/{REPOSITORY}/tags/list").json["tags"]
        assert tags == ["latest", "v1", "v2"]

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    @pytest.mark.parametrize(
        "accept",
        [
            media.MANIFEST,
            f"{media.INDEX}, {media.MANIFEST}",
            "*/*",
            "application/json",
            media.INDEX,
            media.DOCKER_MANIFEST,
            f"{media.MANIFEST};q=0",
            "text/html",
            "",
            ";;,",
        ],
    )
    def test_a_manifest_is_sent_whatever_the_client_says_that_it_takes(self, admin, method, accept):
        digest = admin.push_image(REPOSITORY, "v1")
        for reference in ("v1", digest):
            reply = admin.ask(method, f"/v2/{REPOSITORY}/manifests/{reference}", Accept=accept)

            assert (reply.status, reply.headers["content-type"]) == (200, media.MANIFEST)

    def test_what_the_client_has_is_not_sent_again(self, admin):
        admin.push_image(REPOSITORY, "v1")
        path = f"/v2/{REPOSITORY}/manifests/v1"
        etag = admin.must("GET", path).headers["etag"]

        assert admin.ask("GET", path, If_None_Match=etag).status == 304

    def test_a_manifest_needs_its_blobs(self, admin):
        drawn = {
            "schemaVersion": 2,
            "mediaType": media.MANIFEST,
            "config": Descriptor.of(b"missing", media.IMAGE_CONFIG).to_json(),
            "layers": [],
        }

        reply = admin.ask(
            "PUT",
            f"/v2/{REPOSITORY}/manifests/v1",
            json.dumps(drawn).encode(),
            Content_Type=media.MANIFEST,
        )

        assert (reply.status, code_of(reply)) == (404, "MANIFEST_BLOB_UNKNOWN")
        assert str(Digest.of(b"missing")) in reply.json["errors"][0]["message"]

    @pytest.mark.parametrize("data", [b"", b"not json", b"[]", b'{"schemaVersion": 1}'])
    def test_what_is_no_manifest_is_refused(self, admin, data):
        path = f"/v2/{REPOSITORY}/manifests/v1"

        reply = admin.ask("PUT", path, data, Content_Type=media.MANIFEST)

        assert (reply.status, code_of(reply)) == (400, "MANIFEST_INVALID")

    def test_a_manifest_over_the_limit_is_refused_with_the_limit(self, admin):
        path = f"/v2/{REPOSITORY}/manifests/v1"

        reply = admin.ask("PUT", path, b" " * (4 * 1024 * 1024 + 1), Content_Type=media.MANIFEST)

        assert (reply.status, code_of(reply)) == (413, "SIZE_INVALID")
        assert reply.json["errors"][0]["detail"]["limit"] == 4 * 1024 * 1024

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    @pytest.mark.parametrize("reference", ["nothing", ".not-a-tag", str(Digest.of(b"x"))])
    def test_a_manifest_that_is_not_there(self, admin, method, reference):
        admin.push_image(REPOSITORY, "v1")

        reply = admin.ask(method, f"/v2/{REPOSITORY}/manifests/{reference}")

        assert reply.status == 404
        if method == "GET":
            assert code_of(reply) == "MANIFEST_UNKNOWN"

    def test_a_manifest_is_deleted_with_its_tags(self, admin):
        digest = admin.push_image(REPOSITORY, "v1")

        assert admin.ask("DELETE", f"/v2/{REPOSITORY}/manifests/{digest}").status == 202
        assert admin.ask("GET", f"/v2/{REPOSITORY}/manifests/v1").status == 404

    def test_a_referrer_names_its_subject(self, admin):
        subject = admin.push_image(REPOSITORY, "v1")
        admin.push_blob(REPOSITORY, media.EMPTY_JSON)
        data = admin.must("GET", f"/v2/{REPOSITORY}/manifests/v1").body
        drawn = {
            "schemaVersion": 2,
            "mediaType": media.MANIFEST,
            "artifactType": "application/vnd.example.sbom",
            "config": Descriptor.of(media.EMPTY_JSON, media.EMPTY).to_json(),
            "layers": [],
            "subject": Descriptor.of(data, media.MANIFEST).to_json(),
        }
        referrer = json.dumps(drawn).encode()
        path = f"/v2/{REPOSITORY}/manifests/{Digest.of(referrer)}"

        pushed = admin.ask("PUT", path, referrer, Content_Type=media.MANIFEST)
        every = admin.must("GET", f"/v2/{REPOSITORY}/referrers/{subject}")
        some = admin.must(
            "GET", f"/v2/{REPOSITORY}/referrers/{subject}?artifactType=application/other"
        )

        assert pushed.headers["oci-subject"] == str(subject)
        assert every.headers["content-type"] == media.INDEX
        assert [entry["digest"] for entry in every.json["manifests"]] == [str(Digest.of(referrer))]
        assert some.json["manifests"] == []
        assert some.headers["oci-filters-applied"] == "artifactType"

    def test_what_nobody_refers_to_has_an_empty_index(self, admin):
        admin.push_image(REPOSITORY, "v1")

        reply = admin.ask("GET", f"/v2/{REPOSITORY}/referrers/{Digest.of(b'nothing')}")

        assert (reply.status, reply.json["manifests"]) == (200, [])


class TestListing:
    def test_tags_come_in_pages(self, admin):
        for tag in ("a", "b", "c"):
            admin.push_image(REPOSITORY, tag)

        first = admin.must("GET", f"/v2/{REPOSITORY}/tags/list?n=2")
        assert first.json == {"name": REPOSITORY, "tags": ["a", "b"]}
        link = first.headers["link"]
        assert link == f'</v2/{REPOSITORY}/tags/list?n=2&last=b>; rel="next"'
        second = admin.must("GET", link[1 : link.index(">")])

        assert second.json["tags"] == ["c"]
        assert "link" not in second.headers

    def test_repositories_come_in_pages(self, admin):
        for name in ("team/a", "team/b"):
            admin.push_image(name, "v1")

        first = admin.must("GET", "/v2/_catalog?n=1")
        link = first.headers["link"]
        second = admin.must("GET", link[1 : link.index(">")])

        assert first.json == {"repositories": ["team/a"]}
        assert second.json == {"repositories": ["team/b"]}

    def test_the_catalog_asks_for_a_login_that_clients_keep_until_then(self, site, admin):
        admin.push_image(REPOSITORY, "v1")

        reply = site.ask("GET", "/v2/_catalog")

        assert (reply.status, code_of(reply)) == (401, "UNAUTHORIZED")
        assert "www-authenticate" in reply.headers

    @pytest.mark.parametrize(
        "path",
        [
            "/v2/_catalog?n=x",
            "/v2/_catalog?n=",
            f"/v2/{REPOSITORY}/tags/list?n=-1",
            f"/v2/{REPOSITORY}/tags/list?n=%D9%A1",  # a digit, but not one of ours
            f"/v2/{REPOSITORY}/tags/list?last=%00",
            f"/v2/{REPOSITORY}/tags/list?last={'x' * 256}",
            f"/v2/{REPOSITORY}/referrers/{DIGEST}?last=x",
        ],
    )
    def test_what_is_no_page_is_refused(self, admin, path):
        reply = admin.ask("GET", path)

        assert (reply.status, code_of(reply)) == (400, "UNSUPPORTED")

    def test_a_page_of_none_is_empty_and_the_last(self, admin):
        admin.push_image(REPOSITORY, "v1")
        for path, names in (
            ("/v2/_catalog", "repositories"),
            (f"/v2/{REPOSITORY}/tags/list", "tags"),
        ):
            reply = admin.must("GET", f"{path}?n=0")

            assert reply.json[names] == []
            assert "link" not in reply.headers

    @pytest.mark.parametrize("size", [1000, 1001, 10**17, 10**30, int("9" * 4000)])
    def test_a_page_may_be_asked_to_be_larger_than_any(self, admin, size):
        admin.push_image(REPOSITORY, "v1")

        assert admin.must("GET", f"/v2/{REPOSITORY}/tags/list?n={size}").json["tags"] == ["v1"]
        assert admin.must("GET", f"/v2/_catalog?n={size}").json["repositories"] == [REPOSITORY]

    def test_a_page_goes_on_after_a_name_that_is_not_there_any_more(self, admin):
        for tag in ("a", "c"):
            admin.push_image(REPOSITORY, tag)

        reply = admin.must("GET", f"/v2/{REPOSITORY}/tags/list?last=b")

        assert reply.json["tags"] == ["c"]

    def test_a_repository_that_is_not_there_has_no_tags(self, admin):
        admin.push_image(REPOSITORY, "v1")

        reply = admin.ask("GET", "/v2/team/nothing/tags/list")

        assert (reply.status, code_of(reply)) == (404, "NAME_UNKNOWN")


class TestReleases:
    def test_a_staged_release_is_there_for_its_publishers_only(self, site, admin):
        admin.own("team", public=True)
        digest = admin.stage(admin.pack("team/etl", "1.0.0"))
        path = f"/v2/team/etl/manifests/{digest}"

        assert admin.ask("GET", path).status == 200
        assert site.author("reader").ask("GET", path).status == 404
        assert site.ask("GET", path).status in {401, 404}

    def test_the_tag_of_a_release_is_the_servers(self, admin):
        admin.own("team")
        digest = admin.publish("team/etl", "1.0.0")
        data = admin.must("GET", f"/v2/team/etl/manifests/{digest}").body
        path = "/v2/team/etl/manifests/1.0.0"

        pushed = admin.ask("PUT", path, data, Content_Type=media.MANIFEST)
        deleted = admin.ask("DELETE", path)
        removed = admin.ask("DELETE", f"/v2/team/etl/manifests/{digest}")

        assert admin.must("GET", path).headers["docker-content-digest"] == str(digest)
        for reply in (deleted, removed):
            assert (reply.status, code_of(reply)) == (403, "DENIED")
        assert pushed.status in {201, 403}

    def test_a_yanked_release_warns(self, admin):
        admin.own("team")
        admin.publish("team/etl", "1.0.0")
        admin.must(
            "POST", "/api/v1/packages/team/etl/releases/1.0.0/yank", {"reason": 'eats "rows" — all'}
        )

        warning = admin.must("GET", "/v2/team/etl/manifests/1.0.0").headers["warning"]

        assert warning.startswith('299 - "team/etl 1.0.0 was yanked: ')
        assert '\\"rows\\"' in warning
        assert warning.encode("latin-1").decode().endswith(' — all"')
        assert admin.ask("HEAD", "/v2/team/etl/manifests/1.0.0").headers["warning"] == warning

    def test_a_warning_says_what_to_take_instead_and_is_short(self, admin):
        admin.own("team")
        for version in ("1.0.0", "1.0.1"):
            admin.publish("team/etl", version)
        yank = "/api/v1/packages/team/etl/releases/1.0.0/yank"
        admin.must("POST", yank, {"reason": "ä" * 400})
        said = admin.must("GET", "/v2/team/etl/manifests/1.0.0").headers["warning"]

        assert said.encode("latin-1").decode().endswith('; 1.0.1 is the newest that is not"')
        assert "warning" not in admin.must("GET", "/v2/team/etl/manifests/1.0.1").headers

        admin.must("POST", yank, {"reason": "\U0001f40d" * 500})
        cut = admin.must("GET", "/v2/team/etl/manifests/1.0.0").headers["warning"]
        assert len(cut) < 1020
        assert cut.encode("latin-1").decode().endswith('\U0001f40d"')
