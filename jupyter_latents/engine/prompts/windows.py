"""A stage whose prompts change with its steps, as windows of one text each."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

from jupyter_latents.engine.prompts.compel import check_compel, check_text
from jupyter_latents.engine.prompts.layouts import TEXT_LAYOUTS
from jupyter_latents.engine.schedule.window import Span
from jupyter_latents.errors import ModelError, SettingError
from jupyter_latents.prompts import (
    PromptPart,
    PromptRow,
    Weighter,
    attention,
    check_prompt,
    idle_parts,
    joined,
    prompt_parts,
    prompt_schedule,
    remark,
    weighter_of,
)
from jupyter_latents.stage import Address, Prompt, Stage
from jupyter_latents.wording import option

__all__ = ["PromptWindow", "check_prompts", "parts_of", "prompt_remarks", "prompt_windows"]

_TOLD = 3
_OPTIONS = {
    "positive": "prompts",
    "negative": "negative_prompts",
    "second": "second_prompts",
    "second_negative": "second_prompts",
    "third": "third_prompts",
    "third_negative": "third_prompts",
}


@dataclass(frozen=True, slots=True)
class PromptWindow:
    """Steps with one set of texts.

    Attributes:
        start: First step, 0 for the whole schedule.
        end: Step after the last one.
        prompt: The texts, with their weights; a stage that has them is the one to write by hand.
    """

    start: int
    end: int
    prompt: Prompt


def check_prompts(stage: Stage, text: str, family: str) -> None:
    """Sees that a stage's weighter can read its prompts for its model.

    Args:
        stage: What is asked for.
        text: The layout of the embeddings of the model's family; empty for none.
        family: The family's name.

    Raises:
        ModelError: No weights are read for this family.
        SettingError: There is no such weighter, or a prompt is not in its grammar; says where.
    """
    weighter = _weighter(stage)
    if weighter is None:
        return
    if text not in TEXT_LAYOUTS:
        raise ModelError(
            f"weights in prompts are not read for {family}; they are for SD, SDXL, SD3 and Flux.1. Leave "
            f"{option('prompt_weighter')} out, or give none.",
            option="prompt_weighter",
        )
    if weighter.library:
        check_compel(stage.clip_skip, text, family)
    for name, prompt in _texts(stage.prompt):
        with _blamed(name):
            if weighter.library:
                check_text(prompt, weighter)
            check_prompt(prompt, weighter, positive=not name.endswith("negative"), first=name == "positive")


def parts_of(stage: Stage) -> tuple[PromptPart, ...]:
    """The texts of a stage's prompt that steer together, joined by ``AND``; one where it joins none.

    Args:
        stage: What is asked for; its prompts are checked.
    """
    weighter = _weighter(stage)
    prompt = stage.prompt.positive
    return prompt_parts(prompt) if weighter is not None and weighter.joins else (PromptPart(prompt, 1.0),)


def prompt_remarks(stage: Stage, steps: int) -> tuple[str, ...]:
    """What is to be told of prompts that are read otherwise than they seem.

    Args:
        stage: What is asked for.
        steps: Steps of the whole schedule.
    """
    weighter = _weighter(stage)
    if weighter is None:
        return ()
    found = dict.fromkeys(remark(prompt, weighter) for _, prompt in _texts(stage.prompt))
    return tuple(filter(None, (*found, _idle(stage.prompt, weighter, steps))))


def _idle(prompt: Prompt, weighter: Weighter, steps: int) -> str:
    """That parts of the texts hold at no step of the whole schedule, and why; empty where all hold at one."""
    if not weighter.schedules:
        return ""
    texts = (
        part
        for name, text in _texts(prompt)
        for part in ([one.text for one in prompt_parts(text)] if weighter.joins and name == "positive" else [text])
    )
    idle = list(dict.fromkeys(one for text in texts for one in idle_parts(text, steps)))
    said = [f"{one.text} of {one.bracket}, {one.reason}" for one in idle[:_TOLD]]
    more = [f"{len(idle) - _TOLD} more"] if len(idle) > _TOLD else []
    return f"never painted in a schedule of {steps} steps: {'; '.join(said + more)}" if idle else ""


def prompt_windows(stage: Stage, span: Span) -> tuple[PromptWindow, ...]:
    """The windows of one text each that tile the steps that a stage runs; one where its prompts stay the same.

    Args:
        stage: What is asked for; its prompts are checked.
        span: The steps.

    Raises:
        SettingError: A prompt cannot be read.
    """
    weighter = _weighter(stage)
    if weighter is None:
        return (PromptWindow(span.start, span.end, stage.prompt),)
    if not weighter.schedules:
        for name, prompt in _texts(stage.prompt):
            with _blamed(name):
                _ = attention(prompt) if weighter.syntax != "compel" else ()
        return (PromptWindow(span.start, span.end, stage.prompt),)
    rows, joins = {}, weighter.joins
    for name, prompt in _texts(stage.prompt):
        with _blamed(name):
            rows[name] = _joined_rows(prompt, span.of) if joins and name == "positive" else _rows(prompt, span.of)
    ends = {end for own in rows.values() for end, _ in own}
    edges = [span.start, *sorted(end for end in ends if span.start < end < span.end), span.end]
    stops = {name: [end for end, _ in own] for name, own in rows.items()}
    written: dict[Prompt, Prompt] = {}
    found: list[PromptWindow] = []
    for start, end in pairwise(edges):
        texts: dict[str, Any] = {name: own[bisect_right(stops[name], start)][1] for name, own in rows.items()}
        read = replace(stage.prompt, **texts)
        now = written[read] if read in written else written.setdefault(read, _as_written(read, span.of, weighter))
        if found and found[-1].prompt == now:
            found[-1] = replace(found[-1], end=end)
        else:
            found.append(PromptWindow(start, end, now))
    return tuple(found)


def _rows(prompt: str, steps: int) -> tuple[tuple[int, str], ...]:
    """The last step of each row of a prompt, and its text."""
    return tuple((row.end_step, row.text) for row in prompt_schedule(prompt, steps))


def _joined_rows(prompt: str, steps: int) -> tuple[tuple[int, str], ...]:
    """The same of a positive prompt, each of whose parts changes by itself: ``AND`` splits it first, as in A1111.

    Raises:
        SettingError: A part cannot be read, or would hold ``AND`` at a step.
    """
    parts = prompt_parts(prompt)
    if len(parts) == 1:
        return _rows(prompt, steps)
    schedules = [_rows(part.text, steps) for part in parts]
    found = []
    for end in sorted({end for own in schedules for end, _ in own}):
        texts = [next(text for last, text in own if end <= last) for own in schedules]
        now = tuple(PromptPart(text, part.weight) for text, part in zip(texts, parts, strict=True))
        text = prompt if texts == [part.text for part in parts] else joined(now)
        if len(prompt_parts(text)) != len(parts) or not all(one.strip() for one in texts):
            raise SettingError(
                f"at step {end} the prompt reads '{text}', in which AND joins {_counted(text)} texts and not "
                f"{len(parts)}; give each of its parts a text at every step.",
            )
        found.append((end, text))
    return tuple(found)


def _counted(text: str) -> int:
    return sum(bool(part.text.strip()) for part in prompt_parts(text))


def _as_written(prompt: Prompt, steps: int, weighter: Weighter) -> Prompt:
    """Texts of one row each as a person would write them: where they would be read by steps again, they are not."""
    again = any(
        _changes(part, prompt_schedule(part, steps))
        for name, text in _texts(prompt)
        for part in ([one.text for one in prompt_parts(text)] if weighter.joins and name == "positive" else [text])
    )
    if not again:
        return prompt
    joins = {"and": "true"} if weighter.joins and len(prompt_parts(prompt.positive)) > 1 else {}
    return replace(prompt, weighter=Address("a1111", {"schedules": "false", **joins}))


@contextmanager
def _blamed(name: str) -> Iterator[None]:
    """Says of an error in a prompt by which option it was given."""
    try:
        yield
    except SettingError as error:
        error.option = _OPTIONS[name]
        raise


def _changes(text: str, rows: tuple[PromptRow, ...]) -> bool:
    return len(rows) > 1 or rows[0].text != text


def _weighter(stage: Stage) -> Weighter | None:
    return None if stage.prompt.weighter is None else weighter_of(stage.prompt.weighter)


def _texts(prompt: Prompt) -> Iterator[tuple[str, str]]:
    """The names and texts of the prompts that are given."""
    for row in fields(prompt):
        text = getattr(prompt, row.name)
        if isinstance(text, str):
            yield row.name, text
