"""Items of kernel variables, ``parts[0]``, and what to write for all else that Python would make of a variable."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from inspect import getattr_static
from typing import Any

from jupyter_latents.errors import NameNotFoundError
from jupyter_latents.session.names.kinds import is_standing
from jupyter_latents.wording import kind_of

__all__ = ["expression_hint", "item_of"]

_INDEX = re.compile(r"\[(-?\d+)\]")


def item_of(value: Any, name: str, indices: str) -> Any:
    """An item of what a variable holds, or an item of that.

    Args:
        value: What the variable holds.
        name: The variable.
        indices: Numbers in brackets, ``[0]`` or ``[0][1]``; empty for the value itself.

    Raises:
        NameNotFoundError: It has no such item.
    """
    text = name + indices
    for found in _INDEX.finditer(indices):
        value = _item(value, name, int(found[1]), text)
        name += found[0]
    return value


def _item(value: Any, name: str, number: int, text: str) -> Any:
    if is_standing(value):
        raise NameNotFoundError(
            f"{text} is not there: {name} is Latents, one value without items; write {name}. Of a batch "
            f"{{{{ {name}.split()[0] }}}} is one, and {{{{ {name}.at(step=2) }}}} is a step on the way.",
            name=text,
        )
    if isinstance(value, Mapping):
        raise NameNotFoundError(
            f"{text} is not there: {name} is {kind_of(value)}, whose items have keys; write {{{{ {name}['key'] }}}}.",
            name=text,
        )
    ordered = isinstance(value, Sequence) or (hasattr(value, "__getitem__") and hasattr(value, "__len__"))
    if not ordered or isinstance(value, (str, bytes)):
        raise NameNotFoundError(
            f"{text} is not there: {name} is {kind_of(value)}, which has no items to take; write {name}, or name a "
            "list.",
            name=text,
        )
    try:
        return value[number]
    except IndexError as error:
        raise NameNotFoundError(f"{text} is not there: {name} {_count(name, value)}", name=text) from error
    except (TypeError, ValueError, KeyError) as error:
        raise NameNotFoundError(
            f"{text} is not there: {name} is {kind_of(value)}, which gives no item {number} ({error}).", name=text
        ) from error


def _count(name: str, value: Any) -> str:
    count = len(value)
    if count < 2:
        return f"holds 1; use {name}[0]." if count else "holds nothing."
    return f"holds {count}; use {name}[0] to {name}[{count - 1}]."


def expression_hint(text: str, names: Mapping[str, Any]) -> str:
    """What to write where a name that is no file's is an expression of a variable; empty where it is none.

    Args:
        text: What stands in the image seed.
        names: The kernel's variables.
    """
    try:
        tree: ast.AST = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    node, first = tree, None
    while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)):
        node, first = (node.func if isinstance(node, ast.Call) else node.value), node
    if not isinstance(node, ast.Name) or first is None or node.id not in names:
        return ""
    if isinstance(first, ast.Attribute) and getattr_static(names[node.id], first.attr, None) is None:
        return ""
    return f" {node.id} is a variable, and what Python makes of it stands in braces: {{{{ {text} }}}}."
