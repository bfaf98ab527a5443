"""Latent spaces, and those that have a name, for files and people that give only that.

The engine reads the numbers from a VAE's own config; the table stands in where there is no VAE.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any

from jupyter_latents.errors import SettingError, nearest
from jupyter_latents.latents.arguments import bounded, number, settle, shown, texts

__all__ = [
    "AXES", "FLOW_SPACES", "SPACES", "UNKNOWN_SPACE", "USUAL", "Space", "find_space", "for_shape", "likely_spaces",
]  # fmt: skip

# The axes that a tensor of latents may have: batch, channels, frames, height, width.
AXES = ("b c h w", "b c f h w")

# Beyond any model's, and small enough that nothing made of them takes memory or time.
_MOST_CHANNELS, _MOST_FACTOR, _MOST_FRAMES = 1 << 16, 1 << 10, 1 << 8
_SCALES = (1e-6, 1e6)

_NAMELESS = frozenset({"own", "unknown", "raw VAE"})  # names that say nothing about the meaning of the values


def _scale(value: object, name: str, *, zero: bool) -> float:
    """A number that values are shifted by (which may be 0) or divided by (which may not)."""
    wanted = f"it is a finite number{'' if zero else ' other than 0'}, {_SCALES[1]:g} at most."
    scale = number(value, f"the {name} of a space", wanted)
    if not (abs(scale) <= _SCALES[1] and (zero or abs(scale) >= _SCALES[0])):
        raise SettingError(f"the {name} of a space is {scale}; {wanted}")
    return scale


def _scales(values: object, name: str, channels: int, *, zero: bool) -> tuple[float, ...]:
    if not isinstance(values, Sequence) or len(values) not in (0, 1, channels):
        raise SettingError(f"the {name} of a space is {shown(values)}; it has one number for each channel, or none.")
    return tuple(_scale(value, name, zero=zero) for value in values)


@dataclass(frozen=True, slots=True, repr=False)
class Space:
    """Which VAE's latent space a tensor lives in: model space = (raw - shift) * scale.

    Its methods alone know how a picture's size and a tensor's shape go together.

    Attributes:
        name: Short name, such as ``SD`` or ``Flux``; ``unknown`` for a VAE that no row of facts names.
        channels: Latent channels of the unpacked tensor.
        factor: Pixels of the picture for one latent pixel.
        scaling_factor: Scale of model space.
        shift_factor: Shift of model space.
        channel_mean: Per-channel mean instead of one shift (Wan and Qwen-Image VAEs), else empty.
        channel_std: Per-channel standard deviation instead of one scale, else empty.
        vae: Digest of the VAE's files, empty when not known.
        axes: The axes of the unpacked tensor, one of `AXES`.
        frame_factor: Frames of the clip for one latent frame; the first latent frame is one frame, as in causal VAEs.
        frame_group: Latent frames after the first come so many at a time: the VAE decodes no others (CogVideoX).
        filler: Latent frames before those of the clip which the denoiser needs, and nobody sees (CogVideoX 1.5).

    Raises:
        SettingError: Axes that are not known, or a number that no space can have.
    """

    name: str
    channels: int
    factor: int = 8
    scaling_factor: float = 1.0
    shift_factor: float = 0.0
    channel_mean: tuple[float, ...] = ()
    channel_std: tuple[float, ...] = ()
    vae: str = ""
    axes: str = AXES[0]
    frame_factor: int = 1
    frame_group: int = 1
    filler: int = 0

    def __post_init__(self) -> None:
        if self.axes not in AXES:
            raise SettingError(f"the axes of a space are {self.axes!r}; known are {' and '.join(map(repr, AXES))}.")
        texts(self, "a space", "name", "vae")
        channels = bounded(self.channels, "the channels of a space", 1, _MOST_CHANNELS)
        settle(
            self,
            channels=channels,
            factor=bounded(self.factor, "the factor of a space", 1, _MOST_FACTOR),
            frame_factor=bounded(self.frame_factor, "the frame_factor of a space", 1, _MOST_FRAMES),
            frame_group=bounded(self.frame_group, "the frame_group of a space", 1, _MOST_FRAMES),
            filler=bounded(self.filler, "the filler of a space", 0, _MOST_FRAMES),
            scaling_factor=_scale(self.scaling_factor, "scaling_factor", zero=False),
            shift_factor=_scale(self.shift_factor, "shift_factor", zero=True),
            channel_mean=_scales(self.channel_mean, "channel_mean", channels, zero=True),
            channel_std=_scales(self.channel_std, "channel_std", channels, zero=False),
        )

    def size_of(self, shape: Sequence[int]) -> tuple[int, int]:
        """(width, height) in pixels of the pictures that latents of this shape are.

        Args:
            shape: Shape of the unpacked tensor, in the order of `axes`.
        """
        lengths = dict(zip(self.axes.split(), shape, strict=True))
        return lengths["w"] * self.factor, lengths["h"] * self.factor

    def shape_for(self, width: int, height: int, batch: int = 1, frames: int = 1) -> tuple[int, ...]:
        """Shape of the unpacked latents of pictures or clips; the inverse of `size_of` for whole latent pixels.

        Args:
            width: Width of the picture in pixels; what goes beyond whole latent pixels is left out.
            height: Its height.
            batch: How many pictures.
            frames: Frames of each clip, where there is an axis of frames.

        Returns:
            Lengths in the order of `axes`.
        """
        across, down = self.cells((width, height))
        lengths = {"b": batch, "c": self.channels, "f": self.latent_frames(frames), "h": down, "w": across}
        return tuple(lengths[axis] for axis in self.axes.split())

    @property
    def moves(self) -> bool:
        """Whether its latents have an axis of frames."""
        return "f" in self.axes.split()

    def frames_of(self, shape: Sequence[int]) -> int:
        """Frames of the clips that latents of this shape are; 1 for pictures.

        Args:
            shape: Shape of the unpacked tensor, in the order of `axes`.
        """
        lengths = dict(zip(self.axes.split(), shape, strict=True))
        return (lengths.get("f", 1) - self.filler - 1) * self.frame_factor + 1

    def latent_frames(self, frames: int) -> int:
        """Latent frames of a clip of so many frames, rounded down, with those that nobody sees."""
        return max(0, frames - 1) // self.frame_factor + 1 + self.filler

    @property
    def frame_step(self) -> int:
        """Frames that a clip has more at least than the next shorter one."""
        return self.frame_factor * self.frame_group

    def seen(self, values: Any) -> Any:
        """The part of latents that is decoded: all but the filler.

        Args:
            values: A tensor of this space.
        """
        return values[:, :, self.filler :] if self.filler else values

    def cells(self, pixels: Sequence[float]) -> tuple[int, ...]:
        """Lengths in picture pixels as whole latent pixels, rounded down."""
        return tuple(int(length // self.factor) for length in pixels)

    def holds(self, shape: Sequence[int]) -> bool:
        """Whether a tensor of this shape has the axes and channels of this space."""
        axes = self.axes.split()
        return len(shape) == len(axes) and shape[axes.index("c")] == self.channels

    def same_as(self, other: Space) -> bool:
        """Whether latents of this space mean the same to a model of the `other`.

        Equal numbers, whatever the VAE, unless two names tell them apart: the demo models' VAE has SD's numbers and
        other meanings.
        """
        named = {self.name, other.name} - _NAMELESS
        return (
            len(named) < 2
            and (self.channels, self.factor, self.axes) == (other.channels, other.factor, other.axes)
            and (self.frame_factor, self.filler) == (other.frame_factor, other.filler)
            and (self.channel_mean, self.channel_std) == (other.channel_mean, other.channel_std)
            and math.isclose(self.scaling_factor, other.scaling_factor, rel_tol=1e-4)
            and math.isclose(self.shift_factor, other.shift_factor, abs_tol=1e-4)
        )

    def __str__(self) -> str:
        axes = "" if self.axes == AXES[0] else f", axes {self.axes}"
        return f"{self.name} space ({self.channels} channels, factor {self.factor}{axes})"

    def __repr__(self) -> str:
        """The fields; the usual axes are left out, since digests of models and stages are made of this text."""
        names = [field.name for field in fields(self) if getattr(self, field.name) != USUAL.get(field.name, self)]
        return f"Space({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"


USUAL: Mapping[str, Any] = MappingProxyType({"axes": AXES[0], "frame_factor": 1, "frame_group": 1, "filler": 0})
"""What goes without saying, in files and digests of earlier versions too."""

UNKNOWN_SPACE = Space("unknown", 4)  # stands in where nobody said the space: most VAEs have its factor
_UNKNOWN_CLIPS = Space("unknown", 16, axes=AXES[1], frame_factor=4)

# AutoencoderKLWan's config (latents_mean, latents_std), which Qwen-Image's VAE shares.
_WAN_MEAN = (
    -0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508,
    0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921,
)  # fmt: skip
_WAN_STD = (
    2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743,
    3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160,
)  # fmt: skip

SPACES: Mapping[str, Space] = MappingProxyType(
    {
        "sd": Space("SD", 4, 8, 0.18215),
        "sdxl": Space("SDXL", 4, 8, 0.13025),
        "sd3": Space("SD3", 16, 8, 1.5305, 0.0609),
        "flux": Space("Flux", 16, 8, 0.3611, 0.1159),
        # Patchified: normalised by the VAE's batch norm over 4 * 32 channels, half as wide and high.
        "flux2": Space("Flux2", 128, 16),
        "wan": Space("Wan2.1", 16, 8, channel_mean=_WAN_MEAN, channel_std=_WAN_STD),
    }
)
_ALSO = {
    "sd1": "sd",
    "sd15": "sd",
    "sd1.5": "sd",
    "sd2": "sd",
    "sd3.5": "sd3",
    "flux1": "flux",
    "wan2.1": "wan",
    "qwen": "wan",
}

# The spaces whose models are flow-matching, so that their noisy latents have the flow form.
FLOW_SPACES = frozenset({"SD3", "Flux", "Flux2", "Wan2.1"})


def find_space(space: str | Space) -> Space:
    """The space of that name, in any case; a `Space` is returned as it is.

    Raises:
        SettingError: No space has that name.
    """
    if isinstance(space, Space):
        return space
    if not isinstance(space, str):
        raise SettingError(f"space is {shown(space)}; give a name ({', '.join(SPACES)}) or a Space.")
    name = space.lower().replace("-", "").replace("_", "").replace(" ", "")
    name = _ALSO.get(name, name)
    if name not in SPACES:
        raise SettingError(
            f"no latent space is called {space!r}{nearest(name, SPACES) or '.'} "
            f"Known are {', '.join(SPACES)}; or give a Space."
        )
    return SPACES[name]


def for_shape(space: Space | None, shape: Sequence[int]) -> Space:
    """The space of a tensor of this shape: with the axis of frames where it has one, one that is not known for None.

    Args:
        space: What is known of it; a name as `SPACES` has them is that of pictures and of clips.
        shape: Shape of the unpacked tensor.
    """
    moving = len(shape) == len(AXES[1].split())
    if space is None:
        return _UNKNOWN_CLIPS if moving else UNKNOWN_SPACE
    if moving and not space.moves:
        return replace(space, axes=AXES[1], frame_factor=_FRAME_FACTORS.get(space.name, 1))
    return space


_FRAME_FACTORS = {"Wan2.1": 4}


def likely_spaces(channels: int) -> str:
    """Whose latents have so many channels, as the rest of a sentence; empty when nobody's are known."""
    names = [known.name for known in SPACES.values() if known.channels == channels]
    listed = ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else "".join(names)
    return f", as {listed} latents have" if names else ""
