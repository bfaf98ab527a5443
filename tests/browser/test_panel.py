"""The control panel in JupyterLab, with the mouse and the keyboard."""

import base64
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Locator, expect

from jupyter_latents.pictures.films import film_bytes
from jupyter_latents.pictures.metadata.record import Record, write_record
from jupyter_latents.pictures.metadata.texts import OURS
from tests.browser.lab_page import LabPage, LabServer

pytestmark = pytest.mark.browser

# A file with the given content, as a browser carries one that is dragged from a folder.
CARRIED = """([name, type, content]) => {
    const carried = new DataTransfer();
    carried.items.add(new File([Uint8Array.from(atob(content), (one) => one.charCodeAt(0))], name, {type}));
    return carried;
}"""
DROPPED = """async () => {
    const sheet = Object.assign(document.createElement('canvas'), {width: 8, height: 8});
    const picture = await new Promise((done) => sheet.toBlob(done, 'image/png'));
    const carried = new DataTransfer();
    carried.items.add(new File([picture], 'my photo.png', {type: 'image/png'}));
    return carried;
}"""
OPEN = "from jupyter_latents.display.panel import panel\npanel()"
# Letters wait in the thread that brings them until the click has been answered; kernels that bring both in one thread
# answer them in order.
HELD = """import threading
from jupyter_latents.display.panel import control, panel
gate, edited, press = threading.Event(), control.Panel._edited, control.Panel._press
def held(self, form, name, value):
    if threading.current_thread() is not threading.main_thread():
        gate.wait(5)
    edited(self, form, name, value)
def pressed(self, one):
    press(self, one)
    gate.set()
control.Panel._edited, control.Panel._press = held, pressed
panel('demo/scenes --prompts "x" --into base')"""
LET_GO = "control.Panel._edited, control.Panel._press = edited, press"
CELLS = {
    "picture": OPEN,
    "number": "1 + 1",
    "bound": "base.position, final.is_clean",
    "held": HELD,
    "let go": LET_GO,
    "open": OPEN,
    "files": OPEN,  # the last one: its panel puts a cell below
}
NUMBER = {name: number for number, name in enumerate(CELLS)}


@pytest.fixture(scope="module")
def lab(browser_context: BrowserContext, lab_server: LabServer) -> Iterator[LabPage]:
    """One notebook and one kernel for all tests here, in their order; the last one ends the kernel."""
    page = LabPage(browser_context.new_page(), lab_server)
    page.write("panel.ipynb", *CELLS.values())
    page.open("panel.ipynb")
    yield page
    page.shut_kernel()
    page.page.close()


def opened(lab: LabPage, name: str) -> Locator:
    """Opens the panel of a cell; the output it stands in."""
    return lab.run_cell(NUMBER[name], 120)


def back_from(handle: Locator, step: int) -> None:
    """Moves a handle of the window's slider one step back, once it stands where the stage has it."""
    expect(handle).to_have_attribute("aria-valuenow", re.compile(rf"^{step}(\.0)?$"))
    handle.focus()
    handle.page.keyboard.press("ArrowLeft")


def field(output: Locator, label: str) -> Locator:
    """The control of a field; sections and lists of all have names of their own."""
    return output.locator("input[type=text], textarea, select").and_(output.get_by_label(label, exact=True))


def film(ending: str) -> bytes:
    """A film of ours, whose cell's prompt names its ending."""
    cell = f'%%dgen\ndemo/scenes\n--prompts "waves, {ending}"\n--seeds 7\n'
    texts = {OURS: write_record(Record(cell))}
    return film_bytes([Image.new("RGB", (16, 16), (9, 9, shade)) for shade in (0, 90)], ending, 8, texts)


def drop(on: Locator, carried: object) -> None:
    """Drags a file over a part of the page and lets it fall."""
    for event in ("dragover", "drop"):
        on.dispatch_event(event, {"dataTransfer": carried})


def press(output: Locator, name: str) -> None:
    """Clicks a button of the panel."""
    output.locator(".dgp-panel").get_by_role("button", name=name, exact=True).click()


