"""Where a model is and what its configuration says, before any weights load."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from jupyter_latents import demo
from jupyter_latents.engine.codec import space_of
from jupyter_latents.engine.models.digests import files_digest
from jupyter_latents.engine.models.extras import ControlSpec, Lora, controls_of, loras_of, swapped_vae
from jupyter_latents.engine.models.families import FAMILIES, Family, family_of
from jupyter_latents.engine.models.find import Wanted, cached_models, fetch, find, known_models
from jupyter_latents.engine.models.parts import PartSource, parts_of, read_json, with_defaults
from jupyter_latents.engine.models.single_files import inspect_checkpoint, is_checkpoint
from jupyter_latents.engine.models.weights import variants
from jupyter_latents.errors import ModelError, nearest
from jupyter_latents.latents.facts import Space
from jupyter_latents.stage import ModelSource
from jupyter_latents.wording import option

__all__ = ["ModelFacts", "cached_models", "describe", "known_models"]

_DENOISERS = ("unet", "transformer")


@dataclass(frozen=True)
class ModelFacts:
    """What a model's files say about it, with what the stage adds to it.

    Attributes:
        name: The name the stage gave.
        folder: Its diffusers folder; for a single file, that of its configurations.
        pipeline_class: ``_class_name`` of its ``model_index.json``.
        index: The whole ``model_index.json``.
        family: Its family's row.
        sources: Part name to where the part is; ``--vae`` has its part in here.
        own_vae: The VAE the model came with.
        checkpoint: The single file, or None.
        loras: The LoRAs of the stage.
        controls: The ControlNets of the stage.
    """

    name: str
    folder: Path
    pipeline_class: str
    index: Mapping[str, Any]
    family: Family
    sources: Mapping[str, PartSource]
    own_vae: PartSource | None = None
    checkpoint: Path | None = None
    loras: tuple[Lora, ...] = ()
    controls: tuple[ControlSpec, ...] = field(default=())

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
        return next((name for name in _DENOISERS if name in self.sources), "")

    @cached_property
    def digest(self) -> str:
        """Digest of the denoiser's files and of the LoRAs upon it: what makes a model this model."""
        own = self.digests.get(self.denoiser, "")
        return (
            files_digest([("", own), *((str(i), lora.digest) for i, lora in enumerate(self.loras))])
            if self.loras
            else own
        )

    @property
    def identity(self) -> str:
        """All of the model's files that decides a result: every part, LoRAs and ControlNets, and the index."""
        index = sorted((key, value) for key, value in self.index.items() if not key.startswith("_"))
        loras = [lora.digest for lora in self.loras]
        controls = [(one.part.digest, one.scale, one.start, one.end, one.mode) for one in self.controls]
        return repr((self.pipeline_class, index, sorted(self.digests.items()), self.space, loras, controls))

    @property
    def scheduler(self) -> tuple[str, dict[str, Any]]:
        """Class name and configuration of the model's own scheduler."""
        return self.sources["scheduler"].class_name, self.config("scheduler")

    @cached_property
    def space(self) -> Space:
        """The latent space its denoiser works in, with the digest of the VAE that decodes it."""
        vae = self.own_vae or self.sources["vae"]
        space = space_of(vae.class_name, with_defaults(vae, f"vae of {self.name}"), vae.digest)
        return replace(space, name=_demo_spaces().get(space.vae, space.name), vae=self.digests["vae"])

    @property
    def default_size(self) -> tuple[int, int]:
        """(width, height) in pixels when nobody says: the denoiser's own where its pipeline goes by it."""
        sample = self.config(self.denoiser).get("sample_size")
        height, width = sample if isinstance(sample, (list, tuple)) and len(sample) == 2 else (sample, sample)
        if isinstance(height, int) and isinstance(width, int) and self._goes_by_sample_size():
            return width * self.space.factor, height * self.space.factor
        return self.family.default_size, self.family.default_size

    def _goes_by_sample_size(self) -> bool:
        """A U-Net's pipeline always does; a transformer's where its call leaves the height to the model."""
        if self.denoiser == "unet":
            return True
        import diffusers

        called = getattr(diffusers, self.pipeline_class, None)
        height = inspect.signature(called.__call__).parameters.get("height") if called else None
        return height is not None and height.default is None

    @property
    def values(self) -> int:
        """How many numbers all its weights hold; times the bytes of a dtype, the memory it needs."""
        return sum(part.values for part in (*self.sources.values(), *(control.part for control in self.controls)))


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


