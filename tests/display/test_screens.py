"""Terminals, programs and latents' own bundles."""

import gc
import io
import json
import re
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from jupyter_latents.display import publishing, screens
from jupyter_latents.display.choice import choose_screen
from jupyter_latents.display.latents import latents_bundle
from jupyter_latents.display.live import LiveScreen
from jupyter_latents.display.pictures.channels import quantise
from jupyter_latents.display.pictures.images import montage, png
from jupyter_latents.display.records import fill
from jupyter_latents.display.records.of_latents import record_of
from jupyter_latents.display.records.previews import _STEADY_FRAMES
from jupyter_latents.display.records.run_record import RunRecord
from jupyter_latents.display.texts import stage_label, status
from jupyter_latents.display.view import RunView, view_of
from jupyter_latents.engine import Phase, Span, StepEvent
from jupyter_latents.latents.facts import Noise
from jupyter_latents.latents.value import Latents
from jupyter_latents.session import Session, Task
from jupyter_latents.stage import Prompt
from jupyter_latents.syntax.script import Script
from tests.display.conftest import Recorder
from tests.display.fake_run import (
    Drawn,
    fake_previews,
    kept_result,
    landscape,
    latents_at,
    noise_at,
    stage,
    start,
    step_event,
    two_stages,
)


def view_of_record() -> RunRecord:
    return record_of(latents_at(stage(), 24), "base")


class Terminal(io.StringIO):
    """Standard output that is a terminal."""

    def isatty(self) -> bool:
        return True


def run_to_its_end(view: RunView) -> None:
    view.show()
    run = start(view, two_stages())
    while not run.wait(0.01):
        view.pump()
    view.finish()


def test_terminal_writes_one_line_over_and_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screens, "shell", lambda: None)
    output = Terminal()
    monkeypatch.setattr(sys, "stdout", output)
    run_to_its_end(RunView())
    progress, _, facts = output.getvalue().rpartition("\r")
    assert "\n" not in progress
    assert "denoising" in progress
    assert facts.startswith("base → final: 30 steps")


def test_a_terminal_shows_a_view_in_one_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(screens, "shell", lambda: None)
    view = RunView()
    view.show()
    run_to_its_end(view)
    assert capsys.readouterr().out.count("base → final: 30 steps") == 1


def test_piped_output_has_only_the_facts(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(screens, "shell", lambda: None)
    run_to_its_end(RunView())
    output = capsys.readouterr().out
    assert "\r" not in output
    assert output.startswith("base → final: 30 steps")


def test_verbose_terminal_prints_notes_as_they_come(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(screens, "shell", lambda: None)
    view = RunView(verbose=True)
    view.show()
    view.note("a library's chatter")
    view.pump()
    assert capsys.readouterr().out == "a library's chatter\n"


CELL = {"metadata": {"cellId": "a1"}, "header": {"msg_id": "b_1_2"}, "content": {"allow_stdin": True}}
SCRIPTED = {"metadata": {}, "header": {"msg_id": "0f7a41-44"}, "content": {"allow_stdin": True}}
PROGRAM = {"metadata": {}, "header": {"msg_id": "0f7a41-44_3120_7"}, "content": {"allow_stdin": False}}
CONSOLE = {"metadata": {}, "header": {"msg_id": "0f7a41-44_3120_7"}, "content": {"allow_stdin": True}}


@dataclass(frozen=True)
class Asked:
    """A kernel that was asked so."""

    request: dict[str, Any]

    def get_parent(self, _channel: str) -> dict[str, Any]:
        return self.request


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        (Asked(CELL), "notebook"),
        (Asked(SCRIPTED), "notebook"),
        (Asked({}), "notebook"),
        (object(), "notebook"),
        (Asked(PROGRAM), "program"),
        (Asked(CONSOLE), "console"),
    ],
)
def test_a_request_tells_the_front_end(kernel: object, expected: str) -> None:
    assert publishing.front_end(kernel) == expected


