"""Films in the place of a picture: a stage runs for each of their frames, and their pictures become a film again."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_latents.errors import HandoffError, JupyterLatentsError
from jupyter_latents.latents.clip import Clip
from jupyter_latents.paths import is_there, opened
from jupyter_latents.pictures.film_files import Film, film_of
from jupyter_latents.pictures.films import check_codec
from jupyter_latents.session.blame import blame
from jupyter_latents.session.names.clips import frames_of
from jupyter_latents.session.outputs import joined, write_outputs
from jupyter_latents.session.plans.later import UnforeseenError
from jupyter_latents.stage import Reference, Stage
from jupyter_latents.stopping import check
from jupyter_latents.syntax import Invocation
from jupyter_latents.wording import option

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.engine import ModelCard, StageResult

__all__ = ["FPS", "Frames", "check_animated", "films_written", "frames_asked", "groups"]

FPS = 10.0
"""Frames a second of a film that does not say, as dgenerate reads it."""

_FRAME = "frame"

Fetch = Callable[[str], Path]


@dataclass(frozen=True, slots=True)
class Frames:
    """What an invocation makes of the films in its image seeds.

    Attributes:
        ranges: For each of its stages the frames that it runs for one by one; None where it names no film.
        fps: Frames a second of the first film; 0 where there is none.
    """

    ranges: tuple[range | None, ...] = ()
    fps: float = 0.0


def frames_asked(invocation: Invocation, fetch: Fetch) -> Frames:
    """The frames that ``--animation-format`` asks for.

    Args:
        invocation: The invocation.
        fetch: An http or https address to a file; one that is there only at the run is none until then.

    Raises:
        JupyterLatentsError: A film cannot be read, or ends before its cut; with its place.
    """
    if not invocation.first("animation_format"):
        return Frames()
    ranges, fps = [], 0.0
    for number, stage in enumerate(invocation.stages()):
        try:
            films = list(_films(stage, fetch))
            seed = stage.image_seed
            if films and invocation.first("animation_format") != "frames":
                check_codec(invocation.first("animation_format"), "write another animation format, such as gif")
            ranges.append(frames_of(seed, min(film.count for film in films)) if films and seed is not None else None)
        except JupyterLatentsError as error:
            raise blame(invocation, error, number) from error.__cause__
        fps = fps or next((film.fps or FPS for film in films), 0.0)
    return Frames(tuple(ranges), fps)


def _films(stage: Stage, fetch: Fetch) -> Iterator[Film]:
    seed = stage.image_seed
    for reference in () if seed is None else (*seed.images, *seed.masks, *seed.controls):
        path = _path(reference, fetch)
        film = film_of(path, reference.text, check) if path is not None else None
        if film is not None:
            yield film


def _path(reference: Reference, fetch: Fetch) -> Path | None:
    """The file that a reference names; None where it is none yet, which is said where it is read."""
    try:
        path = fetch(reference.text) if reference.kind == "url" else opened(reference.text)
    except UnforeseenError:
        return None
    return path if reference.kind != "variable" and is_there(path) else None


def check_animated(invocation: Invocation, model: ModelCard) -> None:
    """Sees that a model takes a film frame by frame.

    Args:
        invocation: What is asked for.
        model: Its model.

    Raises:
        HandoffError: It takes films whole.
    """
    if invocation.first("animation_format") and model.takes_clips:
        raise HandoffError(
            f"{option('animation_format')} has a model of pictures run for each frame of a film, and {model.name} "
            f"({model.family}) makes clips. Leave it out; {option('image_format', 'mp4')} says what a clip is "
            "written to.",
            option="animation_format",
        )


def groups(stages: Sequence[Stage]) -> list[list[int]]:
    """Which stages are frames of the same film, film by film; empty where none is of a film.

    Args:
        stages: Those of an invocation as they run.
    """
    found: dict[tuple[object, ...], list[int]] = {}
    for number, stage in enumerate(stages):
        choice = stage.sweep.choice if stage.sweep is not None else ()
        if any(name == _FRAME for name, _ in choice):
            found.setdefault(tuple(pair for pair in choice if pair[0] != _FRAME), []).append(number)
    return list(found.values())


def films_written(
    stage: Stage,
    results: Sequence[StageResult],
    film: tuple[str, float],
    texts: Mapping[str, str],
    tell: Callable[[str], None],
    own: Container[str],
) -> list[str]:
    """Writes the pictures of stages as the frames of films, one for each picture of a batch or one of their grids.

    Args:
        stage: The first of the stages.
        results: What they made, with their pictures.
        film: The ending, and frames a second.
        texts: What says how the films were made.
        tell: Is told of what a film has no room for.
        own: Files that the run has written; none of them is replaced.

    Returns:
        The files.

    Raises:
        LatentsFileError: A film cannot be written, or there is no codec for it.
    """
    ending, fps = film
    wanted = stage.output
    frames = [_stills(result.images, stage) for result in results]
    clips = tuple(Clip(column, fps) for column in zip(*frames, strict=False))
    prefix = f"{wanted.prefix}_ANIM" if wanted.prefix else "ANIM"
    output = replace(wanted, format=ending, prefix=prefix, grid=None, metadata=False, configs=False)
    result = replace(results[0], images=clips)
    return write_outputs(replace(stage, output=output), result, lambda _number: texts, tell, own=own)


def _stills(pictures: Sequence[Image | Clip], stage: Stage) -> list[Image]:
    return [one for one in joined(pictures, stage.output.grid) if not isinstance(one, Clip)]
