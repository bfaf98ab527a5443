"""Scripts that try to show a value of the environment, or a piece of it; none may, before the run or in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.syntax import Environment, Evaluation, Script

# One script a line, `@@` between its lines.
SCRIPTS = (Path(__file__).parent / "secret_scripts.txt").read_text(encoding="utf-8").splitlines()

SECRETS = {
    "word": "Zq7xW9kLm2Tv",
    "words": "Zq7x W9kL  m2Tv",
    "quotes": "Zq7'x\"W9\\kL$m2{Tv",
    "option": "--seeds Zq7x W9kL",
    "dash": "-Zq7xW9kLm2Tv",
    "path": "Zq7*W9?m2/x",
}


def told(script: str, secret: str) -> Iterator[str]:
    """All that is said of a script and shown of its stages: before the run, then in it."""
    printed: list[str] = []
    environment = Environment(environ={"T": secret}, print=printed.append)
    evaluation = Evaluation(Script(script), environment)
    try:
        evaluation.ahead()
        yield from evaluation.printed
        yield environment.shown(repr(evaluation.waiting))
        for foreseen in evaluation.foreseen:
            yield environment.shown(repr([foreseen.invocation.stages(), foreseen.invocation.values]))
        for invocation in evaluation:
            folder, prefix = invocation.first("output_path", "."), invocation.first("output_prefix", "")
            evaluation.finished([f"{folder}/{prefix}x.png"])
    except JupyterLatentsError as error:
        yield from map(str, (error, error.message, error.template, error.args, error._render_traceback_()))
    finally:
        evaluation.close()
    yield from printed


def pieces(secret: str) -> set[str]:
    """Three characters of a value that no other text holds, in the ways that scripts could write them."""
    parts = {secret[start : start + 3] for start in range(len(secret) - 2)}
    rare = {part for part in parts if any(character.isdigit() for character in part)}
    ways = (str, str.upper, str.lower, str.swapcase, lambda part: part[::-1], lambda part: part.encode().hex())
    codes = {", ".join(str(ord(character)) for character in part) for part in rare}
    return {way(part) for part in rare for way in ways} | codes | {"', '".join(part) for part in rare}


@pytest.mark.parametrize("kind", SECRETS)
def test_no_script_shows_a_piece_of_a_value(kind: str) -> None:
    searched = pieces(SECRETS[kind])
    for script in SCRIPTS:
        text = " ".join(told(script.replace("@@", "\n"), SECRETS[kind]))
        shown = [piece for piece in searched if piece in text]
        assert not shown, (script, shown, text)
        assert "\U0001d100" not in text, (script, text)
        assert "Veiled" not in text, (script, text)


def test_there_are_many_of_them() -> None:
    assert len(set(SCRIPTS)) > 300


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("\\print {{ env.T[3:] }}", "'[…]'"),
        ("\\print {{ env.T|upper }}", "'|upper'"),
        ("\\print {{ [env.T]|map('upper')|list }}", "'|upper'"),
        ("\\print {{ env.T.upper() }}", "'.upper'"),
        ("\\print {{ env.T|list }}", "Going through its letters"),
        ("\\print {{ '%s' % env.T }}", "'%'"),
        ("\\print {{ '{}'.format(env.T) }}", "'format()'"),
        ("\\print {{ ord(env.T) }}", "'ord()'"),
        ("\\setp x '$T'[1]", "'[…]'"),
        ("\\setp x ord('$T')", "'ord()'"),
        ("{% filter upper %}\n\\print {{ env.T }}\n{% endfilter %}", "'|upper'"),
    ],
)
@pytest.mark.parametrize("foresee", [True, False])
def test_the_error_names_the_variable_and_what_to_do(line: str, what: str, foresee: bool) -> None:
    """The same before the run and in it."""
    evaluation = Evaluation(Script(line), Environment(environ={"T": "secret"}))
    with pytest.raises(JupyterLatentsError) as caught:
        evaluation.ahead() if foresee else list(evaluation)
    assert caught.value.message.startswith(f"{what} takes $T apart, and text made from a value of the environment")
    assert 'part = os.environ["T"]' in caught.value.message
    assert "{{ part }}" in caught.value.message


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("\\set k $T\nm --prompts {{ quote(k) }}", {"prompt": "{T}"}),
        ("m --prompts '{{ env.T ~ \"!\" }}'", {"prompt": "{T}!"}),
        ("m --prompts \"a {{ env.T + 'b' }}\"", {"prompt": "a {T}b"}),
        ("m --prompts '{{ [env.T, env.T]|join(\" - \") }}'", {"prompt": "{T} - {T}"}),
        ('m --prompts \'{{ " - ".join([env.T, "x"]) }}\'', {"prompt": "{T} - x"}),
        ("{% set k %}a{{ env.T }}{% endset %}\nm --prompts '{{ k }}'", {"prompt": "a{T}"}),
        ("{% macro m(k) %}a{{ k }}{% endmacro %}\nm --prompts '{{ m(env.T) }}'", {"prompt": "a{T}"}),
        ("{% if 1 %}\nm --prompts '{{ env.T }}'\n{% endif %}", {"prompt": "{T}"}),
        ("{% if 1 %}\n\\set k {{ env.T }}\n{% endif %}\nm --prompts '{{ k }}'", {"prompt": "{T}"}),
        ("\\setp k '$T' + '!'\nm --prompts '{{ k }}'", {"prompt": "{T}!"}),
        ("\\setp k 'a' + env.T if len(env.T) > 1 else ''\nm --prompts '{{ k }}'", {"prompt": "a{T}"}),
        ('\\sete k b "$T"\nm --prompts {{ quote(k) }}', {"prompt": "{T}"}),
        ('\\env A="$T"\nm --prompts "$A"', {"prompt": "{T}"}),
        ("\\setp _ injected_args.extend(['--prompts', env.T])\nm --seeds 1", {"prompt": "{T}"}),
        ("m --prompts '{{ format_prompt(env.T) }}'", {"prompt": "'{T}'"}),
        ("m --prompts x --output-path \"a/$T\"\n\nm --prompts '{{ basename(last_images[0]) }}'", {"prompt": "x.png"}),
    ],
)
@pytest.mark.parametrize("secret", ["s3cr3t", "two words", "it's", 'say "hi"', "a$b{c}", "-x", "#1"])
def test_what_may_be_done_with_a_value_is_right_of_the_value(text: str, stage: dict[str, str], secret: str) -> None:
    evaluation = Evaluation(Script(text), Environment(environ={"T": secret}, print=lambda _: None))
    evaluation.ahead()
    stages = []
    for invocation in evaluation:
        stages += invocation.stages()
        evaluation.finished([f"a/{secret}/x.png"])
    assert stages[-1].prompt.positive == stage["prompt"].replace("{T}", secret)


@pytest.mark.parametrize(
    ("value", "line", "words"),
    [
        ("a  'b c'", "\\sete k $T x", ["a", "b c", "x"]),
        ("--seeds 5", "\\sete k {{ env.T }}", ["--seeds", "5"]),
        ("--seeds=5", "\\sete k $T", ["--seeds=5"]),
        ("a b", "\\sete k x$T", ["xa", "b"]),
        ("a b", "\\sete k '$T' \"$T\"", ["$T", "a b"]),
        ("a'b", "\\sete k $T", ["a'b"]),
    ],
)
def test_a_value_without_quotes_is_as_many_words_as_it_holds(value: str, line: str, words: list[str]) -> None:
    environment = Environment(environ={"T": value}, print=lambda _: None)
    list(Evaluation(Script(line), environment))
    known: list[str] = environment.names["k"]  # type: ignore[assignment]
    assert [environment.unveiled(str(word)) for word in known] == words


def test_a_pattern_may_begin_with_a_value(tmp_path: Path) -> None:
    folder = tmp_path
    (folder / "b.png").touch()
    environment = Environment(environ={"T": str(folder)}, print=lambda _: None)
    list(Evaluation(Script("\\sete k $T/*.png"), environment))
    (found,) = environment.names["k"]  # type: ignore[misc, attr-defined]
    assert environment.shown(str(found)) == "$T/b.png"
    assert environment.unveiled(str(found)) == f"{folder}/b.png"


@pytest.mark.parametrize(("value", "number"), [("7", 8), (" 0.5", 1.5), ("-2", -1), ("[1, 2]", [1, 2, 1])])
def test_without_quotes_an_expression_takes_a_number(value: str, number: object) -> None:
    environment = Environment(environ={"T": value}, print=lambda _: None)
    list(Evaluation(Script(f"\\setp k $T + {[1] if value[0] == '[' else 1}"), environment))
    assert environment.names["k"] == number
    with pytest.raises(JupyterLatentsError, match=r"\$T is no number.*write '\$T' in quotes"):
        list(Evaluation(Script("\\setp k $T"), Environment(environ={"T": "[open]"})))


def test_a_value_that_begins_with_a_dash_is_no_option() -> None:
    evaluation = Evaluation(Script("m --auth-token $T --seeds $N"), Environment(environ={"T": "-a", "N": "-xyz"}))
    with pytest.raises(JupyterLatentsError, match=r"'\$N' is not allowed"):
        list(evaluation)
    evaluation = Evaluation(Script("m --auth-token $T"), Environment(environ={"T": "-abc"}))
    assert [invocation.first("auth_token") for invocation in evaluation] == ["-abc"]


def test_an_oracle_by_hand_is_the_persons_own() -> None:
    """A script may compare: whoever asks letter by letter has asked."""
    said: list[str] = []
    text = "{% for c in 'abcxyz' %}{% if env.T.startswith(c) %}\n\\print {{ c }}\n{% endif %}{% endfor %}"
    list(Evaluation(Script(text), Environment(environ={"T": "xyz"}, print=said.append)))
    assert said == ["x"]


@pytest.mark.parametrize("form", ["{0}", "{0!r}", "cut off: {0:.20}", "http://x/{1}", '{{"a": {2}}}'])
def test_messages_that_quote_a_value_are_hidden_however_they_write_it(form: str) -> None:
    value = 'it\'s "a\\b"/c d é & a very long one'
    environment = Environment(environ={"T": value})
    environment.unveiled(environment.variable("T"))
    environment.opened.add("T")
    text = environment.hidden(form.format(value, quote(value), json.dumps(value)))
    assert "$T" in text
    assert not any(piece in text for piece in ("it's", "it\\'s", "very", "it%27"))
