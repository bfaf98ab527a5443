"""What templates write for values that have no text of their own: what they are, the same in every kernel."""

import re

import pytest
from PIL import Image

from jupyter_latents.syntax import Environment, Script

ADDRESS = re.compile("0x[0-9a-f]{6}", re.IGNORECASE)


def printed(text: str) -> str:
    said: list[str] = []
    kernel = {"photo": Image.new("RGB", (64, 64))}
    list(Script(text).invocations(Environment(environ={"A": "x"}, kernel=kernel, print=said.append)))
    return "\n".join(said)


@pytest.mark.parametrize(
    "value",
    ["photo", "[photo]", "{'k': photo}", "photo ~ ''", "photo|string", "'%s' % photo", "photo|upper", "photo|e",
     "[photo]|join(',')", "[photo|string]", "quote(photo)", "env", "env|string", "photo|pprint", "'{}'.format(photo)"],
)  # fmt: skip
def test_no_address_in_memory_is_written(value: str) -> None:
    text = printed(f"\\print {{{{ {value} }}}}")
    assert text
    assert not ADDRESS.search(text), text
    kept = printed(f"\\set kept {{{{ {value}|string }}}}\n\\print {{{{ kept }}}}")
    assert not ADDRESS.search(kept), kept


@pytest.mark.parametrize("value", ["photo", "[photo]", "str(photo)", "'%s' % photo", "env", "str(env)"])
def test_no_address_in_memory_is_set(value: str) -> None:
    text = printed(f"\\setp kept {value}\n\\print {{{{ kept }}}}")
    assert text
    assert not ADDRESS.search(text), text


def test_the_environment_says_what_it_is() -> None:
    assert printed("\\print {{ env }}") == "<1 variables of the environment>"


def test_a_text_of_ones_own_stays() -> None:
    assert printed("\\print {{ 'load at 0xDEADBEEF now' }}") == "load at 0xDEADBEEF now"
