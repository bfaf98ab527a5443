"""Prints ``docs/split-law.md``: every scheduler and its variants.

Run: ``python -m tests.tables.split_law > docs/split-law.md``. It takes about half an hour on one thread;
``--models sd15`` prints the variants of one model only.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

from jupyter_latents.latents import Latents
from tests.engine.cases import MODES, Bench, equal, through_file
from tests.tables.continued import Half, in_a_new_process
from tests.tables.setting import bench, versions
from tests.tables.variants import OTHERS, schedulers_for, variants
from tests.tables.verdicts import Verdict, law, swapped

SPLITS = ((0.1,), (0.2,), (0.3,), (0.4,), (0.5,), (0.6,), (0.7,), (0.8,), (0.9,), (0.2, 0.5, 0.7))
WITH_IMAGE = ((0.4,), (0.5,), (0.6,), (0.7,), (0.8,), (0.9,), (0.4, 0.6, 0.8))
ONE_STEP_EACH = tuple(step / 10 for step in range(1, 10))
FEWER = ((0.1,), (0.5,), (0.9,), (0.2, 0.5, 0.7), ONE_STEP_EACH)
TITLES = {"sd15": "SD", "sdxl": "SDXL", "sd3": "SD3", "flux": "Flux.1"}

HEAD = """# The split law

Made by `python -m tests.tables.split_law` with {versions};
do not edit. Tiny random-weight models of the real pipeline classes, ten steps, 64 pixels, float32, one CPU thread.

Denoising 0 → 1 equals 0 → f followed by f → 1 with the same model, bit for bit (`torch.equal`). **=** says that it
did, for every window tried. Nothing is silently wrong: what cannot hold is refused by name, and where plain diffusers
itself cannot run a scheduler or a setting its own answer stands below the table.

## Schedulers × modes

One window boundary at 0.1, 0.2 … 0.9 and four windows in a row, latents through memory; at 0.5 also through a
`.safetensors` file, in this process and in a new one. Images go in at strength 0.7, so that boundaries begin at 0.4
there.
"""

BY_MODE = """
| scheduler | {columns} |
|---|{rules}|
"""

VARIANTS = """
## Variants

Each setting of each scheduler class on its own, text to image: boundaries at 0.1, 0.5 and 0.9, four windows in a row,
and ten windows of one step each.
"""


def tell(text: str) -> None:
    """Progress, beside the page."""
    print(text, file=sys.stderr, flush=True)


def cell(verdict: Verdict) -> str:
    """A table's cell."""
    return "=" if verdict.word == "equal" else "–" if verdict.holds else f"**{verdict}**"


def by_mode(made: Bench, model: str, scheduler: str, mode: str) -> tuple[Verdict, Half | None]:
    """One scheduler in one mode, through memory and through a file; and what a new process is to end."""
    strength = {} if mode == "txt2img" else {"strength": 0.7}
    splits = SPLITS if mode == "txt2img" else WITH_IMAGE
    verdict = law(made, model, mode, splits, scheduler=scheduler, **strength)
    if verdict.word != "equal":
        return verdict, None
    whole = made.run(model, mode, scheduler=scheduler, **strength).latents
    parts = made.split(model, (0.5,), mode, through_file, scheduler=scheduler, **strength)
    if not equal(parts[-1].latents, whole):
        return Verdict("differs", "through a file"), None
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
        found.update({(scheduler, m, mode): by_mode(made, m, scheduler, mode) for m in models for mode in MODES})
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
    for scheduler in schedulers_for(model):
        tell(f"{model} {scheduler}")
        equal, others = [], []
        for address in variants(scheduler):
            setting = address.removeprefix(scheduler).removeprefix(";") or "as it is"
            verdict = swapped(made, model, address, FEWER)
            if verdict.word == "equal":
                equal.append(setting)
            else:
                text = verdict.detail.replace("|", "\\|")[:160]
                others.append(f"`{setting}`: {'' if verdict.holds else f'**{verdict.word}** '}{text}")
        name = scheduler.replace(";", "; ")
        yield f"| {name} | {', '.join(equal)} | {'<br>'.join(others)} |"


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
