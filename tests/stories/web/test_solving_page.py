"""`/solve`: a form, and the lock, or why there is none, of what the browser's session may read."""

import re
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Callable
from html import unescape
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import pytest
from werkzeug.test import TestResponse

from tests.stories.web.authors import Author
from tests.stories.web.conftest import Site
from tests.stories.web.test_pages import log_in, text_of
from web.asking import DEFAULTS

FOR = {"python": "3.11", "platform": "linux/amd64"}


@pytest.fixture
def etl(admin: Author) -> Author:
    """Public packages, of which two don't agree about a third, and a private one."""
    admin.own("open", public=True)
    admin.own("team")
    admin.publish("open/base", "1.0.0")
    admin.publish("open/base", "2.0.0")
    admin.publish("open/clean", "1.0.0", requires={"open/base": "^1"}, extras={"fast": {}})
    admin.publish("open/etl", "1.0.0", requires={"open/clean": "^1", "open/base": "*"})
    admin.publish("open/report", "1.0.0", requires={"open/base": "^2"})
    admin.publish("team/secret", "1.0.0", requires={"open/base": "^1"})
    return admin


def address(**fields: str) -> str:
    return f"/solve?{urlencode(FOR | fields)}"


def html_of(answer: TestResponse) -> str:
    return answer.get_data(as_text=True)


def links_of(answer: TestResponse) -> dict[str, str]:
    """The links of a page by their text."""
    found = re.findall(r'<a[^>]* href="([^"]+)"[^>]*>(?:<[^>]+>)*([^<]+)', html_of(answer))
    return {text: unescape(target) for target, text in found}


def typed_in(answer: TestResponse) -> dict[str, str]:
    """What stands in the form."""
    html = html_of(answer)
    inputs = re.findall(r'<input id="\w+" name="(\w+)" value="([^"]*)"', html)
    areas = re.findall(r'<textarea id="\w+" name="(\w+)"[^>]*>\n([^<]*)</textarea>', html)
    return {name: unescape(text) for name, text in (*inputs, *areas)}


def beside(answer: TestResponse, field: str) -> str:
    """What is said beside a field, which says that it is about that."""
    html = html_of(answer)
    assert re.search(rf'id="{field}"[^>]*aria-describedby="[^"]*{field}-error[^"]*"', html)
    found = re.search(rf'id="{field}-error">([^<]*)<', html)
    assert found is not None
    return unescape(found[1])


def test_an_empty_form_has_what_counts_if_one_says_nothing(site: Site) -> None:
    answer = site.browser().get("/solve")

    assert answer.status_code == 200
    assert typed_in(answer)["python"] == DEFAULTS["python"]
    assert typed_in(answer)["platform"] == "linux/amd64"
    assert "What do you need?" in text_of(answer)
    assert "<details>" in html_of(answer)


def test_a_lock_and_who_requires_what(site: Site, etl: Author) -> None:
    answer = site.browser().get(address(requirements="open/etl ^1\nopen/clean[fast]"))

    assert answer.status_code == 200
    text = text_of(answer)
    assert "3 packages" in text
    rows = re.findall(r"<tr>\s*<td>.*?</tr>", html_of(answer), re.DOTALL)
    assert [" ".join(unescape(re.sub(r"<[^>]+>", " ", row)).split()) for row in rows] == [
        "open/base 1.0.0 open/clean, open/etl",
        "open/clean fast 1.0.0 you, open/etl",
        "open/etl 1.0.0 you ^1",
    ]
    links = links_of(answer)
    assert links["open/base"] == "/packages/open/base"
    assert links["1.0.0"] == "/packages/open/etl/1.0.0"
    command = "recipebox lock 'open/etl ^1' 'open/clean[fast]' --python 3.11 --platform linux/amd64"
    assert command in unescape(text)
    assert typed_in(answer)["requirements"] == "open/etl ^1\nopen/clean[fast]"
    assert etl.must("GET", links["As JSON"]).json["lock"] in unescape(html_of(answer))


def test_the_lock_that_is_downloaded_is_the_one_that_is_shown(site: Site, etl: Author) -> None:
    page = html_of(site.browser().get(address(requirements="open/etl ^1")))

    found = re.search(r'href="data:application/toml;charset=utf-8,([^"]+)" download="recip', page)
    assert found is not None
    lock = unquote(unescape(found[1]))
    assert lock == etl.lock("open/etl ^1")
    assert tomllib.loads(lock)["package"][0]["name"] == "open/base"


