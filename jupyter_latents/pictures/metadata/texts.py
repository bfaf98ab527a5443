"""The texts in a picture's file, written and read: PNG's text chunks, the EXIF of JPEG and WebP, GIF's comment.

A GIF has one comment: A1111's text and, as the last line, our record.

`OURS` is the record of this package, `PARAMETERS` the text that A1111 and its readers know. Latents stand in a chunk of
PNG's own kind for private use, which other programs leave alone and drop when they change the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any

from jupyter_latents.errors import NameNotFoundError
from jupyter_latents.pictures.files import opened
from jupyter_latents.pictures.metadata.parameters import is_parameters

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "CONFIG",
    "LATENTS",
    "MOST",
    "OURS",
    "PARAMETERS",
    "Texts",
    "no_room",
    "picture_bytes",
    "read_texts",
    "storable",
    "write_picture",
]

OURS = "jupyter_latents"
PARAMETERS = "parameters"
CONFIG = "DgenerateConfig"
"""The script of a picture as dgenerate calls it; in EXIF it stands in the place of `PARAMETERS`."""
LATENTS = b"ltNS"  # its letters' cases say: may be left out, private, unsafe to copy into a changed picture
MOST = 4_000_000
"""Characters of the longest text that is read."""

_EXIF, _COMMENT, _NOTE = 0x8769, 0x9286, 0x927C  # EXIF's own part, and in it UserComment and MakerNote
_MOST_EXIF = 65_500  # bytes that a JPEG holds
_UNICODE, _ASCII = b"UNICODE\x00", b"ASCII\x00\x00\x00"


@dataclass(frozen=True, slots=True)
class Texts:
    """What a picture's file says beside the picture.

    Attributes:
        format: Pillow's name of its format.
        texts: Each text by its key.
        latents: The latents in it, the bytes of a ``.safetensors`` file; empty where there are none.
    """

    format: str
    texts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    latents: bytes = b""


def write_picture(
    image: Image,
    file: IO[bytes],
    kind: str,
    texts: Mapping[str, str] = MappingProxyType({}),
    latents: bytes = b"",
    **film: Any,
) -> tuple[str, ...]:
    """Writes a picture with its texts; without any, as Pillow writes it.

    Args:
        image: The picture.
        file: Where to.
        kind: Pillow's name of the format.
        texts: `OURS` in ASCII, `PARAMETERS` in any letters; either may be missing.
        latents: What `Texts.latents` gives back; PNG alone holds it.
        film: Pillow's arguments for the further pictures of a film.

    Returns:
        The keys of the texts that this format has no room for.
    """
    known = {key: storable(text) for key, text in texts.items()}
    arguments, held = _ARGUMENTS.get(kind, _nothing)(known, latents)
    image.save(file, format=kind, **arguments, **film)
    return tuple(key for key in known if key not in held)


def no_room(kind: str, keys: Iterable[str]) -> str:
    """What is to be told where `write_picture` left texts out.

    Args:
        kind: Pillow's name of the format.
        keys: The keys of the texts.
    """
    return f"{kind} has no room for what says how the picture was made ({', '.join(keys)}); PNG and WebP have"


def picture_bytes(
    image: Image, kind: str, texts: Mapping[str, str] = MappingProxyType({}), latents: bytes = b""
) -> bytes:
    """The bytes of a picture's file; see `write_picture`."""
    file = BytesIO()
    write_picture(image, file, kind, texts, latents)
    return file.getvalue()


