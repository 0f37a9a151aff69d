"""What `/v2/` answers to what it shouldn't be sent: always an OCI error, never a defect."""

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from tests.fakes import Stream
from tests.stories.web.authors import UNREAD, Author

BLOB = b"0123456789" * 10
DIGEST = Digest.of(BLOB)
MIB = 1 << 20
NUMBERS = itertools.count()


def code_of(reply):
    [error] = reply.json["errors"]
    return error["code"]


def drawn(**members):
    """A manifest of the empty blob `{}`, with some members changed (`...` takes one away)."""
    config = Descriptor.of(b"{}", media.IMAGE_CONFIG).to_json()
    whole = {"schemaVersion": 2, "mediaType": media.MANIFEST, "config": config, "layers": []}
    whole.update(members)
    return json.dumps({key: value for key, value in whole.items() if value is not ...}).encode()


def descriptor(**members):
    return Descriptor.of(b"{}", media.IMAGE_CONFIG).to_json() | members


@dataclass(frozen=True)
class Place:
    """A repository of a test's own, with the blobs `{}` and BLOB in it, and who pushes there."""

    who: Author
    name: str

    def ask(self, method, rest, value=None, **headers):
        """Ask for something below the repository."""
        return self.who.ask(method, f"/v2/{self.name}/{rest}", value, **headers)

    def put(self, data, reference="v1", **headers):
        """Put a manifest."""
        headers.setdefault("Content_Type", media.MANIFEST)
        return self.ask("PUT", f"manifests/{reference}", data, **headers)

    def begin(self):
        """Begin an upload; return what is below the repository of it."""
        begun = self.ask("POST", "blobs/uploads/")
        return begun.headers["location"].removeprefix(f"/v2/{self.name}/")


@pytest.fixture
def admin(shared_site):
    return shared_site.author()


@pytest.fixture
def place(admin):
    name = f"team/tools/r{next(NUMBERS)}"
    admin.push_blob(name, b"{}")
    admin.push_blob(name, BLOB)
    return Place(admin, name)


class TestWhoMayNotWrite:
    """A slow or endless body must hold no thread of who is refused anyway."""

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("PUT", "/v2/team/app/manifests/v1"),
            ("POST", f"/v2/team/app/blobs/uploads/?digest={DIGEST}"),
            ("PATCH", f"/v2/team/app/blobs/uploads/{'0' * 32}"),
            ("POST", "/api/v1/namespaces"),
            ("PATCH", "/api/v1/namespaces/team"),
            ("POST", "/api/v1/tokens"),
        ],
    )
    def test_a_stranger_is_refused_before_the_body_is_waited_for(self, shared_site, method, path):
        answer = shared_site.browser().open(
            path, method=method, content_type="application/json", environ_overrides=UNREAD
        )

        assert answer.status_code == 401

    def test_so_is_who_may_only_pull(self, shared_site, place):
        token = shared_site.token("reader")

        answer = shared_site.browser().put(
            f"/v2/{place.name}/manifests/v1",
            headers={"Authorization": f"Bearer {token}"},
            environ_overrides=UNREAD,
        )

        assert answer.status_code == 403


