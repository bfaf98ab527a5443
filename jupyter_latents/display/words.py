"""What the words on the screen mean, in a sentence each: the tooltips of the view and of the panel, and the help."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["BUTTONS", "TERMS", "WORDS", "tip"]

WORDS: Mapping[str, str] = MappingProxyType(
    {
        "σ": "how much noise is in the latents: it falls from step to step, and 0 is clean",
        "VE": "the form in which noise is added to the picture and σ is its size (Stable Diffusion)",
        "VP": "the form in which the picture is scaled down as noise comes in (DDIM, DPM++)",
        "flow": "the form in which noise takes the picture's place, from σ 1 to 0 (SD3, Flux)",
        "evaluations": "how many times the model runs; steps that are kept from before cost none",
        "latents": "the numbers that the model works on; a VAE makes the picture of them",
        "VAE": "the part of a model that makes a picture of latents, and latents of a picture",
        "continues": "exactly: going on from here gives the same bits as a run that was never stopped or split",
    }
)
"""Each word as it stands on the screen."""

TERMS: Mapping[str, str] = MappingProxyType(
    {
        "guidance": "how closely the picture keeps to the prompt; 1 is without guidance",
        "sampler, schedule": "how each step takes noise away, and the noise levels that the steps lead through",
        "seed": "the number that the noise is drawn from: the same seed and options give the same picture",
        "stage": "a part of the steps that one model runs; the next stage goes on from its latents",
        "hand-over": "where a stage takes the latents of the one before it, often with another model",
        "channels": "the layers of the latents, each as a grey picture; an SD model has four",
    }
)
"""Words that the help alone explains."""

BUTTONS: Mapping[str, str] = MappingProxyType(
    {
        "Copy cell": "puts the cell that makes what is shown on the clipboard",
        "New cell": "puts that cell into the notebook, below this one; it does not run by itself",
        "Copy line": "puts the line of Python that stands there on the clipboard, to be pasted into a cell",
        "Branch here": "keeps the latents of the chosen step as the variable that the line of Python names",
        "Compare": "lays another stage or step over what is shown, with a line between them to drag",
        "Export": "writes the latents or the picture that is shown into a file beside the notebook",
        "Pause": "holds the run after its present step, until Resume",
        "Stop": "ends the run after its present step; what is done stays in its variable, and running again goes on",
    }
)
"""What the buttons put where."""


def tip(text: str) -> str:
    """What the words in a text mean, ``σ: how much noise …; VE: …``.

    Args:
        text: What is shown.
    """
    found = (word for word in WORDS if word in text or (word == "evaluations" and "evaluation" in text))
    return "; ".join(f"{word}: {WORDS[word]}" for word in found)
