"""Each state of the view has a screenshot under its name; `STATES=folder` keeps them."""

import re
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from jupyter_latents import compare
from jupyter_latents.display.pictures.images import jpeg
from jupyter_latents.display.records.run_record import QueuedRun, RunRecord
from jupyter_latents.display.static_html import Budget, run_bundle, run_html
from jupyter_latents.engine import ItemEvent, WorkerRow
from jupyter_latents.stage import Prompt
from jupyter_latents.syntax import parse
from tests.browser.states import COPIED, Shot, ran, running, say, show_live, show_static, sweep_stages
from tests.display.fake_run import landscape, latents_at, noisy, scene, stage, two_stages

pytestmark = pytest.mark.browser
PROMPTS = ["a beautiful sunset over the mountains", "a starry night over the sea"]
WIDTHS = (360, 400, 600, 780, 1600)


def chosen(page: Page, label: str) -> None:
    page.get_by_role("button", name=label, exact=True).first.click()


def test_sweep(page: Page, shot: Shot) -> None:
    html = show_static(page, ran(sweep_stages()))
    assert len(html) < 300_000
    expect(page.locator(".jl-title")).to_have_text("xy")
    expect(page.locator(".jl-status")).to_contain_text("24 pictures · 96 steps")
    expect(page.get_by_role("tab")).to_have_text(
        ["a beautiful sunset over the mountains", "a starry night over the sea"]
    )
    expect(page.locator(".jl-corner")).to_have_text("guidance ↓seed →")
    expect(page.locator("th[scope=col]")).to_have_text(["1", "2", "3", "4"])
    expect(page.locator("th[scope=row]").filter(has_text=re.compile(r"^\d$"))).to_have_text(["2", "4", "7"])
    page.get_by_role("tab").first.click()
    chosen(page, "xy · guidance 4, seed 2, prompt a beautiful sunset over the mountains")
    expect(page.locator(".jl-facts")).to_contain_text("xy[5]")
    expect(page.locator(".jl-segment")).to_have_count(1)
    expect(page.locator(".jl-line")).to_contain_text("xy[5].save")
    assert page.locator("[aria-pressed=true] img").get_attribute("src") == page.locator(
        ".jl-large"
    ).first.get_attribute("src")
    shot("sweep")


