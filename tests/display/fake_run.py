"""Runs without models: stages that emit steps with drawn pictures, on a real executor."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
from PIL import Image

from jupyter_latents.display.view import RunView
from jupyter_latents.engine.observer import Phase, Reading, StepEvent
from jupyter_latents.engine.result import StageResult
from jupyter_latents.engine.schedule.window import Span
from jupyter_latents.latents import services
from jupyter_latents.latents.facts import CLEAN, Noise, Position, Provenance, Resume
from jupyter_latents.latents.spaces import Space
from jupyter_latents.latents.value import Latents
from jupyter_latents.session.runs.executor import LocalExecutor
from jupyter_latents.session.runs.run import Run
from jupyter_latents.stage import ModelSource, Prompt, Stage, Window

SPACE = Space("SD", 4, 8, 0.18215)
SUNSET = "a beautiful sunset over the mountains"


def stage(name: str | None = "base", start: float | None = None, end: float | None = None, **changes: object) -> Stage:
    """A stage of 30 steps of a demo model."""
    model = "demo/paper" if start else "demo/scenes"
    made = Stage(
        model=ModelSource(model),
        prompt=Prompt(SUNSET),
        seed=7,
        window=Window(start, end),
        into=name,
        scheduler="EulerDiscreteScheduler",
    )
    return replace(made, **changes)


def two_stages() -> list[Stage]:
    """The quickstart's pair."""
    return [stage("base", end=0.8), stage("final", start=0.8)]


def noise_at(step: int, of: int) -> Noise:
    """A falling schedule from 14.6 to clean."""
    return CLEAN if step == of else Noise(14.6 * math.exp(-4.6 * step / of), "ve")


def landscape(side: int, number: int = 0, *, night: bool = False) -> Image.Image:
    """A sky over dark land, or at night over the sea; each number has hills and a sun of its own."""
    down = torch.linspace(0, 1, side)[:, None].expand(side, side)
    across = torch.linspace(0, 1, side)[None].expand(side, side)
    sky = torch.stack([0.45 + 0.5 * down, 0.5 + 0.2 * down, 0.75 - 0.05 * down])
    ground = 0.62 + 0.07 * torch.sin(across * (9 + 5 * number % 13)) + 0.04 * torch.sin(across * (37 - number % 7))
    land = torch.stack([0.08 + 0.1 * down, 0.25 - 0.1 * down, 0.12 + 0 * down])
    if night:
        sky, ground = torch.stack([0.04 + 0.1 * down, 0.06 + 0.16 * down, 0.16 + 0.3 * down]), 0 * ground + 0.64
        lit = torch.rand(side, side, generator=torch.Generator().manual_seed(number)) > 0.994
        sky = torch.where(lit & (down < 0.6), 0.8, sky)
        land = torch.stack([0.03 + 0.05 * down, 0.08 + 0.1 * down, 0.2 + 0.1 * down])
    at = 0.2 + 0.6 * (number * 0.37 % 1)
    width = 0.05 if night else 0.09
    sun = torch.exp(-((((across - at) / width) ** 2 + ((down - 0.3) / width) ** 2) ** 2))
    picture = torch.where(down > ground, land, sky * (1 - sun) + sun)
    return _to_image(picture)


def scene(item: Stage, side: int, number: int = 0) -> Image.Image:
    """What a stage's picture shows: its seed, guidance and prompt decide."""
    told = dict(item.sweep.choice) if item.sweep is not None else {}
    guidance = told.get("guidance", item.guidance_scale)  # that of the base, where it is a refiner
    return _drawn(side, item.seed, float(guidance), item.prompt.positive, number)


def _drawn(side: int, seed: int | None, guidance: float | None, prompt: str | None, number: int) -> Image.Image:
    return landscape(side, (seed or 0) + 3 * int(guidance or 0) + number, night="night" in (prompt or ""))


def noisy(picture: Image.Image, amount: float, seed: int) -> Image.Image:
    """The picture with noise over it."""
    values = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).view(picture.height, picture.width, 3)
    noise = torch.rand(values.shape, generator=torch.Generator().manual_seed(seed))
    return _to_image((values.float() / 255 * (1 - amount) + noise * amount).permute(2, 0, 1))


def latents_at(item: Stage, step: int, batch: int = 1, side: int = 16) -> Latents:
    """Latents as a stage would leave them after a step."""
    level = noise_at(step, item.num_inference_steps)
    share = min(1.0, level.sigma / 15)
    drawn = torch.stack([_as_tensor(scene(item, 64, number)) for number in range(batch)])
    clean = torch.nn.functional.interpolate(drawn, (side, side))
    clean = torch.cat([clean, clean[:, :1]], 1)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(item.seed or 0))
    return Latents(
        (clean * 2 - 1) * (1 - share) + noise * share,
        SPACE,
        level,
        Position(step, item.num_inference_steps, "EulerDiscreteScheduler", "schedule"),
        None if level.is_clean else Resume(),
        Provenance(item.model.name, "digest", item.prompt.positive, "", item.seed, item.guidance_scale),
    )


