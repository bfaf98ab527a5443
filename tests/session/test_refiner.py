"""dgenerate's refiner options become the two stages that one could have written."""

from __future__ import annotations

import pytest
import torch

from jupyter_latents.errors import ScriptError
from jupyter_latents.stage import axes_of
from jupyter_latents.syntax import parse
from jupyter_latents.syntax.refiner import in_two_stages
from jupyter_latents.syntax.text.located import Line, Located
from jupyter_latents.syntax.text.quoting import read_words
from tests.engine.cases import picture
from tests.session.conftest import Desk

pytestmark = pytest.mark.kept_models

BASE = "<sdxl> --prompts 'a cat; bad' --inference-steps 10 --guidance-scales 3 --output-size 64 --seeds 3"


def words(text: str) -> list[str]:
    """The stages of a script as one line each."""
    return [" ".join(str(stage).split("\n")[1:]) for made in parse(text) for stage in made.stages()]


def test_the_two_stages_are_those_that_one_could_write(desk: Desk) -> None:
    desk.run(f"{BASE} --sdxl-refiner <sdxl-refiner> --sdxl-high-noise-fractions 0.7 --into ours")
    assert [note for note in desk.notes.lines if "second stage that goes on" in note]
    desk.run(
        f"{BASE} --denoising-end 0.7 --into base\n\n<sdxl-refiner> --prompts 'a cat; bad' --inference-steps 10 "
        "--guidance-scales 3 --image-seeds 'latents: base' --denoising-start 0.7 --into written"
    )
    assert torch.equal(desk["ours"].tensor, desk["written"].tensor)


def test_the_dry_run_shows_both(desk: Desk) -> None:
    first, second = desk.plan(f"{BASE} --sdxl-refiner <sdxl-refiner>").stages
    assert [first.refused, second.refused] == ["", ""]
    assert first.stage.into == "before_refiner"
    assert (first.stage.window.end, second.stage.window.start) == (0.8, 0.8)


def test_what_the_first_stage_alone_has_is_told() -> None:
    given = "m --prompts '<fox>' --textual-inversions w.pt --loras l.pt --sdxl-refiner r"
    first, second = in_two_stages(read_words(Located.of(Line(1, given, given))))
    assert second.note.endswith("of the first at 0.8; the first alone has --textual-inversions and --loras")
    assert not first.note


def test_its_own_options_reach_the_second_stage() -> None:
    first, second = words(
        "m --prompts a -gs 3 -ifs 20 --seeds 1 --output-path out --dtype float16 --sdxl-refiner 'r;variant=fp16' "
        "-ifs2 40 -gs2 7 -sch2 DDIMScheduler --second-model-prompts b -mco2 --sdxl-refiner-pag"
    )
    assert "--output-path" not in first
    assert "--pag" not in first
    assert first.startswith('m --prompts "a"')
    for part in ("--dtype float16", "--variant fp16", '--prompts "b"', "--inference-steps 40", "--guidance-scales 7",
                 "--scheduler DDIMScheduler", "--model-cpu-offload", "--pag-scales 3", "--output-path out",
                 '--image-seeds "latents: before_refiner"', "--denoising-start 0.8"):  # fmt: skip
        assert part in second


def test_fractions_and_values_make_a_pair_each_and_seeds_go_together(desk: Desk) -> None:
    made = words("m --prompts a b --seeds 1 2 --sdxl-refiner r -hnf 0.6 0.8")
    assert len(made) == 12  # of each prompt and fraction: two seeds, then one stage for all that they made
    run = desk.run(f"{BASE} 4 --sdxl-refiner <sdxl-refiner> -hnf 0.6 0.8".replace("--output-size", "--output-size"))
    assert len(run.results) == 8
    assert [result.latents.provenance.seed for result in run.results] == [3, 4] * 4


@pytest.mark.parametrize(
    ("options", "refined"), [("--sdxl-refiner-edit", ""), ("--image-seeds 'photo;mask=photo'", "")]
)
def test_a_finished_picture_is_changed_where_diffusers_cannot_stop_midway(
    options: str, refined: str, desk: Desk
) -> None:
    desk.session.names["photo"] = picture()
    run = desk.run(f"{BASE} {options} --sdxl-refiner <sdxl-refiner> -hnf 0.7 --into final")
    assert [result.span.start_index for result in run.results][-1] == 7
    assert [note for note in desk.notes.lines if "changes the finished picture, decoded and encoded again" in note]
    assert desk["final"].is_clean


