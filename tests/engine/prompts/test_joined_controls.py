"""ControlNets beside texts that ``AND`` joins: each pass is steered by a network that reads the text of the pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_latents.engine.given.inputs import Given
from jupyter_latents.engine.prepare import prepare
from jupyter_latents.engine.result import StageResult
from jupyter_latents.latents import Latents
from jupyter_latents.stage import Stage, Window
from tests import tiny
from tests.engine.cases import Bench, equal, inputs, picture, relative, through_file
from tests.engine.prompts.cases import a1111
from tests.engine.prompts.composable import SCHEDULER, Net, loop

PARTS = [("a cat", 0.7), ("the sea", -0.4), ("a red house", 1.5)]
PROMPT = "a cat :0.7 AND the sea :-0.4 AND a red house:1.5"
NETS: dict[str, Any] = {
    "sd15": tiny.controlnet, "sdxl": tiny.xl_controlnet, "union": tiny.union_controlnet,
    "deep-sd3": tiny.sd3_controlnet, "pooling": tiny.controlnet,
}  # fmt: skip
SEEN = (picture(), picture(48).rotate(90).resize((64, 64)))


def folder(bench: Bench, kind: str, seed: int = 0) -> Path:
    place = bench.scratch / f"joined-{kind}-{seed}"
    if not place.exists():
        made = NETS[kind](seed)
        if kind == "pooling":
            made.register_to_config(global_pool_conditions=True)
        made.save_pretrained(place)
    return place


def stage(bench: Bench, family: str, nets: Sequence[str], prompt: str = PROMPT, **options: Any) -> Stage:
    settings = {"num_inference_steps": 4, "scheduler": SCHEDULER.get(family), **options}
    made = replace(bench.stage(family, **settings), prompt=a1111(prompt, "a bird"))
    return replace(made, model=replace(made.model, control_nets=tuple(nets)))


def run(bench: Bench, made: Stage, *latents: Latents, mode: str = "txt2img") -> StageResult:
    seen = SEEN[: len(made.model.control_nets)]
    return bench.engine.run(made, replace(inputs(mode, *latents), controls=seen))


CASES = {
    "one of sd15": ("sd15", ("sd15",), ""),
    "two of sd15": ("sd15", ("sd15", "sd15"), ""),
    "one that pools": ("sd15", ("pooling",), ""),
    "sdxl": ("sdxl", ("sdxl",), ""),
    "union": ("sdxl", ("union",), ";mode=3"),
    "two unions": ("sdxl", ("union", "union"), ";mode=canny"),
    "sd3": ("deep-sd3", ("deep-sd3",), ""),
    "two of sd3": ("deep-sd3", ("deep-sd3", "deep-sd3"), ""),
}
QUICK = {"two of sd15", "union", "sd3"}


@pytest.mark.parametrize("case", [pytest.param(one, marks=() if one in QUICK else pytest.mark.slow) for one in CASES])
def test_each_network_reads_the_text_of_its_pass(case: str, bench: Bench) -> None:
    family, kinds, mode = CASES[case]
    places = [folder(bench, kind, seed) for seed, kind in enumerate(kinds)]
    nets = [f"{place};scale=0.7;end={0.5 if seed else 1}{mode}" for seed, place in enumerate(places)]
    whole = run(bench, stage(bench, family, nets))
    kind = type(NETS[kinds[0]]())
    own = [
        Net(kind.from_pretrained(place).eval(), SEEN[seed], 0.7, 0.5 if seed else 1.0, 3 if mode else None)
        for seed, place in enumerate(places)
    ]
    assert relative(whole.latents.tensor, loop(bench.folder(family), family, PARTS, nets=own)) < 1e-5
    half = run(bench, stage(bench, family, nets, window=Window(None, 0.5)))
    carried = through_file(half.latents, bench.scratch)
    assert equal(whole, run(bench, stage(bench, family, nets, window=Window(0.5)), carried))


def test_parts_that_change_and_a_network_that_ends_are_stages_by_hand(bench: Bench) -> None:
    nets, options = [f"{folder(bench, 'sd15')};end=0.75"], {"strength": 1.0, "scheduler": "DDIMScheduler"}

    def made(text: str, window: Window, *latents: Latents) -> StageResult:
        return run(bench, stage(bench, "sd15", nets, text, window=window, **options), *latents, mode="inpaint")

    whole = made("[red:blue:0.5] (cat:1.3) AND a dog :0.6", Window())
    first = made("red (cat:1.3) AND a dog :0.6", Window(None, 0.5))
    second = made("blue (cat:1.3) AND a dog :0.6", Window(0.5), first.latents)
    assert equal(whole, second)
    assert whole.evaluations == first.evaluations + second.evaluations == 4


@pytest.mark.parametrize(
    ("given", "alone", "scale"),
    [("a cat AND a cat", "a cat", 6.0), ("a cat AND a dog :0", "a cat", 3.0), ("a dog :0 AND a cat", "a cat", 3.0)],
)
def test_weights_of_one_text_add_up(given: str, alone: str, scale: float, bench: Bench) -> None:
    nets = [str(folder(bench, "sd15"))]
    both = run(bench, stage(bench, "sd15", nets, given))
    one = run(bench, stage(bench, "sd15", nets, alone, guidance_scale=scale))
    assert relative(both.latents.tensor, one.latents.tensor) < 1e-5


@pytest.mark.parametrize("count", [1, 2])
def test_passes_are_foreseen_and_networks_are_passed_as_often(count: int, bench: Bench) -> None:
    own = stage(bench, "sd15", [str(folder(bench, "sd15", seed)) for seed in range(count)])
    planned = prepare(own, Given(controls=count))
    parts, passes = bench.engine.cache.load(own.model).parts, [0] * (count + 1)

    def counted(place: int) -> Any:
        def hook(_module: Any, args: tuple[Any, ...], named: dict[str, Any]) -> None:
            passes[place] += len(args[0] if args else named["sample"])

        return hook

    nets = parts["controlnet"] if count > 1 else [parts["controlnet"]]
    networks = enumerate((parts["unet"], *nets))
    hooks = [one.register_forward_pre_hook(counted(place), with_kwargs=True) for place, one in networks]
    try:
        run(bench, own)
    finally:
        for hook in hooks:
            hook.remove()
    assert planned.passes == 4 * planned.span.evaluations
    assert passes == [planned.passes] * (count + 1)


def test_group_offload_moves_what_notes_its_texts(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    own = stage(bench, "sd15", [str(folder(bench, "sd15", seed)) for seed in (0, 1)])
    plain, cache = run(bench, own).latents, bench.engine.cache
    model = replace(cache.load(own.model), offload="group")  # as on an accelerator, which the CPU stands in for
    monkeypatch.setattr(cache, "load", lambda *_args, **_options: model)
    assert equal(run(bench, own).latents, plain)
    assert equal(run(bench, own).latents, plain)


def test_a_network_beside_a_prompt_that_joins_is_left_as_it_was(bench: Bench) -> None:
    own = stage(bench, "sd15", [str(folder(bench, "sd15"))])
    net = bench.engine.cache.load(own.model).parts["controlnet"]
    before = dict(vars(net))
    run(bench, own)
    assert vars(net) == before
    assert type(net).__name__ == "ControlNetModel"
