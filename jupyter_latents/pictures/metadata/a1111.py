"""A1111's pictures, and those of its kin (Forge, SD.Next, Civitai): their `parameters` as a recipe."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from jupyter_latents.pictures.metadata.bounds import real, whole
from jupyter_latents.pictures.metadata.foreign import (
    NOISE,
    STEPS,
    Remarks,
    addon,
    file_name,
    leftovers,
    loras_in,
    not_covered,
    strength_of,
)
from jupyter_latents.pictures.metadata.parameters import read_parameters
from jupyter_latents.pictures.metadata.recipe import Operation, Part, Recipe, StagePart, fill_in
from jupyter_latents.points import scales_in
from jupyter_latents.stage import Address, ImageSeed, ModelSource, Prompt, Reference, Size, Stage, Window

__all__ = ["recipe_of"]

_USED = frozenset(
    {
        *("Steps", "Sampler", "Schedule type", "CFG scale", "CFG schedule", "Seed", "Size", "Model", "Model hash"),
        *("Clip skip", "VAE"),
        *("Denoising strength", "Hires upscale", "Hires resize", "Hires steps", "Hires upscaler", "Hires sampler"),
        *("Hires schedule type", "Hires prompt", "Hires negative prompt", "Hires CFG Scale", "Hires checkpoint"),
        *("Refiner", "Refiner switch at", "Version"),
    }
)
_CONTROL = re.compile(r"ControlNet \d+")
_HASH = re.compile(r"\s*\[[0-9a-fA-F]{6,64}\]\s*\Z")
_LATENT = {"latent (nearest)": "nearest", "latent (nearest-exact)": "nearest", "latent (bicubic)": "bicubic"}
_BASE, _LARGER = "base", "larger"


def recipe_of(text: str) -> Recipe:
    """The stages that A1111's text tells of.

    Args:
        text: The text under ``parameters``.
    """
    found = read_parameters(text)
    return _Reading(found.positive, found.negative, found.values, Remarks()).recipe()


@dataclass(frozen=True, slots=True)
class _Reading:
    """A text while its stages are made."""

    positive: str
    negative: str
    values: Mapping[str, str]
    remarks: Remarks

    def recipe(self) -> Recipe:
        first, parts = self._first(), list[Part]()
        switch = self._number("Refiner switch at", 0.0, 1.0)
        if "Refiner" in self.values and switch and 0 < switch < 1:
            parts += self._refined(first, switch)
        elif self._is_large:
            parts += [StagePart(replace(first, into=_BASE), self.remarks.take()), *self._large(first)]
        else:
            parts.append(StagePart(first, self.remarks.take()))
        further = {key: value for key, value in self.values.items() if not _CONTROL.fullmatch(key)}
        version = self.values.get("Version", "")
        return Recipe(
            f"A1111{f' {version}' if version else ''}",
            tuple(parts),
            (NOISE.format(program="A1111"), *leftovers(further, _USED)),
        )

    @property
    def _is_large(self) -> bool:
        """Whether a larger picture was made of the first one."""
        return any(key in self.values for key in ("Hires upscale", "Hires resize", "Hires upscaler"))

    def _number(self, key: str, least: float, most: float) -> float | None:
        """A setting as a number; what is none, or beyond the bounds, is remarked on."""
        if key not in self.values:
            return None
        found = real(self.values[key], least, most)
        if found is None:
            self.remarks.add(not_covered(key, self.values[key]))
        return found

    def _whole(self, key: str, least: int, most: int) -> int | None:
        if key not in self.values:
            return None
        found = whole(self.values[key], least, most)
        if found is None:
            self.remarks.add(not_covered(key, self.values[key]))
        return found

    def _first(self) -> Stage:
        positive, loras = loras_in(self.positive, self.remarks)
        skipped, guidance = self._whole("Clip skip", 1, 12), self._number("CFG scale", 0, 1000)
        image = None if self._is_large or "Denoising strength" not in self.values else self._picture()
        controls, seeds = self._controls()
        if seeds:
            image = replace(image or ImageSeed(), controls=seeds)
        return Stage(
            model=ModelSource(
                self._model(self.values.get("Model", ""), self.values.get("Model hash", "")),
                vae=self._vae(),
                loras=loras,
                control_nets=controls,
            ),
            prompt=Prompt(positive, self.negative, weighter=self.remarks.weighter(positive, self.negative)),
            seed=self._whole("Seed", 0, 2**64 - 1),
            num_inference_steps=self._whole("Steps", 1, STEPS) or 20,
            guidance_scale=scales_in(self.values.get("CFG schedule"), 7.0 if guidance is None else guidance),
            strength=self._number("Denoising strength", 0.001, 1) if image is not None and image.images else None,
            scheduler=self.remarks.scheduler(self.values.get("Sampler", ""), self.values.get("Schedule type", "")),
            image_seed=image,
            size=self._size(),
            clip_skip=skipped - 1 if skipped is not None and skipped > 1 else None,
        )

    def _model(self, name: str, digest: str = "") -> str:
        return self.remarks.model(_HASH.sub("", name), f"hash {digest}" if digest else "")

    def _vae(self) -> Address | None:
        name = self.values.get("VAE", "")
        if not name or name.lower() in ("none", "automatic"):
            return None
        self.remarks.add(fill_in(name, "the VAE, as a hub name, a folder or a file"))
        return Address(file_name(name) or "VAE")

    def _picture(self) -> ImageSeed:
        return self.remarks.picture(mask="Mask blur" in self.values or "Masked content" in self.values)

    def _size(self) -> Size | None:
        width, _, height = self.values.get("Size", "").lower().partition("x")
        found = self.remarks.size(width, height)
        if found is None and "Size" in self.values:
            self.remarks.add(not_covered("Size", self.values["Size"]))
        return found

    def _controls(self) -> tuple[tuple[Address, ...], tuple[Reference, ...]]:
        """The ControlNets, and the pictures that stand for theirs."""
        units: list[Address] = []
        for key, value in self.values.items():
            if not _CONTROL.fullmatch(key):
                continue
            said = {name.lower(): text for name, text in read_parameters(f"\n{value}").values.items()}
            name = _HASH.sub("", said.get("model", ""))
            if not name:
                self.remarks.add(not_covered(key, value))
                continue
            module = said.get("module", said.get("preprocessor", ""))
            drawn = f", made of a picture by {module}" if module and module.lower() != "none" else ""
            self.remarks.add(
                fill_in(name, "a ControlNet, as a hub name or a folder"),
                fill_in(f"control{len(units) + 1}.png", f"its control image{drawn}"),
            )
            start, end = (real(said.get(f"guidance {edge}"), 0, 1) for edge in ("start", "end"))
            units.append(addon(name, {"scale": real(said.get("weight"), 0, 100), "start": start, "end": end}))
        return tuple(units), tuple(Reference(f"control{number}.png", "path") for number in range(1, len(units) + 1))

    def _refined(self, first: Stage, switch: float) -> list[Part]:
        """A second model that goes on from the first one's latents."""
        begun = StagePart(replace(first, window=Window(end=switch), into=_BASE), self.remarks.take())
        second = replace(
            first,
            model=ModelSource(self._model(self.values["Refiner"])),
            window=Window(start=switch),
            image_seed=ImageSeed(latents=(Reference(_BASE, "variable"),)),
            strength=None,
            size=None,
        )
        parts: list[Part] = [begun, StagePart(second, self.remarks.take())]
        if self._is_large:
            self.remarks.add(not_covered("Hires upscale", "beside a refiner"))
            parts[-1] = replace(parts[-1], remarks=(*parts[-1].remarks, *self.remarks.take()))
        return parts

    def _large(self, first: Stage) -> list[Part]:
        """The second pass at a larger size."""
        size = self._large_size(first.size)
        strength = self._number("Denoising strength", 0.001, 1) or 0.7
        steps = self._whole("Hires steps", 0, STEPS) or first.num_inference_steps
        longer = max(steps, int(steps / min(strength, 0.999)))  # A1111 runs all of them, the last of a longer schedule
        guidance = self._number("Hires CFG Scale", 0, 1000)
        prompt = self.values.get("Hires prompt", ""), self.values.get("Hires negative prompt", "")
        setting, reference, resize = self._enlarged(size)
        changes: dict[str, Any] = {
            "strength": strength_of(steps, longer),
            "num_inference_steps": longer,
            "image_seed": ImageSeed(images=(reference,), resize=resize, aspect=False if resize else None),
            "size": None,
            "prompt": replace(
                first.prompt,
                positive=prompt[0] or first.prompt.positive,
                negative=prompt[1] or first.prompt.negative,
            ),
        }
        if guidance:
            changes["guidance_scale"] = guidance
        kind = self.values.get("Hires schedule type", "")
        if sampler := self.values.get("Hires sampler", ""):
            changes["scheduler"] = self.remarks.scheduler(sampler, kind or self.values.get("Schedule type", ""))
        if checkpoint := self.values.get("Hires checkpoint", ""):
            changes["model"] = replace(first.model, name=self._model(checkpoint))
        if first.image_seed is not None and first.image_seed.controls:
            changes["image_seed"] = replace(changes["image_seed"], controls=first.image_seed.controls)
        return [*setting, StagePart(replace(first, **changes), self.remarks.take())]

    def _enlarged(self, size: Size) -> tuple[list[Part], Reference, Size | None]:
        """How the first picture is made larger: its latents, or the picture."""
        upscaler = self.values.get("Hires upscaler", "Latent")
        if upscaler.lower().startswith("latent"):
            mode = _LATENT.get(upscaler.lower(), "bilinear")
            setting = Operation(_LARGER, f'{_BASE}.resize(({size.width}, {size.height}), mode="{mode}")')
            return [setting], Reference(_LARGER, "variable"), None
        if upscaler.lower() != "none":
            self.remarks.add(not_covered("Hires upscaler", upscaler, "the picture is resized"))
        return [], Reference(_BASE, "variable"), size

    def _large_size(self, first: Size | None) -> Size:
        width, _, height = self.values.get("Hires resize", "").lower().partition("x")
        found = self.remarks.size(width, height)
        if found is not None:
            return found
        factor = self._number("Hires upscale", 1, 16) or 2.0
        before = first or Size(512, 512)
        return self.remarks.size(before.width * factor, before.height * factor) or before
