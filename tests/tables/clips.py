"""Prints the clips of ``docs/families.md``: family × scheduler × split. Run: ``python -m tests.tables.clips``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from jupyter_latents.engine.given.inputs import Inputs
from jupyter_latents.latents import Latents
from jupyter_latents.stage import Size, Window
from tests.engine import test_clips_of_clips as of_clips
from tests.engine import test_clips_of_families as of_families
from tests.engine import test_clips_of_ltx as of_ltx
from tests.engine import test_clips_with_sound as with_sound
from tests.engine.cases import Bench, in_memory, picture, through_file, windows
from tests.engine.test_clips import BOUNDARY, SCHEDULERS, STEPS, of_picture, plain, stage_of
from tests.engine.test_clips_of_ltx import of_picture as ltx_of_picture
from tests.tables.setting import bench

SPLITS = ((1,), (BOUNDARY,), (4,), (1, 3, 5))
TITLES = {
    ("wan21", False): "Wan 2.1, text to video",
    ("wan22", False): "Wan 2.2, text to video, two experts",
    ("wan22-ti2v", False): "Wan 2.2 TI2V-5B, text to video",
    ("wan21-i2v", True): "Wan 2.1, image to video",
    ("wan22-i2v", True): "Wan 2.2, image to video, two experts",
    ("wan22-ti2v", True): "Wan 2.2 TI2V-5B, image to video",
    ("ltx", False): "LTX-Video, text to video",
    ("ltx", True): "LTX-Video, image to video",
    ("ltx-condition", False): "LTX-Video 0.9.5, text to video",
    ("hunyuan-video", False): "HunyuanVideo, text to video",
}

OWN = {
    "cogvideox": "CogVideoX",
    "cogvideox15": "CogVideoX 1.5",
    "hunyuan-video15": "HunyuanVideo 1.5",
    "skyreels": "SkyReels V2",
}

HEAD = """
## Clips

**=** means: the whole run, and the run in windows for each of {count} ways to split its {steps} steps ({splits};
through memory and through files), end where one whole run of the diffusers pipeline ends on the same weights, bit for
bit. Five frames; a picture goes in at every window. The experts of Wan 2.2 meet at step {boundary}. **–** means:
diffusers itself cannot run the pair.

| family | {names} |
|---|{rules}|
"""


def ends(made: Bench, family: str, pictured: bool, scheduler: str | None) -> str:
    """A table's cell."""
    side = 64
    given = (picture(side),) if pictured else ()
    options: dict[str, Any] = {"size": Size(side, side), "scheduler": scheduler}
    try:
        expected = _reference(made, family, pictured, scheduler, side)
    except (ValueError, TypeError):
        return "–"
    for cuts in ((), *SPLITS):
        for carry in (in_memory, through_file):
            if not torch.equal(_end(made, family, cuts, carry, given, options), expected):
                return f"**differs at {cuts}**"
    return "="


