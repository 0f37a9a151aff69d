"""Private names tell nothing: every route of `/v2/` by every principal, public, private and staged.

What is private answers 401 to nobody and 404 to others, exactly as a name that isn't there, and
never 403; a digest from elsewhere is found nowhere else.
"""

import re
from dataclasses import dataclass
from io import BytesIO
from urllib.parse import urlencode

import pytest

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.reference import RepositoryName, Tag
from tests.builders import ADMIN, a_manifest
from tests.stories.web.authors import Reply
from tests.stories.web.conftest import Site, build_site

SECRET = b"what nobody else may have"
BLOB = Digest.of(SECRET)
TEAMS_OWN = b"of the team alone"
BLOB_OF_TEAM = Digest.of(TEAMS_OWN)
MANIFEST = a_manifest(SECRET)
DIGEST = Digest.of(MANIFEST)
SUBJECT = Descriptor.of(b"{}", media.MANIFEST)  # of a release that isn't there yet
STAGED = a_manifest(SECRET, artifact_type=media.STATEMENT, subject=SUBJECT)
STAGED_DIGEST = Digest.of(STAGED)

# name: method and path below `/v2/NAME`, with a body where there is one
ROUTES: dict[str, tuple[str, str, bytes | None]] = {
    "manifest by tag": ("GET", "/manifests/v1", None),
    "manifest by digest": ("GET", f"/manifests/{DIGEST}", None),
    "HEAD of a manifest": ("HEAD", f"/manifests/{DIGEST}", None),
    "blob": ("GET", f"/blobs/{BLOB}", None),
    "HEAD of a blob": ("HEAD", f"/blobs/{BLOB}", None),
    "tags": ("GET", "/tags/list", None),
    "referrers": ("GET", f"/referrers/{DIGEST}", None),
    "upload": ("POST", "/blobs/uploads/", None),
    "whole blob": ("POST", f"/blobs/uploads/?digest={BLOB}", SECRET),
    "mount": ("POST", f"/blobs/uploads/?mount={BLOB}&from=others/app", None),
    "mount from anywhere": ("POST", f"/blobs/uploads/?mount={BLOB}", None),
    "state of an upload": ("GET", "/blobs/uploads/UPLOAD", None),
    "chunk": ("PATCH", "/blobs/uploads/UPLOAD", b"x"),
    "end of an upload": ("PUT", f"/blobs/uploads/UPLOAD?digest={BLOB}", b""),
    "cancel": ("DELETE", "/blobs/uploads/UPLOAD", None),
    "push of a manifest": ("PUT", "/manifests/v2", MANIFEST),
    "delete of a manifest": ("DELETE", f"/manifests/{DIGEST}", None),
    "delete of a tag": ("DELETE", "/manifests/v1", None),
    "delete of a blob": ("DELETE", f"/blobs/{BLOB}", None),
}
READS = {name for name, (method, _, _) in ROUTES.items() if method in {"GET", "HEAD"}}
READS -= {"state of an upload"}

NAMES = ("team/app", "team/staged", "open/app", "open/staged", "others/app")
HIDDEN = ("team/app", "team/staged", "team/no-such", "no-such/app")
NOBODY = ("nobody", "nobody's bearer token")
OTHERS = ("stranger", "stranger's bearer token", "another's administrator")


@dataclass
class World:
    """A site with private, public and staged repositories, and who asks of them."""

    site: Site
    logins: dict[str, str | None]
    uploads: dict[str, str]

    def ask(self, who: str, route: str, name: str) -> Reply:
        """Ask for a route of a repository as somebody."""
        method, path, body = ROUTES[route]
        digest = STAGED_DIGEST if name.endswith("/staged") else DIGEST
        path = path.replace("UPLOAD", self.uploads.get(name, "0" * 32))
        path = path.replace(str(DIGEST), str(digest))
        headers = {"Content-Type": media.MANIFEST} if method == "PUT" else {}
        login = self.login(who, name)
        if login is not None:
            headers["Authorization"] = login
        return self.site.send(method, f"/v2/{name}{path}", body, headers)

    def login(self, who: str, name: str) -> str | None:
        """Return the header's value: a bearer token is for all of the repository that there is."""
        owner, _, is_short = who.partition("'s bearer")
        login = self.logins[owner]
        if not is_short:
            return login
        query = urlencode({"service": "recipebox", "scope": f"repository:{name}:*"})
        headers = {} if login is None else {"Authorization": login}
        reply = self.site.send("GET", f"/v2/token?{query}", None, headers)
        return f"Bearer {reply.json['token']}"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    site = build_site(tmp_path_factory.mktemp("world") / "site")
    registry = site.registry
    for namespace in ("team", "open", "others"):
        registry.namespaces.create(ADMIN, namespace, public=namespace == "open")
    uploads = {}
    for name in NAMES:
        repository = RepositoryName(name)
        data = STAGED if name.endswith("/staged") else MANIFEST
        if name == "others/app":
            data = a_manifest(b"something else")
        _push(site, repository, data, SECRET if name != "others/app" else b"something else")
        uploads[name] = registry.uploads.start(ADMIN, repository).id
    _push(site, RepositoryName("team/own"), a_manifest(TEAMS_OWN), TEAMS_OWN)
    tokens = {
        "reader": site.token("reader", "team"),
        "promoter": site.token("promoter", "team"),
        "publisher": site.token("publisher", "team"),
        "stranger": site.token("publisher", "others"),
        "another's administrator": site.token("admin", "others"),
    }
    logins: dict[str, str | None] = {who: f"Bearer {token}" for who, token in tokens.items()}
    return World(site, logins | {"nobody": None}, uploads)


