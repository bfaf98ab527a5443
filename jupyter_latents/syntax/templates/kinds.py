"""The types that templates see, and of each the attributes that read it and change nothing."""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
import pathlib
import types
from collections import Counter, OrderedDict, deque

from jinja2 import Undefined, filters, runtime
from markupsafe import Markup

__all__ = ["HEIRS", "INSIDE", "ITERATORS", "NAMED", "PYTHON"]

_TEXT = (
    "capitalize casefold center count encode endswith expandtabs find format format_map index isalnum isalpha isascii "
    "isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower lstrip "
    "partition removeprefix removesuffix replace rfind rindex rjust rpartition rsplit rstrip split splitlines "
    "startswith strip swapcase title translate upper zfill"
)
_NUMBER = "real imag conjugate is_integer bit_length bit_count numerator denominator as_integer_ratio"
_DICT = "get items keys values copy"
_SET = "union intersection difference symmetric_difference isdisjoint issubset issuperset copy"
_PATH = (
    "name stem suffix suffixes parent parents parts anchor as_posix with_suffix with_name with_stem joinpath "
    "is_absolute relative_to is_relative_to"
)
_DAY = "year month day weekday isoweekday isoformat strftime"
_CLOCK = "hour minute second microsecond"

PYTHON: dict[type, str] = {
    type(None): "", bool: _NUMBER, int: _NUMBER, float: _NUMBER, complex: "real imag conjugate",
    decimal.Decimal: _NUMBER, fractions.Fraction: _NUMBER,
    str: _TEXT, Markup: _TEXT, bytes: "decode count find startswith endswith hex split strip",
    list: "count index copy", tuple: "count index", deque: "count index copy", range: "start stop step count index",
    set: _SET, frozenset: _SET, dict: _DICT, OrderedDict: _DICT, Counter: f"{_DICT} most_common elements total",
    dt.date: _DAY, dt.time: f"{_CLOCK} isoformat strftime",
    dt.datetime: f"{_DAY} {_CLOCK} date time timestamp", dt.timedelta: "days seconds total_seconds",
    **dict.fromkeys(
        (pathlib.PurePosixPath, pathlib.PureWindowsPath, pathlib.PosixPath, pathlib.WindowsPath), _PATH
    ),
}  # fmt: skip
ITERATORS: tuple[type, ...] = (
    map,
    filter,
    zip,
    enumerate,
    reversed,
    type({}.keys()),
    type({}.values()),
    type({}.items()),
)
"""Kinds of series that functions and methods make."""

INSIDE: dict[type, str] = {
    **dict.fromkeys((types.GeneratorType, slice, Undefined, *ITERATORS), ""),
    runtime.LoopContext: "index index0 revindex revindex0 first last length depth depth0 previtem nextitem changed "
    "cycle",
    runtime.Macro: "name arguments catch_kwargs catch_varargs caller",
    filters._GroupTuple: "grouper list",  # noqa: SLF001
}  # fmt: skip
"""What arises within a template, and is no value of the notebook."""

_PICTURE = (
    "size width height mode format info convert resize crop rotate transpose copy getpixel getbands getbbox getchannel "
    "getextrema histogram reduce split quantize entropy n_frames is_animated"
)
_ARRAY = (
    "shape size ndim dtype T nbytes itemsize real imag mean sum min max std var prod argmin argmax astype reshape "
    "ravel flatten transpose squeeze copy tolist item round clip any all cumsum cumprod conj"
)
_TENSOR = (
    "shape dtype device ndim size dim numel mean sum min max std var abs sqrt exp log sin cos tanh sigmoid float half "
    "double bfloat16 int long bool cpu clone detach contiguous reshape view flatten permute transpose squeeze "
    "unsqueeze chunk split unbind tolist item round clamp clip floor ceil argmax argmin any all isnan isfinite isinf "
    "norm T mT roll flip tile repeat expand narrow select sort topk median quantile amax amin cumsum pow add sub mul "
    "div neg matmul square sign lerp softmax count_nonzero unique nan_to_num requires_grad is_floating_point"
)
_LATENTS = (
    "tensor space noise position resume provenance denoised trajectory shape size frames moves made_at "
    "is_clean has_estimate digest replace at blend slerp composite paste crop pad flip resize split add_noise "
    "scale to_form facts"
)
_SCALARS = (
    "bool bool_ "
    "int8 int16 int32 int64 uint8 uint16 uint32 uint64 intc uintc longlong ulonglong float16 float32 float64 "
    "longdouble complex64 complex128 str_ bytes_ datetime64 timedelta64"
)
NAMED: dict[str, str] = {
    "numpy.ndarray": _ARRAY, "numpy.dtype": "name kind itemsize",
    **{f"numpy.{name}": f"{_NUMBER} item tolist dtype shape ndim" for name in _SCALARS.split()},
    "torch.Tensor": _TENSOR, "torch.nn.parameter.Parameter": _TENSOR, "torch.Size": "numel count index",
    "torch.dtype": "itemsize is_floating_point is_complex", "torch.device": "type index",
    "PIL.Image.Image": _PICTURE,
    "jupyter_latents.latents.value.Latents": _LATENTS,
    "jupyter_latents.latents.sequence.LatentsSequence": "items labels choices axes label count index",
    "jupyter_latents.latents.trajectory.Trajectory": "count index",
    "jupyter_latents.syntax.templates.libraries.Library": "",
    "jupyter_latents.syntax.templates.promises.Promise": "",
    "jupyter_latents.syntax.templates.promises.Drawn": "strip lstrip rstrip",
    "jupyter_latents.syntax.templates.veiled.Veiled": "strip lstrip rstrip startswith endswith",
    "jupyter_latents.syntax.templates.variables.Variables": "get items keys values",
    "jupyter_latents.session.spreading.Outlines": "count index",
}  # fmt: skip
HEIRS = {"PIL.Image.Image": "PIL.", "numpy.dtype": "numpy."}
"""Classes whose heirs count too where they live in the same library."""
