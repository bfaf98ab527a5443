"""Help, completion and the magic's own line."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from jupyter_latents.errors import HelpAskedError, ScriptError
from jupyter_latents.syntax.options.completion import complete
from jupyter_latents.syntax.options.help import help_text, option_help
from jupyter_latents.syntax.options.magic_line import parse_magic_line
from jupyter_latents.syntax.options.magic_options import MAGIC_OPTIONS, MagicOptions
from jupyter_latents.syntax.options.second_stage import REWRITTEN
from jupyter_latents.syntax.options.table import OPTIONS
from jupyter_latents.syntax.script import Script


def test_help_explains_every_option() -> None:
    text = help_text(width=90)
    assert all(option.name in text for option in (*OPTIONS, *MAGIC_OPTIONS))
    assert max(len(line) for line in text.splitlines()) <= 120


@pytest.mark.parametrize("name", ["--denoising-end", "denoising-end", "-de", "Denoising-End"])
def test_help_explains_one_option(name: str) -> None:
    assert "0 to 1 of the denoising" in help_text(name)


def test_help_finds_the_nearest_and_tells_of_dgenerates_own() -> None:
    with pytest.raises(ScriptError, match="did you mean denoising-start"):
        help_text("denoisin-start")
    assert "does not run here" in help_text("plugin-modules")
    assert "is taken and changes nothing: pictures carry A1111's" in help_text("output-auto1111-metadata")
    assert "Sets a name to text" in help_text("\\set")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", MagicOptions()),
        ("--dry-run --verbose", MagicOptions(dry_run=True, verbose=True)),
        ("--background --preview-every 5 --force", MagicOptions(background=True, preview_every=5, force=True)),
        ("--preview-every off", MagicOptions(preview_every=0)),
        ("--file 'my script.dgen'", MagicOptions(file="my script.dgen")),
        ("--help", MagicOptions(help="")),
        ("--help denoising-end", MagicOptions(help="denoising-end")),
        ("--help --seeds", MagicOptions(help="--seeds")),
        ("--file a.dgen --output-path out --seeds 1 2 -n", MagicOptions(
            file="a.dgen", dry_run=True, arguments=("--output-path", "out", "--seeds", "1", "2"))),
    ],
)  # fmt: skip
def test_the_magics_line_is_read(line: str, expected: MagicOptions) -> None:
    assert parse_magic_line(line) == expected


@pytest.mark.parametrize(
    ("line", "message", "under"),
    [
        ("--dry-rn", "did you mean --dry-run", "--dry-rn"),
        ("--preview-every x", "whole number", "x"),
        ("--preview-every", "needs a value: N", "--preview-every"),
        ("--force --force", "given twice", "--force"),
        ("demo/scenes", "on the magic's line", "demo/scenes"),
        ("--file 'a", "never closed", "'"),
        ("--seeds", "needs a value", "--seeds"),
    ],
)
def test_errors_on_the_magics_line_point_at_it(line: str, message: str, under: str) -> None:
    with pytest.raises(ScriptError, match=message) as caught:
        parse_magic_line(line)
    place = caught.value.place
    assert place is not None
    assert place.line == 1
    assert place.text.startswith("%%dgen ")
    assert place.text[place.column - 1 : place.column - 1 + place.length] == under


def files(typed: str) -> Sequence[str]:
    return [path for path in ("pictures/", "pictures/a.png", "out.pt") if path.startswith(typed)]


def proposed(cell: str) -> list[str]:
    """What is proposed at the mark ^ of a cell, as the cell would then read from the word on."""
    cursor = cell.index("^")
    cell = cell.replace("^", "")
    found = complete(
        cell,
        cursor,
        variables=["base", "final", "photo"],
        models=["demo/scenes", "demo/paper"],
        schedulers=["DDIMScheduler", "EulerDiscreteScheduler"],
        list_path=files,
    )
    assert all(item.start <= cursor == item.end for item in found)
    return [item.text for item in found]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("%%dgen\nm\n--denoi^", ["--denoising-start", "--denoising-end"]),
        ("m --seeds 1 --into^", ["--into"]),
        ("%%dgen\ndemo/^", ["demo/scenes", "demo/paper"]),
        ("%%dgen\nm --seeds 1\n\ndemo/p^", ["demo/paper"]),
        ("m\n--scheduler Eu^", ["EulerDiscreteScheduler"]),
        ("m\n--image-format p^", ["png", "pt", "pth", "png;latents"]),
        ("m\n--optimize compile f^", ["fuse-projections", "float8-weights", "first-block-cache"]),
        ('m\n--image-seeds "latents: b^', ["base"]),
        ("m --image-seeds ph^", ["photo"]),
        ('m --image-seeds "photo;la^', ["latents="]),
        ('m --image-seeds "photo;latents=^', ["base", "final", "photo"]),
        ('m --image-seeds "photo;mask=pictures/^', ["pictures/a.png"]),
        ('m --image-seeds "photo;aspect=t^', ["true"]),
        ("m --output-path pi^", ["pictures/", "pictures/a.png"]),
        ("\\se^", ["\\set", "\\setp", "\\sete"]),
        ("%%dgen --dr^", ["--dry-run"]),
        ("%%dgen --file o^", ["out.pt"]),
        ("%%dgen --help denoising-e^", ["denoising-end"]),
        ('m --prompts "{{ ba^', ["base"]),
        ('m --prompts "a bas^', []),
    ],
)
def test_completion_knows_where_it_is(cell: str, expected: list[str]) -> None:
    assert proposed(cell) == expected


def test_completion_offers_options_after_a_full_option() -> None:
    assert "--prompts" in proposed("m\n--into a ^")


def test_completion_says_what_an_option_is_for() -> None:
    (item,) = complete("m --denoising-en", 16)
    assert item.help.startswith("Where this stage stops")


@pytest.mark.parametrize(
    "script", ["demo/scenes --prompts x --denoising-end?", "demo/scenes -de? --prompts x", "--denoising-end?"]
)
def test_a_question_mark_behind_an_option_asks_for_its_help(script: str) -> None:
    with pytest.raises(HelpAskedError, match="0 to 1 of the denoising"):
        Script(script).check()
    with pytest.raises(HelpAskedError, match="Show a preview every N steps"):
        parse_magic_line("--preview-every?")
    with pytest.raises(ScriptError, match="'--sead' is no option; did you mean") as caught:
        Script("demo/scenes\n--sead?").check()
    assert caught.value.place is not None
    assert caught.value.place.line == 2


def test_options_of_the_magics_line_are_sent_there() -> None:
    with pytest.raises(ScriptError, match="belongs on the magic's own line"):
        Script("demo/scenes --prompts x --preview-every 4").check()


@pytest.mark.parametrize(
    ("cell", "offered"),
    [
        ('--loras "x;sta', ["start="]),
        ("--loras x;", ["scale=", "start=", "end=", "expert=", "weight-name=", "revision=", "subfolder="]),
        ("--control-nets 'x;scale=0.5;s", ["start=", "subfolder="]),
        ("--vae x;mo", ["model="]),
        ("--textual-inversions x;t", ["token="]),
        ("--seed-image-processors canny;lo", ["lower="]),
        ("--post-processors 'resize;s", ["size=", "scale="]),
        ("--latents-processors composite;", ["with=", "at=", "feather="]),
        ("--loras x;scale=", []),
    ],
)
def test_settings_of_an_address_are_offered(cell: str, offered: list[str]) -> None:
    text = f"%%dgen\nm {cell}"
    found = complete(text, len(text))
    assert [one.text for one in found] == offered
    assert all(text[: one.start].endswith(";") and one.end == len(text) for one in found)


def test_options_of_the_refiner_are_explained_offered_and_guessed() -> None:
    assert all(f"\n  {name}\n" in help_text() for name in REWRITTEN)
    told = " ".join(option_help("--sdxl-high-noise-fractions").split())  # however wide the terminal is
    assert "fraction of the steps. Default: 0.8" in told
    cell = "%%dgen\nm --sdxl-refiner-pa"
    found = [one.text for one in complete(cell, len(cell))]
    assert found == ["--sdxl-refiner-pag", "--sdxl-refiner-pag-scales", "--sdxl-refiner-pag-adaptive-scales"]
    with pytest.raises(ScriptError, match="did you mean --sdxl-refiner"):
        Script("m --sdxl-refine r").check()
