"""Gives latents their pictures: the session's decoding and this room's bundles, as `latents.services`."""

from __future__ import annotations

from collections.abc import MutableMapping
from functools import partial
from typing import TYPE_CHECKING, Any

from jupyter_latents import session as sessions
from jupyter_latents.display.choice import shows_pictures
from jupyter_latents.display.pictures.arrangement import arranged
from jupyter_latents.display.screens import shell
from jupyter_latents.display.tables.plan import show_plans
from jupyter_latents.display.values import bundle_of, name_of, show_values

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.latents.clip import Clip
    from jupyter_latents.latents.sequence import LatentsSequence
    from jupyter_latents.latents.sheet import Sheet
    from jupyter_latents.latents.value import Latents
    from jupyter_latents.session import Session

__all__ = ["session_here", "session_with_display"]


def session_here() -> Session:
    """The session of the shell that runs here; where there is none, that of the process."""
    return session_with_display(getattr(shell(), "user_ns", None))


def session_with_display(names: MutableMapping[str, Any] | None = None) -> Session:
    """The kernel's session, with decoding and display provided to all latents, and plans shown as tables.

    Args:
        names: The kernel's namespace.
    """
    from jupyter_latents.latents import services

    session = sessions.current(names)
    services.provide(
        services.Services(
            session.decode,
            session.preview,
            lambda latents: _bundle(session, latents),
            lambda several: _grid(session, several),
            session.fits,
            _view,
            _arguments,
            session.texts,
            lambda several, x, y: _sheet(session, several, x, y),
            session.cell,
        )
    )
    running = shell()
    if running is not None:
        show_plans(running)
        own, size = session.names, session.settings
        show_values(running, lambda value: bundle_of(value, partial(_pictures, session), own, size.output_size))
    return session


def _grid(session: Session, several: LatentsSequence) -> dict[str, Any]:
    from jupyter_latents.display.records.of_several import Pictured
    from jupyter_latents.display.several import several_bundle

    if not shows_pictures():
        return {"text/plain": repr(several)}
    name = name_of(several, session.names)
    choices = several.choices or tuple((("", several.label(index)),) for index in range(len(several)))
    shown = [
        Pictured(latents, tuple(_pictures(session, latents)), choice, f"{name}[{index}]" if name else "")
        for index, (latents, choice) in enumerate(zip(several, choices, strict=True))
    ]
    return several_bundle(shown, name or f"{len(several)} latents", repr(several), session.settings.output_size)


def _sheet(session: Session, several: LatentsSequence, x: str, y: str) -> Sheet:
    """The contact sheet of several latents; of a batch its pictures stand together."""
    from jupyter_latents.display.pictures.images import montage
    from jupyter_latents.display.pictures.sheet import draw_sheet
    from jupyter_latents.latents.clip import stills
    from jupyter_latents.latents.sheet import Sheet

    choices = several.choices or ((),) * len(several)
    grid = arranged(choices, x, y)
    pictures = [montage(stills(session.decode(latents))) for latents in several]
    labels = [several.label(index) for index in range(len(several))]
    return Sheet(draw_sheet(pictures, labels, grid), session.texts_of_sheet(several.items))


def _arguments(latents: Latents, pipeline: Any, exact: bool) -> dict[str, Any]:
    from jupyter_latents.engine import call_arguments

    return call_arguments(latents, pipeline, exact=exact)


def _view(latents: Latents) -> Any:
    from jupyter_latents.display.view import view_of

    return view_of(latents)


def _bundle(session: Session, latents: Latents) -> dict[str, Any]:
    from jupyter_latents.display.latents import latents_bundle

    if not shows_pictures():
        return {"text/plain": repr(latents)}
    return latents_bundle(latents, _pictures(session, latents))


def _pictures(session: Session, latents: Latents) -> list[Image | Clip]:
    """Decoded pictures; none where no VAE is at hand, or where it makes no numbers, since a display must not fail."""
    from jupyter_latents.errors import ModelError, RunError

    try:
        return session.decode(latents)
    except (ModelError, RunError):
        return []
