"""Tiny random-weight pipelines of the real diffusers classes, built in code: no network, seeded, under a MB each.

Importing this package is cheap; torch, transformers and diffusers are imported when a pipeline is built.
"""

from __future__ import annotations

from tests.tiny.diffusion import controlnet, inversion, lora
from tests.tiny.registry import FAMILIES, build
from tests.tiny.single import single_file
from tests.tiny.store import PUBLISHED, Published, hub_cache, save_folder

__all__ = [
    "FAMILIES",
    "PUBLISHED",
    "Published",
    "build",
    "controlnet",
    "hub_cache",
    "inversion",
    "lora",
    "save_folder",
    "single_file",
]
