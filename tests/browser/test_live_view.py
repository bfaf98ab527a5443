"""The live view and its lasting output in JupyterLab, on runs without models."""

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import BrowserContext, Locator, expect

from tests.browser.lab_page import LabPage, LabServer, until

pytestmark = pytest.mark.browser

REPOSITORY = Path(__file__).parents[2]
SETUP = f"""import sys, time
sys.path.insert(0, {str(REPOSITORY)!r})
from jupyter_latents.display.view import RunView, view_of
from tests.display.fake_run import *
fake_previews(64)
torch.set_num_threads(1)"""
RUN = """view = RunView()
view.plan(two_stages())
view.show()
run = start(view, two_stages(), lambda: time.sleep(0.2))
while not run.wait(0.1):
    view.pump()
view.finish()"""
MADE = "steps = tuple(latents_at(stage(), n) for n in range(1, 25))\nbase = steps[-1].replace(trajectory=steps)"
HOSTILE = "</script><img src=x onerror=window.hit=1>"
QUICK = RUN.replace("time.sleep(0.2)", "None")


def held(until: str, every: int | None = None) -> str:
    """A run that waits while a condition on its record holds, to be stopped or paused."""
    waits = f'while view.record.stages{until} and view.run.state == "running":\n        time.sleep(0.02)'
    run = QUICK.replace("lambda: None", "hold").replace("RunView()", f"RunView(preview_every={every})")
    return f"def hold():\n    time.sleep(0.02)\n    {waits}\n{run}"


# It goes on when there is a file "go", and leaves a file "ended".
LATE = """import contextvars, threading
from pathlib import Path
def hold():
    while not Path("go").exists():
        time.sleep(0.02)
def end():
    run.wait()
    view.finish()
    Path("ended").touch()
view = RunView()
view.show()
run = start(view, [stage()], hold)
threading.Thread(target=contextvars.copy_context().run, args=(end,)).start()"""
CELLS = {
    "stopped": held("[-1].done > 4", 1),
    "how it ended": "run.state, view.record.stages[0].done < 24",
    "quick": QUICK.replace("view.show()", "view.show()\nview.note('2 messages\\nthe last: x')"),
    "latents": f"{MADE}\nview_of(base)",
    "bound": "base_12.position.step",
    "bar": held("[0].done == 5"),
    "older": held("[-1].done > 22", 20),
    "looked": held("[-1].done > 4", 20),
    "batch": QUICK.replace("two_stages()", "[stage('four', batch_size=4)]"),
    "late": LATE,
    # A frame for each step, however busy the machine is.
    "hostile": QUICK.replace("two_stages()", f"[stage(prompt=Prompt({HOSTILE!r}))]").replace(
        "RunView()", "RunView(preview_every=1)"
    ),
    "ended": held("[-1].done > 4", 1).partition("while not")[0],
}
NUMBER = {name: number for number, name in enumerate(CELLS, 1)}


@pytest.fixture(scope="module")
def shared(browser_context: BrowserContext, lab_server: LabServer) -> Iterator[LabPage]:
    """One page, one notebook and one kernel for all tests here; the last ones open it again and end the kernel."""
    lab = LabPage(browser_context.new_page(), lab_server)
    lab.write("live.ipynb", SETUP, *CELLS.values())
    lab.open("live.ipynb")
    lab.run_cell(0)
    yield lab
    lab.shut_kernel()
    lab.page.close()


def ran(lab: LabPage, name: str) -> Locator:
    """Runs a cell to its end; its output."""
    return lab.run_cell(NUMBER[name])


def begun(lab: LabPage, name: str) -> tuple[int, Locator]:
    """Starts a cell; its number for `wait_for`, and its output."""
    return lab.start_cell(NUMBER[name]), lab.output(NUMBER[name])


def kinds(lab: LabPage, name: str) -> set[str]:
    """What the outputs of a cell are in the saved notebook."""
    return {kind for output in lab.save().cells[NUMBER[name]].outputs for kind in output.data}


