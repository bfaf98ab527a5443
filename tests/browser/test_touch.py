"""The view by touch: fingers scrub, choose, enlarge and compare; nothing needs a mouse that hovers."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from jupyter_latents import compare
from tests.browser.states import ran, show_live, sweep_stages
from tests.display.fake_run import landscape, two_stages

pytestmark = pytest.mark.browser
Touch = Callable[..., None]


@pytest.fixture
def touch(page: Page) -> Touch:
    """Puts a finger on an element, a share of its width from the left, slides it to others, and lifts it."""
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": True})

    def slide(on: Locator, *shares: float) -> None:
        on.scroll_into_view_if_needed()
        box = on.bounding_box()
        assert box is not None
        for number, share in enumerate(shares):
            point = {"x": box["x"] + box["width"] * share, "y": box["y"] + box["height"] / 2}
            session.send(
                "Input.dispatchTouchEvent", {"type": "touchMove" if number else "touchStart", "touchPoints": [point]}
            )
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    return slide


def test_a_finger_scrubs_and_enlarges(page: Page, touch: Touch) -> None:
    show_live(page, ran(two_stages()))
    scrubber = page.get_by_label("step", exact=True)
    touch(scrubber, 0.95, 0.7, 0.4)
    expect(page.locator(".jl-facts")).to_contain_text(re.compile(r"step 1[123] of 30"))
    touch(page.locator(".jl-thumb").nth(1), 0.5)
    expect(page.locator(".jl-facts")).to_contain_text(re.compile(r"step [456] of 30"))
    touch(page.locator(".jl-large").first, 0.5)
    enlarged = page.get_by_role("dialog", name="enlarged picture")
    expect(enlarged).to_be_visible()
    touch(enlarged.get_by_role("button", name="Close"), 0.5)
    expect(enlarged).not_to_be_visible()


def test_a_finger_moves_what_lies_between_two_pictures(page: Page, touch: Touch) -> None:
    made = compare(landscape(256, 1), landscape(256, 4), ("before", "after"))
    page.set_content(made._repr_mimebundle_()["text/html"])
    touch(page.locator(".jl-wipe"), 0.5, 0.4, 0.25)
    assert 15 <= float(page.locator(".jl-wipe").input_value()) <= 30
    expect(page.locator(".jl-divider")).to_have_attribute("style", re.compile(r"left: (1\d|2\d|30)%"))


def test_a_finger_chooses_a_picture_of_a_sweep_and_its_tab(page: Page, touch: Touch) -> None:
    show_live(page, ran(sweep_stages()))
    touch(page.get_by_role("tab").first, 0.5)
    touch(page.locator(".jl-pick").nth(5), 0.5)
    expect(page.locator(".jl-facts")).to_contain_text("xy[5]")
