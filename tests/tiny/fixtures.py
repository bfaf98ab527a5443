"""Fixtures over the tiny pipelines; ``conftest.py`` imports them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.tiny.store import hub_cache, save_folder


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny models are too small to share between threads."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``tiny(name)`` is the diffusers folder of a family, written when first asked for and kept for the session."""
    root = tmp_path_factory.mktemp("tiny-folders")

    @functools.cache
    def folder(name: str) -> Path:
        return save_folder(name, root / name)

    return folder


@pytest.fixture(scope="session")
def tiny_hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub cache with every published name of ``tests.tiny.PUBLISHED``."""
    return hub_cache(tmp_path_factory.mktemp("tiny-hub"))
