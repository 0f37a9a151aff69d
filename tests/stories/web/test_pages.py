"""The pages, without JavaScript: what a visitor reads, and how one logs in."""

import re

import pytest

from tests.keys import SIGNER
from tests.stories.web.authors import UNREAD
from web.index.pages import local_path
from web.rates import RateLimits

README = "# Etl\n\nIt *cleans* rows. <script>alert(1)</script>"


def text_of(answer):
    """A page's text, without tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.get_data(as_text=True)).split())


def csrf_of(answer):
    return re.search(r'name="csrf" value="([^"]+)"', answer.get_data(as_text=True))[1]


def log_in(site, token=None, following="/"):
    """A browser that has logged in."""
    browser = site.browser()
    form = {
        "csrf": csrf_of(browser.get("/login")),
        "token": token or site.admin_token,
        "next": following,
    }
    answer = browser.post("/login", data=form)
    assert answer.status_code == 303, answer.get_data(as_text=True)
    return browser


@pytest.fixture
def team(admin):
    """A public namespace with two packages, one of which requires the other."""
    admin.own("team", public=True)
    admin.publish("team/clean", "1.0.0")
    admin.publish(
        "team/etl",
        "1.0.0",
        summary="Loads rows",
        readme=README,
        license="MIT",
        authors=["Ada"],
        requires={"team/clean": "^1", "hidden/one": "^1"},
    )
    return admin


class TestHome:
    def test_an_empty_registry_teaches_how_to_fill_it(self, site):
        page = text_of(site.browser().get("/"))

        assert "Nothing is published here yet" in page
        assert "recipebox login http://localhost" in page
        assert "recipebox publish" in page

    @pytest.mark.usefixtures("team")
    def test_packages_are_listed_and_searched(self, site):
        browser = site.browser()

        assert "team/ clean" in text_of(browser.get("/"))
        found = browser.get("/?q=rows")
        assert "/packages/team/etl" in found.get_data(as_text=True)
        assert "/packages/team/clean" not in found.get_data(as_text=True)
        assert 'value="rows"' in found.get_data(as_text=True)

    @pytest.mark.usefixtures("team")
    def test_a_search_without_result_says_what_to_do(self, site):
        page = text_of(site.browser().get("/?q=nothing+like+it"))

        assert "No package matches “nothing like it”" in page

    def test_what_was_typed_is_text(self, site):
        page = site.browser().get("/?q=<script>alert(1)</script>").get_data(as_text=True)

        assert "<script>alert" not in page

    def test_the_list_comes_in_pages(self, site, admin, monkeypatch):
        monkeypatch.setattr("web.index.pages._PAGE", 1)
        admin.own("team", public=True)
        for name in ("alpha", "beta"):
            admin.publish(f"team/{name}", "1.0.0")
        browser = site.browser()

        first = browser.get("/").get_data(as_text=True)
        following = re.search(r'rel="next" href="([^"]+)"', first)[1].replace("&amp;", "&")
        second = browser.get(following).get_data(as_text=True)

        assert "/packages/team/alpha" in first
        assert "/packages/team/beta" not in first
        assert "/packages/team/beta" in second
        assert "First page" in second

    def test_pages_run_only_their_own_scripts_and_load_nothing_else(self, site):
        answer = site.browser().get("/")
        policy = answer.headers["Content-Security-Policy"]

        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert not re.search(r'(src|href)="(https?:)?//', answer.get_data(as_text=True))
        assert " style=" not in answer.get_data(as_text=True)
        assert " onclick=" not in answer.get_data(as_text=True)

    def test_their_files_are_there(self, site):
        page = site.browser().get("/").get_data(as_text=True)

        for path in re.findall(r'"(/static/[^"]+)"', page):
            answer = site.browser().get(path)
            assert answer.status_code == 200, path
            answer.close()


class TestPackage:
    @pytest.mark.usefixtures("team")
    def test_a_package_shows_what_one_wants_to_know(self, site):
        page = site.browser().get("/packages/team/etl")
        text = text_of(page)

        assert "recipebox fetch team/etl --out etl" in text
        assert "Loads rows" in text
        assert "It cleans rows." in text
        assert "published just now" in text
        assert "MIT" in text
        assert "Ada" in text
        assert SIGNER.fingerprint[:4] in text
        assert 'href="/packages/team/clean"' in page.get_data(as_text=True)
        assert 'href="/packages/hidden/one"' not in page.get_data(as_text=True)
        assert "<script>alert" not in page.get_data(as_text=True)

    @pytest.mark.usefixtures("team")
    def test_the_command_can_be_copied(self, site):
        page = site.browser().get("/packages/team/etl").get_data(as_text=True)

        assert 'data-copy="recipebox fetch team/etl --out etl"' in page

    def test_every_release_has_a_link_of_its_own(self, site, team):
        team.publish("team/etl", "1.1.0")
        browser = site.browser()

        newest = browser.get("/packages/team/etl").get_data(as_text=True)
        older = browser.get("/packages/team/etl/1.0.0")

        assert 'href="/packages/team/etl/1.0.0"' in newest
        assert "recipebox fetch team/etl@1.0.0" in text_of(older)
        assert "The newest release is 1.1.0" in text_of(older)

    def test_a_yanked_release_says_why(self, site, team):
        team.must("POST", "/api/v1/packages/team/etl/releases/1.0.0/yank", {"reason": "wrong sums"})
        browser = site.browser()

        assert "This release is yanked" in text_of(browser.get("/packages/team/etl"))
        team.publish("team/etl", "1.1.0")
        assert "wrong sums" in text_of(browser.get("/packages/team/etl"))
        old = text_of(browser.get("/packages/team/etl/1.0.0"))
        assert "This release is yanked" in old
        assert "The newest that isn't: 1.1.0" in old

    @pytest.mark.usefixtures("team")
    def test_a_package_without_readme_says_how_to_have_one(self, site):
        assert "has no readme" in text_of(site.browser().get("/packages/team/clean"))

    def test_the_channels_that_hold_it_are_linked(self, site, team):
        bundle = team.bundle("team/app", "team/clean ^1")
        team.promote("team/app", "dev", bundle, None)
        browser = site.browser()

        page = browser.get("/packages/team/clean").get_data(as_text=True)
        application = browser.get("/applications/team/app")

        assert 'href="/applications/team/app"' in page
        text = text_of(application)
        assert "team/clean 1.0.0" in text
        assert "by admin" in text
        assert "Nothing yet." in text

    def test_the_images_of_a_bundle_are_shown(self, site, team):
        digest = team.push_image("team/app/image", "1")
        bundle = team.bundle("team/app", "team/clean ^1", images=[f"team/app/image@{digest}"])
        team.promote("team/app", "dev", bundle, None)

        page = site.browser().get("/applications/team/app")

        assert "team/app/image" in text_of(page)
        assert f'title="{digest}"' in page.get_data(as_text=True)
        assert " Bytes" in text_of(page)

    def test_an_application_without_promotion_says_how_to_make_one(self, site, team):
        team.bundle("team/app", "team/clean ^1")

        text = text_of(site.browser().get("/applications/team/app"))

        assert "Nothing was promoted yet" in text
        assert "recipebox promote team/app --lock recipebox.lock --to dev" in text


class TestMissing:
    @pytest.mark.usefixtures("team")
    def test_a_page_that_is_not_there_helps(self, site):
        for path in (
            "/nonsense",
            "/packages/team/no",
            "/packages/team/etl/9.9.9",
            "/packages/TEAM/x",
            "/applications/team/no",
            "/packages/none/such",
            "/static/nothing.css",
        ):
            answer = site.browser().get(path)

            assert answer.status_code == 404, path
            assert "There is nothing here" in text_of(answer)
            assert "Search all packages" in text_of(answer)
            assert answer.headers["X-Request-Id"] in text_of(answer)

    @pytest.mark.usefixtures("team")
    def test_a_misspelt_package_finds_the_right_one(self, site):
        page = site.browser().get("/packages/team/etll").get_data(as_text=True)

        assert 'Did you mean <a href="/packages/team/etl">team/etl</a>?' in page

    def test_a_private_package_looks_as_if_it_were_not_there(self, site, admin):
        admin.own("secret")
        admin.publish("secret/plan", "1.0.0")
        browser = site.browser()

        there = browser.get("/packages/secret/plan")
        missing = browser.get("/packages/secret/plam")

        assert there.status_code == missing.status_code == 404
        assert "secret/plan" not in missing.get_data(as_text=True)
        assert "/packages/secret" not in browser.get("/").get_data(as_text=True)
        assert "plan" in text_of(log_in(site).get("/packages/secret/plan"))

    def test_a_wrong_method_is_told(self, site):
        answer = site.browser().post("/packages/team/etl")

        assert answer.status_code == 405
        assert "Method Not Allowed" in text_of(answer)

    def test_a_token_that_is_refused_is_told_on_a_page_too(self, site):
        answer = site.browser().get("/", headers={"Authorization": "Bearer nonsense"})

        assert answer.status_code == 401
        assert "The token was refused" in text_of(answer)
        lost = site.browser().get("/nonsense", headers={"Authorization": "Bearer nonsense"})
        assert lost.status_code == 404

    def test_a_defect_shows_nothing_but_its_id(self, site, monkeypatch, caplog):
        def break_down(*_args, **_kwargs):
            raise RuntimeError("the secret of the defect")

        monkeypatch.setattr(type(site.registry.catalog), "search", break_down)

        answer = site.browser().get("/")

        assert answer.status_code == 500
        assert "the secret of the defect" not in text_of(answer)
        assert answer.headers["X-Request-Id"] in caplog.text
        assert "the secret of the defect" in caplog.text


class TestLoggingIn:
    def test_a_token_opens_what_is_private(self, site, admin):
        admin.own("team")
        admin.publish("team/etl", "1.0.0")

        browser = log_in(site)

        page = browser.get("/")
        assert "/packages/team/etl" in page.get_data(as_text=True)
        assert "Log out" in text_of(page)

    def test_the_cookie_holds_no_token_and_no_script_reads_it(self, site):
        browser = site.browser()
        csrf = csrf_of(browser.get("/login"))

        answer = browser.post("/login", data={"csrf": csrf, "token": site.admin_token})

        cookie = answer.headers["Set-Cookie"]
        assert site.admin_token not in cookie
        assert site.admin_token.rpartition("_")[2] not in cookie
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert "Secure" not in cookie

    def test_over_tls_the_cookie_stays_there(self, site):
        answer = site.browser().get("/login", base_url="https://localhost")

        assert "Secure" in answer.headers["Set-Cookie"]

    def test_a_refused_token_stays_in_the_form_with_the_reason_beside_it(self, site):
        browser = site.browser()
        csrf = csrf_of(browser.get("/login"))

        answer = browser.post("/login", data={"csrf": csrf, "token": "rbx_a_b", "next": "/x"})

        assert answer.status_code == 400
        page = answer.get_data(as_text=True)
        assert "This token was refused" in page
        assert 'value="rbx_a_b"' in page
        assert 'aria-invalid="true"' in page
        assert 'name="next" value="/x"' in page
        assert answer.headers["Cache-Control"] == "no-store"

    @pytest.mark.parametrize(
        "kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b"]
    )
    @pytest.mark.parametrize("path", ["/login", "/logout"])
    def test_a_form_that_is_none_takes_no_memory_and_no_disk(self, site, path, kind):
        answer = site.browser().post(path, content_type=kind, environ_overrides=UNREAD)

        assert answer.status_code == 413
        assert "65536" in text_of(answer)

    def test_a_form_that_is_cut_short_is_no_defect_here(self, site):
        answer = site.browser().post(
            "/login",
            data=b"token=rbx",
            content_type="application/x-www-form-urlencoded",
            environ_overrides={"CONTENT_LENGTH": "500"},
        )

        assert answer.status_code == 400
        assert "ended after 9" in text_of(answer)

    def test_refused_tokens_are_counted_as_refused_log_ins(self, make_site):
        browser = make_site(rates=RateLimits(failures=1)).browser()
        form = {"csrf": csrf_of(browser.get("/login")), "token": "rbx_a_b"}
        assert browser.post("/login", data=form).status_code == 400

        answer = browser.post("/login", data=form)

        assert answer.status_code == 429
        assert 1 <= int(answer.headers["Retry-After"]) <= 60

    def test_a_form_of_another_site_is_refused(self, site):
        answer = site.browser().post("/login", data={"token": site.admin_token})

        assert answer.status_code == 400
        assert "had expired" in text_of(answer)

    def test_one_returns_to_where_one_was(self, site):
        browser = site.browser()
        csrf = csrf_of(browser.get("/login"))
        form = {"csrf": csrf, "token": site.admin_token, "next": "/packages/team/etl?x=1"}

        assert browser.post("/login", data=form).headers["Location"] == "/packages/team/etl?x=1"

    @pytest.mark.parametrize(
        "text", ["https://evil.example", "//evil.example", "/\\evil.example", "", "x", "/\x00"]
    )
    def test_but_never_to_another_site(self, text):
        assert local_path(text) == "/"

    def test_who_is_logged_in_already_is_sent_on(self, site):
        assert log_in(site).head("/login?next=/?q=x").status_code == 303
        answer = log_in(site).get("/login?next=/?q=x")

        assert (answer.status_code, answer.headers["Location"]) == (303, "/?q=x")

    def test_a_session_ends_with_its_token(self, site, admin):
        admin.own("team")
        admin.publish("team/etl", "1.0.0")
        token = site.token("reader")
        browser = log_in(site, token)
        assert browser.get("/packages/team/etl").status_code == 200

        with site.registry.database.session():
            site.registry.tokens.revoke(token.split("_")[1])

        assert browser.get("/packages/team/etl").status_code == 404
        assert "Log in" in text_of(browser.get("/"))

    def test_one_logs_out(self, site):
        browser = log_in(site)
        csrf = csrf_of(browser.get("/"))

        answer = browser.post("/logout", data={"csrf": csrf})

        assert answer.status_code == 303
        assert "Log out" not in text_of(browser.get("/"))

    def test_nobody_else_logs_one_out(self, site):
        browser = log_in(site)

        answer = browser.post("/logout", data={"csrf": "guessed"})

        assert answer.status_code == 400
        assert "Log out" in text_of(browser.get("/"))

    def test_a_session_may_read_the_api_but_change_nothing(self, site, admin):
        admin.own("team")
        browser = log_in(site)

        read = browser.get("/api/v1/namespaces/team")
        written = browser.post("/api/v1/namespaces", json={"name": "other"})

        assert read.status_code == 200
        assert written.status_code == 401
        assert browser.get("/v2/").status_code == 401
