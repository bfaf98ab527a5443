"""Files that a stage writes: named after the stage, whole or not at all."""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
import stat
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_latents.errors import LatentsFileError
from jupyter_latents.formats import endings, format_of
from jupyter_latents.latents.clip import Clip
from jupyter_latents.paths import destination, explain, is_there
from jupyter_latents.pictures.metadata.texts import CONFIG, no_room, write_picture
from jupyter_latents.stage import Output, Size, Stage
from jupyter_latents.stopping import check
from jupyter_latents.wording import option

if TYPE_CHECKING:
    from PIL.Image import Image

    from jupyter_latents.engine import StageResult
    from jupyter_latents.latents.value import Latents

__all__ = ["check_writable", "folder_of", "joined", "write_outputs", "writes", "writes_latents"]

_FOLDER = "output"  # dgenerate's own default
_IN_NAMES = str.maketrans({"@": "-", ",": "-", "=": None})
_SCRIPT = ".dgen"
_LONGEST = 80  # characters of a model's name in a file's
_OUTSIDE = re.compile(r"[/\\\x00]")


def writes(stage: Stage) -> bool:
    """Whether a stage writes files."""
    return stage.output.path is not None or stage.output.format is not None


def writes_latents(stage: Stage) -> bool:
    """Whether a stage writes latents alone."""
    return stage.output.format is not None and f".{stage.output.format}" in endings("latents")


def check_writable(stage: Stage) -> None:
    """Refuses a stage whose files cannot be written, before it runs; nothing is written to find out.

    Args:
        stage: The stage.

    Raises:
        LatentsFileError: Its folder is not there and cannot be made, or takes no files.
    """
    if not writes(stage):
        return
    reason = _against(folder_of(stage))
    if reason:
        raise LatentsFileError(
            f"nothing can be written to {folder_of(stage)}: {reason}. Give another {option('output_path')}.",
            option="output_path",
        )


def folder_of(stage: Stage) -> Path:
    """Where a stage's files go."""
    named = stage.output.path or _FOLDER
    try:
        return destination(named)
    except OSError as error:
        raise LatentsFileError(
            f"nothing can be written to {named}: {explain(error)}. Give another {option('output_path')}.",
            option="output_path",
        ) from error


def _against(folder: Path) -> str:
    """Why a folder takes no files, or cannot be made in the first of its parents that is there; empty where it can."""
    for place in (folder, *folder.parents):
        try:
            status = place.stat()
        except FileNotFoundError:
            if place.is_symlink():
                return "it is a link to a folder that is not there"
        except (OSError, ValueError) as error:
            return explain(error)
        else:
            return _closed(place, status.st_mode)
    return ""


def _closed(place: Path, mode: int) -> str:
    """Why nobody may make files in what is there; empty where that is allowed."""
    if not stat.S_ISDIR(mode):
        return explain(NotADirectoryError(errno.ENOTDIR, ""))
    if not mode & 0o222 and not shutil.disk_usage(place).total:
        return f"no files can be in {place}, which shows what the system does"
    return "" if os.access(place, os.W_OK | os.X_OK) else explain(PermissionError(errno.EACCES, ""))


def write_outputs(
    stage: Stage,
    result: StageResult,
    texts: Callable[[int], Mapping[str, str]],
    tell: Callable[[str], None],
    cell: Callable[[], str] = str,
    own: Container[str] = (),
) -> list[str]:
    """Writes what ``--output-path`` and ``--image-format`` ask for.

    The folder is the one that is named, absolute or not, through links or not; names of files never leave it. A link
    in the place of a file is replaced, not followed. ``--output-overwrite`` replaces files of earlier runs alone.

    Args:
        stage: The stage.
        result: Its result, with its pictures where files of pictures are asked for.
        texts: What each of them, by its number, says of how it was made.
        tell: Is told of texts that a file has no room for.
        cell: Gives the cell that makes the result.
        own: The files that its run has written before; none of them is replaced.

    Returns:
        The files written, without the scripts beside them; empty when the stage asks for none.

    Raises:
        LatentsFileError: A file cannot be written; nothing half-written stays.
        StoppedError: The run is to end; files that are written stay, and none is half-written.
    """
    wanted = stage.output
    if wanted.path is None and wanted.format is None:
        return []
    folder = folder_of(stage)
    script = cell().partition("\n")[2].lstrip("\n") if wanted.metadata or wanted.configs else ""
    said = partial(_with_script, texts, script) if wanted.metadata else texts
    try:
        free = partial(_free, folder, wanted=wanted, own=own)
        files = _written(stage, result, free, partial(_write_picture, texts=said, tell=tell))
        _write_scripts(files if wanted.configs else (), script)
        return files
    except LatentsFileError as error:
        error.option = error.option or "output_path"
        raise
    except (OSError, ValueError) as error:
        raise LatentsFileError(
            f"nothing can be written to {folder}: {explain(error)}. Give another {option('output_path')}; the "
            "result is kept in the session.",
            option="output_path",
        ) from error


def _with_script(texts: Callable[[int], Mapping[str, str]], script: str, number: int) -> dict[str, str]:
    """The texts of a picture with its script beside them."""
    return {**texts(number), CONFIG: script}


def _write_scripts(files: Sequence[str], script: str) -> None:
    """Writes the script that makes them beside each of some files."""
    from jupyter_latents.latents.files.atomic import write_whole

    for file in files:
        write_whole(Path(file).with_suffix(_SCRIPT), script.encode())


