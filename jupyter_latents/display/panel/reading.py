"""From script text to forms: every option goes to its field, and what has none stays as text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from jupyter_latents.errors import ScriptError
from jupyter_latents.stage import ImageSeed
from jupyter_latents.syntax.compose import lines, plain_dollars, word
from jupyter_latents.syntax.expand import UNKNOWN, expand
from jupyter_latents.syntax.options.arguments import Arguments, read_arguments
from jupyter_latents.syntax.prompts import split_prompt
from jupyter_latents.syntax.refiner import in_two_stages
from jupyter_latents.syntax.script import Script
from jupyter_latents.syntax.seed_text import format_reference
from jupyter_latents.syntax.seeds import parse_seed
from jupyter_latents.syntax.templates.environment import Environment
from jupyter_latents.syntax.text.lines import Block, LineReader, Logical
from jupyter_latents.syntax.text.located import Line, Located
from jupyter_latents.syntax.text.quoting import Word, read_words
from jupyter_latents.syntax.text.segments import segments

from .form import StageForm

__all__ = ["read_forms"]

_MAGIC = re.compile(r"\s*%%dgen\b[^\n]*\n?")
_NEWLINE = re.compile(r"\r\n|\r|\n")
_WHOLE = {
    "schedulers": "scheduler",
    "output_size": "size",
    "denoising_start": "start",
    "denoising_end": "end",
    "into": "into",
    "output_path": "output",
}
_SEVERAL = {"seeds": "seed", "inference_steps": "steps", "guidance_scales": "guidance", "strengths": "strength"}
_MARK = re.compile(f"{re.escape(UNKNOWN)}(.)", re.DOTALL)
_FIRST = 0xE000  # the private characters that stand for templates while a line is read


def read_forms(text: str) -> list[StageForm]:
    """The forms that stand for a script.

    Args:
        text: A script; the ``%%dgen`` line may stand above it.

    Raises:
        ScriptError: The script is wrong, or has parts that are no models with options.
    """
    magic = _MAGIC.match(text)
    script = Script(text[magic.end() :] if magic else text, first_line=2 if magic else 1)
    script.check()
    source = [Line(number, line, line) for number, line in enumerate(_NEWLINE.split(script.text), script.first_line)]
    return [form for part in LineReader(iter(source)) for form in _forms(part)]


def _forms(part: Block | Logical) -> Iterator[StageForm]:
    """The forms of one invocation: two or more where it names a refiner."""
    if isinstance(part, Block) or part.directive:
        line = part.lines[0] if isinstance(part, Block) else part.text.origins[0].line
        what = "a template block" if isinstance(part, Block) else "a directive"
        raise ScriptError(
            f"The panel shows models with their options, and this is {what}; run it in a cell.",
            place=line.place(0, len(line.text)),
        )
    masked, templates = _masked(part.text.text)
    line = Line(1, masked, masked)
    expanded = expand(Logical(Located.of(line)), Environment(environ=_Marks(templates)))
    _name_variables(expanded, templates)
    for stage in in_two_stages(read_words(expanded), Environment().random_seed):
        yield _form(stage.words, templates, part.text)


def _form(words: Sequence[Word], templates: list[str], text: Located) -> StageForm:
    arguments = read_arguments(words)
    held = [arguments.model, *(word for taken in arguments.words.values() for word in taken)]
    if any(UNKNOWN in word.text and not any(word.written is one.written for one in held) for word in words[1:]):
        message = "The panel cannot show a template that stands for options; run it in a cell."
        raise ScriptError(message, place=text.place())
    return _filled(arguments, templates)


class _Marks(Mapping[str, str]):
    """Environment variables as a form holds them: a mark for each place that names one, never its value.

    Args:
        templates: Those of the line; grows.
    """

    def __init__(self, templates: list[str]) -> None:
        self._templates = templates

    def __getitem__(self, name: str) -> str:
        self._templates.append(f"${name}")
        return UNKNOWN + chr(_FIRST + len(self._templates) - 1)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _name_variables(expanded: Located, templates: list[str]) -> None:
    """Puts what was written, ``$NAME``, ``${NAME}`` or ``%NAME%``, in the place of each variable's mark."""
    for found in _MARK.finditer(expanded.text):
        origin = expanded.origins[found.start()]
        if origin.dynamic:
            templates[ord(found[1]) - _FIRST] = origin.line.text[origin.start : origin.end]


