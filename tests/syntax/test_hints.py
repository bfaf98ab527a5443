"""What people bring from elsewhere is answered with what to write here; what does nothing is told."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from diffusers import guiders

from jupyter_latents.engine.schedule.table import scheduler_names
from jupyter_latents.errors import HelpAskedError, ScriptError
from jupyter_latents.machine import have_feature
from jupyter_latents.samplers import sampler
from jupyter_latents.syntax import Environment, Script, parse
from jupyter_latents.syntax.directives import DIRECTIVES
from jupyter_latents.syntax.options import options_page, second_stage
from jupyter_latents.syntax.options.help import help_text
from jupyter_latents.syntax.options.magic_options import MAGIC_NAMES
from jupyter_latents.syntax.options.rules.refused import ELSEWHERE, HARMLESS, SHORT, SHORT_HARMLESS, refusal
from jupyter_latents.syntax.options.rules.refused import OTHERS as OTHERS_TABLE
from jupyter_latents.syntax.options.table import BY_NAME

# All short names of dgenerate's options.
SHORTS = (
    "ofm gc mt rev var sbf olc olc2 atk bs bgs ad adm adf adi ads addp admp adb add adc te te2 un un2 tf vae vt vs lra "
    "lrfs ie ipa ti cn t2i q qm q2 qm2 sch sch2 fu hd rfu dc dci dcb rdc rdci rdcb tc tcr ra rif rsr rhr rss rer rme "
    "rst res rsn rsl pag pags pagas rpag rpags rpagas mqo mco mqo2 mco2 hnf rgr sc d t s na o op ox oc om oam pw pw2 "
    "lp ilp lpp pu pu2 p cs se sei gse af if nf fs fe is sip mip cip pp iss uns ic icp icm icf gs si igs gr ifs ifs2 "
    "gs2 sir ds de"
).split()


def said(text: str, **given: object) -> list[str]:
    lines: list[str] = []
    for _ in Script(text).invocations(Environment(environ={}, print=lines.append, **given)):  # type: ignore[arg-type]
        pass
    return lines


@pytest.mark.parametrize("name", SHORTS)
def test_every_short_name_of_dgenerate_runs_or_is_refused_with_its_reason(name: str) -> None:
    if f"-{name}" in {**BY_NAME, **second_stage.SHORT, **SHORT_HARMLESS}:
        return
    with pytest.raises(ScriptError, match="is dgenerate's and does not run here: ") as caught:
        parse(f"m -{name} 1")
    assert "did you mean" not in caught.value.message


def test_short_names_stand_for_options_that_are_not_here() -> None:
    assert not SHORT.keys() & BY_NAME.keys()
    assert all(refusal(long) for long in SHORT.values())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("--sdxl-t2i-adapter-factors", "a split could not be exact"),
        ("--sdxl-aesthetic-scores", "refiner's own"),
        ("--sdxl-negative-aesthetic-scores", "refiner's own"),
        ("--sdxl-original-sizes", "follow the output size"),
        ("--sdxl-negative-crops-coords-top-left", "follow the output size"),
        ("--hi-diffusion-no-raunet", "changed attention"),
        ("--quantizer-help", "lists what there is"),
    ],
)
def test_options_are_refused_for_their_own_reason(name: str, reason: str) -> None:
    assert reason in str(refusal(name))


OTHERS = [
    ("guider", "guiders other than", "--guidance-rescales 0.7"),
    ("apg", "guiders other than", "--guidance-scales '7@0,2@0.6'"),
    ("apg-momentum", "guiders other than", "--pag"),
    ("slg-layers", "guiders other than", "--pag"),
    ("auto-guidance-layers", "guiders other than", "--pag"),
    ("cfg-zero-star", "guiders other than", "--pag"),
    ("regional-prompts", "prompts for regions", "joins texts by AND"),
    ("attention-couple", "prompts for regions", "composite;with=NAME"),
    ("mask-differential", "masks are black and white", "a.composite(b, mask)"),
    ("mask-blur", "masks are black and white", "a stage for each strength"),
    ("edit-image", "models that edit a picture as told", "--image-seed-strengths"),
    ("kontext", "models that edit a picture as told", "--image-seeds photo.png"),
    ("freeu", "changed features", "remove it"),
]


@pytest.mark.parametrize(("name", "reason", "instead"), OTHERS)
def test_what_others_have_is_refused_by_its_name_with_what_to_do(name: str, reason: str, instead: str) -> None:
    for word in (f"--{name}", f"--{name}s"):
        with pytest.raises(ScriptError, match=f"^'{word}' does not run here: {reason}") as caught:
            parse(f"m {word} 1")
        assert instead in caught.value.message
        assert "did you mean" not in caught.value.message
        assert caught.value.place is not None
        assert caught.value.place.column == 3
    assert f"another program's; it does not run here: {reason}" in help_text(name)


def test_every_name_of_others_is_refused_and_none_is_an_option() -> None:
    for name in (*OTHERS_TABLE, *(f"--{name}" for name in guider_options())):
        assert name not in {**BY_NAME, **ELSEWHERE}
        with pytest.raises(ScriptError, match=f"'{name}' does not run here: ") as caught:
            parse(f"m {name} 1")
        for option in re.findall(r"(?<![\w-])--[a-z-]+", caught.value.message.partition(": ")[2]):
            assert option in BY_NAME, "what it says to write is there"
        assert f"`{name}`" in options_page.page() or name not in OTHERS_TABLE


def guider_options() -> list[str]:
    """The guiders of diffusers as options would be called, but for the two that run."""
    names = [name for name in vars(guiders) if name.endswith("Guidance") and name != "BaseGuidance"]
    dashed = [re.sub(r"(?<=[a-z\d])(?=[A-Z])", "-", name).lower() for name in names]
    ours = {"classifier-free-guidance", "perturbed-attention-guidance", "ltx2-guidance"}
    assert ours < set(dashed)
    return sorted({*dashed} - ours)


def test_what_dgenerate_does_not_have_is_no_option() -> None:
    assert refusal("--sdxl-nonsense") is None
    assert refusal("--settle") is None


@pytest.mark.parametrize("name", ELSEWHERE)
def test_options_of_other_programs_are_answered_with_ours(name: str) -> None:
    with pytest.raises(ScriptError, match=f"'{name}' is no option here; write ") as caught:
        parse(f"m {name} 1")
    assert caught.value.place is not None
    assert caught.value.place.column == 3


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("euler", "EulerDiscreteScheduler"),
        ("Euler a", "EulerAncestralDiscreteScheduler"),
        ("euler_ancestral", "EulerAncestralDiscreteScheduler"),
        ("DPM++ 2M Karras", "DPMSolverMultistepScheduler;use-karras-sigmas=true"),
        ("dpmpp_2m", "DPMSolverMultistepScheduler"),
        ("k_lms", "LMSDiscreteScheduler"),
        ("DPM++ 2M SDE Heun", "DPMSolverMultistepScheduler;algorithm-type=sde-dpmsolver++;solver-type=heun"),
        ("DPM++ 2M SDE Karras", "DPMSolverMultistepScheduler;algorithm-type=sde-dpmsolver++;use-karras-sigmas=true"),
        ("UniPC", "UniPCMultistepScheduler"),
        ("EulerDiscreteScheduler", None),
        ("nonsense", None),
    ],
)
def test_samplers_of_other_programs_are_known(name: str, written: str | None) -> None:
    assert sampler(name) == written
    if written is not None:
        assert written.partition(";")[0] in scheduler_names()
        if name != "k_lms":  # these are letter by letter what A1111 or ComfyUI call them
            assert parse(f'm --scheduler "{name}"')[0].stages() == parse(f'm --scheduler "{written}"')[0].stages()
            return
        with pytest.raises(ScriptError) as caught:
            parse(f'm --scheduler "{name}"')
        assert f"write '{written}'" in caught.value.message
        parse(f'm --scheduler "{written}"')


def test_scheduler_help_lists_them() -> None:
    with pytest.raises(HelpAskedError, match=r"Schedulers: .*EulerDiscreteScheduler"):
        Script("m --scheduler help").check(schedulers=scheduler_names())


@pytest.mark.parametrize("asks", ["--scheduler help", "--sdxl-refiner r --second-model-scheduler helpargs"])
def test_a_script_goes_on_after_such_a_question_which_runs_nothing(asks: str) -> None:
    script = Script(f"m {asks}\n\nm --prompts cat")
    script.check(schedulers=scheduler_names())
    said: list[str] = []
    made = list(script.invocations(Environment(print=said.append), schedulers=scheduler_names()))
    assert [one.first("prompts") for one in made] == ["cat"]
    assert len(said) == 1
    assert said[0].startswith("Schedulers: ")


def test_what_only_tidies_up_in_dgenerate_is_taken_and_told_once() -> None:
    said: list[str] = []
    for name in [name for name, row in DIRECTIVES.items() if row.idle and name != "use_modules"]:
        script = Script(f"\\{name} x vae\nm --prompts cat")
        script.check()
        assert len(list(script.invocations(Environment(print=said.append)))) == 1
        assert said.pop().startswith(f"line 1: \\{name} changes nothing: ")
        assert not said
    with pytest.raises(ScriptError, match="dgenerate's and does not run here"):
        Script("\\web_cache x").check()


SAVED = "m --vae v --prompts cat\n\n\\save_modules held vae text_encoder feature_extractor\n\\use_modules held\n\n"


@pytest.mark.parametrize("again", ["m --vae v --seeds 3", "m --vae v --text-encoders + + null", "m --vae v\n\nother"])
def test_parts_of_the_invocation_before_are_those_of_the_same_model(again: str) -> None:
    made = list(Script(SAVED + again).invocations(Environment(print=lambda _: None)))
    assert len(made) == 2 + again.count("other")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (SAVED + "other --vae v", "its model is not the same"),
        (SAVED + "m", "its --vae is not the same"),
        (SAVED + "m --vae v --text-encoders + x", "its --text-encoders is not the same"),
        (SAVED.replace("use_modules held", "use_modules hel"), "no parts are saved as 'hel'; did you mean held"),
        (SAVED.replace(" vae ", " vea ") + "m", "'vea' is no part of a model; did you mean vae"),
        (SAVED.replace("\\use", "\\clear_modules\n\\use") + "m --vae v", "no parts are saved as 'held'"),
        ("\\use_modules", "is written"),
    ],
)
def test_parts_of_another_model_are_refused_where_they_are_used(script: str, message: str) -> None:
    with pytest.raises(ScriptError, match=message) as caught:
        list(Script(script).invocations(Environment(print=lambda _: None)))
    assert caught.value.place is not None
    assert "_modules" in caught.value.place.text


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("m --prompts a beautiful sunset", "line 1: --prompts has 3 values, each a prompt; quote"),
        ("m --prompts 'a' 'b'", ""),
        ("m --prompts a", ""),
        ("m --prompts '(horse:1.4)'", "'(horse:1.4)' is painted as text: --prompt-weighter a1111 reads it"),
        ("m --prompts 'a [day:night:0.5]'", "'[day:night:0.5]' is painted as text"),
        ("m --prompts '[a|b]'", "'[a|b]' is painted as text"),
        ("m --prompts 'cat AND dog'", "'AND' is painted as text"),
        ("m --prompts 'x <lora:y:0.8>'", "'<lora:y:0.8>' is painted as text: LoRAs are given by --loras"),
        ("m --prompts 'a cat (black), [sic] 4:3 and more'", ""),
        ('m --prompts "a {{ colour }} house"', "line 1: 'colour' is not there, and nothing stands in its place"),
        ('\\set color red\nm --prompts "a {{ colour }} house"', "line 2: 'colour' is not there, and nothing"),
        ("{% if x %}\n\\set flag --force\n{% endif %}\nm {{ flag }}", ""),
        ("m --prompts \"{% for i in [1] %}{% set c = 'red' %}{% endfor %}a {{ c }} house\"", "'c' is not there, and"),
        ("m --prompts \"{% if x %}{% set c = 'red' %}{% endif %}a {{ c }} house\"", ""),
        ("m --sigmas 3,2,1 --inference-steps 5", "--inference-steps does nothing beside --sigmas"),
        ("m --sigmas 3,2,1 --inference-steps 3", ""),
        ("m --output-size 64 --output-size 128", "line 1: --output-size is given twice, and the last one counts"),
        ("m --output-prefix x", "--output-prefix does nothing"),
        ("m --output-prefix x -o out", ""),
        ("m --prompts a -o $NOT_SET/x", "line 1: the environment has no variable NOT_SET, and nothing stands in its"),
        ('m --prompts "a {{ env.NOT_SET }}"', "line 1: the environment has no variable NOT_SET"),
        ("\\set x $NOT_SET\n{% if not env.NOT_SET and not x %}\nm --prompts a\n{% endif %}", ""),
        ("\\env NOT_SET=here\nm --prompts a -o $NOT_SET/x", ""),
        ("m -o out --batch-size 2 --batch-grid-size 2x1", ""),
        ("m -o out/photo.png", "--output-path names a folder, and out/photo.png will be one; --output-prefix begins"),
        ("m --prompts '\u201ca\u201d'", ""),
        ("m --latents-processors 'scale;factor=2'", "--latents-processors does nothing"),
        ("m --batch-seeds", "--batch-seeds does nothing"),
        ("m --lora-fuse-scale 0.5", "--lora-fuse-scale does nothing without --loras"),
        ("m --lora-fuse-scale 0.5 --loras x", ""),
        ("m --image-seeds a --no-aspect", "--no-aspect does nothing: no picture is brought to a size"),
        ("m --image-seeds 'a;resize=64' --no-aspect", ""),
        ("m --image-seeds a --output-size 64 --no-aspect", ""),
        ("m --no-aspect --output-size 64", "--no-aspect does nothing"),
        ("m --pag-adaptive-scales 0.5", "--pag-adaptive-scales alone turns --pag on, at a scale of 3"),
        ("m --pag --pag-adaptive-scales 0.5", ""),
        ("m --post-processors mirror --image-format pt", "--post-processors changes pictures, and --image-format pt"),
        ("m --post-processors mirror", ""),
        ("m --post-processors 'mirror;device=cpu'", "device= changes nothing"),
    ],
)
def test_what_may_be_meant_otherwise_is_told_once(text: str, note: str) -> None:
    notes = said(text)
    assert len(notes) == bool(note)
    assert note in "".join(notes)


@pytest.mark.parametrize("text", ["m --prom$X cat --seeds 1", 'm --prompts "<weighter: $X> a"', "m --$X 4 5 6 -o out"])
def test_what_the_environment_completes_is_judged_at_the_run(text: str) -> None:
    Script(text).check()
    with pytest.raises(ScriptError, match=r"zz'? is no (option|prompt weighter)"):
        list(Script(text).invocations(Environment(environ={"X": "zz"})))


def test_what_the_invocation_before_was_given_is_read_by_dgenerates_names() -> None:
    script = """
