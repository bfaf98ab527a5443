"""What a stage adds to a model: another VAE, LoRAs, ControlNets. Found and checked before any weights load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jupyter_latents.engine.models.addresses import Address, parse_address
from jupyter_latents.engine.models.digests import file_digest, files_digest
from jupyter_latents.engine.models.find import Wanted, find
from jupyter_latents.engine.models.parts import PartSource, read_json
from jupyter_latents.engine.models.single_files import is_checkpoint
from jupyter_latents.engine.models.weights import weight_files
from jupyter_latents.errors import ModelError
from jupyter_latents.stage import ModelSource

__all__ = ["ControlSpec", "Lora", "controls_of", "loras_of", "swapped_vae"]

_DTYPES = ("auto", "float32", "float16", "bfloat16")
_LORA_FILES = ("pytorch_lora_weights.safetensors", "pytorch_lora_weights.bin")


@dataclass(frozen=True, slots=True)
class Lora:
    """A LoRA file and how strongly it works.

    Attributes:
        path: Its file.
        scale: Its weight.
        digest: Digest of file and scale.
    """

    path: Path
    scale: float
    digest: str


@dataclass(frozen=True, slots=True)
class ControlSpec:
    """A ControlNet and when it works.

    Attributes:
        part: The network.
        scale: ``controlnet_conditioning_scale``.
        start: ``control_guidance_start``, a fraction of the steps.
        end: ``control_guidance_end``.
        mode: ``control_mode`` of union networks, or None.
    """

    part: PartSource
    scale: float = 1.0
    start: float = 0.0
    end: float = 1.0
    mode: int | None = None


def _located(address: Address, name: str, source: ModelSource, marks: tuple[str, ...]) -> Path:
    """The folder or file that an address names, its subfolder included."""
    sub = address.get("subfolder")
    if sub is not None and (Path(sub).is_absolute() or ".." in Path(sub).parts):
        raise ModelError(f"{address.option}: subfolder={sub} leaves the model's folder.")
    revision = address.get("revision")
    below = tuple(f"{sub}/{mark}" for mark in marks) if sub else marks
    wanted = Wanted(name, address.option, below, revision, source.auth_token, source.offline)

    def download() -> Path:
        from huggingface_hub import snapshot_download

        patterns = [f"{sub}/*"] if sub else ["*.json", "*.safetensors", "vae/*"]
        return Path(snapshot_download(name, revision=revision, token=source.auth_token, allow_patterns=patterns))

    found = find(wanted, download)
    return found / sub if sub and found.is_dir() else found


def _part(address: Address, folder: Path, name: str) -> PartSource:
    """The part whose diffusers folder this is.

    Raises:
        ModelError: It is none, or lacks weights.
    """
    config = read_json(folder / "config.json")
    class_name = str(config.get("_class_name", ""))
    if not class_name:
        raise ModelError(f"{address.option}: {folder} names no diffusers class in its config.json.")
    variant, dtype = address.get("variant"), address.get("dtype")
    if dtype is not None and dtype not in _DTYPES:
        raise ModelError(f"{address.option}: dtype={dtype} is not allowed; use {', '.join(_DTYPES)}.")
    own = None if dtype == "auto" else dtype
    part = PartSource(name, "diffusers", class_name, folder, weight_files(folder, variant), variant, dtype=own)
    if part.lacking:
        raise ModelError(f"{address.option}: {part.lacking} at {folder}; fetch the rest.")
    return part


def swapped_vae(source: ModelSource, own: PartSource) -> PartSource:
    """The VAE of ``--vae``: ``Class;model=NAME;...`` or a plain name.

    Args:
        source: The stage's model.
        own: The model's own VAE, whose configuration a VAE in a single file has too.

    Raises:
        ModelError: It cannot be found, or is of another class than given.
    """
    keys = ("model", "revision", "variant", "subfolder", "dtype")
    address = parse_address("--vae", source.vae or "", keys)
    wanted_class, name = (address.name, address.get("model")) if "model" in address.settings else (None, address.name)
    if name is None or (wanted_class is None and name.startswith(("AutoencoderKL", "AutoencoderTiny"))):
        raise ModelError(f"--vae {source.vae}: say which one, {address.name};model=NAME.")
    place = _located(address, name, source, ("config.json", "vae/config.json"))
    if place.is_file():
        if not is_checkpoint(place):
            raise ModelError(f"--vae: {place} is no weight file; give a .safetensors file or a diffusers folder.")
        found = replace(own, weights=(place,), variant=None, form="file", dtype=address.get("dtype"))
    else:
        inner = place if (place / "config.json").is_file() else place / "vae"
        if not (inner / "config.json").is_file():
            raise ModelError(f"--vae: {place} has neither a config.json nor a vae folder; add ;subfolder=NAME.")
        found = _part(address, inner, "vae")
    if not found.class_name.startswith(("Autoencoder", "AsymmetricAutoencoder")):
        raise ModelError(f"--vae: {name} is a {found.class_name}, no VAE.")
    if wanted_class and wanted_class != found.class_name:
        raise ModelError(
            f"--vae: {name} is a {found.class_name}, not a {wanted_class}; write {found.class_name};model={name}."
        )
    return found


def controls_of(source: ModelSource, denoiser: Mapping[str, Any]) -> tuple[ControlSpec, ...]:
    """The ControlNets of ``--control-nets``.

    Args:
        source: The stage's model.
        denoiser: Configuration of the model's denoiser, which they must fit.

    Raises:
        ModelError: One cannot be found, is no ControlNet, or was made for another architecture.
    """
    keys = ("scale", "start", "end", "mode", "revision", "variant", "subfolder", "dtype")
    made = []
    for index, text in enumerate(source.control_nets):
        address = parse_address("--control-nets", text, keys)
        folder = _located(address, address.name, source, ("config.json",))
        if not (folder / "config.json").is_file():
            raise ModelError(f"--control-nets: {folder} has no config.json; give the ControlNet's diffusers folder.")
        part = _part(address, folder, "controlnet" if not index else f"controlnet_{index + 1}")
        if "ControlNet" not in part.class_name:
            raise ModelError(f"--control-nets: {address.name} is a {part.class_name}, no ControlNet.")
        for key in ("cross_attention_dim", "joint_attention_dim"):
            theirs, ours = part.config.get(key), denoiser.get(key)
            if theirs and ours and theirs != ours:
                raise ModelError(
                    f"--control-nets: {address.name} is of another family ({key} {theirs}, {source.name} has {ours}); "
                    "use one made for it."
                )
        start, end = address.number("start", 0, 0, 1), address.number("end", 1, 0, 1)
        if start >= end:
            raise ModelError(f"--control-nets: start={start:g} of {address.name} must be below end={end:g}.")
        mode = int(address.number("mode", 0, 0, 99)) if address.get("mode") else None
        made.append(ControlSpec(part, address.number("scale", 1.0), start, end, mode))
    return tuple(made)


def loras_of(source: ModelSource) -> tuple[Lora, ...]:
    """The LoRAs of ``--loras``, in their order.

    Raises:
        ModelError: One cannot be found, or its folder holds several files and none is named.
    """
    made = []
    for text in source.loras:
        address = parse_address("--loras", text, ("scale", "weight-name", "revision", "subfolder"))
        wanted = address.get("weight-name")
        marks = (wanted,) if wanted else _LORA_FILES
        path = _lora_file(_located(address, address.name, source, marks), wanted, address.name)
        scale = address.number("scale", 1.0)
        made.append(Lora(path, scale, files_digest([(repr(scale), file_digest(path))])))
    return tuple(made)


def _lora_file(place: Path, wanted: str | None, name: str) -> Path:
    if place.is_file():
        return place
    if wanted:
        if (place / wanted).is_file():
            return place / wanted
        raise ModelError(f"--loras: {name} has no file {wanted}.")
    files = [place / file for file in _LORA_FILES if (place / file).is_file()] or sorted(place.glob("*.safetensors"))
    if len(files) == 1 or (files and files[0].name in _LORA_FILES):
        return files[0]
    names = ", ".join(path.name for path in files) or "no .safetensors file"
    raise ModelError(f"--loras: {name} holds {names}; name one with ;weight-name=FILE.")
