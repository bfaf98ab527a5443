"""GGUF files: what their headers say, and U-Nets of them in the form that diffusers reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_latents.errors import ModelError

__all__ = ["gguf_shapes", "unet_tensors"]

_RESHAPED = "comfy.gguf.orig_shape."
"""How the fields begin that name the shape of a tensor which ComfyUI-GGUF's converter laid out in rows of 256."""
_PREFIX = "model.diffusion_model."


def gguf_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Tensor name to shape of a GGUF file, as its model has it; no tensor is unpacked. Needs the library gguf.

    Args:
        path: The file.

    Raises:
        ModelError: The file is damaged.
    """
    reader = _reader(path)
    shapes = {one.name: tuple(int(side) for side in reversed(one.shape)) for one in reader.tensors}
    return {**shapes, **_reshaped(reader)}


def unet_tensors(path: Path, dtype: Any) -> dict[str, Any]:
    """The tensors of a U-Net's GGUF file, as ``UNet2DConditionModel.from_single_file`` takes them.

    What diffusers computes with packed stays so: matrices whose rows are whole blocks. Convolutions, and what the
    converter of ComfyUI-GGUF laid out in rows of 256, get their own shape, unpacked where that is needed. Names of the
    first U-Nets' own layout get the prefix by which diffusers knows them.

    Args:
        path: The file.
        dtype: torch dtype of what is unpacked.

    Raises:
        ModelError: The file is damaged.
        ValueError: A tensor is packed in a way that diffusers does not know.
    """
    from diffusers.models.model_loading_utils import load_gguf_checkpoint

    shapes = _reshaped(_reader(path))
    found = {name: _whole(one, shapes.get(name), dtype) for name, one in load_gguf_checkpoint(str(path)).items()}
    own = not any(name.startswith(_PREFIX) for name in found) and any(
        name.startswith("input_blocks.") for name in found
    )
    return {_PREFIX + name: one for name, one in found.items()} if own else found


def _reader(path: Path) -> Any:
    from gguf import GGUFReader

    try:
        return GGUFReader(str(path))
    except (OSError, ValueError, KeyError, IndexError, TypeError, OverflowError) as error:
        raise ModelError(f"{path} is no whole GGUF file ({error}); fetch it again.") from error


def _reshaped(reader: Any) -> Mapping[str, tuple[int, ...]]:
    """The shapes that fields name of tensors which are laid out otherwise."""
    fields = {name: one for name, one in reader.fields.items() if name.startswith(_RESHAPED)}
    return {
        name.removeprefix(_RESHAPED): tuple(int(one.parts[index][0]) for index in one.data)
        for name, one in fields.items()
    }


def _whole(tensor: Any, shape: tuple[int, ...] | None, dtype: Any) -> Any:
    """A tensor in its own shape; packed only where it is a matrix whose rows are whole blocks."""
    import torch
    from diffusers.quantizers.gguf.utils import GGUFParameter
    from gguf import GGML_QUANT_SIZES
    from gguf.quants import dequantize

    if not isinstance(tensor, GGUFParameter):
        return tensor if shape is None else tensor.reshape(shape)
    own, packed, kind = shape or tuple(tensor.quant_shape), tensor.as_tensor(), tensor.quant_type
    if len(own) != 2 or own[1] % GGML_QUANT_SIZES[kind][0]:
        return torch.from_numpy(dequantize(packed.numpy(), kind)).reshape(own).to(dtype)
    return tensor if shape is None else GGUFParameter(packed.reshape(own[0], -1), quant_type=kind)
