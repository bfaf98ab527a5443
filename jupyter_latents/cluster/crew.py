"""The workers of a connection: made, checked against each other and this process, and asked."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyter_latents import stopping
from jupyter_latents.cluster.cards import WorkerCard
from jupyter_latents.errors import RunError, SettingError, StoppedError, cause

if TYPE_CHECKING:
    from jupyter_latents.cluster.starting import Connection
    from jupyter_latents.settings import Settings

__all__ = ["Member", "crew_of", "is_loss", "ray_fault"]

_ANSWER_SECONDS = 300.0  # a worker imports torch before it answers
_HEAR_SECONDS = 0.2  # between two questions whether the run that waits is to end
_PACKAGES = ("jupyter-latents", "torch", "diffusers", "transformers")


@dataclass(frozen=True, slots=True)
class Member:
    """A worker as this process sees it.

    Attributes:
        name: Tells it from others, also after its process was started again.
        actor: Ray's handle.
        card: What it says of itself.
    """

    name: str
    actor: Any
    card: WorkerCard


def is_loss(error: BaseException) -> bool:
    """Whether an error of Ray's says that a worker is gone, and not what happened in it."""
    from ray import exceptions

    gone = (exceptions.RayActorError, exceptions.NodeDiedError, exceptions.ObjectLostError, exceptions.RaySystemError)
    ended = (exceptions.WorkerCrashedError, exceptions.OutOfMemoryError, exceptions.LocalRayletDiedError)
    return isinstance(error, (*gone, *ended))


def ray_fault(error: BaseException, card: WorkerCard, partial: Any = None) -> RunError | None:
    """What an error of Ray's that is no loss says of a worker, as ours; None for one that is not Ray's.

    Args:
        error: The error.
        card: The worker's.
        partial: What was made before, or None.
    """
    from ray import exceptions

    if not isinstance(error, exceptions.RayError):
        return None
    if isinstance(error, exceptions.OutOfDiskError):
        why = (
            f"the disk of {card} or of this machine is full, where Ray keeps what its memory has no room for. What was "
            "done is kept; make room in the temporary folder of both and run it again."
        )
    else:
        why = f"the worker {card} failed unexpectedly: {cause(getattr(error, 'cause', None) or error)}"
    return RunError(why, partial=partial)


def crew_of(connection: Connection, settings: Settings) -> list[Member]:
    """Workers on all machines of a connection: one an accelerator, or one for as many cores as a worker has threads.

    Args:
        connection: Ray.
        settings: Say how much memory the models of each may take.

    Raises:
        SettingError: A machine does not match this process, or has no room for a worker.
        StoppedError: The run that waits for them is to end.
    """
    import torch

    from jupyter_latents.cluster.worker import RayWorker

    ray, threads = connection.ray, torch.get_num_threads()
    nodes = [node for node in ray.nodes() if node["Alive"]]
    _check_machines(ray, nodes)
    with_gpus = any(node["Resources"].get("GPU", 0) >= 1 for node in nodes)
    actor = ray.remote(max_restarts=-1, max_task_retries=0)(RayWorker)
    made = []
    for node in nodes:
        room = node["Resources"].get("GPU" if with_gpus else "CPU", 0)
        for _ in range(int(room if with_gpus else room // threads)):
            share = {"num_gpus": 1, "num_cpus": 1} if with_gpus else {"num_cpus": threads}
            strategy = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node["NodeID"], soft=True)
            options = {"scheduling_strategy": strategy, "max_concurrency": 8, **share}
            made.append(actor.options(**options).remote(threads, settings))
    if not made:
        raise SettingError(
            f"no machine has {threads} free cores, which a worker with as many threads as this process needs; start "
            "the kernel with OMP_NUM_THREADS=1, or a larger machine."
        )
    cards = _answers(ray, [one.card.remote() for one in made], "a worker did not start")
    _check_alike(cards)
    return [Member(f"worker-{number}", one, card) for number, (one, card) in enumerate(zip(made, cards, strict=True))]


def _answers(ray: Any, asked: Sequence[Any], what: str) -> list[Any]:
    rounds = round(_ANSWER_SECONDS / _HEAR_SECONDS)
    try:
        while rounds and ray.wait(list(asked), num_returns=len(asked), timeout=_HEAR_SECONDS)[1]:
            stopping.check()
            rounds -= 1
        found: list[Any] = ray.get(list(asked), timeout=_HEAR_SECONDS)
    except StoppedError:
        raise
    except Exception as error:  # whatever Ray says; it is told
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise SettingError(f"{what}: {lines[-1] if lines else type(error).__name__}") from error
    return found


def _versions(names: tuple[str, ...]) -> dict[str, str]:
    """Versions here; sent by value, so that it runs where this package is not installed."""
    import importlib.metadata
    import platform
    import socket

    found = {"host": socket.gethostname(), "Python": platform.python_version()}
    for name in names:
        several = list(importlib.metadata.distributions(name=name))[:1]
        found[name] = several[0].version if several else ""
    return found


def _check_machines(ray: Any, nodes: Sequence[Mapping[str, Any]]) -> None:
    """Sees that each machine has what this process has.

    Raises:
        SettingError: One lacks the package, or has another version of what decides results.
    """
    own_node = ray.get_runtime_context().get_node_id()
    others = [node for node in nodes if node["NodeID"] != own_node]
    if not others:
        return
    source = _by_value(_versions)
    ask = ray.remote(source)
    affinity = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    asked = [
        ask.options(num_cpus=0, scheduling_strategy=affinity(node["NodeID"], soft=False)).remote(_PACKAGES)
        for node in others
    ]
    own = _versions(_PACKAGES)
    faults = [
        fault for found in _answers(ray, asked, "a machine did not answer") for fault in version_faults(own, found)
    ]
    if faults:
        raise SettingError(f"workers do not match this process: {'; '.join(faults)}. Install the same versions there.")


def version_faults(own: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """What another machine has otherwise than this one, in words."""
    faults = []
    for name, version in own.items():
        there = found.get(name, "")
        if name == "host" or there == version:
            continue
        faults.append(
            f"{found['host']} has {name} {there}, here is {version}" if there else f"{found['host']} has no {name}"
        )
    return faults


def _by_value(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function as one of the main module, which Ray sends whole and not by name."""
    import types

    names = {"__builtins__": __builtins__}
    copied = types.FunctionType(function.__code__, names, function.__name__)
    copied.__module__ = "__main__"
    return copied


def _check_alike(cards: Sequence[WorkerCard]) -> None:
    """Sees that all workers make the same bits.

    Raises:
        SettingError: They differ in devices, threads or libraries.
    """
    kinds: dict[str, list[WorkerCard]] = {}
    for card in cards:
        kinds.setdefault(card.numerics, []).append(card)
    if len(kinds) > 1:
        groups = "; ".join(f"{', '.join(map(str, group))}" for group in kinds.values())
        raise SettingError(
            f"the workers are of {len(kinds)} kinds, whose results differ in their last bits: {groups}. Give "
            "each machine of the cluster the same devices, threads and versions of libraries."
        )


def here() -> str:
    """The folder in which relative paths begin."""
    return os.getcwd()  # noqa: PTH109 - as text, for another machine
