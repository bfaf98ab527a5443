"""Runs stages on several workers: processes of this machine, or a cluster of Ray's.

`WorkSchedule` says which worker does what, without Ray. Importing this page imports neither Ray nor torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_latents.cluster.schedule import Assignment, WorkSchedule

if TYPE_CHECKING:
    from jupyter_latents.cluster.engine import RayEngine as RayEngine
    from jupyter_latents.settings import Settings

__all__ = ["Assignment", "WorkSchedule", "ray_engine"]


def ray_engine(address: str | None, settings: Settings) -> RayEngine:
    """An engine that runs stages on workers; it starts them.

    Args:
        address: Of the head of a cluster, ``host:port``; None for workers of this machine alone.
        settings: Say how much memory the models of each may take.

    Raises:
        SettingError: Ray is not installed, cannot be started, or is not at that address; or a worker does not match.
    """
    from jupyter_latents.cluster.engine import RayEngine
    from jupyter_latents.cluster.starting import Connection

    return RayEngine(Connection.start(address), settings)
