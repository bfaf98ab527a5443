"""Reading takes work in proportion to the text, and hears a stop while it is at it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from jupyter_latents.errors import JupyterLatentsError, StoppedError
from jupyter_latents.syntax import Environment, Script
from jupyter_latents.syntax.text.unfinished import Unfinished, without_comment
from tests.counting import calls_of
from tests.strategies import broken_texts

LONG: dict[str, Callable[[int], str]] = {
    "continuation lines": lambda n: "m \\\n--seeds \\\n" + "1 \\\n" * n,
    "option lines": lambda n: "m\n" + "--seeds 1\n" * n,
    "a quoted text over many lines": lambda n: 'm --prompts "a \\\n' + "word \\\n" * n + '"',
    "a template over many lines": lambda n: "m --prompts {{ 'a' ~\n" + "'b' ~\n" * n + "'' }}",
    "a template with a lone quote": lambda n: "m --prompts {{ a ' \n" + '"b" \\" \n' * n + "}}",
    "a block": lambda n: "{% if 1 %}\n" + "\\set a 1\n" * n + "{% endif %}",
    "raw text": lambda n: 'm --prompts "{% raw %} \\\n' + "a {% \\\n" * n + '{% endraw %}"',
    "comments": lambda n: "m\n" + "# why\n" * n + "--seeds 1",
    "templates in one line": lambda n: '\\print "' + "a {# no #} " * n + '"',
    "names in one line": lambda n: "\\print " + "$A %B% " * n,
    "quotes in a prompt": lambda n: 'm --prompts "a' + " 'x" * n + '"',
    "strings in an open template": lambda n: "\\print {{ " + '\\"' * n,
    "items of an image seed": lambda n: 'm --image-seeds "images: ' + "'a.png' " * n + '"',
    "an address in an image seed": lambda n: 'm --image-seeds "https://a.b/' + "c," * n + '"',
}


def work(text: str) -> int:
    """Function calls that checking and reading a script takes."""
    return calls_of(lambda: read(text))


def read(text: str) -> None:
    with suppress(JupyterLatentsError):
        Script(text).check()
        list(Script(text).invocations(Environment(environ={}, print=lambda _: None)))


@pytest.mark.parametrize("kind", LONG)
def test_twice_the_text_is_twice_the_work(kind: str) -> None:
    assert work(LONG[kind](400)) / work(LONG[kind](200)) <= 2.3


@pytest.mark.parametrize("text", ['m --prompts "{} x"', "\\print {} x", "m --image-seeds '{}.png'", "\\print {{{{ {}"])
def test_long_runs_of_backslashes_are_read(text: str) -> None:
    """In quadratic time this takes minutes."""
    assert work(text.format("\\" * 60_000)) < 100 * 60_000


def test_a_text_that_grows_is_read_as_the_whole_is() -> None:
    lone = [
        "{{ ' }}\n# x\n' }} # y",
        "{{ \" ' }} a\n'\n}} # b\n\"}} # c",
        "{{ 'a\n# b\n}} ' # c",
        "{% raw %} {%\n endraw %} {{\n",
    ]
    for text in [*lone, *broken_texts(3_000, seed=5)]:
        grown, whole = Unfinished(), ""
        for line in text.split("\n"):
            cut, quote = grown.without_comment(line)
            expected, at = without_comment(whole + line)
            assert cut == expected[len(whole) :]
            assert (quote >= 0) == (at >= 0)
            grown.add(line + " ")
            whole += line + " "


class TestStop:
    """A check that raises is heard wherever reading is long."""

    @pytest.mark.parametrize(
        "text",
        [
            "m \\\n--seeds \\\n" + "1 \\\n" * 90,
            "\\set a 1\n" * 90,
            "# why\n" * 90,
            "{% for i in range(90) %}\nm\n{% endfor %}",
            "m --gen-seeds 90",
        ],
    )
    def test_lines_hear_a_stop(self, text: str) -> None:
        heard = self.stopped(text, 50)
        assert heard == 50

    def stopped(self, text: str, after: int) -> int:
        calls = 0

        def check() -> None:
            nonlocal calls
            calls += 1
            if calls == after:
                raise StoppedError("stopped")

        environment = Environment(environ={}, print=lambda _: None, check=check)
        with pytest.raises(StoppedError):
            [invocation.stages() for invocation in Script(text).invocations(environment)]
        return calls

    def test_the_check_of_a_script_hears_a_stop(self) -> None:
        def check() -> None:
            raise StoppedError("stopped")

        with pytest.raises(StoppedError):
            Script("m").check(stopped=check)
