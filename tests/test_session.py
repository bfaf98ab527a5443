"""A session: names, files, what it knows of latents, stopping and queueing, pictures in and out."""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from jupyter_latents.engine.observer import Look, Silent, StepEvent
from jupyter_latents.errors import JupyterLatentsError, NameNotFoundError, RunError, SettingError
from jupyter_latents.latents import Latents
from jupyter_latents.session import Session, Task
from jupyter_latents.session.runs.run import Run
from jupyter_latents.syntax import Script
from tests.session.conftest import keeper, process_of  # noqa: F401
from tests.tiny.fixtures import one_thread, tiny  # noqa: F401

pytestmark = pytest.mark.kept_models

SECONDS = 120
STEPS = "--inference-steps 10 --output-size 64"


class Watch(Silent):
    """Keeps what a run says, and calls back after each step."""

    def __init__(self, after: Callable[[StepEvent], None] = lambda event: None) -> None:
        self.notes: list[str] = []
        self.steps: list[int] = []
        self.stages: list[str] = []
        self.after = after

    def stage(self, index: int, stage: Any, name: str) -> None:
        self.stages.append(name)

    def step(self, event: StepEvent, look: Look) -> None:
        self.steps.append(event.step)
        self.after(event)

    def note(self, text: str, *, warning: bool = False) -> None:
        self.notes.append(text)


def forget(session: Session) -> None:
    """Takes all results out of a session's memory, so that the next run computes."""
    session.memo._kept.clear()


