"""What an application's bundles refuse, over HTTP: by ETag, and never of what isn't one's own."""

from tests.stories.web.authors import Author
from tests.stories.web.conftest import Site

PATH = "/api/v1/applications/open/shop/acceptance"


def test_it_is_told_to_who_asks_by_etag(site: Site, admin: Author) -> None:
    admin.own("open", public=True)
    admin.own("team")

    reply = admin.must("GET", PATH)

    assert reply.json == {
        "schema_version": 1,
        "application": "open/shop",
        "exists": False,
        "refuses": ["private", "unsigned", "yanked"],
        "private": ["team"],
    }
    assert reply.headers["cache-control"] == "private, no-cache"
    assert "Authorization" in reply.headers["vary"]
    etag = reply.headers["etag"]
    again = admin.ask("GET", PATH, **{"If-None-Match": etag})
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag)
    admin.must("PATCH", "/api/v1/namespaces/team", {"public": True})
    changed = admin.ask("GET", PATH, **{"If-None-Match": etag})
    assert (changed.status, changed.json["private"]) == (200, [])


def test_nobody_learns_a_private_name_by_it(site: Site, admin: Author) -> None:
    admin.own("open", public=True)
    admin.own("team")
    anonymous = site.ask("GET", PATH)
    assert (anonymous.status, anonymous.json["private"]) == (200, [])
    assert site.stranger().must("GET", PATH).json["private"] == []
    stranger = site.stranger()
    hidden = stranger.ask("GET", "/api/v1/applications/team/shop/acceptance")
    missing = stranger.ask("GET", "/api/v1/applications/nope/shop/acceptance")
    assert (hidden.status, missing.status) == (404, 404)
    assert hidden.json["detail"].replace("team", "X") == missing.json["detail"].replace("nope", "X")
    assert site.ask("GET", "/api/v1/applications/team/shop/acceptance").status == 401


def test_a_package_is_no_application(admin: Author) -> None:
    admin.own("open", public=True)
    admin.publish("open/shop", "1.0.0")
    reply = admin.ask("GET", PATH)
    assert (reply.status, reply.json["code"]) == (409, "wrong_kind")
