"""What can be done after a run that ended before its time: the words of the advice and the buttons beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_latents.display.records.run_record import RunRecord

__all__ = ["Way", "advice", "ways"]

_FAILED = "run it again, with other options where they are to blame"
_STOPPED = "run it again"


@dataclass(frozen=True, slots=True)
class Way:
    """One thing that can be done.

    Attributes:
        kind: ``again`` or ``onward``.
        button: What its button says.
        words: What the advice says.
        tip: What the button does, in a sentence.
        variable: Python that names the latents to go on from; empty for ``again``.
    """

    kind: str
    button: str
    words: str
    tip: str
    variable: str = ""


def ways(record: RunRecord) -> tuple[Way, ...]:
    """What can be done after a run that failed or was stopped; nothing after others.

    Args:
        record: The run.
    """
    if record.ended is None or record.state not in ("failed", "stopped"):
        return ()
    words = _FAILED if record.state == "failed" else _STOPPED
    again = Way("again", "Run again", words, "runs the same again; what was made and is kept costs no evaluation")
    last = record.stages[-1] if record.stages else None
    if last is None or last.latents is None or not last.variable or not last.points:
        return (again,)
    step, name = last.points[-1].step, last.variable
    onward = f'go on from step {step}: a cell with --image-seeds "latents: {name}"'
    tip = f"runs the rest of the steps from {name} with the same model and options; {name} stays as it is"
    return again, Way("onward", f"Go on from step {step}", onward, tip, name)


def advice(record: RunRecord) -> str:
    """The same as a line of text; empty where there is nothing to do.

    Args:
        record: The run.
    """
    told = ", or ".join(way.words for way in ways(record))
    return f"Next: {told}." if told else ""
