"""`Stage.of`: a stage of plain values, read and checked by the option table as a script's are."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from jupyter_latents.engine import scheduler_names
from jupyter_latents.errors import JupyterLatentsError, SettingError, nearest
from jupyter_latents.plain.inputs import image_seed_of
from jupyter_latents.plain.scripts import written
from jupyter_latents.plain.values import texts_of
from jupyter_latents.plain.wordings import in_python
from jupyter_latents.stage import ModelSource, Stage, StageOptions
from jupyter_latents.syntax import Environment, Script
from jupyter_latents.syntax.options.fields import with_values
from jupyter_latents.syntax.options.keywords import KEYWORDS
from jupyter_latents.syntax.options.option import Option
from jupyter_latents.syntax.options.table import OPTIONS
from jupyter_latents.syntax.prompts import split_weighter

__all__ = ["stage_of"]

_PROMPTS = {
    "prompt": "prompt.positive",
    "negative_prompt": "prompt.negative",
    "prompt_2": "prompt.second",
    "negative_prompt_2": "prompt.second_negative",
    "prompt_3": "prompt.third",
    "negative_prompt_3": "prompt.third_negative",
}
_KNOWN = tuple(StageOptions.__annotations__)
_ALSO = {
    spoken.lstrip("-").replace("-", "_"): KEYWORDS[option.dest]
    for option in OPTIONS
    if option.dest in KEYWORDS
    for spoken in (option.dest, *option.names)
} | {"output_size": "width", "image_seeds": "image", "mask": "mask_image", "steps": "num_inference_steps"}
"""Names that scripts and other programs have for options, with those of Python."""


def stage_of(model: object, given: Mapping[str, object]) -> Stage:
    """See `Stage.of`."""
    if not isinstance(model, (str, os.PathLike)) or not os.fspath(model):
        raise SettingError(f"the model is {model!r}; give its name, folder or file, such as 'demo/scenes'.")
    for name in given:
        if name not in _KNOWN:
            raise SettingError(_unknown(name))
    present = {name: value for name, value in given.items() if value is not None}
    try:
        values = dict(_values(present))
        values["image_seed"] = image_seed_of(present)
        return _checked(with_values(Stage(model=ModelSource(os.fspath(model))), values))
    except JupyterLatentsError as error:
        raise in_python(error) from error.__cause__


def _unknown(name: str) -> str:
    meant = _ALSO.get(name)
    hint = f"; here it is called {meant}." if meant and meant != name else nearest(name, _KNOWN)
    listed = f". It takes {', '.join(_KNOWN)}."
    return f"a stage has no {name!r}{hint or listed}"


def _values(given: Mapping[str, object]) -> Iterator[tuple[str, Any]]:
    """The values of the stage's fields, by path."""
    switches: dict[str, str] = {}
    for option in OPTIONS:
        name = KEYWORDS.get(option.dest, "")
        if name in given and name not in _PROMPTS and (texts := texts_of(name, given[name])):
            other = switches.setdefault(option.field, name) if option.flag else name
            if other != name:
                raise SettingError(f"{other} and {name} exclude each other; keep one.")
            yield from option.values(_read(option, name, texts)).items()
    for name, path in _PROMPTS.items():
        if name in given:
            yield path, _prompt(name, given[name])
    if "width" in given or "height" in given:
        if not {"width", "height"} <= given.keys():
            raise SettingError("width and height belong together; give both, in pixels.")
        text = "x".join(texts_of(name, given[name])[0] for name in ("width", "height"))
        option = next(option for option in OPTIONS if option.dest == "output_size")
        yield "size", _read(option, "width and height", (text,))


def _prompt(name: str, value: object) -> str:
    text = texts_of(name, value)[0].strip()
    weighter, _ = split_weighter(text)
    if weighter:
        raise SettingError(
            f"{name} begins with <weighter: {weighter}>, as scripts name one; give prompt_weighter={str(weighter)!r}."
        )
    return text


def _read(option: Option, name: str, texts: tuple[str, ...]) -> Any:
    try:
        found = [option.parse(text, lambda _start, _length: None) for text in texts]
    except JupyterLatentsError as error:
        error.template = f"{name}: {error.template}"
        raise
    return tuple(found) if option.gathers else found[0]


def _checked(stage: Stage) -> Stage:
    """A stage whose options go together, and which a script can hold.

    Raises:
        ScriptError: Two options do not go together.
        SettingError: A script cannot hold a text of it.
    """
    script = Script(written([stage]).text)
    script.check(schedulers=scheduler_names())
    environment = Environment(environ={})
    read = [one for made in script.invocations(environment, schedulers=scheduler_names()) for one in made.stages()]
    named = written([stage]).stages
    if read != list(named):
        raise SettingError(
            f"a script cannot hold this stage letter by letter; take control characters out of its texts:\n{stage}"
        )
    return stage
