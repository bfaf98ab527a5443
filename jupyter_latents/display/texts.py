"""The words of a run: status line, bar labels, noise levels, the text of a terminal."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from jupyter_latents.wording import readable, visible

if TYPE_CHECKING:
    from jupyter_latents.display.records.run_record import PhaseRecord, RunRecord
    from jupyter_latents.display.records.stage_record import StageRecord
    from jupyter_latents.engine import Reading

__all__ = [
    "advice", "doing", "duration", "items_text", "progress_line", "reading_text", "share_done", "sigma_text", "spoken",
    "stage_label", "status", "summary", "time_left",
]  # fmt: skip

_BAR = 24
_TELLING_STEPS = 3  # before so many, the first step's warming up makes the time left a wild guess
_WAITED_SECONDS = 2  # what takes less does not feel like a wait
_VERBS = {
    "importing": "importing libraries",
    "starting": "starting workers",
    "encoding": "encoding the prompt",
    "decoding": "decoding the picture",
    "saving": "saving",
}


def sigma_text(sigma: float | None) -> str:
    """A noise level with the digits that matter; empty when not known."""
    if sigma is None:
        return ""
    if math.isinf(sigma):
        return "∞"
    if sigma >= 100:
        return f"{sigma:.0f}"
    if sigma >= 1:
        return f"{sigma:.1f}"
    return f"{sigma:.2g}" if sigma else "0"


def duration(seconds: float) -> str:
    """Seconds as a person says them: ``0.4 s``, ``12 s``, ``3 min 5 s``."""
    if seconds < 0.05:
        return f"{max(0.01, seconds):.2f} s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def reading_text(reading: Reading) -> str:
    """What is read: ``demo/scenes: unet, 2.5 MB (0.3 MB of 4 MB read)``."""
    if not reading.parts:
        return reading.model
    loras = f" with {', '.join(reading.loras)}" if reading.loras else ""
    size = f", {readable(reading.size)}" if reading.size else ""
    amount = f" ({readable(reading.read)} of {readable(reading.whole)} read)" if reading.whole else ""
    return f"{reading.model}: {', '.join(reading.parts)}{loras}{size}{amount}"


def stage_label(stage: StageRecord) -> str:
    """What a stage runs: ``demo/scenes, steps 0–24 of 30``, ``…, ended at 12`` where it was, or ``no step of 30``."""
    if stage.over and not stage.points and stage.latents is None:
        return f"{stage.stage.model.name}, no step of {stage.of}"
    end = stage.start + stage.steps
    early = bool(stage.points) and stage.latents is not None and stage.points[-1].step < end
    ended = f", ended at {stage.points[-1].step}" if early else ""
    return f"{stage.stage.model.name}, steps {stage.start}–{end} of {stage.of}{ended}"


def status(record: RunRecord) -> str:
    """What the run does now, or did, and the time left, in one short line."""
    return " · ".join(filter(None, (doing(record), time_left(record))))


def time_left(record: RunRecord) -> str:
    """How long the denoising will go on, ``12 s left``; empty where that cannot be told."""
    phase = record.phases[-1] if record.phases else None
    told = record.ended is None and record.state == "running" and record.steps_run >= _TELLING_STEPS
    if not told or phase is None or phase.phase.reading is not None or phase.name != "denoising":
        return ""
    left = _steps_left(record) if record.stages and record.speed else 0
    return f"{_left(left / record.speed)} left" if left else ""


def doing(record: RunRecord) -> str:
    """What the run does now, or did."""
    if record.ended is not None:
        return _ended(record)
    if record.state == "queued":
        return _place(record)
    if told := items_text(record):
        return {"paused": "paused · ", "stopping": "stopping · "}.get(record.state, "") + told
    phase = record.phases[-1] if record.phases else None
    return _phase(record, phase) if phase is not None else "starting"


def _place(record: RunRecord) -> str:
    """Where a run stands that waits."""
    if record.held_up:
        return f"waiting: {record.held_up} is paused"
    ahead = next((place for place, one in enumerate(record.queue) if one.own), 0)
    return f"waiting for {ahead + 1} earlier runs" if ahead else "waiting for an earlier run"


def advice(record: RunRecord) -> str:
    """What can be done after a run that ended before its time; empty after others."""
    if record.ended is None or record.state not in ("failed", "stopped"):
        return ""
    again = "change the options and run it again" if record.state == "failed" else "run it again"
    last = record.stages[-1] if record.stages else None
    if last is None or last.latents is None or not last.points:
        return f"Next: {again}."
    step = last.points[-1].step
    held = f"; {last.variable} holds the latents of step {step}" if last.variable else ""
    if record.state == "failed":
        return f"Next: {again}{held}."
    return f"Next: {again}{_beginning(last, step)}{held}."


def _beginning(last: StageRecord, step: int) -> str:
    """From where a stopped stage goes on when it is run again; one whose seed was drawn is another one then."""
    from jupyter_latents.session.memory.memo import continues

    known = last.stage.seed is not None or bool(last.stage.image_seed and last.stage.image_seed.latents)
    goes_on = known and not last.stage.force and continues(last.stage)
    return f", and it goes on from step {step}" if goes_on else ""


def items_text(record: RunRecord) -> str:
    """How many of the stages that run at the same time are done and at work; empty where none runs."""
    states = [event.state for event in record.items.values()]
    running, waiting = states.count("running"), states.count("waiting")
    if not running + waiting:
        return ""
    return f"{len(states) - running - waiting} of {len(states)} done · {running} at work"


def spoken(record: RunRecord) -> str:
    """What a screen reader is told: what begins and ends, not each step."""
    phase = record.phases[-1] if record.phases else None
    if record.ended is not None or record.state == "queued" or phase is None:
        return status(record)
    if record.state in ("paused", "stopping"):
        return record.state
    if phase.name == "denoising" and record.stages:
        return f"denoising {stage_label(record.stages[-1])}"
    if phase.phase.reading is not None:
        return f"loading {phase.phase.reading.model}"
    return _verb(phase)


def _verb(phase: PhaseRecord) -> str:
    subject = visible(phase.phase.subject)
    if phase.name == "importing" and subject:
        return f"importing libraries: {subject}"
    return f"decoding {subject} into a picture" if subject else _VERBS.get(phase.name, phase.name)


def _phase(record: RunRecord, phase: PhaseRecord) -> str:
    prefix = {"paused": "paused · ", "stopping": "stopping · "}.get(record.state, "")
    if phase.phase.reading is not None:
        return prefix + f"loading {reading_text(phase.phase.reading)}" + _waited(phase)
    if phase.name != "denoising" or not record.stages:
        return prefix + _verb(phase) + _waited(phase)
    stage = record.stages[-1]
    at = stage.points[-1].step if stage.points else stage.start
    sweep = stage.stage.sweep
    parts = [f"picture {sweep.place + 1} of {sweep.count}"] if sweep is not None else []
    if record.state == "paused":
        return " · ".join([*parts, f"paused at step {at} of {stage.of}"])
    parts.append(f"denoising {at} of {stage.of}")
    if record.speed:
        parts.append(_speed(record.speed))
    return prefix + " · ".join(parts)


def _waited(phase: PhaseRecord) -> str:
    """How long a part of the time without steps has taken, from two seconds on."""
    seconds = int(time.monotonic() - phase.began)
    return f" · {_left(seconds)}" if seconds >= _WAITED_SECONDS else ""


def summary(record: RunRecord) -> str:
    """The finished run in a few lines of plain text."""
    lines = [f"{record.title or 'run'}: {status(record)}"]
    for stage in record.stages:
        lines.append(f"  {stage.variable or '(no variable)'}: {stage_label(stage)}")
        lines.extend(f"    {name}: {text}" for name, text in stage.facts.items())
    notes = [("warning" if note.warning else "note", "; ".join(note.text.splitlines())) for note in record.notes]
    lines.extend(f"  {kind}: {text}" for kind, text in notes)
    return visible("\n".join(lines))


def progress_line(record: RunRecord, width: int) -> str:
    """One line with a bar for a terminal.

    Args:
        record: The run.
        width: Columns of the terminal; the line is cut to fewer.
    """
    filled = round(_BAR * share_done(record))
    line = f"{record.title or 'run'} |{'█' * filled}{'·' * (_BAR - filled)}| {status(record)}"
    line = visible(line.replace("\n", " "))
    return line if len(line) < width else line[: max(1, width - 2)] + "…"


def share_done(record: RunRecord) -> float:
    """How much of a run's steps are done, from 0 to 1."""
    done = sum(stage.done for stage in record.stages)
    return done / max(1, done + _steps_left(record))


