"""Pictures of every kind come in upright, with eight bits a colour, or are refused with what to do."""

from __future__ import annotations

import io
import os
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from PIL.Image import Image

from jupyter_latents.errors import NameNotFoundError, StoppedError
from jupyter_latents.pictures.reading import note_of, read_mask, read_picture, size_of

COLOURS = np.random.default_rng(3).integers(0, 256, (6, 4, 3), dtype=np.uint8)
ALPHA = np.where(np.arange(24).reshape(6, 4) % 3, 255, 0).astype(np.uint8)
UPRIGHT = PIL.Image.fromarray(COLOURS)
GREY = np.asarray(UPRIGHT.convert("L"))
FLAT = np.where(ALPHA[..., None] == 255, COLOURS, 255).astype(np.uint8)
"""The colours, white where they are transparent."""


def with_alpha(image: Image) -> Image:
    made = image.copy()
    made.putalpha(PIL.Image.fromarray(ALPHA))
    return made


def as_file(image: Image, folder: Path, kind: str = "PNG", **options: Any) -> Path:
    path = folder / f"picture.{kind.lower()}"
    image.save(path, kind, **options)
    return path


def values(picture: Image) -> np.ndarray:
    return np.asarray(picture)


def refusal(value: Any, read: Any = read_picture) -> str:
    with pytest.raises(NameNotFoundError) as refused:
        read(value, "photo")
    assert "photo" in refused.value.message
    return refused.value.message


def grey(array: np.ndarray) -> np.ndarray:
    return np.repeat(array[..., None], 3, 2)


PALETTE = UPRIGHT.quantize(16)
MODES = {
    "1": (UPRIGHT.convert("1"), grey(np.asarray(UPRIGHT.convert("1")).astype(np.uint8) * 255)),
    "L": (UPRIGHT.convert("L"), grey(GREY)),
    "LA": (with_alpha(UPRIGHT.convert("L")), grey(np.where(ALPHA == 255, GREY, 255).astype(np.uint8))),
    "P": (PALETTE, np.asarray(PALETTE.convert("RGB"))),
    "RGB": (UPRIGHT, COLOURS),
    "RGBA": (with_alpha(UPRIGHT), FLAT),
    "CMYK": (UPRIGHT.convert("CMYK"), COLOURS),
    "YCbCr": (UPRIGHT.convert("YCbCr"), np.asarray(UPRIGHT.convert("YCbCr").convert("RGB"))),
    "I;16": (PIL.Image.fromarray(GREY.astype(np.uint16) * 257), grey(GREY)),
}


@pytest.mark.parametrize("mode", MODES)
def test_a_picture_of_every_mode_comes_in_with_its_colours(mode: str) -> None:
    image, right = MODES[mode]
    assert image.mode == mode
    picture = read_picture(image, "photo")
    assert picture.mode == "RGB"
    assert np.array_equal(values(picture), right)
    assert size_of(image, "photo") == picture.size == (4, 6)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_file_of_every_mode_of_png_comes_in_as_the_picture_does(mode: str, tmp_path: Path) -> None:
    image, right = MODES[mode]
    path = as_file(image, tmp_path)
    assert np.array_equal(values(read_picture(path, "photo")), right)
    assert np.array_equal(values(read_picture(path.read_bytes(), "photo")), right)


@pytest.mark.parametrize("transparent", [5, bytes([0, *[255] * 15])])
def test_a_palette_with_a_transparent_colour_is_white_there(transparent: Any, tmp_path: Path) -> None:
    path = as_file(PALETTE, tmp_path, transparency=transparent)
    clear = np.asarray(PALETTE) == (5 if isinstance(transparent, int) else 0)
    right = np.where(clear[..., None], 255, np.asarray(PALETTE.convert("RGB")))
    assert clear.any()
    assert np.array_equal(values(read_picture(path, "photo")), right)


def test_sixteen_bits_are_scaled_and_not_cut_off(tmp_path: Path) -> None:
    """20000 of 65535 is 78 of 255."""
    image = PIL.Image.fromarray(np.full((6, 4), 20000, np.uint16))
    for value in (image, as_file(image, tmp_path), np.asarray(image), as_file(image, tmp_path, "TIFF")):
        assert set(values(read_picture(value, "photo")).ravel()) == {78}
        assert set(values(read_mask(value, "photo")).ravel()) == {78}
    graymap = b"P5 4 6 65535\n" + struct.pack(">H", 20000) * 24
    assert set(values(read_picture(graymap, "photo")).ravel()) == {78}


