"""The lasting output: self-contained, escaped, small."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from jupyter_latents.display import view
from jupyter_latents.display.pictures.images import jpeg
from jupyter_latents.display.records.fill import FRAME_SIDE, _missing
from jupyter_latents.display.records.run_record import RunRecord
from jupyter_latents.display.static_html import BUDGETS, Budget, run_bundle, run_html, script_json
from jupyter_latents.display.still import thinned
from jupyter_latents.stage import ModelSource, Prompt, Stage, Sweep
from tests.display.fake_run import fake_previews, stage, start, two_stages

HOSTILE = "</script><img src=x onerror=alert(1)>\u2028${1}'\""


def record_of_run(stages: list[Stage], side: int = 64, **settings: Any) -> RunRecord:
    fake_previews(side)
    shown = view.RunView(**settings)
    assert start(shown, stages, side=side).wait(60)
    shown.finish()
    return shown.record


class Tags(HTMLParser):
    """All elements with their attributes; what a browser would see of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def data_of(html: str) -> dict[str, Any]:
    """The data that the output's script reads."""
    found = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', html, re.DOTALL)
    assert found
    return json.loads(found[1])


def without_script(html: str) -> str:
    """What an untrusted notebook keeps of it."""
    return re.sub(r"<(script|style).*?</\1>", "", html, flags=re.DOTALL)


def test_bundle_has_html_picture_and_text() -> None:
    bundle = run_bundle(record_of_run(two_stages()))
    assert set(bundle) == {"text/html", "image/png", "text/plain"}
    assert bundle["text/plain"].startswith("base → final: 30 steps")


@pytest.mark.parametrize("side", [64, 256])
def test_a_run_of_two_whole_stages_stays_below_300_kilobytes(side: int) -> None:
    bundle = run_bundle(record_of_run([stage("a"), stage("b", seed=8)], side))
    assert sum(len(part.encode()) for part in bundle.values()) < 300_000
    points = data_of(bundle["text/html"])["points"]
    assert len(points) == 60


def test_a_long_sweep_stays_within_its_size() -> None:
    stages = [stage("xy", seed=n, num_inference_steps=1, sweep=Sweep(n, 120, (("seed", n),))) for n in range(120)]
    bundle = run_bundle(record_of_run(stages, 16), 30_000)
    assert sum(len(part.encode()) for part in bundle.values()) <= 30_000
    assert "120 stages" in bundle["text/html"]


@pytest.mark.parametrize("size", [120_000, 60_000, 30_000])
def test_the_size_can_be_set(size: int) -> None:
    bundle = run_bundle(record_of_run([stage("a")], 256), size)
    assert sum(len(part.encode()) for part in bundle.values()) < size


def test_every_step_has_a_frame_when_there_is_room() -> None:
    html = run_html(record_of_run(two_stages(), preview_every=1), BUDGETS[0])
    points = data_of(html)["points"]
    taken = {int(number) for number in re.findall(r'data-point="(\d+)"', html)}
    assert {index for index, point in enumerate(points) if "f" in point} | taken == set(range(30))
    assert all("v" in point for point in points)


def test_thinned_frames_keep_the_ends_of_the_stages() -> None:
    html = run_html(record_of_run(two_stages()), Budget(4, 64, 128, 0))
    taken = {int(number) for number in re.findall(r'data-point="(\d+)"', html)}
    framed = {index for index, point in enumerate(data_of(html)["points"]) if "f" in point} | taken
    assert {0, 23, 29} <= framed
    assert len(framed) == 4


def thumbs_of(html: str) -> list[int]:
    """The steps, counted over all stages, that the strip without a script shows."""
    found = [attributes for name, attributes in Tags(html).found if name == "img"]
    return [int(one["data-point"] or 0) for one in found if one.get("class") == "jl-thumb"]


