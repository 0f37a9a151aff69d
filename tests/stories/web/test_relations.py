"""Dependents, graphs, what a yank affects, by API and on pages; private names stay private."""

from xml.etree import ElementTree as ET

import pytest

from artifacts.reference import PackageName
from registry.relations import Edge, Graph, Node
from tests.stories.web.authors import Author, Reply
from tests.stories.web.conftest import Site
from web.index.graph import draw_svg

SVG = "{http://www.w3.org/2000/svg}"
ONE = "/api/v1/packages/open/base"
PRIVATE = "/api/v1/packages/team/clean"
ASKED = ("dependents", "releases/1.0.0/affected", "releases/1.0.0/graph")


@pytest.fixture
def base(admin: Author) -> Author:
    """open/base, which public open/tool and private team/clean require; team/app has it in dev."""
    admin.own("open", public=True)
    admin.own("team")
    admin.publish("open/base", "1.0.0")
    admin.publish("open/tool", "1.0.0", requires={"open/base": "^1", "team/clean": "*"})
    admin.publish("team/clean", "1.0.0", requires={"open/base": "^1"})
    admin.publish("team/clean", "1.1.0")
    bundle = admin.bundle("team/app", "team/clean <1.1", "open/base")
    assert admin.promote("team/app", "dev", bundle, None).status == 201
    return admin


def test_who_requires_a_package_and_who_holds_it(base: Author) -> None:
    drawn = base.must("GET", f"{ONE}/dependents").json

    assert drawn == {
        "name": "open/base",
        "dependents": [
            {
                "name": "open/tool",
                "newest": "1.0.0",
                "required": True,
                "releases": [{"version": "1.0.0", "range": "^1", "extra": None, "yanked": False}],
                "count": 1,
            },
            {
                "name": "team/clean",
                "newest": "1.1.0",
                "required": False,
                "releases": [{"version": "1.0.0", "range": "^1", "extra": None, "yanked": False}],
                "count": 1,
            },
        ],
        "next": None,
        "held_by": [
            {
                "application": "team/app",
                "bundles": 1,
                "versions": ["1.0.0"],
                "channels": [{"name": "dev", "version": "1.0.0"}],
            }
        ],
        "all_held_by": True,
    }
    page = base.must("GET", f"{ONE}/dependents?limit=1").json
    assert page["next"] == "open/tool"
    rest = base.must("GET", f"{ONE}/dependents?limit=1&cursor={page['next']}").json
    assert [one["name"] for one in rest["dependents"]] == ["team/clean"]
    assert base.ask("GET", f"{ONE}/dependents?limit=0").status == 422


def test_what_a_yank_affects(base: Author) -> None:
    drawn = base.must("GET", f"{ONE}/releases/1.0.0/affected").json

    (bundle,) = drawn["bundles"]
    assert (bundle["application"], bundle["channels"]) == ("team/app", ["dev"])
    assert drawn["channels"] == [{"application": "team/app", "channel": "dev"}]
    assert drawn["stranded"] == [
        {"name": "open/tool", "version": "1.0.0", "range": "^1", "extra": None},
        {"name": "team/clean", "version": "1.0.0", "range": "^1", "extra": None},
    ]
    assert (drawn["bundle_count"], drawn["stranded_count"], drawn["yanked"]) == (1, 2, False)


def test_a_graph(base: Author) -> None:
    drawn = base.must("GET", "/api/v1/packages/open/tool/releases/1.0.0/graph").json

    assert [node["id"] for node in drawn["nodes"]] == [
        "open/tool@1.0.0",
        "open/base@1.0.0",
        "team/clean@1.1.0",
    ]
    assert drawn["edges"][0] == {"from": "open/tool@1.0.0", "to": "open/base@1.0.0", "range": "^1"}
    assert drawn["whole"] is True


def readers(site: Site, base: Author) -> list[Reply]:
    """Who may not read team: nobody, and somebody from elsewhere, each asking for all."""
    paths = [f"{ONE}/{path}" for path in ASKED]
    paths += ["/api/v1/packages/open/tool/releases/1.0.0/graph"]
    paths += ["/packages/open/base", "/packages/open/tool/1.0.0", "/packages/open/base/1.0.0"]
    paths += ["/packages/open/tool/1.0.0/graph.svg"]
    stranger = site.stranger()
    return [ask("GET", path) for path in paths for ask in (site.ask, stranger.ask)]