class TestManifests:
    @pytest.mark.parametrize(
        "data",
        [
            b"\x00" * 100,
            b"{}" * 2,
            b'{"schemaVersion": 2',
            drawn(schemaVersion="2"),
            drawn().replace(b'"layers": []', b'"layers": [], "layers": []'),
            drawn().decode().encode("utf-16"),
            drawn(annotations={"a": "\ud800"}),
            drawn(annotations={"a": ["b"]}),
            drawn(annotations="none"),
            drawn(config=...),
            drawn(config=descriptor(size=-1)),
            drawn(config=descriptor(size=3)),
            drawn(config=descriptor(size=2**63)),
            drawn(config=descriptor(size=1e300)),
            drawn(config=descriptor(size=None)),
            drawn(config=descriptor(digest="md5:d41d8cd98f00b204e9800998ecf8427e")),
            drawn(config=descriptor(digest="sha384:" + "0" * 96)),
            drawn(config=descriptor(digest="blake3:" + "0" * 64)),
            drawn(config=descriptor(digest=DIGEST.hex)),
            drawn(config=descriptor(digest=f"sha256:{DIGEST.hex.upper()}")),
            drawn(config=descriptor(mediaType="a\nb")),
            drawn(config=descriptor(urls={"a": 1})),
            drawn(config=descriptor(data="e30")),
            drawn(config=descriptor(data="W10=")),
            drawn(layers=[[]]),
            drawn(layers="none"),
            drawn(layers={str(n): n for n in range(5)}),
            drawn(subject=[]),
            drawn(subject={"digest": str(DIGEST)}),
            drawn(artifactType="x" * 10_000),
            drawn(mediaType="application/vnd.oci.artifact.manifest.v1+json"),
            drawn(mediaType=media.INDEX),
            b'{"a":' * 500 + b"1" + b"}" * 500,
            b"[" * 3_000_000,
            b'{"schemaVersion": ' + b"9" * 1_000_000 + b"}",
        ],
    )
    def test_what_is_none_is_refused(self, place, data):
        reply = place.put(data)

        assert (reply.status, code_of(reply)) == (400, "MANIFEST_INVALID")
        assert place.ask("GET", "manifests/v1").status == 404

    @pytest.mark.parametrize(
        "kind", [media.INDEX, media.DOCKER_MANIFEST, "application/octet-stream", "text/html", "x"]
    )
    def test_one_that_was_sent_as_something_else_is_refused(self, place, kind):
        reply = place.put(drawn(), Content_Type=kind)

        assert (reply.status, code_of(reply)) == (400, "MANIFEST_INVALID")
        assert "it was sent as" in reply.json["errors"][0]["message"]

    @pytest.mark.parametrize("kind", [f"{media.MANIFEST}; charset=utf-8", media.MANIFEST.upper()])
    def test_parameters_and_case_of_its_type_do_not_matter(self, place, kind):
        assert place.put(drawn(), Content_Type=kind).status == 201
        reply = place.ask("GET", "manifests/v1")
        assert reply.headers["content-type"] == media.MANIFEST

    def test_one_that_is_its_own_subject_or_part_can_not_be(self, place):
        """A digest can't be known before its bytes; what comes nearest is a tag, and no digest."""
        reply = place.put(drawn(subject=descriptor(digest="v1")))
        assert (reply.status, code_of(reply)) == (400, "MANIFEST_INVALID")

        wanted = Digest.of(b"whatever it will be")
        guessed = drawn(subject=descriptor(digest=str(wanted)))
        refused = place.put(guessed, str(wanted))
        assert (refused.status, code_of(refused)) == (400, "DIGEST_INVALID")

    def test_what_is_missing_is_named_once_for_each(self, place):
        missing = [Digest.of(b"%d" % number) for number in range(3)]
        layers = [descriptor(digest=str(digest)) for digest in [*missing, missing[0]]]

        reply = place.put(drawn(layers=layers))

        assert (reply.status, code_of(reply)) == (404, "MANIFEST_BLOB_UNKNOWN")
        detail = reply.json["errors"][0]["detail"]
        assert detail["digests"] == [str(digest) for digest in missing]

    def test_urls_of_layers_that_are_elsewhere_are_kept_and_never_fetched(self, place):
        foreign = descriptor(
            mediaType="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            digest=str(Digest.of(b"windows")),
            urls=["file:///etc/passwd", "http://169.254.169.254/", "javascript:alert(1)"],
        )
        assert place.put(drawn(layers=[foreign])).status == 201

    @pytest.mark.parametrize("declared", [4 * MIB + 1, 10**15])
    def test_one_that_is_declared_too_large_is_not_read(self, place, declared):
        reply = place.put(b"{", Content_Length=str(declared))

        assert (reply.status, code_of(reply)) == (413, "SIZE_INVALID")
        assert reply.json["errors"][0]["detail"]["limit"] == 4 * MIB

    @pytest.mark.parametrize("declared", ["x", "-1", "1.5", "٣", "1" * 5000])
    def test_a_length_that_is_none_is_refused(self, place, declared):
        assert place.put(b"{", Content_Length=declared).status in {400, 413}

    def test_one_that_is_cut_short_is_refused(self, place):
        reply = place.put(drawn(), Content_Length=str(len(drawn()) + 1))

        assert (reply.status, code_of(reply)) == (400, "SIZE_INVALID")

    def test_one_that_never_ends_is_refused_at_the_limit(self, shared_site, place):
        class Endless(Stream):
            taken = 0

            def read(self, _size=-1, /):
                self.taken += 1 << 16
                return b" " * (1 << 16)

        body = Endless()
        answer = shared_site.app.test_client(use_cookies=False).put(
            f"/v2/{place.name}/manifests/v1",
            headers={"Authorization": f"Bearer {place.who.token}", "Content-Type": media.MANIFEST},
            environ_overrides={
                "wsgi.input": body,
                "wsgi.input_terminated": True,
                "HTTP_TRANSFER_ENCODING": "chunked",
            },
        )

        assert answer.status_code == 413
        assert answer.json["errors"][0]["code"] == "SIZE_INVALID"
        assert body.taken < 8 * MIB

    def test_tags_of_a_put_are_told_back(self, shared_site, place):
        tags = [f"v{number}" for number in range(12)]
        query = "&".join(f"tag={tag}" for tag in [*tags, "v1"])
        login = {"Authorization": f"Bearer {place.who.token}"}

        answer = shared_site.app.test_client(use_cookies=False).put(
            f"/v2/{place.name}/manifests/{Digest.of(drawn())}?{query}", data=drawn(), headers=login
        )

        assert answer.status_code == 201
        assert answer.headers.getlist("OCI-Tag") == tags
        assert place.ask("GET", "tags/list").json["tags"] == sorted(tags)
        assert "oci-tag" not in place.put(drawn(), "latest").headers

    @pytest.mark.parametrize("tag", ["", "-v1", ".", "a b", "x" * 129, "%00", "v%2F1", "sha256:x"])
    def test_a_tag_outside_of_the_grammar_is_refused(self, place, tag):
        reply = place.put(drawn(), f"{Digest.of(drawn())}?tag=ok&tag={tag}")

        assert (reply.status, code_of(reply)) == (400, "NAME_INVALID")
        assert place.ask("GET", "manifests/ok").status == 404

    def test_more_tags_than_a_hundred_are_refused(self, place):
        query = "&".join(f"tag=v{number}" for number in range(101))

        reply = place.put(drawn(), f"{Digest.of(drawn())}?{query}")

        assert (reply.status, code_of(reply)) == (414, "UNSUPPORTED")
        assert reply.json["errors"][0]["detail"]["limit"] == 100


