"""What a run's record keeps and how it is put in words."""

import math
import time
from dataclasses import replace

import pytest

from jupyter_latents.display.latents import latents_bundle
from jupyter_latents.display.payload import head
from jupyter_latents.display.records.run_record import RunRecord
from jupyter_latents.display.records.stage_record import Point
from jupyter_latents.display.still import bar
from jupyter_latents.display.texts import (
    advice,
    duration,
    progress_line,
    reading_text,
    sigma_text,
    spoken,
    stage_label,
    status,
    summary,
)
from jupyter_latents.engine.observer import Phase, Reading
from jupyter_latents.engine.schedule.window import Span
from jupyter_latents.latents.facts import CLEAN, Noise
from jupyter_latents.stage import Prompt, Sweep
from tests.display.fake_run import latents_at, stage, two_stages

ONWARD = "and it goes on from step 22; base holds the latents of step 22."


def running(steps: int = 22) -> RunRecord:
    """A run in its first stage of two."""
    record = RunRecord(planned=tuple(two_stages()))
    record.begin_stage(two_stages()[0], "base")
    record.begin_phase(Phase("loading", Reading("demo/scenes")))
    record.begin_phase(Phase("denoising", span=Span(0, 24, 30, 1, 30), noise=Noise(14.6, "ve")))
    for step in range(1, steps + 1):
        record.add_step(Point(step, 1.0), Span(0, 24, 30, 1, 30))
    record.stages[0].denoising = steps / 10
    return record


def test_title_joins_the_names_of_done_and_coming_stages() -> None:
    assert running().title == "base → final"


def test_title_counts_results_of_one_name_and_leaves_the_middle_out() -> None:
    record = RunRecord()
    for name in ("a", "a", "b", "c", "d", "e"):
        record.begin_stage(stage(name), name)
    assert record.title == "a × 2 → b → … → e"


def test_the_results_of_a_sweep_are_places_of_a_list() -> None:
    record = RunRecord()
    for number in range(2):
        record.begin_stage(stage("out", sweep=Sweep(number, 2)), "out")
    assert [item.branch(12) for item in record.stages] == [
        ("out0_12", "out[0].at(step=12)"),
        ("out1_12", "out[1].at(step=12)"),
    ]


def test_a_name_that_a_later_invocation_takes_leads_to_no_earlier_result() -> None:
    record = RunRecord()
    for _ in range(2):
        record.begin_stage(stage("out"), "out")
    assert [item.branch(12) for item in record.stages] == [("", ""), ("out_12", "out.at(step=12)")]


def test_a_result_without_a_name_has_no_branch() -> None:
    assert RunRecord().begin_stage(stage(None), "").branch(12) == ("", "")


def test_status_while_denoising_tells_step_speed_and_time_left() -> None:
    assert status(running()) == "denoising 22 of 30 · 10.0 steps/s · 1 s left"


def test_the_time_left_is_told_apart_from_what_the_run_does() -> None:
    record = running()
    told = head(record)
    assert (told["status"], told["left"]) == ("denoising 22 of 30 · 10.0 steps/s", "1 s left")
    record.state = "paused"
    assert (head(record)["left"], status(record)) == ("", "paused at step 22 of 30")


def test_status_tells_what_loads() -> None:
    record = running(0)
    record.begin_phase(Phase("loading", Reading("demo/scenes", ("unet",), (), 2_500_000, 300_000, 4_000_000)))
    assert status(record) == "loading demo/scenes: unet, 2.5 MB (300 kB of 4 MB read)"


def test_status_tells_how_long_a_wait_without_steps_takes() -> None:
    record = running(0)
    record.begin_phase(Phase("decoding"))
    assert status(record) == "decoding the picture"
    record.phases[-1].began -= 75
    assert status(record) == "decoding the picture · 75 s"


def test_a_pause_does_not_count_as_slowness() -> None:
    record = running(2)
    record.phases[-1].began -= 60
    record.held = 58.0
    record.add_step(Point(3, 1.0), Span(0, 24, 30, 1, 30))
    assert 1.4 < record.speed < 1.6


@pytest.mark.parametrize(
    ("state", "expected"),
    [("queued", "waiting for an earlier run"), ("paused", "paused at step 22 of 30")],
)
def test_status_of_a_run_that_waits(state: str, expected: str) -> None:
    record = running()
    record.state = state
    assert status(record) == expected


def test_a_run_that_waits_says_that_the_one_before_it_is_paused() -> None:
    record = running()
    record.state, record.held_up = "queued", "night"
    assert status(record) == "waiting: night is paused"


@pytest.mark.parametrize(
    ("state", "left", "expected"),
    [
        ("failed", False, "Next: change the options and run it again."),
        ("stopped", False, "Next: run it again."),
        (
            "stopped",
            True,
            f"Next: run it again, {ONWARD}",
        ),
        ("done", True, ""),
    ],
)
def test_a_run_that_ended_before_its_time_says_what_can_be_done(state: str, left: bool, expected: str) -> None:
    record = running()
    record.end(state, latents_at(two_stages()[0], 22) if left else None)
    assert advice(record) == expected


def test_a_stage_whose_seed_was_drawn_does_not_go_on() -> None:
    record = running()
    record.stages[-1].stage = replace(record.stages[-1].stage, seed=None)
    record.end("stopped", latents_at(two_stages()[0], 22))
    assert advice(record) == "Next: run it again; base holds the latents of step 22."


