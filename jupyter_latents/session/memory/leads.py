"""What stages have in common whose prompts change at other steps: the windows before the first difference."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from jupyter_latents.session.memory.identity import fingerprint, key_of
from jupyter_latents.stage import Prompt

if TYPE_CHECKING:
    from jupyter_latents.engine import Inputs, PromptWindow
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


def leads_of(stage: Stage, prompts: Sequence[PromptWindow], inputs: Inputs, models: Models) -> tuple[Lead, ...]:
    """The leads of a stage, the longest last; none where its prompts stay the same.

    Args:
        stage: What is asked for.
        prompts: Its windows.
        inputs: Its resolved inputs.
        models: Says of its model what files, libraries and devices make of it.
    """
    if len(prompts) < 2:
        return ()
    base = key_of(replace(stage, prompt=Prompt()), inputs, models)
    if not base:
        return ()
    found, said = [], hashlib.sha256(f"{base} {prompts[0].start}".encode())
    for window in prompts[:-1]:
        said.update(fingerprint(window.prompt).encode())
        found.append(Lead(said.hexdigest(), window.end))
        said.update(f" to {window.end} ".encode())
    return tuple(found)
