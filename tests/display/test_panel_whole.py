"""What takes or changes all stages at once: pictures, undo, a cell of their own, closing; and the queue."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from jupyter_latents.display import view
from jupyter_latents.display.panel import results
from jupyter_latents.display.panel.front import presses
from jupyter_latents.display.screens import OutputScreen
from jupyter_latents.pictures.films import film_bytes
from jupyter_latents.pictures.metadata.record import Record, write_record
from jupyter_latents.pictures.metadata.texts import OURS, picture_bytes
from jupyter_latents.session import Session
from tests.display.panels import TWO, click

A1111 = "a hill\nNegative prompt: rain\nSteps: 4, Sampler: Euler a, CFG scale: 3, Seed: 9, Size: 64x64, Model: nobody"


def picture(**texts: str) -> bytes:
    return picture_bytes(Image.new("RGB", (8, 8), "red"), "PNG", texts)


def drop(opened: Any, file: str, content: bytes) -> None:
    opened.editor.drops._take({"field": "panel", "file": file}, [memoryview(content)])


def choose(opened: Any, file: str, content: bytes) -> None:
    opened.widgets._take(({"name": file, "content": content},))


def test_a_picture_that_is_dropped_fills_the_stages(opened: Any, session: Session) -> None:
    click(opened, "run")
    opened.wait()
    content = picture(**session.texts(session.names["final"]))
    opened.editor.controls["prompt"].value = "something else"
    click(opened, "remove")
    assert opened.model.text != TWO
    drop(opened, "made.png", content)
    assert opened.model.text == TWO
    assert "the stages are those of made.png" in opened.widgets.status.value
    click(opened, "undo")
    assert [form.into for form in opened.model.forms] == ["final"]
    click(opened, "undo")
    assert opened.model.text == TWO, "what was undone comes back"


@pytest.mark.parametrize("ending", ["mp4", "webm", "gif", "apng"])
def test_a_film_that_is_dropped_or_chosen_fills_the_stages(opened: Any, ending: str) -> None:
    if ending in ("mp4", "webm"):
        pytest.importorskip("imageio_ffmpeg")
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "teal")]
    content = film_bytes(frames, ending, 8, {OURS: write_record(Record(f"%%dgen\n{TWO}\n"))})
    assert f".{ending}" in opened.widgets.picture.accept.split(",")
    for take in (drop, choose):
        click(opened, "remove")
        assert opened.model.text != TWO
        take(opened, f"made.{ending}", content)
        assert opened.model.text == TWO
        assert f"the stages are those of made.{ending}" in opened.widgets.status.value
    drop(opened, "evil.mp4", b"#EXTM3U\n#EXTINF:1,\n/etc/hostname")
    assert "evil.mp4" in opened.widgets.status.value
    assert 'role="alert"' in opened.widgets.status.value
    assert opened.model.text == TWO


def test_a_picture_of_another_program_says_what_is_to_be_filled_in(opened: Any) -> None:
    opened.widgets._take(({"name": "a.png", "content": picture(parameters=A1111)},))
    assert (opened.model.form.prompt, opened.model.form.seed) == ("a hill", "9")
    assert "fill in" in opened.widgets.status.value


def test_a_picture_that_says_nothing_changes_nothing(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for file, content in (("plain.png", picture()), ("evil.png", b"<script>")):
        drop(opened, file, content)
        assert file in opened.widgets.status.value
        assert 'role="alert"' in opened.widgets.status.value
    monkeypatch.setattr(type(opened._changes), "open_picture", lambda *_: "%%dgen\n# fill in latents: those of x")
    drop(opened, "bare.png", picture())
    assert "bare.png leads back to no stage · fill in latents" in opened.widgets.status.value
    assert opened.text == TWO


def test_a_cell_that_the_fields_cannot_show_is_kept_as_text(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = "%%dgen\n\\setp joined a.blend(b)\ndemo/scenes"
    monkeypatch.setattr(type(opened._changes), "open_picture", lambda *_: cell)
    drop(opened, "x.png", picture())
    assert opened.widgets.text.value == cell
    assert "New cell writes its text below" in opened.widgets.status.value
    assert opened.text == TWO
    written = sent(opened, monkeypatch)
    click(opened, "new_cell")
    opened.wait()
    assert written == [{"cell": cell, "below": opened.widgets.box.model_id}]


def sent(opened: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is sent to the page."""
    messages: list[Any] = []
    monkeypatch.setattr(opened.widgets.presses, "send", messages.append)
    return messages