\\print {{ last_seeds }}{{ '--device ' + injected_device if injected_device else '' }}
m --prompts cat --seeds 1 2 --output-size 64x128 --loras 'x;scale=0.5' y --inference-steps 7 --image-seeds a.png
\\print {{ last_seeds }} {{ format_size(last_output_size) }} {{ last_lora_uris | join(' ') }} {{ last_model_path }}
\\print {{ last_inference_steps }} {{ last_guidance_scales }} {{ last_image_seeds[0] }} {{ last_vae_uri }}
\\setp twice [seed * 2 for seed in last_seeds]
n --seeds {{ quote(twice) }} --prompts dog
"""
    assert said(script) == ["[]", "[1, 2] 64x128 x;scale=0.5 y m", "[7] [5.0] a.png None"]
    (first, second) = Script(script).invocations(Environment(environ={}, print=lambda _: None))
    assert second.values["seeds"] == (2, 4)
    assert first.values["seeds"] == (1, 2)


def test_a_token_is_no_name_of_a_template() -> None:
    assert "secret" not in "".join(said("m --auth-token secret\n\\print {{ last_auth_token }}"))


def test_a_note_of_a_loop_comes_once() -> None:
    assert len(said("{% for i in range(5) %}\nm --prompts a b\n{% endfor %}")) == 1


def test_the_last_of_two_values_counts() -> None:
    (invocation,) = parse("m --output-size 64 --output-size 128")
    assert invocation.first("output_size").width == 128


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "m --prompts '<upscaler: translate;input=en> a horse'",
            "<upscaler: ...> does not run here: prompts",
        ),
        ('m --prompts " <weighter: sd-embd> a"', "'sd-embd' is no prompt weighter; did you mean sd-embed?"),
        ('m --prompts "<weighter: compel;syntax=x> a"', "syntax=x is not allowed; write compel or sdwui"),
        ('m --prompts "<weighter: a1111;syntax=x> a"', "'syntax' is no setting of a1111; allowed: schedules"),
        ('m --second-prompts "<weighter: a1111> a"', "stands at the head of --prompts, for all prompts"),
        ("m --prompts '<weighter: a1111'", "it names one weighter, and ends with >"),
        ("m -o out --batch-size 2 --batch-grid-size 2x1 --image-format 'png;latents'", "holds those of one; write"),
        ("m --prompts \u201ca cat\u201d", "write straight quotes"),
        ("m --prompt x --steps 20 --seed 3", "did you mean --prompts[?] Nor is --steps, --seed[.]"),
        ("m --steps 20", "write --inference-steps 20[.]"),
        ("m --sampler 'Euler a'", "write --scheduler 'Euler a'[.]"),
        ("m --width 128", "write --output-size 512x768[.]"),
        ("m --mask hole.png", "write --image-seeds 'photo.png;mask=hole.png'[.]"),
        ("m --second-model-seeds 3", "write --seeds 3: both stages draw from it[.]"),
        ("m --control-image-processors 'image;path=x.png'", "'image' is no image processor: .*photo.png;control=lines"),
        ("m --image-seeds latents: half", "quote a seed that holds a space"),
        ("m --prompt-weighter sd-embed;x=1", "'x' is no setting of sd-embed; it has none"),
        ("m --seeds {{ last_seed }}", "bind the result"),
        ("\\setp x last_seed", "bind the result"),
        ("m --prompts {{ ['a', 'b'] }}", "gives a list here.* write {{ quote"),
        ("m --auth-token a b-secret", "^A second token belongs to no option"),
        ("\\gen_seeds s none", "no number of seeds"),
        ("\\gen_seeds s", "needs more"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, message: str) -> None:
    with pytest.raises(ScriptError, match=message) as caught:
        said(text)
    assert caught.value.place is not None


def test_directives_of_dgenerate_for_seeds_and_the_environment() -> None:
    numbers = iter(range(9))
    assert said("\\gen_seeds s 2\n\\print {{ s }}", random_seed=numbers.__next__) == ["['0', '1']"]
    assert said("\\env") == ["\\env changed nothing in this script; what else is in the environment is not shown"]
    assert said("\\env A=1\n\\env") == ["A=1; what else is in the environment is not shown"]


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("{{ frange(0, 0.5)|list }}", "[0.0, 0.1, 0.2, 0.3, 0.4]"),
        ("{{ frange(0.3)|list }}", "[0.0, 0.1, 0.2]"),
        ("{{ frange(1, 0, -0.5)|list }}", "[1.0, 0.5]"),
        ("{{ frange(0, 1)|list|length }}", "10"),
        ("{{ unquote('\"a b\" c') }}", "['a b', 'c']"),
        ("{{ unquote(['\"a b\"', 'c d']) }}", "['a b', 'c', 'd']"),
        ("{{ [[1, 2], [3, ['x']]] }}", "[[1, 2], [3, ['x']]]"),
        ("{{ {'a': [1, {'b': 'c'}]} }}", "{'a': [1, {'b': 'c'}]}"),
        ("\\# no comment \\#1", "# no comment #1"),
    ],
)
def test_values_are_printed_as_dgenerate_prints_them(text: str, printed: str) -> None:
    assert said(f"\\print {text}") == [printed]


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ('"one # two" # three', '"one # two"'),
        ('"a # b" "it goes on \\# and # ends', '"a # b" "it goes on # and'),
        ("it's plain # why", "it's plain"),
        ('"whole \\# text" \\# x', '"whole \\# text" # x'),
        ('"it goes \\# on \\ # so\n    to the \\# end" # here', '"it goes # on to the # end"'),
        ('"it goes on \\ # so\n    to # the end', '"it goes on to'),
    ],
)
def test_comments_begin_where_dgenerate_begins_them(text: str, printed: str) -> None:
    """A string that does not end on its line holds no ``#`` but an escaped one."""
    assert said(f"\\set x {text}\n\\print {{{{ x }}}}") == [printed]


