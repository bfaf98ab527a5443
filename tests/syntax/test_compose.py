"""The law: what `compose` writes reads back as the same stages."""

from __future__ import annotations

import pickle
import re
from dataclasses import dataclass, field, replace
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jupyter_latents.errors import ScriptError
from jupyter_latents.stage import (
    Address,
    ImageSeed,
    LatentsProcessor,
    ModelSource,
    Output,
    Prompt,
    Reference,
    Scales,
    SigmaPoint,
    Size,
    Stage,
    StepPoint,
    Window,
)
from jupyter_latents.syntax import Environment, parse
from jupyter_latents.syntax.compose import compose, from_provenance, literal, word
from jupyter_latents.syntax.prompts import split_prompt
from tests.strategies import image_seeds

HOSTILE = (
    "{{", "}}", "{% if x %}", "{#", "#}", '"', "'", "\\", "\n", "\r", ";", "\\;", "$HOME", "%HOME%", "${HOME}", "\\$",
    "100%", " ", "--seeds 1", "# no comment", "a cat's eye", 'say "a; b"', "é", "\t", "{", "{\n", "a",
    "</script>", "\u2028", "!END", "{%", "-",
)  # fmt: skip
letters = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffc"), max_size=6)
texts = st.lists(st.sampled_from(HOSTILE) | letters, max_size=8).map("".join)
plain_texts = texts.map(str.strip).filter(bool)
prefixes = plain_texts.map(lambda text: re.sub(r"[/\\:\x00-\x1f\x7f]", "_", text)[:20].strip())  # they name no folder
addresses = st.builds(
    Address, texts.filter(str.strip), st.dictionaries(st.sampled_from(["scale", "weight-name"]), texts, max_size=2)
)
floats = st.floats(0, 1e6)
fractions = st.floats(0, 1)
scales = st.builds(
    lambda first, then, points: Scales(((first, 0.0), *zip(then, sorted(points), strict=False))),
    floats,
    st.lists(floats, min_size=1, max_size=2),
    st.lists(st.floats(0, 1, exclude_min=True), min_size=2, max_size=2, unique=True),
) | st.builds(lambda one, two: Scales(((one, 0.0), (two, StepPoint(12)), (1.0, SigmaPoint(0.25)))), floats, floats)


@st.composite
def prompts(draw: st.DrawFn) -> Prompt:
    """Prompts that a script can hold."""
    second, third = (split_prompt(draw(texts)) if draw(st.booleans()) else (None, None) for _ in range(2))
    return Prompt(split_prompt(draw(texts))[0], draw(texts), *second, *third)


@st.composite
def windows(draw: st.DrawFn) -> Window:
    start, end = sorted(draw(st.tuples(fractions, fractions).filter(lambda two: len({*two, 0.0, 1.0}) == 4)))
    whole = draw(st.sampled_from([Window(StepPoint(2), StepPoint(17)), Window(SigmaPoint(9.5), SigmaPoint(0.875))]))
    return Window(
        draw(st.sampled_from([None, start, 0.0, whole.start])), draw(st.sampled_from([None, end, 1.0, whole.end]))
    )


models = st.builds(
    ModelSource,
    plain_texts.filter(lambda text: text != "dgenerate"),
    model_type=st.sampled_from([None, "sd", "sdxl", "z-image"]),
    revision=st.none() | plain_texts,
    variant=st.none() | st.just("fp16"),
    dtype=st.sampled_from(["auto", "float16", "bfloat16"]),
    device=st.sampled_from([None, "cpu", "cuda:1"]),
    vae=st.none() | addresses,
    loras=st.lists(addresses, max_size=2).map(tuple),
    quantizer=st.sampled_from([None, "bnb;bits=4"]),
    offload=st.sampled_from([None, "model", "sequential", "group"]),
    vae_tiling=st.booleans(),
    auth_token=st.none() | st.just("token"),
    offline=st.booleans(),
    optimize=st.sampled_from([(), ("compile",), ("channels-last", "taylorseer;interval=4;order=0")]),
)
processors = st.sampled_from([("scale", "factor", "1.1"), ("noise", "sigma", "0.5"), ("noise", "timestep", "3")]).map(
    lambda row: LatentsProcessor(row[0], MappingProxyType({row[1]: row[2]}))
) | st.sampled_from(
    [
        LatentsProcessor("+"),
        LatentsProcessor("interposer", MappingProxyType({"source": "v1", "target": "xl"})),
        LatentsProcessor("composite", MappingProxyType({"at": "64x0"}), Reference("other[0]", "variable")),
        LatentsProcessor("composite", MappingProxyType({}), Reference("a b.pt", "path")),
    ]
)
image_processors = st.sampled_from([Address("mirror"), Address("+"), Address("canny", {"lower": "20"})])
outputs = st.builds(
    Output, st.none() | plain_texts, st.sampled_from([None, "png", "latent"]), st.none() | prefixes, st.booleans()
)