@pytest.mark.usefixtures("etl")
def test_why_nothing_fits_and_what_would_help(site: Site) -> None:
    browser = site.browser()
    answer = browser.get(address(requirements="open/etl\nopen/report"))

    assert answer.status_code == 422
    sentences = [unescape(one) for one in re.findall(r"<li[^>]*>([^<]+)</li>", html_of(answer))]
    problem = browser.get(links_of(answer)["As JSON"]).get_json()
    explanation = problem["explanation"]
    told = [fact["sentence"] for fact in explanation["facts"]] + explanation["notes"]
    assert sentences == told
    assert "open/clean 1.0.0, the only release in ^1, requires open/base ^1." in sentences
    assert explanation["hint"]["sentence"] in unescape(text_of(answer))

    helped = browser.get(links_of(answer)["Solve with that"])
    assert helped.status_code == 200
    assert "4 packages" in text_of(helped)
    assert typed_in(helped)["overrides"] == "open/base ^2"
    assert "<details open>" in html_of(helped)


@pytest.mark.usefixtures("etl")
def test_a_change_that_leaves_nothing_to_ask_for_is_no_link(site: Site) -> None:
    answer = site.browser().get(address(requirements="open/nothing-like-it"))

    assert "It would fit without your requirement open/nothing-like-it *." in text_of(answer)
    assert "Solve with that" not in links_of(answer)


@pytest.mark.usefixtures("etl")
def test_the_picture_is_part_of_the_page_and_keeps_to_its_policy(site: Site) -> None:
    answer = site.browser().get(address(requirements="open/etl", constraints="open/base ^2"))

    found = re.search(r"<svg [^>]*class=\"explanation\".*?</svg>", html_of(answer), re.DOTALL)
    assert found is not None
    image = ET.fromstring(found[0])
    titles = [title.text for title in image.iter("{http://www.w3.org/2000/svg}title")]
    assert titles[0] == "Who requires what; nothing fits of open/base"
    assert "You constrain open/base to ^2." in titles
    assert "style-src 'self';" in answer.headers["Content-Security-Policy"]
    assert "<style" not in html_of(answer)
    assert " style=" not in html_of(answer)


@pytest.mark.usefixtures("etl")
def test_many_facts_are_no_picture(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.index.solving._DRAWN_FACTS", 4)

    answer = site.browser().get(address(requirements="open/etl\nopen/report"))

    assert "There are too many facts for one." in text_of(answer)
    assert 'class="explanation"' not in html_of(answer)


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        ("requirements", "open/etl\nnot one", "'not one': "),
        ("requirements", " # nothing", "name at least one package"),
        ("constraints", "open/etl ^^", "'open/etl ^^': not a range of versions"),
        ("constraints", "open/etl[gpu] ^1", "leave out [gpu]"),
        ("overrides", "open/etl ^1\nopen/etl ^2", "it is overridden with ^1 and ^2; say one"),
        ("python", "snake", "'snake': a python is MAJOR.MINOR, as in 3.11"),
        ("platform", "<b>", "'<b>': a platform is os/architecture, as in linux/amd64"),
        ("published_before", "yesterday", "not a time: 'yesterday'"),
        ("published_before", "2026-13-01", "not a time: '2026-13-01T00:00:00Z'"),
        ("prefer", "oldest", "say one of newest, lowest, lowest-direct, not 'oldest'"),
        ("prereleases", "perhaps", "say yes or no, not 'perhaps'"),
        ("application", "shop", "expected 'namespace/name'"),
        ("application", "nowhere/shop", "nowhere/shop needs a log-in"),
    ],
)
def test_what_is_wrong_with_a_field_stands_beside_it(
    site: Site, field: str, text: str, said: str
) -> None:
    answer = site.browser().get(address(**({"requirements": "open/etl"} | {field: text})))

    assert answer.status_code == 422
    assert said in beside(answer, field)
    assert "One field can't be used; it says why." in unescape(text_of(answer))
    kept = typed_in(answer)
    assert kept["requirements"] == (text if field == "requirements" else "open/etl")
    if field in kept:
        assert kept[field] == text
    assert ("<details open>" in html_of(answer)) == (
        field not in {"requirements", "python", "platform"}
    )


def test_what_an_application_refuses_is_not_chosen(site: Site, etl: Author) -> None:
    etl.publish("open/shown", "1.0.0")
    etl.publish("open/shown", "2.0.0", requires={"team/secret": "*"})
    browser = log_in(site)

    answer = browser.get(address(requirements="open/shown", application="open/shop"))

    assert answer.status_code == 200
    assert "recipebox lock open/shown --python 3.11" in text_of(answer)
    assert "--for open/shop" in text_of(answer)
    assert 'application = "open/shop"' in unescape(html_of(answer))
    assert "2.0.0" not in text_of(answer)


def test_what_is_no_application_is_said_beside_it(site: Site, etl: Author) -> None:
    path = address(requirements="open/etl", application="open/base")
    answer = site.browser().get(path)
    assert answer.status_code == 422
    assert "open/base is a package" in beside(answer, "application")


def test_all_that_is_wrong_is_said_at_once(site: Site) -> None:
    answer = site.browser().get(address(requirements="x\ny", python="snake"))

    assert "2 fields can't be used; each says why." in unescape(text_of(answer))
    assert beside(answer, "requirements").count("expected 'namespace/name'") == 2
    assert "MAJOR.MINOR" in beside(answer, "python")


