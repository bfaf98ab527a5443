"""The image-seed grammar."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from jupyter_latents.errors import JupyterLatentsError, Place, ScriptError
from jupyter_latents.stage import AdapterImage, ImageSeed, Reference, Size
from jupyter_latents.syntax import format_seed, parse_seed, unsupported
from tests.strategies import broken_texts, image_seeds


def path(text: str) -> Reference:
    return Reference(text, "path")


def variable(text: str) -> Reference:
    return Reference(text, "variable")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("photo.png", ImageSeed(images=(path("photo.png"),))),
        ("base", ImageSeed(images=(variable("base"),))),
        ("base[0]", ImageSeed(images=(variable("base[0]"),))),
        ("a.png;m.png", ImageSeed(images=(path("a.png"),), masks=(path("m.png"),))),
        ("a.png;512", ImageSeed(images=(path("a.png"),), resize=Size(512, 512))),
        ("a.png;m.png;512x768", ImageSeed(images=(path("a.png"),), masks=(path("m.png"),), resize=Size(512, 768))),
        ("a.png;512x768;m.png", ImageSeed(images=(path("a.png"),), masks=(path("m.png"),), resize=Size(512, 768))),
        ("a.png;align=16", ImageSeed(images=(path("a.png"),), align=16)),
        ("images: a.png, b.png;1024", ImageSeed(
            images=(path("a.png"), path("b.png")), resize=Size(1024, 1024), batch=True)),
        ("images: a, b;latents=x, y", ImageSeed(
            images=(variable("a"), variable("b")), latents=(variable("x"), variable("y")), batch=True)),
        ("latents: base", ImageSeed(latents=(variable("base"),))),
        ("latents:z.pt,y.pt", ImageSeed(latents=(path("z.pt"), path("y.pt")))),
        ("latents: z.pt;control=c.png", ImageSeed(latents=(path("z.pt"),), controls=(path("c.png"),))),
        ("adapter: a.png", ImageSeed(adapters=((AdapterImage(path("a.png")),),))),
        ("photo;mask=hole;latents=base", ImageSeed(
            images=(variable("photo"),), masks=(variable("hole"),), latents=(variable("base"),))),
        ("a.png;floyd=f.png", ImageSeed(images=(path("a.png"),), floyd=path("f.png"))),
        ("v.mp4;frame-start=0;frame-end=9", ImageSeed(images=(path("v.mp4"),), frame_start=0, frame_end=9)),
    ],
)  # fmt: skip
def test_every_form_of_a_seed_is_read(text: str, expected: ImageSeed) -> None:
    assert parse_seed(text) == expected


def test_the_longest_form_is_read_and_printed_back() -> None:
    text = (
        "in.png;mask=m.png;control=c1.png, c2.png;adapter=a.png + b|resize=512x512|aspect=false;latents=z;"
        "resize=512x768;align=8;aspect=false;frame-start=0;frame-end=9"
    )
    seed = parse_seed(text)
    assert seed.adapters == (
        (AdapterImage(path("a.png")), AdapterImage(variable("b"), resize=Size(512, 512), aspect=False)),
    )
    assert seed.resize == Size(512, 768)
    assert format_seed(seed) == text


@settings(max_examples=200, deadline=None)
@given(image_seeds())
def test_a_seed_printed_reads_back_the_same(seed: ImageSeed) -> None:
    assert parse_seed(format_seed(seed)) == seed


@pytest.mark.parametrize("count", [2_000, pytest.param(50_000, marks=pytest.mark.slow)])
def test_the_seed_parser_only_ever_raises_our_errors(count: int) -> None:
    read = 0
    unplaced = []
    for text in broken_texts(count):
        try:
            seed = parse_seed(text)
        except JupyterLatentsError as error:
            unplaced += [text] if error.place is None else []
        else:
            read += 1
            assert parse_seed(format_seed(seed)) == seed
    assert read > count // 10
    assert unplaced == []


@pytest.mark.parametrize("text", ["'a, b; c.png'", '"a, b; c.png"', "latents: 'a, b; c.png'"])
def test_quotes_keep_commas_and_semicolons_together(text: str) -> None:
    seed = parse_seed(text)
    assert (seed.images or seed.latents) == (path("a, b; c.png"),)


@pytest.mark.parametrize(
    ("quoted", "meant"),
    [
        (r'"a\\b.png"', r"a\b.png"),
        (r"'C:\\dir\\new.png'", r"C:\dir\new.png"),
        (r'"\\\\server\\x.png"', r"\\server\x.png"),
        (r'"one\nline\ttab"', "one\nline\ttab"),
        (r'"it\"s"', 'it"s'),
        (r'"it\'s"', "it's"),
        (r"'\$HOME\%'", "$HOME%"),
        (r'"C:\dir\x.png"', r"C:\dir\x.png"),
        (r"bare\\b\n.png", r"bare\\b\n.png"),
    ],
)
@pytest.mark.parametrize("frame", ["{}", "latents: {}", "a;mask={}", "a.png;{}", "images: a, {}", "adapter: {}"])
def test_escapes_in_quotes_are_those_of_dgenerate(quoted: str, meant: str, frame: str) -> None:
    assert repr(meant) in repr(parse_seed(frame.format(quoted)))


def test_a_quoted_bare_name_is_a_path() -> None:
    assert parse_seed("'base'").images == (path("base"),)


def test_a_path_with_spaces_needs_no_quotes() -> None:
    assert parse_seed("my pictures/a b.png;mask=m n.png").masks == (path("m n.png"),)


@pytest.mark.parametrize("address", ["https://x.org/a,b:80/c.png", "http://x.org/a?q=1,2+3"])
def test_addresses_with_commas_survive_bare_and_quoted(address: str) -> None:
    assert parse_seed(address).images == (Reference(address, "url"),)
    assert parse_seed(f"'{address};v=1'").images == (Reference(f"{address};v=1", "url"),)
    assert parse_seed(f"latents: {address}, base").latents == (Reference(address, "url"), variable("base"))


def test_quoted_words_side_by_side_are_several_items() -> None:
    assert parse_seed("latents: 'a b.pt' 'c.pt'").latents == (path("a b.pt"), path("c.pt"))


@pytest.mark.parametrize(
    ("text", "message", "column", "length"),
    [
        ("a.png;latens=x", "did you mean latents", 7, 6),
        ("a.png;resize=big", "no size", 14, 3),
        ("a.png;aspect=maybe", "neither true nor false", 14, 5),
        ("latents: ", "names nothing", 9, 1),
        ("latents: a,,b", "names nothing", 12, 1),
        ("", "empty", 1, 1),
        ("a.png;mask=m;mask=n", "given twice", 14, 4),
        ("latents: a;latents=b", "given twice", 12, 7),
        ("latents=x", "latents: ...", 1, 7),
        ("a.png, b.png", "images: a, b", 1, 12),
        ("images: a, b;latents=x", "1 latents for 2 images", 14, 7),
        ("images: a, b;mask=m, n, o", "3 masks for 2 images", 1, 25),
        ("latents: a;mask=m", "needs an image", 12, 4),
        ("a.png;frame-start=9;frame-end=2", "after frame-end", 7, 11),
        ("a.png;resize=4;align=8", "shorter than align", 16, 5),
        ("a.png;floyd=f;latents=x", "image and a mask only", 7, 5),
        ("a.png;'x", "quotes of 'x do not match", 7, 2),
        ("adapter: a|rezise=5", "did you mean resize", 12, 6),
        ("latents: a;128x128", "no image here, and a size is for images", 12, 7),
        ("latents: a;resize=128", "no image here, and a size is for images", 12, 6),
        ("control: c.png;align=8", "no image here, and align is for images", 16, 5),
        ("a.png;aspect=false", "add resize=512", 7, 6),
        ("a.png;512;m.png;n.png", "has no name here", 17, 5),
        ("a.png;512;64", "size is given twice", 11, 2),
        ("a.png;m.png;n.png", "has no name here", 13, 5),
        ("a.png;extract=1", "it takes mask, control", 7, 7),
    ],
)
def test_errors_point_at_the_piece(text: str, message: str, column: int, length: int) -> None:
    with pytest.raises(ScriptError, match=message) as caught:
        parse_seed(text)
    assert caught.value.place is not None
    assert (caught.value.place.column, caught.value.place.length) == (column, length)


def test_a_place_in_a_script_moves_the_caret_there() -> None:
    line = '--image-seeds "a.png;latens=x"'
    with pytest.raises(ScriptError) as caught:
        parse_seed("a.png;latens=x", Place(7, 16, line, 14))
    assert caught.value.place == Place(7, 22, line, 6)


def test_what_cannot_be_run_is_read_and_named() -> None:
    assert unsupported(parse_seed("a.png;floyd=f.png;frame-start=1")) == ["floyd"]
    assert unsupported(parse_seed("a.png;adapter=b.png")) == []
    assert unsupported(parse_seed("a.png;mask=m.png")) == []