def test_a_notebook_without_a_history_file_is_live(front_end: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = SimpleNamespace(kernel=Asked(CELL), history_manager=SimpleNamespace(hist_file=":memory:"))
    monkeypatch.setattr(screens, "shell", lambda: shell)
    assert isinstance(choose_screen(RunView()), LiveScreen)


def test_a_console_gets_the_result_as_text_and_picture(front_end: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screens, "shell", lambda: SimpleNamespace(kernel=Asked(CONSOLE)))
    run_to_its_end(RunView())
    (_, first, _), (_, told, _), (_, last, _) = front_end.bundles
    assert [update for _, _, update in front_end.bundles] == [False, False, False]
    assert first == {"text/plain": "run: started"}
    assert list(told) == ["text/plain"]
    assert told["text/plain"].startswith("base → final: 30 steps")
    assert sorted(last) == ["image/png", "text/html", "text/plain"]
    assert last["text/plain"] == "base → final: a picture"
    assert front_end.messages == []


TIMES = re.compile(r"[\d.]+ steps/s · [\d.]+ (?:ms|s|min)")


def untimed(bundle: dict[str, Any]) -> str:
    return TIMES.sub("TIME", json.dumps(bundle, ensure_ascii=False))


@pytest.mark.parametrize("every", [None, 7])
def test_the_same_run_leaves_the_same_output_however_long_it_takes(
    front_end: Recorder, monkeypatch: pytest.MonkeyPatch, every: int | None
) -> None:
    monkeypatch.setattr(screens, "shell", lambda: SimpleNamespace(kernel=Asked(PROGRAM)))
    monkeypatch.setattr("jupyter_latents.display.records.pace._SECONDS", 0.0)
    for seconds, share in ((60.0, 0.0), (0.0, 1e9)):
        monkeypatch.setattr("jupyter_latents.display.records.previews._FILLING_SECONDS", seconds)
        monkeypatch.setattr("jupyter_latents.display.records.pace._SHARE", share)
        run_to_its_end(RunView(preview_every=every))
    (_, _, _), (_, one, _), (_, _, _), (_, other, _) = front_end.bundles
    assert "TIME" in untimed(one)
    assert untimed(one) == untimed(other)


def test_a_run_that_nobody_looks_at_gets_a_number_of_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screens, "shell", lambda: SimpleNamespace(kernel=Asked(PROGRAM)))
    view = RunView()
    run_to_its_end(view)
    framed = [point for one in view.record.stages for point in one.points if point.frame]
    assert len(framed) == _STEADY_FRAMES + 1, "the last is the picture itself"


def test_a_driven_kernel_gets_one_output_and_its_update(front_end: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screens, "shell", lambda: SimpleNamespace(kernel=Asked(PROGRAM)))
    run_to_its_end(RunView())
    assert [update for _, _, update in front_end.bundles] == [False, True]
    assert front_end.messages == []


def test_a_view_of_latents_is_one_whole_output_in_a_driven_kernel(
    front_end: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screens, "shell", lambda: SimpleNamespace(kernel=Asked(PROGRAM)))
    view = RunView()
    view.record = view_of_record()
    view.show()
    assert ["text/html" in bundle for _, bundle, _ in front_end.bundles] == [True]


def test_a_view_of_latents_is_its_facts_in_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(screens, "shell", lambda: None)
    view_of(latents_at(stage(), 24)).show()
    assert "exactly, with its history" in capsys.readouterr().out


def test_preview_every_asks_for_previews_of_those_steps_and_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_latents.display.records.previews.fill_frames", lambda *_: None)
    view = RunView(preview_every=10)
    assert start(view, [stage("base", end=0.8)]).wait(20)
    assert [point.step for point in view.record.stages[0].points if point.frame] == [10, 20, 24]
    view.finish()


def drawn(picture: Callable[[], list[Image.Image]]) -> Drawn:
    return Drawn(picture, (Latents(torch.zeros(1, 4, 2, 2)),))


