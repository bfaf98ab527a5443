"""The record as plain data that the view's script draws: what both the live view and the static output send."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from jupyter_latents.display.pictures.arrangement import arranged, value_text
from jupyter_latents.display.tables.workers import WORKER_HEADINGS, worker_cells
from jupyter_latents.display.texts import advice, doing, sigma_text, spoken, stage_label, time_left
from jupyter_latents.stage import label_of
from jupyter_latents.wording import visible

if TYPE_CHECKING:
    from jupyter_latents.display.records.run_record import RunRecord
    from jupyter_latents.display.records.stage_record import Point, StageRecord
    from jupyter_latents.stage import Stage

__all__ = ["crew", "head", "labels", "plan", "point_data", "stage_data"]


def head(record: RunRecord) -> dict[str, Any]:
    """What changes all the time: title, state, status, time left, notes, stages."""
    names = labels(record.stages)
    stages = [stage_data(stage, label) for stage, label in zip(record.stages, names, strict=True)] + plan(record)
    planned = [*(stage.stage for stage in record.stages), *record.planned[len(record.stages) :]]
    return {
        "title": record.title or next((one.title for one in record.queue if one.own), ""),
        "state": record.state,
        "status": doing(record),
        "left": time_left(record),
        "next": advice(record),
        "heard": spoken(record),
        "busy": record.state == "running" and bool(record.phases) and record.phases[-1].name != "denoising",
        "stages": stages,
        "sweeps": list(_place(stages, planned)),
        "queue": [[one.title, one.own] for one in record.queue] if record.ended is None else [],
        "ahead": record.ahead if record.ended is None else "",
        "heldup": record.held_up if record.ended is None else "",
        "against": record.against,
        "still": record.still,
        "notes": [[note.text, note.warning] for note in record.notes],
    }


def crew(record: RunRecord) -> dict[str, Any]:
    """The workers while they run several stages at once, and the stages at work: each one's place, name and step.

    It is no part of the output that stays: another time other workers do it.
    """
    if not record.workers or record.ended is not None:
        return {}
    at_work = {event.name: event for event in record.items.values() if event.state == "running"}
    rows, items = [], []
    for worker in record.workers:
        event = at_work.get(worker.item)
        far = f"{event.step} of {event.end}" if event is not None and event.end else ""
        rows.append([*map(visible, worker_cells(worker)), far])
        if event is not None:
            items.append([event.index, visible(event.name), far])
    return {"headings": [*WORKER_HEADINGS, "step"], "rows": rows, "items": items}


def _place(stages: Sequence[dict[str, Any]], planned: Sequence[Stage]) -> Iterator[dict[str, Any]]:
    """Says of each stage to which invocation it belongs and where its picture stands; yields the sweeps among them.

    Of refined pairs the second stages are a sweep, and ``before`` is the group of those that lead to them.
    """
    groups = _groups(planned)
    before = _before(groups, planned)
    for number, group in enumerate(groups):
        choices = [sweep.choice if (sweep := planned[index].sweep) is not None else () for index in group]
        grid = arranged(choices)
        for index, place, choice in zip(group, grid.places, choices, strict=True):
            told = [[name, value_text(value)] for name, value in choice]
            stages[index].update(group=number, place=list(place), choice=told)
        if len(group) > 1 and number not in before.values():
            axes = {side: {"name": axis.name, "values": [value_text(value) for value in axis.values]}
                    for side, axis in (("rows", grid.rows), ("columns", grid.columns))}  # fmt: skip
            yield {"group": number, "before": before.get(number, -1), "tabs": list(grid.tabs), **axes}


def _groups(planned: Sequence[Stage]) -> list[list[int]]:
    """The stages of each invocation, and of refined pairs those that are the same one of their pair."""
    groups: list[list[int]] = []
    open_: dict[bool, list[int]] = {}
    for index, stage in enumerate(planned):
        refines = stage.sweep is not None and stage.sweep.refines
        if refines not in open_ or stage.sweep is None or stage.sweep.place == 0:
            open_ = {**open_, refines: []} if refines else {refines: []}
            groups.append(open_[refines])
        open_[refines].append(index)
    return groups


def _before(groups: Sequence[Sequence[int]], planned: Sequence[Stage]) -> dict[int, int]:
    """For each group of second stages of refined pairs that of the first ones."""
    sweeps = [planned[group[0]].sweep for group in groups]
    return {number: number - 1 for number, sweep in enumerate(sweeps) if number and sweep is not None and sweep.refines}


def stage_data(stage: StageRecord, label: str = "") -> dict[str, Any]:
    """A stage without its steps."""
    line = stage.branch(0)[1].removesuffix("at(step=0)")
    return {
        "name": stage.variable,
        "stem": stage.branch(0)[0].removesuffix("_0"),
        "line": line,
        "rebound": stage.rebound,
        "label": label or stage.variable or stage.stage.model.name,
        "where": stage_label(stage),
        "start": stage.start,
        "steps": stage.steps,
        "of": stage.of,
        "switches": stage.switches,
        "sigma": sigma_text(stage.first_sigma),
        "form": stage.form,
        "batch": stage.latents.shape[0] if stage.latents is not None else stage.stage.batch_size,
        "facts": facts(stage),
        "bare": stage.bare,
        "clean": stage.latents is not None and stage.latents.is_clean,
        "continues": continues(stage),
    }


def facts(stage: StageRecord) -> list[list[str]]:
    """A stage's facts, without those that a step has of its own."""
    return [[name, text] for name, text in stage.facts.items() if name not in ("noise", "continues")]


