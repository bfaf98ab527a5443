"""Words, quotes and escapes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_latents.errors import ScriptError
from jupyter_latents.stage import Prompt
from jupyter_latents.syntax.prompts import format_prompt, split_prompt
from jupyter_latents.syntax.text.located import Line, Located
from jupyter_latents.syntax.text.quoting import quote, read_words, unquote
from tests.strategies import words as any_words


def split(text: str) -> list[str]:
    return [word.text for word in read_words(Located.of(Line(1, text, text)))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b  c", ["a", "b", "c"]),
        ('"a b" c', ["a b", "c"]),
        ("'a b'", ["a b"]),
        ('""', [""]),
        ("it\\'s", ["it's"]),
        (r'"say \"hi\""', ['say "hi"']),
        (r"\%20 \$5", ["%20", "$5"]),
        (r"C:\models\x.pt", [r"C:\models\x.pt"]),
        (r"(word\)", [r"(word\)"]),
        (r'"keep \\"', ["keep \\"]),
        ('a.png;mask="b c.png"', ['a.png;mask="b c.png"']),
        ("bnb;bits=4", ["bnb;bits=4"]),
        ("100%", ["100%"]),
    ],
)
def test_words_are_read_as_the_pseudo_shell_reads_them(text: str, expected: list[str]) -> None:
    assert split(text) == expected


@settings(max_examples=300, deadline=None)
@given(any_words)
def test_a_quoted_word_reads_back_the_same(word: str) -> None:
    assert split(quote(word)) == [word]
    assert unquote(quote(word)) == word


@settings(max_examples=100, deadline=None)
@given(st.lists(any_words, max_size=5))
def test_a_quoted_list_reads_back_as_its_words(words: list[str]) -> None:
    assert split(str(quote(words))) == words


def test_an_open_quote_is_found_where_it_opens() -> None:
    with pytest.raises(ScriptError, match="never closed") as caught:
        split("a 'b c")
    assert caught.value.place is not None
    assert caught.value.place.column == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a cat", ("a cat", None)),
        ("a cat; blurry", ("a cat", "blurry")),
        ("a cat; blurry; dark", ("a cat", "blurry; dark")),
        (r"one\; two; three", ("one; two", "three")),
        ('a sign "stop; go"; blurry', ('a sign "stop; go"', "blurry")),
        ("a dog's life; it's dull", ("a dog's life", "it's dull")),
        ("the dogs' bone; the cats' milk", ("the dogs' bone", "the cats' milk")),
        ("; blurry", ("", "blurry")),
        ("a cat;", ("a cat", "")),
    ],
)
def test_prompts_are_split_at_the_first_free_semicolon(text: str, expected: tuple[str, str | None]) -> None:
    assert split_prompt(text) == expected


def test_a_prompt_printed_reads_back_the_same() -> None:
    prompt = Prompt("one; two", "three")
    assert split_prompt(format_prompt(prompt)) == ("one; two", "three")