def framed_steps(monkeypatch: pytest.MonkeyPatch, cost: float, each: float, steps: int = 30) -> list[int]:
    """The steps that get a live preview in a run of so many steps of so many seconds each."""
    now = [100.0]
    clock = SimpleNamespace(monotonic=lambda: now[0])
    for module in ("view", "records.pace", "records.run_record", "records.stage_record"):
        monkeypatch.setattr(f"jupyter_latents.display.{module}.time", clock)
    view = RunView()
    view.stage(0, stage("base"), "base")
    view.phase(Phase("denoising"))

    def picture() -> list[Image.Image]:
        now[0] += cost
        return [landscape(8)]

    for step in range(1, steps + 1):
        now[0] += each
        view.step(step_event(step, steps), drawn(picture))
    return [point.step for point in view.record.stages[0].points if point.frame]


@pytest.mark.parametrize(("cost", "framed"), [(0.0, [4, 8, 12, 16, 20, 24, 28]), (1 / 64, [4, 17])])
def test_default_rate_is_five_previews_a_second_and_a_fiftieth_of_the_time_at_most(
    monkeypatch: pytest.MonkeyPatch, cost: float, framed: list[int]
) -> None:
    monkeypatch.setattr("jupyter_latents.display.records.pace._usual", {})
    assert framed_steps(monkeypatch, cost, 1 / 16) == framed


def test_a_run_too_short_to_afford_a_preview_makes_none_once_it_is_known_what_one_costs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jupyter_latents.display.records.pace._usual", {})
    assert framed_steps(monkeypatch, 1 / 64, 1 / 64) == [13], "what it costs is not known before"
    assert framed_steps(monkeypatch, 1 / 64, 1 / 64) == []
    assert framed_steps(monkeypatch, 1 / 64, 1 / 64, steps=60)[:1] == [13], "a longer run has it as early as before"


def test_a_stage_answered_from_memory_shows_the_frames_it_had_and_makes_none() -> None:
    first = RunView(preview_every=3)
    assert start(first, [stage("base")]).wait(20)
    first.finish()
    had = {point.step: point.frame for point in first.record.stages[0].points}
    assert all(had.values())
    fake_previews(32)
    again = RunView()
    again.stage(0, stage("base"), "base")
    again.result(kept_result(first.record.stages[0].latents))
    again.finish()
    assert {point.step: point.frame for point in again.record.stages[0].points} == had


def test_a_stage_answered_from_memory_whose_frames_are_nowhere_gets_them() -> None:
    made = latents_at(stage(), 24)
    view = RunView()
    view.stage(0, stage("base"), "base")
    view.result(kept_result(made.replace(trajectory=[latents_at(stage(), step) for step in range(1, 25)])))
    view.finish()
    assert all(point.frame for point in view.record.stages[0].points)


def test_latents_that_were_changed_in_place_show_no_earlier_frame() -> None:
    made = latents_at(stage(), 24)
    before = view_of(made).record.stages[0].points[-1].frame
    fake_previews(32)
    assert view_of(made).record.stages[0].points[-1].frame == before
    made.tensor.zero_()
    assert view_of(made).record.stages[0].points[-1].frame != before


def test_missing_frames_are_made_at_the_end_from_the_kept_steps() -> None:
    view = RunView()
    assert start(view, two_stages()).wait(20)
    view.finish()
    assert all(point.frame for item in view.record.stages for point in item.points)


def test_view_of_latents_has_a_stage_for_each_model() -> None:
    first, second = two_stages()
    steps = [latents_at(first, n) for n in range(1, 25)] + [latents_at(second, n) for n in range(25, 31)]
    view = view_of(steps[-1].replace(trajectory=tuple(steps)))
    assert [item.steps for item in view.record.stages] == [24, 6]
    assert view.record.stages[1].pictures
    assert all(point.frame for item in view.record.stages for point in item.points)


def test_a_kept_result_is_shown_with_its_steps() -> None:
    view = RunView()
    steps = tuple(latents_at(stage(), n) for n in range(1, 31))
    view.stage(0, stage("final", start=0.8), "final")
    view.result(kept_result(steps[-1].replace(trajectory=steps), landscape(64), start=24))
    view.finish()
    assert [point.step for point in view.record.stages[0].points] == list(range(25, 31))
    assert view.record.stages[0].first_sigma == noise_at(24, 30).sigma
    assert all(point.frame and point.channels for point in view.record.stages[0].points)
    assert status(view.record) == "kept from before"