class TestUploads:
    @pytest.mark.parametrize(
        "query",
        [
            "digest=",
            "digest=sha256:",
            f"digest=sha1:{'0' * 40}",
            f"digest=sha256:{'g' * 64}",
            f"digest=sha256:{'0' * 63}%00",
            "digest-algorithm=md5",
            "digest-algorithm=",
            "mount=",
            "mount=nothing&from=team/x",
        ],
    )
    def test_what_names_no_digest_is_refused(self, place, query):
        reply = place.ask("POST", f"blobs/uploads/?{query}", BLOB)

        assert (reply.status, code_of(reply)) == (400, "DIGEST_INVALID")

    @pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
    def test_the_algorithm_may_be_said_before(self, place, algorithm):
        begun = place.ask("POST", f"blobs/uploads/?digest-algorithm={algorithm}")
        digest = Digest.of(BLOB, algorithm)

        assert begun.status == 202
        ended = place.who.ask("PUT", f"{begun.headers['location']}?digest={digest}", BLOB)
        assert ended.status == 201

    @pytest.mark.parametrize("source", ["Team/x", "..", "team//x", "%00", "x" * 300, "team/x/"])
    def test_a_mount_from_what_is_no_name_begins_an_upload(self, place, source):
        reply = place.ask("POST", f"blobs/uploads/?mount={Digest.of(b'other')}&from={source}")

        assert reply.status == 202

    @pytest.mark.parametrize(
        "given",
        [
            "",
            "bytes",
            "0-",
            "-5",
            "0-4/",
            "0-4/x",
            "4-0",
            "a-4",
            "0-4,5-9",
            f"0-{'9' * 30}",
            "1 - 5",
        ],
    )
    def test_a_range_that_is_none_is_refused(self, place, given):
        upload = place.begin()

        reply = place.ask("PATCH", upload, BLOB[:5], Content_Range=given)

        assert (reply.status, code_of(reply)) == (400, "BLOB_UPLOAD_INVALID")
        assert place.ask("GET", upload).headers["range"] == "0-0"

    @pytest.mark.parametrize("start", [1, 5, 10**17])
    def test_a_chunk_after_a_gap_is_refused(self, place, start):
        upload = place.begin()
        for method, query in (("PATCH", ""), ("PUT", f"?digest={DIGEST}")):
            said = f"{start}-{start + 4}"
            reply = place.ask(method, f"{upload}{query}", BLOB[:5], Content_Range=said)
            assert (reply.status, code_of(reply)) == (416, "BLOB_UPLOAD_INVALID")

        assert place.ask("PATCH", upload, BLOB[:5], Content_Range="0-4").status == 202
        again = place.ask("PATCH", upload, BLOB[:5], Content_Range="0-4")
        assert (again.status, again.headers["range"]) == (416, "0-4")

    @pytest.mark.parametrize("name", ["nothing", "..", "%2e%2e", "%00", "x" * 300, "a%2Fb", "ü"])
    def test_an_upload_that_is_not_there(self, place, name):
        for method in ("GET", "PATCH", "PUT", "DELETE"):
            query = f"?digest={DIGEST}" if method == "PUT" else ""
            reply = place.ask(method, f"blobs/uploads/{name}{query}")

            assert reply.status in {404, 405}, method  # or the path is none of an upload's
            assert code_of(reply) in {"BLOB_UPLOAD_UNKNOWN", "NAME_UNKNOWN", "UNSUPPORTED"}

    def test_an_upload_of_another_repository_is_not_there(self, place, admin):
        upload = place.begin()
        admin.push_blob("team/other", b"so that it is there")

        for method in ("GET", "PATCH", "DELETE"):
            reply = admin.ask(method, f"/v2/team/other/{upload}")
            assert code_of(reply) == "BLOB_UPLOAD_UNKNOWN"

    def test_one_that_is_closed_is_not_there(self, place):
        upload = place.begin()
        assert place.ask("PUT", f"{upload}?digest={DIGEST}", BLOB).status == 201

        for method in ("GET", "PATCH", "DELETE"):
            reply = place.ask(method, upload)
            assert (reply.status, code_of(reply)) == (404, "BLOB_UPLOAD_UNKNOWN")

    def test_bytes_of_another_digest_can_be_ended_with_theirs(self, place):
        upload = place.begin()
        wrong = place.ask("PUT", f"{upload}?digest={Digest.of(b'other')}", BLOB)

        assert (wrong.status, code_of(wrong)) == (400, "DIGEST_INVALID")
        assert place.ask("PUT", f"{upload}?digest={DIGEST}").status == 201


