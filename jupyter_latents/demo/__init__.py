"""The demo models that ship with the package, and the code that drew their pictures and trained them.

Importing this module imports no torch.
"""

from __future__ import annotations

from pathlib import Path

from jupyter_latents.demo.assembly import paper_folder

MODELS = ("demo/scenes", "demo/paper", "demo/flow")


def path(name: str) -> Path:
    """Return the folder of an embedded model, an ordinary pipeline folder of diffusers.

    Args:
        name: one of `MODELS`.

    Raises:
        KeyError: there is no embedded model of that name; the message lists those there are.
        OSError: the folder of `demo/paper`, which is put together on first use, cannot be written.
    """
    if name not in MODELS:
        raise KeyError(f"no embedded model is called {name!r}: there are {', '.join(MODELS)}")
    models = Path(__file__).parent / "models"
    return paper_folder(models) if name == "demo/paper" else models / name.removeprefix("demo/")