@given(processors)
def test_a_latents_processor_pickles(link: LatentsProcessor) -> None:
    assert pickle.loads(pickle.dumps(link)) == link  # noqa: S301


@st.composite
def stages(draw: st.DrawFn) -> Stage:
    """Stages that a script can hold."""
    seed = draw(st.none() | image_seeds())
    window, count = draw(windows()), len(seed.controls) if seed else 0
    sigmas = draw(
        st.none() | st.lists(floats, min_size=1, max_size=3, unique=True).map(lambda s: tuple(sorted(s)[::-1]))
    )
    adapters = tuple(draw(addresses) for _ in (seed.adapters if seed else ()))
    model = replace(
        draw(models),
        control_nets=tuple(draw(addresses) for _ in range(count)),
        ip_adapters=adapters,
        textual_inversions=tuple(draw(st.lists(addresses, max_size=1))),
    )
    output = draw(outputs)
    alone = output.path is None and output.format is None
    return Stage(
        model=model,
        prompt=draw(prompts()),
        seed=draw(st.none() | st.integers(0, 2**64 - 1)),
        num_inference_steps=max(1, sum(sigma > 0 for sigma in sigmas)) if sigmas else draw(st.integers(1, 200)),
        guidance_scale=draw(floats | scales),
        guidance_rescale=draw(st.none() | fractions),
        pag_scale=draw(st.none() | floats),
        pag_adaptive_scale=draw(st.none() | floats),
        strength=draw(st.none() | st.floats(0, 1, exclude_min=True)) if seed else None,
        scheduler=draw(st.sampled_from([None, "DDIMScheduler", "DDIMScheduler;clip-sample=false"])),
        sigmas=sigmas,
        window=window if seed else replace(window, start=draw(st.sampled_from([None, 0.0]))),
        image_seed=seed,
        size=draw(st.none() | st.builds(Size, st.just(512), st.integers(1, 99).map(lambda n: n * 8))),
        batch_size=draw(st.just(1) if not seed or len(seed.images or seed.latents) > 1 else st.integers(1, 4)),
        clip_skip=draw(st.none() | st.integers(0, 3)),
        latents_processors=tuple(draw(st.lists(processors, max_size=2))),
        img2img_latents_processors=tuple(draw(st.lists(processors, max_size=2))),
        latents_post_processors=tuple(draw(st.lists(processors, max_size=2))) if alone else (),
        post_processors=tuple(draw(st.lists(st.just(Address("mirror")), max_size=1))),
        seed_image_processors=tuple(draw(st.lists(image_processors, max_size=3))),
        control_image_processors=tuple(draw(st.lists(image_processors, max_size=3))),
        output=output,
        into=draw(st.none() | st.just("base")),
        force=draw(st.booleans()),
    )  # fmt: skip


def read(text: str) -> list[Stage]:
    return [stage for one in parse(text, Environment(environ={"HOME": "home"})) for stage in one.stages()]


@settings(max_examples=25, deadline=None)
@example([Stage(model=ModelSource("m"), prompt=Prompt(third='say "a', third_negative='b"'))])
@given(st.lists(stages(), max_size=3))
def test_what_is_composed_reads_back_as_the_same_stages(made: list[Stage]) -> None:
    assert read(compose(made)) == made


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.lists(stages(), max_size=3))
def test_all_that_is_composed_reads_back_as_the_same_stages(made: list[Stage]) -> None:
    assert read(compose(made)) == made


