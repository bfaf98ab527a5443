"""Several results at the end of a cell: latents as a run that has ended, pictures without latents side by side."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jupyter_latents.display.pictures.images import data_uri, montage, png
from jupyter_latents.display.pictures.images import shown as shown_as
from jupyter_latents.display.records.of_several import Pictured, record_of_several
from jupyter_latents.display.scripts import page_style
from jupyter_latents.display.static_html import run_bundle
from jupyter_latents.wording import as_html

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.latents.clip import Clip

__all__ = ["named_items", "pictures_bundle", "several_bundle"]

_PNG_SHARE = 0.2
_MOST = 1_000
_SIDES = (512, 384, 256, 192, 128, 96, 64, 48, 32, 16)


def several_bundle(several: Sequence[Pictured], heading: str, text: str, size: int) -> dict[str, Any]:
    """Several latents as one output.

    Args:
        several: The latents with their pictures.
        heading: What to call them.
        text: The same as text.
        size: Bytes that the output may have.
    """
    if not several:
        return {"text/plain": text}
    return run_bundle(record_of_several(several, heading), size, text)


def pictures_bundle(pictures: Sequence[Image | Clip], labels: Sequence[str], text: str, size: int) -> dict[str, Any]:
    """Several pictures as one output.

    Args:
        pictures: The pictures.
        labels: What stands below each; empty for nothing.
        text: The same as text.
        size: Bytes that the output may have.
    """
    from jupyter_latents.latents.clip import stills

    still = base64.b64encode(png(montage(stills(pictures)), int(size * _PNG_SHARE))).decode()
    html = ""
    for side in _SIDES:
        html = _figures(pictures, labels, side)
        if len(html) + len(still) + len(text) <= size:
            break
    return {"text/plain": text, "text/html": html, "image/png": still}


def _figures(pictures: Sequence[Image | Clip], labels: Sequence[str], side: int) -> str:
    cells = "".join(
        f'<figure class="jl-cell" tabindex="0"><img alt="{as_html(label) or f"picture {number + 1}"}" '
        f'src="{data_uri(shown_as(picture, side))}"><figcaption>{as_html(label)}</figcaption></figure>'
        for number, (picture, label) in enumerate(zip(pictures, labels, strict=True))
    )
    body = f'<div class="jl-body"><div class="jl-grid">{cells}</div></div>'
    return f'<div class="jl"><style>{page_style()}</style>{body}</div>'


def named_items(value: object) -> list[tuple[str, Any]] | None:
    """The latents or pictures of a list, tuple or dict with their names there; None where it holds anything else.

    Args:
        value: Any value.
    """
    if isinstance(value, Mapping):
        items = [(str(name), one) for name, one in value.items()]
    elif isinstance(value, (list, tuple)):
        items = [(f"[{number}]", one) for number, one in enumerate(value)]
    else:
        return None
    kinds = {_kind(one) for _, one in items[:_MOST]}
    return items if items and len(items) <= _MOST and len(kinds) == 1 and kinds != {""} else None


def _kind(one: object) -> str:
    """What a value is, told without importing anything."""
    names = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(one).__mro__}
    if "jupyter_latents.latents.value.Latents" in names:
        return "latents"
    return "picture" if names & {"PIL.Image.Image", "jupyter_latents.latents.clip.Clip"} else ""