def continues(stage: StageRecord) -> str:
    """How a step of the stage goes on, as its result says or the steps before a clean result."""
    if "continues" in stage.facts:
        return stage.facts["continues"]
    noisy = [latents for latents in stage.latents.trajectory if not latents.is_clean] if stage.latents else []
    return noisy[-1].facts().get("continues", "") if noisy else ""


def plan(record: RunRecord) -> list[dict[str, Any]]:
    """The stages that are known to come."""
    from jupyter_latents.display.records.stage_record import StageRecord

    coming = [StageRecord.beginning(stage, stage.into or "") for stage in record.planned[len(record.stages) :]]
    return [{**stage_data(stage, _label(stage) if stage.stage.sweep else ""), "coming": True} for stage in coming]


def point_data(index: int, stage: StageRecord, point: Point) -> dict[str, Any]:
    """A step: its stage's index, its number, its noise level as text."""
    form = f" ({stage.form})" if stage.form and point.sigma else ""
    noise = point.noise or (f"σ {sigma_text(point.sigma)}{form}" if point.sigma else "clean")
    told = noise if stage.bare else f"{noise}, step {point.step} of {stage.of}"
    return {"g": index, "s": point.step, "q": sigma_text(point.sigma), "n": told}


def labels(stages: Sequence[StageRecord]) -> list[str]:
    """For each stage what tells it from the others: its name where that does, else the options that differ."""
    names = [record.variable for record in stages]
    if all(names) and len(set(names)) == len(names) and not any(record.place is not None for record in stages):
        return names
    if any(record.stage.sweep is not None for record in stages):
        return [
            _label(record) or name or str(index + 1)
            for index, (record, name) in enumerate(zip(stages, names, strict=True))
        ]
    rows = [_options(record) for record in stages]
    differing = [key for key in rows[0] if len({row[key] for row in rows}) > 1] if rows else []
    found = [" · ".join(row[key] for key in differing if row[key]) for row in rows]
    return [text or name or str(index + 1) for index, (text, name) in enumerate(zip(found, names, strict=True))]


def _label(record: StageRecord) -> str:
    """What a stage's options took, after its name where it has one."""
    sweep = record.stage.sweep
    told = label_of(sweep.choice) if sweep is not None else ""
    return " \u00b7 ".join(filter(None, (record.name, told)))


def _options(record: StageRecord) -> dict[str, str]:
    stage = record.stage
    return {
        "model": stage.model.name,
        "seed": "" if stage.seed is None else f"seed {stage.seed}",
        "steps": f"{stage.num_inference_steps} steps",
        "guidance": f"guidance {stage.guidance_scale:g}",
        "strength": "" if stage.strength is None else f"strength {stage.strength:g}",
        "scheduler": str(stage.scheduler or ""),
        "size": str(stage.size or ""),
        "window": stage_label(record).partition(", ")[2],
        "negative prompt": f"without {stage.prompt.negative}" if stage.prompt.negative else "",
        "prompt": stage.prompt.positive,  # the longest comes last, so that what is cut off is its end
    }
