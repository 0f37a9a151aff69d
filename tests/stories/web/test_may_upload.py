"""What a proxy asks before it takes in a body: may who sends it upload there?"""

import pytest

from web.proxies import PROXIED
from web.rates import RateLimits

UPLOADS = "/v2/team/app/blobs/uploads/"


def ask(site, token, uri=UPLOADS, *, is_proxied=True):
    """Return the status of an answer, as a trusted proxy or as anybody else."""
    headers = {"X-Original-URI": uri}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    answer = site.browser().get(
        "/v2/_may_upload", headers=headers, environ_overrides={PROXIED: is_proxied}
    )
    return answer.status_code


@pytest.fixture
def publisher(site, admin):
    """The token of who may push to `team`."""
    admin.own("team", public=True)
    return site.token("publisher", "team")


@pytest.mark.parametrize(
    "uri",
    [
        UPLOADS,
        f"{UPLOADS}{'0' * 32}",
        f"{UPLOADS}?digest=sha256:00&mount=x",
        "/v2/team%2Fapp/blobs/uploads/",
        "/v2/team/blobs/uploads/blobs/uploads/",
    ],
)
def test_who_may_push_may(site, publisher, uri):
    assert ask(site, publisher, uri) == 204


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/",
        "/v2/team/app/manifests/v1",
        "/v2/Team/app/blobs/uploads/",
        "/v2/team/app%00/blobs/uploads/",
        "/v2/other/app/blobs/uploads/",
        "/v2//blobs/uploads/",
    ],
)
def test_nothing_else_may_be_uploaded(site, publisher, uri):
    assert ask(site, publisher, uri) == 403


def test_who_may_only_pull_may_not(site, publisher):
    assert ask(site, site.token("reader", "team")) == 403
    assert ask(site, site.token("publisher", "elsewhere")) == 403


def test_neither_may_nobody_nor_who_has_a_token_that_is_none(site, publisher):
    bearer = site.ask("GET", "/v2/token?scope=repository:team/app:pull,push").json["token"]

    assert [ask(site, token) for token in (None, "rbx_a_b", bearer)] == [403, 403, 403]


def test_a_bearer_token_may_where_it_is_for_a_push(site, publisher):
    login = {"Authorization": f"Bearer {publisher}"}
    asked = "/v2/token?scope=repository:team/app:pull,push"
    bearer = site.ask("GET", asked, **login).json["token"]

    assert ask(site, bearer) == 204
    assert ask(site, bearer, "/v2/team/other/blobs/uploads/") == 403


def test_nobody_may_where_nothing_is_written(site, publisher):
    site.registry.switches.turn_read_only("moving")

    assert ask(site, publisher) == 403


def test_a_proxy_that_is_not_trusted_is_told_as_well(site, publisher):
    assert ask(site, publisher, is_proxied=False) == 204


def test_what_a_trusted_proxy_asks_is_not_counted(make_site):
    site = make_site(rates=RateLimits(principal=1, anonymous=1, failures=1))

    assert [ask(site, site.admin_token) for _ in range(3)] == [204] * 3
    assert [ask(site, "rbx_a_b") for _ in range(3)] == [403] * 3
    assert [ask(site, site.admin_token, is_proxied=False) for _ in range(2)] == [204, 429]
