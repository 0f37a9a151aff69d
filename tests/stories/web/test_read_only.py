"""Read-only mode over HTTP: writes are refused with the operator's reason, and reads go on."""

import pytest

from artifacts.digest import Digest

BLOB = b"0123456789"
DIGEST = Digest.of(BLOB)
NAME = "team/tools"


@pytest.fixture
def switched(site, admin):
    """A site with an image and an upload under way, that was made read-only then."""
    admin.own("team", public=True)
    admin.push_image(NAME, "v1")
    place = admin.must("POST", f"/v2/{NAME}/blobs/uploads/").headers["location"]
    site.registry.switches.turn_read_only("the disk is moved until 14:00")
    return place


def test_every_write_is_refused_with_the_reason(site, admin, switched):
    digest = admin.must("GET", f"/v2/{NAME}/manifests/v1").headers["docker-content-digest"]
    writes = [
        ("POST", f"/v2/{NAME}/blobs/uploads/"),
        ("POST", f"/v2/{NAME}/blobs/uploads/?digest={DIGEST}"),
        ("POST", f"/v2/new/name/blobs/uploads/?mount={DIGEST}&from={NAME}"),
        ("PATCH", switched),
        ("PUT", f"{switched}?digest={DIGEST}"),
        ("DELETE", switched),
        ("PUT", f"/v2/{NAME}/manifests/v2"),
        ("DELETE", f"/v2/{NAME}/manifests/v1"),
        ("DELETE", f"/v2/{NAME}/manifests/{digest}"),
        ("DELETE", f"/v2/{NAME}/blobs/{Digest.of(b'{}')}"),
    ]
    for method, path in writes:
        reply = admin.ask(method, path, BLOB)

        assert reply.status == 405, (method, path)
        assert reply.headers["allow"] == "GET, HEAD"
        [error] = reply.json["errors"]
        assert error["code"] == "UNSUPPORTED"
        said = "the registry is read-only: the disk is moved until 14:00"
        assert error["message"].startswith(said)
        assert error["detail"]["reason"] == "the disk is moved until 14:00"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/namespaces"),
        ("PATCH", "/api/v1/namespaces/team"),
        ("POST", "/api/v1/packages/team/etl/releases"),
        ("POST", "/api/v1/packages/team/etl/releases/1.0.0/yank"),
        ("DELETE", "/api/v1/packages/team/etl/releases/1.0.0/yank"),
    ],
)
def test_so_is_every_change_through_the_api(admin, switched, method, path):
    reply = admin.ask(method, path, {})

    assert (reply.status, reply.json["code"]) == (405, "read_only")
    assert reply.json["reason"] == "the disk is moved until 14:00"


def test_reads_and_log_ins_go_on(site, admin, switched):
    for path in (
        "/v2/",
        "/v2/_catalog",
        f"/v2/{NAME}/tags/list",
        f"/v2/{NAME}/manifests/v1",
        f"/v2/{NAME}/blobs/{Digest.of(b'{}')}",
        f"/v2/{NAME}/referrers/{DIGEST}",
        f"/v2/token?service=recipebox&scope=repository:{NAME}:pull,push",
        "/api/v1/whoami",
        "/api/v1/namespaces",
        "/",
        "/readyz",
        switched,
    ):
        assert admin.ask("GET", path).status in {200, 204}, path
    form = f"grant_type=password&service=recipebox&password={admin.token}".encode()
    assert site.ask("POST", "/v2/token", form).status == 200


def test_it_goes_on_where_it_was(site, admin, switched):
    site.registry.switches.turn_read_only(None)

    assert admin.ask("PUT", f"{switched}?digest={DIGEST}", BLOB).status == 201


def test_the_settings_force_it(make_site):
    site = make_site(is_read_only=True)

    reply = site.author().ask("POST", f"/v2/{NAME}/blobs/uploads/")

    assert reply.status == 405
    assert "it was started so" in reply.json["errors"][0]["message"]