def _reference(made: Bench, family: str, pictured: bool, scheduler: str | None, side: int) -> torch.Tensor:
    folder = made.folder(family)
    if pictured:
        return ltx_of_picture(folder, scheduler, side) if family == "ltx" else of_picture(folder, scheduler)
    found = plain(folder, scheduler, width=side, height=side)
    return found.transpose(1, 2).reshape(1, -1, 2, side // 8, side // 8) if family == "ltx" else found


def _end(
    made: Bench, family: str, cuts: tuple[int, ...], carry: Callable[..., Latents], images: Any, options: dict[str, Any]
) -> torch.Tensor:
    given: tuple[Latents, ...] = ()
    for window in windows(*(cut / STEPS for cut in cuts)) if cuts else [Window()]:
        found = made.engine.run(stage_of(made, family, window=window, **options), Inputs(given, images=images)).latents
        given = (carry(found, made.scratch),)
    return found.tensor


def ends_of_clip(made: Bench, family: str, scheduler: str | None) -> str:
    """A table's cell for clips of clips, whose strength leaves steps 2 to 6."""
    expected = of_clips.plain(made.folder(family), family, scheduler)
    given = of_clips.clip()
    for cuts in ((), (3,), (4,), (3, 5)):
        for carry in (in_memory, through_file):
            latents: tuple[Latents, ...] = ()
            for window in windows(*(cut / STEPS for cut in cuts)) if cuts else [Window()]:
                stage = of_clips.of_clip(made, family, window=window, scheduler=scheduler)
                found = made.engine.run(stage, Inputs(latents, images=given)).latents
                latents = (carry(found, made.scratch),)
            if not torch.equal(found.tensor, expected):
                return f"**differs at {cuts}**"
    return "="


def clip_row(made: Bench) -> str:
    """The row of Wan 2.1's clips of clips."""
    cells = [ends_of_clip(made, "wan21", scheduler) for scheduler in SCHEDULERS]
    return f"| Wan 2.1, video to video (strength 0.7; 3, 4, 3/5) | {' | '.join(cells)} |"


def own_rows(made: Bench) -> list[str]:
    """Families that are tried with the scheduler that they come with, split after each of four steps."""
    rows = ["| family, with its own scheduler; four steps, 1, 2, 3, 1/2/3 | |", "|---|---|"]
    rows += [f"| {title}, text to video | {ends_of_text(made, family)} |" for family, title in OWN.items()]
    rows.append(f"| LTX-2, text to video, the sound too | {ends_with_sound(made)} |")
    leads = ((1, "picture"), (5, "clip"))
    rows += [f"| LTX-Video 0.9.5, beginning with a {what} | {ends_of_lead(made, count)} |" for count, what in leads]
    again = ends_of_clip(made, "cogvideox", None)
    return [*rows, f"| CogVideoX, video to video (strength 0.7; six steps, 3, 4, 3/5) | {again} |"]


def _tried(made: Bench, family: str, options: dict[str, Any], images: Any, same: Callable[[Latents], bool]) -> str:
    for cuts in ((), (1,), (2,), (3,), (1, 2, 3)):
        for carry in (in_memory, through_file):
            given: tuple[Latents, ...] = ()
            for window in windows(*(cut / 4 for cut in cuts)) if cuts else [Window()]:
                stage = stage_of(made, family, window=window, **options)
                found = made.engine.run(stage, Inputs(given, images=images)).latents
                given = (carry(found, made.scratch),)
            if not same(given[0]):
                return f"**differs at {cuts}**"
    return "="


def ends_of_text(made: Bench, family: str) -> str:
    """A table's cell."""
    case = of_families.CASES[family]
    expected = of_families.plain(made.folder(family), case, output_type="latent")
    expected = of_families.unpacked(expected, family, case)
    return _tried(made, family, case.options, (), lambda found: torch.equal(found.tensor, expected))


def ends_with_sound(made: Bench) -> str:
    """A table's cell."""
    expected = with_sound.both(made)
    return _tried(made, "ltx2", with_sound.OPTIONS, (), lambda found: with_sound.same(found, expected))


def ends_of_lead(made: Bench, count: int) -> str:
    """A table's cell."""
    given, expected = of_ltx.lead(made, count)
    return _tried(made, "ltx-condition", of_ltx.LEAD, given, lambda found: torch.equal(found.tensor, expected))


def section(made: Bench) -> str:
    """The whole section."""
    names = [scheduler.partition(";")[0].removesuffix("Scheduler") for scheduler in SCHEDULERS]
    splits = ", ".join("/".join(map(str, cuts)) for cuts in SPLITS)
    rules = "|".join(["---"] * len(names))
    head = HEAD.format(
        count=len(SPLITS), steps=STEPS, splits=splits, boundary=BOUNDARY, names=" | ".join(names), rules=rules
    )
    rows = [
        f"| {title} | {' | '.join(ends(made, family, pictured, scheduler) for scheduler in SCHEDULERS)} |"
        for (family, pictured), title in TITLES.items()
    ]
    return head + "\n".join([*rows, clip_row(made), "", *own_rows(made)]) + "\n"


if __name__ == "__main__":
    with bench() as made:
        print(section(made), end="")
