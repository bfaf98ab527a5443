"""Whatever comes in, only our own errors come out."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator

import pytest

from tests.fuzz.frame import CORPUS, Mutator, run
from tests.fuzz.mutators import mutators

ALL = {mutator.name: mutator for mutator in mutators()}


@pytest.fixture(autouse=True)
def garbage_of_others_elsewhere() -> Iterator[None]:
    """Inputs go as deep as the stack: what other tests left, and what ends with it, would find no room there."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("name", ALL)
def test_made_inputs_and_the_corpus_raise_our_errors_only(name: str) -> None:
    failures = list(run(ALL[name], 0, ALL[name].quick))
    assert not failures, "\n".join(map(str, failures))


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_many_made_inputs_raise_our_errors_only(name: str) -> None:
    failures = list(run(ALL[name], 1, 30 * ALL[name].quick))
    assert not failures, "\n".join(map(str, failures))


def test_each_corpus_belongs_to_a_kind_of_input_and_says_nothing_twice() -> None:
    for file in CORPUS.glob("*.json"):
        texts = json.loads(file.read_text("utf-8"))
        assert file.stem in ALL
        assert len(set(texts)) == len(texts)


def test_what_is_not_ours_is_a_failure() -> None:
    def call(given: int) -> None:
        raise ZeroDivisionError(given)

    failures = list(run(Mutator("none", lambda source: source.randrange(9), call), 0, 2))
    assert [type(failure.error) for failure in failures] == [ZeroDivisionError] * 2
    assert failures == list(failures)
