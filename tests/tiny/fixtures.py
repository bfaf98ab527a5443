"""Fixtures over the tiny pipelines; ``conftest.py`` imports them."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from tests.tiny.store import hub_cache, save_folder


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny models are too small to share between threads."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def _once(factory: pytest.TempPathFactory, name: str, write: Callable[[Path], object]) -> Path:
    """A folder that the first of several test processes writes and all of them read."""
    base = factory.getbasetemp()
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "tiny"
    root.mkdir(exist_ok=True)
    with FileLock(root / f"{name}.lock"):
        if not (root / name).exists():
            write(root / f"{name}.part")
            (root / f"{name}.part").rename(root / name)
    return root / name


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``tiny(name)`` is the diffusers folder of a family, written when first asked for and kept for the session."""

    @functools.cache
    def folder(name: str) -> Path:
        return _once(tmp_path_factory, name, lambda part: save_folder(name, part))

    return folder


@pytest.fixture(scope="session")
def tiny_hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub cache with every published name of ``tests.tiny.PUBLISHED``."""
    return _once(tmp_path_factory, "hub", hub_cache)
