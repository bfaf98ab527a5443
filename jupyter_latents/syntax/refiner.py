"""dgenerate's refiner options, rewritten into two stages: the base up to a fraction, and the refiner from there."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation

from jupyter_latents.errors import JupyterLatentsError, ScriptError, nearest
from jupyter_latents.stage import CONTROL_FIELDS

from .addresses import parse_address
from .expand import UNKNOWN
from .options.choices import CALLED
from .options.second_stage import BEFORE, EDIT, FRACTION, FRACTIONS, REFINER, REWRITTEN, SECOND, SHORT
from .options.table import BY_NAME, MOST
from .pairs import Pair
from .seeds import parse_seed
from .text.quoting import Word, rendered

__all__ = ["StageWords", "in_two_stages"]

_LAST = (
    "output_path", "output_prefix", "output_overwrite", "output_metadata", "output_configs", "batch_grid_size",
    "image_format", "into",
)  # fmt: skip
# What the refiner's stage takes over from the first, where it says nothing of its own.
_SHARED = (
    "dtype", "variant", "auth_token", "offline", "device", "vae", "vae_tiling", "vae_slicing", "optimize", "prompts",
    "negative_prompts", "prompt_weighter", "inference_steps", "guidance_scales", "guidance_rescales", "schedulers",
    "model_cpu_offload", "model_sequential_offload", "model_group_offload", "force", "animation_format", "no_frames",
)  # fmt: skip
_FIRST_ALONE = ("text_encoders", "textual_inversions", "unet", "loras", "ip_adapters")
_CUT = "high-noise fraction"  # what people call where the refiner begins
_URI = ("revision", "variant", "subfolder", "dtype")


@dataclass(frozen=True, slots=True)
class StageWords:
    """The words of one invocation.

    Attributes:
        words: The words; the first is the model.
        note: What is to be told of it; empty for nothing.
        pair: Which pair it belongs to, where several values make several.
    """

    words: list[Word]
    note: str = ""
    pair: Pair | None = None


@dataclass(frozen=True, slots=True)
class _Given:
    """An option as it was given."""

    option: Word
    name: str
    values: tuple[Word, ...]

    @property
    def dest(self) -> str:
        """Its `dest` in the table; its name for an option of the refiner."""
        return BY_NAME[self.name].dest if self.name in BY_NAME else self.name

    @property
    def words(self) -> list[Word]:
        """Its words."""
        return [self.option, *self.values]


def in_two_stages(words: Sequence[Word], draw: Callable[[], object] = int) -> Iterator[StageWords]:
    """The invocations that one becomes: itself, or a pair for each fraction and value where a refiner goes on.

    Args:
        words: Its words.
        draw: Draws a seed of ``--gen-seeds``, where both stages of a pair are to have the same.

    Raises:
        ScriptError: Options of a refiner without one, or beside what it does not go with.
    """
    given = list(_grouped(words[1:]))
    own = {one.name: one for one in given if one.name in REWRITTEN}
    if not own:
        yield StageWords(list(words))
        return
    first = next(iter(own.values()))
    if REFINER not in own or not own[REFINER].values:
        text = f"'{first.option.text}' is of a refiner, and there is none; name one by {REFINER} NAME, or leave it out."
        raise ScriptError(text, place=first.option.place)
    base = [one for one in given if one.name not in REWRITTEN]
    edit = EDIT in own or _edits(base)
    _check(base, own)
    base = [_drawn(one, draw) for one in base] if edit else base
    fractions = own[FRACTIONS].values if FRACTIONS in own else (rendered(FRACTION, own[REFINER].option),)
    pairs = list(itertools.product(_choices(base, edit=edit), fractions))
    for number, (chosen, fraction) in enumerate(pairs):
        told = [
            (CALLED[one.dest], one.values[0])
            for one, whole in zip(chosen, base, strict=True)
            if len(one.values) < len(whole.values)
        ]
        told += [(_CUT, fraction)] if len(fractions) > 1 else []
        for refines, stage in enumerate(_pair(words[0], chosen, own, fraction, edit=edit)):
            pair = Pair(number, len(pairs), tuple(told), refines=bool(refines)) if len(pairs) > 1 else None
            yield replace(stage, pair=pair)


def _grouped(words: Sequence[Word]) -> Iterator[_Given]:
    """Each option with the words behind it; words before the first option stand alone."""
    found: list[tuple[Word, list[Word]]] = []
    for word in (part for one in words for part in _split(one)):
        if not word.quoted and word.text.startswith("-") and word.text[1:2].isalpha() | word.text.startswith("--"):
            found.append((word, []))
        elif found:
            found[-1][1].append(word)
        else:
            found.append((word, []))
    return (_Given(option, SHORT.get(option.text, option.text), tuple(values)) for option, values in found)


def _split(word: Word) -> list[Word]:
    """``--name=value`` of a refiner's option as two words."""
    name, equals, value = word.text.partition("=")
    if not equals or word.quoted or name not in REWRITTEN:
        return [word]
    return [rendered(name, word), rendered(value, word)]


def _of(given: Sequence[_Given], dest: str) -> _Given | None:
    return next((one for one in given if one.dest == dest), None)


