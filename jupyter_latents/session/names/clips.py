"""Clips in the image position: films become their frames, and ``frame-start`` and ``frame-end`` cut them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_latents.errors import HandoffError
from jupyter_latents.pictures.film_files import Frame, film_of, is_film
from jupyter_latents.session.names.kinds import is_standing
from jupyter_latents.stopping import check
from jupyter_latents.wording import option

if TYPE_CHECKING:
    from jupyter_latents.engine import ModelCard
    from jupyter_latents.stage import ImageSeed

__all__ = ["check_no_film", "frame_in", "frames_in", "frames_of", "speed_of"]

Items = Sequence[tuple[Any, str]]


def frames_in(items: Items, seed: ImageSeed, model: ModelCard) -> Items:
    """What stands in the image position, films as their frames where the model takes clips.

    Args:
        items: Pictures, files and latents, each with what to call it.
        seed: The image seed, which may cut them.
        model: The stage's model.

    Raises:
        HandoffError: A film, or a cut, for a model that takes none; a cut beyond the clip's end; several clips.
        NameNotFoundError: A film that cannot be read.
    """
    if not model.takes_clips:
        return frame_in(items, seed, model)
    frames = [one for item, name in items for one in _frames(item, name)]
    if seed.frame_start is None and seed.frame_end is None:
        return frames
    if any(is_standing(item) for item, _ in frames):
        raise HandoffError(
            "frame-start and frame-end cut films and lists of pictures. Latents are cut in time as {{ clip[0:5] }}.",
            option="image_seeds",
        )
    cut = frames_of(seed, len(frames))
    return frames[cut.start : cut.stop]


def frames_of(seed: ImageSeed, count: int) -> range:
    """The frames that an image seed takes of a clip.

    Args:
        seed: The image seed.
        count: How many frames the clip has.

    Raises:
        HandoffError: The clip ends before them.
    """
    start, last = seed.frame_start or 0, count - 1 if seed.frame_end is None else seed.frame_end
    if last >= count or start > last:
        raise HandoffError(
            f"frame-start={start} and frame-end={last} cut a clip of {count} frames, which are 0 to {count - 1}.",
            option="image_seeds",
        )
    return range(start, last + 1)


def frame_in(items: Items, seed: ImageSeed, model: ModelCard) -> Items:
    """Pictures for a model that takes no clips: of films the one frame that the image seed names.

    Raises:
        HandoffError: A film without one, several frames, or one beyond its end.
        NameNotFoundError: A film that cannot be read.
    """
    if seed.frame_start is None and seed.frame_end is None:
        check_no_film(items, model)
        return items
    if seed.frame_start != seed.frame_end:
        said = [
            f"{key}={number}"
            for key, number in (("frame-start", seed.frame_start), ("frame-end", seed.frame_end))
            if number is not None
        ]
        raise HandoffError(
            f"{' and '.join(said)} may be several frames, and {model.name} ({model.family}) takes one picture. Name "
            f"one, as frame-start=3;frame-end=3, or have a stage run for each by {option('animation_format')} gif.",
            option="image_seeds",
        )
    return [(_at(item, name, seed), name) for item, name in items]


def _at(item: Any, name: str, seed: ImageSeed) -> Any:
    """The frame of a film that an image seed names; what is no film stands for each frame."""
    film = film_of(item, name, check) if isinstance(item, Path) else None
    return item if film is None else film.frames[frames_of(seed, film.count).start]


def check_no_film(items: Iterable[tuple[Any, str]], model: ModelCard) -> None:
    """Sees that no film stands where one picture is wanted.

    Raises:
        HandoffError: One does.
    """
    for item, name in items:
        if is_film(item):
            raise HandoffError(
                f"{name} is a film, and {model.name} ({model.family}) takes pictures there. Give one frame of it as a "
                f"picture; clips go in at {option('image_seeds', 'image')} of models that make clips of clips.",
                option="image_seeds",
            )


def speed_of(items: Iterable[tuple[Any, str]]) -> float:
    """Frames a second of the first clip among the values of an image seed; 0 where none says.

    Args:
        items: Values and frames, each with what to call it.
    """
    for item, _ in items:
        if isinstance(item, Frame):
            return item.film.fps
        said = item.provenance.number("fps", 0.01, 120.0) if is_standing(item) else getattr(item, "fps", None)
        if isinstance(said, (int, float)):
            return float(said)
    return 0.0


def _frames(item: Any, name: str) -> Iterator[tuple[Any, str]]:
    if is_standing(item) and item.shape[0] > 1:
        raise HandoffError(
            f"{name} holds {item.shape[0]} clips, and one is taken. Give one of {{{{ {name}.split() }}}}.",
            option="image_seeds",
        )
    film = film_of(item, name, check) if isinstance(item, Path) else None
    yield from ((frame, name) for frame in film.frames) if film is not None else ((item, name),)
