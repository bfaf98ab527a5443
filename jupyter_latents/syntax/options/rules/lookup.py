"""The option that a word names, or what to say where it names none."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jupyter_latents.errors import HelpAskedError, ScriptError, nearest
from jupyter_latents.syntax.options.magic_options import MAGIC_NAMES
from jupyter_latents.syntax.options.option import Option
from jupyter_latents.syntax.options.second_stage import REWRITTEN
from jupyter_latents.syntax.options.table import BY_NAME
from jupyter_latents.syntax.text.quoting import Word

from .refused import ELSEWHERE, HARMLESS, OLDER, SHORT_HARMLESS, instead, is_of_dgenerate, refusal

__all__ = ["answer", "is_option", "option_at"]

_OPTION = re.compile(r"--?[A-Za-z]")


def is_option(word: Word) -> bool:
    """Whether a word looks like an option's name."""
    return not word.quoted and bool(_OPTION.match(word.text))


def answer(word: Word) -> None:
    """Answers a word that is an option's name with a question mark behind it.

    Raises:
        HelpAskedError: It is one; with the option's help.
        ScriptError: There is no such option.
    """
    name = word.text.partition("=")[0]
    if not name.endswith("?"):
        return
    from jupyter_latents.syntax.options.help import option_help

    try:
        text = option_help(name.rstrip("?"))
    except ScriptError as error:
        raise ScriptError(error.message, place=word.place) from error
    raise HelpAskedError(text, place=word.place)


def _find(word: Word, value: str = "") -> Option:
    """The option that a word names.

    Args:
        word: The word.
        value: What follows it, for what to write in its place.

    Raises:
        ScriptError: None.
    """
    option = BY_NAME.get(OLDER.get(word.text, word.text))
    if option is not None:
        return option
    name = word.text.partition("=")[0]
    answer(word)
    if name in MAGIC_NAMES:
        raise ScriptError(f"'{name}' belongs on the magic's own line, behind %%dgen.", place=word.place)
    if name in ELSEWHERE:
        raise ScriptError(f"'{name}' is no option here; {instead(name, value)}.", place=word.place)
    reason = refusal(name)
    if reason:
        whose = "is dgenerate's and does" if is_of_dgenerate(name) else "does"
        raise ScriptError(f"'{name}' {whose} not run here: {reason}.", place=word.place)
    long = [known for known in (*BY_NAME, *REWRITTEN) if known.startswith("--")] if name.startswith("--") else BY_NAME
    hint = nearest(name, long) or "; %%dgen --help lists them all."
    raise ScriptError(f"'{name}' is no option{hint}", place=word.place)


def option_at(words: Sequence[Word], at: int) -> Option:
    """The option at a place among words.

    Args:
        words: The words of an invocation.
        at: The place; what follows it is read too, for what to write instead.

    Raises:
        HelpAskedError: See `answer`.
        ScriptError: None; it names further ones that are none, too.
    """
    value = words[at + 1].written.text if at + 1 < len(words) and not is_option(words[at + 1]) else ""
    try:
        return _find(words[at], value)
    except HelpAskedError:
        raise
    except ScriptError as error:
        more = [word.text for word in words[at + 1 :] if is_option(word) and _is_unknown(word)]
        if not more:
            raise
        raise ScriptError(f"{error.message} Nor is {', '.join(dict.fromkeys(more))}.", place=error.place) from error


def _is_unknown(word: Word) -> bool:
    try:
        _find(word)
    except HelpAskedError:
        return False
    except ScriptError:
        return SHORT_HARMLESS.get(word.text, word.text) not in HARMLESS
    return False