def joined(pictures: Sequence[Image | Clip], grid: Size | None) -> Sequence[Image | Clip]:
    """The pictures of a batch as one, as dgenerate joins them; what has no place in the grid gets further rows.

    Args:
        pictures: The pictures, of one size.
        grid: Columns and rows; None to leave them.
    """
    from PIL import Image as PilImage

    stills = [one for one in pictures if not isinstance(one, Clip)]
    if grid is None or len(pictures) < 2 or len(stills) < len(pictures):
        return pictures
    width, height = stills[0].size
    rows = max(grid.height, -(-len(stills) // grid.width))
    joined = PilImage.new("RGB", (grid.width * width, rows * height))
    for number, one in enumerate(stills):
        joined.paste(one, (number % grid.width * width, number // grid.width * height))
    return [joined]


def _written(
    stage: Stage, result: StageResult, free: Callable[[str, str], Path], picture_to: Callable[..., None]
) -> list[str]:
    wanted = stage.output
    if wanted.prefix and _OUTSIDE.search(wanted.prefix):
        raise LatentsFileError(
            f"{wanted.prefix!r} cannot start a file's name: file names stay inside {folder_of(stage)}.",
            option="output_prefix",
        )
    stem = f"{wanted.prefix + '_' if wanted.prefix else ''}s_{result.latents.provenance.seed}_{_slug(stage)}"
    usual = "mp4" if result.latents.moves else "png"
    ending, _, beside = (wanted.format or usual).partition(";")
    if f".{ending}" in endings("latents"):
        target = free(stem, ending)
        return [result.latents.save(target).as_posix()]
    targets = []
    pictures = joined(result.images, wanted.grid)
    chunks = _chunks(result.latents) if beside else [b""] * len(pictures)
    for number, (one, chunk) in enumerate(zip(pictures, chunks, strict=True)):
        name = stem if len(pictures) == 1 else f"{stem}_{number + 1}"
        for picture, rest in _files(one, ending):
            target = free(name + rest, ending)
            picture_to(picture, target, number, latents=b"" if rest not in ("", "_0001") else chunk)
            targets.append(target.as_posix())
    return targets


def _files(picture: Image | Clip, ending: str) -> Iterator[tuple[Image | Clip, str]]:
    """What goes into one file each, with the ends of their names: a clip whole, or its frames."""
    kind = format_of(ending)
    if not isinstance(picture, Clip) or (kind is not None and kind.films):
        yield picture, ""
        return
    for number, frame in enumerate(picture, 1):
        yield frame, f"_{number:04}"


def _chunks(latents: Latents) -> list[bytes]:
    """The latents of each picture, as a PNG holds them."""
    from jupyter_latents.latents.files.picture_file import chunk_of

    return [chunk_of(item) for item in latents.split()]


class _Listening(io.BytesIO):
    """A file in memory; what is written piece by piece hears a stop."""

    def write(self, content: Any, /) -> int:
        """Takes one piece."""
        check()
        return super().write(content)


@contextmanager
def _heard(frames: Sequence[Image]) -> Iterator[None]:
    """Has a stop end the encoding of a film: all encoders load each frame as they come to it."""

    def hearing(load: Callable[[], object]) -> Callable[[], object]:
        def heard() -> object:
            check()
            return load()

        return heard

    own = {id(frame): frame for frame in frames}.values()
    for frame in own:
        vars(frame)["load"] = hearing(frame.load)
    try:
        yield
    finally:
        for frame in own:
            del vars(frame)["load"]


def _write_picture(
    picture: Image | Clip,
    target: Path,
    number: int,
    *,
    latents: bytes,
    texts: Callable[[int], Mapping[str, str]],
    tell: Callable[[str], None],
) -> None:
    from jupyter_latents.latents.files.atomic import write_whole

    content, kind = _Listening(), format_of(target.suffix)
    writer = kind.writer if kind else "PNG"
    try:
        if isinstance(picture, Clip):
            picture.texts = dict(texts(number))
            with _heard(picture):
                content.write(picture.encoded(kind.ending if kind else "mp4"))
            left_out: tuple[str, ...] = ()
        else:
            left_out = write_picture(picture, content, writer, texts(number), latents)
    except (OSError, ValueError, KeyError) as error:
        raise LatentsFileError(f"{target} cannot be written: {error}. The result is kept in the session.") from error
    write_whole(target, content.getvalue())
    if left_out:
        tell(no_room(writer, left_out))


def _slug(stage: Stage) -> str:
    window = stage.window
    part = (
        ""
        if window.start is None and window.end is None
        else f"_{window.start or 0:g}-{1 if window.end is None else window.end:g}"
    )
    model = re.sub(r"[^A-Za-z0-9.-]+", "-", Path(stage.model.name).name)[:_LONGEST]
    return f"{model}_st_{stage.num_inference_steps}_g_{stage.guidance_scale:g}{part}".translate(_IN_NAMES)


def _free(folder: Path, stem: str, ending: str, *, wanted: Output, own: Container[str]) -> Path:
    """A path whose file may be written: a number is appended where the name, or that of its script, is taken."""
    target, number = folder / f"{stem}.{ending}", 1
    while target.as_posix() in own or (
        not wanted.overwrite and (_taken(target) or (wanted.configs and _taken(target.with_suffix(_SCRIPT))))
    ):
        number += 1
        target = folder / f"{stem}_{number}.{ending}"
    if target.is_symlink():
        target.unlink()
    return target


def _taken(target: Path) -> bool:
    return is_there(target) or target.is_symlink()
