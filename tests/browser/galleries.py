"""A gallery of drawn results on a page of its own: as it stays, and live with its kernel played by the test."""

from __future__ import annotations

import base64
import io
import time
import weakref
from types import MappingProxyType
from typing import Any

from playwright.sync_api import Page

from jupyter_latents.display.past.page import gallery_bundle, gallery_data, small
from jupyter_latents.display.scripts import gallery_style, live_gallery_script
from jupyter_latents.session import Session
from jupyter_latents.session.cells.sources import FromStage
from jupyter_latents.session.results import PastResult
from jupyter_latents.stage import ModelSource, Prompt, Stage, Window
from tests.display.fake_run import landscape, latents_at, noisy

_PROMPTS = ("a beautiful sunset over the mountains", "a starry night over the sea", "hills, <b>bold</b> & {{ odd }}")


def filled(count: int) -> Session:
    """A session with results; the first of each five is noisy, the last one is bound to nothing."""
    session = Session({})
    for number in range(count):
        made = Stage(
            model=ModelSource("demo/paper" if number % 4 == 3 else "demo/scenes"),
            prompt=Prompt(_PROMPTS[number % 3]),
            seed=number,
            window=Window(None, 0.8 if number % 5 == 0 else None),
            into=f"xy{number}" if number + 1 < count else None,
        )
        _add(session, made, number)
    return session


def _add(session: Session, made: Stage, number: int) -> None:
    latents = latents_at(made, 24 if made.window.end else 30)
    noise = ", ".join(map(str, (latents.position, latents.noise))) if made.window.end else ""
    source, made_at = FromStage(made, (), "", MappingProxyType({})), time.time() - 130 * (40 - number)
    one = PastResult(
        number + 1, made.into or "", f"digest {number}", source, made.prompt.positive, made.model.name, made.seed,
        noise, made_at, "24 of 30" if noise else "", weakref.ref(latents),
    )  # fmt: skip
    picture, content = landscape(192, number), io.BytesIO()
    (noisy(picture, 0.3, number) if noise else picture).save(content, "JPEG")
    session.results._items[one.digest] = one
    session.results.keep_picture(one, content.getvalue())


def static_gallery(session: Session, size: int = 300_000) -> str:
    """The HTML that stays of a gallery."""
    return str(gallery_bundle(session, session.results.newest(), size)["text/html"])


LIVE = """{script}
const model = {{ sent: [], listeners: [], off() {{}} }};
model.send = (one) => model.sent.push(one);
model.on = (_, one) => model.listeners.push(one);
window.model = model;
model.say = (message, buffers = []) => {{
    const bytes = buffers.map((one) => Uint8Array.from(atob(one), (letter) => letter.charCodeAt(0)));
    for (const listen of model.listeners) listen(message, bytes);
}};
render({{ model, el: document.getElementById("view") }});
window.ready = true;
"""


def show_live_gallery(page: Page, session: Session) -> None:
    """Opens a gallery as it is live; `window.model.sent` is what it asks of the kernel."""
    page.set_content(f'<style>{gallery_style()}</style><div id="view"></div>')
    script = live_gallery_script().replace("export default", "const gallery_ =")
    page.add_script_tag(content=LIVE.format(script=script), type="module")
    page.wait_for_function("window.ready")
    found = session.results.newest()
    message: dict[str, Any] = {"all": {**gallery_data(session, found), "live": {}}, "model": "m"}
    content = [base64.b64encode(small(session, one, 192)).decode() for one in found]
    page.evaluate("([message, buffers]) => window.model.say(message, buffers)", [message, content])