def test_a_comment_that_cuts_a_quote_off_is_told() -> None:
    with pytest.raises(ScriptError, match=r"A # behind it begins a comment; \\# is the character"):
        said('m --prompts "first \\\n second # third"')


def test_a_name_behind_a_dollar_may_be_made_by_a_template() -> None:
    text = "\\env A=one\n\\set name A\n\\set x ${{ name }}\n\\print {{ x }} \\${{ name }}\n\\echo '${{ name }}'"
    assert said(text) == ["one \\$A", "$A"]


def test_quoted_text_behind_a_pattern_goes_behind_each_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("dog.a", "dot.a", "cat.a"):
        (tmp_path / name).touch()
    assert said("\\echo d*'.x y'") == ["dog.a.x y dot.a.x y"]
    assert said("\\echo \"d*\"'.x' a=d*'.x'") == ["\"d*\"'.x' a=d*'.x'"]
    assert said("\\echo \"d* 'cat'\"") == ["d* 'cat'"], "one quoted string is no pattern"
    with pytest.raises(ScriptError, match="matches no file"):
        said("\\echo f*'.x'")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("m --prompts x --model-type sd3-pix2pix", "edits a picture as told"),
        ("m --prompts x --model-type flax", "Flax models are gone"),
        ("m --prompts x --model-type qwen-image-layered", "into layers"),
        ("m --prompts x --prompt-weighter llm4gen;weighter=sd-embed", "a language model of its own"),
        ("m --prompts x --spectrum", "a split could not be exact"),
        ("m --prompts x --qwen-layered-layers 4", "model families.*--model-type"),
        ("m --post-processors 'adetailer;model=a;prompt=x;model=b'", "adetailer does not run here.*make the picture"),
        ("m --adetailer-detectors x", "detail it elsewhere, and go on with its file"),
        ("m --ras", "remove it"),
        ("\\civitai_links x", "fetch the file in a browser, and give its path"),
        ("\\prompt_upscale x", "write them as they should be read"),
        ("\\import_plugins x", "write a function in Python"),
    ],
)
def test_what_dgenerate_has_besides_is_refused_by_its_own_reason(text: str, says: str) -> None:
    with pytest.raises(ScriptError, match=says):
        said(text)