@settings(max_examples=100, deadline=None)
@given(texts)
def test_any_text_is_taken_letter_by_letter(text: str) -> None:
    (stage,) = read(f"demo/scenes\n--negative-prompts {word(literal(text), quoted=True)}")
    assert stage.prompt.negative == text


def test_it_reads_as_a_person_would_write_it() -> None:
    base = Stage(
        model=ModelSource("demo/scenes"),
        prompt=Prompt("a cat's eye; sunset", "rain"),
        seed=7,
        window=Window(None, 0.8),
        into="base",
    )
    final = Stage(
        model=ModelSource("demo/paper", dtype="float16"),
        prompt=Prompt('the sign says "open"'),
        num_inference_steps=20,
        guidance_scale=7.5,
        window=Window(0.8),
        image_seed=ImageSeed(latents=(Reference("base", "variable"),)),
        size=Size(128, 64),
        force=True,
    )
    assert (
        compose([base, final])
        == """\
demo/scenes
--prompts "a cat's eye\\; sunset"
--negative-prompts "rain"
--seeds 7
--denoising-end 0.8
--into base

demo/paper
--prompts 'the sign says "open"'
--image-seeds "latents: base"
--inference-steps 20
--guidance-scales 7.5
--denoising-start 0.8
--output-size 128x64
--dtype float16
--force
"""
    )


def test_nothing_is_composed_of_nothing() -> None:
    assert compose([]) == ""


def test_templates_in_a_word_stay_live() -> None:
    text = "demo/paper\n--image-seeds " + word("latents: {{ parts['first'] }}", quoted=True)
    (stage,) = [s for one in parse(text, Environment(kernel={"parts": {"first": "a.pt"}})) for s in one.stages()]
    assert stage.image_seed == ImageSeed(latents=(Reference("a.pt", "path"),))


def provenance(**changes: Any) -> Any:
    usual = {"model": "demo/scenes", "prompt": "a hill", "negative_prompt": "rain", "seed": 7, "guidance_scale": 3.0,
             "options": {"steps": "20", "scheduler": "DDIMScheduler"}, "parents": ()}  # fmt: skip
    return SimpleNamespace(**(usual | changes))


@dataclass
class Position:
    step: int
    of: int

    @property
    def fraction(self) -> float:
        return self.step / self.of


@dataclass
class Made:
    digest: str
    position: Position | None
    provenance: Any = field(default_factory=provenance)
    size: tuple[int, int] = (64, 64)


def test_a_provenance_fills_a_stage() -> None:
    stage = from_provenance(Made("1", Position(16, 20)))
    assert stage == Stage(
        model=ModelSource("demo/scenes"),
        prompt=Prompt("a hill", "rain"),
        seed=7,
        num_inference_steps=20,
        guidance_scale=3.0,
        scheduler="DDIMScheduler",
        window=Window(None, 0.8),
    )


@pytest.mark.parametrize("text", ["DDIMScheduler;eta", ";", "DDIMScheduler;;eta=1"])
def test_a_file_that_names_no_scheduler_leaves_the_refusal_to_the_script(text: str) -> None:
    made = from_provenance(Made("1", None, provenance(options={"scheduler": text})))
    with pytest.raises(ScriptError, match="is no scheduler name"):
        read(compose([made]))


@pytest.mark.parametrize(("name", "expected"), [("base", "base"), ("other", None)])
def test_a_known_parent_is_where_the_stage_starts(name: str, expected: str | None) -> None:
    base = Made("1" if expected else "2", Position(16, 20))
    stage = from_provenance(Made("3", Position(20, 20), provenance(parents=("1",))), {name: base})
    seed = ImageSeed(latents=(Reference("base", "variable"),)) if expected else None
    assert (stage.image_seed, stage.window) == (seed, Window(0.8 if expected else None, None))


def test_bare_latents_fill_what_they_know() -> None:
    bare = provenance(model="", prompt="", negative_prompt="", seed=None, guidance_scale=None, options={})
    assert from_provenance(Made("1", None, bare)) == Stage(model=ModelSource(""))


def test_optimizations_are_among_what_is_filled() -> None:
    made = Made("1", None, provenance(options={"optimize": "channels-last taylorseer;interval=4"}))
    assert tuple(map(str, from_provenance(made).model.optimize)) == ("channels-last", "taylorseer;interval=4")
