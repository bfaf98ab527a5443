"""Jinja's sandbox made narrower: names, attributes and calls go through `sight`; each turn of a loop can be stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from jinja2 import TemplateSyntaxError, Undefined, UndefinedError, nodes
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import missing

from jupyter_latents.errors import ScriptError, nearest
from jupyter_latents.wording import ended

from . import sight
from .environment import Environment
from .filters import SafeTable, add_lists, bound_fill, bound_texts, format_values, look_into
from .functions import FILTERS
from .guard import check_arguments, join_texts, modulo, name_of, our_error, result_of, safe_filter, safe_test
from .limits import add, check_shapes, joined, multiply, percent, power
from .marks import without_lines
from .promises import real
from .variables import Variables
from .veiled import Veiled, read

__all__ = ["Sandbox"]

_TURNS = "turns of a loop"
_LOOK = "look into"
_SLICED = "to slice"
_COMPARED = "to compare"
_CONCAT = "one after the other"
_OWN = {_TURNS, _LOOK, _SLICED, _COMPARED, _CONCAT}
_UNSEEING = {"join", "string", "trim", "quote", "default", "d"} | _OWN
_FILTERS_THAT_FILL = ("batch", "center", "indent", "round", "slice", "tojson", "truncate", "wordwrap")
_FILTERS_LEFT_OUT = ("random", "attr")
_OTHER_FILES = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)


def _through(name: str, node: nodes.Expr) -> nodes.Filter:
    """An expression through one of this sandbox's own filters."""
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


class _Turns:
    """The items of a loop, each after a check that it may go on."""

    def __init__(self, items: Any, environment: Environment) -> None:
        self._items, self._environment = items, environment

    def __iter__(self) -> Iterator[Any]:
        for item in self._items:
            self._environment.check()
            yield self._environment.seen(item)

    def __len__(self) -> int:
        return len(self._items)


class _Context(Context):
    """Looks names up as they are asked for."""

    def resolve_or_missing(self, key: str) -> Any:
        found = super().resolve_or_missing(key)
        if found is not missing:
            return found
        names = getattr(self.environment, "names", None)
        if names is not None and key in names:
            return names[key]
        sight.check_name(key)
        return missing