@pytest.mark.parametrize("written", ["-gs2 x", "-ifs2 0", "--sdxl-refiner-guidance-rescales 5", "-sir 3,4"])
def test_an_error_names_the_option_as_it_was_written(written: str) -> None:
    with pytest.raises(ScriptError) as caught:
        parse(f"m --prompts a --sdxl-refiner r {written}")
    assert caught.value.message.startswith(f"{written.split(maxsplit=1)[0]}: ")


def test_an_error_of_the_plan_names_it_so_too(desk: Desk) -> None:
    first, second = desk.plan(f"{BASE} --sdxl-refiner <sdxl-refiner> -sch2 DDIMScheduler -sir 3,2,1").stages
    assert not first.refused
    assert "-sir" in str(second.error)


def test_several_pairs_are_one_sweep_with_the_values_of_both_stages(desk: Desk) -> None:
    given = f"{BASE.replace('-scales 3', '-scales 3 5')} 4 --sdxl-refiner <sdxl-refiner> -gs2 2 6 --into xy"
    planned = [one.stage for one in desk.plan(given).stages]
    desk.run(given)
    choices = desk["xy"].choices
    assert len(choices) == 8
    assert [axis.name for axis in axes_of(choices)] == ["guidance", "refiner guidance", "seed"]
    refined = [stage.sweep for stage in planned if stage.sweep is not None and stage.sweep.refines]
    assert [sweep.choice for sweep in refined] == list(choices), "the plan foresees it"
    assert [(sweep.place, sweep.count) for sweep in refined] == [(place, 8) for place in range(8)]
    last = dict(choices[-1])
    assert last == {"guidance": 5, "refiner guidance": 6.0, "seed": 4}
    made = desk["xy"][-1]
    one = BASE.replace("-scales 3", "-scales 5").replace("--seeds 3", "--seeds 4")
    desk.run(f"{one} --sdxl-refiner <sdxl-refiner> -gs2 6 --into alone")
    assert torch.equal(made.tensor, desk["alone"].tensor)


def test_both_stages_of_a_pair_have_the_seed_that_was_drawn(desk: Desk) -> None:
    base = BASE.replace("--seeds 3", "--gen-seeds 2")
    script = f"{base} --sdxl-refiner-edit --sdxl-refiner <sdxl-refiner> -hnf 0.7"
    planned = desk.plan(script).stages
    assert [(one.refused, one.draws) for one in planned] == [("", True)] * 4
    seeds = [result.latents.provenance.seed for result in desk.run(script).results]
    assert seeds[0] == seeds[1] != seeds[2] == seeds[3]
    desk.run(f"{BASE.replace('--seeds 3', f'--seeds {seeds[2]}')} --into base")
    desk.run(
        f"{BASE.replace('--seeds 3', f'--seeds {seeds[2]}')} --sdxl-refiner-edit --sdxl-refiner <sdxl-refiner> -hnf 0.7"
    )
    assert desk["before_refiner"].digest == desk["base"].digest


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--sdxl-high-noise-fractions 0.5", "is of a refiner, and there is none; name one by --sdxl-refiner NAME"),
        ("--sdxl-refiner r --denoising-start 0.5", "exclude each other; write the two stages yourself"),
        ("--sdxl-refiner 'r;speed=1'", "'speed' is no setting of a refiner"),
        ("--sdxl-refiner r -ifs2", "'-ifs2' needs a value"),
        (
            "--sdxl-refiner r --sdxl-refiner-edit --gen-seeds many",
            "'many' is not allowed; give a whole number of seeds",
        ),
        ("--sdxl-refiner r --sdxl-refiner-edit -hnf much", "is no fraction"),
    ],
)
def test_what_does_not_go_together_is_refused_where_it_stands(options: str, message: str) -> None:
    with pytest.raises(ScriptError, match=message) as caught:
        parse(f"m --prompts a {options}")
    assert caught.value.place is not None