class TestNames:
    @pytest.mark.parametrize(
        "name",
        [
            *("TEAM/x", "team/X", "-team/x", "team/x-", "team/.x", "team/x..y", "team/__x"),
            *("team/x___y", "team/x%20y", "team/x%00", "%00", "team/%2e%2e/x", "te%c3%a4m/x"),
            *("team/x%0ay", "team/%ff", "team/x%2f", "team//x", "%2fteam/x", "team/" + "x" * 251),
            *("team/\U0001f40d", "team/x;y", "team/x*", "team/x%25", "team/x\\y"),
        ],
    )
    @pytest.mark.parametrize(
        ("method", "rest"),
        [
            ("GET", "tags/list"),
            ("GET", f"manifests/{DIGEST}"),
            ("GET", f"blobs/{DIGEST}"),
            ("GET", f"referrers/{DIGEST}"),
            ("POST", "blobs/uploads/"),
            ("PUT", "manifests/v1"),
            ("DELETE", f"manifests/{DIGEST}"),
        ],
    )
    def test_outside_of_the_grammar_are_refused(self, admin, name, method, rest):
        reply = admin.ask(method, f"/v2/{name}/{rest}", drawn() if method == "PUT" else None)

        assert (reply.status, code_of(reply)) in {(400, "NAME_INVALID"), (404, "NAME_UNKNOWN")}

    def test_a_slash_may_be_written_in_percent(self, place):
        written = place.name.replace("/", "%2F")
        assert place.who.must("GET", f"/v2/{written}/blobs/{DIGEST}").body == BLOB

    @pytest.mark.parametrize("name", ["team/" + "x" * 250, "blobs/uploads", "team/manifests/tags"])
    def test_of_255_characters_or_of_the_routes_own_words_are_names(self, admin, name):
        digest = admin.push_blob(name, BLOB)
        assert admin.must("GET", f"/v2/{name}/blobs/{digest}").body == BLOB

    @pytest.mark.parametrize(
        "reference", ["v1%00", "%00", "-", ".", "x" * 129, "a%20b", "ü", "sha256:", "sha256:x"]
    )
    def test_a_reference_that_is_none(self, place, reference):
        for method, expected in (("GET", {400, 404}), ("PUT", {400}), ("DELETE", {400, 404})):
            data = drawn() if method == "PUT" else None
            reply = place.ask(method, f"manifests/{reference}", data)
            assert reply.status in expected, method
            assert code_of(reply) in {"NAME_INVALID", "DIGEST_INVALID", "MANIFEST_UNKNOWN"}


