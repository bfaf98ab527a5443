"""The gallery: as it stays without a kernel, and what it asks of one."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.galleries import filled, show_live_gallery, static_gallery
from tests.browser.states import COPIED, Shot

pytestmark = pytest.mark.browser
LEFT = """<!doctype html><html data-jp-theme-light="{light}"><meta charset="utf-8">
<body style="margin: 0; padding: 8px; background: {back}">{body}</body></html>"""


def show(page: Page, html: str, *, dark: bool = False) -> None:
    page.set_content(LEFT.format(light=str(not dark).lower(), back="#0f1318" if dark else "#fff", body=html))


@pytest.mark.parametrize("width", [360, 780, 1600])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_gallery(page: Page, shot: Shot, width: int, dark: bool) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    html = static_gallery(filled(31))
    assert len(html) < 300_000
    show(page, html, dark=dark)
    expect(page.locator(".jl-status")).to_have_text("this session · 31 results")
    expect(page.locator(".jl-card")).to_have_count(31)
    expect(page.locator(".jl-where")).to_contain_text("result 31 · not saved as a variable · ")  # the newest is chosen
    expect(page.locator(".jl-card").first).to_contain_text("result 31")
    expect(page.locator(".jl-part").first).to_have_text("step 24 of 30")
    more = page.get_by_role("button", name=re.compile("^▾ \\d+ more below$"))
    expect(more).to_be_visible()
    page.get_by_role("button", name=re.compile("^xy25, ")).click()
    expect(page.locator(".jl-where")).to_have_text(
        re.compile(r"xy25 · step 24 of 30, σ [\d.]+ \(VE\) · seed 25 · demo/\w+ · 32 min ago")
    )
    shot("gallery-dark" if dark else f"gallery-{width}")


def test_a_saved_gallery_copies_searches_and_enlarges(page: Page) -> None:
    show(page, static_gallery(filled(9)))
    page.evaluate(COPIED)
    page.get_by_label("search prompts").fill("night sea")
    expect(page.locator(".jl-card")).to_have_count(3)
    page.get_by_role("button", name=re.compile("^xy4, ")).click()
    page.get_by_role("button", name="Copy cell", exact=True).click()
    copied = page.evaluate("copied").splitlines()
    assert copied[0] == "%%dgen"
    assert copied[-2:] == ["--seeds 4", "--into xy4"]
    page.get_by_role("button", name="Copy cell to continue").click()
    assert '--image-seeds "xy4"' in page.evaluate("copied")
    expect(page.get_by_role("button", name="Bind")).to_be_hidden()
    expect(page.locator(".jl-where")).to_have_attribute("title", re.compile("^made on .*:"))
    page.get_by_role("button", name="enlarge xy4").click()
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name=re.compile("^xy4, ")).press("Enter")
    expect(page.get_by_role("dialog", name="enlarged picture")).to_contain_text("small copy")


def test_the_keyboard_walks_a_gallery(page: Page) -> None:
    show(page, static_gallery(filled(9)))
    page.locator(".jl-card").first.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    expect(page.locator(".jl-where")).to_contain_text("xy7 · ")


def test_a_live_gallery_asks_its_kernel(page: Page) -> None:
    show_live_gallery(page, filled(4))
    last = "model.sent.at(-1)"
    page.get_by_role("button", name=re.compile("^xy1, ")).click()
    page.get_by_role("button", name="Bind").click()
    assert page.evaluate(last) == {"cmd": "bind", "item": 2, "name": "result_2"}
    page.get_by_role("button", name="Go on from it").click()
    assert page.evaluate(last) == {"cmd": "next", "item": 2}
    page.evaluate(COPIED)
    page.evaluate("model.say({cell: '%%dgen', new: true})")
    expect(page.locator(".jl-said")).to_have_text("the cell is copied")  # this page is no notebook
    page.get_by_role("button", name=re.compile("^xy2, ")).click(modifiers=["Shift"])
    page.get_by_role("button", name="Compare 2").click()
    assert page.evaluate(last) == {"cmd": "compare", "items": [2, 3]}
    page.get_by_role("button", name=re.compile("^xy1, ")).click()
    assert page.evaluate(last) == {"cmd": "whole", "item": 2}


def test_a_gallery_without_results_or_scripts(page: Page) -> None:
    show(page, static_gallery(filled(0)))
    expect(page.locator(".jl-empty")).to_have_text("a %%dgen cell makes results")
    show(page, re.sub(r"<script.*?</script>", "", static_gallery(filled(5)), flags=re.DOTALL))
    expect(page.locator("figure.jl-card img")).to_have_count(5)
    expect(page.locator("figure.jl-card").nth(2)).to_contain_text("hills, <b>bold</b> & {{ odd }}")


@pytest.mark.parametrize("size", [100_000, 30_000])
def test_a_gallery_keeps_its_size(page: Page, size: int) -> None:
    html = static_gallery(filled(31), size)
    assert len(html) < size
    show(page, html)
    count = page.locator(".jl-card").count()
    told = "31 results" if count == 31 else f"31 results, the newest {count} here"
    expect(page.locator(".jl-status")).to_have_text(f"this session · {told}")