@pytest.mark.parametrize("mode", ["F", "I"])
@pytest.mark.parametrize("read", [read_picture, read_mask])
def test_numbers_without_a_white_are_refused_with_what_to_do(mode: str, read: Any, tmp_path: Path) -> None:
    image = PIL.Image.fromarray(GREY.astype(np.float32 if mode == "F" else np.int32))
    assert image.mode == mode
    for value in (image, as_file(image, tmp_path, "TIFF")):
        assert "0 to 255" in refusal(value, read)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_file_is_turned_as_its_exif_says(orientation: int, kind: str, tmp_path: Path) -> None:
    """What is red at the upper left in a viewer is red at the upper left here."""
    upright = np.zeros((32, 48, 3), np.uint8)
    upright[:16, :16, 0] = 255
    turns = {1: 0, 2: "flip", 3: 2, 4: "flop", 5: "transpose", 6: 1, 7: "transverse", 8: 3}
    ways = {"flip": upright[:, ::-1], "flop": upright[::-1], "transpose": upright.transpose(1, 0, 2),
            "transverse": upright[::-1, ::-1].transpose(1, 0, 2)}  # fmt: skip
    turn = turns[orientation]
    stored = ways[turn] if isinstance(turn, str) else np.rot90(upright, turn)
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95} if kind in ("JPEG", "WEBP") else {}
    path = as_file(PIL.Image.fromarray(np.ascontiguousarray(stored)), tmp_path, kind, exif=exif, **options)
    assert size_of(path, "photo") == (48, 32)
    with PIL.Image.open(path) as variable:
        pictures = [read_picture(variable, "photo"), read_picture(path, "photo")]
    for picture in pictures:
        assert picture.size == (48, 32)
        assert np.abs(values(picture).astype(int) - upright).mean() < 12


def test_a_picture_that_somebody_turned_by_hand_is_not_turned_again(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    with PIL.Image.open(as_file(UPRIGHT, tmp_path, exif=exif)) as sideways:
        turned = sideways.rotate(270, expand=True)
    assert np.array_equal(values(read_picture(turned, "photo")), values(turned))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_of_several_pictures_is_used_and_told(kind: str, tmp_path: Path) -> None:
    first, second = PIL.Image.new("RGB", (4, 6), (255, 0, 0)), PIL.Image.new("RGB", (4, 6), (0, 0, 255))
    options = {"lossless": True} if kind == "WEBP" else {}
    path = as_file(first, tmp_path, kind, save_all=True, append_images=[second], **options)
    assert np.array_equal(values(read_picture(path, "photo")), values(first))
    assert note_of(path, "photo") == "photo holds several pictures; the first is used"
    assert note_of(as_file(first, tmp_path, kind), "photo") == ""


def test_an_opened_picture_that_somebody_moved_on_is_used_where_it_stands(tmp_path: Path) -> None:
    first, second = PIL.Image.new("RGB", (4, 6), (255, 0, 0)), PIL.Image.new("RGB", (4, 6), (0, 0, 255))
    with PIL.Image.open(as_file(first, tmp_path, "GIF", save_all=True, append_images=[second])) as opened:
        opened.seek(1)
        assert note_of(opened, "photo") == "photo holds several pictures; number 2, where it stands, is used"
        assert np.array_equal(values(read_picture(opened, "photo")), values(second))


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0)])
def test_a_picture_without_pixels_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(NameNotFoundError, match="at least 1x1 is read"):
        size_of(PIL.Image.new("RGB", size), "photo")
    with pytest.raises(NameNotFoundError, match="at least 1x1 is read"):
        size_of(PIL.Image.new("L", size, 255), "mask")


def test_a_mask_of_zeros_and_ones_is_refused() -> None:
    small = np.zeros((6, 4), np.uint8)
    small[2:] = 1
    for mask in (small, PIL.Image.fromarray(small), np.ones((6, 4), np.uint8)):
        with pytest.raises(NameNotFoundError, match="0 and 1, and 255 is white"):
            read_mask(mask, "mask")
    assert read_mask(small > 0, "mask").getextrema() == (0, 255)
    assert read_mask(np.zeros((6, 4), np.uint8), "mask").getextrema() == (0, 0)


def test_a_mask_is_black_where_it_is_transparent() -> None:
    strokes = PIL.Image.new("RGBA", (4, 6), (255, 255, 255, 0))
    strokes.paste((255, 255, 255, 255), (0, 0, 2, 6))
    right = np.zeros((6, 4), np.uint8)
    right[:, :2] = 255
    assert np.array_equal(values(read_mask(strokes, "mask")), right)
    assert np.array_equal(values(read_mask(right > 0, "mask")), right)