@pytest.mark.parametrize("seconds", [60.0, 0.0])
def test_the_strip_ends_with_the_decoded_picture_however_short_the_time(
    seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_latents.display.records.previews._FILLING_SECONDS", seconds)
    monkeypatch.setattr("jupyter_latents.display.records.pace.PreviewPace.wants", lambda *_: False)
    record = record_of_run([stage("a", end=0.8), stage("b", seed=8), stage("c", seed=9)])
    html = run_html(record, BUDGETS[0])
    assert {53, 83} <= set(thumbs_of(html)), "the ends of the stages that have a picture"
    frame = record.stages[-1].points[-1].frame
    assert frame == jpeg(record.stages[-1].pictures[0], FRAME_SIDE)
    assert thumbs_of(html) == sorted(thumbs_of(html))


def test_ends_of_stages_are_filled_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_latents.display.records.pace.PreviewPace.wants", lambda *_: False)
    record = record_of_run([stage("a", end=0.8), stage("b", end=0.5, seed=8), stage("c", end=0.6)])
    for one in record.stages:
        for point in one.points:
            point.frame = None
    order = [point for point, _ in _missing(record)]
    assert [point.step for point in order][:3] == [24, 15, 18]
    assert {id(point) for point in record.tenths()} <= {id(point) for point in order[:13]}, "then those of the strip"
    assert len(record.tenths()) == 10


def test_previews_off_makes_no_frames() -> None:
    html = run_html(record_of_run(two_stages(), preview_every=0), BUDGETS[0])
    assert not any("f" in point for point in data_of(html)["points"])
    assert 'data-point="' not in html


def test_hostile_text_is_text_everywhere() -> None:
    record = record_of_run(
        [stage("base", prompt=Prompt(HOSTILE), model=ModelSource(HOSTILE), scheduler=HOSTILE), stage("two", seed=2)]
    )
    record.add_note(HOSTILE, warning=True)
    record.error, record.state = HOSTILE, "failed"
    html = run_html(record, BUDGETS[0])
    tags = Tags(html).found
    assert [name for name, _ in tags].count("script") == 2
    assert all((attributes.get("src") or "").startswith("data:image/") for name, attributes in tags if name == "img")
    assert not any("onerror" in attributes for _, attributes in tags)
    assert data_of(html)["notes"] == [[HOSTILE, True]]


def test_json_in_a_script_has_no_angle_brackets() -> None:
    text = script_json({"prompt": HOSTILE})
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == {"prompt": HOSTILE}


def test_the_picture_stands_outside_the_script() -> None:
    html = without_script(run_html(record_of_run(two_stages()), BUDGETS[0]))
    pictures = [attributes for name, attributes in Tags(html).found if name == "img"]
    assert [attributes["class"] for attributes in pictures].count("jl-large") == 1
    assert all(attributes["alt"] for attributes in pictures)


def test_a_stopped_run_shows_its_last_frame() -> None:
    html = re.sub(
        r"<(script|style).*?</\1>", "", run_html(record_of_run([stage("a", end=0.5)]), BUDGETS[0]), flags=re.DOTALL
    )
    assert 'class="jl-large"' in html


def test_no_address_is_asked_for() -> None:
    html = run_html(record_of_run(two_stages()), BUDGETS[0])
    assert not re.search(r"""(src|href|url)\s*[=(]\s*["']?(https?:)?//""", html)


def test_a_run_without_any_step_has_an_output() -> None:
    bundle = run_bundle(RunRecord(state="failed", error="no such model", ended=0.0))
    assert "no such model" in bundle["text/html"]
    assert "image/png" not in bundle


def test_products_are_labelled_by_what_differs() -> None:
    stages = [stage("out", seed=seed, prompt=Prompt(prompt)) for seed in (1, 2) for prompt in ("day", "night")]
    data = data_of(run_html(record_of_run(stages), BUDGETS[5]))
    assert [item["label"] for item in data["stages"]] == [
        "seed 1 · day",
        "seed 1 · night",
        "seed 2 · day",
        "seed 2 · night",
    ]


@pytest.mark.parametrize("count", [0, 1, 2, 5, 10, 99])
def test_thinned_keeps_first_and_last(count: int) -> None:
    found = thinned(range(30), count)
    assert len(found) == min(count, 30)
    if count:
        assert found[-1] == 29
    if count > 1:
        assert found[0] == 0
