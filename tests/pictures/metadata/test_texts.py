"""The texts in pictures' files: written, read back here and by another reader, and bounded."""

from __future__ import annotations

import json
import struct
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from jupyter_latents.errors import NameNotFoundError
from jupyter_latents.pictures.metadata.bounds import MOST_DEPTH, json_of, real, whole
from jupyter_latents.pictures.metadata.parameters import Parameters, read_parameters, write_parameters
from jupyter_latents.pictures.metadata.record import Record, is_record, read_record, write_record
from jupyter_latents.pictures.metadata.texts import (
    CONFIG,
    LATENTS,
    MOST,
    OURS,
    PARAMETERS,
    picture_bytes,
    read_texts,
)

SAMPLES = Path(__file__).parents[4] / "shared" / "pictures"
RECORD = write_record(
    Record("%%dgen\ndemo/scenes\n--prompts \"ein Häuschen 猫 {{ '\\n' }}\"\n", "a" * 32, 2, {"m": "d"})
)
TEXT = write_parameters(
    Parameters("a cat, 猫\nin a hat", "rain: heavy", {"Steps": "20", "Sampler": "DPM++ 2M", "Schedule type": "Karras",
               "CFG scale": "7.5", "Seed": "18446744073709551615", "Size": "512x768", "Model": "a, b: c"})
)  # fmt: skip


def sample(name: str) -> Path:
    path = SAMPLES / name
    if not path.exists():
        pytest.skip(f"the sample {name} is not on this machine")
    return path


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_texts_come_back_as_they_were_written(kind: str) -> None:
    picture = Image.new("RGB", (8, 8), "teal")
    content = picture_bytes(picture, kind, {OURS: RECORD, PARAMETERS: TEXT}, b"latents")
    found = read_texts(content, "it")
    assert (found.format, found.texts[OURS], found.texts[PARAMETERS]) == (kind, RECORD, TEXT)
    assert found.latents == (b"latents" if kind == "PNG" else b"")
    assert is_record(found.texts[OURS])
    assert read_record(found.texts[OURS], "it").item == 2
    assert picture_bytes(picture, kind) == picture_bytes(picture, kind, {})


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_another_reader_finds_the_same(kind: str, tmp_path: Path) -> None:
    reader = pytest.importorskip("sd_parsers", reason="pip install sd-parsers")
    file = tmp_path / "x"
    file.write_bytes(picture_bytes(Image.new("RGB", (8, 8)), kind, {OURS: RECORD, PARAMETERS: TEXT}))
    found = reader.ParserManager().parse(file)
    (sampler,) = found.samplers
    assert (found.full_prompt, found.full_negative_prompt) == ("a cat, 猫\nin a hat", "rain: heavy")
    assert sampler.name == "DPM++ 2M"
    assert sampler.parameters == {"steps": "20", "cfg_scale": "7.5", "seed": str(2**64 - 1), "scheduler": "Karras"}
    assert found.metadata["Size"] == "512x768"


@pytest.mark.parametrize("texts", [{OURS: RECORD}, {PARAMETERS: TEXT}, {CONFIG: "# jupyter_latents 1\ndemo/scenes"}])
def test_a_gif_holds_what_it_is_given(texts: dict[str, str]) -> None:
    content = picture_bytes(Image.new("P", (8, 8)), "GIF", texts)
    assert read_texts(content, "it").texts == texts
    with Image.open(BytesIO(content)) as image:
        assert image.info["comment"].decode() == "".join(texts.values())


def test_another_reader_finds_the_parameters_of_a_gif_in_its_comment() -> None:
    content = picture_bytes(Image.new("RGB", (8, 8)), "GIF", {OURS: RECORD, PARAMETERS: TEXT})
    with Image.open(BytesIO(content)) as image:
        assert image.info["comment"].decode().startswith(f"{TEXT}\n")


