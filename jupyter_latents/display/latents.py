"""`Latents` values as display bundles: a picture, the facts, the channels."""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING, Any

from jupyter_latents.display.pictures.channels import quantise
from jupyter_latents.display.pictures.images import data_uri, montage, png
from jupyter_latents.display.pictures.images import shown as shown_as
from jupyter_latents.display.scripts import page_style
from jupyter_latents.wording import as_html

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.Image import Image

    from jupyter_latents.latents.clip import Clip
    from jupyter_latents.latents.value import Latents

__all__ = ["latents_bundle"]

_PNG_LIMIT = 60_000
_PICTURE = 512


def latents_bundle(latents: Latents, pictures: Sequence[Image | Clip]) -> dict[str, Any]:
    """A latents value as picture, facts and channels.

    Args:
        latents: The value.
        pictures: Its pictures or clips, one an item of the batch; may be empty.

    Returns:
        ``text/plain``, ``text/html`` and, where there are pictures, ``image/png`` (base64).
    """
    columns = max(1, math.ceil(len(pictures) ** 0.5))
    side = max(64, _PICTURE // columns)
    shown = "".join(
        f'<img class="jl-large" alt="{as_html(_alt(latents, number, len(pictures)))}" '
        f'src="{data_uri(shown_as(picture, side))}">'
        for number, picture in enumerate(pictures)
    )
    rows = "".join(
        f"<tr><th>{as_html(name)}</th><td>{as_html(text)}</td></tr>" for name, text in latents.facts().items()
    )
    channels = quantise(latents.tensor[0].float().numpy())
    tiles = (
        f'<div class="jl-tiles"><img class="jl-tiles-still" alt="the {channels.count} channels of the latents" '
        f'src="{data_uri(channels.tiles(), "png")}"></div>'
    )
    bundle: dict[str, Any] = {
        "text/plain": repr(latents),
        "text/html": (
            f'<div class="jl"><style>{page_style()}</style><div class="jl-body"><div class="jl-main">'
            f'<div class="jl-stage"><div class="jl-many" style="--jl-columns:{columns}">{shown}</div></div>'
            f'<div class="jl-side"><table class="jl-facts">{rows}</table>{tiles}</div></div></div></div>'
        ),
    }
    return _with_png(bundle, pictures)


def _with_png(bundle: dict[str, Any], pictures: Sequence[Image | Clip]) -> dict[str, Any]:
    if pictures:
        from jupyter_latents.latents.clip import stills

        bundle["image/png"] = base64.b64encode(png(montage(stills(pictures)), _PNG_LIMIT)).decode()
    return bundle


def _alt(latents: Latents, number: int, count: int) -> str:
    prompt = latents.provenance.prompt or "latents"
    return prompt if count == 1 else f"{prompt}, {number + 1} of {count}"
