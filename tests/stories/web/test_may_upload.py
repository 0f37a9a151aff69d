"""What a proxy asks before it takes in a body: is this somebody's request at all?"""

import pytest

from web.proxies import PROXIED
from web.rates import RateLimits

UPLOADS = "/v2/team/app/blobs/uploads/"


def ask(site, token, uri=UPLOADS, *, is_proxied=True):
    """Return the answer to a trusted proxy, or to one that isn't."""
    headers = {"X-Original-URI": uri}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    return site.browser().get(
        "/v2/_may_upload", headers=headers, environ_overrides={PROXIED: is_proxied}
    )


@pytest.mark.parametrize("role", ["publisher", "reader"])
def test_who_has_a_token_is_let_in_and_told_later_what_it_may_not(site, role):
    assert ask(site, site.token(role)).status_code == 204


def test_so_is_who_has_a_bearer_token_of_somebodys(site):
    login = {"Authorization": f"Bearer {site.admin_token}"}
    bearer = site.ask("GET", "/v2/token", **login).json["token"]

    assert ask(site, bearer).status_code == 204


@pytest.mark.parametrize(
    "uri", [UPLOADS, f"{UPLOADS}?digest=sha256:0", UPLOADS.replace("m/", "m%2F")]
)
def test_nobody_is_told_how_to_log_in_for_what_was_asked(site, uri):
    answer = ask(site, None, uri)

    assert answer.status_code == 401
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith('Bearer realm="http://localhost/v2/token",service="recipebox"')
    assert challenge.endswith('scope="repository:team/app:pull,push"')


@pytest.mark.parametrize("uri", ["", "/", "/v2/Team/blobs/uploads/", "/v2/a%00/blobs/uploads/"])
def test_what_is_no_repository_has_no_scope(site, uri):
    answer = ask(site, None, uri)

    assert answer.status_code == 401
    assert "scope" not in answer.headers["WWW-Authenticate"]


def test_a_token_that_does_not_hold_is_nobodys(site):
    nobodys = site.ask("GET", "/v2/token").json["token"]
    revoked = site.token("publisher")
    with site.registry.database.session():
        site.registry.tokens.revoke(revoked.split("_")[1])

    assert [ask(site, each).status_code for each in ("rbx_a_b", nobodys, revoked)] == [401] * 3


def test_what_a_trusted_proxy_asks_is_not_counted_but_for_refused_tokens(make_site):
    site = make_site(rates=RateLimits(principal=1, anonymous=1, failures=1))

    assert [ask(site, site.admin_token).status_code for _ in range(3)] == [204] * 3
    assert [ask(site, "rbx_a_b").status_code for _ in range(2)] == [401, 429]
    unknown = [ask(site, site.admin_token, is_proxied=False).status_code for _ in range(2)]
    assert unknown == [204, 429]
