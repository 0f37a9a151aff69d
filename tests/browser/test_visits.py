"""Visits in a real browser: from the search to the fetch command, logging in, and the narrow."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Shop

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("browser")]

PATHS = (
    "/",
    "/?q=nothing-like-it",
    "/packages/team/etl-daily",
    "/packages/team/etl-daily/1.0.0",
    "/applications/team/reports",
    "/login",
    "/solve",
    "/solve?requirements=team/etl-daily+%5E1&python=3.11",
    "/solve?requirements=team/etl-daily&constraints=team/clean-rows+%3C1&python=3.11",
    "/solve?requirements=x&python=snake",
    "/nowhere",
)


def test_from_the_search_to_the_fetch_command(page: Page, shop: Shop):
    page.goto("/")
    expect(page.get_by_role("searchbox")).to_be_focused()

    page.keyboard.type("orders")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Packages that match")).to_be_visible()
    page.get_by_role("link", name=re.compile("etl-daily")).click()

    expect(page).to_have_url(f"{shop.url}/packages/team/etl-daily")
    command = "recipebox fetch team/etl-daily --out etl-daily"
    expect(page.locator(".fetch")).to_contain_text(command)
    copy = page.get_by_role("button", name="Copy the fetch command")
    copy.click()
    expect(copy).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == command
    expect(copy).to_have_text("Copy")


def test_a_slash_leads_to_the_search_but_not_while_one_types(page: Page):
    page.goto("/packages/team/etl-daily")
    search = page.get_by_role("searchbox")
    expect(search).not_to_be_focused()

    page.keyboard.press("/")
    expect(search).to_be_focused()
    page.keyboard.type("team/")

    expect(search).to_have_value("team/")


def test_links_lead_on(page: Page, shop: Shop):
    page.goto("/packages/team/etl-daily")

    page.get_by_role("link", name="1.0.0").click()
    expect(page.get_by_role("note")).to_contain_text("The newest release is 1.1.0")
    expect(page.locator(".fetch")).to_contain_text("team/etl-daily@1.0.0")
    page.get_by_role("link", name="team/reports").click()
    expect(page.get_by_role("heading", name="reports")).to_be_visible()
    expect(page.locator(".channels")).to_contain_text("team/etl-daily 1.1.0")
    page.goto("/packages/team/etl-daily")
    page.get_by_role("link", name="team/clean-rows").click()

    expect(page).to_have_url(f"{shop.url}/packages/team/clean-rows")


def test_times_tell_the_exact_moment_on_hover(page: Page):
    page.goto("/packages/team/etl-daily")

    time = page.locator(".facts time")

    expect(time).to_have_text(re.compile("just now|minutes? ago"))
    expect(time).to_have_attribute("title", re.compile(r"\d{4}, \d\d:\d\d:\d\d UTC"))


def test_a_private_package_after_logging_in_and_not_after_logging_out(page: Page, shop: Shop):
    page.goto("/packages/secret/plan")
    expect(page.get_by_role("heading", name="There is nothing here")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="log in").click()

    expect(page.get_by_label("Token")).to_be_focused()
    page.get_by_label("Token").fill("rbx_not_mine")
    page.get_by_role("main").get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("This token was refused")
    expect(page.get_by_label("Token")).to_have_value("rbx_not_mine")
    page.get_by_label("Token").fill(shop.server.token)
    page.keyboard.press("Enter")

    expect(page).to_have_url(f"{shop.url}/packages/secret/plan")
    expect(page.get_by_role("heading", name="plan 1.0.0")).to_be_visible()
    assert shop.server.token not in str(page.context.cookies())
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("link", name="Log in")).to_be_visible()
    page.goto("/packages/secret/plan")
    expect(page.get_by_role("heading", name="There is nothing here")).to_be_visible()


def test_from_a_package_to_a_conflict_and_to_the_lock_that_is_downloaded(page: Page, shop: Shop):
    page.goto("/packages/team/etl-daily")
    page.get_by_role("link", name="Solve with this").click()
    expect(page.get_by_role("heading", name="2 packages")).to_be_visible()
    page.get_by_label("Requirements").fill("team/etl-daily ^1")
    page.get_by_text("More", exact=True).click()
    page.get_by_label("Constraints").fill("team/clean-rows <1")
    page.get_by_role("main").get_by_role("button", name="Solve").click()

    expect(page.get_by_role("heading", name="Nothing fits")).to_be_visible()
    expect(page).to_have_url(re.compile(r"requirements=team%2Fetl-daily\+%5E1"))
    picture = page.get_by_role("img", name="nothing fits of team/clean-rows")
    expect(picture).to_be_visible()
    lost = picture.locator(".lost rect")
    assert lost.evaluate("box => getComputedStyle(box).stroke") != "none"
    page.get_by_role("link", name="Solve with that").click()

    expect(page.get_by_role("heading", name="2 packages")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download recipebox.lock").click()
    assert download.value.suggested_filename == "recipebox.lock"
    lock = download.value.path().read_text()
    page.get_by_role("button", name="Copy the lock").click()
    expect(page.get_by_role("button", name="Copy the lock")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == lock
    assert 'name = "team/clean-rows"' in lock


def test_everything_works_without_javascript(chromium: Browser, shop: Shop):
    context = chromium.new_context(base_url=shop.url, java_script_enabled=False)
    page = context.new_page()

    page.goto("/")
    page.get_by_role("searchbox").fill("orders")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name=re.compile("etl-daily")).click()
    expect(page.locator(".fetch")).to_contain_text("recipebox fetch team/etl-daily")
    expect(page.get_by_role("button", name="Copy the fetch command")).to_have_count(0)
    page.get_by_role("link", name="Log in").click()
    page.get_by_label("Token").fill(shop.server.token)
    page.get_by_role("main").get_by_role("button", name="Log in").click()

    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_no_page_is_wider_than_its_window(chromium: Browser, shop: Shop, width: int, scheme: str):
    context = chromium.new_context(
        base_url=shop.url,
        viewport={"width": width, "height": 800},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    page = context.new_page()
    backgrounds = set()
    for path in PATHS:
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        backgrounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    context.close()

    assert len(backgrounds) == 1
    brightness = sum(int(part) for part in re.findall(r"\d+", backgrounds.pop())[:3]) / 3
    assert brightness > 200 if scheme == "light" else brightness < 60
