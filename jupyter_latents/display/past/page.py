"""A gallery as one self-contained output: the pictures show without its script, which copies and searches."""

from __future__ import annotations

import base64
import io
import time
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jupyter_latents.display.pictures.images import data_uri, jpeg, montage, png
from jupyter_latents.display.scripts import gallery_script, gallery_style
from jupyter_latents.display.static_html import script_json
from jupyter_latents.display.texts import duration
from jupyter_latents.wording import as_html, visible

if TYPE_CHECKING:
    from jupyter_latents.session import Session
    from jupyter_latents.session.results import PastResult

__all__ = ["gallery_bundle", "gallery_data", "gallery_text", "small"]

_SIDES = (192, 144, 112, 88, 64, 48)
_PNG_PART = 0.12
_IN_PNG = 12
_FEWER = 0.7
_LONGEST = 20_000  # characters of a cell


def gallery_data(session: Session, found: Sequence[PastResult]) -> dict[str, Any]:
    """What the script draws, without pictures: each result, and its cells by the numbers of their lines.

    Args:
        session: The session.
        found: The results.
    """
    lines: dict[str, int] = {}

    def numbers(cell: str) -> list[int]:
        if len(cell) > _LONGEST:
            return []
        return [lines.setdefault(line, len(lines)) for line in cell.rstrip("\n").split("\n")] if cell else []

    items = [
        {
            "id": one.number,
            "name": one.name,
            "prompt": visible(one.prompt),
            "model": visible(one.model),
            "seed": one.seed,
            "noise": one.noise,
            "place": one.place,
            "at": round(one.made_at, 1),
            "cell": numbers(session.cell_of_result(one)),
            "next": numbers(session.cell_onward(one)),
        }
        for one in found
    ]
    return {"items": items, "lines": list(lines), "count": len(items)}


def gallery_text(found: Sequence[PastResult]) -> str:
    """The results as lines of text."""
    if not found:
        return "no results yet; a %%dgen cell makes them."
    return visible(
        "\n".join(
            "  ".join(
                filter(
                    None,
                    (
                        one.name or f"result {one.number}",
                        one.prompt[:60],
                        "" if one.seed is None else f"seed {one.seed}",
                        one.noise,
                        one.model,
                        f"{duration(max(0.0, time.time() - one.made_at))} ago",
                    ),
                )
            )
            for one in found
        )
    )


def gallery_bundle(session: Session, found: Sequence[PastResult], size: int) -> dict[str, Any]:
    """A gallery as a display bundle.

    Args:
        session: The session.
        found: The results.
        size: Bytes that it may have: pictures are made smaller until it fits, then the oldest are left out.
    """
    from PIL import Image

    bundle: dict[str, Any] = {"text/plain": gallery_text(found)[: size // 8]}
    pictures = [Image.open(io.BytesIO(content)) for one in found[:_IN_PNG] if (content := session.results.picture(one))]
    if pictures:
        bundle["image/png"] = base64.b64encode(png(montage(pictures), int(size * _PNG_PART))).decode()
    rest = size - sum(len(part) for part in bundle.values())
    shown = list(found)
    for side in _SIDES:
        bundle["text/html"] = _html(session, shown, side, len(found))
        if len(bundle["text/html"].encode()) <= rest:
            return bundle
    while shown and len(bundle["text/html"].encode()) > rest:
        shown = shown[: int(len(shown) * _FEWER)]
        bundle["text/html"] = _html(session, shown, _SIDES[-1], len(found))
    return bundle


def small(session: Session, one: PastResult, side: int) -> bytes:
    """The small picture of a result; empty where it has none.

    Args:
        session: The session.
        one: The result.
        side: Longest side in pixels.
    """
    from PIL import Image

    content = session.results.picture(one)
    return jpeg(Image.open(io.BytesIO(content)), side) if content and side < _SIDES[0] else content


def _html(session: Session, found: Sequence[PastResult], side: int, count: int) -> str:
    data = {**gallery_data(session, found), "count": count}
    key = uuid.uuid4().hex[:12]
    cards = "".join(_card(session, one, side) for one in found)
    told = f'<b class="jl-title">Gallery</b> <span class="jl-status">{_told(len(found), count)}</span>'
    return (
        f'<div data-jl="{key}" class="jl"><style>{gallery_style()}</style>'
        f'<div class="jl-head">{told}</div><div class="jl-body"><div class="jl-cards">{cards}</div></div>'
        f'<script type="application/json" class="jl-data">{script_json(data)}</script>'
        f"<script>(() => {{\n{gallery_script(key)}\n}})();</script></div>"
    )


def _told(shown: int, count: int) -> str:
    """How many there are, and how many of them the page holds."""
    if not count:
        return "this session · no results yet"
    results = f"this session · {count} results" if count > 1 else "this session · 1 result"
    return results if shown == count else f"{results}, the newest {shown} here"


def _card(session: Session, one: PastResult, side: int) -> str:
    content = small(session, one, side)
    picture = f'<img alt="" src="{data_uri(content)}">' if content else '<div class="jl-none"></div>'
    name = f"<b>{as_html(one.name)}</b>" if one.name else f'<b class="jl-unnamed">result {one.number}</b>'
    badge = f'<span class="jl-part"><i>step </i>{one.place}</span>' if one.place else ""
    seed = "" if one.seed is None else f"seed {one.seed}"
    return (
        f'<figure class="jl-card"><div class="jl-shot">{picture}{badge}</div><figcaption>{name}'
        f'<span class="jl-says">{as_html(one.prompt)}</span><span>{seed}</span></figcaption></figure>'
    )
