"""What an error advises about an array or a tensor is right: who follows it gets on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.session.conftest import Desk

pytestmark = pytest.mark.kept_models

STAGE = "<sd15> --prompts cat --inference-steps 4 --seeds 3"
PLACES = {
    "picture": f"{STAGE} --image-seeds odd",
    "mask": f'{STAGE} --image-seeds "photo;mask=odd"',
    "latents": f'{STAGE} --image-seeds "latents: odd" --denoising-start 0.5',
}
SHAPES = [
    (24, 24), (1, 24, 24), (24, 24, 1), (3, 24, 24), (24, 24, 3), (4, 24, 24), (24, 24, 4), (2, 24, 24), (24, 24, 2),
    (1, 3, 24, 24), (2, 3, 24, 24), (1, 24, 24, 3), (1, 1, 24, 24), (1, 4, 8, 8), (2, 4, 8, 8), (1, 16, 8, 8), (16,),
    (), (1, 1, 4, 8, 8), (1, 5, 8, 8), (0, 4, 8, 8),
]  # fmt: skip
ARRAYS = ["int64", "bool", "float64", "complex64", ">u2", "object",
          "uint8", "uint16", "int8", "int32", "uint64", "float16", "float32", ">f4", "complex128"]  # fmt: skip
TENSORS = ["int64", "float32", "bool", "bfloat16", "complex64", "sparse",
           "uint8", "uint16", "int32", "float16", "float64", "sparse int64"]  # fmt: skip
FEW = 6  # of each, which are tried always


def array(dtype: str, shape: tuple[int, ...]) -> Any:
    values = np.random.default_rng(0).integers(0, 2, shape)
    return np.asarray(values).astype(dtype)


def tensor(dtype: str, shape: tuple[int, ...]) -> Any:
    values = torch.from_numpy(np.asarray(np.random.default_rng(0).integers(0, 2, shape)))
    sparse, _, name = dtype.rpartition("sparse") if "sparse" in dtype else (None, "", dtype)
    made = values.to(getattr(torch, name.strip() or "float32"))
    return made if sparse is None else made.to_sparse()


def to(kind: str) -> Callable[[Any], Any]:
    def turn(value: Any) -> Any:
        plain = value.real if "complex" in str(value.dtype) else value
        return plain.to(getattr(torch, kind)) if isinstance(plain, torch.Tensor) else plain.astype(kind)

    return turn


ADVICE: dict[str, Callable[[Any], Any]] = {
    "to_dense()": lambda value: value.to_dense(),
    "their real part": lambda value: value.real,
    "(255 * x).round() as uint8": lambda value: to("uint8")((255 * value).round()),
    "pictures hold uint8": to("uint8"),
    "astype('float32')": to("float32"),
    "255 times as much": lambda value: [255 * one for one in value] if isinstance(value, list) else 255 * value,
    "several pictures as a list": list,
    "give one mask for all": lambda value: value[0],
}
OTHER_MODEL = "Nothing says which model made them"  # which a conversion cannot mend
SHAPE = ("a picture is (height, width)", "expected (batch, channels", "no dimension may be empty")
LATE = ("sparse", "object")  # whose shape is judged when they are numbers


def follow(desk: Desk, place: str, value: Any) -> tuple[str, list[str]]:
    """Where following the advice ends, at ``planned`` or at a refusal that advises nothing more; and the way there."""
    way: list[str] = []
    desk.session.names["photo"] = Image.new("RGB", (16, 16), "teal")
    for _ in range(7):
        desk.session.names["odd"] = value
        (planned,) = desk.plan(PLACES[place]).stages
        said = planned.refused or ""
        if not said:
            return "planned", way
        if "in the image position" in said and place == "latents":
            way.append("image position")
            place = "picture"
            continue
        found = next((words for words in ADVICE if words in said), None)
        if found is None or found in way:
            return said, way
        way.append(found)
        value = ADVICE[found](value)
    return "without end", way


def sweep(desk: Desk, place: str, dtypes: list[str], make: Callable[[str, tuple[int, ...]], Any]) -> list[str]:
    wrong = []
    for dtype in dtypes:
        for shape in SHAPES:
            end, way = follow(desk, place, make(dtype, shape))
            by_shape = any(words in end for words in SHAPE) and (not way or dtype.startswith(LATE))
            if end != "planned" and OTHER_MODEL not in end and not by_shape:
                wrong.append(f"{dtype} {shape}: {' > '.join((*way, end))}")
    return wrong


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("make", [array, tensor])
def test_following_the_advice_leads_on(desk: Desk, place: str, make: Callable[[str, tuple[int, ...]], Any]) -> None:
    """Whole numbers of 64 bits were told to be converted with .float(), and then refused as such."""
    assert sweep(desk, place, (ARRAYS if make is array else TENSORS)[:FEW], make) == []


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("make", [array, tensor])
def test_following_any_advice_leads_on(desk: Desk, place: str, make: Callable[[str, tuple[int, ...]], Any]) -> None:
    assert sweep(desk, place, ARRAYS if make is array else TENSORS, make) == []