def test_a_new_cell_holds_the_stages_or_their_text_is_there_to_copy(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = sent(opened, monkeypatch)
    click(opened, "new_cell")
    opened.wait()
    assert written[0]["cell"] == f"%%dgen\n{TWO}"
    opened.widgets.presses._take({"inserted": True})
    assert "a cell below holds these stages" in opened.widgets.status.value
    opened.widgets.presses._take({"inserted": False})
    assert "a cell below" in opened.widgets.status.value, "it was answered already"
    click(opened, "new_cell")
    opened.wait()
    opened.widgets.presses._take({"inserted": False})
    assert "copy the cell text below" in opened.widgets.status.value
    assert "dgp-shut" not in opened.widgets.text_part._dom_classes


def test_a_page_that_does_not_hear_of_a_new_cell_leaves_its_text_to_be_copied(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presses, "_ANSWER_SECONDS", 0.05)
    sent(opened, monkeypatch)
    click(opened, "new_cell")
    opened.wait()
    for one in threading.enumerate():
        if one.name == "dgen-panel-cell":
            one.join(20)
    assert "copy the cell text below" in opened.widgets.status.value
    opened.widgets.presses._take({"inserted": True})
    assert "a cell below holds these stages" in opened.widgets.status.value, "late is not never"


def test_closing_asks_before_it_leaves_a_text_that_cannot_be_read(opened: Any) -> None:
    opened.widgets.text.value = "demo/scenes --sedes 9"
    click(opened, "close")
    assert not opened.closed
    assert "Close panel again" in opened.widgets.status.value
    click(opened, "close")
    assert opened.closed
    assert opened.left_text == "demo/scenes --sedes 9"


@pytest.fixture
def held(session: Session) -> Iterator[Any]:
    """A run of somebody else that goes on until its flag is set."""
    gate = threading.Event()
    run = session.executor.submit(lambda _: gate.wait(60) and None)
    yield gate
    gate.set()
    run.wait()


def test_runs_wait_in_a_queue_and_can_be_taken_out(opened: Any, session: Session, held: Any) -> None:
    click(opened, "run")
    opened._clicks.wait()
    assert "<b>a run</b><span>running" in opened.widgets.now.value
    assert "waiting: base → final<" in opened.widgets.later.value
    assert opened.widgets.buttons["cancel"].description == "Cancel base → final"
    click(opened, "run")
    opened._clicks.wait()
    assert "waiting: base → final, base → final (2)<" in opened.widgets.later.value
    assert opened.widgets.buttons["cancel"].description == "Cancel all 2"
    click(opened, "cancel")
    assert "taken out of the queue: base → final, base → final (2)" in opened.widgets.status.value
    assert opened.widgets.buttons["cancel"].disabled
    held.set()
    opened.wait()
    assert "base" not in session.names
    assert opened.widgets.now.value == opened.widgets.later.value == ""
    click(opened, "run")
    opened.wait()
    assert "base" in session.names


def test_each_run_of_the_queue_has_its_output_the_newest_first(
    opened: Any, held: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "choose_screen", OutputScreen)
    shown: dict[str, Any] = {}
    monkeypatch.setattr(results, "publish", lambda data, one, **_: shown.__setitem__(one, data))
    opened.results.show()
    for name in ("first", "second", "third"):
        opened.type_script(f"demo/scenes --inference-steps 2 --seeds 1 --into {name}")
        click(opened, "run")
        opened._clicks.wait()
    held.set()
    opened.wait()
    assert opened.results.view.record.title == "third"
    titles = list(shown.values())[1]["text/plain"].split("\n")
    assert [title.split(":")[0] for title in titles] == ["second", "first"]


def test_pictures_are_taken_as_bytes(opened: Any) -> None:
    made = io.BytesIO()
    Image.new("RGB", (8, 8)).save(made, "BMP")
    opened.widgets._take(({"name": "a.bmp", "content": memoryview(made.getvalue())},))
    assert "a.bmp" in opened.widgets.status.value
    opened.widgets._take(())
    assert opened.text == TWO
