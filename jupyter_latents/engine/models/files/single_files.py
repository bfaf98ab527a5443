"""Single-file checkpoints: what family they are and what they hold, from tensor names and shapes only.

diffusers knows the published layouts; it takes its configurations, tokenizers and scheduler from the repository that a
layout was published as. That folder is looked for beside the file first, then in the hub's cache.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jupyter_latents.engine.models.files.weights import header
from jupyter_latents.engine.models.places.hub import SETTINGS, HubFiles, fetch, settings_of
from jupyter_latents.engine.models.places.names import Wanted, cached_folder
from jupyter_latents.errors import ModelError
from jupyter_latents.wording import option

__all__ = ["Checkpoint", "inspect_checkpoint", "is_checkpoint", "is_gguf", "is_weight_file", "tensor_shapes"]

_SUFFIXES = (".safetensors", ".ckpt", ".pt", ".pth", ".bin")
# Where diffusers' guess is not certain: the layout that --model-type stands for.
_BY_MODEL_TYPE = {
    "sd": "v1",
    "sdxl": "xl_base",
    "sd3": "sd3",
    "flux": "flux-dev",
    "flux2": "flux-2-dev",
    "z-image": "z-image-turbo",
}
# A tensor that only this layout has: "v1" is also diffusers' answer for what it does not know.
_SURE = {
    "v1": "model.diffusion_model.input_blocks.0.0.weight",
    "sd3": "model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight",
}
_CLIP = {
    "text_encoder": ("cond_stage_model.", "conditioner.embedders.0.transformer.", "text_encoders.clip_l."),
    "text_encoder_2": ("conditioner.embedders.0.model.", "conditioner.embedders.1.", "text_encoders.clip_g."),
}


@dataclass(frozen=True, slots=True)
class _Shape:
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a single file is.

    Attributes:
        path: The file.
        layout: diffusers' name of its layout, such as ``xl_base``.
        folder: The diffusers folder with its configurations.
        shapes: Tensor name to shape.
    """

    path: Path
    layout: str
    folder: Path
    shapes: Mapping[str, tuple[int, ...]]

    def prefixes(self, part: str, class_name: str) -> tuple[str, ...]:
        """How the names of a part's tensors start; empty where the file does not hold the part.

        Text encoders that diffusers does not convert (others than CLIP and T5) count as not held.
        """
        if part == "vae":
            wanted: tuple[str, ...] = ("first_stage_model.", "vae.")
        elif part.startswith("text_encoder"):
            wanted = ("text_encoders.t5xxl.",) if class_name.startswith("T5") else ()
            wanted = _CLIP.get(part, ()) if class_name.startswith("CLIP") else wanted
        else:
            return (
                ("model.diffusion_model.",)
                if any(n.startswith("model.diffusion_model.") for n in self.shapes)
                else ("",)
            )
        return tuple(start for start in wanted if any(name.startswith(start) for name in self.shapes))


def is_weight_file(path: Path) -> bool:
    """Whether a name is that of a weight file."""
    return path.suffix.lower() in _SUFFIXES


def is_gguf(path: Path | str) -> bool:
    """Whether a name is that of a GGUF file, whose weights stay quantized."""
    return str(path).lower().endswith(".gguf")


def is_checkpoint(path: Path) -> bool:
    """Whether a path is that of a single weight file."""
    return is_weight_file(path) and path.is_file()


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Tensor name to shape of a weight file; no tensor is read and no code of the file runs.

    Raises:
        ModelError: The file is damaged or holds more than tensors.
    """
    if path.suffix.lower() == ".safetensors":
        return header(path)
    import torch

    try:
        found = torch.load(path, map_location="meta", weights_only=True, mmap=True)
        while isinstance(found, dict) and "state_dict" in found:
            found = found["state_dict"]
        return {name: tuple(value.shape) for name, value in found.items() if isinstance(value, torch.Tensor)}
    except pickle.UnpicklingError as error:
        raise ModelError(f"{path} holds more than tensors and is not opened; use its .safetensors form.") from error
    except (OSError, RuntimeError, ValueError, AttributeError, EOFError, KeyError) as error:
        raise ModelError(
            f"{path} cannot be read as a checkpoint ({type(error).__name__}); use its .safetensors form."
        ) from error


def inspect_checkpoint(file: Path | HubFiles, wanted: Wanted, model_type: str | None) -> Checkpoint:
    """Tells what a single file is and where its configurations are.

    Args:
        file: The file; of one that is on the hub alone the header is read there.
        wanted: As what it was asked for.
        model_type: Canonical ``--model-type``, or None.

    Raises:
        ModelError: It is no checkpoint of a whole model, or its configurations are not here.
    """
    path, shapes = (Path(file.names[0]), file.shapes()) if isinstance(file, HubFiles) else (file, tensor_shapes(file))
    layout = _layout(path, shapes, model_type)
    return Checkpoint(path, layout, _configurations(path, layout, wanted), shapes)


def _layout(path: Path, shapes: Mapping[str, tuple[int, ...]], model_type: str | None) -> str:
    for layout, key in _SURE.items():
        if layout != "v1" and key in shapes:
            return layout
    guess = _guess(shapes)
    if guess and (guess not in _SURE or _SURE[guess] in shapes):
        return guess
    if model_type in _BY_MODEL_TYPE:
        return _BY_MODEL_TYPE[model_type]
    raise ModelError(
        f"{path} is no single-file checkpoint that diffusers knows (its first tensor is "
        f"{next(iter(shapes), 'missing')!r}). Give {option('model_type')} ({', '.join(_BY_MODEL_TYPE)}), or the "
        f"model's diffusers folder. A VAE is given as {option('vae')}, LoRAs as {option('loras')}."
    )


def _guess(shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    from diffusers.loaders.single_file_utils import infer_diffusers_model_type

    try:
        return str(infer_diffusers_model_type({name: _Shape(shape) for name, shape in shapes.items()}))
    except (KeyError, IndexError, TypeError, ValueError, UnboundLocalError):
        return None  # tensors of a layout it half knows: the same as not known


def _configurations(path: Path, layout: str, wanted: Wanted) -> Path:
    from diffusers.loaders.single_file_utils import DIFFUSERS_DEFAULT_PIPELINE_PATHS

    beside = [path.with_suffix(""), path.with_suffix(".config"), path.with_name(f"{path.name}.config")]
    for folder in beside:
        if (folder / "model_index.json").is_file():
            return folder
    entry = DIFFUSERS_DEFAULT_PIPELINE_PATHS.get(layout, {})
    name = entry.get("pretrained_model_name_or_path")
    if not name:
        raise ModelError(f"{path} is a {layout} checkpoint, which no pipeline here reads.")
    found = cached_folder(name, ("model_index.json",))
    if found is None:
        try:
            published = Wanted(name, token=wanted.token, offline=wanted.offline)
            found = fetch(published, lambda: settings_of(published))
        except ModelError as error:
            absent = ModelError(
                f"{path} is a {layout} checkpoint; its configurations and tokenizers are those of {name}, which is "
                f"not on this machine. Put them into the folder {beside[0]}, or fetch them where there is a network: "
                f"hf download {name} {' '.join(f'--include {chr(34)}{pattern}{chr(34)}' for pattern in SETTINGS)}"
            )
            absent.unasked = error.unasked
            raise absent from error
    return found / entry["subfolder"] if "subfolder" in entry else found
