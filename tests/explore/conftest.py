"""A browser for the tests of the page. Where Chromium or Playwright is missing, a test that needs them fails."""

import shutil
from pathlib import Path

import pytest

import albert_np

PAGE = Path(albert_np.__file__).parent / "explore" / "page"
ORIGIN = "http://explore.test/"  # answered by the fixture, never by a network


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark what opens a browser: it is run with `-m browser`, and fails, never skips, where there is none."""
    for item in items:
        if {"browser", "page", "modules", "firefox"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("browser")


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium without a window. Of one module: Playwright's event loop must not outlive its tests."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert path, "these tests need Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A fresh tab of 1280×720. At its end the test fails if the tab met an error or a warning.

    `page.requests` are the addresses that the tab asked for, `page.troubles` its errors and warnings so far.
    """
    yield from _tab(browser)


@pytest.fixture(scope="module")
def modules(browser):
    """A tab, the same in a whole module, that can `import` the page's modules as they are: `import("/engine.js")`."""

    def answer(route):
        path = PAGE / route.request.url.removeprefix(ORIGIN)
        if path.is_file():
            route.fulfill(body=path.read_bytes(), content_type="text/javascript")
        else:
            route.fulfill(body="<!doctype html><title>modules</title>", content_type="text/html")

    for page in _tab(browser):
        page.route(f"{ORIGIN}**", answer)
        page.goto(ORIGIN)
        yield page


def _tab(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    page = context.new_page()
    page.requests, page.troubles = [], []
    page.on("request", lambda request: page.requests.append(request.url))
    page.on("pageerror", lambda error: page.troubles.append(str(error)))
    page.on("console", lambda message: message.type in ("error", "warning") and page.troubles.append(message.text))
    yield page
    context.close()
    assert not page.troubles