def test_the_keyboard_walks_a_sweep(page: Page) -> None:
    show_static(page, ran(sweep_stages(prompts=1)))
    first = page.get_by_role("button", name="xy · guidance 2, seed 1", exact=True).first
    first.focus()
    for key in ("ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    expect(page.locator(".jl-facts")).to_contain_text("xy[5]")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="enlarged picture")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="enlarged picture")).not_to_be_visible()


def test_sweep_running(page: Page, shot: Shot) -> None:
    show_live(page, running(sweep_stages(), 5))
    expect(page.locator(".jl-status")).to_contain_text("picture 6 of 24 · denoising 3 of 4")
    expect(page.locator(".jl-pick:not([disabled])")).to_have_count(6)
    expect(page.locator(".jl-segment")).to_have_count(1)
    shot("sweep-running")
    chosen(page, "xy · guidance 2, seed 3, prompt a beautiful sunset over the mountains")
    say(page, running(sweep_stages(), 13))
    expect(page.locator(".jl-facts")).to_contain_text("xy[2]")
    expect(page.get_by_role("tab", selected=True)).to_have_text("a beautiful sunset over the mountains")


def at_work(record: RunRecord, first: int) -> None:
    """Four workers run the stages from the first on; those before are done, those after them wait."""
    stages = record.planned
    names = [f"xy[{number}]" for number in range(len(stages))]
    for number, name in enumerate(names):
        busy, step = first <= number < first + 4, first + 3 - number
        state = "running" if busy else "done" if number < first else "waiting"
        record.items[number] = ItemEvent(number, name, state, "denoising", *((step, 4) if busy else (0, 0)))
        if busy and step:
            record.looks[number] = jpeg(noisy(scene(stages[number], 128), 1 - 0.3 * step, number))
    record.workers = tuple(
        WorkerRow("lab-3", 4711 + place, "cpu", "busy", "demo/scenes", names[first + place], 4 + 3 - place)
        for place in range(4)
    )


def test_workers(page: Page, shot: Shot) -> None:
    stages = sweep_stages()
    record = RunRecord(planned=tuple(stages), stages=ran(stages).stages[:4])
    at_work(record, 4)
    show_live(page, record)
    expect(page.locator(".jl-status")).to_have_text("4 of 24 done · 4 at work")
    expect(page.locator(".jl-pick .jl-badge:visible")).to_have_text([f"{step} of 4" for step in (3, 2, 1, 0)])
    expect(page.locator(".jl-atwork img")).to_have_count(3)
    expect(page.locator(".jl-atwork img").first).to_have_js_property("naturalWidth", 128)
    expect(page.get_by_role("group", name="stages at work")).to_be_hidden()  # they stand in the grid
    page.get_by_text("4 workers").click()
    expect(page.locator(".jl-crew tr")).to_have_count(5)
    shot("workers")
    record.stages = ran(stages).stages[:5]
    record.items[4] = replace(record.items[4], state="done")
    say(page, record)
    expect(page.locator(".jl-atwork img")).to_have_count(2)
    expect(page.locator(".jl-pick:not([disabled])")).to_have_count(5)


def test_stages_at_work_that_stand_in_no_grid(page: Page) -> None:
    record = RunRecord(planned=tuple(two_stages()))
    record.items[0] = ItemEvent(0, "base", "running", "denoising", 3, 24)
    record.workers = (WorkerRow("lab-3", 4711, "cpu", "busy", "demo/scenes", "base", 3),)
    record.looks[0] = jpeg(landscape(128))
    show_live(page, record)
    looks = page.get_by_role("group", name="stages at work")
    expect(looks.locator("figcaption")).to_have_text("base · 3 of 24")
    expect(looks.get_by_role("img", name="preview of base")).to_have_js_property("naturalWidth", 128)


def test_enlarged(page: Page, shot: Shot) -> None:
    record = ran(sweep_stages())
    show_live(page, record)
    page.locator(".jl-large").first.click()
    expect(page.get_by_role("dialog", name="enlarged picture")).to_be_visible()
    assert page.evaluate("model.sent.at(-1)") == {"cmd": "whole", "point": 95, "picture": 0}
    dialog = page.get_by_role("dialog", name="enlarged picture")
    expect(dialog.locator(".jl-count")).to_have_text("24 of 24")
    expect(dialog.get_by_role("button", name="next picture")).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("ArrowRight")  # there is none: nothing happens
    page.keyboard.press("ArrowLeft")
    dialog.get_by_role("button", name="previous picture").click()
    expect(dialog.get_by_role("status")).to_have_text(re.compile("^xy · guidance 7, seed 2, prompt a starry"))
    expect(dialog.locator(".jl-count")).to_have_text("22 of 24")
    assert page.evaluate("model.sent.at(-1)") == {"cmd": "whole", "point": 87, "picture": 0}
    for _ in range(5):
        page.keyboard.press("Tab")
        assert page.evaluate("!document.activeElement.closest('.jl-body')"), "the focus left the window"
    shot("enlarged")
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()
    expect(page.locator(".jl-facts")).to_contain_text("xy[21]")
    show_static(page, ran(two_stages()))  # without a grid it walks the steps
    page.locator(".jl-large").first.click()
    page.keyboard.press("ArrowLeft")
    expect(dialog.get_by_role("status")).to_have_text(re.compile("step 29 of 30$"))


def test_help(page: Page, shot: Shot) -> None:
    show_static(page, ran(two_stages()))
    page.get_by_label("step", exact=True).press("?")
    expect(page.get_by_role("dialog", name="keys and words")).to_contain_text("how much noise is in the latents")
    expect(page.get_by_role("dialog", name="keys and words")).to_contain_text("in what is enlarged: from picture to")
    for part in ("VP", "guidance", "sampler, schedule", "hand-over", "Copy cell", "Branch here"):
        expect(page.locator(".jl-words dt", has_text=part)).to_have_count(1)
    shot("help")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="keys and words")).not_to_be_visible()
    page.get_by_role("button", name="keys and words").click()
    expect(page.get_by_role("dialog", name="keys and words")).to_be_visible()


