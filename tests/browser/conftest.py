"""One JupyterLab server and one Chromium for all browser tests, a fresh page for each."""

import os
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Error, Page, expect, sync_playwright

from tests.browser.chromium import find_chromium
from tests.browser.lab_page import CHROMIUM_FLAGS, LabPage, LabServer
from tests.browser.states import Shot

expect.set_options(timeout=30_000)  # five seconds are not enough for a step and a page on a busy machine
# What stands out of the view to the right, but for what can be scrolled to.
FITS = """(root) => [...root.querySelectorAll('*')].filter((one) => one.offsetParent
    && !one.closest('.jl-scroll, .jl-tabs') && one.getBoundingClientRect().right
    > root.getBoundingClientRect().right + 1).map((one) => one.className).join()"""
BROKEN = ".jupyter-widgets-error-widget, .jp-OutputArea-output [data-mime-type*='stderr']"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test in JupyterLab tells what the page's scripts said and which widgets it could not make."""
    report = yield
    lab = getattr(item, "funcargs", {}).get("lab")
    if report.failed and isinstance(lab, LabPage):
        broken: list[str] = []
        with suppress(Error):  # the page may be gone
            broken = lab.page.locator(BROKEN).all_inner_texts()
        report.sections.append(("the page", "\n".join([*lab.heard, *broken])))
    return report


@pytest.fixture(scope="session")
def lab_server(tmp_path_factory: pytest.TempPathFactory, warm: object) -> Iterator[LabServer]:
    """JupyterLab over an empty folder."""
    server = LabServer(tmp_path_factory.mktemp("notebooks"), tmp_path_factory.mktemp("lab"))
    try:
        server.wait()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def browser_context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """Chromium with a fresh profile; without one the test is skipped, but never where CI is set."""
    chromium = find_chromium()
    if chromium is None:
        reason = "no Chromium was found: `make browser` installs one where it can"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"),
            executable_path=chromium,
            args=CHROMIUM_FLAGS,
            viewport={"width": 1280, "height": 1000},
        )
        yield context
        context.close()


@pytest.fixture
def lab(browser_context: BrowserContext, lab_server: LabServer) -> Iterator[LabPage]:
    """A fresh page on the server; see `LabPage`."""
    page = browser_context.new_page()
    lab_page = LabPage(page, lab_server)
    yield lab_page
    if lab_page.name:
        lab_page.shut_kernel()
    page.close()


@pytest.fixture
def page(browser_context: BrowserContext) -> Iterator[Page]:
    """An empty page that raises what its scripts do."""
    made = browser_context.new_page()
    made.set_viewport_size({"width": 780, "height": 900})
    faults: list[str] = []
    made.on("pageerror", lambda error: faults.append(str(error)))
    yield made
    made.close()
    assert faults == []


@pytest.fixture
def shot(page: Page, tmp_path: Path) -> Shot:
    """Makes the screenshot of a state; nothing may stand out to the right."""
    folder = Path(os.environ.get("STATES") or tmp_path)

    def shoot(state: str) -> None:
        assert page.evaluate(FITS, page.locator("div.jl").first.element_handle()) == ""
        over = page.locator("dialog[open]").count() > 0  # it and its veil are as large as the window
        page.screenshot(path=folder / f"{state}.png", full_page=not over)

    return shoot
