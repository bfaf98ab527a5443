"""What libraries say while a run goes on, gathered instead of spilled into the cell's output.

Only the libraries' own public switches are used, and each is put back as it was.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

from jupyter_latents.errors import LatentsWarning

__all__ = ["Tell", "gather_messages", "silenced"]

Tell = Callable[[str, bool], None]
"""Is given one message of a library at a time, whole, and whether it matters to who runs the script."""

_LIBRARIES = ("transformers", "diffusers")
_OF_THE_CALL = ("diffusers.pipelines", "diffusers.schedulers")
"""Who logs what a call comes to, such as a prompt that is cut; the rest speaks of files, versions, installations."""
_TO_PROGRAMMERS = (DeprecationWarning, PendingDeprecationWarning, FutureWarning, ImportWarning, ResourceWarning)
_switching = threading.Lock()
_switched = ExitStack()
_asking: list[object] = []


class _Teller(logging.Handler):
    def __init__(self, tell: Tell) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Tells one message, named after its library."""
        matters = record.levelno >= logging.ERROR or record.name.startswith(_OF_THE_CALL)
        self._tell(f"{record.name.partition('.')[0]}: {record.getMessage().strip()}", matters)


@contextmanager
def gather_messages(tell: Tell) -> Iterator[None]:
    """Hands log messages, warnings and progress bars of diffusers, transformers and the hub to `tell`.

    Args:
        tell: Is given what they say; this package's own warnings go on their way at the end.
    """
    caught: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as caught, silenced(), _heard(_Teller(tell)):
            warnings.simplefilter("always", LatentsWarning)
            yield
    finally:
        for warning in caught:
            _pass_on(warning, tell)


def _pass_on(warning: warnings.WarningMessage, tell: Tell) -> None:
    if issubclass(warning.category, LatentsWarning):
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    else:
        matters = not issubclass(warning.category, _TO_PROGRAMMERS)
        tell(f"{warning.category.__name__}: {str(warning.message).strip()}", matters)


@contextmanager
def _heard(handler: logging.Handler) -> Iterator[None]:
    """Hands what libraries log to a handler."""
    loggers = [logging.getLogger(name) for name in _LIBRARIES]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)


@contextmanager
def silenced() -> Iterator[None]:
    """Switches the libraries' own handlers and bars off; several threads may ask, and the last one puts them back."""
    with _switching:
        _asking.append(object())
        if len(_asking) == 1:
            _silence(_switched)
    try:
        yield
    finally:
        with _switching:
            _asking.pop()
            if not _asking:
                _switched.close()


def _silence(stack: ExitStack) -> None:
    from huggingface_hub import utils as hub_utils
    from transformers.utils import logging as transformers_logging

    _quiet(transformers_logging, stack)
    from diffusers.utils import logging as diffusers_logging

    _quiet(diffusers_logging, stack)
    stack.enter_context(_heard(logging.NullHandler()))  # without any handler Python's own writes to stderr
    hub: Any = hub_utils
    if not hub.are_progress_bars_disabled():
        hub.disable_progress_bars()
        stack.callback(hub.enable_progress_bars)


def _quiet(library: ModuleType, stack: ExitStack) -> None:
    """Switches one library's own handler and bars off until the stack unwinds."""
    library.disable_default_handler()
    stack.callback(library.enable_default_handler)
    if library.is_progress_bar_enabled():
        library.disable_progress_bar()
        stack.callback(library.enable_progress_bar)
