"""The script language: text in, frozen values out. It knows neither torch nor IPython."""

from __future__ import annotations

from jupyter_latents.prompts import PromptRow, prompt_schedule

from .evaluation import Evaluation, Foreseen, Waiting
from .image_process import ImageProcess
from .invocation import Invocation
from .options.second_stage import BEFORE
from .prompts import format_prompt
from .script import Script, parse
from .seeds import format_seed, parse_seed, unsupported
from .templates.environment import Environment
from .templates.libraries import Library
from .templates.promises import Promise, real
from .text.quoting import quote

__all__ = [
    "BEFORE",
    "Environment",
    "Evaluation",
    "Foreseen",
    "ImageProcess",
    "Invocation",
    "Library",
    "Promise",
    "PromptRow",
    "Script",
    "Waiting",
    "format_prompt",
    "format_seed",
    "parse",
    "parse_seed",
    "prompt_schedule",
    "quote",
    "real",
    "unsupported",
]
