"""GGUF files of tiny transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["gguf_file"]


def gguf_file(path: str | Path, transformer: Any) -> Path:
    """Write a transformer's weights to a GGUF file, those of its layers in 8 bits where they divide; needs gguf.

    Args:
        path: The file.
        transformer: The transformer, whose own names of tensors the file has.
    """
    import gguf
    import numpy as np

    writer = gguf.GGUFWriter(str(path), "tiny")
    eight = gguf.GGMLQuantizationType.Q8_0
    for name, tensor in transformer.state_dict().items():
        values = np.ascontiguousarray(tensor.numpy(), dtype=np.float32)
        packs = values.ndim == 2 and values.shape[1] % 32 == 0
        if packs:
            writer.add_tensor(name, gguf.quants.quantize(values, eight), raw_dtype=eight)
        else:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return Path(path)
