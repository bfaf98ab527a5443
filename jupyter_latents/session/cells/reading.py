"""From a picture to the cell that makes it: ours as it was written, that of other programs as far as it can be told."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from jupyter_latents.errors import JupyterLatentsError, NameNotFoundError, SettingError
from jupyter_latents.paths import opened
from jupyter_latents.pictures.film_files import is_film
from jupyter_latents.pictures.film_texts import read_film_texts
from jupyter_latents.pictures.metadata.programs import recipe_of
from jupyter_latents.pictures.metadata.record import is_record, read_record
from jupyter_latents.pictures.metadata.texts import CONFIG, OURS, read_texts
from jupyter_latents.session.cells.operations import is_expression
from jupyter_latents.session.cells.text import MAGIC, cell_text
from jupyter_latents.stopping import check
from jupyter_latents.syntax import Script
from jupyter_latents.syntax.text.lines import Block, LineReader, Logical
from jupyter_latents.syntax.text.located import Line
from jupyter_latents.syntax.text.segments import segments
from jupyter_latents.wording import visible

__all__ = ["cell_from", "cell_in", "cell_of"]

_LONGEST = 400_000  # characters of a cell
_NEWLINE = re.compile(r"\r\n|\r|\n")
_TEMPLATE = re.compile(r"\{\{ (?:'(?:\{|\\n|\\r|\\u[0-9a-f]{4})'|quote\([A-Za-z_]\w{0,80}\)) \}\}")
_SETTING = re.compile(r"\\setp ([A-Za-z_]\w{0,80}) (.{1,400})")


def cell_from(file: str | Path, check: Callable[[], None] = check) -> str:
    """The cell that makes a picture, to be read before it is run.

    A picture of this package gives the cell that made it, from its first stage on. One of another program gives a cell
    that does the same as far as it can be told. Comments begin with ``fill in`` where something of another machine is
    wanted, and with ``not covered`` where something has no counterpart here.

    Args:
        file: A PNG, JPEG, WebP, GIF, MP4 or WebM file.
        check: Called while the file is read; it raises to stop.

    Returns:
        The whole cell; its first line is ``%%dgen``.

    Raises:
        LatentsError: An MP4 or WebM file, and there is no codec here.
        NameNotFoundError: The file is not there, no picture, or does not say how it was made.
        SettingError: It is no path.
    """
    given: object = file
    if not isinstance(given, (str, Path)) or not str(given):
        raise SettingError(f"cell_from was given a {type(given).__name__}; it takes the path of a picture.")
    name = str(file)
    return cell_in(opened(name), name, check)


def cell_in(source: Path | bytes, name: str, check: Callable[[], None] = check) -> str:
    """The cell that the file of a picture or a film leads back to; see `cell_from`.

    Args:
        source: The file, or the bytes of one.
        name: What it is called; its ending tells a film.
        check: Called while a picture is read; it raises to stop.

    Raises:
        LatentsError: A film, and there is no codec here.
        NameNotFoundError: It is neither, or does not say how it was made.
    """
    film = is_film(Path(name))
    return cell_of(read_film_texts(source, name) if film else read_texts(source, name, check).texts, name)


def cell_of(texts: Mapping[str, str], name: str) -> str:
    """The cell that a picture's texts lead to.

    Args:
        texts: The texts of its file.
        name: What it is called.

    Raises:
        NameNotFoundError: They do not say how it was made, or somebody changed them.
    """
    ours = texts.get(OURS, "")
    if is_record(ours):
        return _checked(read_record(ours, name).cell, name)
    if texts.get(CONFIG, "").startswith(f"# {OURS} "):  # its script alone, where the record was left out
        return _checked(f"{MAGIC}\n{texts[CONFIG]}", name)
    return cell_text(recipe_of(texts, name))


def _checked(cell: str, name: str) -> str:
    """A cell of ours, if it is no more than what this package writes: stages, and operations between them.

    Raises:
        NameNotFoundError: It is something else, which somebody put there.
    """
    magic, _, body = cell.partition("\n")
    reason = ""
    if magic != MAGIC or len(cell) > _LONGEST or visible(cell) != cell:
        reason = "it is no cell"
    try:
        reason = reason or next(_objections(body), "")
        Script(body, first_line=2).check(stopped=check)
    except JupyterLatentsError as error:
        reason = reason or error.message
    if reason:
        raise NameNotFoundError(
            f"{name} holds a cell that jupyter_latents did not write: {reason}. Somebody changed it; it is not shown.",
            name=name,
        )
    return cell


def _objections(body: str) -> Iterator[str]:
    lines = (Line(number, text, text) for number, text in enumerate(_NEWLINE.split(body), 2))
    for part in LineReader(lines, check=check):
        if isinstance(part, Block):
            yield "it has a template block"
        elif part.directive:
            yield from _of_directive(part)
        else:
            text = part.text.text
            written = [text[piece.start : piece.end] for piece in segments(text) if piece.kind != "text"]
            yield from (f"it has the template {one[:80]}" for one in written if not _TEMPLATE.fullmatch(one))


def _of_directive(part: Logical) -> Iterator[str]:
    found = _SETTING.fullmatch(part.text.text)
    if found is None or not is_expression(found[2]):
        yield f"it has the directive {part.text.text[:80]}"
