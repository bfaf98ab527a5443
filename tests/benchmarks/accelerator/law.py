"""The split law on the device: schedulers × families on tiny models of the real classes, a dtype a family."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_latents.errors import WindowError
from jupyter_latents.stage import ModelSource, Prompt, Size, Stage, Window
from tests.benchmarks.accelerator.budget import out_of_time
from tests.engine.cases import FLOW_SCHEDULERS, PROMPT, SCHEDULERS, in_memory, inputs, through_file

if TYPE_CHECKING:
    from jupyter_latents.engine.local import LocalEngine
    from jupyter_latents.latents import Latents
    from tests.benchmarks.accelerator.place import Place

__all__ = ["DTYPES", "law"]

DTYPES = {
    "sd15": "float16", "sd3": "bfloat16", "sdxl": "float16", "flux": "bfloat16", "sd2": "float32",
    "kolors": "float16", "flux-schnell": "float32", "flux2": "bfloat16", "qwen-image": "bfloat16",
    "z-image": "bfloat16", "sdxl-refiner": "bfloat16", "pixart-sigma": "float32", "lumina2": "bfloat16",
    "auraflow": "float32", "flux2-klein": "float32", "wan21": "bfloat16", "wan22": "bfloat16", "ltx": "bfloat16",
    "cogvideox": "bfloat16", "hunyuan-video": "bfloat16", "ltx2": "bfloat16",
}  # fmt: skip
_CLIPS = ("wan21", "wan22", "ltx", "cogvideox", "hunyuan-video", "ltx2")
_FRAMES = 9
_BY_PICTURE = ("sdxl-refiner",)
_PICTURED = ("sd15", "sdxl", "sd3", "flux", "qwen-image", "z-image", "kolors")
"""Families that are tried from a picture too, with all schedulers, and under a mask where they take one."""
_MASKED = ("sd15", "sdxl", "sd3", "flux", "qwen-image", "z-image", "sd2")
_TITLES = {"txt2img": "", "img2img": " from a picture", "inpaint": " under a mask"}
_SIDES = {"pixart-sigma": 256}
_FLOW = ("sd3", "flux", "flux2", "qwen-image", "z-image")
_STEPS = 8
_ROW_SECONDS = 2.0


def law(place: Place) -> None:
    """Whether two halves end where the whole run ends, through memory and through a file, with ``torch.equal``.

    A family's own scheduler comes with controls: whether two plain runs of diffusers are equal on this device, whether
    the engine's run is equal to them, all three with texts encoded as torch's script compiler reads them, and whether
    it is equal to a plain run whose encoders that compiler has optimized after their first calls. A half that is not
    equal runs again with torch's deterministic kernels.
    """
    from jupyter_latents.engine.local import LocalEngine

    engine = LocalEngine()
    place.result.facts |= {"steps": _STEPS, "cut at": 0.5, "switches": "torch's defaults, see the head"}
    cases = [case for case in _cases(tiny=place.tiny) if not place.families or case[0] in place.families]
    for number, (family, scheduler, mode) in enumerate(cases):
        if not place.has_time(_ROW_SECONDS, f"{len(cases) - number} of {len(cases)} rows of schedulers × families"):
            break
        with place.row(family=family + _TITLES[mode], dtype=DTYPES[family], scheduler=scheduler or "its own") as row:
            _measure(place, engine, row, _stage(place, family, scheduler, mode), mode)
    rows = place.result.rows
    sound = [row for row in rows if not {"error", "refused", "cut"} & row.keys()]
    place.result.facts |= {
        "rows": len(rows),
        "equal": sum(kept(row) for row in sound),
        "unequal": sum(not kept(row) for row in sound),
        "refused": sum("refused" in row for row in rows),
        "failed": sum("error" in row for row in rows),
    }


def kept(row: Mapping[str, Any]) -> bool:
    """Whether a row's halves ended where its whole run did, both ways."""
    return row.get("memory") is True and row.get("file") is True


