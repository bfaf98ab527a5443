"""Planning long scripts: seconds for many stages of one invocation, and for chains of invocations."""

from __future__ import annotations

import time

__all__ = ["LONG", "SHORT", "planning_seconds", "scripts_of"]

SHORT, LONG = 100, 1_000
_ROUNDS = 3


def _seeds(stages: int) -> str:
    """One invocation of so many seeds."""
    return f"demo/scenes --prompts hill --inference-steps 4 --seeds {' '.join(map(str, range(1, stages + 1)))}"


def _chain(stages: int) -> str:
    """Pairs of invocations, the second of which goes on from the first in another model."""
    first = "demo/scenes --prompts hill --inference-steps 4 --seeds {seed} --denoising-end 0.5 --into a{seed}"
    second = "demo/paper --prompts hill --inference-steps 4 --image-seeds 'latents: a{seed}' --into b{seed}"
    return "\n\n".join(f"{first}\n\n{second}".format(seed=number) for number in range(1, stages // 2 + 1))


def scripts_of(stages: int) -> dict[str, str]:
    """Scripts of so many stages, by what they hold.

    Args:
        stages: How many, an even number.
    """
    return {"seeds of one invocation": _seeds(stages), "invocations by turns": _chain(stages)}


def _seconds(text: str) -> float:
    from jupyter_latents.session import Session, Task
    from jupyter_latents.syntax import Script

    session = Session()
    started = time.process_time()
    plan = session.plan(Task(Script(text)))
    taken = time.process_time() - started
    if plan.refused:
        raise RuntimeError(plan.refused[0])
    return taken


def planning_seconds() -> dict[str, tuple[float, float]]:
    """Processor seconds to plan `SHORT` and `LONG` stages, each the best of three, by what the scripts hold."""
    for text in scripts_of(2).values():
        _seconds(text)  # imports what planning needs, and reads what it keeps
    short, long = scripts_of(SHORT), scripts_of(LONG)
    return {what: (_best(short[what]), _best(long[what])) for what in short}


def _best(text: str) -> float:
    return min(_seconds(text) for _ in range(_ROUNDS))