def test_nothing_private_leaks(site: Site, base: Author) -> None:
    for reply in readers(site, base):
        assert reply.status == 200
        text = reply.body.decode()
        assert "team/app" not in text
        assert "1.1.0" not in text  # of team/clean, which open/tool may name itself
    for path in ASKED[:2]:
        assert b"team/" not in site.ask("GET", f"{ONE}/{path}").body


def test_what_is_private_answers_as_if_it_were_not_there(site: Site, base: Author) -> None:
    for path in ASKED:
        missing = f"/api/v1/packages/team/none/{path}"
        assert site.ask("GET", f"{PRIVATE}/{path}").status == 401
        assert site.ask("GET", missing).status == 401
        hidden, absent = (site.stranger().ask("GET", one) for one in (f"{PRIVATE}/{path}", missing))
        assert (hidden.status, hidden.json["code"]) == (404, "namespace_unknown")
        assert (absent.status, absent.json["code"]) == (404, "namespace_unknown")
    assert site.ask("GET", "/packages/team/clean/1.0.0/graph.svg").status == 404
    assert base.ask("GET", "/packages/open/base/9.9.9/graph.svg").status == 404


def test_the_page_shows_it(site: Site, base: Author) -> None:
    page = base.must("GET", "/packages/open/base/1.0.0").body.decode()
    assert "Required by" in page
    assert 'href="/packages/team/clean"' in page
    assert "up to 1.0.0" in page
    assert "A yank would affect" in page
    assert "graph.svg" not in page  # it requires nothing
    page = base.must("GET", "/packages/open/tool/1.0.0").body.decode()
    assert 'src="/packages/open/tool/1.0.0/graph.svg"' in page
    assert "No package that you may read." in page
    base.must("POST", f"{ONE}/releases/1.0.0/yank", {"reason": "drops rows"})
    assert "The yank affects" in base.must("GET", "/packages/open/base/1.0.0").body.decode()


def test_the_page_lists_the_first_dependents(site: Site, admin: Author) -> None:
    admin.own("open", public=True)
    admin.publish("open/base", "1.0.0")
    for number in range(21):
        admin.publish(f"open/p{number:02}", "1.0.0", requires={"open/base": "*"})
    page = site.ask("GET", "/packages/open/base").body.decode()
    assert "/packages/open/p19" in page
    assert "/packages/open/p20" not in page
    assert "dependents?cursor=open/p19" in page


def test_the_picture(site: Site, base: Author) -> None:
    reply = site.ask("GET", "/packages/open/tool/1.0.0/graph.svg")

    assert reply.headers["content-type"].startswith("image/svg+xml")
    assert reply.headers["content-security-policy"].startswith("default-src 'none'; style-src")
    assert "sandbox" in reply.headers["content-security-policy"]
    drawn = ET.fromstring(reply.body)
    assert [text.text for text in drawn.iter(f"{SVG}text")] == [
        "open/tool 1.0.0",
        "open/base 1.0.0",
        "team/clean ?",
    ]
    assert len(list(drawn.iter(f"{SVG}path"))) == 2


def test_a_picture_of_rings_long_names_and_too_many() -> None:
    long = PackageName("team", "a-name-that-goes-on-and-on-for-fifty-letters-or-so")
    graph = Graph(
        (
            Node("team/a@1.0.0", PackageName("team", "a"), "1.0.0", is_yanked=False, depth=0),
            Node("team/b@1.0.0", long, "1.0.0", is_yanked=True, depth=1),
        ),
        (
            Edge("team/a@1.0.0", "team/b@1.0.0", ">=1,<2"),
            Edge("team/b@1.0.0", "team/a@1.0.0", "*"),
        ),
        is_whole=False,
    )
    drawn = ET.fromstring(draw_svg(graph))

    texts = [str(text.text) for text in drawn.iter(f"{SVG}text")]
    assert texts[1].endswith("…")
    assert texts[-1] == "cut off after 2 releases"
    assert [group.get("class") for group in drawn.iter(f"{SVG}g")] == ["root", "here yanked"]
    titles = [str(title.text) for title in drawn.iter(f"{SVG}title")]
    assert "team/a@1.0.0 requires >=1,<2" in titles
