r"""``\setp``: a Python expression evaluated by walking its tree; nothing is ever handed to ``eval``.

Literals, arithmetic, comparisons, conditions, indexing, comprehensions, public attributes and calls are known.
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from jupyter_latents.errors import JupyterLatentsError, Place, ScriptError, nearest
from jupyter_latents.syntax.text.lines import nothing
from jupyter_latents.wording import ended

from . import sight
from .environment import Environment
from .functions import FUNCTIONS
from .guard import check_arguments, join_texts, modulo, name_of, our_error, result_of
from .limits import LIMIT, add, multiply, power, shift
from .promises import real
from .stand_ins import StandIns
from .variables import Variables
from .veiled import read

__all__ = ["evaluate"]

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: add,
    ast.Sub: operator.sub,
    ast.Mult: multiply,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: modulo,
    ast.Pow: power,
    ast.LShift: shift,
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.MatMult: operator.matmul,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
    ast.Invert: operator.invert,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda item, container: item in container,
    ast.NotIn: lambda item, container: item not in container,
}


class _RefusedError(Exception):
    """A construct that the language does not have."""


class _Evaluator:
    def __init__(
        self,
        names: Mapping[str, object],
        functions: Iterable[object],
        check: Callable[[], None],
        stand_ins: StandIns,
    ) -> None:
        self.scopes: list[dict[str, object]] = []
        self.names, self.functions, self.check = names, functions, check
        self.stand_ins, self.seen = stand_ins, stand_ins.seen
        self.steps = 0

    def run(self, node: ast.AST) -> Any:
        self.steps += 1
        self.check()
        if self.steps > LIMIT:
            raise ValueError("the expression takes too many steps")
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            raise _RefusedError(f"{type(node).__name__} is not part of \\setp; use literals, arithmetic and functions")
        return self.seen(method(node))

    def _expression(self, node: ast.Expression) -> Any:
        return self.run(node.body)

    def _constant(self, node: ast.Constant) -> Any:
        return self.stand_ins.constant(node.value)

    def _name(self, node: ast.Name) -> Any:
        if node.id in self.stand_ins:
            return self.stand_ins.number(node.id)
        for scope in [*reversed(self.scopes), self.names]:
            if node.id in scope:
                return scope[node.id]
        sight.check_name(node.id)
        raise NameError(f"'{node.id}' is not there{nearest(node.id, self.names)}")

    def _list(self, node: ast.List) -> Any:
        return list(self._items(node.elts))

    def _tuple(self, node: ast.Tuple) -> Any:
        return tuple(self._items(node.elts))

    def _set(self, node: ast.Set) -> Any:
        return set(self._items(node.elts))

    def _items(self, nodes: list[ast.expr]) -> Iterator[Any]:
        for node in nodes:
            if isinstance(node, ast.Starred):
                yield from self.run(node.value)
            else:
                yield self.run(node)

    def _dict(self, node: ast.Dict) -> Any:
        made: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                made.update(self.run(value))
            else:
                made[self.run(key)] = self.run(value)
        return made

    def _unaryop(self, node: ast.UnaryOp) -> Any:
        return _UNARY[type(node.op)](self.run(node.operand))

    def _binop(self, node: ast.BinOp) -> Any:
        return _BINARY[type(node.op)](self.run(node.left), self.run(node.right))

    def _boolop(self, node: ast.BoolOp) -> Any:
        value: Any = None
        for part in node.values:
            value = self.run(part)
            if bool(value) is isinstance(node.op, ast.Or):
                return value
        return value

    def _compare(self, node: ast.Compare) -> Any:
        left = self.run(node.left)
        result: Any = True
        for op, comparator in zip(node.ops, node.comparators, strict=True):
            right = self.run(comparator)
            result = _COMPARE[type(op)](read(left), read(right))
            if not result:
                return result
            left = right
        return result

    def _ifexp(self, node: ast.IfExp) -> Any:
        return self.run(node.body if self.run(node.test) else node.orelse)

    def _subscript(self, node: ast.Subscript) -> Any:
        value, item = self.run(node.value), self.run(node.slice)
        try:
            return value[item]
        except (TypeError, LookupError) as error:
            raise _RefusedError(sight.lacks(value, real(item))) from error

    def _slice(self, node: ast.Slice) -> Any:
        return slice(*(None if part is None else self.run(part) for part in (node.lower, node.upper, node.step)))

    def _attribute(self, node: ast.Attribute) -> Any:
        value = self.run(node.value)
        if node.attr.startswith("_") or node.attr in {"format", "format_map"}:
            raise _RefusedError(f"'.{node.attr}' is private and out of reach of scripts")
        if isinstance(value, Variables):
            return value.get(node.attr, "")
        try:
            return sight.attribute(value, node.attr, self.names.get("injected_args"))
        except AttributeError as error:
            raise _RefusedError(sight.lacks(value, node.attr)) from error

    def _call(self, node: ast.Call) -> Any:
        function, arguments = self.run(node.func), list(self._items(node.args))
        keywords: dict[str, Any] = {}
        for keyword in node.keywords:
            keywords.update(self.run(keyword.value) if keyword.arg is None else {keyword.arg: self.run(keyword.value)})
        name = getattr(function, "__name__", "this")
        if name != "quote":
            arguments, keywords = [real(given) for given in arguments], {k: real(v) for k, v in keywords.items()}
        check_arguments(function, arguments, keywords, self.names.get("injected_args"))
        arguments = sight.check_call(function, arguments, keywords, self.functions)
        if name == "join" and isinstance(getattr(function, "__self__", None), str) and arguments:
            return join_texts(function.__self__, arguments[0])
        try:
            return result_of(function(*arguments, **keywords), f"'{name_of(function)}()'", function, self.seen)
        except Exception as error:
            raise our_error(f"'{name_of(function)}()'", function, error) from error

    def _listcomp(self, node: ast.ListComp) -> Any:
        return list(self._loop(node.generators, lambda: self.run(node.elt)))

    def _generatorexp(self, node: ast.GeneratorExp) -> Any:
        return list(self._loop(node.generators, lambda: self.run(node.elt)))

    def _setcomp(self, node: ast.SetComp) -> Any:
        return set(self._loop(node.generators, lambda: self.run(node.elt)))

    def _dictcomp(self, node: ast.DictComp) -> Any:
        return dict(self._loop(node.generators, lambda: (self.run(node.key), self.run(node.value))))

    def _loop(self, generators: list[ast.comprehension], make: Callable[[], Any]) -> Iterator[Any]:
        if not generators:
            yield make()
            return
        first, *rest = generators
        for item in self.run(first.iter):
            self.scopes.append({})
            self._bind(first.target, self.seen(item))
            if all(self.run(test) for test in first.ifs):
                yield from self._loop(rest, make)
            self.scopes.pop()

    def _bind(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            self.scopes[-1][target.id] = value
        elif isinstance(target, (ast.Tuple, ast.List)):
            for part, item in zip(target.elts, value, strict=True):
                self._bind(part, self.seen(item))
        else:
            raise _RefusedError("loops bind plain names only")


def evaluate(
    text: str,
    names: Mapping[str, object],
    place: Place | None = None,
    *,
    functions: Iterable[object] = tuple(FUNCTIONS.values()),
    check: Callable[[], None] = nothing,
    environment: Environment | None = None,
) -> Any:
    """Evaluates a Python expression of the script.

    Args:
        text: The expression.
        names: What it can read and call.
        place: Where it stands.
        functions: The functions that it may call.
        check: Called at each step; it raises to stop.
        environment: Knows the values that marks in the expression stand for.

    Raises:
        ScriptError: It cannot be read, uses what the language does not have, or fails.
    """
    stand_ins = StandIns(text.strip(), environment)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(stand_ins.source, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ScriptError(f"\\setp needs a Python expression: {reason}.", place=place) from error
    try:
        return _Evaluator(names, functions, check, stand_ins).run(tree)
    except JupyterLatentsError as error:
        raise (error.at(place) if place else error) from None
    except _RefusedError as error:
        raise ScriptError(ended(f"\\setp: {stand_ins.marked(str(error))}"), place=place) from error
    except Exception as error:
        text = stand_ins.marked(str(error))
        raise ScriptError(f"\\setp failed: {type(error).__name__}: {text}", place=place) from error
