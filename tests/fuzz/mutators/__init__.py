"""The kinds of input; each module of this package holds some in ``MUTATORS``."""

from __future__ import annotations

import importlib
import pkgutil

from tests.fuzz.frame import Mutator

__all__ = ["mutators"]


def mutators() -> list[Mutator]:
    """All kinds of input, by their modules' names."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return [mutator for name in names for mutator in importlib.import_module(f"{__name__}.{name}").MUTATORS]
