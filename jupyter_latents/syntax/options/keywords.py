"""The names of options in Python: diffusers' where it has one, else those of the stage's fields."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from jupyter_latents.wording import plain

from .table import NAMES, OPTIONS

__all__ = ["KEYWORDS", "PARTS", "keyword_spelling"]

_OWN = {
    "prompts": "prompt",
    "negative_prompts": "negative_prompt",
    "second_prompts": "prompt_2",
    "third_prompts": "prompt_3",
    "prompt_weighter": "prompt_weighter",
    "denoising_start": "denoising_start",
    "denoising_end": "denoising_end",
    "dtype": "torch_dtype",
    "auth_token": "token",
    "offline": "local_files_only",
    "batch_size": "num_images_per_prompt",
    "model_cpu_offload": "model_cpu_offload",
    "model_sequential_offload": "model_sequential_offload",
    "model_group_offload": "model_group_offload",
    "output_path": "output_path",
    "output_prefix": "output_prefix",
    "output_overwrite": "output_overwrite",
    "output_metadata": "output_metadata",
    "output_configs": "output_configs",
    "batch_grid_size": "batch_grid_size",
    "image_format": "image_format",
}
_NOT_HERE = {"output_size", "image_seeds", "batch_seeds"}  # parts of these have names; the last is of several stages

KEYWORDS: Mapping[str, str] = MappingProxyType(
    {
        option.dest: _OWN.get(option.dest, option.field.rpartition(".")[2])
        for option in OPTIONS
        if option.field and option.dest not in _NOT_HERE
    }
)
"""The name in Python of each option of one stage, by its `dest`."""

PARTS: Mapping[str, str] = MappingProxyType(
    {
        "image": "image",
        "mask": "mask_image",
        "latents": "latents",
        "control": "control_image",
        "adapter": "ip_adapter_image",
    }
)
"""The names in Python of the parts of an image seed."""

_SPOKEN = {"output_size": "width and height", "image_seeds": "image, mask_image or latents"}


def keyword_spelling(dest: str) -> str:
    """An option as Python writes it, ``denoising_start``.

    Args:
        dest: The option's name in the table.
    """
    return KEYWORDS.get(dest) or _SPOKEN.get(dest) or (NAMES.get(dest) or plain(dest))