class Sandbox(SandboxedEnvironment):
    """Evaluates templates that see data and change nothing, but for the list `injected_args`, which is the script's.

    Args:
        environment: What the templates see; None to check syntax only.
        names: The names they see; the environment's of the moment when None.
        block: Whether lines of tags alone leave no blank lines.
    """

    context_class = _Context
    intercepted_binops = frozenset({"*", "**", "+", "%", "-", "/", "//"})

    def __init__(
        self, environment: Environment | None = None, names: Mapping[str, Any] | None = None, *, block: bool = False
    ) -> None:
        super().__init__(keep_trailing_newline=True, finalize=self._shown, trim_blocks=block, lstrip_blocks=block)
        self._seen_by = environment
        self.names = names if names is not None or environment is None else environment.visible
        self._functions = (environment or Environment()).functions
        for name in _FILTERS_LEFT_OUT:
            self.filters.pop(name)
        self.filters.update({name: self._functions[name] for name in self._functions.keys() - self.filters.keys()})
        self.filters.update(FILTERS)
        for name in _FILTERS_THAT_FILL:
            self.filters[name] = bound_fill(self.filters[name])
        self.filters["attr"] = self.getattr
        self.filters[_TURNS] = self._turns
        self.filters[_LOOK] = look_into
        self.globals = {}
        self.filters[_CONCAT] = joined
        self.filters["format"] = format_values
        self.filters["join"] = bound_texts(self.filters["join"])
        self.filters["sum"] = add_lists(self.filters["sum"])
        self.filters["replace"] = bound_texts(self.filters["replace"])
        self.binop_table.update({"*": multiply, "**": power, "+": add, "%": percent})
        self.filters[_SLICED] = self._sliced
        self.filters[_COMPARED] = lambda value: read(self._seen(value))
        self.filters = SafeTable(self.filters, self._safe_filter)
        self.tests = SafeTable(self.tests, lambda name, one: safe_test(name, one, self._seen))

    def _safe_filter(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        return function if name in _OWN else safe_filter(name, function, self._seen)

    def _seen(self, value: Any) -> Any:
        return value if self._seen_by is None else self._seen_by.seen(value)

    def _sliced(self, value: Any) -> Any:
        """A value of which a part is to be taken."""
        value = self._seen(value)
        if isinstance(value, Mapping) or not (hasattr(value, "__getitem__") or isinstance(value, Undefined)):
            raise ScriptError(ended(sight.lacks(value, slice(None))))
        return value

    def concat(self, parts: Iterable[str]) -> Any:
        """What a macro, a block of ``set``, ``call`` or ``filter`` wrote."""
        text = "".join(parts)
        return self._seen(text if "\n" in text else without_lines(text))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """A sum, product, power or rest of values that are put together in bounds."""
        left, right = self._seen(left), self._seen(right)
        check_shapes(left, right)
        if operator == "%":
            return modulo(left, right)
        return self._seen(super().call_binop(context, operator, left, right))

    def _shown(self, value: Any) -> Any:
        if self._seen_by is None:
            return value
        if isinstance(value, Undefined):
            self._note(value)
            return value
        return self._seen_by.show(value)

    def _note(self, value: Any) -> None:
        """Tells that a name, attribute or item is not there, and nothing stands in its place."""
        name, environment = value._undefined_name, self._seen_by  # noqa: SLF001 - the public attribute of jinja's own
        lone = value._undefined_obj is missing  # noqa: SLF001 - see above
        if environment is None or (lone and (not isinstance(name, str) or name in environment.mentioned)):
            return
        if isinstance(value._undefined_obj, Variables):  # noqa: SLF001 - see above
            if environment.in_words:  # elsewhere it is empty without a word, as in a shell: scripts test for that
                environment.note_unset(str(name), environment.place)
            return
        text, hint = value._undefined_message, ""  # noqa: SLF001 - see above
        if lone:
            text, hint = f"'{name}' is not there", nearest(str(name), self.names or ())
        if environment.in_seed:
            raise ScriptError(ended(f"An image seed names nothing here: {text}{hint}"))
        environment.note(f"{text}, and nothing stands in its place{hint}", environment.place)

    def _turns(self, items: Iterable[Any]) -> Iterable[Any]:
        return items if self._seen_by is None else _Turns(self._seen(items), self._seen_by)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        self._check(tree)
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, _TURNS, [], [], None, None, lineno=loop.iter.lineno)
        for sum_ in tree.find_all(nodes.Concat):
            parts = nodes.List(sum_.nodes, lineno=sum_.lineno)
            sum_.nodes = [nodes.Filter(parts, _CONCAT, [], [], None, None, lineno=sum_.lineno)]
        for used in tree.find_all(nodes.Filter):
            if used.node is not None and used.name not in _UNSEEING:
                used.node = _through(_LOOK, used.node)
        for item in tree.find_all(nodes.Getitem):
            if isinstance(item.arg, nodes.Slice):  # Jinja takes parts of a text without asking `getitem`
                item.node = _through(_SLICED, item.node)
        for comparison in tree.find_all(nodes.Compare):
            comparison.expr = _through(_COMPARED, comparison.expr)
            for operand in comparison.ops:
                operand.expr = _through(_COMPARED, operand.expr)
        return tree

    def _check(self, tree: nodes.Template) -> None:
        """Checks what Jinja finds out when it compiles or renders: tags that read other files, names of filters."""
        for tag in tree.find_all(_OTHER_FILES):
            kind = "import" if isinstance(tag, (nodes.Import, nodes.FromImport)) else type(tag).__name__.lower()
            text = f"{{% {kind} %}} reads another template, and scripts have none; write its text here"
            raise TemplateSyntaxError(text, tag.lineno)
        for used, known, what in ((nodes.Filter, self.filters, "filter"), (nodes.Test, self.tests, "test")):
            for found in tree.find_all(used):
                if found.name not in known:
                    raise TemplateSyntaxError(f"'{found.name}' is no {what}{nearest(found.name, known)}", found.lineno)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """An attribute that `sight` allows, else an item."""
        if isinstance(obj, Undefined):
            return obj[attribute]  # raises its own error
        obj = self._seen(obj)
        if attribute.startswith("_"):
            raise ScriptError(f"'.{attribute}' is unsafe: names that begin with _ are private. Leave it out.")
        if isinstance(obj, Mapping) and attribute not in (sight.names_of(type(obj)) or ()) and attribute in obj:
            return self._seen(obj[attribute])
        own = self._seen_by.injected_args if self._seen_by else None
        try:
            value = sight.attribute(obj, attribute, own)
        except AttributeError:
            return self._lacking(obj, attribute)
        return self.wrap_str_format(value) or self._seen(value)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """An item, else an attribute that `sight` allows."""
        obj = real(self._seen(obj))
        if isinstance(obj, Veiled) and isinstance(argument, str):
            return self.getattr(obj, argument)
        try:
            return self._seen(obj[argument])
        except (TypeError, LookupError):
            return self.getattr(obj, argument) if isinstance(argument, str) else self._lacking(obj, argument)

    def _lacking(self, obj: Any, name: Any) -> Undefined:
        """Stands for an attribute or item that a value has not."""
        return self.undefined(hint=sight.lacks(obj, name), obj="" if isinstance(obj, Veiled) else obj, name=name)

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Calls what `sight` allows."""
        if self._seen_by is not None:
            self._seen_by.check()
        if isinstance(obj, Undefined) or self._seen_by is None:
            return super().call(context, obj, *args, **kwargs)
        whole = obj is self._functions["quote"]  # it can write what is not there yet
        named = {key: self._seen(one if whole else real(one)) for key, one in kwargs.items()}
        given = [self._seen(one if whole else real(one)) for one in args]
        check_arguments(obj, given, named, self._seen_by.injected_args)
        given = sight.check_call(obj, given, named, self._functions.values())
        if getattr(obj, "__name__", "") == "join" and isinstance(getattr(obj, "__self__", None), str) and given:
            obj, given = join_texts, [obj.__self__, given[0]]
        try:
            return result_of(super().call(context, obj, *given, **named), f"'{name_of(obj)}()'", obj, self._seen)
        except UndefinedError:
            raise
        except Exception as error:
            if isinstance(obj, (Macro, LoopContext)):
                raise
            raise our_error(f"'{name_of(obj)}()'", obj, error) from error
