"""A planned stage and the run of it, judged by what is right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jupyter_latents.engine.observer import Silent, StepEvent
from jupyter_latents.session.runs.run import Run
from tests.tables.reference import Expected

__all__ = ["Ran", "Told", "judged", "said", "same_error"]


class Told(Silent):
    """Keeps what a run says and counts its steps."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.steps = 0

    def note(self, text: str, *, warning: bool = False) -> None:
        self.lines.append(text)

    def step(self, event: StepEvent, _look: object) -> None:
        self.steps += 1


@dataclass
class Ran:
    """A run that is over.

    Attributes:
        run: The run.
        told: What it said.
        evaluations: How often a denoiser was called.
    """

    run: Run
    told: Told
    evaluations: int


def said(ran: Ran) -> str:
    error = ran.run.error
    return "runs" if error is None else f"{type(error).__name__}: {getattr(error, 'message', error)}"


def same_error(planned: Any, ran: Ran) -> Iterator[str]:
    theirs, ours = planned.error, ran.run.error
    if type(theirs) is not type(ours) or theirs.message != getattr(ours, "message", ours):
        yield f"plan: {type(theirs).__name__}: {theirs.message} / run: {said(ran)}"


def judged(planned: Any, ran: Ran, number: int, right: Expected | None, factor: int, before: int = 0) -> Iterator[str]:
    """What is wrong with a planned stage and the run of it."""
    failed = ran.run.error is not None and len(ran.run.results) <= number
    refused = right.refused if right is not None else failed
    if bool(planned.refused) != refused:
        yield f"plan: {f'refuses: {planned.refused}' if planned.refused else 'promises'}, right: the contrary"
    if failed != refused:
        yield f"run: {said(ran)}, right: the contrary"
    if planned.refused and failed:
        yield from same_error(planned, ran)
    if planned.refused or failed:
        return
    result, latents = ran.run.results[number], ran.run.results[number].latents
    pairs: dict[str, tuple[Any, ...]] = {
        "steps": (_span(planned.span), _span(result.span), right.span if right else None),
        "evaluations": (planned.evaluations, result.evaluations, right.evaluations if right else None),
        "shape": (planned.outline.shape, latents.shape, None),
        "end": (planned.end, latents.noise, None),
        "position": (planned.outline.position, latents.position, None),
        "space": (planned.outline.space, latents.space, None),
    }
    origins = (planned.outline.provenance, latents.provenance)
    if right is not None:
        if right.seed is not None:
            pairs["seed"] = (*(one.seed for one in origins), right.seed)
        pairs["strength"] = (*(one.options.get("strength", "none") for one in origins), str(right.strength or "none"))
        pairs["batch"] = (planned.outline.shape[0], latents.shape[0], right.batch)
        pairs["size"] = (_pixels(planned.outline.shape, factor), _pixels(latents.shape, factor), right.size)
        pairs["end timestep"] = (_rounded(planned.end.timestep), _rounded(latents.noise.timestep), right.levels[1])
        if _rounded(planned.start.timestep) != right.levels[0]:
            yield f"start timestep: plan {_rounded(planned.start.timestep)}, right {right.levels[0]}"
    for what, (foreseen, done, wanted) in pairs.items():
        if foreseen != done or (wanted is not None and done != wanted):
            shown = f"plan {foreseen}, run {done}" if str(foreseen) != str(done) else f"plan {foreseen!r}, run {done!r}"
            yield f"{what}: {shown}" + (f", right {wanted}" if wanted is not None else "")
    last = len(ran.run.results) == number + 1
    if last and ran.evaluations - before != result.evaluations:
        yield f"run: {ran.evaluations - before} calls of the denoiser, said to be {result.evaluations}"
    if number == 0 and last and ran.told.steps != result.span.end - result.span.start:
        yield f"run: {ran.told.steps} steps told, {result.span.end - result.span.start} in its span"
    yield from _notes(planned, ran, right)


def _notes(planned: Any, ran: Ran, right: Expected | None) -> Iterator[str]:
    drawn = ("seed drawn at the run",) if planned.draws else ()  # the run shows the seed itself
    untold = [note for note in planned.notes if note not in (*ran.told.lines, *drawn)]
    if untold:
        yield f"run does not tell what the plan does: {untold}"
    if right is None or not right.note:
        return
    for who, told in (("plan", planned.notes), ("run", ran.told.lines)):
        if not any(line.startswith(right.note) for line in told):
            yield f"{who}: no note {right.note!r}"


def _span(span: Any) -> tuple[int, int, int]:
    return span.start, span.end, span.of


def _pixels(shape: tuple[int, ...], factor: int) -> tuple[int, int]:
    return shape[3] * factor, shape[2] * factor


def _rounded(timestep: float | None) -> float | None:
    return None if timestep is None else round(float(timestep), 3)
