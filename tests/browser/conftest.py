"""One JupyterLab server and one Chromium for all browser tests, a fresh page for each."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, expect, sync_playwright

from tests.browser.chromium import find_chromium
from tests.browser.lab_page import CHROMIUM_FLAGS, LabPage, LabServer

expect.set_options(timeout=30_000)  # five seconds are not enough for a step and a page on a busy machine


@pytest.fixture(scope="session")
def lab_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
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