def test_live_view_shows_progress_and_stop_ends_the_run(shared: LabPage) -> None:
    run, output = begun(shared, "stopped")
    expect(output.locator(".jl-status")).to_contain_text(re.compile(r"denoising \d+ of 30"), timeout=30_000)
    expect(output.locator(".jl-one img").first).to_have_attribute("src", re.compile("^blob:"))
    output.get_by_role("button", name="Stop").click()
    shared.wait_for(run)
    expect(output.locator(".jl-status")).to_contain_text("stopped at step")
    assert shared.said(NUMBER["how it ended"]) == "('stopped', True)"
    assert kinds(shared, "stopped") == {"text/html", "image/png", "text/plain"}


def test_a_saved_view_of_latents_needs_no_kernel(shared: LabPage) -> None:
    output = ran(shared, "latents")
    expect(output.locator(".jl-facts")).to_contain_text("sunset")
    assert kinds(shared, "latents") == {"text/html", "image/png", "text/plain"}
    expect(output.locator(".jl-one img").first).to_have_attribute("src", re.compile("^data:"))


def test_untrusted_notebook_keeps_the_picture(shared: LabPage, lab: LabPage) -> None:
    sys.path.insert(0, str(REPOSITORY))
    from tests.display.test_static_html import record_of_run, run_bundle, two_stages

    path = lab.write("untrusted.ipynb", "1")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].outputs = [nbformat.v4.new_output("display_data", run_bundle(record_of_run(two_stages())))]
    notebook.cells[0].execution_count = 1
    nbformat.write(notebook, path)
    lab.open("untrusted.ipynb")
    large = lab.output(0).get_by_alt_text("the picture")
    expect(large).to_be_visible()
    assert lab.output(0).get_by_role("button").count() == 0
    expect(large).to_have_js_property("naturalWidth", 128)


def test_buttons_bind_and_export_in_the_kernel(shared: LabPage) -> None:
    output = ran(shared, "latents")
    output.locator(".jl-scrubber").fill("12")
    output.get_by_role("button", name="Branch here").click()
    expect(output.locator(".jl-said")).to_have_text("base_12 is bound (base.at(step=12))")
    output.locator(".jl-menu summary").click()
    output.get_by_role("button", name="Latents .safetensors").click()
    expect(output.locator(".jl-said")).to_have_text("saved base_12.safetensors")
    assert (shared.server.notebooks / "base_12.safetensors").exists()
    assert shared.said(NUMBER["bound"]) == "12"


# WCAG's contrast of the text with what is behind it, the least over all elements that a selector finds.
CONTRAST = """([root, selector]) => {
    const light = (color) => {
        const [r, g, b] = color.match(/[\\d.]+/g).map(Number).map((value) => value / 255)
            .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const color = getComputedStyle(at).backgroundColor;
            if (!/, 0\\)$/.test(color)) return color;
        }
    };
    const found = [...root.querySelectorAll(selector)].filter((one) => one.offsetParent && one.textContent);
    return Math.min(...found.map((one) => {
        const [low, high] = [light(getComputedStyle(one).color), light(ground(one))].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    }));
}"""
# What stands out of the view to the right.
FITS = """(root) => [...root.querySelectorAll('*')].filter((one) => one.offsetParent
    && one.getBoundingClientRect().right > root.getBoundingClientRect().right + 1).map((one) => one.className).join()"""
SHARES = "(parts) => parts.map((one) => Math.round(parseFloat(one.style.width)))"
TEXTS = ".jl-title, .jl-status, .jl-name, .jl-levels span, .jl-facts th, .jl-facts td, .jl-values, .jl-button, .jl-line"
THEME = "(theme) => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"


def test_the_keyboard_walks_the_steps_and_reads_the_latents(shared: LabPage) -> None:
    for cell, last in (("quick", 30), ("latents", 24)):  # the lasting output, and a live one
        output = ran(shared, cell)
        scrubber = output.get_by_label("step", exact=True)
        expect(scrubber).to_be_enabled()
        for key, step in (("End", last), ("ArrowLeft", last - 1), ("Home", 1), ("ArrowRight", 2), ("ArrowUp", 3)):
            scrubber.press(key)
            expect(scrubber).to_have_attribute("aria-valuetext", re.compile(rf"step {step} of 30"))
        output.get_by_label("arrow keys read the latents").press("ArrowDown")
        shared.page.keyboard.press("ArrowRight")
        expect(output.locator(".jl-values")).to_contain_text(re.compile(r"\[:, 9, 9\] = −?\d"))
        assert shared.page.evaluate("panel.content.activeCellIndex") == NUMBER[cell], "JupyterLab took a key"


