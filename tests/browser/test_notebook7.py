"""The main flows in Notebook 7: two stages with progress and preview, Stop, and the panel."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.lab_page import LabServer, NotebookPage
from tests.browser.test_panel import OPEN, field, press

pytestmark = pytest.mark.browser

LOAD = """%load_ext jupyter_latents
import threading, time, torch
torch.set_num_threads(1)
from jupyter_latents.session import current"""
# Pauses the run that comes, so that it cannot be over before it was looked at.
HOLD = """def hold():
    while not current().executor.waiting or current().executor.waiting[0].steps < 3:
        time.sleep(0.01)
    current().executor.waiting[0].pause()
threading.Thread(target=hold, daemon=True).start()"""
TWO_STAGES = """%%dgen --preview-every 1
demo/scenes --prompts "a sunset over the sea" --seeds 7 --inference-steps 30 --denoising-end 0.8 --into base

demo/paper --prompts "a sunset over the sea" --image-seeds "latents: base" --inference-steps 30
--denoising-start 0.8 --into final"""
PANEL = 'demo/scenes --prompts "a sunset over the sea" --seeds 7 --inference-steps 3 --into seven'
LONG = '%%dgen\ndemo/scenes --prompts "a night over hills" --seeds 9 --inference-steps 900 --into part'


@pytest.fixture(scope="module")
def notebook(browser_context: BrowserContext, lab_server: LabServer) -> Iterator[NotebookPage]:
    page = NotebookPage(browser_context.new_page(), lab_server)
    panel = f"{OPEN[:-1]}{PANEL!r})"
    page.write("seven.ipynb", f"{LOAD}\n{HOLD}", TWO_STAGES, "final.is_clean", LONG, "part.position.step", panel)
    page.open("seven.ipynb")
    assert page.page.evaluate("window.jupyterapp.name") == "Jupyter Notebook"
    page.run_cell(0)
    yield page
    page.shut_kernel()
    page.page.close()


def test_two_stages_show_progress_and_preview_and_stay(notebook: NotebookPage) -> None:
    run = notebook.start_cell(1)
    output = notebook.output(1)
    held = re.compile(r"paused at step [1-9]\d* of 30")
    expect(output.locator(".jl-status")).to_contain_text(held, timeout=90_000)
    expect(output.locator(".jl-one img").first).to_have_attribute("src", re.compile("^blob:"))
    output.get_by_role("button", name="Resume", exact=True).click()
    notebook.wait_for(run, 120)
    expect(output.locator(".jl-one img").first).to_have_attribute("src", re.compile("^data:image/jpeg"))
    assert notebook.said(2) == "True"
    kinds = {kind for output in notebook.save().cells[1].outputs for kind in output.data}
    assert kinds == {"text/html", "image/png", "text/plain"}


def test_stop_ends_the_run_and_binds_what_there_is(notebook: NotebookPage) -> None:
    run = notebook.start_cell(3)
    output = notebook.output(3)
    expect(output.locator(".jl-status")).to_contain_text(re.compile(r"denoising \d+ of"), timeout=90_000)
    output.get_by_role("button", name="Stop", exact=True).click()
    notebook.wait_for(run)
    expect(output.locator(".jl-status")).to_contain_text("stopped at step")
    assert 0 < int(notebook.said(4)) < 900


def test_the_panel_runs_and_writes_its_cell(notebook: NotebookPage) -> None:
    output = notebook.run_cell(5)
    field(output, "Steps in all").fill("x")
    expect(output.locator(".dgp-bad")).to_have_count(1)
    field(output, "Steps in all").fill("2")
    expect(output.locator(".dgp-bad")).to_have_count(0)
    press(output, "▶ Run")
    output.get_by_text("done, saved as seven · 2 model evaluations").wait_for(timeout=90_000)
    expect(output.locator(".jl-one img").first).to_have_attribute("src", re.compile("^data:image"))
    press(output, "New cell")
    output.get_by_text("a cell below holds these stages").wait_for()
    written = notebook.page.evaluate("() => window.panel.content.model.cells.get(6).sharedModel.source")
    assert written.startswith("%%dgen\ndemo/scenes")
    assert "--inference-steps 2" in written
