"""Sees that each worker has a model, before anything of a run begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jupyter_latents.cluster.crew import Member, here
from jupyter_latents.errors import JupyterLatentsError, ModelError
from jupyter_latents.stage import ModelSource

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["check_models"]


def check_models(ray: Any, members: Sequence[Member], model: ModelSource, identity: str) -> None:
    """Sees that all workers have the same files of a model as this process.

    Args:
        ray: The library.
        members: The workers.
        model: What a stage names.
        identity: What this process says of its files.

    Raises:
        ModelError: Some lack it, or have other files; says which.
    """
    sent, folder = replace(model, auth_token=None), here()
    asked = [(member, member.actor.identity.remote(sent, folder)) for member in members]
    faults = [fault for member, answer in asked if (fault := _fault(ray, member, answer, identity))]
    if faults:
        raise ModelError(
            f"{model.name} is not the same on all workers: {'; '.join(_short(faults))}. Put its files where they are "
            "here on each machine, or fetch it there."
        )


def _fault(ray: Any, member: Member, answer: Any, identity: str) -> str:
    from ray import exceptions

    try:
        return "" if ray.get(answer) == identity else f"{member.card} has other files of it"
    except exceptions.RayTaskError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, JupyterLatentsError):
            return f"{member.card}: {cause.message}"
        raise
    except exceptions.RayActorError:
        return ""  # it is starting again, and says so itself when it runs


def _short(faults: Iterable[str]) -> list[str]:
    several = list(faults)
    return several if len(several) <= 4 else [*several[:3], f"and {len(several) - 3} more"]