@pytest.mark.parametrize("kind", ["GIF", "JPEG"])
def test_the_comment_of_a_painting_program_says_nothing(kind: str) -> None:
    """It stood for our own record, and hid the one in EXIF."""
    file, exif = BytesIO(), Image.Exif()
    if kind == "JPEG":
        exif.load(Image.open(BytesIO(picture_bytes(Image.new("RGB", (8, 8)), kind, {OURS: RECORD}))).info["exif"])
    Image.new("RGB", (8, 8)).save(file, kind, comment=b"Created with GIMP", exif=exif)
    assert read_texts(file.getvalue(), "it").texts == ({OURS: RECORD} if kind == "JPEG" else {})


@pytest.mark.parametrize("name", ["a1111.png", "a1111.jpg", "text-after-idat.png"])
def test_the_text_of_a1111_is_found_wherever_it_stands(name: str) -> None:
    found = read_parameters(read_texts(sample(name), name).texts[PARAMETERS])
    assert (found.positive, found.negative) == ("photo of a duck", "monochrome")
    assert found.values["Seed"] == "235284042"


@pytest.mark.parametrize("name", ["missing.png", "empty-file.png"])
def test_a_file_that_is_none_is_refused(name: str) -> None:
    path = sample(name) if name.startswith("empty") else Path(name)
    with pytest.raises(NameNotFoundError, match=name):
        read_texts(path, name)


def test_texts_and_json_are_bounded() -> None:
    with pytest.raises(NameNotFoundError, match="characters"):
        read_texts(picture_bytes(Image.new("RGB", (8, 8)), "PNG", {PARAMETERS: "a" * (MOST + 1)}), "it")
    assert json_of("[" * MOST_DEPTH + "]" * MOST_DEPTH, "it")
    for content in ("[" * 101, "[" * 500_000, "1" * 5000, "NaN", '{"a":', '"' + "[" * 500 + '"x', " " * (MOST + 1)):
        with pytest.raises(NameNotFoundError):
            json_of(content, "it")
    assert json_of(json.dumps("[" * 500), "it") == "[" * 500


def test_a_text_that_unpacks_to_a_bomb_is_refused() -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    bomb = chunk(b"zTXt", b"parameters\0\0" + zlib.compress(bytes(100_000_000), 9))
    content = picture_bytes(Image.new("RGB", (8, 8)), "PNG")
    with pytest.raises(NameNotFoundError):
        read_texts(content[:33] + bomb + content[33:], "it")
    assert LATENTS.decode().isalpha()


@pytest.mark.parametrize(
    ("value", "number", "decimal"),
    [(3, 3, 3.0), ("3", 3, 3.0), (2**64 - 1, 2**64 - 1, float(2**64)), ("1e400", None, None), (True, None, None),
     ("x" * 99, None, None), (None, None, None), (3.5, None, 3.5), ("nan", None, None), ("²", None, None),
     (-1, None, None)],
)  # fmt: skip
def test_numbers_of_anybody_are_within_bounds(value: object, number: int | None, decimal: float | None) -> None:
    assert whole(value, 0, 2**64 - 1) == number
    assert real(value, 0, 2**64) == decimal


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("", "", {})),
        ("a cat", ("a cat", "", {})),
        ("a: b, c", ("a: b, c", "", {})),
        ("Steps: 1, Seed: 2, Size: 3", ("", "", {"Steps": "1", "Seed": "2", "Size": "3"})),
        ('a\nNegative prompt: b\nc\nSteps: 1, Seed: 2, A b: "x, y: z", Hashes: {"m": "1", "n": "2"}, Z: 4',
         ("a", "b\nc", {"Steps": "1", "Seed": "2", "A b": "x, y: z", "Hashes": '{"m": "1", "n": "2"}', "Z": "4"})),
    ],
)  # fmt: skip
def test_the_text_is_read_as_a1111_reads_it(text: str, expected: tuple[str, str, dict[str, str]]) -> None:
    found = read_parameters(text)
    assert (found.positive, found.negative, dict(found.values)) == expected


@pytest.mark.parametrize("content", ["a" * 400_000, "a:" * 200_000, '"' * 300_000, 'a: "' * 100_000, "a: {" * 100_000])
def test_reading_is_linear(content: str) -> None:
    read_parameters(content)
