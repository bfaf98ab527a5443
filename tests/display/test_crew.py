"""The workers of a run while they run several stages at once."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from jupyter_latents.display.live import LiveScreen
from jupyter_latents.display.payload import crew, head
from jupyter_latents.display.static_html import Budget, run_html
from jupyter_latents.display.tables.workers import WorkerTable
from jupyter_latents.display.texts import doing
from jupyter_latents.display.view import RunView
from jupyter_latents.engine import ItemEvent, WorkerRow
from tests.display.fake_run import kept_result, latents_at, stage

FREE = WorkerRow("lab-3", 4711, "cpu", "free", "demo/scenes", "", 12)
BUSY = WorkerRow("lab-4", 17, "A100", "busy", "demo/paper", "seed <3>", 7)


def watched() -> RunView:
    view = RunView()
    for index, name in enumerate(("seed 1", "seed 2", "seed <3>")):
        view.item(ItemEvent(index, name, "waiting"), [FREE, FREE])
    view.item(ItemEvent(0, "seed 1", "done", None, 8, 8), [FREE, FREE])
    view.item(ItemEvent(2, "seed <3>", "running", "denoising", 5, 8), [FREE, BUSY])
    return view


def test_the_view_says_who_does_what_and_how_far_it_is() -> None:
    record = watched().record
    told = crew(record)
    assert told["headings"] == ["host", "process", "device", "state", "model", "item", "evaluations", "step"]
    assert told["rows"] == [
        ["lab-3", "4711", "cpu", "free", "demo/scenes", "", "12", ""],
        ["lab-4", "17", "A100", "busy", "demo/paper", "seed <3>", "7", "5 of 8"],
    ]
    assert told["items"] == [[2, "seed <3>", "5 of 8"]]
    assert doing(record) == "1 of 3 done · 1 at work"
    assert head(record)["status"] == "1 of 3 done · 1 at work"
    record.state = "paused"
    assert doing(record) == "paused · 1 of 3 done · 1 at work"


def test_each_stage_at_work_shows_its_newest_picture_to_whoever_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[dict[str, Any], list[bytes]]] = []
    widget = SimpleNamespace(model_id="x", send=lambda news, buffers: sent.append((news, list(buffers))))
    view, asked = watched(), list[int]()

    def look(shade: int) -> Any:
        return SimpleNamespace(preview=lambda _tiny: asked.append(shade) or [Image.new("L", (300, 200), shade)])

    running = ItemEvent(2, "seed <3>", "running", "denoising", 6, 8)
    view.item(running, [FREE, BUSY], look(0))
    assert asked == [], "nobody looks"
    screen = LiveScreen(view)
    screen.widget = widget
    view._screens.append(screen)
    monkeypatch.setattr(view, "_send_unpumped", lambda **_: screen._send_news())
    view.item(replace(running, step=7), [FREE, BUSY], look(90))
    view.item(replace(running, step=8), [FREE, BUSY], look(180))
    assert asked == [90], "no more than five a second"
    news, buffers = sent[0]
    assert news["looks"] == [{"item": 2, "b": 0}]
    assert Image.open(BytesIO(buffers[0])).size == (128, 85)
    assert "looks" not in sent[1][0]
    view.item(replace(running, state="done"), [FREE, FREE])
    assert list(view.record.looks) == [2], "it stands in the grid until its result is told"
    for index in range(3):
        view.stage(index, stage("seeds"), "seeds")
    view.result(kept_result(latents_at(stage(), 30)))
    assert view.record.looks == {}


def test_a_stage_that_lost_its_worker_shows_no_picture_until_it_runs_again() -> None:
    view = watched()
    view.record.looks[2] = b"jpeg"
    view.item(ItemEvent(2, "seed <3>", "waiting"), [FREE])
    assert view.record.looks == {}


def test_what_stays_does_not_say_who_did_it() -> None:
    record = watched().record
    record.end("done", None)
    assert crew(record) == {}
    assert "lab-4" not in run_html(record, Budget(2, 96, 256, 0))


def test_the_table_of_workers_is_text_and_html() -> None:
    table = WorkerTable([FREE, replace(BUSY, item="seed <3>")])
    assert [line.split()[:2] for line in repr(table).splitlines()] == [
        ["host", "process"],
        ["lab-3", "4711"],
        ["lab-4", "17"],
    ]
    assert "seed &lt;3&gt;" in table._repr_html_()
    assert repr(WorkerTable([])) == "there is no worker: stages run in this process."
