"""What is wrong in a prompt, and where in it."""

from __future__ import annotations

from jupyter_latents.errors import SettingError

__all__ = ["DEEPEST", "LARGEST", "fault"]

LARGEST = 100.0
"""The largest weight, of either sign. What people write stays below 3."""
DEEPEST = 100
"""How many brackets may be open at once."""
_SHOWN = 30


def fault(prompt: str, start: int, length: int, what: str) -> SettingError:
    """An error that shows the part of a prompt that is to blame.

    Args:
        prompt: The whole prompt.
        start: Offset of the part.
        length: Its characters.
        what: What is wrong with it, and what to do; it follows the part itself.
    """
    length = max(1, length)
    part = prompt[start : start + min(length, _SHOWN)] + ("…" if length > _SHOWN else "")
    return SettingError(f"'{part}' at character {start + 1} of the prompt {what}", option="prompts")
