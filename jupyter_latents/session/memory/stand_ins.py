"""What a stage is known by where latents become pictures: those latents, since a plan decodes nothing."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from jupyter_latents.errors import HandoffError
from jupyter_latents.session.memory.identity import fingerprint
from jupyter_latents.session.names.kinds import is_outline
from jupyter_latents.session.names.sizes import sizes_of

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.engine import Inputs, ModelCard
    from jupyter_latents.latents.spaces import Space
    from jupyter_latents.session.names.resolve import Resolver
    from jupyter_latents.stage import Stage

__all__ = ["digest_inputs"]


def digest_inputs(resolver: Resolver, stage: Stage, model: ModelCard) -> Inputs:
    """The inputs that the digest of a stage is made of, the same for its plan and its run.

    Args:
        resolver: Looks them up.
        stage: What is asked for.
        model: Its model.

    Returns:
        Its inputs; in the place of pictures that latents become, others of their size that tell these latents from all
        others. Which VAE decodes them is told by the engine's numerics.

    Raises:
        JupyterLatentsError: See `Resolver.inputs`; nobody knows which latents a picture's will be.
    """
    return replace(resolver, decode=partial(_stand_in, model.space), foresees=True).inputs(stage, model)


def _stand_in(space: Space, latents: Any, _stage: Stage, name: str) -> list[Image]:
    import PIL.Image

    if is_outline(latents) and not latents.made:
        raise HandoffError("these latents are made at the run.")
    sizes = sizes_of([(latents, name)], space)
    said = [hashlib.sha256(f"{number} {fingerprint(latents)}".encode()).digest() for number in range(len(sizes))]
    pictures = [PIL.Image.frombytes("L", (len(digest), 1), digest) for digest in said]
    return [picture.resize(size, PIL.Image.Resampling.NEAREST) for picture, size in zip(pictures, sizes, strict=True)]
