"""The live view and its lasting output in JupyterLab, on runs without models."""

import re
import sys
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import expect

from tests.browser.lab_page import LabPage

pytestmark = pytest.mark.browser

REPOSITORY = Path(__file__).parents[2]
SETUP = f"""import sys, time
sys.path.insert(0, {str(REPOSITORY)!r})
from jupyter_latents.display import RunView, view_of
from tests.display.fake_run import *
fake_previews(64)"""
RUN = """view = RunView()
view.plan(two_stages())
view.show()
run = start(view, two_stages(), lambda: time.sleep(0.2))
while not run.wait(0.1):
    view.pump()
view.finish()"""
HOSTILE = "</script><img src=x onerror=window.hit=1>"


def test_live_view_shows_progress_and_stop_ends_the_run(lab: LabPage) -> None:
    lab.write("live.ipynb", SETUP, RUN, "run.state, view.record.stages[0].done < 24")
    lab.open("live.ipynb")
    lab.run_cell(0)
    run = lab.start_cell(1)
    output = lab.output(1)
    expect(output.locator(".jl-status")).to_contain_text(re.compile(r"denoising \d+ of 30"), timeout=30_000)
    expect(output.locator(".jl-one img").first).to_have_attribute("src", re.compile("^blob:"))
    output.get_by_role("button", name="Stop").click()
    lab.wait_for(run, timeout=20)
    expect(output.locator(".jl-status")).to_contain_text("stopped at step")
    assert lab.run_cell(2).inner_text().endswith("('stopped', True)")
    kinds = {kind for output in lab.save().cells[1].outputs for kind in output.data}
    assert kinds == {"text/html", "image/png", "text/plain"}


def test_reopened_notebook_shows_its_run(lab: LabPage) -> None:
    run = RUN.replace("0.2", "0.01").replace("two_stages()", f"[stage(prompt=Prompt({HOSTILE!r}))]")
    lab.write("kept.ipynb", SETUP, run)
    lab.open("kept.ipynb")
    lab.run_cell(0)
    lab.run_cell(1)
    lab.save()
    lab.shut_kernel()
    lab.page.reload()
    lab.open("kept.ipynb")
    output = lab.output(1)
    expect(output.locator(".jl-status")).to_contain_text("30 steps")
    output.locator(".jl-thumb").nth(4).click()
    expect(output.locator(".jl-line")).to_have_text("base_14 = base.at(step=14)")
    output.locator(".jl-one").hover()
    expect(output.locator(".jl-values")).to_contain_text(re.compile(r"\[:, [78], [78]\] = "))
    expect(output.locator(".jl-facts")).to_contain_text(HOSTILE)
    assert lab.page.evaluate("window.hit") is None


def test_untrusted_notebook_keeps_the_picture(lab: LabPage) -> None:
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
    assert large.evaluate("(image) => image.naturalWidth") == 128


def test_buttons_bind_and_export_in_the_kernel(lab: LabPage) -> None:
    made = "steps = tuple(latents_at(stage(), n) for n in range(1, 25))\nbase = steps[-1].replace(trajectory=steps)"
    lab.write("act.ipynb", f"{SETUP}\n{made}", "view_of(base)", "base_12.position.step")
    lab.open("act.ipynb")
    lab.run_cell(0)
    output = lab.run_cell(1)
    output.locator(".jl-scrubber").fill("12")
    output.get_by_role("button", name="Branch here").click()
    expect(output.locator(".jl-said")).to_have_text("base_12 is bound (base.at(step=12))")
    output.locator(".jl-menu summary").click()
    output.get_by_role("button", name="Latents .safetensors").click()
    expect(output.locator(".jl-said")).to_have_text("saved base_12.safetensors")
    assert (lab.server.notebooks / "base_12.safetensors").exists()
    assert lab.run_cell(2).inner_text().endswith("12")