def test_the_cell_of_a_step_and_of_a_sweep_is_copied_without_a_kernel(page: Page) -> None:
    show_static(page, ran(two_stages()))
    page.evaluate(COPIED)
    copy = page.get_by_role("button", name="Copy cell")
    copy.click()
    assert page.evaluate("copied").splitlines()[-1] == "--seeds 7"
    page.get_by_label("step", exact=True).fill("12")
    copy.click()
    assert page.evaluate("copied").splitlines()[-1] == "--denoising-end 0.4"
    show_static(page, ran(sweep_stages()))
    page.evaluate(COPIED)
    copy.click()
    assert page.evaluate("copied").splitlines()[-1] == "--seeds 1 2 3 4"
    page.get_by_role("tab").first.click()
    chosen(page, "xy · guidance 4, seed 2, prompt a beautiful sunset over the mountains")
    page.get_by_text("Export ▾").click()
    page.get_by_role("button", name="Copy the cell of this picture").click()
    assert page.evaluate("copied").splitlines()[-1] == "--seeds 2"
    page.get_by_text("Export ▾").click()
    page.get_by_role("button", name="Copy the line to save the sheet of all").click()
    assert page.evaluate("copied") == 'xy.grid().save("xy.png")'
    page.get_by_text("Export ▾").click()
    page.get_by_role("button", name="Copy the line to save the whole picture").click()
    assert page.evaluate("copied") == 'xy[5].save("xy5.png")'


def test_the_kernel_writes_the_cell_of_a_paused_run(page: Page) -> None:
    show_live(page, running(two_stages(), 0, 12))
    copy = page.get_by_role("button", name="Copy cell")
    expect(copy).to_be_hidden()  # the cell that runs stands above
    say(page, running(two_stages(), 0, 12, "paused"))
    expect(page.get_by_role("button", name="New cell")).to_be_hidden()  # this page is no notebook
    page.evaluate(COPIED)
    copy.click()
    assert page.evaluate("model.sent.at(-1)") == {"cmd": "cell", "point": 11, "whole": False, "new": False}
    page.evaluate("model.say({cell: '%%dgen', new: false})")
    expect(page.locator(".jl-said")).to_have_text("the cell is copied")
    assert page.evaluate("copied") == "%%dgen"


def test_every_step_gets_its_picture_where_somebody_chooses_so(page: Page) -> None:
    show_live(page, running(two_stages(), 0, 12, "paused"))
    page.get_by_label("a picture of every step").check()
    assert page.evaluate("model.sent.at(-1)") == {"cmd": "each", "on": True}


@pytest.mark.parametrize(
    ("element", "name", "value", "scheme"),
    [
        ("html", "theme", "dark", "dark"),  # Colab
        ("html", "theme", "light", "light"),
        ("body", "class", "vscode-dark", "dark"),
        ("body", "class", "vscode-light", "light"),
        ("body", "class", "vscode-high-contrast", "dark"),
        ("body", "class", "vscode-high-contrast vscode-high-contrast-light", "light"),
    ],
)
def test_colab_and_vscode_choose_the_colours(page: Page, element: str, name: str, value: str, scheme: str) -> None:
    show_static(page, ran([stage("final")]))
    page.evaluate("() => document.documentElement.removeAttribute('data-jp-theme-light')")
    page.evaluate("([on, name, value]) => document.querySelector(on).setAttribute(name, value)", [element, name, value])
    expect(page.locator("div.jl").last).to_have_css("color-scheme", scheme)
    back = "rgb(15, 19, 24)" if scheme == "dark" else "rgb(255, 255, 255)"
    expect(page.locator("div.jl").last).to_have_css("background-color", back)


def test_words_are_explained_where_they_stand(page: Page) -> None:
    show_static(page, ran(two_stages()))
    page.get_by_label("step", exact=True).press("ArrowLeft")
    noise = page.locator(".jl-facts th", has_text="noise")
    expect(noise).to_have_attribute("title", re.compile("how much noise is in the latents.*; VE: the form in which"))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_running_and_paused(page: Page, shot: Shot, dark: bool) -> None:
    theme = "dark" if dark else "light"
    show_live(page, running(two_stages(), 0, 12), dark=dark)
    expect(page.locator(".jl-status")).to_contain_text("denoising 12 of 30")
    shot(f"running-{theme}")
    expect(page.locator(".jl-levels span")).to_have_text(["σ 14.6 (VE)", "clean"])
    say(page, running(two_stages(), 0, 12, "paused"))
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    expect(page.locator(".jl-status")).to_have_text("paused at step 12 of 30")
    expect(page.get_by_role("button", name="Resume")).to_have_css("background-color", "rgb(47, 111, 235)")
    expect(page.locator(".jl-values")).to_have_text("channels")
    shot(f"paused-{theme}")