def test_two_stages_are_laid_over_each_other(shared: LabPage) -> None:
    output = ran(shared, "quick")
    before = output.locator(".jl-before")
    expect(before).to_be_hidden()
    output.get_by_role("button", name="Compare").click()
    expect(before).to_be_visible()
    expect(before).not_to_have_attribute("src", output.locator(".jl-large").first.get_attribute("src") or "")
    expect(output.locator(".jl-notes summary")).to_have_text("2 messages")
    expect(output.get_by_label("compare with")).to_contain_text("base")
    half = before.evaluate("(image) => getComputedStyle(image).clipPath")
    output.get_by_label("base on the left, final on the right").press("ArrowRight")
    expect(before).not_to_have_css("clip-path", half)
    output.get_by_role("button", name="Compare").click()
    expect(before).to_be_hidden()


def test_the_bar_tells_levels_stages_and_progress(shared: LabPage) -> None:
    run, output = begun(shared, "bar")
    bar = output.get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuenow", "5")
    expect(bar).to_have_attribute("aria-valuemax", "30")
    until(output.locator(".jl-done"), SHARES, [21, 0])  # 5 of 24 steps, none of 6
    expect(output.locator(".jl-levels span")).to_have_text(["σ 14.6 (VE)", "clean"])
    expect(output.locator(".jl-name")).to_have_text(["demo/scenes, steps 0–24 of 30", "demo/paper, steps 24–30 of 30"])
    output.get_by_role("button", name="Pause").click()  # what holds it lets go of a paused run: its step ends
    expect(bar).to_have_attribute("aria-valuenow", "6")
    output.get_by_role("button", name="Resume").click()
    shared.wait_for(run)
    expect(bar).to_have_attribute("aria-valuenow", "30")
    until(output.locator(".jl-done"), SHARES, [100, 100])
    expect(output.locator(".jl-levels span")).to_have_text(["σ 14.6 (VE)", "σ 0.37", "clean"])


def test_what_is_older_than_the_step_says_so(shared: LabPage) -> None:
    run, output = begun(shared, "older")
    expect(output.locator(".jl-values")).to_have_text("channels at step 20")
    expect(output.locator(".jl-one .jl-badge:visible")).to_have_text("picture of step 20")
    picture = output.locator(".jl-large").first
    expect(picture).to_have_attribute("alt", re.compile("step 23 of 30, picture of step 20$"))
    output.get_by_role("button", name="Stop").click()
    shared.wait_for(run)


def test_batches_stand_in_a_grid_and_grow_when_clicked(shared: LabPage) -> None:
    output = ran(shared, "batch")
    expect(output.locator(".jl-enlarge")).to_have_count(4)
    output.get_by_label("enlarge picture 1").click()
    expect(output.locator(".jl-one")).to_be_visible()
    output.locator(".jl-one").hover()
    expect(output.locator(".jl-values")).to_contain_text("[0, :, ")
    output.locator(".jl-one").click()
    output.get_by_label("enlarge picture 3").click()
    output.locator(".jl-one").hover()
    expect(output.locator(".jl-values")).to_have_text("channels of the first picture")
    with shared.page.expect_download() as download:
        output.locator(".jl-menu summary").click()
        output.get_by_role("button", name="Picture .png").click()
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")


