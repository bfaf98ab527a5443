"""What a model's files say about it, with what a stage puts on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from jupyter_latents import demo
from jupyter_latents.engine.given.inputs import Call, Inputs
from jupyter_latents.engine.libraries.signatures import parameters_of
from jupyter_latents.engine.models.addons.addon import Addon
from jupyter_latents.engine.models.experts import EXPERTS
from jupyter_latents.engine.models.family import Family
from jupyter_latents.engine.models.files.digests import files_digest
from jupyter_latents.engine.models.parts import PartSource, parts_of, with_defaults
from jupyter_latents.engine.models.places.hub import HubFiles
from jupyter_latents.engine.schedule.outdated import mended, mended_size
from jupyter_latents.engine.vae.codec import space_of
from jupyter_latents.errors import ModelError
from jupyter_latents.latents.spaces import Space

__all__ = ["DENOISERS", "ModelFacts"]

DENOISERS = ("unet", "transformer", "transformer_2")


@dataclass(frozen=True)
class ModelFacts:
    """What a model's files say about it, with what the stage puts on it.

    Attributes:
        name: The name the stage gave.
        folder: Its diffusers folder; for a single file, that of its configurations.
        pipeline_class: ``_class_name`` of its ``model_index.json``.
        index: The whole ``model_index.json``.
        family: Its family's row.
        own: Name to part of the parts the model came with.
        checkpoint: The single file, or None.
        addons: What the stage puts on it, in the order in which it is put on.
        absent: What of the model itself is not on this machine and can be fetched, in words: weights, never
            configurations.
    """

    name: str
    folder: Path
    pipeline_class: str
    index: Mapping[str, Any]
    family: Family
    own: Mapping[str, PartSource]
    checkpoint: Path | None = None
    addons: tuple[Addon, ...] = ()
    absent: tuple[str, ...] = ()

    @cached_property
    def sources(self) -> dict[str, PartSource]:
        """Part name to where the part is; addons' parts stand in the place of the model's own."""
        brought = {part.name: part for addon in self.addons for part in addon.parts}
        gone = {name for addon in self.addons for name in addon.without}
        return {name: brought.get(name, part) for name, part in self.own.items() if name not in gone}

    @cached_property
    def further(self) -> dict[str, PartSource]:
        """The parts that addons bring beside the model's own."""
        return {part.name: part for addon in self.addons for part in addon.parts if part.name not in self.own}

    def config(self, part: str) -> dict[str, Any]:
        """A part's configuration, empty when it has none."""
        return dict(self.sources[part].config) if part in self.sources else {}

    @property
    def parts(self) -> dict[str, tuple[str, str]]:
        """Part name to (library, class) of every part that is there and used."""
        return {name: (part.library, part.class_name) for name, part in self.sources.items()}

    @cached_property
    def digests(self) -> dict[str, str]:
        """Part name to the digest of its files."""
        return {name: part.digest for name, part in self.sources.items()}

    @property
    def denoiser(self) -> str:
        """Name of the part that denoises."""
        return next((name for name in DENOISERS if name in self.sources), "")

    @cached_property
    def digest(self) -> str:
        """Digest of the denoisers' files and of the LoRAs upon them: what makes a model this model."""
        both = [self.digests[name] for name in EXPERTS if name in self.digests]
        numbered = [(str(index), digest) for index, digest in enumerate(both)]
        own = files_digest(numbered) if len(both) > 1 else self.digests.get(self.denoiser, "")
        upon = [digest for addon in self.addons for digest in addon.weights]
        return files_digest([("", own), *((str(index), digest) for index, digest in enumerate(upon))]) if upon else own

    @property
    def identity(self) -> str:
        """All of the model's files that decides a result: every part, every addon, and the index."""
        index = sorted((key, value) for key, value in self.index.items() if not key.startswith("_"))
        addons = [(type(addon).__name__, addon.digest) for addon in self.addons]
        return repr((self.pipeline_class, index, sorted(self.digests.items()), self.space, addons))

    @cached_property
    def scheduler(self) -> tuple[str, dict[str, Any]]:
        """Class name and configuration of the model's own scheduler, as its own pipeline takes it."""
        name = self.sources["scheduler"].class_name
        return name, mended(self.pipeline_class, name, self.config("scheduler"))

    @cached_property
    def space(self) -> Space:
        """The latent space its denoiser works in, with the digest of the VAE that decodes it."""
        vae = self.own["vae"]
        space = space_of(vae.class_name, with_defaults(vae, f"vae of {self.name}"), vae.digest)
        together = int(self.config(self.denoiser).get("patch_size_t") or 1)
        filler = together - 1 if space.frame_group == together else 0  # diffusers fills an odd number up
        name = _demo_spaces().get(space.vae, space.name)
        return replace(space, name=name, vae=self.digests["vae"], filler=filler)

    @property
    def hub(self) -> tuple[HubFiles, ...]:
        """Weight files of single files and addons that are fetched after the verdict."""
        own = (part.hub for part in self.own.values() if part.hub is not None)
        return tuple(dict.fromkeys((*own, *(files for addon in self.addons for files in addon.hub))))

    @property
    def lacking(self) -> tuple[str, ...]:
        """What of the model and its addons is to be fetched after the verdict, in words."""
        return (*self.absent, *map(str, self.hub))

    @property
    def steering(self) -> frozenset[str]:
        """How addons steer it, so that its pipelines are others; see `Family.special`."""
        return self.steering_by({})

    def steering_by(self, active: Mapping[str, tuple[int, ...]]) -> frozenset[str]:
        """How those addons steer it of which something holds.

        Args:
            active: Which addresses of fields hold, for fields in which one does not always.
        """
        upon = [addon for addon in self.addons if active.get(addon.field) != ()]
        return frozenset(addon.steering for addon in upon if addon.steering)

    @property
    def ignores_guidance(self) -> bool:
        """Whether it was distilled so that no guidance scale reaches its denoiser (Flux.1 schnell, Flux.2 Klein)."""
        embeds = self.config(self.denoiser).get("guidance_embeds")
        return self.index.get("is_distilled") is True or (embeds is False and not self.family.negative)

    @property
    def boundary(self) -> float | None:
        """Where its two denoisers meet, a share of the training timesteps; None where it has one."""
        found = self.index.get("boundary_ratio")
        return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None

    @property
    def further_channels(self) -> int:
        """Channels that a U-Net takes beside those of the latents; 0 for a transformer, whose tokens may be packed."""
        if self.denoiser != "unet":
            return 0
        unet = self.sources["unet"]
        return int(with_defaults(unet, f"unet of {self.name}").get("in_channels") or 0) - self.space.channels

    @property
    def mask_channels(self) -> int:
        """Channels of a mask and a masked picture, as inpainting U-Nets take them."""
        return self.space.channels + 1

    @property
    def needs_mask(self) -> bool:
        """Whether its U-Net is one for inpainting alone: 9 channels where the latents have 4."""
        return self.further_channels == self.mask_channels

    @property
    def default_size(self) -> tuple[int, int]:
        """(width, height) in pixels when nobody says: the denoiser's own where its pipeline goes by it."""
        sample = mended_size(self.pipeline_class, self.config(self.denoiser))
        height, width = sample if isinstance(sample, (list, tuple)) and len(sample) == 2 else (sample, sample)
        if isinstance(height, int) and isinstance(width, int) and self._goes_by_sample_size():
            return width * self.space.factor, height * self.space.factor
        own = self.family.default_size
        return own if isinstance(own, tuple) else (own, own)

    def _goes_by_sample_size(self) -> bool:
        """A U-Net's pipeline always does; a transformer's where its call leaves the height to the model."""
        if self.denoiser == "unet":
            return True
        import diffusers

        called = getattr(diffusers, self.pipeline_class, None)
        height = parameters_of(called.__call__).get("height") if called else None
        return height is not None and height.default is None

    def arguments(self, call: Call, inputs: Inputs) -> dict[str, Any]:
        """The further arguments that addons give a pipeline's call, which they have no objection to.

        Args:
            call: What it is made for.
            inputs: What goes into it.
        """
        return {name: value for addon in self.addons for name, value in addon.arguments(call, inputs).items()}

    def check(self, call: Call) -> None:
        """Sees that each addon gets what it needs of a call, before any weights load.

        Raises:
            ModelError: One does not.
        """
        for addon in self.addons:
            if objection := addon.objection(call):
                raise ModelError(objection, option=addon.dest or None)

    def notes(self, call: Call) -> tuple[str, ...]:
        """What is to be told of the addons and a call.

        Args:
            call: What it is made for.
        """
        return tuple(note for addon in self.addons for note in addon.notes(call))

    @property
    def values(self) -> int:
        """How many numbers all its weights hold; times the bytes of a dtype, the memory it needs."""
        return sum(part.values for part in (*self.sources.values(), *self.further.values()))


@cache
def _demo_spaces() -> dict[str, str]:
    """Digest of a demo model's VAE to the name of its latents: ``demo`` for the first, then ``demo-flow``."""
    found: dict[str, str] = {}
    for name in demo.MODELS:
        folder = demo.path(name)
        if (folder / "vae").is_dir():
            digest = parts_of(folder, {"vae": ["diffusers", "AutoencoderKL"]}, None, name)["vae"].digest
            found.setdefault(digest, name.replace("/", "-") if found else "demo")
    return found
