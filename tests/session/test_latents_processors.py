"""Latents processors by dgenerate's names: before the steps, before decoding, after the steps."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from PIL import ImageOps
from safetensors.torch import save_file

from jupyter_latents.errors import JupyterLatentsError
from jupyter_latents.latents import Latents
from jupyter_latents.latents.operations import add_noise, paste
from tests.session.conftest import Desk

pytestmark = pytest.mark.kept_models

RUN = "--prompts cat --inference-steps 4 --guidance-scales 1 --output-size 64 --seeds 3"
FIRST = f"<sd15> {RUN} --denoising-end 0.5 --into base"
REST = "<sd15> --prompts cat --inference-steps 4 --guidance-scales 1 --denoising-start 0.5 --image-seeds 'latents: {}'"


@pytest.fixture
def half(desk: Desk) -> Desk:
    """A session with latents ``base`` in the middle and ``clean`` at the end."""
    desk.run(f"{FIRST}\n\n<sd15> {RUN} --into clean")
    return desk


def made(desk: Desk, script: str) -> Latents:
    """What a script makes as ``ours``, whose shape, space and noise its plan knew."""
    (planned,) = desk.plan(f"{script} --into ours").stages
    assert planned.outline is not None, planned.refused or planned.later
    desk.run(f"{script} --into ours")
    ours = desk["ours"]
    assert (ours.shape, ours.space, str(ours.noise)) == (
        planned.outline.shape, planned.outline.space, str(planned.outline.noise)
    )  # fmt: skip
    assert isinstance(ours, Latents)
    return ours


def converter(path: Path, *, seed: int = 0, into: int = 4, out: int = 4, across: int = 8) -> dict[str, torch.Tensor]:
    """Random tensors of the published interposers' names and shapes, made smaller, written to a file."""
    generator = torch.Generator().manual_seed(seed)

    def conv(name: str, given: int, made: int) -> dict[str, torch.Tensor]:
        weight = torch.randn(made, given, 3, 3, generator=generator) * (0.5 / given)
        return {f"{name}.weight": weight, f"{name}.bias": torch.randn(made, generator=generator) * 0.1}

    def norm(name: str) -> dict[str, torch.Tensor]:
        low = {part: torch.rand(across, generator=generator) + 0.5 for part in ("weight", "running_var")}
        high = {part: torch.randn(across, generator=generator) * 0.1 for part in ("bias", "running_mean")}
        return {f"{name}.{part}": value for part, value in {**low, **high}.items()} | {
            f"{name}.num_batches_tracked": torch.tensor(1)
        }

    tensors = conv("head.short", into, across) | conv("head.long.0", into, across)
    for part in ("head.long.2", "head.long.4", *(f"core.{n}.long.{c}" for n in (1, 2) for c in (0, 2, 4))):
        tensors |= conv(part, across, across)
    for part in ("core.1.norm", "core.2.norm", "core.3"):
        tensors |= norm(part)
    tensors |= conv("tail", across, out)
    save_file(tensors, path)
    return tensors


