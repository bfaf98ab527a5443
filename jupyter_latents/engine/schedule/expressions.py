"""Noise levels worked out of those of a schedule: ``expr: sigmas * 0.95``, by walking the expression's tree."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np

from jupyter_latents.errors import ModelError
from jupyter_latents.stage import EXPRESSION
from jupyter_latents.wording import option

__all__ = ["levels_of"]

_MOST = 100_000
_OPERATIONS: Mapping[type, Callable[..., Any]] = MappingProxyType(
    {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.Div: operator.truediv,
        ast.Pow: np.power,
        ast.USub: operator.neg,
        ast.UAdd: operator.pos,
    }
)
_FUNCTIONS = frozenset(
    "abs ceil clip concatenate cos cumsum diff exp flip floor geomspace linspace log log10 log2 logspace max maximum "  # noqa: SIM905
    "mean median min minimum power round sin sort sqrt sum tan tanh".split()
)


def levels_of(text: str, levels: np.ndarray[Any, Any]) -> tuple[float, ...]:
    """The noise levels that an expression makes, the last zeros left out.

    Args:
        text: ``expr:`` and a Python expression of ``sigmas``, numbers, arithmetic, items, and functions of numpy by
            their names, ``np.exp`` or ``exp``.
        levels: The schedule's own, falling, to which ``sigmas`` stands.

    Raises:
        ModelError: It cannot be read or worked out, or its levels do not fall to 0.
    """
    source = text.removeprefix(EXPRESSION).strip()
    try:
        made = np.asarray(_value(ast.parse(source, mode="eval").body, levels), dtype=float)
    except (SyntaxError, ValueError, TypeError, IndexError, ArithmeticError, RecursionError, MemoryError) as error:
        raise _fault(f"'{source}' cannot be worked out: {error}") from error
    if made.ndim != 1 or not 0 < made.size <= _MOST or not np.isfinite(made).all():
        raise _fault(f"'{source}' makes no list of numbers")
    found = tuple(map(float, made))
    while found and found[-1] == 0:
        found = found[:-1]
    if not found or min(found) <= 0 or any(after >= before for before, after in pairwise(found)):
        raise _fault(f"'{source}' makes levels that do not fall from step to step, down to 0")
    return found


def _fault(text: str) -> ModelError:
    hint = 'Write "expr: sigmas * 0.95", of sigmas, numbers and functions of numpy'
    return ModelError(f"{option('sigmas')}: {text}. {hint}.", option="sigmas")


def _value(node: ast.AST, levels: np.ndarray[Any, Any]) -> Any:  # noqa: PLR0911 - a kind of node each
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.Name(id="sigmas"):
            return levels
        case ast.Name(id="len"):
            return len
        case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="np" | "numpy"), attr=name) if name in _FUNCTIONS:
            return getattr(np, name)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
            both = (_value(one, levels) for one in (left, right))
            return _OPERATIONS[type(op)](
                *(np.asarray(one, dtype=float) if isinstance(one, list) else one for one in both)
            )
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATIONS:
            return _OPERATIONS[type(op)](_value(operand, levels))
        case ast.Call(func=function, args=given, keywords=[]):
            work, values = _value(function, levels), [_value(one, levels) for one in given]
            if any(isinstance(one, (int, float, np.number)) and abs(float(one)) > _MOST for one in values):
                raise ValueError(f"numbers up to {_MOST} are the most")
            return work(*values)
        case ast.Subscript(value=value, slice=ast.Slice(lower=lower, upper=upper, step=step)):
            ends = (None if one is None else _value(one, levels) for one in (lower, upper, step))
            return _value(value, levels)[slice(*ends)]
        case ast.Subscript(value=value, slice=index):
            return _value(value, levels)[_value(index, levels)]
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_value(one, levels) for one in items]
    raise ValueError(f"'{ast.unparse(node)}' is not known here")
