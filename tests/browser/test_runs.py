"""Runs of a demo model in JupyterLab: stopped, paused, interrupted, in the background, reloaded, exported."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import BrowserContext, Locator, expect

from tests.browser.lab_page import LabPage, LabServer, until
from tests.browser.test_notebook7 import HOLD, LOAD

pytestmark = pytest.mark.browser

HOSTILE = "</script><img src=x onerror=window.hit=1>"
STEPS = 24
LONG = 900  # steps of a run that is never let come to its end
RUN = (
    '%%dgen{line}\ndemo/scenes --prompts "a sunny day, hills {hostile}" {seed} --inference-steps {steps} '
    "--scheduler EulerAncestralDiscreteScheduler --into {name} {more}"
)


def run(name: str, line: str = "", more: str = "", seed: int | None = 7, steps: int = STEPS) -> str:
    given = f"--seeds {seed}" if seed is not None else ""
    return RUN.format(line=line, hostile=HOSTILE, seed=given, steps=steps, name=name, more=more)


CELLS = {
    "load": f"{LOAD}\n{HOLD}",
    "base": run("base"),
    "rest": run("rest", more='--image-seeds "latents: base"', seed=None),
    "whole": run("whole", more="--force"),
    "paused": run("paused", seed=6, steps=LONG),
    "equal": "torch.equal(rest.tensor, whole.tensor), base.position.step",
    "part": run("part", seed=8, steps=LONG),
    "kept": "part.position.step, part.resume is not None",
    "behind": run("behind", " --background", seed=9, steps=LONG),
    "meanwhile": "6 * 7",
    "waited": "behind.position.step",
    "reloaded": run("reloaded", " --background", seed=10, steps=LONG),
}
MISSING = "Error displaying widget: model not found"
NUMBER = {name: number for number, name in enumerate(CELLS)}


@pytest.fixture(scope="module")
def lab(browser_context: BrowserContext, lab_server: LabServer) -> Iterator[LabPage]:
    """One notebook and one kernel for all tests here, in their order."""
    page = LabPage(browser_context.new_page(), lab_server)
    page.write("runs.ipynb", *CELLS.values())
    page.open("runs.ipynb")
    page.run_cell(NUMBER["load"])
    yield page
    page.shut_kernel()
    page.page.close()


def status(lab: LabPage, name: str) -> Locator:
    return lab.output(NUMBER[name]).locator(".jl-status")


def under_way(lab: LabPage, name: str) -> None:
    """Waits until steps are shown."""
    expect(status(lab, name)).to_contain_text(re.compile(r"denoising \d+ of"), timeout=90_000)


def open_again(lab: LabPage, name: str) -> None:
    """Opens the notebook until the view is there: JupyterLab asks the kernel for four seconds and then gives up."""
    missing = lab.output(NUMBER[name]).get_by_text(MISSING)
    for _ in range(5):
        lab.open("runs.ipynb")
        expect(status(lab, name).or_(missing).first).to_be_visible(timeout=60_000)
        if not missing.count():
            return


def press(lab: LabPage, name: str, button: str) -> None:
    lab.output(NUMBER[name]).get_by_role("button", name=button, exact=True).click()


def said(lab: LabPage, name: str) -> str:
    return lab.said(NUMBER[name])


def step(lab: LabPage, name: str) -> int:
    """The step that is shown."""
    return int(re.findall(r"(\d+) of", status(lab, name).inner_text())[0])


def test_a_stopped_run_goes_on_to_the_exact_result_of_an_unsplit_one(lab: LabPage) -> None:
    first = lab.start_cell(NUMBER["base"])
    expect(status(lab, "base")).to_contain_text("paused", timeout=90_000)
    press(lab, "base", "Stop")
    lab.wait_for(first)
    expect(status(lab, "base")).to_contain_text("stopped at step")
    lab.run_cell(NUMBER["rest"], 120)
    lab.run_cell(NUMBER["whole"], 120)
    same, steps = said(lab, "equal").strip("()").split(", ")
    assert same == "True"
    assert 0 < int(steps) < STEPS


def test_a_paused_run_stands_still_and_goes_on(lab: LabPage) -> None:
    paused = lab.start_cell(NUMBER["paused"])
    under_way(lab, "paused")
    press(lab, "paused", "Pause")
    expect(status(lab, "paused")).to_contain_text("paused")
    held = step(lab, "paused") + 1  # the step that was under way ends
    resume = lab.output(NUMBER["paused"]).get_by_role("button", name="Resume", exact=True)
    expect(resume).to_be_visible()
    lab.page.wait_for_timeout(2000)  # too short would find less, and never fail
    assert step(lab, "paused") <= held
    resume.click()
    expect(status(lab, "paused")).to_contain_text(re.compile("^denoising"))
    lab.page.wait_for_function(
        "([status, held]) => parseInt(status.textContent.match(/\\d+/)) > held",
        arg=[status(lab, "paused").element_handle(), held],
    )
    press(lab, "paused", "Stop")
    lab.wait_for(paused)
    expect(status(lab, "paused")).to_contain_text("stopped at step")


def test_the_interrupt_button_keeps_what_there_is(lab: LabPage) -> None:
    part = lab.start_cell(NUMBER["part"])
    under_way(lab, "part")
    lab.interrupt()
    lab.wait_for(part)
    expect(lab.output(NUMBER["part"])).to_contain_text("Interrupted")
    step, goes_on = said(lab, "kept").strip("()").split(", ")
    assert 0 < int(step) < LONG
    assert goes_on == "True"


def test_the_kernel_is_free_while_a_run_goes_on_behind(lab: LabPage) -> None:
    lab.run_cell(NUMBER["behind"])
    under_way(lab, "behind")
    assert said(lab, "meanwhile") == "42"
    assert re.search(r"denoising \d+ of", status(lab, "behind").inner_text()), "the run was over before the cell"
    press(lab, "behind", "Stop")
    expect(status(lab, "behind")).to_contain_text("stopped at step")
    expect(lab.output(NUMBER["behind"]).locator(".jl-one img").first).to_have_attribute("src", re.compile("^data:"))
    assert 0 < int(said(lab, "waited")) < LONG


def test_the_saved_notebook_shows_its_runs_in_html_without_any_kernel(lab: LabPage, tmp_path: Path) -> None:
    notebook = lab.save()
    kinds = {
        kind for name in ("base", "rest", "whole") for o in notebook.cells[NUMBER[name]].outputs for kind in o.data
    }
    assert kinds == {"text/html", "image/png", "text/plain"}
    (tmp_path / "runs.html").write_text(HTMLExporter().from_notebook_node(notebook)[0], "utf-8")
    page = lab.page.context.new_page()
    page.set_viewport_size({"width": 400, "height": 800})
    page.goto((tmp_path / "runs.html").as_uri(), wait_until="domcontentloaded")
    shown = page.locator("div.jl").nth(1)
    picture = shown.locator(".jl-one img").first
    expect(picture).to_be_visible()
    before = picture.get_attribute("src")
    shown.locator(".jl-scrubber").fill("1")
    expect(picture).not_to_have_attribute("src", before or "")
    expect(shown.locator(".jl-facts")).to_contain_text(HOSTILE)
    until(shown, "(view) => view.scrollWidth <= view.clientWidth + 1", wanted=True)  # no wider than 400 pixels
    assert page.evaluate("window.hit") is None
    page.close()


def test_a_reloaded_page_and_a_second_tab_ask_for_what_they_missed(lab: LabPage) -> None:
    lab.run_cell(NUMBER["reloaded"])
    under_way(lab, "reloaded")
    lab.save()
    second = LabPage(lab.page.context.new_page(), lab.server)
    for tab in (lab, second):
        open_again(tab, "reloaded")
        under_way(tab, "reloaded")
        expect(tab.output(NUMBER["reloaded"]).locator(".jl-thumb img[src]").first).to_be_visible()
    press(second, "reloaded", "Stop")
    for tab in (lab, second):
        expect(status(tab, "reloaded")).to_contain_text("stopped at step")
        picture = tab.output(NUMBER["reloaded"]).locator(".jl-one img").first
        expect(picture).to_have_attribute("src", re.compile("^data:"))
        assert tab.page.evaluate("window.hit") is None
    second.page.close()
    kinds = {kind for output in lab.save().cells[NUMBER["reloaded"]].outputs for kind in output.data}
    assert kinds == {"text/html", "image/png", "text/plain"}


def test_another_kernel_still_shows_the_runs(lab: LabPage) -> None:
    lab.save()
    lab.shut_kernel()
    lab.page.reload()
    lab.open("runs.ipynb")
    picture = lab.output(NUMBER["rest"]).locator(".jl-one img").first
    expect(picture).to_be_visible()
    assert picture.evaluate("(image) => image.decode().then(() => image.naturalWidth)") >= 128
    expect(lab.output(NUMBER["rest"]).locator(".jl-facts")).to_contain_text(HOSTILE)
    assert lab.page.evaluate("window.hit") is None