@dataclass(frozen=True)
class Drawn:
    """Shows a step by drawn pictures."""

    draw: Callable[[], list[Image.Image]]
    steps: tuple[Latents, ...]

    def latents(self, step: int) -> Latents:
        found = tuple(one for one in self.steps if one.position and one.position.step <= step)
        return found[-1].replace(trajectory=found)

    def preview(self, tiny: str | None = None) -> list[Image.Image]:
        return self.draw()

    def values(self) -> Any:
        return self.steps[-1].tensor.numpy()


def step_event(step: int, steps: int = 30) -> StepEvent:
    """A step of a stage that runs its whole schedule."""
    return StepEvent(step, step, Span(0, steps, steps, 1, steps), Noise(1.0, "ve"))


def kept_result(latents: Latents, *pictures: Image.Image, start: int | None = None) -> StageResult:
    """A result that was kept from before, of a stage that ran its steps from `start` on; all of them when None."""
    at = [one.position.step for one in latents.trajectory or (latents,) if one.position is not None]
    span = Span(min(at) - 1 if start is None else start, max(at), 30, 1, 30)
    return StageResult(latents, pictures, span, evaluations=0, stopped=False, start=noise_at(span.start, 30))


def fake_previews(side: int) -> None:
    """Lets latents make previews without a model."""
    services.provide(
        SimpleNamespace(
            decode=lambda latents: [_drawn_of(latents, side, number) for number in range(latents.shape[0])],
            preview=lambda latents: list(
                _previews(partial(_drawn_of, latents, side), latents.position, latents.shape[0])
            ),
            mimebundle=lambda latents: {"text/plain": repr(latents)},
            texts=lambda latents, item: {},
            cell=fake_cell,
        )
    )


def fake_cell(*several: Latents) -> str:
    """A cell as a session writes it, without what went in."""
    one = several[0]
    seeds = " ".join(dict.fromkeys(str(each.provenance.seed) for each in several))
    end = "" if one.position is None or one.is_clean else f"--denoising-end {one.position.step / one.position.of:g}\n"
    prompt = f'--prompts "{one.provenance.prompt}"'
    return f"%%dgen\n# jupyter_latents\n\n{one.provenance.model}\n{prompt}\n--seeds {seeds}\n{end}"


def fake_work(
    view: RunView, stages: list[Stage], pause: Callable[[], None] = lambda: None, side: int = 64
) -> Callable[[Run], None]:
    """Work for an executor: tells the view what an engine would."""

    def work(run: Run) -> None:
        made: list[Latents] = []
        for index, item in enumerate(stages):
            made = _stage(view, run, index, item, made if item.window.start else [], pause, side)
            if run.should_stop():
                return

    return work


def start(view: RunView, stages: list[Stage], pause: Callable[[], None] = lambda: None, side: int = 64) -> Run:
    """Starts a fake run in its own thread; the view is attached."""
    run = LocalExecutor().submit(fake_work(view, stages, pause, side))
    view.attach(run)
    return run


def _stage(  # noqa: PLR0917
    view: RunView, run: Run, index: int, item: Stage, before: list[Latents], pause: Callable[[], None], side: int
) -> list[Latents]:
    of = item.num_inference_steps
    first, last = int((item.window.start or 0) * of + 1e-6), int((item.window.end or 1) * of + 1e-6)
    span = Span(first, last, of, 1, of)
    view.stage(index, item, item.into or "")
    view.phase(Phase("loading", Reading(item.model.name)))
    pause()
    view.phase(Phase("encoding"))
    view.phase(Phase("denoising", span=span, noise=noise_at(first, of)))
    kept = list(before)
    for step in range(first + 1, last + 1):
        pause()
        kept.append(latents_at(item, step, item.batch_size))
        look = Drawn(partial(_preview_list, item, step, side), tuple(kept))
        view.step(StepEvent(step, step, span, noise_at(step, of)), look)
        if step < last and run.should_stop():
            break
    result = kept[-1].replace(trajectory=tuple(kept))
    pictures = [scene(item, side * 2, number) for number in range(item.batch_size)] if result.is_clean else []
    if pictures:
        view.phase(Phase("decoding"))
        pause()
    view.result(StageResult(result, tuple(pictures), span, len(kept) - len(before), stopped=False))
    return kept


def _preview_list(item: Stage, step: int, side: int) -> list[Image.Image]:
    at = Position(step, item.num_inference_steps, "EulerDiscreteScheduler", "schedule")
    return list(_previews(partial(scene, item, side), at, item.batch_size))


def _previews(draw: Callable[[int], Image.Image], at: Position | None, batch: int) -> Iterator[Image.Image]:
    step, of = (at.step, at.of) if at is not None else (0, 1)
    for number in range(batch):
        yield noisy(draw(number), max(0.0, 1 - 1.6 * step / of), step)


def _drawn_of(latents: Latents, side: int, number: int = 0) -> Image.Image:
    made = latents.provenance
    return _drawn(side, made.seed, made.guidance_scale, made.prompt, number) if made else landscape(side, number)


def _as_tensor(picture: Image.Image) -> torch.Tensor:
    values = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
    return values.view(picture.height, picture.width, 3).permute(2, 0, 1).float() / 255


def _to_image(values: torch.Tensor) -> Image.Image:
    height, width = values.shape[1:]
    content = (values.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy().tobytes()
    return Image.frombytes("RGB", (width, height), content)
