"""``--latents-processors "upscaler;model=…"``: the latent upscaler of LTX-Video, between two stages of clips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from jupyter_latents.engine.models.addons.address import OptionAddress, fault, locate
from jupyter_latents.engine.models.facts import ModelFacts
from jupyter_latents.engine.models.parts import read_json
from jupyter_latents.engine.models.readers import translation_of_errors
from jupyter_latents.latents.facts import CLEAN
from jupyter_latents.latents.operations import add_noise
from jupyter_latents.latents.value import Latents
from jupyter_latents.stage import Address, LatentsProcessor, ModelSource

__all__ = ["Upscaler", "noised", "upscaler_of"]

_DEST, _CLASS, _PART = "latents_processors", "LTXLatentUpsamplerModel", "latent_upsampler"


@dataclass(frozen=True, slots=True)
class Upscaler:
    """A latent upscaler that is found and not read.

    Attributes:
        folder: Where it is.
        config: Its configuration.
        name: What the stage calls it.
        arguments: Those of its link.
    """

    folder: Path
    config: Mapping[str, Any]
    name: str
    arguments: Mapping[str, str]

    def foreseen(self, latents: Latents) -> Latents:
        """Latents of the facts of what it will make of these; their values mean nothing."""
        config = self.config
        batch, channels, frames, height, width = latents.shape
        more = 2 if config.get("spatial_upsample", True) else 1
        frames = 2 * frames - 1 if config.get("temporal_upsample") else frames
        blank = torch.zeros(()).expand(batch, channels, frames, more * height, more * width)
        return noised(latents, blank)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that decide what it makes."""
        return (self.folder / "config.json", *sorted(self.folder.glob("*.safetensors")))

    def made(self, latents: Latents, vae: Any) -> Latents:
        """What it makes of the clean estimate, noised again to the sigma of the latents.

        Args:
            latents: Clean ones, or noisy ones with their estimate.
            vae: That of the model that goes on with them; its means and deviations scale them.
        """
        from diffusers import LTXLatentUpsamplePipeline
        from diffusers.pipelines.ltx.modeling_latent_upsampler import LTXLatentUpsamplerModel

        clean = latents.tensor if latents.is_clean or latents.denoised is None else latents.denoised
        with translation_of_errors(f"{_PART} of {self.name}", 0):
            kind: Any = LTXLatentUpsamplerModel
            module = kind.from_pretrained(self.folder, torch_dtype=vae.dtype, local_files_only=True)
        module = module.to(vae.device).eval()
        pipeline = LTXLatentUpsamplePipeline(vae=vae, latent_upsampler=module)
        numbers = {
            "adain_factor": float(self.arguments.get("adain", 0.0)),
            "tone_map_compression_ratio": float(self.arguments.get("tone", 0.0)),
        }
        with torch.no_grad():
            found = pipeline(latents=clean.to(vae.device), output_type="latent", return_dict=False, **numbers)[0]
        return noised(latents, found.to("cpu", latents.tensor.dtype))


def upscaler_of(link: LatentsProcessor, source: ModelSource, facts: ModelFacts) -> Upscaler:
    """The upscaler that a link names.

    Args:
        link: ``upscaler`` with its arguments.
        source: The stage's model.
        facts: What its files say.

    Raises:
        ModelError: It is nowhere, no latent upscaler of LTX-Video, or the model's latents are no clips of LTX-Video.
    """
    name = link.arguments["model"]
    entry = OptionAddress(_DEST, Address(name))
    place = locate(entry, name, source, ("config.json", f"{_PART}/config.json"))
    folder = place.folder
    inner = folder if folder is None or (folder / "config.json").is_file() else folder / _PART
    if inner is None or not (inner / "config.json").is_file():
        raise fault(
            _DEST,
            f"{name} holds no {_PART}; give a folder or repository with that of LTX-Video. Other upscalers, such as "
            "Stable Diffusion's, denoise by themselves and do not run here; upscale;factor=2 needs no model.",
        )
    config = read_json(inner / "config.json")
    kind = config.get("_class_name") if isinstance(config, dict) else None
    if kind != _CLASS:
        raise fault(_DEST, f"{name} is a {kind}, and {_CLASS} is what runs here; use one of LTX-Video.")
    if not any(inner.glob("*.safetensors")):
        raise fault(_DEST, f"the weights of {name} are not on this machine. Fetch them first: hf download {name}.")
    channels = config.get("in_channels", facts.space.channels)
    if facts.space.name != "LTX" or channels != facts.space.channels:
        raise fault(
            _DEST,
            f"{name} enlarges clips of LTX-Video ({channels} channels), and {facts.name} works in {facts.space}. Use "
            "upscale;factor=2, which needs no model.",
        )
    return Upscaler(inner, config, name, link.arguments)


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