def test_a_kept_result_has_its_frames_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = tuple(latents_at(stage(), n) for n in range(1, 31))
    frames = []
    for _ in range(2):  # each answer from memory has latents of its own, around the same tensors
        again = tuple(one.replace() for one in steps)
        view = RunView()
        view.stage(0, stage("final", start=0.8), "final")
        view.result(kept_result(again[-1].replace(trajectory=again), landscape(64), start=24))
        view.finish()
        frames.append([point.frame for point in view.record.stages[0].points])
        monkeypatch.setattr("jupyter_latents.display.records.fill._previews", None)
    assert frames[0] == frames[1]
    assert all(frames[1])


def test_frames_are_let_go_with_their_tensors() -> None:
    gc.collect()
    before, others = len(fill._made), set(threading.enumerate())
    test_missing_frames_are_made_at_the_end_from_the_kept_steps()
    for thread in set(threading.enumerate()) - others:  # the run's and the view's hold the steps until they end
        thread.join(20)
    gc.collect()
    assert len(fill._made) <= before


KEPT = """demo/scenes --prompts x --seeds 1 --inference-steps 4 --denoising-end 0.5 --output-size 64 --into base

demo/scenes --image-seeds "latents: base" --inference-steps 4 --into rest

demo/scenes --prompts x --image-seeds base --seeds 1 --inference-steps 4 --image-seed-strengths 0.5 --into anew"""


def test_a_kept_result_says_the_steps_that_it_ran() -> None:
    session, said = Session({}), []
    for _ in range(2):
        view = RunView(preview_every=0)
        assert session.start(Task(Script(KEPT)), view).wait(120)
        said.append([(item.start, item.steps) for item in view.record.stages])
    assert view.record.stages[1].kept
    assert said == [[(0, 2), (2, 2), (2, 2)]] * 2


BEGINNINGS = """demo/scenes --prompts x --seeds 1 --inference-steps 4 --denoising-end 0.5 --into base

demo/paper --image-seeds "latents: base" --inference-steps 4 --denoising-start 0.5 --into final

demo/paper --image-seeds "latents: base" --inference-steps 8 --denoising-start 0.25 --into other
--scheduler DDIMScheduler

demo/flow --prompts x --seeds 1 --inference-steps 3 --into flow"""


def test_view_of_latents_tells_the_levels_at_which_the_run_began() -> None:
    session = Session({})
    view = RunView(preview_every=0)
    assert session.start(Task(Script(BEGINNINGS)), view).wait(120)
    told = [item.first_sigma for item in view.record.stages]
    for name, stages in (("final", [0, 1]), ("other", [2]), ("flow", [3])):
        again = [item.first_sigma for item in record_of(session.names[name]).stages]
        assert again == pytest.approx([told[number] for number in stages], rel=0.01), name
    same = RunView(preview_every=0)
    assert session.start(Task(Script(BEGINNINGS)), same).wait(120)
    assert all(item.kept for item in same.record.stages)
    assert [item.first_sigma for item in same.record.stages] == pytest.approx(told, rel=0.01)
    assert [item.form for item in same.record.stages] == [item.form for item in view.record.stages]


def test_a_schedule_that_cannot_be_made_again_tells_no_first_level() -> None:
    assert view_of_record().stages[0].first_sigma is None


def test_view_of_latents_without_steps() -> None:
    view = view_of(latents_at(stage(), 24))
    assert [point.step for point in view.record.stages[0].points] == [24]


def test_latents_bundle_is_picture_facts_and_channels() -> None:
    latents = latents_at(stage(prompt=Prompt("<b>bold</b>")), 24)
    bundle = latents_bundle(latents, [landscape(128)])
    assert bundle["text/plain"] == repr(latents)
    assert "&lt;b&gt;bold&lt;/b&gt;" in bundle["text/html"]
    assert "<b>bold" not in bundle["text/html"]
    assert bundle["text/html"].count("<img") == 2
    assert "image/png" in bundle


def test_latents_bundle_without_pictures_still_shows_facts() -> None:
    bundle = latents_bundle(latents_at(stage(), 24), [])
    assert "image/png" not in bundle
    assert "exactly, with its history" in bundle["text/html"]


