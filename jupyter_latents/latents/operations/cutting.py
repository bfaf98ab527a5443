"""Clips cut in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_latents.errors import LatentsError, SettingError
from jupyter_latents.latents.arguments import shown
from jupyter_latents.latents.operations.lineage import check_latents, derive
from jupyter_latents.latents.spaces import for_shape

if TYPE_CHECKING:
    from jupyter_latents.latents.value import Latents

__all__ = ["cut"]


def cut(latents: Latents, frames: slice) -> Latents:
    """A part of a clip in time: ``clip[0:5]``.

    Where a VAE makes several frames of one latent frame, the first latent frame of any clip is one frame: a part that
    begins later has so many frames less than the slice says, by which its first latent frame is shorter.

    Args:
        latents: A clip.
        frames: Frames of the clip; negative ones count from its end.

    Raises:
        LatentsError: These latents are pictures.
        SettingError: No slice, none of whole latent frames, or an empty one.
    """
    check_latents(latents, "a slice")
    if not latents.moves:
        raise LatentsError(
            "these latents are pictures, and slices are frames of a clip. Take items of a batch by split(), parts of a "
            "picture by crop()."
        )
    start, stop = _bounds(frames, latents.frames)
    space = for_shape(latents.space, latents.shape)
    factor = space.frame_factor
    _check_start(start, space.frame_step)
    _check_stop(start, stop, space.frame_step, latents.frames)
    kept = [*range(0 if start == 0 else (start - 1) // factor + 1, (stop - 1) // factor + 1)]
    part = [*range(space.filler), *(space.filler + frame for frame in kept)]
    if len(kept) % space.frame_group != 1 % space.frame_group:
        raise SettingError(
            f"frames {start} to {stop} are {len(kept)} latent frames, and {space} has them by {space.frame_group} "
            "after the first. Begin at 0."
        )
    denoised = None if latents.denoised is None else latents.denoised[:, :, part]
    return derive([latents], "cut", {"start": start, "stop": stop}, latents.tensor[:, :, part], denoised)


def _bounds(frames: object, count: int) -> tuple[int, int]:
    """First frame, and the one after the last."""
    wanted = f"give a slice of its {count} frames, such as clip[0:{count}]"
    if not isinstance(frames, slice) or frames.step not in (None, 1):
        raise SettingError(f"a clip was asked for {shown(frames)}; {wanted}.")
    try:
        start, stop, _ = frames.indices(count)
    except TypeError as error:
        raise SettingError(f"a clip was asked for {shown(frames)}; {wanted}, in whole numbers.") from error
    if start >= stop:
        raise SettingError(f"frames {start} to {stop} are none; {wanted}.")
    return start, stop


def _check_start(start: int, factor: int) -> None:
    over = (start - 1) % factor
    if start and over:
        near = start - over
        raise SettingError(
            f"a latent frame does not begin at frame {start}: one is {factor} frames after the first. Begin at "
            f"{max(0, near)} or {near + factor}."
        )


def _check_stop(start: int, stop: int, factor: int, count: int) -> None:
    over = (stop - 1) % factor
    if over:
        ends = [end for end in (stop - over, stop - over + factor) if start < end <= count]
        raise SettingError(
            f"a latent frame does not end at frame {stop}: one is {factor} frames after the first. End at "
            f"{' or '.join(map(str, ends))}."
        )
