"""What functions take is worked out once, and forgotten with them."""

from __future__ import annotations

import functools
import gc
import weakref
from collections.abc import Callable
from typing import Any

from diffusers import EulerDiscreteScheduler

from jupyter_latents.engine.libraries.signatures import parameters_of


def test_a_method_is_looked_at_once_whatever_object_it_is_of() -> None:
    first, second = EulerDiscreteScheduler(), EulerDiscreteScheduler()
    assert parameters_of(first.step) is parameters_of(second.step)
    assert {"self", "sample", "generator"} <= set(parameters_of(EulerDiscreteScheduler.step))
    assert set(parameters_of(EulerDiscreteScheduler.__init__)) > {"self", "beta_start"}


def test_a_method_that_is_put_in_place_of_another_is_looked_at_and_forgotten() -> None:
    scheduler = EulerDiscreteScheduler()
    made: list[Callable[..., object]] = [_wrapped(scheduler), functools.partial(_kept, scheduler)]
    assert "generator" in parameters_of(made[0])  # those of what it stands for
    assert set(parameters_of(made[1])) == {"sample"}
    gone = [*map(weakref.ref, made), weakref.ref(scheduler)]
    del made, scheduler
    gc.collect()
    assert [ref() for ref in gone] == [None, None, None]


def _kept(_scheduler: EulerDiscreteScheduler, sample: object) -> object:
    return sample


def _wrapped(scheduler: EulerDiscreteScheduler) -> Callable[..., object]:
    @functools.wraps(scheduler.step)
    def step(*args: Any) -> object:
        return scheduler.step(*args)

    return step


def test_what_is_built_in_is_asked_each_time() -> None:
    assert "args" in parameters_of(object().__init__)