def describe(source: ModelSource) -> ModelFacts:
    """Finds a model and reads its configuration, and that of what the stage adds to it.

    Args:
        source: What the stage names.

    Raises:
        ModelError: It is nowhere, not whole, not what ``--model-type`` says, or an addition does not fit.
    """
    place = find(Wanted.model(source), lambda: _downloaded(source))
    facts = _of_checkpoint(source, place) if place.is_file() else _of_folder(source, place)
    _check_type(source, facts)
    own = facts.sources.get("vae")
    if source.vae and own is not None:
        vae = swapped_vae(source, own)
        _check_vae(source, own, vae)
        facts = replace(facts, sources={**facts.sources, "vae": vae}, own_vae=own)
    if source.control_nets:
        if not any(facts.family.control):
            raise ModelError(
                f"{source.name} ({facts.family.name}) has no pipeline with ControlNets here; "
                f"leave {option('control_nets')} out.",
                option="control_nets",
            )
        facts = replace(facts, controls=controls_of(source, facts.config(facts.denoiser)))
    return replace(facts, loras=loras_of(source)) if source.loras else facts


def _downloaded(source: ModelSource) -> Path:
    from diffusers import DiffusionPipeline

    unused: dict[str, Any] = {"safety_checker": None, "feature_extractor": None, "image_encoder": None}
    return Path(
        DiffusionPipeline.download(
            source.name, revision=source.revision, variant=source.variant, token=source.auth_token, **unused
        )
    )


def _of_folder(source: ModelSource, place: Path) -> ModelFacts:
    folder = _subfolder(source, place)
    index = _index(source, folder)
    parts = parts_of(folder, index, source.variant, source.name)
    lacking = _lacking(source, parts)
    if lacking and not Path(source.name).expanduser().exists() and source.name not in demo.MODELS:
        try:
            folder = _subfolder(source, fetch(Wanted.model(source), lambda: _downloaded(source)))
        except ModelError as error:
            raise ModelError(
                f"{source.name} is only partly in the hub's cache on this machine: {'; '.join(lacking)}. "
                f"Fetch the rest where there is a network: hf download {source.name}"
            ) from error
        parts = parts_of(folder, index, source.variant, source.name)
        lacking = _lacking(source, parts)
    if lacking:
        raise ModelError(f"{source.name} at {folder} is not whole: {'; '.join(lacking)}.")
    _check_variant(source, parts)
    return _facts(source, folder, index, parts)


def _facts(
    source: ModelSource,
    folder: Path,
    index: Mapping[str, Any],
    parts: dict[str, PartSource],
    checkpoint: Path | None = None,
) -> ModelFacts:
    name = str(index["_class_name"])
    needed = [part for part in ("scheduler", "vae") if part not in parts]
    if needed or not any(part in parts for part in _DENOISERS):
        raise ModelError(
            f"{source.name} ({name}) cannot be run: it has no {' and no '.join(needed or ['unet or transformer'])}. "
            "Text-to-image pipelines with a scheduler, a VAE and a denoiser run here."
        )
    return ModelFacts(source.name, folder, name, index, family_of(name), parts, checkpoint=checkpoint)


def _lacking(source: ModelSource, parts: Mapping[str, PartSource]) -> list[str]:
    replaced = {"vae"} if source.vae else set()
    return [part.lacking for name, part in parts.items() if part.lacking and name not in replaced]


def _subfolder(source: ModelSource, folder: Path) -> Path:
    if not source.subfolder:
        return folder
    inner = (folder / source.subfolder).resolve()
    if folder.resolve() not in inner.parents or not inner.is_dir():
        have = sorted(path.parent.relative_to(folder).as_posix() for path in folder.glob("*/model_index.json"))
        more = f" Folders with a model: {', '.join(have)}." if have else f" Leave {option('subfolder')} out."
        raise ModelError(f"{source.name} has no folder {source.subfolder!r}.{more}", option="subfolder")
    return folder / source.subfolder


