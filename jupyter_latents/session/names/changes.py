"""What processors do to pictures before they are brought to their size, and to latents in their place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from jupyter_latents.engine import pictured
from jupyter_latents.errors import HandoffError
from jupyter_latents.processing import chain_of, chain_size, processed
from jupyter_latents.session.names.kinds import is_standing
from jupyter_latents.stage import Address, Stage
from jupyter_latents.wording import option

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.engine import Standing

__all__ = ["as_decoded", "changed", "changed_sizes"]


def changed(images: Iterable[Image], links: Sequence[Address]) -> Iterator[Image]:
    """Pictures of a position after the processors that work before they are brought to their size."""
    for number, image in enumerate(images):
        chain = chain_of(links, number, before=True)
        yield processed(image, chain).convert(image.mode) if chain else image


def changed_sizes(sizes: Sequence[tuple[int, int]], links: Sequence[Address]) -> list[tuple[int, int]]:
    """What `changed` makes of pictures of these sizes."""
    return [chain_size(size, chain_of(links, number, before=True)) for number, size in enumerate(sizes)]


def as_decoded(
    pictures: Sequence[tuple[Any, str]], stage: Stage, pasted: Sequence[Standing], *, foresees: bool
) -> tuple[tuple[Any, str], ...]:
    """Those in the place of pictures, latents among them changed by the processors that stand for them.

    Args:
        pictures: Pictures and latents, each with what to call it.
        stage: The stage that takes them.
        pasted: The latents that its processors take besides.
        foresees: Whether networks do not run.

    Raises:
        JupyterLatentsError: There are more chains of processors than latents, or one cannot change them.
    """
    links, dest = stage.img2img_latents_processors, "img2img_latents_processors"
    if not links:
        return tuple(pictures)
    count, several = sum(is_standing(item) for item, _ in pictures), 1 + sum(link.name == "+" for link in links)
    if several > count:
        raise HandoffError(
            f"{option(dest)} has chains for {several} latents in the place of a picture, and there are "
            f"{count or 'none'}. A + begins the chain of the next latents.",
            option=dest,
        )
    numbers = iter(range(count))
    return tuple(
        (pictured(item, next(numbers), stage, pasted, foreseen=foresees) if is_standing(item) else item, name)
        for item, name in pictures
    )
