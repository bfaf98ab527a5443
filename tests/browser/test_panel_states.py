"""Each state of the panel has screenshots under its name: light, dark, 400 pixels wide; `STATES=folder` keeps them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import FITS
from tests.browser.lab_page import LabPage
from tests.browser.test_panel import OPEN, field, press
from tests.display.panels import SKETCH

pytestmark = [pytest.mark.browser, pytest.mark.slow]  # what the pictures show is tested in test_panel.py
THEME = """async (theme) => {
    await window.jupyterapp.commands.execute('apputils:change-theme', {theme: `JupyterLab ${theme}`});
}"""
# A run goes on at step 12 until it is paused or stopped.
HOLD = """import time
from jupyter_latents.display.view import RunView
step = RunView.step
def held(self, event, look):
    step(self, event, look)
    while event.step == 12 and self.run.state == "running":
        time.sleep(0.02)
RunView.step = held
"""
WRONG = {"Model": "demo/scenery", "Seed": "x", "Guidance": "-1", "Save as variable": "my picture", "Picture": "nix.png"}


def shooter(lab: LabPage, folder: Path) -> Callable[[str, Locator], None]:
    """Makes the screenshots of a state; nothing may stand out to the right."""

    def shoot(state: str, output: Locator) -> None:
        panel = output.locator(".dgp-panel")
        for kind, theme, width in (("light", "Light", 760), ("dark", "Dark", 760), ("400", "Light", 400)):
            lab.page.mouse.move(1270, 2590)  # nothing is pointed at
            lab.page.evaluate(THEME, theme)
            light = str(theme == "Light").lower()
            lab.page.locator(f"body[data-jp-theme-light={light}]").wait_for(state="attached")
            output.evaluate("(one, width) => { one.style.maxWidth = `${width + 80}px`; }", width)
            for shown in output.locator("div.jl").all():
                shown.evaluate("(one, width) => { one.style.maxWidth = `${width}px`; }", width)
            assert panel.evaluate(FITS) == ""
            output.screenshot(path=folder / f"{state}-{kind}.png", timeout=60_000)
        lab.page.evaluate(THEME, "Light")

    return shoot


def test_the_states_of_the_panel(lab: LabPage, tmp_path: Path) -> None:
    shoot = shooter(lab, Path(os.environ.get("STATES") or tmp_path))
    lab.page.set_viewport_size({"width": 1280, "height": 2600})
    lab.write("states.ipynb", OPEN, f"panel({SKETCH!r})", f"{HOLD}panel({SKETCH!r})")
    lab.open("states.ipynb")
    output = lab.run_cell(0)
    output.get_by_text("30 model evaluations").wait_for(timeout=90_000)
    shoot("panel empty", output)

    output = lab.run_cell(1)
    expect(output.locator(".jl-head")).to_contain_text("2 stages · 30 model evaluations · 1 hand-over", timeout=90_000)
    for label, text in WRONG.items():
        field(output, label).fill(text)
    expect(output.locator(".jl-head").first).to_contain_text("6 fields to fix")  # base is made no more
    shoot("panel with faults", output)
    for label, text in {
        **dict.fromkeys(WRONG, ""),
        "Model": "demo/scenes",
        "Save as variable": "base",
        "Seed": "7",
    }.items():
        field(output, label).fill(text)
    expect(output.locator(".jl-head").first).to_contain_text("30 model evaluations")
    expect(output.locator(".dgp-bad")).to_have_count(0)

    output = lab.run_cell(2)
    press(output, "▶ Run")
    output.get_by_text("denoising 12 of 30").first.wait_for(timeout=90_000)
    output.locator(".jl-large").first.wait_for()
    shoot("panel running", output)
    expect(output.get_by_role("button", name="Pause")).to_be_visible()  # it went on all the while
    output.get_by_role("button", name="Pause").click()
    output.get_by_role("button", name="Resume").wait_for()
    shoot("panel paused", output)
    press(output, "▶ Queue")
    output.get_by_text("waiting: base → final (2)").wait_for()
    shoot("panel queued", output)
    press(output, "Cancel base → final (2)")
    output.get_by_text("taken out of the queue: base → final (2)").wait_for()
    press(output, "■ Stop base → final")
    output.get_by_text("stopped, saved as base").first.wait_for()
    shoot("panel stopped", output)
