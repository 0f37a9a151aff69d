"""A real Chromium, and a server with a few packages."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.stories.web.authors import Author, Reply, Send
from tests.tools import parts
from tests.tools.server import RunningServer, running_server

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@dataclass(frozen=True)
class Shop:
    """A server with public and private packages."""

    server: RunningServer

    @property
    def url(self) -> str:
        return self.server.url


def sender(url: str) -> Send:
    """Return how an author asks a server."""
    session = requests.Session()

    def send(method: str, path: str, data: bytes | None, headers: dict[str, str]) -> Reply:
        answer = session.request(method, url + path, data=data, headers=headers, timeout=60)
        lowered = {name.lower(): value for name, value in answer.headers.items()}
        return Reply(answer.status_code, lowered, answer.content)

    return send


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    with running_server(folder / "data") as server:
        author = Author(sender(server.url), server.token, folder)
        author.own("team", public=True)
        author.own("secret")
        author.publish("team/clean-rows", "1.0.0", summary="Removes unreadable rows")
        for version in ("1.0.0", "1.1.0"):
            author.publish(
                "team/etl-daily",
                version,
                summary="Loads the orders of the day",
                readme="# etl-daily\n\n" + "A long line of words. " * 40,
                requires={"team/clean-rows": "^1.0"},
            )
        author.publish("secret/plan", "1.0.0")
        bundle = author.bundle("team/reports", "team/etl-daily ^1")
        assert author.promote("team/reports", "dev", bundle, None).status == 201
        yield Shop(server)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = str(parts.chromium())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Browser, shop: Shop) -> Iterator[BrowserContext]:
    context = chromium.new_context(base_url=shop.url)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page; the test fails when anything on it does."""
    page = context.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on(
        "console",
        lambda message: (
            failures.append(message.text)
            if message.type == "error" and "Content Security Policy" in message.text
            else None
        ),
    )
    yield page
    assert not failures
