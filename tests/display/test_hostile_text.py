"""Text of people, files and models is text wherever it is shown: names, prompts, models, files, errors, notes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_latents.display import screens
from jupyter_latents.display.actions import answer
from jupyter_latents.display.latents import latents_bundle
from jupyter_latents.display.panel import panel, results
from jupyter_latents.display.panel.model import Mark
from jupyter_latents.display.panel.opening import close_open
from jupyter_latents.display.panel.queue import Going
from jupyter_latents.display.records.of_several import Pictured, record_of_several
from jupyter_latents.display.records.run_record import RunRecord
from jupyter_latents.display.several import pictures_bundle, several_bundle
from jupyter_latents.display.static_html import BUDGETS, run_bundle, run_html
from jupyter_latents.display.tables.listing import Listing, Row, holdings
from jupyter_latents.display.tables.plan import plan_html
from jupyter_latents.display.view import RunView, view_of
from jupyter_latents.engine.models.cache import PartRow
from jupyter_latents.engine.observer import Phase, Reading
from jupyter_latents.errors import LatentsError
from jupyter_latents.session import Session
from jupyter_latents.stage import Address, ModelSource, Prompt
from jupyter_latents.wording import UNSEEN
from tests.display.fake_run import landscape, latents_at, stage, step_event

HOSTILE = (
    "</script><img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    '" onmouseover="alert(1)" x=\'',
    "' onfocus='alert(1)' autofocus='",
    "<style>*{display:none}</style></style><!--",
    "</td></table></pre></details><svg/onload=alert(1)>",
    "<a href=javascript:alert(1)>${title}$key",
    "&lt;img src=x&gt;&amp;#60;",
    "\u2028</textarea><iframe srcdoc='<p>'>",
)
_OURS = {
    "b", "br", "button", "canvas", "code", "details", "div", "figcaption", "figure", "img", "li", "pre", "script",
    "span", "style", "summary", "table", "tbody", "td", "th", "thead", "tr", "ul", "input", "video", "wbr",
}  # fmt: skip


class Page(HTMLParser):
    """What a browser would make of a page: its elements, and what a person reads."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def harmless(html: str, text: str) -> None:
    """No element or attribute came out of a text, and the text can be read where it is shown."""
    page = Page(html)
    for tag, attributes in page.tags:
        assert tag in _OURS, tag
        assert not [name for name in attributes if name.startswith("on") or name in {"srcdoc", "autofocus"}], attributes
        if tag == "img":
            assert (attributes.get("src") or "").startswith("data:image/")
    assert [tag for tag, _ in page.tags].count("script") in {0, 2}
    shown = page.text + json.dumps([attributes for _, attributes in page.tags], ensure_ascii=False)
    assert re.sub(r"\s+", " ", text) in re.sub(r"\s+", " ", shown.replace('\\"', '"').replace("\\u2028", "\u2028"))


def _record(text: str) -> RunRecord:
    """A run whose every text is hostile, failed after a step that has a preview, however fast the machine is."""
    view = RunView(bind=lambda *_: None, preview_every=1)
    view.stage(0, stage("base", prompt=Prompt(text, text), model=ModelSource(text), scheduler=Address(text)), "base")
    view.phase(Phase("loading", Reading(text, (text,), (text,))))
    view.record.stages[0].name = text
    view.note(text, warning=True)
    made = _latents(text)
    look = SimpleNamespace(latents=lambda _: made, preview=lambda _: [landscape(8)], values=made.tensor.numpy)
    view.step(step_event(1), look)
    assert view.record.stages[0].points[0].frame
    view.run = SimpleNamespace(  # type: ignore[assignment]
        state="failed", error=LatentsError(text), held=0.0, watcher=None
    )
    view.finish()
    return view.record


def _latents(text: str) -> Any:
    made = latents_at(stage(), 24)
    told = replace(made.provenance, model=text, prompt=text, negative_prompt=text, operation=text)
    return made.replace(provenance=told, position=replace(made.position, scheduler=text))


def _sweep(text: str) -> list[Pictured]:
    """Four results whose options took hostile values."""
    return [
        Pictured(_latents(text), (landscape(8),), ((text, f"{row}{text}"), ("seed", column)), f"xy[{row * 2 + column}]")
        for row in range(2)
        for column in range(2)
    ]


def _plan(text: str) -> Any:
    return SimpleNamespace(
        printed=[text], headings=("stage", text), rows=lambda: [[text, text]], waiting=text, summary=text
    )


def _listing(text: str) -> str:
    return Listing((Row(text, _latents(text)),))._repr_html_()