def _push(site: Site, repository: RepositoryName, data: bytes, blob: bytes) -> None:
    registry = site.registry
    for each in (media.EMPTY_JSON, blob):
        registry.uploads.push(ADMIN, repository, Digest.of(each), BytesIO(each), len(each))
    tags = [] if data == STAGED else [Tag("v1")]
    registry.manifests.put(ADMIN, repository, Digest.of(data), data, media.MANIFEST, tags=tags)


def told(reply: Reply, name: str) -> tuple[int, str, str]:
    """Return all that an answer tells, but for the names that were asked for and its own id."""
    text = reply.body.decode()
    text = re.sub(r'"request_id":"[^"]*"', "", text)
    for part in (name, name.partition("/")[0]):
        text = text.replace(part, "NAME")
    challenge = reply.headers.get("www-authenticate", "").replace(name, "NAME")
    text = re.sub(r"[0-9a-f]{32,}", "ID", text)
    return reply.status, challenge, text


@pytest.mark.parametrize("route", ROUTES)
class TestEveryRoute:
    @pytest.mark.parametrize("who", NOBODY)
    def test_nobody_is_asked_to_log_in_whether_it_is_there_or_not(self, world, route, who):
        answers = {name: told(world.ask(who, route, name), name) for name in HIDDEN}

        assert answers["team/app"][0] == 401
        assert len(set(answers.values())) == 1, answers

    @pytest.mark.parametrize("who", OTHERS)
    def test_others_find_nothing_whether_it_is_there_or_not(self, world, route, who):
        answers = {name: told(world.ask(who, route, name), name) for name in HIDDEN}

        assert answers["team/app"][0] == 404
        assert "www-authenticate" not in answers["team/app"][1]
        assert len(set(answers.values())) == 1, answers

    @pytest.mark.parametrize("who", [*NOBODY, *OTHERS, "reader"])
    def test_what_is_public_is_read_by_all_and_written_by_none_of_them(self, world, route, who):
        status = world.ask(who, route, "open/app").status

        if route in READS:
            assert status == 200
        else:
            assert status == (401 if who in NOBODY else 403)

    @pytest.mark.parametrize("who", [*NOBODY, *OTHERS, "reader"])
    def test_what_is_staged_in_public_is_not_there(self, world, route, who):
        reply = world.ask(who, route, "open/staged")

        if route == "referrers":
            assert (reply.status, reply.json["manifests"]) == (200, [])
        elif route in READS:
            assert reply.status == 404
        else:
            assert reply.status == (401 if who in NOBODY else 403)

    @pytest.mark.parametrize("who", ["reader", "reader's bearer token"])
    def test_a_reader_reads_what_is_its_own_and_writes_nothing(self, world, route, who):
        assert world.ask(who, route, "team/app").status == (200 if route in READS else 403)

    @pytest.mark.parametrize("who", ["reader", "promoter"])
    def test_what_is_staged_is_hidden_from_those_who_do_not_publish(self, world, route, who):
        if route in READS - {"referrers"}:
            assert world.ask(who, route, "team/staged").status == 404

    @pytest.mark.parametrize("who", ["publisher", "publisher's bearer token"])
    def test_a_publisher_reads_all_of_its_own(self, world, route, who):
        if route in READS:
            assert world.ask(who, route, "team/app").status == 200
            is_by_tag = route == "manifest by tag"
            assert world.ask(who, route, "team/staged").status == (404 if is_by_tag else 200)


GUESSES = ["blob", "HEAD of a blob", "manifest by digest", "HEAD of a manifest"]


@pytest.mark.parametrize("who", ["stranger", "stranger's bearer token"])
class TestGuessing:
    @pytest.mark.parametrize("route", [*GUESSES, "delete of a manifest", "delete of a blob"])
    def test_a_digest_of_others_is_not_in_ones_own(self, world, who, route):
        assert world.ask(who, route, "others/app").status == 404

    def test_a_digest_of_others_has_no_referrers_in_ones_own(self, world, who):
        assert world.ask(who, "referrers", "others/app").json["manifests"] == []

    @pytest.mark.parametrize("route", ["mount from staged", "mount", "mount from nowhere"])
    def test_a_mount_of_what_may_not_be_pulled_begins_an_upload(self, world, who, route):
        source = {"mount": "team/app", "mount from staged": "open/staged"}.get(route, "no-such/x")
        query = urlencode({"mount": str(BLOB_OF_TEAM), "from": source})
        login = world.login(who, "others/new")

        reply = world.site.send(
            "POST", f"/v2/others/new/blobs/uploads/?{query}", None, {"Authorization": str(login)}
        )

        assert reply.status == 202

    def test_a_mount_from_anywhere_finds_only_what_may_be_pulled(self, world, who):
        login = str(world.login(who, "others/new"))
        path = f"/v2/others/new/blobs/uploads/?mount={BLOB_OF_TEAM}"

        assert world.site.send("POST", path, None, {"Authorization": login}).status == 202
