"""GGUF files of tiny denoisers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["gguf_file", "gguf_rows"]


def gguf_file(path: str | Path, denoiser: Any) -> Path:
    """Write a denoiser's weights to a GGUF file, those of its layers in 8 bits where they divide; needs gguf.

    Args:
        path: The file.
        denoiser: The transformer or U-Net, whose own names of tensors the file has; or name to tensor.
    """
    writer, _ = _writer(path, denoiser if isinstance(denoiser, Mapping) else denoiser.state_dict(), lambda _: False)
    return _written(writer, path)


def gguf_rows(path: str | Path, tensors: Mapping[str, Any]) -> tuple[Path, dict[str, Any]]:
    """Write tensors as ComfyUI-GGUF's converter does those of U-Nets: in rows of 256, with the shape in a field.

    Args:
        path: The file.
        tensors: Name to tensor.

    Returns:
        The file, and the tensors that it stands for, rounded to 8 bits where it packs them.
    """
    writer, rounded = _writer(path, tensors, lambda one: one.ndim > 1 and one.size >= 512 and one.size % 256 == 0)
    return _written(writer, path), rounded


def _writer(path: str | Path, tensors: Mapping[str, Any], in_rows: Callable[[Any], bool]) -> tuple[Any, dict[str, Any]]:
    """A writer of tensors, packed where their rows divide or are laid out anew; and the tensors as it rounds them."""
    import gguf
    import numpy as np
    import torch

    writer = gguf.GGUFWriter(str(path), "tiny")
    eight, rounded = gguf.GGMLQuantizationType.Q8_0, {}
    for name, tensor in tensors.items():
        values = np.ascontiguousarray(tensor.numpy(), dtype=np.float32)
        rows = in_rows(values) and values.shape[-1] % 256
        if not rows and (values.ndim != 2 or values.shape[1] % 32):
            writer.add_tensor(name, values)
            rounded[name] = tensor
            continue
        packed = gguf.quants.quantize(values.reshape(-1, 256) if rows else values, eight)
        writer.add_tensor(name, packed, raw_dtype=eight)
        if rows:
            writer.add_array(f"comfy.gguf.orig_shape.{name}", [int(side) for side in values.shape])
        rounded[name] = torch.from_numpy(gguf.quants.dequantize(packed, eight)).reshape(tensor.shape)
    return writer, rounded


def _written(writer: Any, path: str | Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return Path(path)
