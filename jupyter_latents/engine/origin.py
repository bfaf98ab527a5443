"""What results say of where they come from."""

from __future__ import annotations

from types import MappingProxyType

from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.latents.facts import Provenance
from jupyter_latents.stage import Stage

__all__ = ["provenance_of"]


def provenance_of(
    stage: Stage, facts: ModelFacts, *, seed: int | None, strength: float | None, parents: tuple[str, ...] = ()
) -> Provenance:
    """Where the latents of a stage come from.

    Args:
        stage: What was asked for.
        facts: Its model's.
        seed: The seed that it runs with; None where that is drawn at the run.
        strength: The strength of its picture; None without one.
        parents: Digests of the latents that it was given.
    """
    options = {"steps": str(stage.num_inference_steps), "scheduler": str(stage.scheduler or facts.scheduler[0])}
    if stage.batch_seeds:
        options["batch_seeds"] = "true"
    if strength is not None:
        options["strength"] = repr(strength)
    if stage.model.optimize:
        options["optimize"] = " ".join(stage.model.optimize)
    return Provenance(
        stage.model.name,
        facts.digest,
        stage.prompt.positive,
        stage.prompt.negative,
        seed,
        stage.guidance_scale,
        "denoise",
        MappingProxyType(options),
        parents,
    )
