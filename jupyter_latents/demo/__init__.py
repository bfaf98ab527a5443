"""The demo models that ship with the package, and the code that drew their pictures and trained them.

Importing this module imports no torch.
"""

from __future__ import annotations

from pathlib import Path

MODELS = ("demo/scenes", "demo/paper", "demo/flow")


def path(name: str) -> Path:
    """Return the folder of an embedded model, an ordinary pipeline folder of diffusers.

    Args:
        name: one of `MODELS`.

    Raises:
        KeyError: there is no embedded model of that name; the message lists those there are.
    """
    if name not in MODELS:
        raise KeyError(f"no embedded model is called {name!r}: there are {', '.join(MODELS)}")
    return Path(__file__).parent / "models" / name.removeprefix("demo/")
