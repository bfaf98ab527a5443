r"""The end of a script: latents that a ``\setp`` behind the last stage made are a result, as a stage's are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_latents.engine import Observer
    from jupyter_latents.session.runs.run import Run
    from jupyter_latents.session.session import Session
    from jupyter_latents.syntax import Evaluation

__all__ = ["bind_ending"]


def bind_ending(session: Session, run: Run, evaluation: Evaluation, observer: Observer) -> None:
    r"""Binds latents that the last ``\setp`` of a script made behind its last stage, and tells it.

    Args:
        session: Holds the names.
        run: Gives them as its last result.
        evaluation: The script, at its end.
        observer: Is told of it.
    """
    from jupyter_latents.latents import Latents, LatentsSequence

    name, value = evaluation.ending
    if not isinstance(value, (Latents, LatentsSequence)):
        return
    run.made.append(value)
    if reason := session.bind_ending(name, value):
        observer.note(f"{name}, which the script ends with, is not bound: {reason}", warning=True)
        return
    run.bound.append(name)
    observer.note(f"{name}, which the script ends with, is a variable now; a cell with {name} shows its picture")