def test_quantised_channels_are_close_to_the_values() -> None:
    values = torch.randn(4, 16, 16, generator=torch.Generator().manual_seed(0)).numpy()
    kept = quantise(values)
    assert (kept.count, kept.height, kept.width, kept.stride) == (4, 16, 16, 1)
    channel = torch.frombuffer(bytearray(kept.content[:256]), dtype=torch.uint8).reshape(16, 16) / 255
    back = kept.low[0] + channel * (kept.high[0] - kept.low[0])
    assert float((back - torch.from_numpy(values[0])).abs().max()) < (kept.high[0] - kept.low[0]) / 255


def test_large_and_flat_channels_are_thinned_and_do_not_fail() -> None:
    kept = quantise(torch.zeros(16, 128, 128).numpy())
    assert len(kept.content) <= 16384
    assert kept.stride == 4
    assert kept.tiles().startswith(b"\x89PNG")


def test_png_fits_its_limit() -> None:
    noise = Image.frombytes("RGB", (256, 256), torch.randint(0, 256, (196608,), dtype=torch.uint8).numpy().tobytes())
    assert len(png(noise, 20_000)) <= 20_000


def test_montage_of_four_is_two_by_two() -> None:
    assert montage([landscape(32)] * 4).size == (66, 66)
    assert montage([landscape(32)]).size == (32, 32)


def test_a_terminal_has_no_pictures_made(capsys: pytest.CaptureFixture[str]) -> None:
    view = RunView()
    view.show()
    assert start(view, two_stages()).wait(20)
    view.finish()
    points = [point for item in view.record.stages for point in item.points]
    assert len(points) == 30
    assert not any(point.frame or point.channels is not None for point in points)
    assert "base" in capsys.readouterr().out


def test_a_preview_that_fails_costs_the_picture_and_not_the_run() -> None:
    def broken() -> list[Image.Image]:
        raise RuntimeError("out of memory")

    view = RunView(preview_every=1)
    view.stage(0, stage("base"), "base")
    view.step(step_event(1), drawn(broken))
    view.finish()
    assert [note.text for note in view.record.notes] == ["a step has no preview: out of memory"]


def test_a_run_that_made_nothing_leaves_words(front_end: Recorder) -> None:
    for state, words in (
        ("failed", "base → final: failed: no such model"),
        ("stopped", "stopped before the first step"),
    ):
        screen = screens.OutputScreen(RunView())
        screen.view.record = RunRecord(planned=tuple(two_stages()), state=state, error="no such model", ended=1.0)
        screen.view.note("of the run")
        bundle = screen.bundle()
        assert list(bundle) == ["text/plain"]
        assert words in bundle["text/plain"]
        said, advised = bundle["text/plain"].split("\n")[-2:]
        assert said == "of the run"
        assert advised.startswith("Next: ")


def test_a_stage_that_was_ended_early_is_labelled_by_what_it_ran() -> None:
    view = RunView()
    item = stage("base")
    view.stage(0, item, "base")
    view.phase(Phase("denoising", span=Span(0, 30, 30, 1, 30), noise=Noise(14.0, "ve")))
    record = view.record.stages[0]
    view.step(StepEvent(1, 1, Span(0, 30, 30, 1, 30), Noise(9.0, "ve")), drawn(list))
    assert stage_label(record).endswith("steps 0–30 of 30")
    view.result(kept_result(latents_at(item, 1)))
    assert stage_label(record).endswith("steps 0–30 of 30, ended at 1")


@pytest.mark.parametrize("state", ["failed", "stopped"])
def test_a_stage_that_ended_before_its_first_step_says_so(state: str) -> None:
    view = RunView()
    view.stage(0, stage("base"), "base")
    view.phase(Phase("denoising", span=Span(0, 30, 30, 1, 30), noise=Noise(14.0, "ve")))
    assert stage_label(view.record.stages[0]).endswith("steps 0–30 of 30")
    view.record.end(state, None)
    assert stage_label(view.record.stages[0]).endswith(", no step of 30")