def test_from_an_empty_panel_to_a_picture(lab: LabPage, tmp_path: Path) -> None:
    output, page = opened(lab, "picture"), lab.page
    for name in ("Model", "Prompt", "Steps", "Picture in", "Comes out", "More"):
        expect(output.get_by_role("group", name=name, exact=True)).to_be_visible()
    field(output, "Prompt").fill("a hill <img onerror=x>")  # mouse and keyboard fill the same fields
    field(output, "Steps in all").click()
    page.keyboard.type("-4")
    output.get_by_text("give a whole number of steps, 1 or more").wait_for()
    expect(field(output, "Steps in all")).to_have_attribute("aria-invalid", "true")
    expect(field(output, "Steps in all")).to_have_accessible_description(re.compile("^'-4' is not allowed"))
    output.get_by_role("button", name="1 field to fix", exact=True).focus()
    page.keyboard.press("Enter")
    expect(field(output, "Steps in all")).to_be_focused()
    press(output, "Fix 1 field")
    expect(output.get_by_role("alert")).to_contain_text("Steps in all: '-4' is not allowed")
    field(output, "Steps in all").press("End")
    page.keyboard.press("Backspace")
    page.keyboard.press("Backspace")
    page.keyboard.type("4")
    press(output, "Cell text")
    script = output.get_by_label("Script")
    expect(script).to_have_value(re.compile("--inference-steps 4"))
    output.get_by_text("give a whole number of steps").first.wait_for(state="detached")
    output.get_by_role("slider", name="Steps in all, slider").focus()
    page.keyboard.press("ArrowRight")
    expect(field(output, "Steps in all")).to_have_value("5")
    page.keyboard.press("ArrowLeft")
    expect(script).to_have_value(re.compile("--inference-steps 4"))

    output.get_by_role("button", name="+ Stage").focus()
    page.keyboard.press("Enter")
    output.get_by_role("button", name="final demo/scenes").wait_for()
    back_from(output.get_by_role("slider", name="Steps of this stage, start"), 3)
    output.get_by_text("2 evaluations").wait_for(timeout=90_000)
    page.wait_for_function(
        "() => [...document.querySelectorAll('textarea')].some(one => one.value.includes('--denoising-start 0.5'))"
    )
    output.get_by_role("button", name="base demo/scenes").click()
    expect(field(output, "Save as variable")).to_have_value("base")
    expect(output.get_by_role("button", name="base demo/scenes")).to_have_attribute("aria-pressed", "true")
    back_from(output.get_by_role("slider", name="Steps of this stage, end"), 3)  # and Run at once: it must not overtake
    output.get_by_role("button", name="▶ Run").focus()
    page.keyboard.press("Enter")
    output.get_by_text("done, saved as base and final · 4 model evaluations").wait_for(timeout=120_000)
    output.locator("img").first.wait_for()
    expect(output.locator("div.jl").last).to_contain_text("<img onerror=x>")
    assert lab.said(NUMBER["number"]) == "2"
    said = lab.said(NUMBER["bound"])
    assert "step=2, of=4" in said
    assert "True" in said
    saved = lab.save().cells[NUMBER["picture"]].outputs
    assert any("image/png" in one.get("data", {}) for one in saved), "a run of the open panel stays in the notebook"
    assert lab.screenshot(tmp_path / "panel.png").stat().st_size > 10_000


def test_files_a_pasted_cell_and_a_new_one(lab: LabPage) -> None:
    output, page = opened(lab, "files"), lab.page
    press(output, "Cell text")
    script = output.get_by_label("Script")
    carried = page.evaluate_handle(DROPPED)
    drop(field(output, "Picture"), carried)
    expect(field(output, "Picture")).to_have_value("my_photo")
    expect(script).to_have_value(re.compile('--image-seeds "my_photo'))

    head = output.locator(".dgp-panel .jl-head")
    drop(head, carried)
    expect(output.get_by_role("alert")).to_contain_text("my photo.png")  # it does not say how it was made

    for ending in ("gif", *(["mp4"] if find_spec("imageio_ffmpeg") else [])):  # each leads back to its own cell
        content = base64.b64encode(film(ending)).decode()
        drop(head, page.evaluate_handle(CARRIED, [f"waves.{ending}", "", content]))
        expect(script).to_have_value(f'demo/scenes\n--prompts "waves, {ending}"\n--seeds 7')

    script.fill("demo/paper\n--seeds 9")
    press(output, "Apply text")
    output.get_by_role("button", name="stage 1 demo/paper").wait_for()
    expect(field(output, "Seed")).to_have_value("9")
    output.get_by_label("Model: choose from all").select_option("demo/flow")
    expect(field(output, "Model")).to_have_value("demo/flow")
    press(output, "New cell")
    output.get_by_text("a cell below holds these stages").wait_for()
    source = "(at) => window.panel.content.model.cells.get(at).sharedModel.source"
    assert page.evaluate(source, NUMBER["files"] + 1) == "%%dgen\ndemo/flow\n--seeds 9"
    press(output, "⋯")
    press(output, "Close panel")
    output.get_by_text("%%dgen").first.wait_for()
    expect(output.get_by_role("button", name="+ Stage")).to_have_count(0)
    saved = lab.save().cells[NUMBER["files"]].outputs
    assert not any("application/vnd.jupyter.widget-view+json" in one.get("data", {}) for one in saved)


def test_a_click_comes_after_what_was_typed_before_it(lab: LabPage) -> None:
    output, page = opened(lab, "held"), lab.page
    field(output, "Prompt").click()
    page.keyboard.press("End")
    page.keyboard.type(" hill by the sea")  # the kernel answers none of these letters yet
    output.get_by_role("button", name="+ Stage").click()
    script = output.get_by_label("Script")
    expect(script).to_have_value(re.compile("--into final"))
    assert script.input_value().count('--prompts "x hill by the sea"') == 2
    expect(field(output, "Prompt")).to_have_value("x hill by the sea")
    lab.run_cell(NUMBER["let go"])


def test_a_panel_that_is_saved_open_shows_its_text_when_it_is_opened_again(lab: LabPage) -> None:
    output = opened(lab, "open")
    field(output, "Seed").fill("77")
    text = output.locator("pre.dgp-saved")
    expect(text).to_contain_text("--seeds 77")
    expect(text).to_be_hidden()
    lab.save()
    lab.shut_kernel()
    lab.page.reload()
    lab.open("panel.ipynb")
    output = lab.output(NUMBER["open"])
    expect(output.locator("pre.dgp-saved")).to_be_visible()
    expect(output.get_by_text(re.compile("Loading widget|Error displaying"))).to_be_hidden()
