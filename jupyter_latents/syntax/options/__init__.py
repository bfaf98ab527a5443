"""Options: their table, how values are read, help, completion."""

from __future__ import annotations

from .option import Option
from .table import BY_NAME, DTYPES, GROUPS, NESTING, OPTIONS

__all__ = ["BY_NAME", "DTYPES", "GROUPS", "NESTING", "OPTIONS", "Option"]
