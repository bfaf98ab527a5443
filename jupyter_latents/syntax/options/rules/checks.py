"""What options of one invocation say about each other."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Collection
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from jupyter_latents.errors import HelpAskedError, SettingError, nearest
from jupyter_latents.formats import format_of, listed
from jupyter_latents.optimizations import choices_of
from jupyter_latents.points import before
from jupyter_latents.samplers import SAMPLERS
from jupyter_latents.stage import CONTROL_FIELDS, Address, ImageSeed
from jupyter_latents.syntax.expand import UNKNOWN
from jupyter_latents.syntax.options.faults import fault
from jupyter_latents.syntax.options.parsers import weighter
from jupyter_latents.syntax.options.table import MOST, NESTING
from jupyter_latents.syntax.prompts import split_prompt, split_weighter
from jupyter_latents.wording import option

from .refused import REWRITING

if TYPE_CHECKING:
    from jupyter_latents.errors import Place
    from jupyter_latents.syntax.options.arguments import Arguments
    from jupyter_latents.syntax.text.quoting import Word

__all__ = ["check"]

PAG_SCALE = 3.0
"""Scale of perturbed attention guidance where nobody says, as in diffusers and dgenerate."""

_OFFLOADS = ("model_cpu_offload", "model_sequential_offload", "model_group_offload")
_TAG = re.compile(r"\s*<\s*(upscaler|weighter)\s*:", re.IGNORECASE)


def check(arguments: Arguments, schedulers: Collection[str]) -> None:
    """Checks what one option says about another.

    Args:
        arguments: The values, read.
        schedulers: Known scheduler names; where none are given, any name will do.

    Raises:
        ScriptError: They do not go together.
    """
    _check_count(arguments)
    _check_window(arguments)
    _check_seeds(arguments)
    _check_prompts(arguments)
    _check_images(arguments)
    _check_optimize(arguments)
    _check_files(arguments)
    _fill(arguments)
    if "pag" in arguments.options and "pag_scales" not in arguments.options:
        arguments.values["pag_scales"], arguments.options["pag_scales"] = (PAG_SCALE,), arguments.options["pag"]
    first, *others = [dest for dest in _OFFLOADS if dest in arguments.values] or [""]
    if others:
        raise fault(
            f"{option(first)} and {option(others[0])} exclude each other; keep one.",
            others[0],
            arguments.options[others[0]].place,
        )
    for index, given in enumerate(arguments.values.get("schedulers", ())):
        if given.name.lower() in ("help", "helpargs"):
            names = ", ".join(sorted(schedulers)) or "none are known here"
            asked = HelpAskedError(f"Schedulers: {names}.\nSettings follow them, 'DDIMScheduler;clip-sample=false'.")
            asked.alone = False
            raise asked
        if schedulers and given.name not in schedulers:
            known = [row.name for row in SAMPLERS]
            hint = nearest(given.name, (*schedulers, *known)) or f"; there are {', '.join(known[:6])} and others."
            text = f"{option('schedulers')}: '{given.name}' is no scheduler{hint}"
            raise fault(text, "schedulers", arguments.place("schedulers", index))


def _fill(arguments: Arguments) -> None:
    """Puts what is said for all LoRAs and image seeds into each."""
    fuse = arguments.first("lora_fuse_scale")
    if fuse is not None and "loras" in arguments.values:
        arguments.values["loras"] = tuple(_scaled(lora, fuse) for lora in arguments.values["loras"])
    if "no_aspect" in arguments.options and "image_seeds" in arguments.values:
        sized = "output_size" in arguments.options
        arguments.values["image_seeds"] = tuple(_stretched(seed, sized) for seed in arguments.values["image_seeds"])


def _scaled(lora: Address, fuse: float) -> Address:
    try:
        scale = float(lora.get("scale") or 1.0) * fuse
    except ValueError:
        return lora  # said where it is read
    if scale == float(lora.get("scale") or 1.0):
        return lora
    return Address(lora.name, MappingProxyType({**lora.settings, "scale": f"{scale:g}"}))


def _stretched(seed: ImageSeed, sized: bool) -> ImageSeed:
    """A seed whose pictures are stretched where it says nothing of that.

    Args:
        seed: The seed.
        sized: Whether the stage says a size, to which its pictures are brought.
    """
    adapters = tuple(
        tuple(replace(one, aspect=False) if one.resize and one.aspect is None else one for one in adapter)
        for adapter in seed.adapters
    )
    plain = replace(seed, adapters=adapters)
    resized = seed.resize is not None or (sized and (seed.images or seed.plain))
    return replace(plain, aspect=False) if resized and seed.aspect is None else plain


def _check_count(arguments: Arguments) -> None:
    """Options that multiply make so many stages at most."""
    counts = {dest: len(arguments.values.get(dest, ())) or 1 for dest in NESTING}
    counts["seeds"] = max(counts["seeds"], arguments.first("gen_seeds", 1))
    stages = math.prod(counts.values())
    if stages > MOST:
        largest = max(counts, key=lambda dest: counts[dest])
        dest = largest if largest in arguments.options else "gen_seeds"
        raise fault(f"This makes {stages} stages; {MOST} are the most.", dest, arguments.place(dest))


def _check_window(arguments: Arguments) -> None:
    starts, ends = arguments.values.get("denoising_start", ()), arguments.values.get("denoising_end", ())
    if 0 in ends:
        raise fault(
            f"{option('denoising_end')} 0 leaves nothing to run; give a fraction above 0.",
            "denoising_end",
            arguments.place("denoising_end", ends.index(0)),
        )
    if 1 in starts:
        raise fault(
            f"{option('denoising_start')} 1 leaves nothing to run; give a fraction below 1.",
            "denoising_start",
            arguments.place("denoising_start", starts.index(1)),
        )
    for start, end in itertools.product(starts, ends):
        if start == end or before(start, end) is False:
            raise fault(
                f"{option('denoising_start')} {start:g} is not before {option('denoising_end')} {end:g}; a stage runs "
                "from start to end.",
                "denoising_start",
                arguments.place("denoising_start", starts.index(start)),
            )


def _check_seeds(arguments: Arguments) -> None:
    if "seeds" in arguments.options and "gen_seeds" in arguments.options:
        raise fault(
            f"{option('seeds')} and {option('gen_seeds')} exclude each other; keep one.",
            "gen_seeds",
            arguments.options["gen_seeds"].place,
        )
    if "seeds_to_images" not in arguments.options or arguments.unknown & {"seeds", "image_seeds", "gen_seeds"}:
        return
    seeds = len(arguments.values.get("seeds", ())) or arguments.first("gen_seeds", 0)
    images = len(arguments.values.get("image_seeds", ()))
    if seeds != images or not seeds:
        raise fault(
            f"{option('seeds_to_images')} pairs seeds with image seeds, and there are {seeds} and {images}; give "
            "equally many.",
            "seeds_to_images",
            arguments.options["seeds_to_images"].place,
        )


def _check_prompts(arguments: Arguments) -> None:
    for dest in ("prompts", "second_prompts", "third_prompts", "negative_prompts"):
        for index, word in enumerate(arguments.words.get(dest, ())):
            _check_tag(word, dest, arguments.place(dest, index))
    if "negative_prompts" not in arguments.options:
        return
    for index, prompt in enumerate(arguments.values.get("prompts", ())):
        if split_prompt(prompt)[1] is not None:
            raise fault(
                "This prompt has its own negative after the semicolon, and "
                f"{option('negative_prompts')} gives another; keep one.",
                "prompts",
                arguments.place("prompts", index),
            )


def _check_tag(word: Word, dest: str, place: Place | None) -> None:
    """Checks what stands in angle brackets at the head of a prompt."""
    if UNKNOWN in word.text.partition(">")[0]:
        return  # it is read at the run
    name, rest = split_weighter(word.text)
    if name or rest != word.text:
        if dest != "prompts":
            raise fault(f"<weighter: ...> stands at the head of {option('prompts')}, for all prompts.", dest, place)
        weighter(name, lambda _start, _length: place)
    tag = _TAG.match(rest)
    if tag:
        why = REWRITING if tag[1].lower() == "upscaler" else "it names one weighter, and ends with >"
        raise fault(f"<{tag[1]}: ...> does not run here: {why}.", dest, place)


def _check_optimize(arguments: Arguments) -> None:
    given = arguments.values.get("optimize", ())
    for count in range(1, len(given) + 1):
        try:
            choices_of(given[:count])
        except SettingError as error:
            text = f"{option('optimize')}: {error.template}"
            raise fault(text, "optimize", arguments.place("optimize", count - 1)) from error


def _check_files(arguments: Arguments) -> None:
    """Checks what is asked of files against what their format holds."""
    ending = str(arguments.first("image_format") or "png").partition(";")[0]
    kind = format_of(ending)
    for dest, fits, formats in (
        ("output_metadata", kind is not None and kind.writer in ("PNG", "JPEG"), "png or jpg"),
        ("batch_grid_size", kind is not None and kind.holds == "picture", listed("picture", "or")),
    ):
        if dest in arguments.options and not fits:
            raise fault(
                f"{option(dest)} is of pictures, and {option('image_format')} {ending} holds no such; write {formats}.",
                dest,
                arguments.options[dest].place,
            )
    film = arguments.first("animation_format")
    if film not in (None, "frames") and kind is not None and kind.holds == "latents":
        raise fault(
            f"{option('animation_format')} {film} is a film of pictures, and {option('image_format')} {ending} writes "
            f"latents; write {option('animation_format')} frames, or {listed('picture', 'or')}.",
            "animation_format",
            arguments.options["animation_format"].place,
        )
    if "no_frames" in arguments.options and film in (None, "frames"):
        raise fault(
            f"{option('no_frames')} leaves a film alone, and none is asked for: nothing would be written. Write "
            f"{option('animation_format')} {listed('film', 'or')}.",
            "no_frames",
            arguments.options["no_frames"].place,
        )
    writes = {"output_path", "image_format"} & arguments.options.keys()
    if "latents_post_processors" in arguments.options and writes and kind is not None and kind.holds != "latents":
        raise fault(
            f"{option('latents_post_processors')} changes latents, and pictures are written; write "
            f"{option('image_format')} {listed('latents', 'or')}, or change the pictures by "
            f"{option('post_processors')}.",
            "latents_post_processors",
            arguments.options["latents_post_processors"].place,
        )
    grid, count = arguments.first("batch_grid_size"), arguments.first("batch_size", 1)
    if grid is not None and str(arguments.first("image_format")).endswith(";latents"):
        text = f"{option('batch_grid_size')} is a picture of several latents, and a file holds those of one; write "
        raise fault(f"{text}{option('image_format')} {ending}.", "image_format", arguments.place("image_format"))
    if grid is not None and count > grid.width * grid.height:
        raise fault(
            f"{option('batch_grid_size')} {grid} has {grid.width * grid.height} places, and {option('batch_size')} "
            f"makes {count} pictures; give a larger grid.",
            "batch_grid_size",
            arguments.place("batch_grid_size"),
        )


def _check_images(arguments: Arguments) -> None:
    """Checks the options that need image seeds, and the counts inside them."""
    if "image_seeds" not in arguments.options:
        if arguments.open:
            return
        for dest, part, wanted in (("denoising_start", "latents", "'latents: NAME'"), ("strengths", "image", "IMAGE")):
            given = arguments.values.get(dest, ())
            if given and any(given):
                raise fault(
                    f"'{option(dest)}' has nothing to begin from; add {option('image_seeds', part)} {wanted}.",
                    dest,
                    arguments.place(dest),
                )
    batch = arguments.first("batch_size")
    nets = sum(len(arguments.values.get(dest, ())) for dest in CONTROL_FIELDS)
    for index, seed in enumerate(arguments.values.get("image_seeds", ())):
        inputs = len(seed.images or seed.latents)
        if batch is not None and inputs > 1 and batch % inputs:
            raise fault(
                f"{option('batch_size')} {batch} cannot be shared by {inputs} inputs; give a multiple of {inputs}.",
                "batch_size",
                arguments.place("batch_size"),
            )
        adapters, places = len(seed.adapters), len(arguments.values.get("ip_adapters", ()))
        if adapters not in (0, places) and not arguments.open and "ip_adapters" not in arguments.unknown:
            raise fault(
                f"There are images of {adapters} IP-Adapters for {places}; give those of each of "
                f"{option('ip_adapters')}, 'adapter: a.png, b.png', where a.png + c.png are two of one.",
                "image_seeds",
                arguments.place("image_seeds", index),
            )
        controls = len(seed.controls)
        later = arguments.open or arguments.unknown.intersection(CONTROL_FIELDS)
        if controls not in (0, nets) and not later:
            raise fault(
                f"There are {controls} control images for {nets} ControlNets; give one for each of "
                f"{' or '.join(map(option, CONTROL_FIELDS))}.",
                "image_seeds",
                arguments.place("image_seeds", index),
            )