def by_hand(tensors: dict[str, torch.Tensor], raw: torch.Tensor) -> torch.Tensor:
    """The published network, written out once more."""

    def conv(name: str, values: torch.Tensor) -> torch.Tensor:
        return F.conv2d(values, tensors[f"{name}.weight"], tensors[f"{name}.bias"], padding=1)

    def long(name: str, values: torch.Tensor) -> torch.Tensor:
        return conv(f"{name}.4", F.silu(conv(f"{name}.2", F.silu(conv(f"{name}.0", values)))))

    def norm(name: str, values: torch.Tensor) -> torch.Tensor:
        part = {key: tensors[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")}
        return F.batch_norm(values, *part.values())

    values = F.relu(long("head.long", raw) + conv("head.short", raw))
    for block in ("core.1", "core.2"):
        values = norm(f"{block}.norm", values)
        values = F.relu(long(f"{block}.long", values) + values)
    return conv("tail", F.silu(norm("core.3", values)))


def test_latents_are_changed_after_the_steps_and_no_step_runs_again(half: Desk, tmp_path: Path) -> None:
    script = f"<sd15> {RUN} --latents-post-processors 'scale;factor=0.5;clamp-max=0.6' 'scale;normalize=true'"
    ours = made(half, f"{script} --image-format safetensors --output-path {tmp_path}/out")
    wanted = (half["clean"].tensor * 0.5).clamp(max=0.6)
    assert torch.equal(ours.tensor, wanted / wanted.std())
    assert any("no model evaluation" in line for line in half.notes.lines)
    (file,) = (tmp_path / "out").iterdir()
    assert torch.equal(Latents.load(file).tensor, ours.tensor)
    assert "--latents-post-processors" in ours.provenance.cell
    assert "--latents-post-processors" in half.session.cell(ours)
    assert "--latents-post-processors" not in half.session.cell(half["clean"])


def test_each_latents_have_a_chain_of_their_own(half: Desk) -> None:
    half.run(f"<sd15> {RUN.replace('--seeds 3', '--seeds 4')} --denoising-end 0.5 --into other")
    half.session.names["half"] = half["other"].replace(tensor=half["other"].tensor * 0.5)
    both = REST.format("base, other")
    ours = made(half, f"{both} --latents-processors + 'scale;factor=0.5'")
    theirs = made(half, REST.format("base, half"))
    assert torch.equal(ours.tensor, theirs.tensor)
    (planned,) = half.plan(f"{both} --latents-processors 'scale;factor=0.5'").stages
    assert any("change 1 of 2 latents" in note for note in planned.notes)


def test_latents_are_changed_before_they_become_a_picture(half: Desk) -> None:
    half.session.names["little"] = half["clean"].replace(tensor=half["clean"].tensor * 0.5)
    run = RUN.replace("--seeds 3", "--seeds 5")
    theirs = made(half, f"<sd15> {run} --image-seeds little")
    ours = made(half, f"<sd15> {run} --image-seeds clean --img2img-latents-processors 'scale;factor=0.5'")
    assert torch.equal(ours.tensor, theirs.tensor)
    again = half.run(f"<sd15> {run} --image-seeds clean --img2img-latents-processors 'scale;factor=0.5'")
    assert again.model_evaluations == 0
    noisy = f"<sd15> {run} --image-seeds clean --img2img-latents-processors 'noise;sigma=0.5;seed=1'"
    half.session.names["noisy"] = Latents(add_noise(half["clean"], 0.5, seed=1).tensor, half["clean"].space)
    assert torch.equal(made(half, noisy).tensor, made(half, f"<sd15> {run} --image-seeds noisy").tensor)


@pytest.mark.parametrize("clean", [True, False])
def test_composite_pastes_at_the_level_of_the_latents(half: Desk, clean: bool) -> None:
    half.run(f"<sd15> {RUN.replace('--seeds 3', '--seeds 4')} {'' if clean else '--denoising-end 0.5'} --into other")
    base, other = half["base"], half["other"]
    other = add_noise(other, base.noise.sigma, seed=base.provenance.seed) if clean else other
    half.session.names["mixed"] = paste(base, other, (32, 0), feather=16, seed=base.provenance.seed)
    ours = made(half, REST.format("base") + " --latents-processors 'composite;with=other;at=32x0;feather=16'")
    assert torch.equal(ours.tensor, made(half, REST.format("mixed")).tensor)
    cell = half.session.cell(ours)
    assert "composite;with=other;at=32x0;feather=16" in cell
    assert cell.index("--into other") < cell.index("composite")


def test_composite_after_the_steps(half: Desk) -> None:
    script = f"<sd15> {RUN} --latents-post-processors 'composite;with=clean;at=0x32'"
    ours = made(half, script)
    assert torch.equal(ours.tensor, paste(half["clean"], half["clean"], (0, 32), seed=3).tensor)


@pytest.mark.parametrize(("source", "target"), [("v1", "xl"), ("v1", "v3")])
def test_the_interposer_is_the_published_network(half: Desk, tmp_path: Path, source: str, target: str) -> None:
    file = tmp_path / "net.safetensors"
    tensors = converter(file, out=4 if target == "xl" else 16)
    clean = half["clean"].replace(space="sd")
    half.session.names["sd"] = clean
    script = f"<sd15> {RUN} --latents-post-processors 'interposer;source={source};target={target};model={file}'"
    ours = made(half, script)
    scale, shift = (0.13025, 0.0) if target == "xl" else (1.5305, 0.0609)
    wanted = (by_hand(tensors, half["clean"].tensor / 0.18215) - shift) * scale
    torch.testing.assert_close(ours.tensor, wanted)
    assert ours.space is not None
    assert ours.space.name == {"xl": "SDXL", "v3": "SD3"}[target]


def test_no_path_of_this_machine_is_in_the_cell(half: Desk, tmp_path: Path) -> None:
    converter(tmp_path / "net.safetensors")
    link = f"interposer;source=v1;target=xl;model={tmp_path}/net.safetensors"
    cell = half.session.cell(made(half, f"<sd15> {RUN} --latents-post-processors '{link}'"))
    assert "model=net.safetensors" in cell
    assert f"{tmp_path}/net" not in cell


def test_converted_latents_become_a_picture_of_the_other_model(half: Desk, tmp_path: Path) -> None:
    file = tmp_path / "net.safetensors"
    converter(file)
    link = f"interposer;source=v1;target=xl;model={file}"
    half.run(f"<sd15> {RUN} --latents-post-processors '{link}' --into across")
    theirs = made(half, f"<sdxl> {RUN} --image-seeds across")
    ours = made(half, f"<sdxl> {RUN} --image-seeds clean --img2img-latents-processors '{link}'")
    assert torch.equal(ours.tensor, theirs.tensor)
    again = f"<sdxl> {RUN} --image-seeds clean --img2img-latents-processors '{link}'"
    assert half.run(again).model_evaluations == 0
    assert half.plan(again).model_evaluations == 0
    converter(file, seed=1)
    assert half.run(again).model_evaluations > 0  # the file's digest is in the stage


def test_noisy_latents_cross_by_the_interposer_at_their_level(half: Desk, tmp_path: Path) -> None:
    file = tmp_path / "net.safetensors"
    converter(file)
    rest = REST.replace("<sd15>", "<sdxl>").format("base")
    ours = made(half, f"{rest} --latents-processors 'interposer;source=v1;target=xl;model={file}'")
    assert ours.is_clean
    script = f"{rest} --latents-processors 'interposer;source=v1;target=xl;model={file}'"
    (planned,) = half.plan(script).stages
    assert "interposer" in planned.verdict
    assert half.run(script).model_evaluations == 0
    converter(file, seed=1)
    assert half.run(script).model_evaluations > 0


def test_pictures_are_changed_after_the_steps(half: Desk, tmp_path: Path) -> None:
    from PIL import Image

    run = half.run(f"<sd15> {RUN} --post-processors mirror 'resize;size=32' --output-path {tmp_path}/out --into ours")
    plain = half.run(f"<sd15> {RUN}")
    (picture,), (before,) = run.results[-1].images, plain.results[-1].images
    assert picture.size == (32, 32)
    wanted = ImageOps.mirror(before).resize((32, 32), Image.Resampling.LANCZOS)
    assert picture.tobytes() == wanted.tobytes()
    (file,) = (tmp_path / "out").iterdir()
    assert Image.open(file).tobytes() == wanted.tobytes()
    assert torch.equal(half["ours"].tensor, half["clean"].tensor)
    assert "--post-processors mirror" in half.session.cell(half["ours"])


REFUSED = {
    "an unknown place": ("--latents-post-processors 'composite;with=clean;at=64'", "is no place", "64"),
    "nothing to paste": ("--latents-post-processors composite", "needs with", "composite"),
    "no variable": ("--latents-post-processors 'composite;with=nobody'", "no variable 'nobody'", None),
    "the same space": ("--latents-post-processors 'interposer;source=v1;target=v1'", "are the same", None),
    "no such target": ("--latents-post-processors 'interposer;source=v1;target=fx'", "no target of the int", "fx"),
    "stable cascade": ("--latents-post-processors 'interposer;source=ca;target=xl'", "Stable Cascade", "ca"),
    "the wrong channels": (
        "--latents-post-processors 'interposer;source=v3;target=xl;model={}'", "no converter of 16 channels", None,
    ),
    "the wrong source": (
        "--latents-post-processors 'interposer;source=xl;target=v1;model={}'", "give another source", None,
    ),
    "no file": ("--latents-post-processors 'interposer;source=v1;target=xl;model=no.safetensors'", "no.safe", None),
    "an upscaler at the end": ("--latents-post-processors 'upscaler;model=x/y'", "", None),
    "pictures": ("--latents-post-processors 'scale;factor=2' --output-path out", "pictures are written", None),
    "two chains": ("--latents-post-processors 'scale;factor=2' + 'scale;factor=3'", "for 2 latents", None),
    "no latents": ("--image-seeds photo --img2img-latents-processors 'scale;factor=2'", "there are none", None),
    "several pictures": ("--post-processors mirror + flip", "One chain", "+"),
}  # fmt: skip


@pytest.mark.kept_models(False)
@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_meant_is_refused_before_anything_loads(desk: Desk, tmp_path: Path, case: str) -> None:
    from tests.engine.cases import picture

    options, says, word = REFUSED[case]
    file = tmp_path / "net.safetensors"
    converter(file)
    desk.session.names["photo"] = picture(64)
    script = f"<sd15> {RUN} {options.format(file)}"
    with pytest.raises(JupyterLatentsError) as refused:
        desk.run(script)
    assert says in refused.value.message
    assert not desk.session.holdings()
    place = refused.value.place
    assert place is not None
    if word:
        assert place.text[place.column - 1 : place.column - 1 + place.length].strip("'") == word


def test_settings_that_change_nothing_are_told(half: Desk) -> None:
    half.run(f"<sd15> {RUN} --latents-post-processors 'scale;factor=0.5;device=cuda'")
    assert any("device= changes nothing" in line for line in half.notes.lines)
    names = itertools.chain.from_iterable(line.split() for line in half.notes.lines)
    assert "--latents-post-processors" not in list(names)