@pytest.mark.parametrize("state", ["light", "dark", "400 pixels"])
def test_a_run_that_has_ended(page: Page, shot: Shot, state: str) -> None:
    page.set_viewport_size({"width": 400 if state == "400 pixels" else 780, "height": 600})
    show_static(page, ran(two_stages()), dark=state == "dark")
    expect(page.locator(".jl-levels span").last).to_have_text("clean")
    expect(page.locator(".jl-facts tr").filter(has_text="guidance")).to_have_text("guidance5")
    if state == "400 pixels":
        widths = "(all) => all.map((one) => Math.round(one.getBoundingClientRect().width))"
        assert len(set(page.locator(".jl-strip, .jl-large:visible").evaluate_all(widths))) == 1
    shot(state)


def test_failed(page: Page, shot: Shot) -> None:
    record = running(two_stages(), 0, 12)
    record.end("failed", latents_at(two_stages()[0], 12))
    record.error = "out of memory: 8 GB were asked for; use --model-cpu-offload or a smaller --output-size"
    show_static(page, record)
    expect(page.locator(".jl-status")).to_have_text(f"failed: {record.error}")
    expect(page.locator(".jl-next")).to_have_text(
        "Next: change the options and run it again; base holds the latents of step 12."
    )
    expect(page.get_by_role("button", name="Copy cell")).to_be_visible()
    expect(page.locator(".jl-name")).to_have_text(
        ["demo/scenes, steps 0–24 of 30, ended at 12", "demo/paper, steps 24–30 of 30"]
    )
    broken = page.locator(".jl-broke > .jl-done")
    expect(broken).to_have_css("border-right", "14px solid rgb(197, 34, 31)")
    expect(broken).to_have_attribute("style", "width: 50%;")
    expect(page.locator(".jl-status")).to_have_attribute("data-state", "failed")
    shot("failed")


def test_queued(page: Page, shot: Shot) -> None:
    record = RunRecord(planned=tuple(two_stages()), state="queued", ahead="morning")
    record.queue = (QueuedRun("night", own=False), QueuedRun("base → final", own=True), QueuedRun("xy", own=False))
    show_live(page, record)
    expect(page.locator(".jl-status")).to_have_text("waiting for 2 earlier runs")
    expect(page.locator(".jl-acts button:visible")).to_have_text(["Cancel", "?"])
    expect(page.locator(".jl-waits b")).to_have_text(["morning", "night", "base → final (this one)", "xy"])
    expect(page.locator(".jl-place")).to_have_text(["running", "next", "then", "then"])
    expect(page.locator(".jl-doing").nth(2).get_by_role("button")).to_have_text(["Move to front"])
    shot("queued")
    page.get_by_role("button", name="move xy to the front").click()
    assert page.evaluate("model.sent.at(-1)") == {"cmd": "advance", "place": 2}
    page.get_by_role("button", name="cancel night").click()
    assert page.evaluate("model.sent.at(-1)") == {"cmd": "cancel", "place": 0}
    page.get_by_role("button", name="cancel this run").click()
    assert page.evaluate("model.sent.at(-1)") == {"cmd": "stop"}


def test_queued_behind_a_paused_run(page: Page, shot: Shot) -> None:
    record = RunRecord(planned=tuple(two_stages()), state="queued", held_up="night")
    record.queue = (QueuedRun("base → final", own=True),)
    show_live(page, record)
    expect(page.locator(".jl-status")).to_have_text("waiting: night is paused")
    page.get_by_role("button", name="resume night").click()
    assert page.evaluate("model.sent.at(-1)") == {"cmd": "free", "stop": False}
    expect(page.locator(".jl-doing").first.get_by_role("button")).to_have_text(["Resume night", "Stop night"])
    page.get_by_role("button", name="stop night").click()
    assert page.evaluate("model.sent.at(-1)") == {"cmd": "free", "stop": True}
    shot("queued-behind-a-paused-run")


