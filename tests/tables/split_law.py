"""Prints ``docs/split-law.md``: every scheduler and its variants.

Run: ``python -m tests.tables.split_law > docs/split-law.md``. It takes about half an hour on one thread;
``--models sd15`` prints the variants of one model only.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from jupyter_latents.latents import Latents
from tests.engine.cases import MODES, Bench, equal, through_file
from tests.tables.continued import Half, in_a_new_process
from tests.tables.setting import bench, versions
from tests.tables.variants import OTHERS, schedulers_for, variants
from tests.tables.verdicts import Verdict, answered, law, swapped

Splits: TypeAlias = Sequence[Sequence[float]]

SPLITS = ((0.1,), (0.2,), (0.3,), (0.4,), (0.5,), (0.6,), (0.7,), (0.8,), (0.9,), (0.2, 0.5, 0.7))
WITH_IMAGE = ((0.4,), (0.5,), (0.6,), (0.7,), (0.8,), (0.9,), (0.4, 0.6, 0.8))
ONE_STEP_EACH = tuple(step / 10 for step in range(1, 10))
FEWER = ((0.1,), (0.5,), (0.9,), (0.2, 0.5, 0.7), ONE_STEP_EACH)
FEWER_WITH_IMAGE = ((0.5,), (0.9,), (0.4, 0.6, 0.8))
EVERY: Mapping[str, Splits] = MappingProxyType({"txt2img": SPLITS, "img2img": WITH_IMAGE, "inpaint": WITH_IMAGE})
FEWER_OF: Mapping[str, Splits] = MappingProxyType(
    {"txt2img": FEWER, "img2img": FEWER_WITH_IMAGE, "inpaint": FEWER_WITH_IMAGE}
)
TITLES = {"sd15": "SD", "sdxl": "SDXL", "sd3": "SD3", "flux": "Flux.1"}

_EQUAL = Verdict("equal")

HEAD = """# The split law

Made by `python -m tests.tables.split_law` with {versions};
do not edit. Tiny random-weight models of the real pipeline classes, ten steps, 64 pixels, float32, one CPU thread.

Denoising 0 → 1 equals 0 → f followed by f → 1 with the same model, bit for bit (`torch.equal`). **=** says that it
did, for every window tried. Nothing is silently wrong: what cannot hold is refused by name, and where plain diffusers
itself cannot run a scheduler or a setting its own answer stands below the table.

## Schedulers × modes

One window boundary at 0.1, 0.2 … 0.9 and four windows in a row, each with latents through memory and through a
`.safetensors` file; at 0.5 also by file into a new process. Images go in at strength 0.7, so that boundaries begin at
0.4 there.
"""

BY_MODE = """
| scheduler | {columns} |
|---|{rules}|
"""

VARIANTS = """
## Variants

Each setting of each scheduler class on its own. Text to image: boundaries at 0.1, 0.5 and 0.9, four windows in a row,
and ten windows of one step each. Image to image and inpainting: boundaries at 0.5 and 0.9 and four windows in a row.
All of it through memory and through a file, and at 0.5 by file into a new process. A setting stands under "equal" when
all of that held; a mode in which it does not run stands on the right with the reason, once for the scheduler where all
its settings share it.
"""


def tell(text: str) -> None:
    """Progress, beside the page."""
    print(text, file=sys.stderr, flush=True)


def cell(verdict: Verdict) -> str:
    """A table's cell."""
    return "=" if verdict.word == "equal" else "–" if verdict.holds else f"**{verdict}**"


def carried(
    made: Bench, model: str, mode: str, scheduler: str, splits: Mapping[str, Splits]
) -> tuple[Verdict, Half | None]:
    """One scheduler in one mode, through memory and through a file; and what a new process is to end."""
    strength = {} if mode == "txt2img" else {"strength": 0.7}
    verdict = law(made, model, mode, splits[mode], scheduler=scheduler, **strength)
    if verdict.word != "equal":
        return verdict, None
    filed = law(made, model, mode, splits[mode], through_file, scheduler=scheduler, **strength)
    if filed.word != "equal":
        return Verdict(filed.word, f"through a file, {filed.detail}"), None
    whole = made.whole(model, mode, scheduler=scheduler, **strength).latents
    parts = made.split(model, (0.5,), mode, scheduler=scheduler, **strength)
    if len(parts) == 1:
        return verdict, None  # this schedule has no step before or none behind 0.5
    base = parts[0].latents
    file = made.scratch / f"{model}-{mode}-{digest(scheduler)}.safetensors"
    whole.save(file.with_suffix(".whole.safetensors"))
    return verdict, Half(str(made.folder(model)), mode, scheduler, str(base.save(file)))


def digest(scheduler: str) -> str:
    """A scheduler's name as part of a file's."""
    return hashlib.sha256(scheduler.encode()).hexdigest()[:12]


def ended(half: Half) -> Verdict:
    """What a new process made of the second half."""
    whole = Latents.load(Path(half.file).with_suffix(".whole.safetensors"))
    return Verdict("equal") if equal(Latents.load(half.final), whole) else Verdict("differs", "in a new process")


