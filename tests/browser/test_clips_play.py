"""Clips in saved outputs: they move in a real browser, without a kernel, where scripts run and where they do not."""

from __future__ import annotations

import html as escaping
import os
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from jupyter_latents.display.static_html import run_bundle
from jupyter_latents.display.view import RunView
from jupyter_latents.latents.clip import Clip
from tests.session.conftest import Desk, desk, one_thread, tiny  # noqa: F401 - fixtures
from tests.session.test_clips import CLIP, frames

pytestmark = pytest.mark.browser


def moves(film: Locator, page: Page) -> bool:
    """Whether a picture looks otherwise after a moment."""
    expect(film).to_be_visible()
    first = film.screenshot()
    for _ in range(20):
        page.wait_for_timeout(100)
        if film.screenshot() != first:
            return True
    return False


@pytest.mark.parametrize("sandboxed", [False, True])
def test_the_output_of_a_run_plays(page: Page, desk: Desk, tmp_path: Path, sandboxed: bool) -> None:  # noqa: F811
    """As a saved notebook holds it: in a page of its own, and in a frame that runs no scripts, as untrusted ones do."""
    view = RunView(preview_every=1)
    desk.run(CLIP.replace("--num-frames 5", "--num-frames 9"), view)
    view.finish()
    text = run_bundle(view.record)["text/html"]
    if sandboxed:
        page.set_content(f'<iframe sandbox width="760" height="860" srcdoc="{escaping.escape(text)}"></iframe>')
    else:
        page.set_content(text)
    place = page.frame_locator("iframe").locator("body") if sandboxed else page.locator("body")
    films = place.locator('img[src^="data:image/webp"]')
    shown = [number for number in range(films.count()) if films.nth(number).is_visible()]
    folder = Path(os.environ.get("STATES") or tmp_path)
    page.screenshot(path=folder / f"clip-{'untrusted' if sandboxed else 'trusted'}.png")
    assert any(moves(films.nth(number), page) for number in shown)


def test_a_decoded_clip_plays(page: Page) -> None:
    page.set_content(Clip(frames(9), fps=8)._repr_mimebundle_()["text/html"])
    assert moves(page.locator("img"), page)
