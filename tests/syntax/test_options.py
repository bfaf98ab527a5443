"""The option table, and what options multiply to."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from jupyter_latents.errors import ScriptError
from jupyter_latents.stage import DEFAULT_STRENGTH, LatentsProcessor, ModelSource, Prompt, Size, Stage
from jupyter_latents.syntax import Environment, parse
from jupyter_latents.syntax.compose import rows_of
from jupyter_latents.syntax.invocation import Invocation
from jupyter_latents.syntax.options.faults import spelling
from jupyter_latents.syntax.options.fields import PATHS, default
from jupyter_latents.syntax.options.options_page import page
from jupyter_latents.syntax.options.rules.refused import REFUSED
from jupyter_latents.syntax.options.table import BY_NAME, GROUPS, NESTING, OPTIONS
from jupyter_latents.syntax.seed_text import locator_of
from jupyter_latents.wording import spell


def one(options: str, **environment: object) -> Invocation:
    (invocation,) = parse(f"m {options}", Environment(environ={}, **environment))  # type: ignore[arg-type]
    return invocation


def stage(options: str) -> Stage:
    (made,) = one(options).stages()
    return made


def test_a_bare_model_has_the_defaults() -> None:
    assert stage("") == Stage(model=ModelSource("m"))


def test_every_option_reaches_its_stage() -> None:
    made = stage(
        "--model-type torch-sdxl --dtype f16 --variant fp16 --revision main --subfolder s --vae v.safetensors "
        "--unet u --transformer tf --max-sequence-length 64 --pag-scales 2 --pag-adaptive-scales 0.1 --t2i-adapters t "
        "--text-encoders + te --textual-inversions w;token=x --ip-adapters i;scale=0.5 --image-encoder e "
        "--loras l1;scale=0.5 l2 --control-nets c;scale=0.8;start=0;end=1 "
        "--scheduler DDIMScheduler;clip-sample=false "
        "--quantizer bnb;bits=4 --optimize channels-last taylorseer;interval=4 "
        "--auth-token t --offline-mode --prompts 'a; b' --second-prompts 'c; d' "
        "--third-prompts e "
        "--clip-skips 1 --inference-steps 12 --guidance-scales 0 --guidance-rescales 0.7 --denoising-start 0.25 "
        "--denoising-end 0.75 --seeds 5 --image-seeds a.png;control=c.png,d.png;adapter=b.png --image-seed-strengths 1 "
        "--latents-processors scale;factor=1.2 "
        "noise;sigma=0.5;seed=1 --output-size 512x768 --batch-size 2 --output-path out --output-prefix p "
        "--output-overwrite "
        "--image-format jpeg --device cuda:1 --model-cpu-offload --vae-tiling --vae-slicing --into x --force"
    )
    assert made.model == ModelSource(
        "m", "sdxl", "main", "fp16", "s", "float16", "cuda:1", "v.safetensors", ("l1;scale=0.5", "l2"),
        ("c;scale=0.8;start=0;end=1",), "bnb;bits=4", "model", True, True, "t", True,
        ("channels-last", "taylorseer;interval=4"), ("w;token=x",), ("i;scale=0.5",), "e", ("t",), "u", "tf",
        ("+", "te"),
    )  # fmt: skip
    assert made.prompt == Prompt("a", "b", "c", "d", "e", None)
    assert (made.clip_skip, made.num_inference_steps, made.guidance_scale, made.guidance_rescale) == (1, 12, 0.0, 0.7)
    assert (made.pag_scale, made.pag_adaptive_scale) == (2.0, 0.1)
    assert (made.window.start, made.window.end, made.seed, made.strength) == (0.25, 0.75, 5, 1.0)
    assert (str(made.scheduler), made.size, made.batch_size) == ("DDIMScheduler;clip-sample=false", Size(512, 768), 2)
    assert made.latents_processors == (
        LatentsProcessor("scale", {"factor": "1.2"}),
        LatentsProcessor("noise", {"sigma": "0.5", "seed": "1"}),
    )
    assert (made.output.path, made.output.format, made.output.prefix, made.output.overwrite) == (
        "out",
        "jpg",
        "p",
        True,
    )
    assert (made.into, made.force) == ("x", True)


def test_pag_alone_has_the_usual_scale() -> None:
    assert stage("").pag_scale is None
    assert stage("--pag").pag_scale == 3.0
    assert stage("--pag --pag-scales 2").pag_scale == 2.0


def test_one_scale_multiplies_those_of_all_loras() -> None:
    made = stage("--loras a b;scale=0.5 --lora-fuse-scale 0.5").model.loras
    assert [str(one) for one in made] == ["a;scale=0.5", "b;scale=0.25"]


def test_no_aspect_speaks_for_every_seed_that_resizes() -> None:
    seed = stage("--no-aspect --image-seeds 'a.png;resize=64;adapter=b.png|resize=32' --ip-adapters i").image_seed
    assert seed is not None
    assert (seed.aspect, seed.adapters[0][0].aspect) == (False, False)
    kept = stage("--no-aspect --image-seeds 'a.png;resize=64;aspect=true'").image_seed
    assert kept is not None
    assert kept.aspect is True


@pytest.mark.parametrize("given", ["--output-auto1111-metadata", "-oam", "--safety-checker"])
def test_what_changes_nothing_is_taken_with_a_note(given: str) -> None:
    made = one(f"{given} --seeds 3")
    assert made.stages() == one("--seeds 3").stages()
    ((text, place),) = made.arguments.notes
    assert "changes nothing" in text
    assert place is not None


@pytest.mark.parametrize(
    ("name", "scheduler"),
    [
        ("DPM++ 2M Karras", "DPMSolverMultistepScheduler;use-karras-sigmas=true"),
        ("Euler a", "EulerAncestralDiscreteScheduler"),
        ("dpmpp_2m_sde", "DPMSolverMultistepScheduler;algorithm-type=sde-dpmsolver++"),
        ("uni_pc;solver-order=3", "UniPCMultistepScheduler;solver-order=3"),
    ],
)
def test_samplers_of_a1111_and_comfyui_run_by_their_own_names(name: str, scheduler: str) -> None:
    assert str(stage(f'--scheduler "{name}"').scheduler) == scheduler


@pytest.mark.parametrize("name", ["euler a", "DPM++ 2m karras", "k_euler"])
def test_a_near_name_of_a_sampler_gets_a_hint(name: str) -> None:
    with pytest.raises(ScriptError, match="is no scheduler; write '"):
        stage(f'--scheduler "{name}"')


def test_short_names_are_read() -> None:
    made = stage("-p a -se 3 -ifs 4 -gs 2 -s 64 -o out -t bf16 -is b.png -iss 0.5")
    assert (made.seed, made.num_inference_steps, made.model.dtype) == (3, 4, "bfloat16")


@pytest.mark.parametrize(
    ("given", "family"),
    [("torch", "sd"), ("sdxl", "sdxl"), ("torch-sd3", "sd3"), ("FLUX", "flux"), ("flux2", "flux2"),
     ("kolors", "kolors"),
     ("qwen-image", "qwen-image"), ("z-image", "z-image"), ("auto", None)],
)  # fmt: skip
def test_model_types_name_their_family(given: str, family: str | None) -> None:
    assert stage(f"--model-type {given}").model.model_type == family


class TestMultiplying:
    """Options that end in -s."""

    def test_prompts_change_slowest_and_seeds_fastest(self) -> None:
        stages = one("--seeds 1 2 --guidance-scales 3 4 --prompts a b --image-seeds x y").stages()
        seen = [
            (s.prompt.positive, s.image_seed.images[0].text if s.image_seed else "", s.guidance_scale, s.seed)
            for s in stages
        ]
        assert seen[:4] == [("a", "x", 3.0, 1), ("a", "x", 3.0, 2), ("a", "x", 4.0, 1), ("a", "x", 4.0, 2)]
        assert len(set(seen)) == 16
        assert seen == sorted(seen)

    def test_every_option_that_multiplies_has_a_place_in_the_nesting(self) -> None:
        assert {option.dest for option in OPTIONS if option.multiplies} == set(NESTING)

    def test_choices_name_what_changed(self) -> None:
        assert list(one("--seeds 1 2 --prompts a").choices()) == [
            {"prompts": "a", "seeds": 1},
            {"prompts": "a", "seeds": 2},
        ]

    def test_generated_seeds_stay_the_same_for_one_invocation(self) -> None:
        numbers = iter(range(100))
        invocation = one("--gen-seeds 3", random_seed=lambda: next(numbers))
        assert [s.seed for s in invocation.stages()] == [0, 1, 2]
        assert invocation.stages() == invocation.stages()

    def test_seeds_pair_with_image_seeds(self) -> None:
        stages = one("--seeds 1 2 --image-seeds x y --seeds-to-images --prompts a b").stages()
        seen = [(s.prompt.positive, s.image_seed.images[0].text if s.image_seed else "", s.seed) for s in stages]
        assert seen == [("a", "x", 1), ("a", "y", 2), ("b", "x", 1), ("b", "y", 2)]

    def test_generated_seeds_pair_too(self) -> None:
        assert len(one("--gen-seeds 2 --image-seeds x y --seeds-to-images").stages()) == 2

    def test_negative_prompts_multiply(self) -> None:
        stages = one("--prompts a b --negative-prompts c d").stages()
        assert [(s.prompt.positive, s.prompt.negative) for s in stages] == [
            ("a", "c"),
            ("a", "d"),
            ("b", "c"),
            ("b", "d"),
        ]

    def test_sigmas_are_one_schedule_bare_and_several_with_commas(self) -> None:
        assert [s.sigmas for s in one("--sigmas 3 2 1").stages()] == [(3.0, 2.0, 1.0)]
        assert [s.sigmas for s in one("--sigmas 3,2 2,1,0").stages()] == [(3.0, 2.0), (2.0, 1.0, 0.0)]
        assert [s.num_inference_steps for s in one("--sigmas 3,2 2,1,0.5").stages()] == [2, 3]


@pytest.mark.parametrize(
    ("options", "message", "under"),
    [
        ("--sedes 1", "did you mean --seeds", "--sedes"),
        ("--seeds 1 --seeds 2", "given twice", "--seeds"),
        ("-se 1 --seeds 2", "given twice", "--seeds"),
        ("--seeds", "needs a value: SEED", "--seeds"),
        ("--seeds one", "whole number", "one"),
        ("--seeds -1", "0 or more", "-1"),
        ("--seeds 18446744073709551616", "give a whole number, 0 to 18446744073709551615", "18446744073709551616"),
        ("--latents-processors noise;sigma=1;seed=18446744073709551616", "0 to 1844", "18446744073709551616"),
        ("--inference-steps 0", "1 or more", "0"),
        ("--inference-steps 100001", "1 to 100000", "100001"),
        ("--gen-seeds 18446744073709551616", "1 to 100000", "18446744073709551616"),
        ("--gen-seeds 60000 --prompts a b", "makes 120000 stages; 100000 are the most", "60000"),
        ("--inference-steps 2.5", "whole number", "2.5"),
        ("--denoising-start 1.5", "at most 1", "1.5"),
        ("--denoising-end -0.1", "0 or more", "-0.1"),
        ("--denoising-end 0", "nothing to run", "0"),
        ("--denoising-start 1", "nothing to run", "1"),
        ("--image-seeds a --denoising-start 0.8 --denoising-end 0.5", "not before", "0.8"),
        ("--denoising-end nan", "not allowed", "nan"),
        ("--image-seed-strengths 0", "above 0", "0"),
        ("--image-seed-strengths 1.1", "at most 1", "1.1"),
        ("--output-size 500x512", "nearest that is: 496", "500x512"),
        ("--output-size big", "no size", "big"),
        ("--output-size 0", "too small: a side has 8 pixels or more", "0"),
        ("--output-size 0x512", "too small: a side has 8 pixels or more", "0x512"),
        ("--output-size 4", "too small", "4"),
        ("--output-size -512", "'-512' is negative; write 512", "-512"),
        ("--output-size 512x-8", "'512x-8' is negative", "512x-8"),
        ("--batch-size 0", "1 or more", "0"),
        ("--dtype float8", "did you mean float", "float8"),
        ("--model-type sdlx", "did you mean sdxl", "sdlx"),
        ("--image-format bmp", "Known: png, jpg", "bmp"),
        ("--device gpu", "no device", "gpu"),
        ("--scheduler 'a b'", "no scheduler name", "a b"),
        ("--scheduler DDIMScheduler;eta", "--scheduler: 'eta' should be key=value", "eta"),
        ("--loras a b;scale=1;Scale=2", "--loras: 'scale' is given twice", "Scale"),
        ("--vae ;model=a", "names nothing before its settings", ";model=a"),
        ("--sigmas 1,2", "fall from step to step", "2"),
        ("--sigmas 1,x", "not allowed", "x"),
        ("--seeds 1 --gen-seeds 2", "exclude each other", "--gen-seeds"),
        ("--gen-seeds 0", "1 or more", "0"),
        ("--model-cpu-offload --model-sequential-offload", "exclude each other", "--model-sequential-offload"),
        ("--model-group-offload --model-cpu-offload", "exclude each other", "--model-group-offload"),
        ("--seeds-to-images --seeds 1 --image-seeds a b", "there are 1 and 2", "--seeds-to-images"),
        ("--prompts 'a; b' --negative-prompts c", "keep one", "'a; b'"),
        ("--into 1a", "cannot be a kernel variable", "1a"),
        ("--latents-processors blur", "no latents processor", "blur"),
        ("--latents-processors scale", "needs a setting: factor", "scale"),
        ("--latents-processors scale;factr=1", "did you mean factor", "factr"),
        ("--latents-processors noise;seed=x;sigma=1", "not allowed", "x"),
        ("--latents-processors interposer;source=v1", "needs target", "interposer;source=v1"),
        ("--optimize compil", "--optimize: 'compil' is no optimization; did you mean compile", "compil"),
        ("--optimize compile taylorseer;interval=0", "whole number from 2 to 20", "taylorseer;interval=0"),
        ("--optimize compile compile", "compile is given twice", "compile"),
        ("--optimize first-block-cache taylorseer compile", "exclude each other", "taylorseer"),
        ("--optimize", "needs a value: NAME", "--optimize"),
        ("--tea-cache", "--optimize taylorseer or first-block-cache", "--tea-cache"),
        ("--freeu-params 1,2", "dgenerate's and does not run here", "--freeu-params"),
        ("--second-model-inference-steps 3", "is of a refiner, and there is none", "--second-model-inference-steps"),
        ("--sdxl-refiner x --denoising-end 0.5", "exclude each other", "--denoising-end"),
        ("--animation-format avi", "webm, gif, apng, frames", "avi"),
        ("--animation-format gif --image-format pt", "film of pictures", "--animation-format"),
        ("--animation-format frames --no-frames", "nothing would be written", "--no-frames"),
        ("--adetailer-detectors x", "does not run here", "--adetailer-detectors"),
        ("--dry-run", "magic's own line", "--dry-run"),
        ("extra", "belongs to no option", "extra"),
        ("--into a b", "belongs to no option", "b"),
        ("--denoising-start 0.5", "nothing to begin from", "0.5"),
        ("--image-seed-strengths 0.5", "nothing to begin from", "0.5"),
        ("--image-seeds 'images: a, b' --batch-size 3", "multiple of 2", "3"),
        ("--image-seeds a.png;control=c", "1 control images for 0 ControlNets", "a.png;control=c"),
        ("--image-seeds a.png;adapter=b", "images of 1 IP-Adapters for 0", "a.png;adapter=b"),
        ("--image-seeds 'latents: a' a.png;latens=b", "did you mean latents", "latens"),
    ],
)
def test_errors_point_at_the_value_and_name_the_option(options: str, message: str, under: str) -> None:
    with pytest.raises(ScriptError, match=message) as caught:
        one(options)
    place = caught.value.place
    assert place is not None
    assert place.text[place.column - 1 : place.column - 1 + place.length] == under


def test_known_schedulers_are_checked_where_they_are_given() -> None:
    from jupyter_latents.syntax import Script

    script = Script("m --scheduler DDIMSheduler;a=b")
    script.check()
    with pytest.raises(ScriptError, match="did you mean DDIMScheduler"):
        script.check(schedulers=["DDIMScheduler", "LMSDiscreteScheduler"])


@pytest.mark.parametrize(
    ("options", "dest"),
    [
        ("--seeds x", "seeds"),
        ("--seeds 1 --seeds 2", "seeds"),
        ("--seeds", "seeds"),
        ("--image-seeds 'a, ,b'", "image_seeds"),
        ("--seeds 1 --gen-seeds 2", "gen_seeds"),
        ("--denoising-start 0.5", "denoising_start"),
        ("--denoising-start 0.5 --denoising-end 0.4 --image-seeds 'latents: a'", "denoising_start"),
        ("--image-seed-strengths 0.5", "strengths"),
        ("--prompts 'a; b' --negative-prompts c", "prompts"),
        ("--optimize nothing", "optimize"),
        ("--image-seeds a.png, b.png --batch-size 3", "image_seeds"),
        ("--image-seeds 'images: a.png, b.png' --batch-size 3", "batch_size"),
        ("--model-cpu-offload --model-sequential-offload", "model_sequential_offload"),
    ],
)
def test_an_error_of_an_option_says_which_as_data(options: str, dest: str) -> None:
    with pytest.raises(ScriptError) as caught:
        one(options)
    assert caught.value.option == dest
    assert spell(caught.value.template, spelling) == caught.value.message
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert (again.message, again.template, again.option) == (caught.value.message, caught.value.template, dest)


def test_a_quoted_value_may_look_like_an_option() -> None:
    assert stage("--prompts '--seeds' --seeds 4").prompt.positive == "--seeds"


def test_the_table_holds_together() -> None:
    assert len(BY_NAME) == sum(len(option.names) for option in OPTIONS)
    assert {option.group for option in OPTIONS} == set(GROUPS)
    for option in OPTIONS:
        assert option.help.endswith("."), option.name
        assert not REFUSED.keys() & set(option.names), option.name


def test_every_field_of_a_stage_is_filled_by_an_option_and_no_other_is() -> None:
    given = {
        "guidance_scales": 3.0,
        "prompts": "a; b",
        "second_prompts": "a; b",
        "third_prompts": "a; b",
        "sigmas": (1.0, 0.0),
    }
    filled = {path for option in OPTIONS for path in option.values(given.get(option.dest, ()))}
    unfilled = {"model.name", "guidance_asked", "sweep"}  # told by whether an option is there, and has several values
    assert filled == set(PATHS) - unfilled
    assert {option.field for option in OPTIONS if option.field} <= filled


def test_help_tells_the_default_of_the_field() -> None:
    defaults = {option.dest: default(option.field) for option in OPTIONS if option.field and not option.flag}
    numbers = {dest: value for dest, value in defaults.items() if isinstance(value, int | float)}
    told = {option.dest: option.help.partition("Default: ")[2] for option in OPTIONS if option.dest in numbers}
    assert numbers.keys() >= {"inference_steps", "guidance_scales", "batch_size"}
    assert told == {dest: f"{value:g}." for dest, value in numbers.items()}


def test_a_stage_of_defaults_needs_no_options() -> None:
    assert rows_of(Stage(model=ModelSource("m"))) == {}


def test_help_tells_the_strength_that_images_have_without_one() -> None:
    assert f"Default: {DEFAULT_STRENGTH:g}." in BY_NAME["--image-seed-strengths"].help


def test_a_field_without_a_default_has_none_to_tell() -> None:
    for path in ("model.name", "nothing"):
        with pytest.raises(KeyError, match=path):
            default(path)


def test_stages_of_one_model_share_what_no_option_varies() -> None:
    first, second = one("--seeds 1 2 --dtype float16").stages()
    assert first.model is second.model
    assert first.output is second.output


def test_sigmas_stand_in_place_of_the_steps() -> None:
    made = stage("--sigmas 3,2,1,0 --inference-steps 9")
    assert (made.sigmas, made.num_inference_steps) == ((3.0, 2.0, 1.0, 0.0), 3)
    assert {"sigmas", "inference_steps"} & set(rows_of(made)) == {"sigmas"}
    assert {"sigmas", "inference_steps"} & set(rows_of(stage("--inference-steps 9"))) == {"inference_steps"}


def test_the_docs_page_is_written_from_the_table() -> None:
    text = page()
    assert all(f"`{option.name}`" in text for option in OPTIONS)
    written = Path(__file__).parents[2] / "docs" / "options.md"
    if written.exists():
        assert written.read_text(encoding="utf-8") == text, (
            "run: python -m jupyter_latents.syntax.options.options_page > docs/options.md"
        )


NUMBERS = ("clip_skips", "inference_steps", "guidance_scales", "guidance_rescales", "denoising_start", "denoising_end",
           "sigmas", "seeds", "gen_seeds", "strengths", "output_size", "batch_size")  # fmt: skip


@pytest.mark.parametrize("dest", NUMBERS)
def test_every_number_and_size_refuses_what_is_none_in_words(dest: str) -> None:
    (option,) = (one for one in OPTIONS if one.dest == dest)
    for text in ("-1", "-0.5", "nan", "inf", "1e400", "0x0"):
        with pytest.raises(ScriptError, match=r"give a ((whole )?number|fraction)|too small|is negative|is no size"):
            option.parse(text, locator_of(text, None))
