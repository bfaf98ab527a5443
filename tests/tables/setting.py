"""Where tables are made: an engine, tiny models in a folder of their own, and the versions that made them."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from pathlib import Path

from tests.engine.cases import Bench

__all__ = ["bench", "versions"]


@contextmanager
def bench() -> Iterator[Bench]:
    """A bench outside pytest, on one thread, with libraries quiet."""
    import torch
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    from jupyter_latents.engine.local import LocalEngine
    from tests.tiny import save_folder

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for library in (diffusers_logging, transformers_logging):
        library.set_verbosity_error()
        library.disable_progress_bar()
    with tempfile.TemporaryDirectory() as root:

        @cache
        def folder(name: str) -> Path:
            return save_folder(name, Path(root) / name)

        yield Bench(LocalEngine(), folder, Path(root))


def versions() -> str:
    """One line: what the table was made with."""
    names = ("torch", "diffusers", "transformers")
    return ", ".join(f"{name} {metadata.version(name)}" for name in names)
