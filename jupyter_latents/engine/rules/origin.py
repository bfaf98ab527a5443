"""What results say of where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.errors import ModelError, SettingError
from jupyter_latents.latents.clip import FPS
from jupyter_latents.latents.facts import Provenance
from jupyter_latents.points import first_scale
from jupyter_latents.stage import ModelSource, Scales, Stage

__all__ = ["fps_of", "provenance_of", "source_of"]

_NAMED = ("revision", "variant", "subfolder", "dtype", "vae")
"""What a stage says of its model beside the name, that another one needs to decode its latents as it did."""


def provenance_of(
    stage: Stage,
    facts: ModelFacts,
    *,
    seed: int | None,
    strength: float | None,
    parents: tuple[str, ...] = (),
    beside: Mapping[str, str] = MappingProxyType({}),
) -> Provenance:
    """Where the latents of a stage come from.

    Args:
        stage: What was asked for.
        facts: Its model's.
        seed: The seed that it runs with; None where that is drawn at the run.
        strength: The strength of its picture; None without one.
        parents: Digests of the latents that it was given.
        beside: What the run says besides, as options.
    """
    options = {"steps": str(stage.num_inference_steps), "scheduler": str(stage.scheduler or facts.scheduler[0])}
    if stage.prompt.weighter is not None:
        options["prompt_weighter"] = str(stage.prompt.weighter)
    if isinstance(stage.guidance_scale, Scales):
        options["guidance_scale"] = str(stage.guidance_scale)
    if stage.batch_seeds:
        options["batch_seeds"] = "true"
    for name in ("pag_scale", "pag_adaptive_scale"):
        if (scale := getattr(stage, name)) is not None:
            options[name] = repr(scale)
    if strength is not None:
        options["strength"] = repr(strength)
    said = {name: str(getattr(stage.model, name) or "") for name in _NAMED}
    options |= {name: text for name, text in said.items() if text not in ("", "auto")}
    options |= {addon.dest: addon.story for addon in facts.addons if addon.story}
    options |= beside
    if stage.model.optimize:
        options["optimize"] = " ".join(map(str, stage.model.optimize))
    return Provenance(
        stage.model.name,
        facts.digest,
        stage.prompt.positive,
        stage.prompt.negative,
        seed,
        first_scale(stage.guidance_scale),
        "denoise",
        MappingProxyType(options),
        parents,
    )


def fps_of(made: Provenance) -> float:
    """Frames a second of clips, as their provenance says it."""
    return made.number("fps", 0.01, 120.0) or FPS


def source_of(made: Provenance) -> ModelSource:
    """The model that made latents, as its stage named it.

    Raises:
        ModelError: What they say of it cannot be read; anybody may have written their file.
    """
    said: dict[str, Any] = {name: str(made.options[name]) for name in _NAMED if name in made.options}
    try:
        return ModelSource(made.model, **said)
    except SettingError as error:
        raise ModelError(
            f"what these latents say of their model {made.model} cannot be read: {error.template}"
        ) from error
