"""How long a run goes on after it is stopped, in each of its phases. The goal: one step, or half a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from jupyter_latents.engine.observer import Phase, Silent, StepEvent
from jupyter_latents.session import Session, Task
from jupyter_latents.syntax import Script
from tests.benchmarks.models import save_model

if TYPE_CHECKING:
    from jupyter_latents.engine.observer import Look

__all__ = ["Case", "cases", "heard_after", "in_the_queue"]

_SECONDS = 600.0
_LARGE = 12_000  # pixels a side of the picture that is read
_PLAIN = "demo/scenes --prompts hill --seeds 1 --inference-steps 2"


@dataclass(frozen=True)
class Case:
    """A run that is stopped.

    Attributes:
        script: What it runs.
        at: The phase in which it is stopped, a part that is read, or empty: then from its beginning on.
        after: Seconds from there to the stop.
        names: The kernel's variables.
    """

    script: str
    at: str = ""
    after: float = 0.05
    names: dict[str, Any] = field(default_factory=dict)


class _Waiting(Silent):
    """Says when a phase, or the first step, is reached."""

    def __init__(self, at: str) -> None:
        self.at, self.reached = at, threading.Event()
        if not at:
            self.reached.set()

    def phase(self, phase: Phase) -> None:
        if self.at == phase.name or (phase.reading is not None and self.at in phase.reading.parts):
            self.reached.set()

    def step(self, event: StepEvent, look: Look) -> None:
        if self.at == "step":
            self.reached.set()


def cases(folder: Path) -> dict[str, Case]:
    """A run for each phase.

    Args:
        folder: Where what they read is written.
    """
    block = save_model(folder / "block", (320, 640), side=64)
    picture = folder / "large.png"
    Image.effect_noise((_LARGE, _LARGE), 40).save(picture, compress_level=1)
    loop = "{% for a in range(9999) %}"
    photo = {"photo": Image.new("RGB", (1024, 1024), "teal")}
    large = f"{_PLAIN} --output-size 1024"
    return {
        "templates, nested loops": Case(
            f"demo/scenes --prompts '{loop}{loop}x{{% endfor %}}{{% endfor %}}'", after=1.0
        ),
        "planning 30,000 seeds": Case("demo/scenes --prompts hill --gen-seeds 30000", after=2.0),
        "reading a picture of 144 megapixels": Case(f"{_PLAIN} --image-seeds {picture}", after=1.0),
        "loading a U-Net of 337 MB": Case(f"{block} --prompts hill --inference-steps 2", "unet"),
        "encoding a picture of 1024 pixels": Case(f"{_PLAIN} --image-seeds photo", "denoising", names=photo),
        "steps of SD's width, 512 pixels": Case(
            f"{block} --prompts hill --inference-steps 6 --output-size 512", "step"
        ),
        "decoding 1024 pixels": Case(large, "decoding"),
        "saving 4 of 1024 pixels": Case(f"{large} --batch-size 4 --output-path {folder}", "saving"),
    }


def heard_after(case: Case) -> tuple[float, str]:
    """Seconds from the stop to the end of the run, and its state."""
    session, watch = Session(case.names), _Waiting(case.at)
    run = session.start(Task(Script(case.script)), watch)
    if not watch.reached.wait(_SECONDS):
        raise RuntimeError(f"{case.script} came not to {case.at}")
    time.sleep(case.after)
    return _stopped(run.stop, run), run.state


def in_the_queue() -> float:
    """Seconds until a run ends that waits for another."""
    session, go_on = Session(), threading.Event()
    first = session.executor.submit(lambda _run: go_on.wait(_SECONDS))
    queued = session.start(Task(Script(_PLAIN)), Silent())
    seconds = _stopped(queued.stop, queued)
    go_on.set()
    first.wait()
    return seconds


def _stopped(stop: Callable[[], None], run: Any) -> float:
    began = time.perf_counter()
    stop()
    run.wait(_SECONDS)
    return time.perf_counter() - began
