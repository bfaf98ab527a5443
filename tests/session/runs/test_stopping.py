"""A stop is heard in every phase of a run: each is held by a gate, stopped, and let go on."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from jupyter_latents import machine
from jupyter_latents.display.live import LiveScreen
from jupyter_latents.display.view import RunView
from jupyter_latents.engine.models import filler
from jupyter_latents.engine.observer import Look, StepEvent
from jupyter_latents.errors import StoppedError
from jupyter_latents.latents.clip import Clip
from jupyter_latents.magics import Interrupted, _wait
from jupyter_latents.session import Session, Task
from jupyter_latents.session.outputs import _write_picture
from jupyter_latents.session.runs.run import Run
from jupyter_latents.stage import ModelSource
from jupyter_latents.stopping import StopFlag, heeding
from jupyter_latents.syntax import Script
from tests.session.conftest import SECONDS, Desk, Notes

STEPS = 4
SCRIPT = f"<sd15> --prompts cat --seeds 3 --inference-steps {STEPS} --output-size 64 --into made"


class Gate:
    """Holds whoever comes `after` others, until it is opened; counts who comes later."""

    def __init__(self, after: int = 0) -> None:
        self.after, self.came, self.later = after, 0, 0
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self, *_args: Any, **_kwargs: Any) -> None:
        if self.reached.is_set():
            self.later += 1
            return
        self.came += 1
        if self.came > self.after:
            self.reached.set()
            assert self.opened.wait(SECONDS)


def by_call(run: Run, _view: RunView) -> None:
    """``run.stop()``."""
    run.stop()


def by_button(run: Run, view: RunView) -> None:
    """What a click on Stop sends."""
    view.run = run
    LiveScreen(view)._receive(None, {"cmd": "stop"}, [])


def by_interrupt(run: Run, view: RunView) -> None:
    """■: an interrupt of the main thread while the cell waits."""


WAYS = pytest.mark.parametrize("way", [by_call, by_button, by_interrupt])


def stop_at(gate: Gate, run: Run, way: Callable[[Run, RunView], None] = by_call) -> None:
    """Stops a run when it has reached the gate, opens that, and waits for the run's end."""
    assert gate.reached.wait(SECONDS)
    view = RunView(tells_error=False)
    if way is by_interrupt:
        interrupted(run, view, gate.opened.set)
    else:
        way(run, view)
        gate.opened.set()
    assert run.wait(SECONDS)
    assert run.error is None
    assert run.state == "stopped"


def interrupted(run: Run, view: RunView, then: Callable[[], None]) -> str:
    """Waits for a run as its cell does, and is interrupted; gives what the cell says."""
    stop = run.flag.stop

    def stop_and_go_on() -> None:
        stop()
        then()

    run.flag.stop = stop_and_go_on  # type: ignore[method-assign]
    view.pump = lambda: signal.raise_signal(signal.SIGINT)  # type: ignore[method-assign]
    with pytest.raises(Interrupted) as told:
        _wait(run, view)
    return str(told.value)


def part(desk: Desk, name: str) -> torch.nn.Module:
    return desk.session.engine.cache.load(ModelSource(str(desk.models("sd15")))).parts[name]


def gated(module: torch.nn.Module, gate: Gate) -> None:
    """Lets every module that has no parts go through a gate."""
    for leaf in module.modules():
        if not list(leaf.children()):
            leaf.register_forward_pre_hook(gate)


@WAYS
def test_a_queued_run_ends_at_once_and_says_that_nothing_was_made(desk: Desk, way: Any) -> None:
    gate = Gate()
    first = desk.session.executor.submit(gate)
    queued = desk.start(SCRIPT)
    assert gate.reached.wait(SECONDS)
    if way is by_interrupt:
        said = interrupted(queued, RunView(tells_error=False), lambda: None)
    else:
        way(queued, RunView())
        assert queued.wait(SECONDS)
        said = desk.notes.lines[-1]
    assert not first.wait(0), "the run before it still goes on"
    assert queued.state == "stopped"
    assert said == "the run was stopped while it waited for an earlier one; nothing was made."
    assert desk.notes.lines == [said]
    assert desk.session.executor.waiting == (first,)
    gate.opened.set()
    assert first.wait(SECONDS)


