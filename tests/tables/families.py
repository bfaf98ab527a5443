"""Prints ``docs/families.md``: family × mode × split. Run: ``python -m tests.tables.families > docs/families.md``."""

from __future__ import annotations

from tests.engine.cases import FLOW_SCHEDULERS, MODES, Bench
from tests.tables import clips
from tests.tables.setting import bench, versions
from tests.tables.variants import FLOW_MODELS
from tests.tables.verdicts import Verdict, law, swapped

SPLITS = ((0.1,), (0.3,), (0.5,), (0.8,), (0.9,), (0.4, 0.7), (0.2, 0.5, 0.7))
WITH_IMAGE = ((0.4,), (0.5,), (0.8,), (0.9,), (0.5, 0.8), (0.4, 0.6, 0.8))

MODELS = {
    "sd15": "SD 1.5",
    "sd2": "SD 2.x (v-prediction)",
    "sdxl": "SDXL",
    "sdxl-refiner": "SDXL refiner",
    "kolors": "Kolors",
    "sd3": "SD3, SD3.5",
    "flux": "Flux.1 dev",
    "flux-schnell": "Flux.1 schnell",
    "flux2": "Flux.2 dev",
    "flux2-klein": "Flux.2 Klein",
    "qwen-image": "Qwen-Image",
    "z-image": "Z-Image",
    "pixart-sigma": "PixArt-Σ (no row: generic)",
    "lumina2": "Lumina2 (no row: generic)",
    "auraflow": "AuraFlow (no row: generic)",
}

HEAD = """# Families

Made by `python -m tests.tables.families` with {versions};
do not edit. Tiny random-weight models of the real pipeline classes, ten steps, 64 pixels, one CPU thread.

## Family × mode

**=** means: the run in windows ends where the unsplit run ends, bit for bit (`torch.equal`), for each of {count} ways
to split it ({splits}; with an image {with_image}).
Images go in at strength 0.7, and a later window takes `image;latents=x` or `image;mask=m;latents=x`. **–** means:
diffusers has no such pipeline, and a stage that asks for it is refused by name.

| family | {modes} |
|---|{rules}|
"""

SCHEDULERS = """
## Schedulers of the flow-matching families

The same for `--scheduler`, text to image. **–** means: diffusers itself cannot run the pair (its answer is below).

| family | {names} |
|---|{rules}|
"""


def cell(verdict: Verdict) -> str:
    """A table's cell."""
    if verdict.word == "equal":
        return "="
    return "–" if verdict.holds else f"**{verdict}**"


def matrix(made: Bench) -> list[str]:
    """The first table's rows, then what was refused and why."""
    rows, refusals = [], []
    for name, title in MODELS.items():
        verdicts = [
            law(made, name, mode, SPLITS) if mode == "txt2img" else law(made, name, mode, WITH_IMAGE, strength=0.7)
            for mode in MODES
        ]
        rows.append(f"| {title} | {' | '.join(map(cell, verdicts))} |")
        refusals += [f"- {title}, {mode}: {verdict.detail}" for mode, verdict in zip(MODES, verdicts, strict=True)
                     if verdict.word == "refused"]  # fmt: skip
    return [*rows, "", "Refused:", "", *(line.replace("ModelError: ", "") for line in refusals)]


def flow_schedulers(made: Bench) -> list[str]:
    """The second table's rows, then what diffusers says."""
    rows, answers = [], []
    for name in FLOW_MODELS:
        verdicts = [swapped(made, name, scheduler, ((0.5,), (0.2, 0.5, 0.7))) for scheduler in FLOW_SCHEDULERS]
        rows.append(f"| {MODELS[name]} | {' | '.join(map(cell, verdicts))} |")
        answers += [
            f"- {MODELS[name]}, {scheduler.partition(';')[0]}: {verdict.detail}"
            for scheduler, verdict in zip(FLOW_SCHEDULERS, verdicts, strict=True)
            if verdict.word != "equal"
        ]
    return [*rows, "", "diffusers' answers:", "", *answers]


def page(made: Bench) -> str:
    """The whole page."""
    splits, with_image = (
        ", ".join("/".join(f"{cut:g}" for cut in cuts) for cuts in ways) for ways in (SPLITS, WITH_IMAGE)
    )
    columns = {"modes": " | ".join(MODES), "rules": "|".join(["---"] * 3)}
    head = HEAD.format(versions=versions(), count=len(SPLITS), splits=splits, with_image=with_image, **columns)
    names = [scheduler.partition(";")[0].removesuffix("Scheduler") for scheduler in FLOW_SCHEDULERS]
    second = SCHEDULERS.format(names=" | ".join(names), rules="|".join(["---"] * len(names)))
    notes = "DPMSolverMultistep and UniPC with `use_flow_sigmas=true;prediction_type=flow_prediction`."
    return (
        head
        + "\n".join(matrix(made))
        + "\n"
        + second
        + "\n".join(flow_schedulers(made))
        + f"\n\n{notes}\n"
        + clips.section(made)
    )


if __name__ == "__main__":
    with bench() as made:
        print(page(made), end="")
