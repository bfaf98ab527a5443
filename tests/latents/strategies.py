"""Hypothesis strategies of latents and what travels with them."""

from __future__ import annotations

import math
from types import MappingProxyType

import numpy as np
import torch
from hypothesis import strategies as st

from jupyter_latents.latents import CLEAN, SPACES, Latents, Noise, Position, Provenance, Resume

DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@st.composite
def tensors(draw, shape=None, dtype=None):
    shape = shape or draw(st.tuples(st.integers(1, 2), st.just(4), st.integers(1, 5), st.integers(1, 5)))
    seed = draw(st.integers(0, 2**31))
    made = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    layout = draw(st.sampled_from([torch.contiguous_format, torch.channels_last]))  # as VAEs and their history have it
    return made.to(dtype or draw(st.sampled_from(DTYPES)), memory_format=layout)


def noises():
    timesteps = st.none() | st.floats(0, 1000)
    finite = st.builds(Noise, st.floats(0, 200), st.sampled_from(["ve", "vp", "flow"]), timesteps)
    return st.just(CLEAN) | finite | st.builds(Noise, st.just(math.inf), st.sampled_from(["vp", "flow"]), timesteps)


def positions():
    return st.integers(1, 50).flatmap(lambda of: st.builds(Position, st.integers(0, of), st.just(of), TEXT, TEXT, TEXT))


def provenances():
    return st.builds(
        Provenance, TEXT, TEXT, TEXT, TEXT, st.none() | st.integers(0, 2**63), st.none() | st.floats(allow_nan=False),
        TEXT, st.dictionaries(TEXT, TEXT, max_size=2).map(MappingProxyType), st.lists(TEXT, max_size=2).map(tuple),
        TEXT,
    )  # fmt: skip


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | TEXT
    | st.sampled_from(DTYPES)
    | st.floats(width=32, allow_nan=False).map(np.float32)
    | st.integers(-(2**60), 2**60).map(np.int64)
    | st.lists(st.integers(-5, 5), max_size=3).map(lambda values: np.array(values, dtype=np.int32))
    | tensors()
    | st.integers(0, 9).map(torch.tensor)
)
STATES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.integers(0, 9) | TEXT, inner, max_size=3)
    ),
    max_leaves=8,
)


def resumes():
    generator = st.none() | st.integers(0, 9).map(lambda seed: torch.Generator().manual_seed(seed).get_state())
    return st.builds(
        Resume, st.dictionaries(TEXT, STATES, max_size=4), generator, st.dictionaries(TEXT, TEXT, max_size=2)
    )


@st.composite
def latents(draw):
    tensor = draw(tensors())
    return Latents(
        tensor,
        draw(st.none() | st.sampled_from([SPACES["sd"], SPACES["sdxl"]])),
        draw(st.none() | noises()),
        draw(st.none() | positions()),
        draw(st.none() | resumes()),
        draw(provenances()),
        draw(st.none() | tensors(shape=tuple(tensor.shape))),
    )


def same_state(first: object, second: object) -> bool:
    """Equality to the last bit; kind, dtype and the order in memory included."""
    if isinstance(first, MappingProxyType) or isinstance(second, MappingProxyType):
        first, second = dict(first), dict(second)
    if type(first) is not type(second):
        return False
    if isinstance(first, torch.Tensor):
        return first.dtype == second.dtype and _order(first) == _order(second) and torch.equal(first, second)
    if isinstance(first, np.ndarray):
        return first.dtype == second.dtype and np.array_equal(first, second)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same_state, first, second))
    if isinstance(first, dict):
        return list(first) == list(second) and all(map(same_state, first.values(), second.values()))
    return repr(first) == repr(second)


def _order(tensor: torch.Tensor) -> list[int]:
    """Strides of the axes that have more than one place."""
    return [stride for stride, size in zip(tensor.stride(), tensor.shape, strict=True) if size > 1]
