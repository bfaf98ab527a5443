r"""What ``\image_process`` does: pictures read, processed and written."""

from __future__ import annotations

import io
from collections.abc import Callable, Container
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_latents.addresses import Address
from jupyter_latents.errors import LatentsFileError, ScriptError
from jupyter_latents.formats import endings, format_of, listed
from jupyter_latents.paths import destination, explain, opened
from jupyter_latents.pictures.film_files import film_of
from jupyter_latents.pictures.reading import read_picture
from jupyter_latents.processing import chain_of, processed

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.latents.clip import Clip
    from jupyter_latents.syntax import ImageProcess

__all__ = ["process_pictures"]


def process_pictures(asked: ImageProcess, fetch: Callable[[str], Path], check: Callable[[], None]) -> list[str]:
    """Processes pictures, and names the files that it has written.

    Args:
        asked: What is done to which.
        fetch: An http or https address to a file.
        check: Called while they are read; it raises to stop.

    Raises:
        JupyterLatentsError: One cannot be read or written.
    """
    files: list[str] = []
    for number, name in enumerate(asked.inputs):
        check()
        path = fetch(name) if "://" in name else opened(name)
        target = _target(asked, number, path)
        film = film_of(path, name, check) if path.is_file() else None
        if film is None:
            files.append(_write(_changed(read_picture(path, name, check), asked), target, asked.overwrite, files))
            continue
        from jupyter_latents.latents.clip import FPS, Clip

        taken = film.frames[asked.start : None if asked.end is None else asked.end + 1]
        if not taken:
            raise ScriptError(f"{name} has {film.count} frames, and none from {asked.start} on.", place=asked.place)
        clip = Clip([_changed(read_picture(one, name, check), asked) for one in taken], film.fps or FPS)
        films = format_of(target.suffix)
        if asked.film and films is not None and films.films:
            files.append(_write(clip, target, asked.overwrite, files))
        if asked.frames or films is None or not films.films:
            files += [
                _write(frame, target.with_name(f"{target.stem}_frame_{count}.{asked.ending}"), asked.overwrite, files)
                for count, frame in enumerate(clip, 1)
            ]
    return files


def _changed(image: Image, asked: ImageProcess) -> Image:
    """A picture after those that come before it is brought to its size, at that size, and after the rest."""
    image = processed(image, chain_of(asked.processors, 0, before=True))
    settings = {"aspect-correct": "true" if asked.aspect else "false", "align": str(asked.align)}
    if asked.size is not None:
        settings["size"] = str(asked.size)
    if asked.size is not None or asked.align > 1:
        image = processed(image, (Address("resize", settings),))
    return processed(image, chain_of(asked.processors, 0, before=False))


def _target(asked: ImageProcess, number: int, path: Path) -> Path:
    """Where the picture of an input goes."""
    if not asked.outputs:
        return path.with_name(f"{path.stem}_processed_{number + 1}{path.suffix}")
    alone = asked.outputs[0]
    if len(asked.outputs) == 1 and (alone.endswith(("/", "\\")) or Path(alone).is_dir()):
        return destination(alone) / f"{path.stem}_processed_{number + 1}{path.suffix}"
    return destination(asked.outputs[number])


def _write(picture: Image | Clip, target: Path, overwrite: bool, own: Container[str]) -> str:
    """Writes one; a number is appended where a file is there that may not be replaced, or is one of these own."""
    from jupyter_latents.latents.clip import Clip
    from jupyter_latents.latents.files.atomic import write_whole

    kind = format_of(target.suffix)
    if kind is None or f".{kind.ending}" not in (*endings("picture"), *endings("film")):
        raise LatentsFileError(f"{target.name} is no name of a picture; write {listed('picture', 'or')}.")
    count, stem = 1, target.stem
    while target.as_posix() in own or (not overwrite and target.exists()):
        count += 1
        target = target.with_name(f"{stem}_duplicate_{count - 1}{target.suffix}")
    try:
        if isinstance(picture, Clip):
            content = picture.encoded(kind.ending)
        else:
            file = io.BytesIO()
            picture.save(file, kind.writer or "PNG")
            content = file.getvalue()
        write_whole(target, content)
    except (OSError, ValueError) as error:
        why = explain(error) if isinstance(error, OSError) else str(error)
        raise LatentsFileError(f"{target} cannot be written: {why}.") from error
    return target.as_posix()
