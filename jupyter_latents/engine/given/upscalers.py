"""``--latents-processors "upscaler;model=…"``: networks that enlarge latents between two stages, a class a kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from jupyter_latents.engine.models.addons.address import OptionAddress, fault, locate
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.files.digests import files_digest, part_digest
from jupyter_latents.engine.models.files.weights import weight_files
from jupyter_latents.engine.models.parts import PartSource, parts_of, read_json, with_defaults
from jupyter_latents.engine.models.readers import translation_of_errors
from jupyter_latents.engine.vae.codec import space_of
from jupyter_latents.latents.facts import CLEAN
from jupyter_latents.latents.operations import add_noise
from jupyter_latents.latents.value import Latents
from jupyter_latents.stage import Address, LatentsProcessor, ModelSource, Stage

__all__ = ["Upscaler", "noised", "upscaler_of"]

_DEST, _CLASS, _PART = "latents_processors", "LTXLatentUpsamplerModel", "latent_upsampler"
_DIFFUSING = "StableDiffusionLatentUpscalePipeline"
_STEPS, _GUIDANCE = 20, 0.0  # as the card of Stable Diffusion's upscaler has them


@dataclass(frozen=True, slots=True)
class Upscaler(ABC):
    """A latent upscaler that is found and not read.

    Attributes:
        folder: Where it is.
        name: What the stage calls it.
        arguments: Those of its link.
    """

    folder: Path
    name: str
    arguments: Mapping[str, str]

    @property
    @abstractmethod
    def digest(self) -> str:
        """Digest of its files."""

    @abstractmethod
    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of what it makes of latents of a shape."""

    @abstractmethod
    def enlarged(self, clean: torch.Tensor, vae: Any, stage: Stage, seed: int, /) -> torch.Tensor:
        """What it makes of clean latents.

        Args:
            clean: On the CPU.
            vae: That of the model that goes on with them.
            stage: The stage that does.
            seed: Of what it draws.
        """

    def foreseen(self, latents: Latents) -> Latents:
        """Latents of the facts of what it will make of these; their values mean nothing."""
        return noised(latents, torch.zeros(()).expand(self.shape(latents.shape)))

    def made(self, latents: Latents, vae: Any, stage: Stage) -> Latents:
        """What it makes of the clean estimate, noised again to the sigma of the latents.

        Args:
            latents: Clean ones, or noisy ones with their estimate.
            vae: That of the model that goes on with them.
            stage: The stage that does.
        """
        clean = latents.tensor if latents.is_clean or latents.denoised is None else latents.denoised
        seed = latents.provenance.seed if stage.seed is None else stage.seed
        with torch.no_grad():
            found = self.enlarged(clean, vae, stage, seed or 0)
        return noised(latents, found.to("cpu", latents.tensor.dtype))


