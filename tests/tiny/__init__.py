"""Tiny random-weight pipelines of the real diffusers classes, built in code: no network, seeded, under a MB each.

Importing this package is cheap; torch, transformers and diffusers are imported when a pipeline is built.
"""

from __future__ import annotations

from tests.tiny import parts
from tests.tiny.diffusion import (
    controlnet,
    image_encoder,
    inversion,
    ip_adapter,
    lora,
    sketched,
    t2i_adapter,
    union_controlnet,
    xl_controlnet,
)
from tests.tiny.flow import flux_controlnet, flux_ip_adapter, qwen_controlnet, sd3_controlnet, sd3_ip_adapter
from tests.tiny.gguf import gguf_file, gguf_rows
from tests.tiny.registry import FAMILIES, build
from tests.tiny.single import single_file
from tests.tiny.store import PUBLISHED, Published, add_repository, hub_cache, save_folder

__all__ = [
    "FAMILIES",
    "PUBLISHED",
    "Published",
    "add_repository",
    "build",
    "controlnet",
    "flux_controlnet",
    "flux_ip_adapter",
    "gguf_file",
    "gguf_rows",
    "hub_cache",
    "image_encoder",
    "inversion",
    "ip_adapter",
    "lora",
    "parts",
    "qwen_controlnet",
    "save_folder",
    "sd3_controlnet",
    "sd3_ip_adapter",
    "single_file",
    "sketched",
    "t2i_adapter",
    "union_controlnet",
    "xl_controlnet",
]