def storable(text: str) -> str:
    """A text without what no file holds: the ends of C's texts, and halves of letters."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def _nothing(_texts: Mapping[str, str], _latents: bytes) -> tuple[dict[str, Any], tuple[str, ...]]:
    return {}, ()


def _png(texts: Mapping[str, str], latents: bytes) -> tuple[dict[str, Any], tuple[str, ...]]:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    if latents:
        info.add(LATENTS, latents)
    return ({"pnginfo": info} if texts or latents else {}), tuple(texts)


def _exif(texts: Mapping[str, str]) -> bytes:
    from PIL.Image import Exif

    exif = Exif()
    if OURS in texts:
        exif.get_ifd(_EXIF)[_NOTE] = texts[OURS].encode("ascii", "replace")
    comment = texts.get(CONFIG) or texts.get(PARAMETERS)
    if comment is not None:
        exif.get_ifd(_EXIF)[_COMMENT] = _UNICODE + comment.encode("utf-16-be")
    return exif.tobytes()


def _jpeg(texts: Mapping[str, str], _latents: bytes) -> tuple[dict[str, Any], tuple[str, ...]]:
    for keys in (tuple(texts), (CONFIG,), (OURS,), (PARAMETERS,)):
        part = {key: texts[key] for key in keys if key in texts}
        if part and len(exif := _exif(part)) <= _MOST_EXIF:
            return {"exif": exif}, tuple(part)
    return {}, ()


def _webp(texts: Mapping[str, str], _latents: bytes) -> tuple[dict[str, Any], tuple[str, ...]]:
    return ({"exif": _exif(texts)} if texts else {}), tuple(texts)


def _gif(texts: Mapping[str, str], _latents: bytes) -> tuple[dict[str, Any], tuple[str, ...]]:
    said = filter(None, (texts.get(CONFIG) or texts.get(PARAMETERS), texts.get(OURS)))
    comment = "\n".join(said).encode()
    return ({"comment": comment} if comment else {}), tuple(texts)


_ARGUMENTS: Mapping[str, Callable[[Mapping[str, str], bytes], tuple[dict[str, Any], tuple[str, ...]]]] = (
    MappingProxyType({"PNG": _png, "JPEG": _jpeg, "WEBP": _webp, "GIF": _gif})
)
"""By format: what Pillow is told of texts and latents, and the keys that it then writes."""


def _unasked() -> None:
    """Goes on."""


def read_texts(source: Path | bytes, name: str, check: Callable[[], None] = _unasked) -> Texts:
    """The texts in a picture's file; its pixels are read only where texts may stand behind them.

    Args:
        source: The file, or the bytes of one.
        name: What to call it.
        check: Called before each block that is read; it raises to stop.

    Raises:
        NameNotFoundError: It is not there, no picture that is read, damaged, or one of its texts is too long.
    """
    with opened(source, name, check) as image:
        kind = image.format or ""
        found = _png_texts(image) if kind == "PNG" else {**_comment(image), **_exif_texts(image)}
        latents = next((data for key, data in getattr(image, "private_chunks", ()) if key == LATENTS), b"")
    longest = max(map(len, found.values()), default=0)
    if longest > MOST:
        raise NameNotFoundError(
            f"{name} holds a text of {longest} characters, and {MOST} are the most that is read of one.", name=name
        )
    return Texts(kind, MappingProxyType(found), latents)


def _png_texts(image: Any) -> dict[str, str]:
    found = {str(key): str(text) for key, text in image.info.items() if isinstance(text, str)}
    if not found:
        image.load()  # texts may stand behind the pixels
        found = {str(key): str(text) for key, text in image.text.items()}
    return found


def _exif_texts(image: Any) -> dict[str, str]:
    own = image.getexif().get_ifd(_EXIF)
    comment, note = own.get(_COMMENT), own.get(_NOTE)
    text = _comment_text(comment) if isinstance(comment, (bytes, str)) else ""
    found = {CONFIG if text.startswith(f"# {OURS} ") else PARAMETERS: text} if text else {}
    return found | ({OURS: note.decode("ascii", "replace")} if isinstance(note, bytes) else {})


def _comment_text(comment: bytes | str) -> str:
    """EXIF's UserComment as text; its first eight bytes say how it is written."""
    if isinstance(comment, str):
        return comment
    if comment.startswith(_UNICODE):
        rest = comment[len(_UNICODE) :]
        little = rest.startswith(b"\xff\xfe") or (rest[1:2] == b"\x00" and rest[:1] != b"\x00")
        return rest.decode("utf-16-le" if little else "utf-16-be", "replace").removeprefix("\ufeff")
    return comment.removeprefix(_ASCII).decode("utf-8", "replace").strip("\x00")


def _comment(image: Any) -> dict[str, str]:
    """The texts in a comment; what painting programs leave there says not how a picture was made."""
    comment = image.info.get("comment")
    if not isinstance(comment, bytes):
        return {}
    text = comment.decode("utf-8", "replace")
    above, _, last = text.rpartition("\n")
    found = {OURS: last} if last.startswith(f'{{"{OURS}":') else {}
    said = above if found else text
    if said.startswith(f"# {OURS} "):
        return {CONFIG: said, **found}
    return {PARAMETERS: said, **found} if said and (found or is_parameters(said)) else found
