"""What a pipeline asks of its model's parts beside their shapes: layers, lengths and numbers that it reads there."""

from __future__ import annotations

from jupyter_latents.engine.libraries.signatures import parameters_of
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.parts import with_defaults
from jupyter_latents.errors import ModelError
from jupyter_latents.wording import option

__all__ = ["check_conditions"]

_SIZES, _SCORE = 6, 5
"""Numbers that SDXL's U-Nets are told of sizes, and those that are told an aesthetic score with them."""


def check_conditions(pipeline: type, facts: ModelFacts) -> None:
    """Sees that a model has what its pipeline asks of its parts.

    Args:
        pipeline: The diffusers class that runs.
        facts: The model's.

    Raises:
        ModelError: It has not.
    """
    _check_pag(pipeline, facts)
    _check_told(pipeline, facts)
    _check_shift(pipeline, facts)


def _check_pag(pipeline: type, facts: ModelFacts) -> None:
    """Raises where a model has not the layers whose attention a pipeline perturbs."""
    parameter = parameters_of(vars(pipeline).get("__init__", object)).get("pag_applied_layers")
    layers = parameter.default if parameter is not None else ()
    part = facts.sources[facts.denoiser]
    config = with_defaults(part, f"{part.name} of {facts.name}") if layers else {}
    for layer in [layers] if isinstance(layers, str) else layers:
        number, count = layer.partition(".")[2], config.get("num_layers")
        if number.isdecimal() and isinstance(count, int) and int(number) < count:
            continue
        if layer == "mid" and "CrossAttn" in str(config.get("mid_block_type")):
            continue
        raise ModelError(
            f"{pipeline.__name__} perturbs the attention of the layer {layer!r}, which the {part.name} of {facts.name} "
            f"does not have. Leave {option('pag_scales')} out.",
            option="pag_scales",
        )


def _check_told(pipeline: type, facts: ModelFacts) -> None:
    """Raises where SDXL's U-Net is told more or fewer numbers of sizes than it takes."""
    unet = facts.config("unet")
    if unet.get("addition_embed_type") != "text_time" or "text_encoder_2" not in facts.sources:
        return
    asks = bool(facts.index.get("requires_aesthetics_score"))
    scored = asks and "requires_aesthetics_score" in parameters_of(vars(pipeline).get("__init__", object))
    each, takes = unet.get("addition_time_embed_dim"), unet.get("projection_class_embeddings_input_dim")
    width = facts.config("text_encoder_2").get("projection_dim")
    if not (isinstance(each, int) and isinstance(takes, int) and isinstance(width, int)):
        return
    told = each * (_SCORE if scored else _SIZES) + width
    if told != takes:
        raise ModelError(
            f"the unet of {facts.name} takes {takes} values of the text and its sizes, and {pipeline.__name__} gives "
            f"it {told}. Its model_index.json says requires_aesthetics_score {str(asks).lower()}, which is true of "
            "SDXL's refiner alone; fetch the model again, or mend it there."
        )


def _check_shift(pipeline: type, facts: ModelFacts) -> None:
    """Raises where a pipeline takes pictures in by a shift that the VAE does not have."""
    subtracts = facts.family.name in ("SD3", "Flux.1", "Z-Image") and "image" in parameters_of(pipeline.__call__)
    if subtracts and with_defaults(facts.own["vae"], f"vae of {facts.name}").get("shift_factor") is None:
        raise ModelError(
            f"the config.json of the vae of {facts.name} says no shift_factor, which {pipeline.__name__} takes off "
            "pictures. Fetch the file again, or write 0.0 there."
        )
