"""The script language: text in, frozen values out. It knows neither torch nor IPython."""

from __future__ import annotations

from .environment import Environment
from .invocation import Invocation
from .quoting import quote
from .script import Script, parse
from .seeds import format_seed, parse_seed, unsupported

__all__ = ["Environment", "Invocation", "Script", "format_seed", "parse", "parse_seed", "quote", "unsupported"]
