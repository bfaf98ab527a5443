"""Latents interchange between diffusion models in Jupyter notebooks.

``%load_ext jupyter_latents`` brings the ``%%dgen`` magic. Names that need torch are loaded when first used.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from jupyter_latents.above import Above, provide
from jupyter_latents.errors import JupyterLatentsError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_latents.display.panel import panel
    from jupyter_latents.display.past import gallery
    from jupyter_latents.display.pictures.comparing import compare
    from jupyter_latents.engine.vae.bridge import register_converter
    from jupyter_latents.latents import Latents, LatentsSequence
    from jupyter_latents.plain import run, start
    from jupyter_latents.session import Session
    from jupyter_latents.session.cells.reading import cell_from
    from jupyter_latents.session.runs.run import Run
    from jupyter_latents.session.runs.steps import Step
    from jupyter_latents.stage import Stage

__version__ = "0.1.0"
__all__ = [
    "JupyterLatentsError",
    "Latents",
    "LatentsSequence",
    "Run",
    "Session",
    "Stage",
    "Step",
    "cell_from",
    "compare",
    "gallery",
    "load_ipython_extension",
    "panel",
    "register_converter",
    "run",
    "start",
    "unload_ipython_extension",
]

_LAZY = {
    "Latents": "jupyter_latents.latents",
    "LatentsSequence": "jupyter_latents.latents",
    "Run": "jupyter_latents.session.runs.run",
    "Session": "jupyter_latents.session",
    "Stage": "jupyter_latents.stage",
    "Step": "jupyter_latents.session.runs.steps",
    "cell_from": "jupyter_latents.session.cells.reading",
    "compare": "jupyter_latents.display.pictures.comparing",
    "gallery": "jupyter_latents.display.past",
    "panel": "jupyter_latents.display.panel",
    "register_converter": "jupyter_latents.engine.vae.bridge",
    "run": "jupyter_latents.plain",
    "start": "jupyter_latents.plain",
}


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Called by ``%load_ext jupyter_latents``."""
    from jupyter_latents.magics import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Called by ``%unload_ext jupyter_latents``."""
    from jupyter_latents.magics import unload

    unload(shell)


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def _begin() -> object:
    from jupyter_latents.display.wiring import session_here

    return session_here()


def _stage(model: object, given: Mapping[str, object]) -> Any:
    from jupyter_latents.plain.stages import stage_of

    return stage_of(model, given)


def _cell(stage: Any) -> str:
    from jupyter_latents.plain.cells import cell_of

    return cell_of(stage)


provide(Above(_begin, _stage, _cell, __version__))


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
