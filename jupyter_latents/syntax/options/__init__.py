"""Options: their table, how values are read, help, completion."""

from __future__ import annotations

from .table import BY_NAME, DTYPES, GROUPS, NESTING, OPTIONS, Option

__all__ = ["BY_NAME", "DTYPES", "GROUPS", "NESTING", "OPTIONS", "Option"]