def test_options_are_known_by_the_names_that_they_had_before() -> None:
    text = "m --prompts x --{0}second-prompts y --{1}max-sequence-length 64"
    (older,), (now,) = (parse(text.format(*names)) for names in (("sdxl-", "flux-"), ("", "")))
    assert older.stages() == now.stages()
    text = "m --prompts x --sdxl-refiner r --{0}prompts z --{0}inference-steps 9 --{0}scheduler DDIMScheduler"
    older, now = (parse(text.format(name)) for name in ("sdxl-refiner-", "second-model-"))
    assert [one.stages() for one in older] == [one.stages() for one in now]


def test_features_say_what_runs() -> None:
    assert [have_feature(name) for name in ("sdnq", "torchao", "gguf", "ncnn")] == [False] * 4
    with pytest.raises(Exception, match="no feature; did you mean bitsandbytes"):
        have_feature("bitsnbytes")


def fate(name: str) -> str:
    """What becomes of an option of dgenerate's, by one of its names."""
    if name in BY_NAME:
        return "run"
    if second_stage.SHORT.get(name, name) in second_stage.REWRITTEN:
        return "second stage"
    if SHORT_HARMLESS.get(name, name) in HARMLESS:
        return "note"
    if name in MAGIC_NAMES:
        return "magic"
    return "refused" if name in ELSEWHERE or refusal(name) else "unknown"


def test_the_language_page_counts_what_becomes_of_dgenerates_options() -> None:
    folder = Path(__file__).parent
    options = [line.split() for line in (folder / "dgenerate_options.txt").read_text().splitlines()]
    fates = [{fate(name) for name in names} for names in options]
    assert all(len(one) == 1 for one in fates), "an option's names do not have one fate"
    count = Counter(next(iter(one)) for one in fates)
    assert not count["unknown"]
    said = (
        f"Of dgenerate 5.0.0's {len(options)} options {count['run']} run under their own names, "
        f"{count['second stage']} are rewritten into a second stage, {count['note']} change nothing and are taken with "
        f"a note, {count['magic']} stand on the magic's own line, and {count['refused']} are refused, each with its "
        "reason; none is unknown."
    )
    assert said in (folder.parents[1] / "docs" / "language.md").read_text()