def test_pausing_and_scrubbing_make_the_pictures_of_the_steps_looked_at(shared: LabPage) -> None:
    run, output = begun(shared, "looked")
    expect(output.locator(".jl-status")).to_contain_text("denoising 5 of 30")
    expect(output.locator(".jl-large").first).to_be_hidden()
    output.get_by_role("button", name="Pause").click()  # what holds it lets go of a paused run: its step ends
    expect(output.locator(".jl-status")).to_contain_text("paused at step 6 of 30")
    picture = output.locator(".jl-large").first
    expect(picture).to_have_attribute("alt", re.compile("step 6 of 30$"))  # its own, no other in its place
    newest = picture.get_attribute("src") or ""
    output.get_by_label("step", exact=True).press("ArrowLeft")
    expect(picture).to_have_attribute("alt", re.compile("step 5 of 30$"))
    expect(picture).not_to_have_attribute("src", newest)
    expect(output.locator(".jl-values")).to_have_text("channels")
    output.get_by_role("button", name="Branch here").click()
    expect(output.locator(".jl-said")).to_have_text("base_5 is bound")
    output.get_by_role("button", name="Stop").click()
    shared.wait_for(run)


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_it_is_readable_in_both_themes_and_400_pixels_wide(shared: LabPage, theme: str, tmp_path: Path) -> None:
    shared.page.evaluate(THEME, theme)
    for cell in ("latents", "quick"):  # a live view, and the lasting output
        output = ran(shared, cell)
        expect(output.locator(".jl-facts")).to_contain_text("sunset")
        view = output.locator(".jl").last
        expect(view).to_have_css("color-scheme", theme.rpartition(" ")[2].lower())
        until(view, f"(root) => ({CONTRAST})([root, {TEXTS!r}]) >= 4.5", wanted=True)
        view.evaluate("(root) => { root.style.maxWidth = '400px'; }")
        until(view, FITS, "")  # nothing stands out of 400 pixels
        assert shared.screenshot(tmp_path / f"{cell}.png").stat().st_size > 10_000


def test_a_page_that_opens_after_the_end_puts_the_lasting_output_in_its_place(shared: LabPage) -> None:
    output = ran(shared, "late")
    expect(output.locator(".jl-status")).to_contain_text("loading")
    shared.save()
    shared.page.goto("about:blank")
    (shared.server.notebooks / "go").touch()
    deadline = time.monotonic() + 60
    while not (shared.server.notebooks / "ended").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    shared.open("live.ipynb")
    expect(output.locator(".jl-one img").first).to_have_attribute("src", re.compile("^data:"))
    expect(output.locator(".jl-status")).to_contain_text("30 steps")
    saved = [set(output.data) for output in shared.save().cells[NUMBER["late"]].outputs]
    assert saved == [{"text/html", "image/png", "text/plain"}]


def test_a_kernel_that_ends_leaves_the_last_picture(shared: LabPage) -> None:
    ran(shared, "hostile")  # for the test below
    output = ran(shared, "ended")
    expect(output.locator(".jl-one img").first).to_have_js_property("naturalWidth", 64)
    shared.page.evaluate("() => window.panel.sessionContext.session.kernel.restart()")
    expect(output.get_by_role("button", name="Stop")).to_have_count(0)
    expect(output.locator("img")).to_have_attribute("src", re.compile("^data:image/png"))
    (saved,) = shared.save().cells[NUMBER["ended"]].outputs
    assert set(saved.data) == {"text/html", "image/png", "text/plain"}
    assert saved.data["text/plain"].startswith("base → final: the kernel ended: denoising ")
    assert saved.data["text/html"].startswith("<div>base → final: the kernel ended: denoising ")
    assert "<img " in saved.data["text/html"], "the picture alone would hide the words"
    assert not saved.data["text/plain"].endswith("left")


def test_reopened_notebook_shows_its_run(shared: LabPage) -> None:
    output = shared.output(NUMBER["hostile"])
    if not output.locator(".jl-status").count():  # where this test runs alone
        ran(shared, "hostile")
    shared.save()
    shared.shut_kernel()
    shared.open("live.ipynb")
    expect(output.locator(".jl-status")).to_contain_text("30 steps")
    output.locator(".jl-thumb").nth(4).click()
    expect(output.locator(".jl-line")).to_have_text("base_15 = base.at(step=15)")
    output.locator(".jl-one").hover()
    expect(output.locator(".jl-values")).to_contain_text(re.compile(r"\[:, [78], [78]\] = "))
    expect(output.locator(".jl-facts")).to_contain_text(HOSTILE)
    assert shared.page.evaluate("window.hit") is None