def test_what_was_typed_is_text(site: Site) -> None:
    evil = '"><script>alert(1)</script>'
    answer = site.browser().get(address(**dict.fromkeys(DEFAULTS, evil)))

    assert "<script>alert" not in html_of(answer)
    assert typed_in(answer)["overrides"] == evil


def test_what_is_private_is_there_for_the_session_that_may_read_it(site: Site, etl: Author) -> None:
    path = address(requirements="team/secret")
    hidden = site.browser().get(path)
    assert hidden.status_code == 422
    assert "team/secret is not in the index, or may not be read" in text_of(hidden)
    missing = site.browser().get(address(requirements="team/sacret"))
    assert text_of(hidden).replace("team/secret", "IT") == text_of(missing).replace(
        "team/sacret", "IT"
    )

    browser = log_in(site)
    shown = browser.get(path)
    assert shown.status_code == 200
    assert shown.headers["Cache-Control"].startswith("private")
    assert "Cookie" in shown.headers["Vary"]
    assert browser.get(links_of(shown)["As JSON"]).get_json()["lock"] == etl.lock("team/secret")


def test_limits_of_rounds_and_time_are_said_with_what_to_do(
    make_site: Callable[..., Site],
) -> None:
    for members, said in (
        ({"solve_rounds": 1}, "No answer after 1 rounds of search, which is this server's limit"),
        ({"solve_deadline": 0}, "No answer after 0 seconds, which is this server's limit"),
    ):
        site = make_site(**members)
        admin = site.author()
        admin.own("open", public=True)
        admin.publish("open/base", "1.0.0")
        admin.publish("open/etl", "1.0.0", requires={"open/base": "^1"})

        answer = site.browser().get(address(requirements="open/etl"))

        assert answer.status_code == 422
        text = unescape(text_of(answer))
        assert said in text
        assert "solve with `recipebox lock`, which takes the time it needs." in text
        assert "recipebox lock open/etl --python 3.11" in text
        assert "Retry-After" not in answer.headers
        assert typed_in(answer)["requirements"] == "open/etl"


def test_one_more_than_may_run_is_told_when_to_come_again(make_site: Callable[..., Site]) -> None:
    answer = make_site(solves_at_once=0).browser().get(address(requirements="open/etl"))

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert "Solving is switched off here" in text_of(answer)
    again = urlsplit(links_of(answer)["Try again"])
    assert again.path == "/solve"
    assert parse_qs(again.query)["requirements"] == ["open/etl *"]


def test_a_read_only_registry_solves(site: Site, etl: Author) -> None:
    site.registry.switches.turn_read_only("the disk is moved")

    assert site.browser().get(address(requirements="open/etl")).status_code == 200
    assert etl.ask("POST", "/solve").status == 405


def test_a_shared_address_asks_for_everything_that_was_said(site: Site, etl: Author) -> None:
    said = {
        "requirements": "open/clean",
        "constraints": "open/base <2",
        "overrides": "open/base =1.0.0",
        "prereleases": "yes",
        "published_before": "2999-01-01",
        "prefer": "lowest",
    }
    answer = site.browser().get(address(**said))

    assert answer.status_code == 200
    shared = parse_qs(urlsplit(links_of(answer)["As JSON"]).query)
    assert {name: values[0] for name, values in shared.items()} == FOR | said | {
        "requirements": "open/clean *",
        "published_before": "2999-01-01T00:00:00Z",
    }
    command = (
        "--constraint 'open/base <2' --override 'open/base =1.0.0' --pre "
        "--published-before 2999-01-01T00:00:00Z --prefer lowest"
    )
    assert command in unescape(text_of(answer))
    lock = etl.must("GET", links_of(answer)["As JSON"]).json["lock"]
    assert tomllib.loads(lock)["prefer"] == "lowest"


def test_crawlers_are_not_invited(site: Site, etl: Author) -> None:
    rules = site.browser().get("/robots.txt")
    assert rules.mimetype == "text/plain"
    assert html_of(rules).splitlines() == ["User-agent: *", "Disallow: /solve", "Disallow: /api/"]

    answer = site.browser().get(address(requirements="open/etl"))
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert '<meta name="robots" content="noindex, nofollow">' in html_of(answer)
    package = html_of(site.browser().get("/packages/open/etl"))
    assert '<a rel="nofollow" href="/solve?requirements=open/etl">Solve with this</a>' in package


@pytest.mark.usefixtures("etl")
def test_pages_lead_there(site: Site) -> None:
    browser = site.browser()
    assert links_of(browser.get("/"))["Solve"] == "/solve"
    newest = browser.get(links_of(browser.get("/packages/open/etl"))["Solve with this"])
    assert typed_in(newest)["requirements"] == "open/etl"
    assert "3 packages" in text_of(newest)
    pinned = browser.get(links_of(browser.get("/packages/open/base/1.0.0"))["Solve with this"])
    assert typed_in(pinned)["requirements"] == "open/base =1.0.0"
    assert "1 package " in text_of(pinned)
