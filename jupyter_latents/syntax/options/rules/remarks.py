"""What of one invocation is worth a line and no error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_latents.errors import Place
from jupyter_latents.formats import format_of
from jupyter_latents.processing import IDLE
from jupyter_latents.syntax.options.table import NAMES
from jupyter_latents.syntax.prompts import split_weighter

if TYPE_CHECKING:
    from jupyter_latents.syntax.options.arguments import Arguments

__all__ = ["remarks"]

_PROCESSED = (
    "seed_image_processors", "mask_image_processors", "control_image_processors", "post_processors",
    "latents_processors", "img2img_latents_processors", "latents_post_processors",
)  # fmt: skip
_PROMPTS = ("prompts", "negative_prompts", "second_prompts", "third_prompts")
_WEIGHTS = re.compile(r"(?<!\\)\([^()]*:\s*[\d.]+\s*\)|(?<!\\)\[[^\[\]]*[:|][^\[\]]*\]|\bAND\b|\bBREAK\b")
_PAINTED = {
    _WEIGHTS: f"{NAMES['prompt_weighter']} a1111 reads it",
    re.compile(r"<(?:lora|lyco|hypernet):[^<>]*>"): f"LoRAs are given by {NAMES['loras']} NAME;scale=0.8",
}


def remarks(arguments: Arguments, weighter: object = None) -> Iterator[tuple[str, Place | None]]:
    """Remarks on prompts and on options that do nothing here, each with its place.

    Args:
        arguments: Those of the invocation.
        weighter: What reads weights in prompts where the invocation does not say; None for nothing.
    """
    reads = _reads(arguments, weighter)
    for dest in _PROMPTS:
        words = arguments.words.get(dest, ())
        if len(words) > 1 and not any(word.quoted or word.value.dynamic for word in words):
            text = f"{NAMES[dest]} has {len(words)} values, each a prompt; quote a prompt of several words"
            yield text, words[0].place
        for word in words:
            for found in filter(None, (pattern.search(word.text) for pattern in _PAINTED)):
                if found.re is _WEIGHTS and (reads or split_weighter(word.text)[0]):
                    continue
                text = f"{found[0]!r} is painted as text: {_PAINTED[found.re]}"
                yield text, word.locate(found.start(), len(found[0]))
    yield from _idle(arguments)


def _reads(arguments: Arguments, weighter: object) -> bool:
    """Whether something reads weights in the prompts of an invocation."""
    given = arguments.values.get("prompt_weighter", ())
    return str(given[0]).lower() != "none" if given else weighter is not None or "prompt_weighter" in arguments.unknown


def _stretches(arguments: Arguments) -> bool:
    """Whether a picture of an image seed is brought to a size."""
    if "image_seeds" in arguments.unknown:
        return True
    sized = "output_size" in arguments.options
    seeds = arguments.values.get("image_seeds", ())
    adapters = (one for seed in seeds for adapter in seed.adapters for one in adapter)
    return any(seed.resize or (sized and (seed.images or seed.plain)) for seed in seeds) or any(
        one.resize for one in adapters
    )


def _beside(arguments: Arguments) -> Iterator[tuple[str, Place | None]]:
    """Options that need another one to stand for something."""
    given = arguments.options
    if arguments.open:
        return
    if "lora_fuse_scale" in given and "loras" not in given:
        yield f"{NAMES['lora_fuse_scale']} does nothing without {NAMES['loras']}", given["lora_fuse_scale"].place
    if "no_aspect" in given and not _stretches(arguments):
        yield f"{NAMES['no_aspect']} does nothing: no picture is brought to a size", given["no_aspect"].place
    if "pag_adaptive_scales" in given and not given.keys() & {"pag", "pag_scales"}:
        text = f"{NAMES['pag_adaptive_scales']} alone turns {NAMES['pag']} on, at a scale of 3"
        yield text, given["pag_adaptive_scales"].place
    ending = str(arguments.first("image_format") or "png")
    kind = format_of(ending)
    if "post_processors" in given and kind is not None and kind.holds == "latents":
        text = f"{NAMES['post_processors']} changes pictures, and {NAMES['image_format']} {ending} writes latents"
        yield text, given["post_processors"].place


def _idle(arguments: Arguments) -> Iterator[tuple[str, Place | None]]:
    """Options that stand for nothing beside others."""
    given = arguments.options
    steps, sigmas = arguments.values.get("inference_steps", ()), arguments.values.get("sigmas", ())
    counts = {sum(sigma > 0 for sigma in levels) for levels in sigmas if not isinstance(levels, str)}
    if counts and steps and set(steps) != counts:
        text = f"{NAMES['inference_steps']} does nothing beside {NAMES['sigmas']}, which make the steps"
        yield text, given["inference_steps"].place
    writes = {"output_path", "image_format"} & given.keys()
    for dest in ("output_prefix", "output_overwrite", "output_metadata", "output_configs", "batch_grid_size"):
        if dest in given and not writes:
            yield f"{NAMES[dest]} does nothing: no file is written without {NAMES['output_path']}", given[dest].place
    for word in arguments.words.get("output_path", ()):
        if not word.value.dynamic and format_of(Path(word.text).suffix) and not Path(word.text).is_dir():
            text = f"{NAMES['output_path']} names a folder, and {word.text} will be one"
            yield f"{text}; {NAMES['output_prefix']} begins the names of files", word.place
    if "batch_grid_size" in given and writes and "batch_size" not in given and not arguments.open:
        text = f"{NAMES['batch_grid_size']} does nothing without {NAMES['batch_size']}: each picture has a file"
        yield text, given["batch_grid_size"].place
    if "latents_processors" in given and "image_seeds" not in given and not arguments.open:
        yield f"{NAMES['latents_processors']} does nothing: no latents are given", given["latents_processors"].place
    yield from _beside(arguments)
    for dest in _PROCESSED:
        for word in arguments.words.get(dest, ()):
            if idle := [key for key in IDLE if re.search(rf";\s*{key.replace('-', '[-_]')}\s*=", word.text)]:
                yield f"{' and '.join(f'{key}=' for key in idle)} changes nothing: {IDLE[idle[0]]}", word.place
    if "batch_seeds" in given and not given.keys() & {"seeds", "gen_seeds"} and not arguments.open:
        yield f"{NAMES['batch_seeds']} does nothing: there is one seed", given["batch_seeds"].place