def _masked(text: str) -> tuple[str, list[str]]:
    """The line with a mark and one private character in place of each template, and the templates.

    A mark that somebody has typed is taken for a template, too, and comes back as it was.
    """
    templates: list[str] = []
    made = ""
    for part in segments(text):
        content = text[part.start : part.end]
        if part.kind == "text":
            pieces = content.split(UNKNOWN)
            for piece in pieces[:-1]:
                made += piece + UNKNOWN + chr(_FIRST + len(templates))
                templates.append(UNKNOWN)
            made += pieces[-1]
        elif part.kind != "{#":
            made += UNKNOWN + chr(_FIRST + len(templates))
            templates.append(content)
    return made, templates


def _filled(arguments: Arguments, templates: list[str]) -> StageForm:
    words = {dest: [word.text for word in arguments.words.get(dest, ())] for dest in arguments.options}
    form = StageForm(model=arguments.model.text if arguments.model.text.strip() else "")
    _take_prompts(form, words)
    for dest, name in _WHOLE.items():
        if len(words.get(dest, ())) == 1:
            setattr(form, name, words.pop(dest)[0])
    for dest, name in _SEVERAL.items():
        if dest in words:
            setattr(form, name, " ".join(words.pop(dest)))
    if len(words.get("image_seeds", ())) == 1 and _take_seed(form, words["image_seeds"][0]):
        del words["image_seeds"]
    for name in StageForm.__slots__:
        setattr(form, name, _unmasked(getattr(form, name), templates))
    form.more = " ".join(
        _line(dest, arguments.words.get(dest, ()), templates) for dest in lines("-", words) if dest in words
    )
    return form


def _line(dest: str, words: Sequence[Word], templates: list[str]) -> str:
    """The line of an option without a field; a bare word with a variable in it stays bare, as it may be several."""
    texts = [_unmasked(one.text, templates) for one in words]
    if not any(one.value.dynamic for one in words):
        return lines("-", {dest: texts}, variables=True)[dest]
    bare = [not one.quoted and one.text == one.written.text for one in words]
    written = [
        _restored(one.text, templates) if raw else word(text, quoted=True, variables=True)
        for one, text, raw in zip(words, texts, bare, strict=True)
    ]
    return " ".join([lines("-", {dest: ()})[dest], *written])


def _unmasked(text: str, templates: list[str]) -> str:
    """A text with its templates and the names of variables; other dollars are marked as text."""
    named = any(templates[ord(mark) - _FIRST][0] in "$%" for mark in _MARK.findall(text))
    return _restored(plain_dollars(text, named=named), templates)


def _restored(text: str, templates: list[str]) -> str:
    """A text with its templates and the names of variables; all else as it was written."""
    return _MARK.sub(lambda found: templates[ord(found[1]) - _FIRST], text)


def _take_prompts(form: StageForm, words: dict[str, list[str]]) -> None:
    """One prompt goes to its fields; several stay together as text."""
    given = words.get("prompts", [])
    if len(given) > 1 or len(words.get("negative_prompts", [])) > 1:
        return
    if given:
        positive, negative = split_prompt(words.pop("prompts")[0])
        form.prompt, form.negative = positive.replace(";", "\\;"), negative or ""
    if "negative_prompts" in words:
        form.negative = words.pop("negative_prompts")[0]


def _take_seed(form: StageForm, text: str) -> bool:
    """Puts an image seed into the three input fields; False where it has more than they hold."""
    seed = parse_seed(text)
    if seed != ImageSeed(images=seed.images, masks=seed.masks, latents=seed.latents, batch=len(seed.images) > 1):
        return False
    form.image, form.mask, form.latents = (
        ", ".join(map(format_reference, references)) for references in (seed.images, seed.masks, seed.latents)
    )
    return True
