r"""Functions that templates and ``\setp`` can call on any machine; those that need torch come from the environment."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from typing import Any

from jupyter_latents.stage import Prompt
from jupyter_latents.syntax.options.model_types import MODEL_TYPES, OTHER_TYPES
from jupyter_latents.syntax.options.table import DTYPES
from jupyter_latents.syntax.prompts import escape_prompt, format_prompt
from jupyter_latents.syntax.text.located import Line, Located
from jupyter_latents.syntax.text.quoting import quote, read_words

from .limits import LIMIT, power, rounded
from .marks import veiled_names
from .sizes import SIZES
from .veiled import Veiled

__all__ = ["FILTERS", "FUNCTIONS"]


def _range(*numbers: int) -> range:
    made = range(*numbers)
    if len(made) > LIMIT:
        raise ValueError(f"a range of {len(made)} numbers is too long; {LIMIT} is the most")
    return made


def _frange(start: float, stop: float | None = None, step: float = 0.1) -> Iterator[float]:
    """Numbers from `start` to before `stop`, rounded to ten digits."""
    first, last = (0.0, start) if stop is None else (start, stop)
    if step == 0 or not abs((last - first) / step) <= LIMIT:
        raise ValueError(f"frange makes at most {LIMIT} numbers, with a step that is not 0")
    count, number = 0, round(float(first), 10)
    while number < last if step > 0 else number > last:
        yield number
        count += 1
        number = round(first + count * step, 10)


def _first(values: Iterable[Any]) -> Any:
    return next(iter(values))


def _last(values: Iterable[Any]) -> Any:
    return list(values)[-1]


def _format_prompt(prompts: Any) -> str:
    if isinstance(prompts, (str, Prompt, Veiled)):
        return quote(format_prompt(prompts) if isinstance(prompts, Prompt) else str(prompts))
    return " ".join(_format_prompt(prompt) for prompt in prompts)


def _prompt(texts: Any) -> Any:
    """A text, or each of several, as a positive prompt: its semicolons begin no negative one."""
    if isinstance(texts, Prompt):
        return format_prompt(texts)
    return escape_prompt(str(texts)) if isinstance(texts, (str, int, float)) else [_prompt(text) for text in texts]


def _format_size(size: Iterable[Any]) -> str:
    return "x".join(str(part) for part in size)


def _unquote(value: Any) -> list[str]:
    """The words of a text, or of several, without their quotes."""
    texts = [value] if isinstance(value, str) else [str(item) for item in value]
    return [word.text for text in texts for word in read_words(Located.of(Line(1, text, text)))]


def _of_path(part: Callable[[str], str]) -> Callable[[Any], str]:
    """A function of a path; of one that holds values of the environment where its last part holds none."""

    def function(path: Any) -> str:
        name = path.text.rpartition("/")[2] if isinstance(path, Veiled) else ""
        if isinstance(path, Veiled) and (veiled_names(name) or name == path.text):
            path.refuse(f"'{part.__name__}()'")
        return part(path.text if isinstance(path, Veiled) else path)

    return wraps(part)(function)


def _csv(values: Iterable[Any]) -> str:
    """Values as one text with commas between."""
    return ",".join(str(value) for value in values)


def _format_dtype(dtype: Any) -> str:
    """What ``--dtype`` takes, of a dtype as scripts write it."""
    return _name_of("dtype", dtype, DTYPES)


def _format_model_type(model_type: Any) -> str:
    """What ``--model-type`` takes; where none was given, the model decides."""
    names = {name: name for name in (*MODEL_TYPES, *OTHER_TYPES)}
    return "auto" if model_type is None else _name_of("model type", model_type, names)


def _name_of(what: str, value: Any, names: Mapping[str, str | None]) -> str:
    """A value's full name, as dgenerate finds it: in any case, with blanks around it."""
    if isinstance(value, Veiled):
        value.refuse(f"'format_{what.replace(' ', '_')}()'")
    found = names.get(str(value).strip().lower())
    if found is None:
        known = ", ".join(dict.fromkeys(filter(None, names.values())))
        raise ValueError(f"{value!r} is no {what}; known are {known}")
    return found


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{
        function.__name__: function
        for function in (
            abs, all, any, ascii, bin, bool, chr, dict, divmod, enumerate, float, frozenset, hex, int, len, list,
            max, min, oct, ord, repr, reversed, set, sorted, str, sum, tuple, zip,
        )
    },
    "range": _range,
    "frange": _frange,
    "round": rounded,
    "pow": power,
    "first": _first,
    "last": _last,
    "quote": quote,
    "unquote": _unquote,
    "format_prompt": _format_prompt,
    "format_size": _format_size,
    "basename": _of_path(os.path.basename),
    "dirname": _of_path(os.path.dirname),
    "abspath": os.path.abspath,
    "cwd": os.getcwd,
    "platform": platform.system,
    "csv": _csv,
    "format_dtype": _format_dtype,
    "format_model_type": _format_model_type,
    **SIZES,
}  # fmt: skip

FILTERS: dict[str, Callable[..., Any]] = {"prompt": _prompt}
"""What is a filter alone: as a function it would stand in the place of a variable of that name."""