def test_compare(page: Page, shot: Shot) -> None:
    made = compare(landscape(256, 1), landscape(256, 4), ("before", "after"))
    page.set_content(made._repr_mimebundle_()["text/html"])
    expect(page.locator(".jl-half")).to_have_text(["before", "after"])
    expect(page.locator(".jl-before")).to_be_visible()
    expect(page.get_by_label("before on the left, after on the right")).to_have_count(1)
    expect(page.locator(".jl-facts th")).to_have_text(["picture", "size"])
    expect(page.locator(".jl-line")).to_have_text("")
    shot("compare")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_sweep_fits_every_width(page: Page, shot: Shot, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    show_static(page, ran(sweep_stages()), dark=width == 400)
    over = "(one) => one.scrollWidth - one.clientWidth"
    assert [page.locator(part).evaluate(over) for part in (".jl-tabs", ".jl-scroll")] == [0, 0]
    shown, made = page.locator(".jl-pick img").first.evaluate("(one) => [one.clientWidth, one.naturalWidth]")
    assert {360: 40, 400: 48, 600: 92, 780: 130, 1600: 140}[width] <= shown <= min(160, 2 * made)
    card = page.locator("div.jl").last.bounding_box()
    assert card is not None
    assert card["width"] > (width - 20 if width < 780 else 740 if width == 780 else 1300)
    shot(f"sweep-{width}")


@pytest.mark.parametrize("width", [360, 480, 700, 760, 1600])
def test_no_button_of_the_head_stands_alone_in_a_row(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    show_live(page, running(two_stages(), 1, 6, state="paused"))
    acts = page.locator(".jl-acts")
    acts.get_by_text("New cell").evaluate("(button) => { button.hidden = false; }")  # as in JupyterLab
    expect(acts.get_by_role("button", name="Resume")).to_be_visible()
    tops = acts.evaluate("(row) => [...row.children].filter((one) => one.offsetHeight).map((one) => one.offsetTop)")
    assert len(set(tops)) == 1


def test_a_sweep_over_refined_pairs_is_one_grid(page: Page, shot: Shot) -> None:
    text = "demo/scenes --prompts a --seeds 1 --guidance-scales 3 5 --sdxl-refiner demo/paper -gs2 2 6 7 --into xy"
    pairs = [
        replace(one, num_inference_steps=5, scheduler="EulerDiscreteScheduler", prompt=Prompt(PROMPTS[0]))
        for made in parse(text)
        for one in made.stages()
    ]
    show_static(page, ran(pairs))
    expect(page.locator(".jl-corner")).to_have_text("guidance ↓refiner guidance →")
    expect(page.locator(".jl-pick:not([disabled])")).to_have_count(6)
    expect(page.locator(".jl-status")).to_contain_text("6 pictures")
    expect(page.locator(".jl-segment")).to_have_count(2)
    chosen(page, "xy · guidance 3, refiner guidance 6")
    page.get_by_label("step", exact=True).press("Home")  # a step of the base: the grid stays, and what it leads to
    expect(page.locator(".jl-facts")).to_contain_text("demo/scenes")
    expect(page.locator(".jl-pick[aria-pressed=true]")).to_have_count(1)
    expect(page.locator(".jl-line")).to_have_text("no variable holds this step; Copy cell makes it again")
    expect(page.locator(".jl-corner")).to_have_text("guidance ↓refiner guidance →")
    shot("sweep-of-refined-pairs")


def test_a_sweep_of_two_stages_shows_the_chosen_way_on_its_bar(page: Page) -> None:
    base = sweep_stages(prompts=1, name="base", window=two_stages()[0].window)
    final = sweep_stages(prompts=1, name="final", window=two_stages()[1].window, model=two_stages()[1].model)
    show_live(page, running([*base, *final], 14, 0))
    expect(page.locator(".jl-segment")).to_have_count(2)
    expect(page.locator(".jl-name")).to_have_text(["demo/scenes, steps 0–3 of 4", "demo/paper, steps 3–4 of 4"])


def test_a_sweep_that_has_room_for_no_grid_shows_one_picture_of_all(page: Page) -> None:
    page.set_content(run_html(ran(sweep_stages()), Budget(1, 32, 0, 0, script=False)))
    expect(page.locator("table.jl-lattice")).to_have_count(0)
    expect(page.locator(".jl-large")).to_have_count(1)


@pytest.mark.parametrize("size", [300_000, 60_000, 30_000])
def test_a_sweep_keeps_its_size_and_shows_its_pictures_without_scripts(page: Page, size: int) -> None:
    record = ran(sweep_stages())
    assert sum(len(part.encode()) for part in run_bundle(record, size).values()) <= size
    html = show_static(page, record, size=size)
    page.set_content(re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL))
    expect(page.locator("table.jl-lattice")).to_have_count(2)
    expect(page.locator(".jl-axisname")).to_have_text(PROMPTS)
    expect(page.locator(".jl-lattice img")).to_have_count(24)
