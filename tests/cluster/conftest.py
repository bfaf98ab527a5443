"""Two workers of a real Ray, started once for all tests of a module."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from jupyter_latents.cluster import ray_engine
from jupyter_latents.cluster.engine import RayEngine
from jupyter_latents.cluster.starting import Connection, _library
from jupyter_latents.settings import Settings
from tests.tiny.fixtures import one_thread  # noqa: F401


@pytest.fixture(scope="session")
def ray_library() -> Any:
    """Ray, imported as the engine imports it: it reads its settings then."""
    return _library(None)


@pytest.fixture(scope="module")
def ray() -> Iterator[RayEngine]:
    """An engine with two workers of one thread each, on machines with more cores too."""
    import torch

    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system cannot keep workers to two cores")
    threads = torch.get_num_threads()
    cores = os.sched_getaffinity(0)
    if len(cores) < 2:
        pytest.skip("two workers need two cores")
    os.sched_setaffinity(0, sorted(cores)[:2])
    torch.set_num_threads(1)
    os.environ.setdefault("RAY_worker_niceness", "0")  # of 15, as Ray has it, they starve beside other tests
    try:
        yield ray_engine(None, Settings())
    finally:
        Connection.end()
        torch.set_num_threads(threads)
        os.sched_setaffinity(0, cores)