def schedulers_by_mode(made: Bench, models: tuple[str, ...]) -> Iterator[str]:
    """A table of schedulers × models and modes, its cells known only once a new process has ended all halves."""
    columns = [f"{TITLES[model]} {mode}" for model in models for mode in MODES]
    yield BY_MODE.format(columns=" | ".join(columns), rules="|".join(["---"] * len(columns))).removesuffix("\n")
    found: dict[tuple[str, str, str], tuple[Verdict, Half | None]] = {}
    for scheduler in schedulers_for(models[0]):
        tell(scheduler)
        found.update({(scheduler, m, mode): carried(made, m, mode, scheduler, EVERY) for m in models for mode in MODES})
    in_a_new_process([half for _, half in found.values() if half is not None], made.scratch)
    verdicts = {key: verdict if half is None else ended(half) for key, (verdict, half) in found.items()}
    for scheduler in schedulers_for(models[0]):
        cells = [cell(verdicts[scheduler, model, mode]) for model in models for mode in MODES]
        yield f"| {scheduler.removesuffix('Scheduler').replace(';', '; ')} | {' | '.join(cells)} |"
    yield ""
    for (scheduler, model, mode), verdict in verdicts.items():
        if verdict.word != "equal":
            yield f"- {TITLES[model]} {mode}, {scheduler}: {str(verdict)[:240]}"


def of_model(made: Bench, model: str) -> Iterator[str]:
    """The variants of one model."""
    yield f"\n### {TITLES[model]}\n\n| scheduler | equal | not run |\n|---|---|---|"
    found: dict[tuple[str, str], tuple[Verdict, Half | None]] = {}
    for scheduler in schedulers_for(model):
        tell(f"{model} {scheduler}")
        for address in variants(scheduler):
            found.update(_variant(made, model, address))
    in_a_new_process([half for _, half in found.values() if half is not None], made.scratch)
    verdicts = {key: verdict if half is None else ended(half) for key, (verdict, half) in found.items()}
    for scheduler in schedulers_for(model):
        equal_ones: list[str] = []
        others: list[str] = []
        own = _objections(verdicts, scheduler)
        for address in variants(scheduler):
            setting = address.removeprefix(scheduler).removeprefix(";") or "as it is"
            said = _objections(verdicts, address)
            equal_ones += [] if "txt2img" in said else [setting]
            new = {mode: text for mode, text in said.items() if address == scheduler or own.get(mode) != text}
            others += [f"`{setting}`, {modes}: {text}" for modes, text in _grouped(new).items()]
        yield f"| {scheduler.replace(';', '; ')} | {', '.join(equal_ones)} | {'<br>'.join(others)} |"


def _variant(made: Bench, model: str, address: str) -> Iterator[tuple[tuple[str, str], tuple[Verdict, Half | None]]]:
    """A variant in every mode; where text to image does not run, plain diffusers is asked and the rest left out."""
    for mode in MODES:
        verdict, half = carried(made, model, mode, address, FEWER_OF)
        if mode == "txt2img" and verdict.word in ("failed", "refused"):
            verdict = answered(made, model, address, verdict)
        yield (address, mode), (verdict, half)
        if verdict.word != "equal" and mode == "txt2img":
            return


def _objections(verdicts: Mapping[tuple[str, str], Verdict], address: str) -> dict[str, str]:
    """Mode to why the law was not seen to hold there."""
    return {
        mode: f"{'' if verdict.holds else f'**{verdict.word}** '}{verdict.detail}".replace("|", "\\|")[:160]
        for mode in MODES
        if (verdict := verdicts.get((address, mode), _EQUAL)).word != "equal"
    }


def _grouped(said: Mapping[str, str]) -> dict[str, str]:
    """Modes to what was said of them, once where it is the same but for the mode's name."""
    texts: dict[str, tuple[str, str]] = {}
    for mode, text in said.items():
        modes, first = texts.get(text.replace(mode, ""), ("", text))
        texts[text.replace(mode, "")] = (f"{modes} and {mode}" if modes else mode, first)
    return dict(texts.values())


def other_classes(made: Bench) -> Iterator[str]:
    """Classes that are made for something else."""
    yield "\n## Other scheduler classes of diffusers\n\nMade for other tasks or pipelines; on SD, text to image:\n"
    for scheduler in OTHERS:
        verdict = swapped(made, "sd15", scheduler, ((0.5,),))
        yield f"- {scheduler}: {'=' if verdict.word == 'equal' else str(verdict)[:200]}"


def page(made: Bench, models: list[str]) -> Iterator[str]:
    """The page, part by part."""
    yield HEAD.format(versions=versions()).removesuffix("\n")
    for pair in (("sd15", "sdxl"), ("sd3", "flux")):
        yield from schedulers_by_mode(made, pair)
    yield VARIANTS.removesuffix("\n")
    for model in models:
        yield from of_model(made, model)
    yield from other_classes(made)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="*", default=list(TITLES), choices=list(TITLES))
    wanted = parser.parse_args().models
    with bench() as made:
        for part in page(made, wanted):
            print(part, flush=True)
