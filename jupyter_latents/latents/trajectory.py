"""The steps of a run as a sequence, for plots and films."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, SupportsIndex, overload

from jupyter_latents.errors import LatentsError, LatentsFileError, SettingError
from jupyter_latents.latents import services
from jupyter_latents.latents.arguments import file_path, number, shown, whole
from jupyter_latents.latents.clip import Clip, still
from jupyter_latents.latents.files.atomic import write_whole
from jupyter_latents.latents.film_path import FilmPath
from jupyter_latents.pictures.films import film_bytes

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from jupyter_latents.latents.value import Latents

__all__ = ["Trajectory", "at"]

_PIXELS = "it is the longest side in pixels, 1 or more; None for the previews' own."


class Trajectory(tuple["Latents", ...]):
    """The latents after each step of a run, first to last: a tuple that makes films.

    ``plt.plot(base.trajectory.steps, base.trajectory.sigmas)`` plots its noise levels.
    """

    __slots__ = ()

    @overload
    def __getitem__(self, index: SupportsIndex) -> Latents: ...

    @overload
    def __getitem__(self, index: slice) -> Trajectory: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Latents | Trajectory:
        found = super().__getitem__(index)
        return Trajectory(found) if isinstance(found, tuple) else found

    @property
    def steps(self) -> tuple[int, ...]:
        """The number of whole steps done, for each."""
        return tuple(latents.position.step if latents.position else number for number, latents in enumerate(self, 1))

    @property
    def sigmas(self) -> tuple[float, ...]:
        """The noise level of each in its own form's unit: a flow sigma between 0 and 1, else the VE sigma; 0 is clean.

        Raises:
            LatentsError: One of them does not say its level.
        """
        levels = []
        for step, latents in zip(self.steps, self, strict=True):
            if latents.noise is None:
                raise LatentsError(f"the latents of step {step} do not say how noisy they are.")
            levels.append(latents.noise.own_sigma)
        return tuple(levels)

    def tensors(self) -> torch.Tensor:
        """All latents as one tensor (steps, batch, channels, height/factor, width/factor).

        Raises:
            LatentsError: There are none, or their shapes differ, as after a hand-over between spaces.
        """
        import torch

        self._check()
        shapes = sorted({latents.shape for latents in self})
        if len(shapes) > 1:
            raise LatentsError(f"steps of shapes {' and '.join(map(str, shapes))} cannot be stacked; take a slice.")
        return torch.stack([latents.tensor for latents in self])

    def frames(self, side: int | None = None, *, item: int = 0) -> list[Image]:
        """A small picture of the clean estimate at each step.

        Args:
            side: Longest side in pixels; None for the previews' own.
            item: Which of the batch.

        Raises:
            LatentsError: There are no steps, or no such item.
            ModelError: The model that made them is not at hand.
        """
        from PIL.Image import Resampling

        self._check()
        item = whole(item, "item", "it is the number of one of the batch, 0 for the first.")
        if side is not None and not number(side, "side", _PIXELS) >= 1:
            raise SettingError(f"side is {side}; {_PIXELS}")
        count = min(latents.shape[0] for latents in self)
        if not 0 <= item < count:
            raise LatentsError(f"item {item} of a batch of {count} is not there; use 0 to {count - 1}.")
        images = [_one(latents, item).convert("RGB") for latents in self]
        largest = max(images, key=lambda image: image.width)
        scale = 1.0 if side is None else side / max(largest.size)
        size = max(1, round(largest.width * scale)), max(1, round(largest.height * scale))
        return [image if image.size == size else image.resize(size, Resampling.BICUBIC) for image in images]

    def to_gif(
        self, path: str | Path, *, fps: float = 10, side: int | None = None, item: int = 0, hold: float = 1.0
    ) -> Path:
        """Writes the steps as an animated GIF, whole or not at all.

        Args:
            path: Ends in ``.gif``.
            fps: Steps a second, at most 50 (what browsers play).
            side: Longest side in pixels; None for the previews' own.
            item: Which of the batch.
            hold: Seconds that the last step stays.

        Returns:
            The path written; a cell that ends with it shows the film.

        Raises:
            LatentsError: No steps, no such item, or fps outside 0 to 50.
            LatentsFileError: Another ending, or the file cannot be written.
        """
        target = _target(path, ".gif", fps, hold)
        frames = self.frames(side, item=item)
        durations = [round(1000 / fps)] * (len(frames) - 1) + [round(1000 * max(hold, 1 / fps))]
        texts = services.texts(self[-1], item)
        write_whole(target, film_bytes(frames, "gif", fps, texts, durations=durations))
        return FilmPath(target)

    def to_mp4(
        self, path: str | Path, *, fps: float = 10, side: int | None = None, item: int = 0, hold: float = 1.0
    ) -> Path:
        """Writes the steps as an H.264 film, whole or not at all; imageio and imageio-ffmpeg bring the codec.

        Args:
            path: Ends in ``.mp4``.
            fps: Steps a second, at most 50.
            side: Longest side in pixels, made even; None for the previews' own.
            item: Which of the batch.
            hold: Seconds that the last step stays.

        Returns:
            The path written; a cell that ends with it shows the film.

        Raises:
            LatentsError: No codec, no steps, no such item, or fps outside 0 to 50.
            LatentsFileError: Another ending, or the file cannot be written.
        """
        target = _target(path, ".mp4", fps, hold)
        frames = self.frames(side, item=item)
        frames += [frames[-1]] * max(0, round(hold * fps) - 1)
        texts = services.texts(self[-1], item)
        write_whole(target, film_bytes(frames, "mp4", fps, texts, otherwise="use to_gif"))
        return FilmPath(target)

    def __repr__(self) -> str:
        if not self:
            return "Trajectory()"
        return f"<Trajectory of {len(self)} steps, {self[0].noise} to {self[-1].noise}>"

    def _check(self) -> None:
        if not self:
            raise LatentsError(
                "these latents carry no trajectory: only latents that a stage of this session made have their steps."
            )


def at(latents: Latents, fraction: float | None = None, *, step: int | None = None) -> Latents:
    """The latents as they were after a part of the run that made them, an exact starting point.

    Args:
        latents: Latents that a run of this session made.
        fraction: Fraction of the whole schedule's steps, 0 to 1.
        step: Or the number of whole steps.

    Raises:
        LatentsError: Both or neither given, no trajectory kept, or that step was not run here.
        SettingError: A fraction that is no number of 0 to 1, or a step that is no whole number.
    """
    if (fraction is None) == (step is None):
        raise LatentsError("at() takes a fraction or step=, one of the two: base.at(0.5) or base.at(step=12).")
    wanted_part = "it is a part of the schedule, 0 to 1."
    part = 0.0 if fraction is None else number(fraction, "fraction", wanted_part)
    if not 0.0 <= part <= 1.0:
        raise SettingError(f"fraction is {shown(fraction)}; {wanted_part} A number of steps is at(step=12).")
    steps = None if step is None else whole(step, "step", "it is a whole number of steps, 0 or more.")
    if not latents.trajectory or latents.position is None:
        raise LatentsError(
            "these latents carry no trajectory: only latents that a stage of this session made have their steps."
        )
    wanted = steps if steps is not None else int(part * latents.position.of + 1e-6)
    by_step = {one.position.step: one for one in latents.trajectory if one.position}
    if wanted not in by_step:
        near = sorted(sorted(by_step, key=lambda one: abs(one - wanted))[:2])
        thinned = len(by_step) <= max(by_step) - min(by_step)  # the early steps are the first to go
        if wanted < max(by_step) and (thinned or wanted > min(by_step)):
            raise LatentsError(
                f"step {wanted} is not kept: of a long run of clips only some are. The nearest are "
                f"{' and '.join(map(str, near))}; %config JupyterLatents.trajectory_memory says how much is kept."
            )
        raise LatentsError(
            f"step {wanted} was not run here: "
            f"this run kept steps {min(by_step)} to {max(by_step)} of {latents.position.of}."
        )
    return by_step[wanted]


def _one(latents: Latents, item: int) -> Image:
    """The small picture of one item; of a clip the frame in its middle."""
    pictures = latents.preview()
    return still(pictures[item]) if not isinstance(pictures, Clip) else pictures.still


def _target(path: str | Path, ending: str, fps: float, hold: float) -> Path:
    target = file_path(path)
    seconds = "it is the number of seconds that the last step stays, 0 to 60."
    if not 0 <= number(hold, "hold", seconds) <= 60:
        raise SettingError(f"hold is {hold}; {seconds}")
    if target.suffix.lower() != ending:
        raise LatentsFileError(f"{target.name} does not end in {ending}; call it {target.stem}{ending}.")
    if not 0 < number(fps, "fps", "it is the number of steps a second, at most 50.") <= 50:
        raise LatentsError(f"fps={fps:g} cannot be; give more than 0 and at most 50.")
    return target