@pytest.mark.parametrize(
    "array",
    [
        COLOURS,
        torch.from_numpy(COLOURS),
        torch.from_numpy(COLOURS).permute(2, 0, 1),
        COLOURS.astype(np.uint16) * 257,
        np.concatenate([COLOURS, np.full((6, 4, 1), 255, np.uint8)], -1),
    ],
    ids=["numpy", "torch", "channels first", "16 bits", "alpha"],
)
def test_an_array_of_pixels_is_a_picture(array: Any) -> None:
    assert np.array_equal(values(read_picture(array, "photo")), COLOURS)
    assert size_of(array, "photo") == (4, 6)


def test_a_grey_array_may_have_an_axis_of_one_channel() -> None:
    assert np.array_equal(values(read_picture(GREY[..., None], "photo")), grey(GREY))


@pytest.mark.parametrize("shape", [(6, 4, 7), (2, 6, 4, 3), (0, 4, 3), (4,)])
def test_an_array_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    assert str(shape) in refusal(np.zeros(shape, np.uint8))


# Hostile files


def png_of(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG whose header says a size, and that holds nothing of it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@pytest.mark.parametrize("side", [13_500, 60_000])
def test_a_bomb_is_refused_by_its_header(side: int) -> None:
    for ask in (read_picture, size_of):
        assert "Make it smaller" in refusal(png_of(side, side), ask)


def test_a_bomb_of_text_is_refused() -> None:
    text = b"parameters\0\0" + zlib.compress(b"a" * 80_000_000, 9)
    assert "cannot be read" in refusal(png_of(4, 6, (b"zTXt", text)))


@pytest.mark.parametrize("cut", [0, 1, 20, 60, 90])
def test_a_cut_file_is_refused(cut: int) -> None:
    content = io.BytesIO()
    UPRIGHT.save(content, "PNG")
    assert "cannot be read" in refusal(content.getvalue()[:cut])


@pytest.mark.parametrize("kind", ["EPS", "PCX", "ICO", "TGA", "SGI", "PDF"])
def test_formats_that_are_not_listed_are_not_tried(kind: str, tmp_path: Path) -> None:
    """An EPS file would be handed to Ghostscript."""
    message = refusal(as_file(UPRIGHT.resize((16, 16)), tmp_path, kind))
    assert "PNG, JPEG, WEBP" in message


def test_what_is_no_plain_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "no plain file" in refusal(tmp_path / "pipe")
    assert "no plain file" in refusal(Path("/dev/zero"))
    assert "a folder" in refusal(tmp_path)


def test_every_byte_of_a_file_may_be_damaged() -> None:
    """A picture or our error, for each byte of a PNG and of a GIF."""
    for kind in ("PNG", "GIF", "BMP"):
        content = io.BytesIO()
        PALETTE.save(content, kind)
        for at in range(len(content.getvalue())):
            damaged = bytearray(content.getvalue())
            damaged[at] ^= 0xFF
            with suppress(NameNotFoundError):
                assert read_picture(bytes(damaged), "photo").mode == "RGB"


def test_reading_asks_between_blocks_whether_to_stop(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), dtype=np.uint8)
    path = as_file(PIL.Image.fromarray(noise), tmp_path)
    asked = 0

    def stop() -> None:
        nonlocal asked
        asked += 1
        if asked == 9:
            raise StoppedError("stopped")

    with pytest.raises(StoppedError):
        read_picture(path, "photo", stop)
    assert asked == 9
    assert read_picture(path, "photo").size == (400, 400)


WRITTEN = {
    "PNG": {},
    "JPEG": {"quality": 95},
    "WEBP": {"quality": 95},
    "BMP": {},
    "GIF": {},
    "PPM": {},
    "AVIF": {"quality": 95},
    "TIFF": {"compression": "tiff_lzw"},
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_every_listed_format_is_read_whole(kind: str, tmp_path: Path) -> None:
    """By its path and by its bytes, none of which is left to be read later."""
    PIL.Image.init()
    if kind not in PIL.Image.SAVE:
        pytest.skip(f"this Pillow writes no {kind}")
    smooth = PIL.Image.linear_gradient("L").resize((96, 64)).convert("RGB")
    path = as_file(smooth, tmp_path, kind, **WRITTEN[kind])
    pictures = [read_picture(path, "photo"), read_picture(path.read_bytes(), "photo")]
    path.unlink()
    for picture in pictures:
        assert np.abs(values(picture).astype(int) - values(smooth)).mean() < 3


def test_a_photograph_in_printers_colours_is_read(tmp_path: Path) -> None:
    smooth = PIL.Image.linear_gradient("L").resize((96, 64)).convert("CMYK")
    path = as_file(smooth, tmp_path, "JPEG", quality=95)
    assert np.abs(values(read_picture(path, "photo")).astype(int) - values(smooth.convert("RGB"))).mean() < 3