def _ended(record: RunRecord) -> str:
    steps = record.steps_run
    pictures = [f"{record.pictures} pictures"] if record.pictures > 1 else []
    if record.still:
        count = sum(max(1, len(stage.pictures)) for stage in record.stages)
        return f"{count} pictures" if count > 1 else "1 picture"
    if record.state == "failed":
        return f"failed: {record.error}" if record.error else "failed"
    if record.state == "stopped":
        last = record.stages[-1] if record.stages else None
        if last is None or not last.points:
            return "stopped before the first step"
        return f"stopped at step {last.points[-1].step} of {last.of} · {duration(record.seconds)}"
    if not steps:
        return " · ".join([*pictures, "kept from before"]) if record.stages else "nothing to run"
    parts = [*pictures, f"{steps} steps" if steps > 1 else "1 step"]
    if record.speed and not pictures:
        parts.append(_speed(record.speed))
    return " · ".join([*parts, duration(record.seconds)] if record.seconds else parts)


def _speed(speed: float) -> str:
    if speed >= 100:
        return f"{speed:.0f} steps/s"
    return f"{speed:.1f} steps/s" if speed >= 1 else f"{1 / speed:.1f} s a step"


def _left(seconds: float) -> str:
    return duration(max(1.0, round(seconds))).replace(".0 s", " s")


def _steps_left(record: RunRecord) -> int:
    from jupyter_latents.display.records.stage_record import StageRecord

    here = record.stages[-1].steps - record.stages[-1].done if record.stages and record.ended is None else 0
    coming = [StageRecord(stage, "", 0.0).steps for stage in record.planned[len(record.stages) :]]
    return max(0, here) + (sum(coming) if record.ended is None else 0)
