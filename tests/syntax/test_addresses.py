"""Addresses of further parts: ``NAME;key=value``."""

from __future__ import annotations

from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_latents.errors import Place, ScriptError
from jupyter_latents.stage import Address
from jupyter_latents.syntax.addresses import format_address, parse_address

texts = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=12)
keys = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)


@given(texts.filter(str.strip), st.dictionaries(keys, texts, max_size=3))
def test_what_is_formatted_reads_back_the_same(name: str, settings: dict[str, str]) -> None:
    address = Address(name, MappingProxyType(settings))
    assert parse_address(format_address(address)) == address


@pytest.mark.parametrize(
    ("text", "name", "settings"),
    [
        ("some/model", "some/model", {}),
        (
            "a b.safetensors; Scale = 0.8 ;weight_name=x.bin",
            "a b.safetensors",
            {"scale": "0.8", "weight-name": "x.bin"},
        ),
        ("bnb;bits=4", "bnb", {"bits": "4"}),
        ("'a;b.pt';subfolder=\"c;d\"", "a;b.pt", {"subfolder": "c;d"}),
        ("https://a.org/b=c?d;scale=1", "https://a.org/b=c?d", {"scale": "1"}),
        ("it's.pt;scale=1", "it's.pt", {"scale": "1"}),
    ],
)
def test_addresses_are_read(text: str, name: str, settings: dict[str, str]) -> None:
    address = parse_address(text)
    assert (address.name, dict(address.settings)) == (name, settings)
    assert address.get("scale") == settings.get("scale")


@pytest.mark.parametrize(
    ("text", "part", "message"),
    [
        (";scale=1", ";scale=1", "names nothing"),
        ("a;scale", "scale", "should be key=value"),
        ("a;scale=", "scale=", "should be key=value"),
        ("a;;scale=1", " ", "should be key=value"),
        ("a;scale=1;Scale=2", "Scale", "given twice"),
    ],
)
def test_errors_point_at_the_part(text: str, part: str, message: str) -> None:
    line = f"m --loras {text} x"
    with pytest.raises(ScriptError, match=message) as caught:
        parse_address(text, Place(1, 11, line, len(text)))
    place = caught.value.place
    assert place is not None
    assert part in (line[place.column - 1 : place.column - 1 + place.length], " ")