def _cases(*, tiny: bool) -> list[tuple[str, str | None, str]]:
    """What is tried, the most telling first: each family's own, Stable Diffusion's and SD3's in full, then the rest."""
    if tiny:
        sd15 = [("sd15", name, "txt2img") for name in (None, "DPMSolverMultistepScheduler", "DDPMScheduler")]
        return [*sd15, ("sd3", None, "txt2img"), ("flux", None, "img2img")]
    own = [(family, None, "img2img" if family in _BY_PICTURE else "txt2img") for family in DTYPES]
    own += [(family, None, "img2img") for family in _PICTURED] + [(family, None, "inpaint") for family in _MASKED]
    more = [("sd15", name) for name in SCHEDULERS] + [("sd3", name) for name in FLOW_SCHEDULERS]
    more += [("sdxl", name) for name in SCHEDULERS] + [("flux", name) for name in FLOW_SCHEDULERS]
    more += [(family, name) for family in _FLOW[2:] for name in FLOW_SCHEDULERS]
    more += [(family, name) for family in ("sd2", "kolors", "pixart-sigma") for name in SCHEDULERS]
    pictured = [(family, name) for family, name in more if family in _PICTURED]
    return [
        *own,
        *((family, name, "img2img") for family, name in pictured),
        *((family, name, "txt2img") for family, name in more),
    ]


def _measure(place: Place, engine: LocalEngine, row: dict[str, Any], whole: Stage, mode: str) -> None:
    try:
        expected = engine.run(whole, inputs(mode)).latents
        halves = {name: _halves(place, engine, whole, mode, name) for name in ("memory", "file")}
    except WindowError as error:
        row["refused"] = f"{type(error).__name__}: {error}"[:200]  # no step lies below the cut: there is no half
        return
    except Exception as error:
        answer = _plain_answer(place, engine, whole, mode)
        if not isinstance(answer, str):
            raise
        row["refused"] = f"{type(error).__name__}: {error}"[:200] + f"; plain diffusers: {answer}"[:200]
        return
    row |= {name: same(half, expected) for name, half in halves.items()}
    if not all(row[name] for name in halves):
        row["difference"] = max(_distance(half, expected) for half in halves.values())
        with _deterministic():
            again = engine.run(whole, inputs(mode)).latents
            row["twice"] = same(again, engine.run(whole, inputs(mode)).latents)
            row["deterministic"] = same(_halves(place, engine, whole, mode, "memory"), again)
    if whole.scheduler is None:
        _controls(row, expected, lambda **how: _plain_answer(place, engine, whole, mode, **how))


def _controls(row: dict[str, Any], expected: Latents, plain: Callable[..., Any]) -> None:
    """What plain diffusers makes of the same, beside the engine's."""
    first, second = plain(), plain()
    row["plain twice"] = first if isinstance(first, str) else bool((first == second).all())
    row["plain"] = first if isinstance(first, str) else _as_plain(first, expected)
    optimized = plain(optimized=True)
    row["plain, encoders optimized"] = optimized if isinstance(optimized, str) else _as_plain(optimized, expected)
    if row["plain"] is False:
        texts = plain(texts=True)
        row["plain, with the engine's texts"] = texts if isinstance(texts, str) else _as_plain(texts, expected)


def same(first: Latents, second: Latents) -> bool:
    """Whether latents are equal bit for bit."""
    import torch

    return torch.equal(first.tensor, second.tensor)


def _distance(first: Latents, second: Latents) -> float:
    return float((first.tensor.double() - second.tensor.double()).abs().max())


def _as_plain(plain: Any, ours: Latents) -> bool:
    """Whether what plain diffusers' loop ends with, packed or not, has the values that the engine's latents have."""
    import torch

    values = ours.tensor
    if plain.shape != values.shape:  # tokens, or patches: the same values in another order
        return torch.equal(plain.flatten().sort().values, values.flatten().sort().values)
    return torch.equal(plain, values)


