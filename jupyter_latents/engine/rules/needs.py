"""How much memory a stage takes at once, from its numbers alone: what it denoises, keeps of its steps and decodes.

The factors are measured: peaks of the tiny and demo models on a CPU lie between 0.8 and 1.5 times what is foreseen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_latents.engine.given.inputs import Call
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.memory import all_memory, device_of, is_ram
from jupyter_latents.errors import ModelError
from jupyter_latents.points import largest_scale
from jupyter_latents.stage import Size
from jupyter_latents.wording import option, readable

__all__ = ["Needs", "check_memory", "needs_of"]

_COPIES = 4  # of what the widest layer of a decoder makes, while it is worked on
_OF_PIXELS = 8  # the same of a U-Net's first and last layers, which are given twice their own width
_OF_TOKENS = 11  # of a transformer's tokens: themselves, their normed form, and twice what is four times as wide
_PICTURES = 3 * 3 * 4  # red, green and blue in float32; decoded, turned for Pillow, and rounded
_PER_STEP = 8_192  # the generator's state, and what says where a step stands
_TOKENS = 77 * 3  # of a text for a CLIP encoder, which is filled up; repeated, joined and read by the layers
_PADDED = ("CLIP",)
_JOINED = {"two clips and t5": 77 + 256, "t5": 512}
"""Tokens that a text of each layout is filled up to; they go through a transformer beside those of a picture."""
_ORDERS = 4  # outputs that PNDM and IPNDM remember


@dataclass(frozen=True, slots=True)
class Needs:
    """Bytes that a stage takes.

    Attributes:
        denoising: While a step is computed, its texts with it.
        kept: By its steps, with their clean estimates and what their scheduler remembers.
        decoding: While the last latents become pictures.
        pictures: By the pictures, always in RAM.
    """

    denoising: int
    kept: int
    decoding: int
    pictures: int

    @property
    def at_once(self) -> int:
        """What is there at the same time at the worst moment, where all of it is in RAM."""
        return self.kept + max(self.denoising, self.decoding + self.pictures)

    @property
    def largest(self) -> str:
        """What of it takes most, in words."""
        parts = {"one step": self.denoising, "the steps that are kept": self.kept,
                 "the pictures": self.decoding + self.pictures}  # fmt: skip
        return max(parts, key=lambda name: parts[name])


def needs_of(call: Call, facts: ModelFacts, itemsize: int, steps: int = 1, memory: int = 0) -> Needs:
    """What a stage takes.

    Args:
        call: What its pipeline's call is made for.
        facts: Its model's.
        itemsize: Bytes of one value.
        steps: Whole steps that run, all of which are kept.
        memory: Outputs of earlier steps that its scheduler remembers.
    """
    stage, size = call.stage, call.size
    latents = _latents(call, facts)
    guided = 2 if facts.family.negative and largest_scale(stage.guidance_scale) > 1 else 1
    guided += call.pag
    step = guided * call.batch * (_layer(call, facts) + _text(facts)) * itemsize
    kept = steps * (call.batch * latents * (2 + memory) * itemsize + _PER_STEP)
    if stage.window.end not in (None, 1.0):
        return Needs(step, kept, 0, 0)
    at_once = 1 if stage.model.vae_slicing else call.batch
    layer = 0 if stage.model.vae_tiling else at_once * _decoder(size, facts) * itemsize
    return Needs(step, kept, layer, call.batch * call.frames * size[0] * size[1] * _PICTURES)


def check_memory(call: Call, facts: ModelFacts, itemsize: int, steps: int = 1, scheduler: Any = None) -> None:
    """Refuses what takes more memory than the machine has.

    An accelerator says by itself when its memory is full, and then decodes in tiles; a system without memory ends the
    process.

    Args:
        call: What the pipeline's call is made for.
        facts: The model's.
        itemsize: Bytes of one value.
        steps: Whole steps that run.
        scheduler: Its scheduler; None where it is not known yet.

    Raises:
        ModelError: It can never run here; says by which option, what it would take and what there is.
    """
    memory = _remembered(scheduler)

    def wanting(call: Call, steps: int) -> tuple[int, Any] | None:
        needs = needs_of(call, facts, itemsize, steps, memory)
        home, ram = device_of(call.stage.model.device), device_of("cpu")
        rows = [(needs.at_once, ram)] if is_ram(home) else [
            (needs.kept + needs.denoising, home), (needs.kept + needs.pictures, ram)]  # fmt: skip
        return next(((taken, place) for taken, place in rows if taken > all_memory(place)), None)

    lacking = wanting(call, steps)
    if lacking is None:
        return
    one = Call(call.stage, call.given, call.mode, call.size, frames=call.frames)
    blamed = "output_size" if wanting(one, 1) else "inference_steps" if wanting(one, steps) else "batch_size"
    if blamed == "batch_size" and call.given.latents:
        blamed = "image_seeds"
    taken, place = lacking
    largest = needs_of(call, facts, itemsize, steps, memory).largest
    many = f", {steps} steps" if steps > 1 else ""
    raise ModelError(
        f"{call.batch} x {Size(*call.size)} pixels{many} need about {readable(taken)} of memory in "
        f"{call.stage.model.name}, most of it for {largest}, and {place} has "
        f"{readable(all_memory(place))}. {_ADVICE[blamed]}",
        option=blamed,
    )


_ADVICE: Mapping[str, str] = {
    "output_size": f"Use a smaller {option('output_size')}.",
    "batch_size": f"Use a smaller {option('batch_size')}; several {option('seeds')} run one after another.",
    "image_seeds": "Give fewer latents at once, such as a part of them by split().",
    "inference_steps": f"Use fewer {option('inference_steps')}, or stop earlier by {option('denoising_end')}.",
}


def _remembered(scheduler: Any) -> int:
    """How many outputs of earlier steps a scheduler remembers; each step keeps its own list."""
    outputs = getattr(scheduler, "model_outputs", None)
    if isinstance(outputs, list):
        return len(outputs)
    return _ORDERS if hasattr(scheduler, "ets") else 0


def _latents(call: Call, facts: ModelFacts) -> int:
    """Values of the latents of one picture or clip."""
    return math.prod(facts.space.shape_for(*call.size, 1, call.frames))


def _layer(call: Call, facts: ModelFacts) -> int:
    """Values that a denoiser holds at once for one picture or clip."""
    config, latents = facts.config(facts.denoiser), _latents(call, facts)
    pixels = latents // facts.space.channels
    widths = config.get("block_out_channels")
    if widths:
        return _OF_PIXELS * int(widths[0]) * pixels + _skips(config, pixels)
    each = config.get("patch_size") or 2
    inside = int(config.get("in_channels") or facts.space.channels) * int(each if isinstance(each, int) else 2) ** 2
    return _OF_TOKENS * _width(config) * (latents // inside + _JOINED.get(facts.family.text, 0))


def _skips(config: Mapping[str, Any], pixels: int) -> int:
    """Values that the way down of a U-Net keeps for its way up."""
    layers, widths = config.get("layers_per_block") or 2, config["block_out_channels"]
    each = layers if isinstance(layers, (list, tuple)) else [layers] * len(widths)
    halved = [int(width) * (pixels >> 2 * level) for level, width in enumerate(widths)]
    return halved[0] + sum(int(count) * held + held // 4 for count, held in zip(each, halved, strict=False))


def _width(config: Mapping[str, Any]) -> int:
    """Values of a transformer's token."""
    heads, each = config.get("num_attention_heads") or 1, config.get("attention_head_dim") or 1
    return int(config.get("hidden_size") or config.get("dim") or int(heads) * int(each))


def _text(facts: ModelFacts) -> int:
    """Values of a text for one picture, where it is filled up to the whole length; pipelines repeat it for each."""
    encoders = [part for name, part in facts.sources.items() if name.startswith("text_encoder")]
    if not encoders or not encoders[0].class_name.startswith(_PADDED):
        return 0
    width = facts.config(facts.denoiser).get("cross_attention_dim") or 0
    return _TOKENS * int(width if isinstance(width, int) else max(width, default=0))


def _decoder(size: tuple[int, int], facts: ModelFacts) -> int:
    """Values that a VAE's decoder holds at once for one picture, where it is largest: at the end."""
    config = facts.config("vae")
    widths = config.get("decoder_block_out_channels") or config.get("block_out_channels") or [config.get("base_dim", 0)]
    own, before = int(widths[0]), int(widths[min(1, len(widths) - 1)])
    return size[0] * size[1] * max(_COPIES * own, 2 * before + own)
