"""Tab inside ``%%dgen`` cells and on ``%dgen`` lines: options, values, models, schedulers, kernel variables, files.

IPython has a public hook for completion (matchers) and none for inspection inside a cell's text: shift-tab sends one
Python name, and an option's name is none. What an option means is told by ``%%dgen --help OPTION``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_latents.formats import endings
from jupyter_latents.paths import is_folder, opened

if TYPE_CHECKING:
    from IPython.core.completer import CompletionContext, SimpleMatcherResult
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_latents.syntax.options.completion import Completion

__all__ = ["list_path", "register", "seed_names", "unregister"]

_IDENTIFIER = "jupyter_latents"
_PRIORITY = 200.0  # above IPython's own, which then stay silent
_CELL = re.compile(r"%%dgen\b")
_LINE = re.compile(r"\s*%dgen\b")
_INTO = re.compile(r"--into[ \t=]+(\w+)")
_ATTRIBUTE = re.compile(r"\{\{[^{}]*?\b([A-Za-z_]\w*)\.(\w*)$")
_QUOTED = re.compile(r"\\.|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'")
_LATENTS = ("jupyter_latents.latents.value", "jupyter_latents.latents.sequence")
_MOST_FILES = 200
_DEPTH = 3


def register(shell: InteractiveShell) -> None:
    """Adds the completer to a shell; once, however often it is called. IPython before 8.6 completes nothing of ours.

    Args:
        shell: The IPython shell.
    """
    try:
        from IPython.core.completer import context_matcher
    except ImportError:  # IPython before 8.6 tells completers one line at most; all else works there
        return

    @context_matcher(identifier=_IDENTIFIER, priority=_PRIORITY)  # type: ignore[untyped-decorator]
    def match_dgen(context: CompletionContext) -> SimpleMatcherResult:
        """The completions at the cursor of a cell; none in a cell that is not ours."""
        text, cursor = _text_and_cursor(context)
        if not text:
            return {"completions": [], "suppress": False}
        return _result(list(_completions(text, cursor, shell.user_ns)), text[:cursor])

    unregister(shell)
    shell.Completer.custom_matchers.append(match_dgen)


def unregister(shell: InteractiveShell) -> None:
    """Takes the completer out of a shell again; ``%unload_ext`` calls it.

    Args:
        shell: The IPython shell.
    """
    matchers = getattr(shell.Completer, "custom_matchers", [])
    matchers[:] = [other for other in matchers if getattr(other, "matcher_identifier", "") != _IDENTIFIER]


def seed_names(names: Mapping[str, Any]) -> list[str]:
    """The variables that an image seed can name, by name: latents, pictures, tensors, arrays, files, lists of these.

    Args:
        names: The kernel's namespace.
    """
    return sorted(name for name, value in dict(names).items() if not name.startswith("_") and _can_be_input(value))


def _can_be_input(value: Any, depth: int = 0) -> bool:
    """Looks at classes only: looking at attributes of what people keep in a kernel may run their code."""
    if isinstance(value, str | Path):
        return str(value)[-16:].lower().endswith(endings())
    if isinstance(value, list | tuple):
        return bool(value) and depth < _DEPTH and _can_be_input(value[0], depth + 1)
    kind = type(value)
    picture = hasattr(kind, "convert") and hasattr(kind, "resize")
    return picture or hasattr(kind, "__dlpack__") or _is_latents(kind)


def _is_latents(kind: type) -> bool:
    return any(base.__module__ in _LATENTS for base in kind.__mro__)


def list_path(typed: str) -> list[str]:
    """Paths that begin with a text; folders end with a slash, hidden ones come when their dot is typed.

    Args:
        typed: The text, relative to the working directory; ``~`` is the home folder.
    """
    head, _, start = typed.rpartition("/")
    prefix = f"{head}/" if "/" in typed else ""
    folder = opened(prefix or ".")
    if not is_folder(folder):
        return []
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: (entry.name.lower(), entry.name))
    except PermissionError:
        return []  # what cannot be listed has nothing to offer
    fits = [entry for entry in entries if entry.name.startswith(start) and (start[:1] == "." or entry.name[:1] != ".")]
    return [prefix + entry.name + ("/" if entry.is_dir() else "") for entry in fits[:_MOST_FILES]]


def _text_and_cursor(context: CompletionContext) -> tuple[str, int]:
    """The part of a cell that is in the script language, and the cursor in it; empty where none is."""
    lines = context.full_text.split("\n")
    line = lines[context.cursor_line] if context.cursor_line < len(lines) else ""
    if _CELL.match(context.full_text):
        return context.full_text, sum(
            map(len, lines[: context.cursor_line])
        ) + context.cursor_line + context.cursor_position
    return (line.lstrip(), context.cursor_position - len(line) + len(line.lstrip())) if _LINE.match(line) else ("", 0)


def _in_quotes(text: str) -> bool:
    """Whether the last line of a text ends inside a quoted string."""
    line = text.rpartition("\n")[2]
    return bool(re.search(r"[\"']", _QUOTED.sub("", line)))


def _completions(text: str, cursor: int, names: Mapping[str, Any]) -> Iterator[Completion]:
    from jupyter_latents.engine import known_models, scheduler_names
    from jupyter_latents.syntax.options.completion import complete

    attribute = _ATTRIBUTE.search(text, 0, cursor)
    if attribute:
        yield from _attributes(names.get(attribute[1]), attribute[2], cursor)
        return
    quoted = _in_quotes(text[:cursor])
    yield from complete(
        text,
        cursor,
        variables=dict.fromkeys([*_INTO.findall(text), *seed_names(names)]),
        models=known_models(),
        schedulers=scheduler_names(),
        list_path=lambda typed: [path for path in list_path(typed) if quoted or not re.search(r"\s", path)],
    )


def _attributes(value: Any, typed: str, cursor: int) -> Iterator[Completion]:
    """Public attributes of a kernel variable inside a template."""
    from jupyter_latents.syntax.options.completion import Completion

    for name in dir(type(value)) if value is not None else ():
        if name.startswith(typed) and not name.startswith("_"):
            yield Completion(name, cursor - len(typed), cursor, "attribute")


def _result(found: Sequence[Completion], before: str) -> SimpleMatcherResult:
    """IPython's own form: all completions replace the same text before the cursor.

    IPython asks Python's completers where a matcher has nothing. Their names do not belong into a script, so that what
    is typed already stands for nothing there.
    """
    from IPython.core.completer import SimpleCompletion

    longest = max((item.end - item.start for item in found), default=1)
    fragment = before[len(before) - longest :]
    completions = [
        SimpleCompletion(text=fragment[: longest - (item.end - item.start)] + item.text, type=item.kind)
        for item in found
    ]
    return {
        "completions": completions or [SimpleCompletion(text=fragment, type="text")],
        "suppress": True,
        "matched_fragment": fragment,
        "ordered": True,
    }
