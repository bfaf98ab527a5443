"""One thread, one engine, one set of tiny models for all tests of the engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_latents.engine.local import LocalEngine
from tests.engine.cases import Bench
from tests.tiny.fixtures import one_thread, tiny, tiny_hub  # noqa: F401


@pytest.fixture(scope="session")
def bench(tiny: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Bench:  # noqa: F811
    """An engine whose models stay loaded."""
    return Bench(LocalEngine(), tiny, tmp_path_factory.mktemp("handed-over"))