PLACES: dict[str, Callable[[str], str]] = {
    "a run's lasting output": lambda text: run_html(_record(text), BUDGETS[0]),
    "a run's still output": lambda text: run_html(_record(text), BUDGETS[-1]),
    "a run that made nothing": lambda text: run_bundle(RunRecord(state="failed", error=text, ended=0.0))["text/html"],
    "a run with a heading": lambda text: run_html(RunRecord(heading=text, ended=0.0), BUDGETS[0]),
    "latents": lambda text: latents_bundle(_latents(text), [landscape(8)])["text/html"],
    "latents without a picture": lambda text: latents_bundle(_latents(text), [])["text/html"],
    "a sweep": lambda text: several_bundle(_sweep(text), text, text, 300_000)["text/html"],
    "a sweep without scripts": lambda text: run_html(record_of_several(_sweep(text), text), BUDGETS[-1]),
    "pictures": lambda text: pictures_bundle([landscape(8)] * 2, [text] * 2, text, 300_000)["text/html"],
    "a list": _listing,
    "a plan": lambda text: plan_html(_plan(text)),
    "an earlier plan of the panel": lambda text: _folded(_plan(text)),
}


def _folded(shown: Any) -> str:
    made = results.Results(Session({}), lambda _: None)
    made._earlier.appendleft(results._folded(shown))
    return str(made._earlier_bundle()["text/html"])


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("place", PLACES)
def test_it_is_text_in_every_output(place: str, text: str) -> None:
    harmless(PLACES[place](text), text)


@pytest.mark.parametrize("place", PLACES)
def test_what_cannot_be_seen_is_written_out_in_every_output(place: str) -> None:
    html = PLACES[place]("cat \x1b[31m\u202egpj.exe")
    assert not UNSEEN.findall(html)
    assert "\\u202egpj.exe" in html


@pytest.fixture
def shown_panel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(screens, "publish", lambda *_, **__: None)
    made = panel("demo/scenes --into base", session=Session({}))
    yield made
    close_open()


@pytest.mark.parametrize("text", HOSTILE)
def test_it_is_text_in_every_part_of_the_panel(shown_panel: Any, text: str) -> None:
    from ipywidgets import HTML

    opened = shown_panel.panel
    opened._known.blame(Mark(0, "seed", text))
    opened._show_stages()
    opened._say(text, fault=True)
    opened.widgets.say_text_error(text)
    opened.editor.tell(text, text)
    opened.widgets.say_summary(text)
    opened.widgets.say_queue(Going(text, "running", text, 0.5), [text])
    kept = [widget for widget in vars(opened.widgets).values() if isinstance(widget, HTML)]
    said = [one.value for one in (*kept, *(opened.editor.notes[name] for name in ("window", "model")))]
    said += [shown.value for shown in opened.editor.errors.values() if shown.value]
    assert len(said) == 8, "each HTML widget is looked at here"
    for html in said:
        harmless(html, text)
    for name in ("prompt", "model", "image"):
        opened.editor.controls[name].value = text
    harmless(shown_panel._static()["text/html"], text.replace("\u2028", "\u2028"))
    harmless(shown_panel._saved()["text/html"], text)


@pytest.mark.parametrize("text", HOSTILE)
def test_it_is_text_in_messages_to_the_live_view(front_end: Any, text: str) -> None:
    """The view's script puts all of it in as text; here it must be data, and nothing else."""
    view = view_of(_latents(text))
    view.show()
    (screen,) = view._screens
    screen._receive(None, {"cmd": "sync", "page": text}, [])
    screen._receive(None, {"cmd": "export", "kind": text, "point": 0}, [])
    view.pump()
    lasting = [content["lasting"]["text/html"] for content, _ in front_end.messages if "lasting" in content]
    for html in lasting:
        harmless(html, text)
    assert lasting
    assert "is no kind of file" in str(answer(view, {"cmd": "export", "kind": text, "point": 0}))


def test_no_script_of_ours_writes_html() -> None:
    from jupyter_latents.display.panel.front import drops, presses, slides
    from jupyter_latents.display.scripts import live_script, page_script

    panel = (presses.Presses, drops.Drops, slides.Slide)
    for source in (live_script(), page_script("0"), *(one._esm for one in panel)):
        assert not re.search(r"(inner|outer)HTML\s*\+?=|insertAdjacentHTML|document\.write|eval\(", str(source))


def test_held_parts_are_told_as_plain_text() -> None:
    row = PartRow(HOSTILE[0], 1, "cpu", 0.0, (HOSTILE[0],), False)
    assert not hasattr(holdings([row]), "_repr_html_")
