"""The gallery and the cells of the view in JupyterLab, with a real kernel: put below, bound, gone on from, saved."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.lab_page import LabPage, LabServer

pytestmark = pytest.mark.browser
RUN = '%%dgen\ndemo/scenes --prompts "hills" --seeds 7 --inference-steps 4 --denoising-end 0.5 --into base\n\n'
REST = (
    'demo/paper --prompts "night" --image-seeds "latents: base" --inference-steps 4 --denoising-start 0.5 --into final'
)
CELLS = ["%load_ext jupyter_latents", RUN + REST, "import jupyter_latents\njupyter_latents.gallery()", "final.view()"]
SOURCE = "(at) => jupyterapp.shell.currentWidget.content.model.cells.get(at).sharedModel.getSource()"


@pytest.fixture(scope="module")
def lab(browser_context: BrowserContext, lab_server: LabServer) -> Iterator[LabPage]:
    """One notebook and one kernel for all tests here, in their order."""
    page = LabPage(browser_context.new_page(), lab_server)
    page.write("gallery.ipynb", *CELLS)
    page.open("gallery.ipynb")
    for cell in range(4):
        page.run_cell(cell, 180)
    yield page
    page.shut_kernel()
    page.page.close()


def test_the_view_puts_the_cell_of_a_step_below(lab: LabPage) -> None:
    output = lab.output(3)
    expect(output.locator(".jl-line")).to_contain_text("final.save")
    output.get_by_label("step", exact=True).press("ArrowLeft")
    output.get_by_role("button", name="New cell").click()
    expect(output.locator(".jl-said")).to_have_text("the cell stands below")
    source = str(lab.page.evaluate(SOURCE, 4))
    assert source.startswith("%%dgen")
    assert source.endswith("--denoising-start 0.5\n--denoising-end 0.75")


def test_the_gallery_binds_and_goes_on(lab: LabPage) -> None:
    output = lab.output(2)
    expect(output.locator(".jl-card b")).to_have_text(["final", "base"])
    expect(output.locator(".jl-card img")).to_have_count(2)
    output.get_by_role("button", name=re.compile("^base, ")).click()
    output.get_by_label("name to bind to").fill("mine")
    output.get_by_role("button", name="Bind").click()
    expect(output.locator(".jl-said")).to_have_text("mine is bound")
    output.get_by_role("button", name="Go on from it").click()
    expect(output.locator(".jl-said")).to_have_text("the cell stands below")
    source = str(lab.page.evaluate(SOURCE, 3))
    assert re.search(r'--image-seeds "latents: (mine|base)"', source)
    assert "demo/paper" not in source
    lab.run_cell(3, 120)
    expect(output.locator(".jl-card")).to_have_count(3)


def test_a_saved_gallery_needs_no_kernel(lab: LabPage) -> None:
    kinds = {kind for output in lab.save().cells[2].outputs for kind in output.data}
    assert kinds == {"text/html", "image/png", "text/plain"}
    expect(lab.output(2).get_by_role("button", name="Copy cell", exact=True)).to_be_visible()
    expect(lab.output(2).get_by_role("button", name="Copy cell to continue")).to_be_visible()
