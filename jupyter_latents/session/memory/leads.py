"""What stages have in common that change at other steps: the windows before the first difference."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jupyter_latents.engine import StageWindow, bare
from jupyter_latents.points import MOST_STEPS
from jupyter_latents.session.memory.identity import fingerprint, key_of

if TYPE_CHECKING:
    from jupyter_latents.engine import Inputs
    from jupyter_latents.session.models import Models
    from jupyter_latents.stage import Stage

__all__ = ["Lead", "alike", "leads_of"]


@dataclass(frozen=True, slots=True)
class Lead:
    """The first windows of a stage.

    Attributes:
        key: Digest of all that decides their steps, where the last of them ends left out.
        end: The step at which that one ends.
    """

    key: str
    end: int


def alike(stage: Stage) -> tuple[StageWindow, ...]:
    """The windows of a stage that is steered alike all the way, as far as leads ask: one, to whatever end."""
    return (StageWindow(0, MOST_STEPS, stage),)


def leads_of(stage: Stage, windows: Sequence[StageWindow], inputs: Inputs, models: Models) -> tuple[Lead, ...]:
    """The leads of a stage, the longest last.

    One that is steered alike all the way has one, which is the first of every stage that begins so and changes later.

    Args:
        stage: What is asked for.
        windows: Its windows.
        inputs: Its resolved inputs.
        models: Says of its model what files, libraries and devices make of it.
    """
    base = key_of(bare(stage), inputs, models)
    if not base:
        return ()
    found, said = [], hashlib.sha256(base.encode())  # where it starts follows from what is in that
    for window in windows:
        said.update(fingerprint(window.stage).encode())
        found.append(Lead(said.hexdigest(), window.end))
        said.update(f" to {window.end} ".encode())
    return tuple(found)
