"""Hypothesis strategies for the values of the script language."""

from __future__ import annotations

import keyword
import random
from collections.abc import Iterator

from hypothesis import strategies as st

from jupyter_latents.stage import AdapterImage, ImageSeed, Reference, Size

PIECES = (
    "{{", "}}", "{%", "%}", "{#", "#}", '"', "'", "\\", "\n", "\n\n", " ", "--prompts", "--image-seeds", "latents:",
    "images:", ";", "mask=", "base", "a.png", ",", "+", "|", "resize=512", "#", "$HOME", "%X%", "${A}", "\\set x 1",
    "\\setp y x*2",
    "a.png;", "latents: ", "\\print", "\\exit", "if x", "endif", "for i in range(3)", "endfor",
    "set a", "endset", "raw", "endraw",
    "-", "--", "--seeds", "1", "0.5", "é", "\x00", "\t", "--denoising-start", "quote(last_images)", "macro m()",
    'include "x"', "import os", "x.__class__", "i", "loop", "!END", "https://a.b/c,d", "adapter:", "floyd=", "=",
    "--sigmas",
    "--scheduler", "noise;sigma=1", "--latents-processors", "{", "}", "\\\\", '\\"', "\x02", "\x03", "\r", "\u2028",
)  # fmt: skip
"""Pieces of scripts, whole and broken."""


def broken_texts(count: int, seed: int = 0) -> Iterator[str]:
    """Yields texts that look like scripts here and there; the same ones for the same seed."""
    source = random.Random(seed)
    for _ in range(count):
        gap = source.choice(["", " ", "\n"])
        yield gap.join(source.choice(PIECES) for _ in range(source.randrange(20)))


words = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=20)
"""Words of a logical line: any printable text."""

variables = st.from_regex(r"[a-z_][a-z0-9_]{0,8}(\[-?[0-9]\])?", fullmatch=True).filter(
    lambda name: not keyword.iskeyword(name)
)
paths = st.one_of(
    st.from_regex(r"(\.\./|/|[A-Z]:\\)?[a-z0-9_]{1,8}/[a-z0-9_]{1,8}\.(png|pt|safetensors)", fullmatch=True),
    words.filter(lambda text: text.strip() and not text.lower().startswith(("http://", "https://"))),
)
urls = st.from_regex(r"https?://[a-z]{1,8}\.org/[a-z0-9/_.,:;=+-]{0,12}", fullmatch=True)

references = st.one_of(
    st.builds(Reference, variables, st.just("variable")),
    st.builds(Reference, paths, st.just("path")),
    st.builds(Reference, urls, st.just("url")),
)
sizes = st.builds(Size, st.integers(64, 4096), st.integers(64, 4096))
maybe_align = st.none() | st.integers(1, 64)
adapter_images = st.builds(
    AdapterImage, references, resize=st.none() | sizes, aspect=st.none() | st.booleans(), align=maybe_align
)


@st.composite
def image_seeds(draw: st.DrawFn) -> ImageSeed:
    """Image seeds that hold together."""
    images = tuple(draw(st.lists(references, max_size=3)))
    masks = tuple(draw(st.lists(references, min_size=count, max_size=count))) if (
        count := draw(st.sampled_from([0, 1, len(images)]))
    ) and images else ()  # fmt: skip
    count = len(images) if images else draw(st.integers(1, 3))
    latents = tuple(draw(st.lists(references, min_size=count, max_size=count))) if draw(st.booleans()) else ()
    controls = tuple(draw(st.lists(references, max_size=2)))
    adapters = tuple(draw(st.lists(st.lists(adapter_images, min_size=1, max_size=2).map(tuple), max_size=2)))
    if not (images or latents or controls or adapters):
        images = (draw(references),)
    frames = sorted(draw(st.lists(st.integers(0, 99), max_size=2))) if images else []
    plain = images and not (latents or controls or adapters)
    return ImageSeed(
        images=images,
        masks=masks,
        latents=latents,
        controls=controls,
        adapters=adapters,
        floyd=draw(st.none() | references) if plain else None,
        resize=(size := draw(st.none() | sizes) if images else None),
        aspect=draw(st.none() | st.booleans()) if size else None,
        align=draw(maybe_align) if images else None,
        frame_start=frames[0] if frames else None,
        frame_end=frames[1] if len(frames) > 1 else None,
        batch=len(images) > 1 or (bool(images) and draw(st.booleans())),
    )
