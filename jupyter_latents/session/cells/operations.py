"""What operations on latents are in a script: a table of the methods that a template can call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["expression_of", "is_expression"]

_NUMBER = r"-?(?:\d{1,20}(?:\.\d{1,20})?(?:e[+-]?\d{1,3})?|inf)"
_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "number": _NUMBER,
        "flag": "True|False",
        "word": "[a-z]{1,12}",
        "numbers": rf"[(\[]{_NUMBER}(?:, {_NUMBER}){{1,3}}[)\]]",
    }
)
# Operation to how it is called, {0} and {1} for the latents, and the kinds of its options.
_CALLS: Mapping[str, tuple[str, Mapping[str, str]]] = MappingProxyType(
    {
        "blend": ("{0}.blend({1}, {weight}, seed={seed})", {"weight": "number", "seed": "number"}),
        "slerp": ("{0}.slerp({1}, {weight}, seed={seed})", {"weight": "number", "seed": "number"}),
        "crop": ("{0}.crop({box})", {"box": "numbers"}),
        "flip": ("{0}.flip(horizontal={horizontal}, vertical={vertical})", {"horizontal": "flag", "vertical": "flag"}),
        "pad": ('{0}.pad({edges}, mode="{mode}", seed={seed})', {"edges": "numbers", "mode": "word", "seed": "number"}),
        "resize": (
            '{0}.resize({size}, mode="{mode}", seed={seed})',
            {"size": "numbers", "mode": "word", "seed": "number"},
        ),
        "add_noise": (
            '{0}.add_noise({to}, seed={seed}, form="{form}")',
            {"to": "number", "seed": "number", "form": "word"},
        ),
        "paste": (
            "{0}.paste({1}, {at}, feather={feather}, seed={seed})",
            {"at": "numbers", "feather": "number", "seed": "number"},
        ),
        "scale": ("{0}.scale({factor}, seed={seed})", {"factor": "number", "seed": "number"}),
        "cut": ("{0}[{start}:{stop}]", {"start": "number", "stop": "number"}),
        "split": ("{0}.split()[{item}]", {"item": "number"}),
    }
)
_ARGUMENT = rf'(?:[a-z_]+=)?(?:{_NUMBER}|[A-Za-z_]\w{{0,80}}|"[a-z-]{{1,20}}"|{_KINDS["numbers"]})'
_EXPRESSION = re.compile(
    r"[A-Za-z_]\w{0,80}\.(?:blend|slerp|crop|flip|pad|resize|add_noise|scale|paste|at|split)"
    rf"\((?:{_ARGUMENT}(?:, {_ARGUMENT}){{0,5}})?\)(?:\[\d{{1,4}}\])?"
    r"|[A-Za-z_]\w{0,80}\[\d{1,6}:\d{1,6}\]"
)


def expression_of(operation: str, options: Mapping[str, str]) -> str:
    """What makes the result of an operation, with ``{0}`` and ``{1}`` for its latents; empty where none does.

    Args:
        operation: As `Provenance.operation` says it; a file may say anything.
        options: Its options.
    """
    call, kinds = _CALLS.get(operation, ("", {}))
    known = {key: options.get(key, "") for key in kinds}
    if not call or not all(re.fullmatch(_KINDS[kind], known[key]) for key, kind in kinds.items()):
        return _without_seed(operation, options)
    return call.format("{0}", "{1}", **known)


def _without_seed(operation: str, options: Mapping[str, str]) -> str:
    """Where noise was not drawn, an operation tells no seed."""
    if operation == "slerp" and re.fullmatch(_NUMBER, options.get("weight", "")):
        return f"{{0}}.slerp({{1}}, {options['weight']})"
    return ""


def is_expression(text: str) -> bool:
    """Whether a text calls one of the methods of latents with names and numbers, and nothing else."""
    return _EXPRESSION.fullmatch(text) is not None
