"""The states of the view on pages of their own, without JupyterLab: a record as it is drawn live, or as it stays."""

import base64
import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from playwright.sync_api import Page

from jupyter_latents.display import payload, view
from jupyter_latents.display.pictures.images import jpeg
from jupyter_latents.display.records.run_record import RunRecord
from jupyter_latents.display.scripts import live_script, page_style
from jupyter_latents.display.static_html import run_bundle
from jupyter_latents.engine.observer import Phase
from jupyter_latents.engine.schedule.window import Span
from jupyter_latents.stage import Prompt, Stage, Sweep
from tests.display.fake_run import SUNSET, fake_previews, noise_at, stage, start

NIGHT = "a starry night over the sea"
# What is copied, also where a page has no clipboard of its own.
COPIED = "document.addEventListener('copy', (event) => (window.copied = event.target.value))"
Shot = Callable[[str], None]
PAGE = """<!doctype html><html data-jp-theme-light="{light}" style="color-scheme: {scheme}"><meta charset="utf-8">
<body style="margin: 0; padding: 8px; background: {back}">{body}</body></html>"""
LIVE = """{script}
const model = {{ sent: [], listeners: [], off() {{}} }};
model.send = (one) => model.sent.push(one);
model.on = (_, one) => model.listeners.push(one);
window.model = model;
model.say = (message, buffers = []) => {{
    const bytes = buffers.map((one) => Uint8Array.from(atob(one), (letter) => letter.charCodeAt(0)));
    for (const listen of model.listeners) listen(message, bytes.map((one) => new DataView(one.buffer)));
}};
render({{ model, el: document.getElementById("view") }});
window.ready = true;
"""


def sweep_stages(*, prompts: int = 2, name: str = "xy", **changes: object) -> list[Stage]:
    """Prompts by guidance by seeds, as the panel sketch has them."""
    axes = list(itertools.product((SUNSET, NIGHT)[:prompts], (2.0, 4.0, 7.0), (1, 2, 3, 4)))
    made = []
    for number, (prompt, guidance, seed) in enumerate(axes):
        told = ((("prompt", prompt),) if prompts > 1 else ()) + (("guidance", guidance), ("seed", seed))
        one = stage(name, prompt=Prompt(prompt), guidance_scale=guidance, seed=seed, num_inference_steps=4, **changes)
        made.append(replace(one, sweep=Sweep(number, len(axes), told)))
    return made


def ran(stages: list[Stage], side: int = 64, heading: str = "") -> RunRecord:
    """The record of a run of drawn pictures that has ended."""
    fake_previews(side)
    shown = view.RunView(preview_every=1)
    assert start(shown, stages, side=side).wait(60)
    shown.finish()
    shown.record.heading = heading
    return shown.record


def running(stages: list[Stage], done: int, steps: int = 3, state: str = "running") -> RunRecord:
    """A record in the midst of a run: `done` stages are whole, the next one has run some steps."""
    whole = ran(stages)
    record = RunRecord(planned=tuple(stages), state=state, stages=whole.stages[: done + 1])
    last = record.stages[-1]
    last.points = last.points[:steps]
    last.latents, last.pictures = None, []
    last.span = replace(last.span or Span(0, 4, 4, 1, 4))
    record.begin_phase(Phase("denoising", span=last.span, noise=noise_at(last.start, last.of)))
    last.denoising = 2.0
    return record


def show_static(page: Page, record: RunRecord, *, dark: bool = False, size: int = 300_000) -> str:
    """Opens the lasting output of a record; its HTML."""
    html = str(run_bundle(record, size)["text/html"])
    page.set_content(_page(html, dark=dark))
    return html


def show_live(page: Page, record: RunRecord, *, dark: bool = False) -> None:
    """Opens a record as the live view shows it; `window.model.sent` is what it asks of the kernel."""
    page.set_content(_page(f'<style>{page_style()}</style><div id="view"></div>', dark=dark))
    page.add_script_tag(
        content=LIVE.format(script=live_script().replace("export default", "const view_ =")), type="module"
    )
    page.wait_for_function("window.ready")
    say(page, record)


def say(page: Page, record: RunRecord, **more: Any) -> None:
    """Sends all of a record to the page's live view."""
    buffers: list[bytes] = []
    points, pictures = [], []
    number = 0
    for index, one in enumerate(record.stages):
        for point in one.points:
            data = {"i": number, **payload.point_data(index, one, point)}
            if point.frame is not None:
                data["fb"] = len(buffers)
                buffers.append(point.frame)
            if point.channels is not None:
                data |= {"vb": len(buffers), "v": point.channels.described()}
                buffers.append(point.channels.content)
            points.append(data)
            number += 1
        if one.pictures:
            pictures.append({"g": index, "b": list(range(len(buffers), len(buffers) + len(one.pictures)))})
            buffers += [jpeg(picture) for picture in one.pictures]
    looks = [{"item": index, "b": place} for place, index in enumerate(record.looks, len(buffers))]
    buffers += record.looks.values()
    more |= {"crew": payload.crew(record), "looks": looks}
    message = {"all": True, "model": "m", **payload.head(record), "points": points, "pictures": pictures, **more}
    content = [base64.b64encode(one).decode() for one in buffers]
    page.evaluate("([message, buffers]) => window.model.say(message, buffers)", [message, content])


def _page(body: str, *, dark: bool) -> str:
    scheme, back = ("dark", "#0f1318") if dark else ("light", "#ffffff")
    return PAGE.format(light=str(not dark).lower(), scheme=scheme, back=back, body=body)