class TestRanges:
    @pytest.mark.parametrize(
        ("asked", "status", "length"),
        [
            ("bytes=0-0", 206, 1),
            ("bytes=99-", 206, 1),
            ("bytes=-1", 206, 1),
            ("bytes=-1000", 206, 100),
            ("bytes=90-1000000", 206, 10),
            ("bytes = 0-4", 206, 5),
            ("bytes=0-4,6-9", 200, 100),
            ("octets=0-4", 200, 100),
            ("bytes=a-b", 200, 100),
            ("bytes=", 200, 100),
            ("bytes=-", 200, 100),
            ("bytes", 200, 100),
            ("", 200, 100),
            ("bytes=--5", 200, 100),
            ("bytes=0x0-0x4", 200, 100),
            ("bytes=" + "9" * 5000 + "-", 200, 100),
            ("bytes=" + "0-1," * 1000, 200, 100),
            ("bytes=100-", 416, None),
            ("bytes=5-4", 416, None),
            ("bytes=-0", 416, None),
            ("bytes=9999999999999999-", 416, None),
        ],
    )
    def test_odd_ones_give_all_a_part_or_nothing(self, place, asked, status, length):
        reply = place.ask("GET", f"blobs/{DIGEST}", Range=asked)
        head = place.ask("HEAD", f"blobs/{DIGEST}", Range=asked)

        assert reply.status == status
        if length is not None:
            assert len(reply.body) == length
        assert head.status == 200
        assert head.headers["content-length"] == "100"


class TestAtOnce:
    def test_pushes_of_one_blob_are_one_blob(self, place):
        digest = Digest.of(b"the same")

        def push(_):
            return place.ask("POST", f"blobs/uploads/?digest={digest}", b"the same").status

        with ThreadPoolExecutor(6) as threads:
            assert set(threads.map(push, range(12))) == {201}
        assert place.ask("GET", f"blobs/{digest}").body == b"the same"

    def test_of_pushes_of_one_tag_the_last_counts_and_none_is_lost(self, place):
        manifests = [drawn(annotations={"n": str(number)}) for number in range(12)]

        with ThreadPoolExecutor(6) as threads:
            replies = list(threads.map(place.put, manifests))

        assert {reply.status for reply in replies} == {201}
        for data in manifests:
            assert place.ask("GET", f"manifests/{Digest.of(data)}").body == data
        assert place.ask("GET", "manifests/v1").body in manifests

    def test_of_pushes_of_one_immutable_tag_one_wins(self, admin):
        admin.push_blob("firm/tools", b"{}")
        admin.must("PATCH", "/api/v1/namespaces/firm", {"immutable_tags": ["v*"]})
        place = Place(admin, "firm/tools")
        manifests = [drawn(annotations={"n": str(number)}) for number in range(8)]

        with ThreadPoolExecutor(4) as threads:
            replies = list(threads.map(place.put, manifests))

        assert sorted(reply.status for reply in replies) == [201, *[409] * 7]
        [won] = [data for data, each in zip(manifests, replies, strict=True) if each.status == 201]
        assert place.ask("GET", "manifests/v1").body == won
        refused = next(reply for reply in replies if reply.status == 409)
        assert code_of(refused) == "DENIED"
        assert "is immutable (by the pattern 'v*')" in refused.json["errors"][0]["message"]
        assert place.ask("DELETE", "manifests/v1").status == 409
        assert place.ask("DELETE", f"manifests/{Digest.of(won)}").status == 409

    def test_chunks_of_one_upload_are_taken_one_after_the_other(self, place):
        upload = place.begin()

        def send(_):
            return place.ask("PATCH", upload, BLOB, Content_Range="0-99").status

        with ThreadPoolExecutor(4) as threads:
            statuses = sorted(threads.map(send, range(4)))

        assert statuses[0] == 202
        assert set(statuses[1:]) <= {409, 416}
        assert place.ask("PUT", f"{upload}?digest={DIGEST}").status == 201