@dataclass(frozen=True, slots=True)
class _OfClips(Upscaler):
    """LTX-Video's; its numbers are ``adain=`` and ``tone=``."""

    @property
    def _config(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = read_json(self.folder / "config.json")
        return found

    @property
    def digest(self) -> str:
        return part_digest(self.folder, weight_files(self.folder, None))

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        config, (batch, channels, frames, height, width) = self._config, shape
        more = 2 if config.get("spatial_upsample", True) else 1
        frames = 2 * frames - 1 if config.get("temporal_upsample") else frames
        return batch, channels, frames, more * height, more * width

    def enlarged(self, clean: torch.Tensor, vae: Any, _stage: Stage, _seed: int, /) -> torch.Tensor:
        from diffusers import LTXLatentUpsamplePipeline
        from diffusers.pipelines.ltx.modeling_latent_upsampler import LTXLatentUpsamplerModel

        with translation_of_errors(f"{_PART} of {self.name}", 0):
            kind: Any = LTXLatentUpsamplerModel
            module = kind.from_pretrained(self.folder, dtype=vae.dtype, local_files_only=True)
        pipeline = LTXLatentUpsamplePipeline(vae=vae, latent_upsampler=module.to(vae.device).eval())
        numbers = {
            "adain_factor": float(self.arguments.get("adain", 0.0)),
            "tone_map_compression_ratio": float(self.arguments.get("tone", 0.0)),
        }
        made = pipeline(latents=clean.to(vae.device), output_type="latent", return_dict=False, **numbers)
        found: torch.Tensor = made[0]
        return found


@dataclass(frozen=True, slots=True)
class _Diffusing(Upscaler):
    """Stable Diffusion's, which denoises by itself; its numbers are ``steps=`` and ``guidance=``."""

    parts: Mapping[str, PartSource]

    @property
    def digest(self) -> str:
        return files_digest([(name, part.digest) for name, part in sorted(self.parts.items())])

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        batch, channels, height, width = shape
        return batch, channels, 2 * height, 2 * width

    def enlarged(self, clean: torch.Tensor, vae: Any, stage: Stage, seed: int, /) -> torch.Tensor:
        import diffusers

        kind: Any = getattr(diffusers, _DIFFUSING)
        with translation_of_errors(self.name, 0):
            pipeline = kind.from_pretrained(self.folder, dtype=vae.dtype, local_files_only=True, use_safetensors=True)
        pipeline = pipeline.to(vae.device)
        pipeline.set_progress_bar_config(disable=True)
        items = [
            pipeline(
                prompt=stage.prompt.positive,
                negative_prompt=stage.prompt.negative or None,
                image=item.to(vae.device, vae.dtype),
                num_inference_steps=int(self.arguments.get("steps", _STEPS)),
                guidance_scale=float(self.arguments.get("guidance", _GUIDANCE)),
                generator=torch.Generator("cpu").manual_seed(seed),
                output_type="latent",
                return_dict=False,
            )[0]
            for item in clean.chunk(len(clean))
        ]
        return torch.cat(items)


def upscaler_of(link: LatentsProcessor, source: ModelSource, facts: ModelFacts) -> Upscaler:
    """The upscaler that a link names.

    Args:
        link: ``upscaler`` with its arguments.
        source: The stage's model.
        facts: What its files say.

    Raises:
        ModelError: It is nowhere, no latent upscaler of LTX-Video or Stable Diffusion, or the model's latents are of
            another space.
    """
    name = link.arguments["model"]
    entry = OptionAddress(_DEST, Address(name))
    folder = locate(entry, name, source, ("config.json", f"{_PART}/config.json", "model_index.json")).folder
    inner = folder if folder is None or (folder / "config.json").is_file() else folder / _PART
    index = _class_name(folder / "model_index.json") if folder is not None else None
    if folder is not None and index == _DIFFUSING:
        return _diffusing(folder, link, facts)
    if inner is None or not (inner / "config.json").is_file():
        said = f"is a {index}" if index else f"holds no {_PART}"
        raise fault(
            _DEST,
            f"{name} {said}; give a folder or repository with that of LTX-Video, or a {_DIFFUSING} for Stable "
            "Diffusion. upscale;factor=2 needs no model.",
        )
    kind = _class_name(inner / "config.json")
    if kind != _CLASS:
        raise fault(_DEST, f"{name} is a {kind}, and {_CLASS} is what runs here; use one of LTX-Video.")
    _check(link, _OfClips, ("adain", "tone"))
    if not any(inner.glob("*.safetensors")):
        raise fault(_DEST, f"the weights of {name} are not on this machine. Fetch them first: hf download {name}.")
    channels = read_json(inner / "config.json").get("in_channels", facts.space.channels)
    if facts.space.name != "LTX" or channels != facts.space.channels:
        raise fault(
            _DEST,
            f"{name} enlarges clips of LTX-Video ({channels} channels), and {facts.name} works in {facts.space}. Use "
            "upscale;factor=2, which needs no model.",
        )
    return _OfClips(inner, name, link.arguments)


def _diffusing(folder: Path, link: LatentsProcessor, facts: ModelFacts) -> Upscaler:
    """Stable Diffusion's upscaler in a folder.

    Raises:
        ModelError: It is not whole, or the model's latents are of another space.
    """
    name = link.arguments["model"]
    _check(link, _Diffusing, ("steps", "guidance"))
    parts = parts_of(folder, read_json(folder / "model_index.json"), None, name)
    lacking = [part.lacking for part in parts.values() if part.lacking]
    if lacking or "vae" not in parts:
        raise fault(
            _DEST,
            f"{name} is not whole on this machine: {'; '.join(lacking) or 'no vae'}. hf download {name} fetches it.",
        )
    vae = parts["vae"]
    space = space_of(vae.class_name, with_defaults(vae, f"vae of {name}"))
    if not space.same_as(facts.space):
        raise fault(
            _DEST,
            f"{name} enlarges latents of {space}, and {facts.name} works in {facts.space}. Use upscale;factor=2, which "
            "needs no model.",
        )
    return _Diffusing(folder, name, link.arguments, parts)


def _check(link: LatentsProcessor, kind: type, own: tuple[str, ...]) -> None:
    """Sees that a link has no numbers of the other kind."""
    other = [key for key in link.arguments if key not in ("model", *own)]
    if other:
        takes = "LTX-Video" if kind is _OfClips else "Stable Diffusion"
        raise fault(
            _DEST,
            f"{other[0]}= is not for upscalers of {takes}, which {link.arguments['model']} is: {', '.join(own)} are.",
        )


def _class_name(path: Path) -> str | None:
    said = read_json(path) if path.is_file() else None
    found = said.get("_class_name") if isinstance(said, dict) else None
    return found if isinstance(found, str) else None


def noised(latents: Latents, clean: torch.Tensor) -> Latents:
    """Clean values with the facts of latents, noised again to their sigma.

    Args:
        latents: The latents.
        clean: What was made of their clean estimate.
    """
    made = latents.replace(tensor=clean, denoised=clean, noise=CLEAN, position=None, resume=None, trajectory=())
    if latents.is_clean or latents.noise is None:
        return made
    return add_noise(made, latents.noise.sigma, seed=latents.provenance.seed)
