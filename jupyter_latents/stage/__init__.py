"""Frozen values that describe a stage: what the syntax makes and the engine runs.

They hold plain Python values only, print as a person would type them, and compare by value. No torch, no IPython.
"""

from __future__ import annotations

from jupyter_latents.addresses import Address, address_of, read_address
from jupyter_latents.points import Point, Scales, SigmaPoint, StepPoint
from jupyter_latents.stage.parts import LatentsProcessor, Output, Prompt, Window
from jupyter_latents.stage.seeds import AdapterImage, Held, ImageSeed, Reference, Size
from jupyter_latents.stage.sweeps import Axis, Choice, Sweep, Value, axes_of, label_of
from jupyter_latents.stage.values import (
    CONTROL_FIELDS,
    DEFAULT_STRENGTH,
    EXPRESSION,
    ModelSource,
    Stage,
    StageOptions,
    settings_of,
)

__all__ = [
    "CONTROL_FIELDS",
    "DEFAULT_STRENGTH",
    "EXPRESSION",
    "AdapterImage",
    "Address",
    "Axis",
    "Choice",
    "Held",
    "ImageSeed",
    "LatentsProcessor",
    "ModelSource",
    "Output",
    "Point",
    "Prompt",
    "Reference",
    "Scales",
    "SigmaPoint",
    "Size",
    "Stage",
    "StageOptions",
    "StepPoint",
    "Sweep",
    "Value",
    "Window",
    "address_of",
    "axes_of",
    "label_of",
    "read_address",
    "settings_of",
]