def _stage(place: Place, family: str, scheduler: str | None, mode: str) -> Stage:
    side = _SIDES.get(family, 64)
    source = ModelSource(str(_folder(place, family)), dtype=DTYPES[family], device=place.device, offline=True)
    return Stage(
        model=source, prompt=Prompt(PROMPT), seed=7, num_inference_steps=_STEPS, guidance_scale=3.0,
        size=Size(side, side) if mode == "txt2img" else None, scheduler=scheduler,
        num_frames=_FRAMES if family in _CLIPS else None,
    )  # fmt: skip


def _folder(place: Place, family: str) -> Path:
    from tests.tiny import save_folder

    folder = place.scratch / "tiny" / family
    return folder if (folder / "model_index.json").is_file() else save_folder(family, folder)


def _halves(place: Place, engine: LocalEngine, whole: Stage, mode: str, way: str) -> Latents:
    carry = through_file if way == "file" else in_memory
    end = 0.5 if mode == "txt2img" else 0.7
    first = engine.run(replace(whole, window=Window(None, end)), inputs(mode)).latents
    given = carry(first, place.scratch)
    return engine.run(replace(whole, window=Window(end, None)), inputs(mode, given)).latents


def _plain_answer(
    place: Place, engine: LocalEngine, whole: Stage, mode: str, *, optimized: bool = False, texts: bool = False
) -> Any:
    """The last latents of plain diffusers' own run on the CPU's memory, or the error that it ends with, in words.

    Args:
        place: The section's.
        engine: Holds the model.
        whole: What is run.
        mode: ``txt2img`` or ``img2img``.
        optimized: Whether torch's script compiler may optimize what it has seen before.
        texts: Whether texts come from what the engine keeps.
    """
    import diffusers
    import torch

    from jupyter_latents.engine.schedule import schedulers

    model = engine.cache.load(whole.model)
    kind = getattr(diffusers, model.facts.family.pipeline_name(mode))
    picture: Mapping[str, Any] = {}
    last: list[Any] = []
    if mode != "txt2img":
        picture = {"image": inputs(mode).images[0], "strength": 0.8}
    if mode == "inpaint":
        picture = {**picture, "mask_image": inputs(mode).masks[0]}
    width, height = (whole.size.width, whole.size.height) if whole.size else inputs(mode).images[0].size
    size = {"height": height, "width": width}
    if whole.num_frames is not None:
        size["num_frames"] = whole.num_frames
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pipeline = kind.from_pretrained(whole.model.name, local_files_only=True, **model.parts)
        if texts:
            pipeline = kind(**model.components(kind), scheduler=pipeline.scheduler)
        pipeline.set_progress_bar_config(disable=True)
        pipeline.scheduler = schedulers.build(whole.scheduler, *model.facts.scheduler, seed=7)
        call = {**_further(model.facts.family), **_told_steps(last), **size}
        taken = inspect.signature(kind.__call__).parameters
        compiler: Any = torch.jit
        with compiler.optimized_execution(optimized):
            made = pipeline(
                prompt=PROMPT,
                num_inference_steps=_STEPS,
                generator=torch.Generator("cpu").manual_seed(7),
                output_type="latent",
                **picture,
                **{name: value for name, value in call.items() if name in taken},
            )
    except Exception as error:
        if out_of_time(error) is not None:
            raise
        return f"{type(error).__name__}: {error}"[:200]
    latents = (last[-1] if last else made.images).cpu()
    return latents if bool(torch.isfinite(latents).all()) else "NaN or infinite latents"


def _further(family: Any) -> dict[str, Any]:
    return {family.guidance: 3.0, **family.call} if family.guidance else dict(family.call)


def _told_steps(last: list[Any]) -> dict[str, Any]:
    """The call's arguments that keep the last latents as the loop holds them."""

    def keep(_pipeline: Any, _step: int, _timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        last[:] = [values["latents"]]
        return {}

    return {"callback_on_step_end": keep, "callback_on_step_end_tensor_inputs": ["latents"]}


@contextmanager
def _deterministic() -> Iterator[None]:
    """Torch's deterministic kernels, as far as there are any."""
    import torch

    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = True
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)
        torch.backends.cudnn.deterministic = before
