"""What a stage is known by: a digest of all that decides its steps, and nothing that does not.

Every field of all that goes in enters, but those of which `OUT` says why not.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from jupyter_latents.engine import network_files
from jupyter_latents.stage import Address

if TYPE_CHECKING:
    from jupyter_latents.engine import Inputs, StageResult
    from jupyter_latents.session.models import Models
    from jupyter_latents.stage import Stage

__all__ = ["OUT", "Out", "fingerprint", "key_of", "seal"]


@dataclass(frozen=True, slots=True)
class Out:
    """A field stays out of the digest.

    Attributes:
        why: Why two values of it give the same steps, or why they are told apart otherwise.
    """

    why: str


_STORY = Out("tells how latents came to be; their tensors say what they are")

OUT: Mapping[str, Mapping[str, Out]] = MappingProxyType(
    {
        "Stage": {
            "guidance_asked": Out("says whether the scale is told where it changes nothing"),
            "image_seed": Out("what it stands for enters, as inputs"),
            "output": Out("says where files go"),
            "into": Out("says which variable is bound"),
            "force": Out("runs the same steps anew"),
            "latents_post_processors": Out("done to what the steps made, after them"),
            "post_processors": Out("done to the pictures of what the steps made"),
            "sweep": Out("says which of several stages it is; what they differ in enters"),
        },
        # The addons' files enter by the model's identity; their addresses enter, so that results say the right ones.
        "ModelSource": {
            "auth_token": Out("opens the hub, and is to be written nowhere"),
            "offline": Out("says where files come from; their content enters"),
        },
        "LatentsProcessor": {"other": Out("what it stands for enters, as inputs")},
        "Window": {"end": Out("a longer result holds the steps of a shorter one")},
        "Inputs": {
            "asked": Out("the pictures are at their size already"),
            "notes": Out("tells how the pictures were read"),
            "decoded": Out("what stands in the place of their pictures enters, and who decodes them, as numerics"),
        },
        "Latents": {"trajectory": Out("steps before these latents are not run again")},
        "Provenance": {
            **dict.fromkeys(("revision", "prompt", "negative_prompt", "guidance_scale", "operation"), _STORY),
            **dict.fromkeys(("parents", "cell"), _STORY),
        },
    }
)
"""Class to field to why it stays out of a stage's digest. Every other field enters, those to come too."""


def key_of(stage: Stage, inputs: Inputs, models: Models) -> str:
    """A digest of all that decides a stage's steps, where they end left out.

    Args:
        stage: What is asked for.
        inputs: Its inputs, as `stand_ins.digest_inputs` gives them.
        models: Says of its model what files, libraries and devices make of it.

    Returns:
        The digest; empty where the stage makes something else each time: with a seed at random, or through code of
        somebody's own; and where the files of a network that changes its latents are not here.

    Raises:
        ModelError: The stage names a device or dtype that is not there.
    """
    networks = network_files(stage)
    if not _has_seed(stage, inputs) or networks is None:
        return ""
    spaces = [latents.space for latents in inputs.latents if latents.space is not None]
    numerics = models.engine.numerics(stage.model, spaces, inputs.decoded)
    if numerics is None:
        return ""
    whole = (fingerprint(stage), fingerprint(inputs), models.card(stage.model).identity, numerics, networks)
    return hashlib.sha256(repr(whole).encode()).hexdigest()


def _has_seed(stage: Stage, inputs: Inputs) -> bool:
    """Latents without a seed of their own, or of several, go on with one at random."""
    own = {latents.provenance.seed for latents in inputs.latents}
    return stage.seed is not None or (len(own) == 1 and own != {None})


def seal(result: StageResult) -> int:
    """A checksum of a result's latents and pictures: another one says that somebody changed them in place."""
    from jupyter_latents.latents.clip import Clip
    from jupyter_latents.latents.tensors import checksum

    sum_ = 0
    for latents in (*result.latents.trajectory, result.latents):
        sum_ = checksum(latents, sum_)
    for picture in result.images:
        for frame in picture if isinstance(picture, Clip) else (picture,):
            sum_ = zlib.crc32(frame.tobytes(), sum_)
    return sum_


_PLAIN = frozenset({type(None), bool, int, float, str})


def fingerprint(value: Any) -> str:
    """Text that tells a value from every other: fields without those in `OUT`, tensors and pictures by their bytes."""
    return repr(value) if type(value) in _PLAIN else _fingerprint(value)


def _fingerprint(value: Any) -> str:
    import torch
    from PIL.Image import Image

    if isinstance(value, Address):
        value = str(value)  # its text tells all of it
    if is_dataclass(value):
        kind: Any = type(value)
        return repr([(name, fingerprint(getattr(value, name))) for name in _entering(kind)])
    if isinstance(value, torch.Tensor):
        return _of_tensor(value)
    if isinstance(value, Image):
        return f"{value.mode}{value.size}{hashlib.sha256(value.tobytes()).hexdigest()}"
    if isinstance(value, Mapping):
        return repr([(name, fingerprint(item)) for name, item in sorted(value.items())])
    if isinstance(value, (list, tuple)):
        return repr([fingerprint(item) for item in value])
    return repr(value)


@cache
def _entering(kind: type) -> tuple[str, ...]:
    out = OUT.get(kind.__name__, {})
    return tuple(one.name for one in fields(kind) if one.name not in out)


def _of_tensor(tensor: Any) -> str:
    """By bytes and layout, since kernels round by layout."""
    import torch

    from jupyter_latents.latents.tensors import tensor_bytes

    layout = [tensor.is_contiguous()]
    layout += [tensor.is_contiguous(memory_format=torch.channels_last)] if tensor.dim() == 4 else []
    return f"{tensor.dtype}{tuple(tensor.shape)}{layout}{hashlib.sha256(tensor_bytes(tensor)).hexdigest()}"
