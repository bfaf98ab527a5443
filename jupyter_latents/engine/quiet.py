"""What libraries say while a run goes on, gathered instead of spilled into the cell's output.

Only the libraries' own public switches are used, and each is put back as it was.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

from jupyter_latents.errors import LatentsWarning

__all__ = ["gathered"]


class _Teller(logging.Handler):
    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Tells one message, named after its library."""
        self._tell(f"{record.name.partition('.')[0]}: {record.getMessage()}")


@contextmanager
def gathered(tell: Callable[[str], None], own: Callable[[str], None]) -> Iterator[None]:
    """Hands log messages, warnings and progress bars of diffusers, transformers and the hub to `tell`.

    Args:
        tell: Is given one message at a time.
        own: Is given this package's own warnings, such as of a damaged file.
    """
    with ExitStack() as stack:
        caught = stack.enter_context(warnings.catch_warnings(record=True))
        _silence_libraries(_Teller(tell), stack)
        yield
    for warning in caught:
        if issubclass(warning.category, LatentsWarning):
            own(str(warning.message))
            continue
        if issubclass(warning.category, (DeprecationWarning, PendingDeprecationWarning)):
            continue  # for the libraries' own authors
        tell(f"{warning.category.__name__}: {warning.message}")


def _silence_libraries(handler: logging.Handler, stack: ExitStack) -> None:
    from huggingface_hub import utils as hub_utils
    from transformers.utils import logging as transformers_logging

    _quiet(transformers_logging, handler, stack)
    from diffusers.utils import logging as diffusers_logging

    _quiet(diffusers_logging, handler, stack)
    hub: Any = hub_utils
    if not hub.are_progress_bars_disabled():
        hub.disable_progress_bars()
        stack.callback(hub.enable_progress_bars)


def _quiet(library: ModuleType, handler: logging.Handler, stack: ExitStack) -> None:
    """Switches one library's own handler and bars off until the stack unwinds."""
    library.disable_default_handler()
    library.add_handler(handler)
    stack.callback(library.enable_default_handler)
    # not by its own remove_handler, which in transformers up to 5.3 fails on a handler that is there
    stack.callback(logging.getLogger(library.__name__.partition(".")[0]).removeHandler, handler)
    if library.is_progress_bar_enabled():
        library.disable_progress_bar()
        stack.callback(library.enable_progress_bar)
