"""`gallery()` opens the gallery of the kernel's session."""

from __future__ import annotations

from jupyter_latents.display.past.showing import Gallery
from jupyter_latents.display.wiring import session_here
from jupyter_latents.errors import SettingError
from jupyter_latents.latents.arguments import shown
from jupyter_latents.settings import SETTINGS

__all__ = ["gallery"]


def gallery(search: str = "") -> Gallery:
    """This session's results, the newest first: small picture, prompt, seed, model and age.

    A click chooses one: its cell is copied, or put into the notebook, it is bound to a name, or gone on from. In a
    saved notebook, without a kernel, the pictures and the copies stay.

    Args:
        search: Words that the prompt, name, model or seed must hold.

    Raises:
        SettingError: It is no text.
    """
    given: object = search
    if not isinstance(given, str):
        raise SettingError(f"search is {shown(given)}; give words of a prompt, such as gallery('sunset').")
    return Gallery(session_here(), search, SETTINGS.output_size)
