"""Image processors: what is done to pictures before a stage takes them, by dgenerate's names."""

from __future__ import annotations

from .chains import AND, chain_of, chain_size, chains, processed
from .greys import grey_share, keeps_grey
from .table import ELSEWHERE, IDLE, PROCESSORS, check_processor

__all__ = [
    "AND",
    "ELSEWHERE",
    "IDLE",
    "PROCESSORS",
    "chain_of",
    "chain_size",
    "chains",
    "check_processor",
    "grey_share",
    "keeps_grey",
    "processed",
]
