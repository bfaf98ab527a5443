"""Addresses of further parts: ``NAME;key=value``."""

from __future__ import annotations

import pickle
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_latents.errors import Place, ScriptError, SettingError
from jupyter_latents.stage import Address, ModelSource, Stage
from jupyter_latents.syntax.addresses import parse_address

texts = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=12)
keys = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)


@given(texts.filter(str.strip), st.dictionaries(keys, texts, max_size=3))
def test_what_is_formatted_reads_back_the_same(name: str, settings: dict[str, str]) -> None:
    address = Address(name, MappingProxyType(settings))
    assert parse_address(str(address)) == address


@given(texts.filter(str.strip), st.dictionaries(keys, texts, max_size=3))
def test_equal_addresses_hash_alike_and_pickle(name: str, settings: dict[str, str]) -> None:
    address, turned = Address(name, settings), Address(name, dict(reversed(settings.items())))
    assert address == turned
    assert hash(address) == hash(turned)
    assert pickle.loads(pickle.dumps(parse_address(str(address)))) == address  # noqa: S301


@pytest.mark.parametrize(
    "text",
    ["demo/vae", "./a b.pt;scale=0.5", r"C:\new\vae.pt", "it's.pt;weight-name=x.bin", "DDIMScheduler;clip-sample=false",
     "taesd;model=a/b=c", '"a;b.pt";scale=1'],
)  # fmt: skip
def test_text_in_its_plainest_form_is_given_back(text: str) -> None:
    assert str(parse_address(text)) == text


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
        (r'"C:\new\a;b";scale="\"1\\\""', r"C:\new\a;b", {"scale": r'"1\"'}),
        ('"a"b;scale=1', '"a"b', {"scale": "1"}),
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


FIELDS = {"vae": "vae", "loras": "loras", "control_nets": "control_nets", "quantizer": "quantizer",
          "scheduler": "schedulers"}  # fmt: skip


def stage(field: str, given: Any) -> Stage:
    if field == "scheduler":
        return Stage(model=ModelSource("m"), scheduler=given)
    return Stage(model=ModelSource("m", **{field: (given,) if field in ("loras", "control_nets") else given}))


@pytest.mark.parametrize("field", FIELDS)
def test_a_stage_of_plain_python_takes_text_and_holds_addresses(field: str) -> None:
    assert stage(field, "a; Scale=1") == stage(field, Address("a", {"scale": "1"}))
    assert stage(field, "a;scale=1") != stage(field, "a;scale=2")
    assert stage(field, "") == Stage(model=ModelSource("m"))


@pytest.mark.parametrize("field", FIELDS)
def test_text_that_is_no_address_is_blamed_on_its_option(field: str) -> None:
    with pytest.raises(SettingError, match="should be key=value") as caught:
        stage(field, "a;scale")
    assert caught.value.option == FIELDS[field]
