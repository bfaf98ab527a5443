"""What stages have in common that change at other steps: the windows before the first difference."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jupyter_latents.engine import bare, is_steered
from jupyter_latents.session.memory.identity import fingerprint, key_of

if TYPE_CHECKING:
    from jupyter_latents.engine import Inputs, StageWindow
    from jupyter_latents.session.models import Models
    from jupyter_latents.stage import Stage

__all__ = ["Lead", "leads_of"]


@dataclass(frozen=True, slots=True)
class Lead:
    """The first windows of a stage.

    Attributes:
        key: Digest of all that decides their steps, where the last of them ends left out.
        end: The step at which that one ends.
    """

    key: str
    end: int


def leads_of(stage: Stage, windows: Sequence[StageWindow], inputs: Inputs, models: Models) -> tuple[Lead, ...]:
    """The leads of a stage, the longest last; none where nothing may change as it goes on.

    Args:
        stage: What is asked for.
        windows: Its windows.
        inputs: Its resolved inputs.
        models: Says of its model what files, libraries and devices make of it.
    """
    if not is_steered(stage):
        return ()
    base = key_of(bare(stage), inputs, models)
    if not base:
        return ()
    found, said = [], hashlib.sha256(f"{base} {windows[0].start}".encode())
    for window in windows:
        said.update(fingerprint(window.stage).encode())
        found.append(Lead(said.hexdigest(), window.end))
        said.update(f" to {window.end} ".encode())
    return tuple(found)
