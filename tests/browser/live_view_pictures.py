"""Makes the screenshots of the quickstart, the live view, the lasting output and the panel in docs/images.

    python -m tests.browser.live_view_pictures [--drawn]

With ``--drawn`` the runs are made of drawn pictures instead of the demo models; the panel always uses them.
"""

import sys
import tempfile
from pathlib import Path

import nbformat
from PIL import Image
from playwright.sync_api import BrowserContext, Page, sync_playwright

from tests.browser.chromium import find_chromium
from tests.browser.lab_page import CHROMIUM_FLAGS, LabPage, LabServer
from tests.browser.test_live_view import RUN, SETUP

IMAGES = Path(__file__).parents[2] / "docs" / "images"
CELL = """%%dgen
demo/scenes
--prompts "a beautiful sunset over the mountains"
--seeds 7 --inference-steps 30
--denoising-end 0.8
--into base

demo/paper
--prompts "clouds in the sky on a sunny day"
--image-seeds "latents: base" --inference-steps 30
--denoising-start 0.8
--into final"""
PAUSED = """() => {
    const status = [...document.querySelectorAll('.jl-status')].at(-1);
    return status && /denoising (1[6-9]|2[0-4]) of 30/.test(status.textContent);
}"""
THEME = "(theme) => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"


def live(context: BrowserContext, server: LabServer, cells: list[str], theme: str) -> Path:
    """A picture of the running view, in light of the whole cell before; leaves the saved notebook."""
    page = context.new_page()
    page.set_viewport_size({"width": 1280, "height": 1100})
    lab = LabPage(page, server)
    lab.write(f"{theme}.ipynb", *cells)
    lab.open(f"{theme}.ipynb")
    page.evaluate(THEME, f"JupyterLab {theme}")
    lab.run_cell(0)
    lab.run_cell(1, timeout=300)
    if theme == "Light":
        lab.cell(1).screenshot(path=IMAGES / "quickstart.png")
    run = lab.start_cell(2)
    page.wait_for_function(PAUSED, timeout=120_000, polling=30)
    lab.output(2).locator(".jl-one").hover(position={"x": 70, "y": 150})
    target = IMAGES / f"live-view-{theme.lower()}.png"
    lab.output(2).locator(".jl").first.screenshot(path=target)
    lab.wait_for(run, 180)
    lab.save()
    lab.shut_kernel()
    page.close()
    return target


def panel(context: BrowserContext, server: LabServer, theme: str) -> Path:
    """A picture of the panel after a run."""
    page = context.new_page()
    page.set_viewport_size({"width": 1280, "height": 1700})
    lab = LabPage(page, server)
    script = CELL.partition("\n")[2]
    lab.write(
        f"panel-{theme}.ipynb",
        "%load_ext jupyter_latents",
        f"import jupyter_latents\njupyter_latents.panel({script!r})",
    )
    lab.open(f"panel-{theme}.ipynb")
    page.evaluate(THEME, f"JupyterLab {theme}")
    lab.run_cell(0)
    output = lab.run_cell(1, timeout=120)
    output.get_by_role("button", name="demo/paper · steps 24–30").click()
    output.locator(".jl-head").first.get_by_text("30 model evaluations").wait_for(timeout=180_000)
    output.get_by_role("button", name="▶ Run").click()
    output.get_by_text("done, saved as").first.wait_for(timeout=180_000)
    target = IMAGES / f"panel-{theme.lower()}.png"
    output.screenshot(path=target)
    lab.shut_kernel()
    page.close()
    return target


def static(page: Page, html: Path, target: Path) -> Path:
    """A picture of the lasting output at a step."""
    page.goto(html.as_uri())
    page.locator(".jl-scrubber").fill("22")
    page.locator(".jl-one").hover(position={"x": 70, "y": 150})
    page.locator("div.jl").screenshot(path=target)
    return target


def main() -> None:
    """Makes all of them."""
    chromium = find_chromium()
    again = CELL.replace("%%dgen", "%%dgen --force --preview-every 1")
    cells = [SETUP, RUN, RUN] if "--drawn" in sys.argv else ["%load_ext jupyter_latents", CELL, again]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        notebooks, private = Path(folder) / "notebooks", Path(folder) / "private"
        notebooks.mkdir()
        private.mkdir()
        server = LabServer(notebooks, private)
        made = [IMAGES / "quickstart.png"]
        try:
            server.wait()
            context = playwright.chromium.launch_persistent_context(
                Path(folder) / "profile", executable_path=chromium, args=CHROMIUM_FLAGS
            )
            made += [live(context, server, cells, theme) for theme in ("Light", "Dark")]
            made += [panel(context, server, theme) for theme in ("Light", "Dark")]
            context.close()
        finally:
            server.close()
        notebook = nbformat.read(notebooks / "Light.ipynb", as_version=4)
        html = Path(folder) / "output.html"
        html.write_text(f"<body style='margin:8px'>{notebook.cells[2].outputs[-1].data['text/html']}", encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        for name, width in (("static-light", 800), ("static-dark", 800), ("narrow", 400)):
            scheme = "dark" if name.endswith("dark") else "light"
            page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 700})
            made.append(static(page, html, IMAGES / f"{name}.png"))
        browser.close()
    for path in made:
        Image.open(path).convert("RGB").save(path, optimize=True)
        print(path.name, path.stat().st_size)


if __name__ == "__main__":
    main()
