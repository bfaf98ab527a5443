"""What a long session takes: its budgets, and nothing that grows with the number of runs."""

import gc
import threading
import time
from collections import Counter
from weakref import WeakSet

import psutil
import pytest

from jupyter_latents.session import Session
from jupyter_latents.session.runs.run import Run
from jupyter_latents.settings import Settings
from tests.session.conftest import Desk

OURS = ("jupyter_latents", "torch")
SCRIPT = """\
<sd15> --prompts "cat number {seed}" --seeds {seed} --inference-steps 2 --output-size 64 --denoising-end 0.5 --into base

<sd2> --prompts dog --inference-steps 2 --image-seeds 'latents: base' --into final"""


def level() -> int:
    """Resident bytes after what can go has gone."""
    gc.collect()
    return psutil.Process().memory_info().rss


def kinds() -> Counter[str]:
    """How many objects of this package and of torch there are."""
    gc.collect()
    names = [type(one).__qualname__ for one in gc.get_objects() if str(type(one).__module__).startswith(OURS)]
    return Counter(names)


def runs() -> list[Run]:
    return [one for one in gc.get_objects() if type(one) is Run]


@pytest.mark.parametrize(("warm", "count"), [(20, 40), pytest.param(100, 500, marks=pytest.mark.slow)])
def test_memory_stays_level_and_no_threads_are_left(
    desk: Desk, warm: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_others = WeakSet(runs())  # that tests before this one left
    monkeypatch.setattr("jupyter_latents.session.results._MOST", warm // 2)  # of results that a gallery shows
    desk = Desk(desk.models, Session(settings=Settings(trajectory_memory=60_000)))
    desk.session.engine.cache.encodings.limit = 50_000
    for seed in range(warm):
        desk.run(SCRIPT.format(seed=seed))
    before, counted = level(), kinds()
    threads = threading.active_count()  # tqdm's monitor among them
    for seed in range(warm, count):
        desk.run(SCRIPT.format(seed=seed))
    assert level() <= before * 1.02
    deadline = time.monotonic() + 5  # the last run's thread ends a moment after the run
    while threading.active_count() > threads and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= threads, "fewer is well: a thread of an earlier test may end meanwhile"
    grown = {name: more for name, more in (kinds() - counted).items() if more > 2}
    assert not grown
    assert sum(one not in of_others for one in runs()) <= 2
