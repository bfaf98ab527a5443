"""Names of variables as Python reads them."""

from __future__ import annotations

import unicodedata

__all__ = ["python_name"]


def python_name(name: str) -> str:
    """A name as cells read it: Python takes letters that look alike for one, such as an é of one character or of two.

    Args:
        name: The name as it is written (PEP 3131: its normal form NFKC is the variable).
    """
    return unicodedata.normalize("NFKC", name)