def _index(source: ModelSource, folder: Path) -> Mapping[str, Any]:
    path = folder / "model_index.json"
    if not path.is_file():
        inner = sorted(found.parent.name for found in folder.glob("*/model_index.json"))
        more = f" Give {option('subfolder')} {' or '.join(inner)}." if inner else " It is no diffusers model folder."
        raise ModelError(f"{source.name} has no model_index.json at {folder}.{more}")
    index = read_json(path)
    if not isinstance(index, dict) or not index.get("_class_name"):
        raise ModelError(f"model_index.json of {source.name} names no pipeline class (_class_name); fetch it again.")
    if not isinstance(index["_class_name"], str):
        raise ModelError(
            f"{source.name} is run by its own pipeline {'.'.join(map(str, index['_class_name']))}, code that "
            "comes with the model; such code never runs here. Use a model that a pipeline of diffusers runs."
        )
    return index


def _of_checkpoint(source: ModelSource, path: Path) -> ModelFacts:
    if not is_checkpoint(path):
        raise ModelError(f"{path} is no model: give a diffusers folder, or a .safetensors or .ckpt file.")
    checkpoint = inspect_checkpoint(path, Wanted.model(source), source.model_type)
    index = _index(source, checkpoint.folder)
    parts = {}
    for name, part in parts_of(checkpoint.folder, index, None, source.name).items():
        has_weights = bool(part.weights) or (part.folder / "config.json").is_file()
        inside = checkpoint.prefixes(name, part.class_name) if has_weights and "tokenizer" not in name else ()
        parts[name] = replace(part, weights=(path,), form="checkpoint", prefixes=inside) if inside else part
    lacking = _lacking(source, parts)
    if lacking:
        raise ModelError(
            f"{path} ({checkpoint.layout}) holds only part of a model, and {checkpoint.folder} has not the rest: "
            f"{'; '.join(lacking)}. Fetch that model whole, or use a checkpoint that holds all."
        )
    return _facts(source, checkpoint.folder, index, parts, path)


def _check_type(source: ModelSource, facts: ModelFacts) -> None:
    given = source.model_type
    if given is None or given in facts.family.model_types:
        return
    known = list(dict.fromkeys(name for family in FAMILIES for name in family.model_types))
    if given not in known:
        hint = nearest(given, known) or "."
        raise ModelError(f"no model type {given!r}{hint} Known are {', '.join(known)}.", option="model_type")
    own = facts.family.model_types
    way = f"give {option('model_type')} {own[0]} or leave it out" if own else f"leave {option('model_type')} out"
    raise ModelError(
        f"{option('model_type')} is {given}, but {source.name} is a {facts.pipeline_class} ({facts.family.name}); "
        f"{way}.",
        option="model_type",
    )


def _check_variant(source: ModelSource, parts: Mapping[str, PartSource]) -> None:
    if source.variant is None or any(part.variant == source.variant for part in parts.values()):
        return
    have = sorted({variant or "" for part in parts.values() for variant in variants(part.folder)})
    given = option("variant")
    names = ", ".join(name or f"plain files (no {given})" for name in have)
    raise ModelError(f"{source.name} has no weights of {given} {source.variant}; here are: {names}.", option="variant")


def _check_vae(source: ModelSource, own: PartSource, vae: PartSource) -> None:
    """A VAE fits when its latents are the model's: as many channels, the same scale (a tiny one takes the model's)."""
    ours = space_of(own.class_name, with_defaults(own, "vae"))
    theirs = space_of(vae.class_name, with_defaults(vae, option("vae")))
    fits = ours.same_as(replace(theirs, scaling_factor=ours.scaling_factor, shift_factor=ours.shift_factor))
    if not fits or (vae.class_name != "AutoencoderTiny" and not ours.same_as(theirs)):
        raise ModelError(
            f"{option('vae')} {source.vae} is of another latent space: {theirs}, scale {theirs.scaling_factor:g}; "
            f"{source.name} has {ours}, scale {ours.scaling_factor:g}. Use a VAE made for this family.",
            option="vae",
        )