def _edits(base: Sequence[_Given]) -> bool:
    """Whether diffusers cannot stop the base midway, so that the refiner changes its finished picture."""
    if any(_of(base, dest) for dest in CONTROL_FIELDS):
        return True
    seeds = _of(base, "image_seeds")
    return seeds is not None and any(
        ";mask=" in word.text.replace(" ", "") or _masked(word.text) for word in seeds.values
    )


def _masked(text: str) -> bool:
    try:
        return bool(parse_seed(text).masks)
    except JupyterLatentsError:
        return False  # said where the seed is read


def _drawn(one: _Given, draw: Callable[[], object]) -> _Given:
    """``--seeds`` for ``--gen-seeds``; another option, or a number that cannot be, as it is."""
    count = one.values[0].text if one.dest == "gen_seeds" and len(one.values) == 1 else ""
    if not count.isdecimal() or not 0 < int(count) <= MOST:
        return one
    seeds = tuple(rendered(str(draw()), one.option, quoted=True) for _ in range(int(count)))
    return _Given(rendered("--seeds", one.option), "--seeds", seeds)


def _check(base: Sequence[_Given], own: dict[str, _Given]) -> None:
    for dest in ("denoising_start", "denoising_end"):
        if one := _of(base, dest):
            text = f"'{one.option.text}' and {REFINER} exclude each other; write the two stages yourself."
            raise ScriptError(text, place=one.option.place)
    for name in (FRACTIONS, *SECOND):
        wanted = BY_NAME[SECOND[name]].flag if name in SECOND else False
        if name in own and not own[name].values and not wanted:
            raise ScriptError(f"'{own[name].option.text}' needs a value.", place=own[name].option.place)


def _choices(base: Sequence[_Given], *, edit: bool) -> Iterator[list[_Given]]:
    """The base with one value of each option that multiplies; several seeds stay together where latents carry them."""
    paired = _of(base, "seeds_to_images") is not None
    together = {"seeds"} if not edit else set()
    together |= {"image_seeds", "seeds"} if paired else set()
    columns = [
        [_Given(one.option, one.name, (value,)) for value in one.values]
        if one.name in BY_NAME and BY_NAME[one.name].multiplies and one.dest not in together and len(one.values) > 1
        else [one]
        for one in base
    ]
    return (list(chosen) for chosen in itertools.product(*columns))


def _pair(
    model: Word, base: Sequence[_Given], own: dict[str, _Given], fraction: Word, *, edit: bool
) -> Iterator[StageWords]:
    refiner = own[REFINER].values[0]
    begins = [word for one in base if one.dest not in _LAST for word in one.words]
    window = [] if edit else [rendered("--denoising-end", fraction), fraction]
    yield StageWords([model, *begins, *window, rendered("--into", refiner), rendered(BEFORE, refiner)])
    name, settings = _address(refiner)
    words = [name]
    given = {SECOND[one.name]: one for one in own.values() if one.name in SECOND}
    for option, one in given.items():
        words += [Word(rendered(option, one.option).value, one.option.written), *one.values]
    for key, value in settings.items():
        words += [rendered(f"--{key}", refiner), value]
    there = {BY_NAME[option].dest for option in given} | set(settings)
    for one in base:
        if one.dest in (*_SHARED, *_LAST) and one.dest not in there:
            words += one.words
    seed = [
        rendered("--image-seeds", refiner),
        rendered(BEFORE if edit else f"latents: {BEFORE}", refiner, quoted=True),
    ]
    if edit:
        seeds = _of(base, "seeds")
        more = [rendered("--image-seed-strengths", fraction), _strength(fraction), *(seeds.words if seeds else ())]
        note = f"{name.text} is a second stage that changes the finished picture, decoded and encoded again"
    else:
        more = [rendered("--denoising-start", fraction), fraction]
        note = f"{name.text} is a second stage that goes on with the latents of the first at {fraction.text}"
    if alone := [one.option.text for one in base if one.dest in _FIRST_ALONE]:
        note += f"; the first alone has {' and '.join(alone)}"
    yield StageWords([*words, *seed, *more], note if UNKNOWN not in note else "")


def _strength(fraction: Word) -> Word:
    if UNKNOWN in fraction.text:
        return fraction
    try:
        return rendered(str(Decimal(1) - Decimal(fraction.text)), fraction)
    except InvalidOperation as error:
        text = f"'{fraction.text}' is no fraction; write one from 0 to 1, such as 0.8."
        raise ScriptError(text, place=fraction.place) from error


def _address(refiner: Word) -> tuple[Word, dict[str, Word]]:
    """The refiner's model and what its address says of it."""
    if ";" not in refiner.text:
        return refiner, {}
    address = parse_address(refiner.text, refiner.locate)
    for key in address.settings:
        if key not in _URI:
            text = f"'{key}' is no setting of a refiner{nearest(key, _URI) or '.'} Allowed are {', '.join(_URI)}."
            raise ScriptError(text, place=refiner.place)
    return rendered(address.name, refiner, quoted=True), {
        key: rendered(value, refiner, quoted=True) for key, value in address.settings.items()
    }