@dataclass
class Kernel:
    """A session, with ``<sd15>`` and the like standing for the folders of tiny models."""

    models: Callable[[str], Path]
    session: Session = field(default_factory=Session)

    def start(self, text: str, watch: Watch | None = None) -> Run:
        for name in ("sd15", "sdxl", "sd3"):
            if f"<{name}>" in text:
                text = text.replace(f"<{name}>", str(self.models(name)))
        return self.session.start(Task(Script(text, first_line=2)), watch or Watch())

    def run(self, text: str, watch: Watch | None = None) -> Run:
        """Runs a script to its end and raises what it failed with."""
        run = self.start(text, watch)
        assert run.wait(SECONDS)
        if run.error is not None:
            raise run.error
        return run

    def fails(self, text: str) -> JupyterLatentsError:
        run = self.start(text)
        assert run.wait(SECONDS)
        assert isinstance(run.error, JupyterLatentsError)
        return run.error

    def whole(self, options: str = "--seeds 7") -> Latents:
        """The unsplit run, with nothing remembered before or after it."""
        forget(self.session)
        self.run(f"<sd15>\n--prompts cat {STEPS} {options} --into whole")
        forget(self.session)
        return self["whole"]

    def __getitem__(self, name: str) -> Any:
        return self.session.names[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.session.names[name] = value


@pytest.fixture
def kernel(
    tiny: Callable[[str], Path],  # noqa: F811
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Kernel:
    """A fresh session, as the first of its process, in an empty working directory."""
    monkeypatch.setattr("jupyter_latents.session.session.PROCESS", process_of(request))
    monkeypatch.chdir(tmp_path)
    return Kernel(tiny)


def same(first: Latents, second: Latents) -> bool:
    return torch.equal(first.tensor, second.tensor)


# Names


def test_a_result_is_bound_in_the_kernel(kernel: Kernel) -> None:
    run = kernel.run(f"<sd15>\n--prompts cat {STEPS} --seeds 7 --denoising-end 0.5 --into base")
    base = kernel["base"]
    assert isinstance(base, Latents)
    assert base is run.result
    assert base.shape == (1, 4, 8, 8)
    assert base.provenance.prompt == "cat"
    assert base.provenance.seed == 7
    assert run.state == "done"


def test_without_into_nothing_is_bound(kernel: Kernel) -> None:
    run = kernel.run(f"<sd15>\n--prompts cat {STEPS} --seeds 7")
    assert not [name for name in kernel.session.names if not name.startswith("_")]
    assert run.result is not None
    assert run.result.is_clean


def test_several_seeds_bind_a_sequence_each_as_if_run_alone(kernel: Kernel) -> None:
    kernel.run(f"<sd15>\n--prompts cat {STEPS} --seeds 3 4 5 --into many")
    many = kernel["many"]
    assert [latents.provenance.seed for latents in many] == [3, 4, 5]
    for latents in many:
        assert same(latents, kernel.whole(f"--seeds {latents.provenance.seed}"))


def test_options_ending_in_s_multiply(kernel: Kernel) -> None:
    kernel.run(f"<sd15>\n--prompts cat dog {STEPS} --seeds 3 4 --into grid")
    assert {(one.provenance.prompt, one.provenance.seed) for one in kernel["grid"]} == {
        ("cat", 3),
        ("cat", 4),
        ("dog", 3),
        ("dog", 4),
    }


def test_a_list_of_latents_hands_over_as_a_batch(kernel: Kernel) -> None:
    kernel.run(f"<sd15>\n--prompts cat {STEPS} --seeds 3 4 --denoising-end 0.5 --into many")
    kernel["listed"] = list(kernel["many"])
    kernel.run(f'<sd15>\n--prompts cat {STEPS} --image-seeds "latents: listed" --into last')
    assert kernel["last"].shape[0] == 2


def test_a_sequence_of_latents_hands_over_one_by_one(kernel: Kernel) -> None:
    kernel.run(f"<sd15>\n--prompts cat {STEPS} --seeds 7 8 --denoising-end 0.5 --into many")
    kernel.run(f'<sd15>\n--prompts cat {STEPS} --image-seeds "latents: many" --into last')
    assert len(kernel["last"]) == 2
    assert same(kernel["last"][0], kernel.whole())


def test_one_of_a_sequence_is_named_by_its_index(kernel: Kernel) -> None:
    kernel.run(f"<sd15>\n--prompts cat {STEPS} --seeds 7 8 --denoising-end 0.5 --into many")
    kernel.run(f'<sd15>\n--prompts cat {STEPS} --image-seeds "latents: many[0]" --into last')
    assert same(kernel["last"], kernel.whole())
    with pytest.raises(NameNotFoundError, match=r"many holds 2; use many\[0\] to many\[1\]"):
        kernel.run(f'<sd15>\n--prompts cat {STEPS} --image-seeds "latents: many[7]"')


# last_images, and tensors that have lost their facts


SPLIT = """
<sd15>
--prompts cat {steps} --seeds 7 --denoising-end 0.5 {first}

<sd15>
--prompts cat {steps} --image-seeds "latents: {{{{ quote(last_images) }}}}" --denoising-start 0.5 --into final
"""


@pytest.mark.parametrize(
    "first",
    [
        "",
        "--image-format safetensors --output-path out",
        "--image-format pt --output-path out",
        "--image-format pth --output-path 'a folder, with; signs'",
    ],
)
def test_last_images_hand_over_exactly_with_and_without_files(kernel: Kernel, first: str) -> None:
    """A ``.pt`` holds a bare tensor: its facts come back by its digest."""
    whole = kernel.whole()
    kernel.run(SPLIT.format(steps=STEPS, first=first))
    assert same(kernel["final"], whole)
    written = [path for path in Path().rglob("*") if path.is_file()]
    assert len(written) == (1 if first else 0)


DDIM = f"{STEPS} --scheduler DDIMScheduler"  # it has no history to lose


def test_a_comfyui_file_hands_over_with_its_scale_and_form(kernel: Kernel) -> None:
    """A ``.latent`` holds raw VAE values with signal coefficient 1; ours adds the facts."""
    whole = kernel.whole("--seeds 7 --scheduler DDIMScheduler")
    kernel.run(SPLIT.format(steps=DDIM, first="--image-format latent --output-path out"))
    assert torch.allclose(kernel["final"].tensor, whole.tensor, atol=1e-3, rtol=1e-3)


def test_a_comfyui_file_of_elsewhere_hands_over_with_its_scale_and_form(kernel: Kernel) -> None:
    """ComfyUI's own file: raw values (divided by the VAE's scale), signal coefficient 1, no sigma and no space."""
    whole = kernel.whole("--seeds 7 --scheduler DDIMScheduler")
    kernel.run(f"<sd15>\n--prompts cat {DDIM} --seeds 7 --denoising-end 0.5 --into base")
    base = kernel["base"]
    raw = base.tensor * math.sqrt(1 + base.noise.sigma**2) / 0.18215
    save_file({"latent_tensor": raw, "latent_format_version_0": torch.zeros(0)}, "theirs.latent")
    kernel.run(
        f'<sd15>\n--prompts cat {DDIM} --image-seeds "latents: ./theirs.latent" --denoising-start 0.5 --into final'
    )
    assert torch.allclose(kernel["final"].tensor, whole.tensor, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    "bare",
    [lambda latents: latents.tensor.clone(), lambda latents: latents.tensor.numpy().copy()],
    ids=["torch", "numpy"],
)
def test_a_bare_tensor_of_this_session_has_its_history_back(kernel: Kernel, bare: Callable[[Latents], Any]) -> None:
    whole = kernel.whole()
    kernel.run(f"<sd15>\n--prompts cat {STEPS} --seeds 7 --denoising-end 0.5 --into base")
    kernel["tensor"] = bare(kernel["base"])
    kernel.run(f'<sd15>\n--prompts cat {STEPS} --image-seeds "latents: tensor" --into final')
    assert same(kernel["final"], whole)


def test_a_bare_tensor_of_elsewhere_needs_its_place_and_starts_without_history(
    kernel: Kernel,
    tiny: Callable[[str], Path],  # noqa: F811
) -> None:
    kernel.run(f"<sd15>\n--prompts cat {STEPS} --seeds 7 --denoising-end 0.5 --into base")
    other = Kernel(tiny)
    other["tensor"] = kernel["base"].tensor.clone()
    error = other.fails(f'<sd15>\n--prompts cat {STEPS} --image-seeds "latents: tensor"')
    assert "noise level of these latents is not known" in error.message
    watch = Watch()
    other.run(
        f'<sd15>\n--prompts cat {STEPS} --image-seeds "latents: tensor" --denoising-start 0.5 --seeds 7 --into x', watch
    )
    assert any("noise level not known" in note for note in watch.notes)
    assert other["x"].is_clean


# Stopping, pausing, queueing


def test_a_stopped_run_binds_what_there_is_and_it_continues_exactly(kernel: Kernel) -> None:
    whole = kernel.whole()
    started: list[Run] = []
    ready = threading.Event()

    def after(event: StepEvent) -> None:
        ready.wait(SECONDS)
        if event.step == 4:
            started[0].stop()

    started.append(kernel.start(f"<sd15>\n--prompts cat {STEPS} --seeds 7 --into part", Watch(after)))
    ready.set()
    assert started[0].wait(SECONDS)
    assert started[0].state == "stopped"
    assert kernel["part"].position.step == 4
    assert kernel["part"].resume is not None
    forget(kernel.session)
    kernel.run(f'<sd15>\n--prompts cat {STEPS} --image-seeds "latents: part" --into final')
    assert same(kernel["final"], whole)


def test_a_stop_in_the_first_stage_leaves_out_the_second(kernel: Kernel) -> None:
    watch = Watch(lambda event: kernel.session.executor.waiting[0].stop())
    text = (
        f"<sd15>\n--prompts cat {STEPS} --seeds 7 --into first\n\n<sd15>\n--prompts cat {STEPS} --seeds 8 --into second"
    )
    run = kernel.start(text, watch)
    assert run.wait(SECONDS)
    assert watch.stages == ["first"]
    assert kernel["first"].position.step == 1
    assert "second" not in kernel.session.names


def test_a_paused_run_waits_at_a_whole_step_and_goes_on_unchanged(kernel: Kernel) -> None:
    whole = kernel.whole()
    reached = threading.Event()

    def after(event: StepEvent) -> None:
        if event.step == 3:
            kernel.session.executor.waiting[0].pause()
            reached.set()

    watch = Watch(after)
    run = kernel.start(f"<sd15>\n--prompts cat {STEPS} --seeds 7 --into slow", watch)
    assert reached.wait(SECONDS)
    assert not run.wait(0.3)
    assert run.state == "paused"
    assert watch.steps[-1] == 3
    run.resume()
    assert run.wait(SECONDS)
    assert run.state == "done"
    assert run.held > 0
    assert same(kernel["slow"], whole)


def test_a_second_run_waits_for_the_first_and_may_use_what_it_makes(kernel: Kernel) -> None:
    whole = kernel.whole()
    gate = threading.Event()
    first = kernel.start(
        f"<sd15>\n--prompts cat {STEPS} --seeds 7 --denoising-end 0.5 --into base",
        Watch(lambda event: gate.wait(SECONDS)),
    )
    second = kernel.start(f'<sd15>\n--prompts cat {STEPS} --image-seeds "latents: base" --into final')
    assert second.state == "queued"
    gate.set()
    assert first.wait(SECONDS)
    assert second.wait(SECONDS)
    assert (first.state, second.state) == ("done", "done")
    assert same(kernel["final"], whole)


def test_a_queued_run_that_is_stopped_never_begins(kernel: Kernel) -> None:
    gate = threading.Event()
    first = kernel.start(f"<sd15>\n--prompts cat {STEPS} --seeds 7", Watch(lambda event: gate.wait(SECONDS)))
    watch = Watch()
    second = kernel.start(f"<sd15>\n--prompts cat {STEPS} --seeds 8 --into never", watch)
    second.stop()
    gate.set()
    assert first.wait(SECONDS)
    assert second.wait(SECONDS)
    assert not watch.stages
    assert "never" not in kernel.session.names


def test_a_run_cannot_wait_for_a_run_that_it_starts_itself(kernel: Kernel) -> None:
    caught: list[Exception] = []

    def after(event: StepEvent) -> None:
        try:
            kernel.start("<sd15>\n--prompts cat")
        except SettingError as error:
            caught.append(error)

    kernel.run(f"<sd15>\n--prompts cat {STEPS} --seeds 7", Watch(after))
    assert caught


# Failures


@pytest.mark.parametrize("name", ["nobody", "./nothing.png", "./damaged.png"])
def test_an_input_that_is_not_there_keeps_the_whole_script_from_running(kernel: Kernel, name: str) -> None:
    Path("damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    run = kernel.start(
        f"<sd15>\n--prompts cat {STEPS} --seeds 7 --denoising-end 0.5 --into base\n\n"
        f"<sd15>\n--prompts cat {STEPS} --image-seeds {name} --into final"
    )
    assert run.wait(SECONDS)
    assert run.state == "failed"
    assert isinstance(run.error, NameNotFoundError)
    assert run.error.place.line == 6
    assert not run.results
    assert not {"base", "final"} & set(kernel.session.names)


def test_an_error_in_the_second_stage_keeps_the_first(kernel: Kernel) -> None:
    """A file may be one that the first stage writes."""
    run = kernel.start(
        f"<sd15>\n--prompts cat {STEPS} --seeds 7 --denoising-end 0.5 --into base --output-path out\n\n"
        f'<sd15>\n--prompts cat {STEPS} --image-seeds "latents: out/another.pt" --into final'
    )
    assert run.wait(SECONDS)
    assert run.state == "failed"
    assert isinstance(run.error, NameNotFoundError)
    assert run.error.place.line == 6
    assert kernel["base"].position.step == len(run.results[0].latents.trajectory)
    assert "final" not in kernel.session.names


def test_a_failure_in_mid_run_keeps_its_steps_and_they_continue_exactly(kernel: Kernel) -> None:
    whole = kernel.whole()

    def after(event: StepEvent) -> None:
        if event.step == 4:
            raise RuntimeError("the lamp went out")

    run = kernel.start(f"<sd15>\n--prompts cat {STEPS} --seeds 7 --into part", Watch(after))
    assert run.wait(SECONDS)
    assert isinstance(run.error, RunError)
    assert "the lamp went out" in run.error.message
    assert kernel["part"].position.step in (3, 4)
    forget(kernel.session)
    kernel.run(f'<sd15>\n--prompts cat {STEPS} --image-seeds "latents: part" --into final')
    assert same(kernel["final"], whole)


def test_the_session_goes_on_after_a_failure(kernel: Kernel) -> None:
    kernel.fails(f"<sd15>\n--prompts cat {STEPS} --image-seeds nobody")
    kernel.run(f"<sd15>\n--prompts cat {STEPS} --seeds 7 --into fine")
    assert kernel["fine"].is_clean


# Files


def test_files_are_named_after_their_stage_and_never_overwritten(kernel: Kernel) -> None:
    text = f"<sd15>\n--prompts cat {STEPS} --seeds 7 --guidance-scales 4 --output-path out"
    for _ in range(3):
        kernel.run(text)
    names = sorted(path.name for path in Path("out").iterdir())
    assert names == [
        "s_7_sd15_st_10_g_4.png",
        "s_7_sd15_st_10_g_4_2.png",
        "s_7_sd15_st_10_g_4_3.png",
    ]
    kernel.run(f"{text} --output-overwrite")
    assert sorted(path.name for path in Path("out").iterdir()) == names


def test_a_run_never_overwrites_its_own_files(kernel: Kernel) -> None:
    """Two stages of one cell, and two prompts of one, have one name; the second took the first one's place."""
    line = f"--prompts cat dog {STEPS} --seeds 7 --output-path out --output-overwrite"
    text = f"<sd15>\n{line}\n\n<sd15>\n{line.replace('cat dog', 'boat')}"
    kernel.run(text)
    files = sorted(Path("out").iterdir())
    assert [file.name.removeprefix("s_7_sd15_st_10_g_5") for file in files] == [".png", "_2.png", "_3.png"]
    assert len({file.read_bytes() for file in files}) == 3
    before = [file.stat().st_ino for file in files]
    kernel.run(text)
    assert sorted(Path("out").iterdir()) == files
    assert all(file.stat().st_ino != inode for file, inode in zip(files, before, strict=True)), "an earlier run's"


def test_a_prefix_and_a_window_show_in_the_name(kernel: Kernel) -> None:
    kernel.run(f"<sd15>\n--prompts cat {STEPS} --seeds 7 --denoising-end 0.5 --output-path out --output-prefix trial")
    assert [path.name for path in Path("out").iterdir()] == ["trial_s_7_sd15_st_10_g_5_0-0.5.png"]


def test_each_picture_of_a_batch_has_its_file(kernel: Kernel) -> None:
    kernel.run(f"<sd15>\n--prompts cat {STEPS} --seeds 7 --batch-size 2 --output-path out --into two")
    files = sorted(Path("out").iterdir())
    assert len(files) == 2
    for file, picture in zip(files, kernel.session.decode(kernel["two"]), strict=True):
        assert np.array_equal(np.asarray(Image.open(file)), np.asarray(picture))


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_picture_formats_are_written(kernel: Kernel, ending: str) -> None:
    kernel.run(f"<sd15>\n--prompts cat {STEPS} --seeds 7 --output-path out --image-format {ending}")
    (file,) = Path("out").iterdir()
    with Image.open(file) as picture:
        assert picture.size == (64, 64)
        assert picture.format == {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}[ending]


def test_a_partial_stage_writes_the_picture_of_its_clean_estimate(kernel: Kernel) -> None:
    kernel.run(f"<sd15>\n--prompts cat {STEPS} --seeds 7 --denoising-end 0.5 --output-path out --into base")
    (file,) = Path("out").iterdir()
    base = kernel["base"]
    clean = base.replace(tensor=base.denoised, denoised=None)
    assert np.array_equal(np.asarray(Image.open(file)), np.asarray(kernel.session.decode(clean)[0]))


def test_a_safetensors_file_is_read_back_bit_equal(kernel: Kernel) -> None:
    written = "--image-format safetensors --output-path out"
    kernel.run(f"<sd15>\n--prompts cat {STEPS} --seeds 7 --denoising-end 0.5 {written} --into base")
    (file,) = Path("out").iterdir()
    loaded = Latents.load(file)
    assert same(loaded, kernel["base"])
    assert (loaded.noise, loaded.position, loaded.provenance) == (
        kernel["base"].noise,
        kernel["base"].position,
        kernel["base"].provenance,
    )


# Pictures and latents in the image position


def test_latents_in_the_image_position_are_decoded_by_their_own_vae(kernel: Kernel) -> None:
    """SDXL latents into SD: the receiver's VAE would give another picture."""
    kernel.run(f"<sdxl>\n--prompts cat {STEPS} --seeds 7 --into other")
    kernel["picture"] = kernel.session.decode(kernel["other"])[0]
    kernel.run(f"<sd15>\n--prompts cat {STEPS} --seeds 9 --image-seeds other --into ours")
    kernel.run(f"<sd15>\n--prompts cat {STEPS} --seeds 9 --image-seeds picture --into expected")
    assert same(kernel["ours"], kernel["expected"])


def test_a_latents_file_in_the_image_position_is_decoded(kernel: Kernel) -> None:
    kernel.run(f"<sd15>\n--prompts cat {STEPS} --seeds 7 --into base")
    kernel["base"].save("base.safetensors")
    kernel["picture"] = kernel.session.decode(kernel["base"])[0]
    kernel.run(f"<sd15>\n--prompts cat {STEPS} --seeds 9 --image-seeds ./base.safetensors --into ours")
    kernel.run(f"<sd15>\n--prompts cat {STEPS} --seeds 9 --image-seeds picture --into expected")
    assert same(kernel["ours"], kernel["expected"])


def test_a_bare_tensor_in_the_image_position_is_decoded_by_the_receiving_vae(kernel: Kernel) -> None:
    kernel.run(f"<sd15>\n--prompts cat {STEPS} --seeds 7 --into base")
    other = Kernel(kernel.models)
    other["tensor"] = kernel["base"].tensor.clone()
    other["picture"] = kernel.session.decode(kernel["base"])[0]
    other.run(f"<sd15>\n--prompts cat {STEPS} --seeds 9 --image-seeds tensor --into ours")
    other.run(f"<sd15>\n--prompts cat {STEPS} --seeds 9 --image-seeds picture --into expected")
    assert same(other["ours"], other["expected"])


def test_sdxl_takes_latents_in_the_image_position_undecoded_with_a_start(kernel: Kernel) -> None:
    """Dgenerate's direct form; equal to ``latents:``."""
    kernel.run(f"<sdxl>\n--prompts cat {STEPS} --seeds 7 --denoising-end 0.5 --into base")
    kernel.run(f"<sdxl>\n--prompts cat {STEPS} --image-seeds base --denoising-start 0.5 --into direct")
    forget(kernel.session)
    kernel.run(f'<sdxl>\n--prompts cat {STEPS} --image-seeds "latents: base" --denoising-start 0.5 --into named')
    assert same(kernel["direct"], kernel["named"])


def test_a_mask_of_latents_is_decoded_to_grey(kernel: Kernel) -> None:
    kernel.run(f"<sd15>\n--prompts cat {STEPS} --seeds 7 --into base")
    kernel["photo"] = Image.new("RGB", (64, 64), "teal")
    kernel["grey"] = kernel.session.decode(kernel["base"])[0].convert("L")
    kernel["base"].save("mask.safetensors")
    for name, mask in (("ours", "base"), ("file", "mask.safetensors"), ("expected", "grey")):
        kernel.run(f'<sd15>\n--prompts cat {STEPS} --seeds 9 --image-seeds "photo;mask={mask}" --into {name}')
    assert same(kernel["ours"], kernel["expected"])
    assert same(kernel["file"], kernel["expected"])


def test_an_image_with_a_mask_and_latents_equals_the_unsplit_run(kernel: Kernel) -> None:
    kernel["photo"] = Image.effect_noise((64, 64), 80).convert("RGB")
    kernel["half"] = Image.fromarray(((np.indices((64, 64))[0] >= 32) * 255).astype(np.uint8))
    head = f"<sd15>\n--prompts cat {STEPS}"
    strength = "--image-seed-strengths 0.7"
    kernel.run(f'{head} --seeds 7 --image-seeds "photo;mask=half" {strength} --into whole')
    forget(kernel.session)
    kernel.run(f'{head} --seeds 7 --image-seeds "photo;mask=half" {strength} --denoising-end 0.7 --into base')
    kernel.run(f'{head} --image-seeds "photo;mask=half;latents=base" --denoising-start 0.7 --into final')
    assert same(kernel["final"], kernel["whole"])


@pytest.mark.parametrize(
    ("seed", "size"),
    [
        ("photo", (96, 64)),
        ('"photo;resize=48x48;aspect=false"', (48, 48)),
        ('"photo;48x48;aspect=false"', (48, 48)),
        ('"photo;resize=48"', (48, 32)),
        ('"photo;resize=100x100;aspect=false"', (96, 96)),
        ('"photo;resize=100x100;aspect=false;align=64"', (64, 64)),
    ],
)
def test_a_picture_sets_the_size_unless_told_otherwise(kernel: Kernel, seed: str, size: tuple[int, int]) -> None:
    kernel["photo"] = Image.new("RGB", (96, 64), "teal")
    run = kernel.run(f"<sd15>\n--prompts cat --inference-steps 4 --seeds 7 --image-seeds {seed} --into out")
    assert kernel["out"].size == size
    assert run.results[0].images[0].size == size


def test_images_and_latents_count_alike(kernel: Kernel) -> None:
    kernel["photo"] = Image.new("RGB", (64, 64), "teal")
    kernel.run(f"<sd15>\n--prompts cat {STEPS} --seeds 7 --denoising-end 0.5 --into base")
    error = kernel.fails(f'<sd15>\n--prompts cat {STEPS} --image-seeds "images: photo, photo;latents=base"')
    assert error.place is not None
    assert "2" in error.message


# What is said


def test_what_libraries_say_of_files_and_versions_is_not_told(kernel: Kernel) -> None:
    watch = Watch()
    kernel.run(f"<sd15>\n--prompts cat {STEPS} --seeds 7 --scheduler KDPM2DiscreteScheduler", watch)
    assert not [note for note in watch.notes if note.startswith(("transformers", "diffusers")) or "libraries" in note]


def test_what_libraries_say_of_the_call_is_told_whole_and_once(kernel: Kernel) -> None:
    many = " ".join(f"cat{number}" for number in range(300))
    said = []
    for seed in (1, 2):
        watch = Watch()
        kernel.run(f'<sd15>\n--prompts "{many} the end" {STEPS} --seeds {seed}', watch)
        said.append([note for note in watch.notes if "truncated" in note])
    (first,), second = said
    assert first.startswith("diffusers: The following part of your input was truncated")
    assert first.endswith("end']")
    assert second == []


def test_a_file_with_damaged_history_goes_on_and_the_run_says_why(
    kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warnings, "filters", [("ignore", None, Warning, None, 0)])  # as many notebooks have it
    kernel.run(f"<sd15>\n--prompts cat {STEPS} --seeds 7 --denoising-end 0.5 --into base")
    file = kernel["base"].save(tmp_path / "base.safetensors")
    tensors, metadata = {}, {}
    with safe_open(file, "pt") as stored:
        metadata = stored.metadata()
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - no mapping
    damaged = next(name for name in tensors if name.startswith("resume.scheduler"))
    save_file({**tensors, damaged: tensors[damaged] + 1}, file, metadata)
    watch = Watch()
    kernel.run(f'<sd15>\n--prompts cat {STEPS} --image-seeds "latents: {file}" --into final', watch)
    assert kernel["final"].is_clean
    assert any("history in the file, which cannot be used (its checksum differs)" in note for note in watch.notes)
    assert any("same schedule, without history" in note for note in watch.notes)


@pytest.mark.kept_models(False)
def test_the_model_is_loaded_once_for_all_cells(kernel: Kernel) -> None:
    kernel.run(f"<sd15>\n--prompts cat {STEPS} --seeds 7")
    loads = kernel.session.engine.cache.loads
    kernel.run(f"<sd15>\n--prompts dog {STEPS} --seeds 8")
    assert kernel.session.engine.cache.loads == loads
