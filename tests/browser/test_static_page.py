"""The lasting output as a page of its own: what its script draws, without JupyterLab."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from jupyter_latents.display import payload, view
from jupyter_latents.display.records.fill import fill_end
from jupyter_latents.display.records.run_record import RunRecord
from jupyter_latents.display.scripts import live_script
from jupyter_latents.display.static_html import BUDGETS, run_html
from jupyter_latents.stage import Stage
from tests.display.fake_run import fake_previews, stage, start, two_stages

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser_context: BrowserContext) -> Iterator[Page]:
    """An empty page."""
    made = browser_context.new_page()
    yield made
    made.close()


def record_of_run(stages: list[Stage], side: int = 64) -> RunRecord:
    """A finished run of drawn pictures with a frame for each step."""
    fake_previews(side)
    shown = view.RunView(preview_every=1)
    assert start(shown, stages, side=side).wait(60)
    shown.finish()
    return shown.record


def test_export_says_where_the_page_holds_a_smaller_copy(page: Page) -> None:
    page.set_content(run_html(record_of_run([stage("final")], side=384), BUDGETS[1]))
    menu = page.locator(".jl-list button")
    expect(menu.first).to_have_text("Picture .png as shown here, 512 × 512 of 768 × 768")
    expect(menu.nth(1)).to_have_text("Copy the line to save the whole picture")
    page.get_by_label("step", exact=True).press("ArrowLeft")
    expect(menu.first).to_have_text("Picture .png: the preview of this step")
    page.set_content(run_html(record_of_run([stage("final")]), BUDGETS[1]))
    expect(menu.first).to_have_text("Picture .png as shown here")


def test_the_strip_keeps_each_model_to_its_own_part_and_ends_with_the_decoded_picture(page: Page) -> None:
    record = record_of_run(two_stages())
    for point in record.stages[1].points:
        point.frame = None  # the second model had no time for any
    fill_end(record.stages[1])
    page.set_content(run_html(record, BUDGETS[0]))
    thumbs = page.locator(".jl-thumb")
    expect(thumbs).to_have_count(10)
    shown = [thumbs.nth(index).get_attribute("data-point") for index in range(10)]
    assert shown[7:] == ["23", "26", "29"], "base ends at step 24 of 30"
    sources = [thumbs.nth(index).locator("img").get_attribute("src") for index in range(10)]
    assert [place for place, source in enumerate(sources) if not source] == [8], "no other step stands for one"
    assert thumbs.nth(8).get_attribute("title") == "final, σ 0.232 (VE), step 27 of 30, no picture is kept"
    large = page.locator(".jl-large").first.get_attribute("src")
    assert thumbs.last.locator("img").get_attribute("src") == large


@pytest.mark.parametrize(("stages", "parts"), [(two_stages(), 10), ([stage("few", num_inference_steps=7)], 7)])
def test_the_thumbnail_that_is_chosen_is_the_one_that_is_marked(page: Page, stages: list[Stage], parts: int) -> None:
    page.set_content(run_html(record_of_run(stages), BUDGETS[0]))
    marked = page.evaluate(
        """() => {
            const thumbs = [...document.querySelectorAll(".jl-thumb")].filter((thumb) => !thumb.hidden);
            return thumbs.map((thumb) => {
                thumb.click();
                return thumbs.findIndex((one) => one.classList.contains("jl-here"));
            });
        }"""
    )
    assert marked == list(range(parts))


def test_what_a_kernel_left_in_a_widget_is_shown_and_runs_nothing(page: Page) -> None:
    """As in marimo's exported pages, which anybody may have changed."""
    hostile = '<img src=x onerror="window.hit = 1"><svg onload="window.hit = 1"></svg><script>window.hit = 1</script>'
    still = f'<style>.mine {{ color: teal }}</style><p class="mine">a hill</p>{hostile}'
    still += '<a href=" javascript:window.hit=1">b</a>'
    page.set_content("<div><div id=here></div></div>")
    page.add_script_tag(content=live_script().replace("export default", "window.live ="))
    page.evaluate(
        """(still) => live.render({ el: document.querySelector("#here"),
        model: { get: () => still, on() {}, off() {}, send() {} } })""",
        still,
    )
    expect(page.get_by_text("a hill")).to_have_css("color", "rgb(0, 128, 128)")
    page.get_by_text("b", exact=True).click(force=True)
    page.wait_for_timeout(100)
    assert page.evaluate("window.hit") is None


def test_a_live_view_takes_all_that_a_message_says_of_the_run(page: Page) -> None:
    """So a further figure is a key of `payload.head` and what draws it."""
    page.add_script_tag(content=live_script().replace("export default", "window.live ="))
    said = {**payload.head(RunRecord()), "crew": {}, "figure": 7}
    state = page.evaluate(
        """(said) => {
            const view = { state: {}, asked: new Set(), draw() {} };
            receive(view, [], { all: true, model: "m", ...said }, []);
            return view.state;
        }""",
        said,
    )
    assert state == {**said, "points": [], "looks": {}}