def test_a_screen_reader_hears_what_begins_and_ends_and_no_steps() -> None:
    record = running()
    heard = spoken(record)
    assert heard == "denoising demo/scenes, steps 0–24 of 30"
    record.add_step(Point(23, 1.0), Span(0, 24, 30, 1, 30))
    assert spoken(record) == heard
    record.begin_phase(Phase("loading", Reading("demo/paper", ("unet",), (), 2_500_000, 300_000, 4_000_000)))
    assert spoken(record) == "loading demo/paper"
    record.state = "paused"
    assert spoken(record) == "paused"
    record.ended, record.state = record.began + 3, "done"
    assert spoken(record) == status(record)


def test_status_of_ended_runs() -> None:
    record = running()
    record.ended = record.began + 3
    record.state = "stopped"
    assert status(record) == "stopped at step 22 of 30 · 3.0 s"
    record.state, record.error = "failed", "out of memory"
    assert status(record) == "failed: out of memory"
    record.state = "done"
    assert status(record) == "22 steps · 10.0 steps/s · 3.0 s"


@pytest.mark.parametrize(
    ("level", "expected"),
    [(Noise(14.6, "ve"), (14.6, "VE")), (Noise(3.0, "flow"), (0.75, "flow")), (CLEAN, (None, ""))],
)
def test_the_first_level_is_that_of_the_phase(level: Noise, expected: tuple[float | None, str]) -> None:
    record = RunRecord()
    begun = record.begin_stage(stage(), "base")
    record.begin_phase(Phase("denoising", noise=level))
    assert (begun.first_sigma, begun.form) == expected


def test_the_steps_of_a_stage_are_known_when_denoising_begins() -> None:
    record = RunRecord()
    begun = record.begin_stage(stage(strength=0.5), "base")
    assert begun.steps == 30
    record.begin_phase(Phase("denoising", span=Span(15, 30, 30, 1, 30), noise=Noise(3.0, "ve")))
    assert (begun.start, begun.steps, status(record)) == (15, 15, "denoising 15 of 30")


@pytest.mark.parametrize(
    ("reading", "text"),
    [
        (Reading("sd15"), "sd15"),
        (Reading("sd15", ("tokenizer",)), "sd15: tokenizer"),
        (Reading("sd15", ("unet", "vae"), (), 2000, 0, 2000), "sd15: unet, vae, 2 kB (0 B of 2 kB read)"),
        (Reading("sd15", ("unet",), ("a.pt", "b.pt"), 1, 2, 3), "sd15: unet with a.pt, b.pt, 1 B (2 B of 3 B read)"),
    ],
)
def test_reading_text(reading: Reading, text: str) -> None:
    assert reading_text(reading) == text


def test_the_same_note_is_kept_once() -> None:
    record = RunRecord()
    for _ in range(3):
        record.add_note("chatter", warning=False)
    assert len(record.notes) == 1


def test_summary_holds_the_facts() -> None:
    record = running()
    record.add_result(latents_at(stage(), 24), [])
    record.ended = time.monotonic()
    assert "continues: exactly, with its history" in summary(record)
    assert stage_label(record.stages[0]) in summary(record)
    record.add_note("2 messages of libraries\nthe last: chatter", warning=False)
    assert summary(record).endswith("\n  note: 2 messages of libraries; the last: chatter")


def test_the_negative_prompt_is_shown_before_and_after_the_run() -> None:
    asked = stage(prompt=Prompt("a hill", "rain, fog"))
    record = RunRecord()
    record.begin_stage(asked, "base")
    assert dict(head(record)["stages"][0]["facts"])["negative prompt"] == "rain, fog"
    made = latents_at(asked, 24)
    made = made.replace(provenance=replace(made.provenance, negative_prompt="rain, fog"))
    record.add_result(made, [])
    assert dict(head(record)["stages"][0]["facts"])["negative prompt"] == "rain, fog"
    assert "negative prompt: rain, fog" in summary(record)
    assert "rain, fog" in latents_bundle(made, [])["text/html"]


def test_products_are_told_apart_by_their_negative_prompts() -> None:
    record = RunRecord()
    for negative in ("rain", ""):
        record.begin_stage(stage("out", prompt=Prompt("a hill", negative)), "out")
    assert [one["label"] for one in head(record)["stages"]] == ["without rain", "out"]


def test_progress_line_fits_the_terminal() -> None:
    assert len(progress_line(running(), 40)) < 40
    assert "██" in progress_line(running(), 200)


@pytest.mark.parametrize(
    ("sigma", "text"), [(None, ""), (math.inf, "∞"), (157.4, "157"), (14.61, "14.6"), (0.514, "0.51"), (0.0, "0")]
)
def test_sigma_text(sigma: float | None, text: str) -> None:
    assert sigma_text(sigma) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.42, "0.4 s"), (12.3, "12 s"), (185, "3 min 5 s"), (120, "2 min")])
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_change_on_the_way_is_a_notch_on_the_bar_of_its_stage() -> None:
    record = RunRecord(planned=tuple(two_stages()))
    for number, (name, span) in enumerate((("base", Span(0, 24, 30, 1, 30)), ("final", Span(24, 30, 30, 1, 30)))):
        record.begin_stage(two_stages()[number], name)
        record.begin_phase(Phase("denoising", span=span, noise=Noise(14.6, "ve"), switches=(12, 24, 27)))
    assert [one["switches"] for one in head(record)["stages"]] == [[12], [27]]
    drawn = bar(head(record)["stages"])
    assert [part.split('"')[0] for part in drawn.split("left:")[1:]] == ["50%", "50%"]
    assert "changes after step 12" in drawn
