"""The session of a kernel: names, inputs and outputs, what is known of latents; runs scripts on an executor."""

from __future__ import annotations

from jupyter_latents.session.kernel import current
from jupyter_latents.session.plans.planning import Plan
from jupyter_latents.session.session import Session, Task

__all__ = ["Plan", "Session", "Task", "current"]
