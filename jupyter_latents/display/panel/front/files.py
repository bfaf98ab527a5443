"""The panel's scripts and styles: plain files of the ``static`` folder, those of the view in front of them."""

from __future__ import annotations

from functools import cache
from importlib import resources

from jupyter_latents.display.scripts import page_style, static_file

__all__ = ["front_script", "panel_style"]


def _file(name: str) -> str:
    return resources.files(__package__).joinpath("static", name).read_text("utf-8")


@cache
def front_script(*names: str) -> str:
    """A module made of the panel's own files.

    Args:
        names: Which, in order; the last one exports. What begins with ``/`` is the view's.
    """
    return "\n".join(static_file(name[1:]) if name.startswith("/") else _file(name) for name in names)


@cache
def panel_style() -> str:
    """The view's style sheet, and what the panel has besides."""
    return f"{page_style()}\n{_file('panel.css')}"
