r"""``\image_process``: the words of the directive, read; who runs the script does what they say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jupyter_latents.errors import Place, ScriptError, nearest
from jupyter_latents.formats import endings, format_of
from jupyter_latents.processing import AND, IDLE
from jupyter_latents.stage import Address, Size

from .options import parsers
from .text.quoting import Word

__all__ = ["ImageProcess", "is_question", "read_image_process"]


@dataclass(frozen=True, slots=True)
class ImageProcess:
    """What is done to which pictures.

    Attributes:
        inputs: Files, or addresses of them.
        outputs: A file for each, or a folder; empty for names beside the inputs.
        processors: The chain that all go through.
        overwrite: Whether files that are there may be replaced.
        size: Size that they are brought to between processors that come before and after; None for their own.
        aspect: Whether they keep their shape.
        align: Pixels that sizes are rounded down to.
        ending: Of files whose names are made here.
        frames: Whether each frame of a clip is written.
        film: Whether a clip is written.
        start: First frame of a clip that is taken.
        end: Last frame of a clip that is taken; None for its last.
        place: Where it stands in the script.
    """

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    processors: tuple[Address, ...] = ()
    overwrite: bool = False
    size: Size | None = None
    aspect: bool = True
    align: int = 1
    ending: str = "png"
    frames: bool = True
    film: bool = True
    start: int = 0
    end: int | None = None
    place: Place | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class _Row:
    field: str = ""
    parse: parsers.Parser | None = None
    many: bool = False
    gives: Any = None
    why: str = ""


def _size(value: str, locate: Any) -> Size:
    from jupyter_latents.processing.settings import size

    try:
        width, height = size(value.strip())
    except ValueError as error:
        raise ScriptError(f"'{value}' is no size; give {error}.", place=locate(0, len(value))) from error
    return Size(width, height)


def _text(value: str, locate: Any) -> str:
    found: Any = parsers.text(value, locate)
    return str(found)


_FRAMES = {ending[1:]: row.ending for ending in endings("picture") if (row := format_of(ending)) is not None}
_NOT_HERE = "it runs on the CPU, and fetches no models"
_ROWS: Mapping[str, _Row] = MappingProxyType(
    {
        "--processors": _Row("processors", parsers.post_processor, many=True),
        "--output": _Row("outputs", _text, many=True),
        "--output-overwrite": _Row("overwrite", gives=True),
        "--resize": _Row("size", _size),
        "--no-aspect": _Row("aspect", gives=False),
        "--align": _Row("align", parsers.whole(1, "pixels", most=1024)),
        "--frame-format": _Row("ending", parsers.choice(_FRAMES, "frame format")),
        "--frame-start": _Row("start", parsers.whole(0, "frames")),
        "--frame-end": _Row("end", parsers.whole(0, "frames")),
        "--no-frames": _Row("frames", gives=False),
        "--no-animation-file": _Row("film", gives=False),
        "--device": _Row(parse=_text, why=_NOT_HERE),
        "--offline-mode": _Row(why=_NOT_HERE),
    }
)  # fmt: skip
_SHORT = MappingProxyType(
    {
        "-p": "--processors", "-o": "--output", "-ox": "--output-overwrite", "-r": "--resize", "-na": "--no-aspect",
        "-al": "--align", "-ff": "--frame-format", "-fs": "--frame-start", "-fe": "--frame-end", "-nf": "--no-frames",
        "-naf": "--no-animation-file", "-d": "--device", "-ofm": "--offline-mode",
    }
)  # fmt: skip


def is_question(words: Sequence[Word]) -> bool:
    """Whether it only asks for help, as dgenerate answers it."""
    return any(word.text in ("--help", "-h") for word in words)


def read_image_process(
    words: Sequence[Word], place: Place | None, note: Callable[[str, Place | None], None]
) -> ImageProcess:
    """Reads the words of the directive.

    Args:
        words: Those behind its name.
        place: Where it stands.
        note: Is told what changes nothing.

    Raises:
        ScriptError: No input, an unknown option, a value that is not allowed, or outputs that do not match.
    """
    values: dict[str, Any] = {"inputs": []}
    taker: _Row | None = None
    for number, word in enumerate(words):
        name = _SHORT.get(word.text, word.text)
        if not word.quoted and name.startswith("-") and len(name) > 1 and not name[1].isdigit():
            taker = _option(name, word, values)
            if taker.why:
                note(f"{word.text} of \\image_process changes nothing: {taker.why}", word.place)
            if taker.parse is not None and (number + 1 == len(words)):
                raise ScriptError(f"'{word.text}' needs a value.", place=word.place)
        elif taker is not None and taker.parse is not None:
            _take(taker, word, values, note)
            taker = taker if taker.many else None
        else:
            values["inputs"].append(word.text)
    given: dict[str, Any] = {key: tuple(one) if isinstance(one, list) else one for key, one in values.items()}
    made = ImageProcess(**given, place=place)
    _check(made, place)
    return made


def _option(name: str, word: Word, values: dict[str, Any]) -> _Row:
    row = _ROWS.get(name)
    if row is None:
        hint = nearest(name, _ROWS) or f"; it takes {', '.join(_ROWS)}."
        raise ScriptError(f"'{word.text}' is no option of \\image_process{hint}", place=word.place)
    if row.field and row.parse is None:
        values[row.field] = row.gives
    return row


def _take(row: _Row, word: Word, values: dict[str, Any], note: Callable[[str, Place | None], None]) -> None:
    """Takes one value of an option."""
    if row.parse is None or not row.field:
        return
    value = row.parse(word.text, word.locate)
    if isinstance(value, Address) and any(f"{key}=" in word.text.replace("_", "-") for key in IDLE):
        note("output-file=, device= and their like change nothing here: name files by --output", word.place)
    if row.many:
        values.setdefault(row.field, []).append(value)
    else:
        values[row.field] = value


def _check(asked: ImageProcess, place: Place | None) -> None:
    if not asked.inputs:
        raise ScriptError("\\image_process needs pictures: \\image_process photo.png --output out.png "
                          "--processors canny.", place=place)  # fmt: skip
    folder = len(asked.outputs) == 1 and (asked.outputs[0].endswith(("/", "\\")) or Path(asked.outputs[0]).is_dir())
    if asked.outputs and not folder and len(asked.outputs) != len(asked.inputs):
        raise ScriptError(
            f"There are {len(asked.outputs)} outputs for {len(asked.inputs)} inputs; give one for each, or a folder "
            "that ends with /.",
            place=place,
        )
    if asked.processors and Address(AND) in asked.processors:
        raise ScriptError("One chain of processors serves all pictures; take the + away.", place=place)
    if not asked.frames and not asked.film:
        raise ScriptError("--no-frames and --no-animation-file leave nothing to write; keep one.", place=place)
    if asked.end is not None and asked.end < asked.start:
        raise ScriptError(f"--frame-end {asked.end} is before --frame-start {asked.start}.", place=place)
