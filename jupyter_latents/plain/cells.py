"""The cell that a stage stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jupyter_latents.display.publishing import shell
from jupyter_latents.plain.scripts import written
from jupyter_latents.stage import Stage
from jupyter_latents.wording import visible

__all__ = ["cell_of"]

_UNSHOWN = "# a token is given, which is not shown\n"


def cell_of(stage: Stage) -> str:
    """A ``%%dgen`` cell that runs a stage, after the stages whose results it is given.

    What it is given stands there under the name of the shell's variable that holds it; where none does, as ``latents``,
    ``image``, ``mask_image`` or ``control_image``.

    Args:
        stage: The stage.
    """
    names: Mapping[str, Any] = getattr(shell(), "user_ns", None) or {}
    kernel = {name: value for name, value in names.items() if not name.startswith("_")}
    found = written([stage], lambda value: next((name for name, one in kernel.items() if one is value), ""), kernel)
    secret = any(one.model.auth_token for one in found.stages)
    plain = [replace(one, model=replace(one.model, auth_token=None)) for one in found.stages]
    text = replace(found, stages=tuple(plain)).text
    return visible(f"%%dgen\n{_UNSHOWN if secret else ''}{text}").rstrip("\n")