@WAYS
def test_templates(desk: Desk, way: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(after=3)
    monkeypatch.setattr(machine, "have_cuda", lambda *_: gate())
    loops = (
        "{% for a in range(9999) %}{% for b in range(9999) %}{% if have_cuda() %}x{% endif %}{% endfor %}{% endfor %}"
    )
    stop_at(gate, desk.start(f"<sd15> --prompts '{loops}'"), way)
    assert gate.later == 0


def test_planning(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from jupyter_latents.engine import local as preparing

    gate, prepare = Gate(after=3), preparing.prepare
    monkeypatch.setattr(preparing, "prepare", lambda *given: (gate(), prepare(*given))[1])
    run = desk.start("<sd15> --prompts cat --gen-seeds 300 --inference-steps 2")
    stop_at(gate, run)
    assert (gate.later, run.results) == (0, [])


def test_reading_pictures(desk: Desk) -> None:
    gate = Gate()

    class Slow(Image.Image):
        """A picture that takes its time."""

        def load(self) -> Any:
            gate()
            return super().load()

    def slow() -> Image.Image:
        made = Image.new("RGB", (64, 64))
        made.__class__ = Slow
        return made

    desk.session.names["photos"] = [slow() for _ in range(8)]
    stop_at(gate, desk.start(f"{SCRIPT} --image-seeds photos"))
    assert gate.later < 2, "only the one in hand"


@WAYS
def test_loading(desk: Desk, way: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, read_part = Gate(), filler.read_part

    def held(what: Any, *given: Any) -> Any:
        if what.name == "unet":
            gate()
        return read_part(what, *given)

    monkeypatch.setattr(filler, "read_part", held)
    stop_at(gate, desk.start(SCRIPT), way)
    assert not [row for row in desk.session.holdings() if row.what.startswith("unet")], "it was read to its end"
    assert "was stopped while loading; no step had run" in desk.notes.lines[-1]
    assert desk.run(SCRIPT).result.is_clean


def test_encoding_texts(desk: Desk) -> None:
    gate = Gate(after=1)
    gated(part(desk, "text_encoder"), gate)
    run = desk.start(SCRIPT)
    stop_at(gate, run)
    assert gate.later == 0
    assert "was stopped while encoding; no step had run" in desk.notes.lines[-1]
    assert "made" not in desk.session.names


def test_encoding_pictures(desk: Desk) -> None:
    gate = Gate(after=1)
    gated(part(desk, "vae").encoder, gate)
    desk.session.names["photo"] = Image.new("RGB", (64, 64), "red")
    stop_at(gate, desk.start(f"{SCRIPT} --image-seeds photo"))
    assert gate.later == 0


@WAYS
def test_steps_end_whole(desk: Desk, way: Any) -> None:
    gate = Gate(after=1)

    class Held(Notes):
        def step(self, event: StepEvent, look: Look) -> None:
            gate()

    run = desk.session.start(Task(Script(desk.text(SCRIPT))), Held())
    stop_at(gate, run, way)
    assert (gate.later, desk["made"].position.step, run.bound) == (0, 2, ["made"])
    assert run.left == "the run ended at a whole step; what it had made is bound (made) and can be continued."


@WAYS
def test_decoding_keeps_the_steps(desk: Desk, way: Any) -> None:
    gate = Gate(after=1)
    gated(part(desk, "vae").decoder, gate)
    run = desk.start(SCRIPT)
    stop_at(gate, run, way)
    assert gate.later == 0
    assert desk["made"].is_clean
    assert run.results[-1].images == ()
    again = desk.run(SCRIPT)
    assert again.model_evaluations == 0
    whole = Desk(desk.models, Session()).run(SCRIPT)
    assert torch.equal(again.result.tensor, whole.result.tensor)
    assert again.results[-1].images == whole.results[-1].images


def test_saving_leaves_whole_files(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, save = Gate(after=1), Image.Image.save

    def held(self: Image.Image, *given: Any, **more: Any) -> None:
        if "PNG" in (*given, *more.values()):  # and no small picture of a gallery
            gate()
        save(self, *given, **more)

    monkeypatch.setattr(Image.Image, "save", held)
    run = desk.start(f"{SCRIPT} --batch-size 4 --output-path {tmp_path}")
    stop_at(gate, run)
    assert [path.suffix for path in tmp_path.iterdir()] == [".png"], "one was whole before, the second is not there"
    assert desk["made"].is_clean
    assert len(run.results[-1].images) == 4


def test_a_stop_after_the_end_changes_nothing(desk: Desk) -> None:
    run = desk.run(SCRIPT)
    run.stop()
    assert (run.state, run.left) == ("done", "the run came to its end before the stop was heard; all of it is made.")


def test_a_pause_after_a_stop_holds_nothing(desk: Desk) -> None:
    gate = Gate()
    run = desk.session.executor.submit(lambda run: (gate(), run.should_stop()))
    assert gate.reached.wait(SECONDS)
    run.stop()
    run.pause()
    gate.opened.set()
    assert run.wait(SECONDS)


def test_a_stop_in_the_middle_of_a_pause_wakes_the_run() -> None:
    flag = StopFlag()
    clear = flag._go_on.clear

    def stop_first() -> None:
        flag.stop()
        clear()

    flag._go_on.clear = stop_first  # type: ignore[method-assign]
    flag.pause()
    assert not flag.paused


def test_an_interrupt_before_the_cell_waits_leaves_no_run_behind(
    desk: Desk, shell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jupyter_latents.session import current

    gate, runs = Gate(), list[Run]()
    first = current(shell.user_ns).executor.submit(gate)

    def interrupt(_view: RunView, run: Run) -> None:
        runs.append(run)
        raise KeyboardInterrupt

    monkeypatch.setattr(RunView, "attach", interrupt)
    ended = shell.run_cell(desk.text(f"%%dgen\n{SCRIPT}"))
    assert isinstance(ended.error_in_exec, Interrupted)
    assert runs[0].wait(SECONDS)
    assert runs[0].state == "stopped"
    gate.opened.set()
    assert first.wait(SECONDS)


def test_an_interrupt_while_a_cell_imports_is_told_in_words(shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_desk: Desk) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("jupyter_latents.magics.Desk.session", property(interrupt))
    ended = shell.run_cell(f"%%dgen\n{SCRIPT}")
    assert isinstance(ended.error_in_exec, Interrupted)
    assert "nothing was made" in str(ended.error_in_exec)


def test_whoever_is_told_to_end_has_heard_it_whenever_the_stop_comes() -> None:
    class Stopped(StopFlag):
        """Is stopped between two questions."""

        answers = iter((False, True, True))

        @property
        def asked(self) -> bool:
            return next(self.answers)

    flag = Stopped()
    for _ in range(2):
        told = flag.hear()
        assert flag.heard == told


@pytest.mark.parametrize("ending", ["mp4", "webm", "gif", "apng", "webp"])
def test_a_stop_ends_the_encoding_of_a_film_between_two_frames(ending: str, tmp_path: Path) -> None:
    flag, loaded = StopFlag(), []

    class Watched(Image.Image):
        number: int

        def load(self) -> Any:
            loaded.append(self.number)
            if self.number == 3:
                flag.stop()
            return super().load()

    def frame(number: int) -> Image.Image:
        made = Image.new("RGB", (48, 32), (20 * number, 90, 10))
        made.__class__ = Watched
        vars(made)["number"] = number
        return made

    clip, target = Clip([frame(number) for number in range(9)]), tmp_path / f"film.{ending}"
    with heeding(flag), pytest.raises(StoppedError):
        _write_picture(clip, target, 0, latents=b"", texts=lambda _: {}, tell=print)
    assert max(loaded) < 8, "the rest is not encoded"
    assert not list(tmp_path.iterdir())
    assert not any("load" in vars(one) for one in clip)
