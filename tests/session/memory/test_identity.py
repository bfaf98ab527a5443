"""No stale answers: whatever decides a result, changed alone, makes a stage another one."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from jupyter_latents.engine.libraries import versions
from jupyter_latents.syntax.options.table import OPTIONS
from tests import tiny as tinies
from tests.session.conftest import Desk
from tests.session.memory.test_digest import FIELD_OF
from tests.tiny.store import save_folder

pytestmark = pytest.mark.kept_models

STEPS = 3
SCHEDULER = "--scheduler EulerAncestralDiscreteScheduler"
BASE = f"{{model}} --prompts cat --inference-steps {STEPS} --output-size 64 {SCHEDULER}"
SEEDED = f"{BASE} --seeds 3"
EULER = SEEDED.replace("EulerAncestral", "Euler")
SDXL = SEEDED.replace("{model}", "<sdxl>")
SD3 = f"<sd3> --prompts cat --inference-steps {STEPS} --output-size 64 --seeds 3"
GO_ON = f"{{model}} --prompts cat --inference-steps {STEPS} {SCHEDULER} --image-seeds 'latents: part'"
PHOTO = f"{SEEDED} --image-seeds 'photo' --image-seed-strengths 1"
CONTROLLED = f"{SEEDED} --control-nets '{{control}}' --image-seeds 'photo;control=edges'"
ADAPTED = f"{SEEDED} --ip-adapters '{{adapter}}' --image-seeds 'adapter: photo'"
SKETCHED = (
    "{sketched} --prompts cat --inference-steps 4 --output-size 64 --seeds 3 --t2i-adapters '{sketch}' "
    "--image-seeds 'control: edges'"
)

# Option to a script and the same with that option changed alone. The stage must run again as a whole.
CHANGED: dict[str, tuple[str, str]] = {
    "variant": (SEEDED, f"{SEEDED} --variant fp16"),
    "subfolder": (SEEDED.replace("{model}", "{above}/one"), SEEDED.replace("{model}", "{above} --subfolder one")),
    "vae": (SEEDED, f"{SEEDED} --vae '{{other}}/vae'"),
    "textual_inversions": (SEEDED, f"{SEEDED} --textual-inversions '{{word}};token=cat'"),
    "ip_adapters": (ADAPTED, ADAPTED.replace("{adapter}", "{adapter};scale=0.5")),
    "image_encoder": (ADAPTED, f"{ADAPTED} --image-encoder '{{other}}/eyes'"),
    "unet": (SEEDED, f"{SEEDED} --unet '{{other}}/unet'"),
    "transformer": (SD3, f"{SD3} --transformer '{{third}}'"),
    "max_sequence_length": (SD3, f"{SD3} --max-sequence-length 16"),
    "text_encoders": (SEEDED, f"{SEEDED} --text-encoders '{{other}}/text_encoder'"),
    "t2i_adapters": (SKETCHED, SKETCHED.replace("{sketch}", "{sketch};scale=0.5")),
    "pag": (SEEDED, f"{SEEDED} --pag"),
    "pag_scales": (f"{SEEDED} --pag", f"{SEEDED} --pag-scales 2"),
    "pag_adaptive_scales": (f"{SEEDED} --pag", f"{SEEDED} --pag --pag-adaptive-scales 0.001"),
    "loras": (SEEDED, f"{SEEDED} --loras '{{lora}}'"),
    "control_nets": (CONTROLLED, CONTROLLED.replace("{control}", "{control};scale=0.5")),
    "optimize": (SEEDED, f"{SEEDED} --optimize channels-last"),
    "schedulers": (SEEDED, SEEDED.replace("Scheduler --", "Scheduler;timestep-spacing=trailing --")),
    "denoising_start": (GO_ON, f"{GO_ON} --denoising-start 0.4"),
    "gen_seeds": (f"{BASE} --gen-seeds 1", f"{BASE} --gen-seeds 1"),
    "image_seeds": (PHOTO, PHOTO.replace("photo", "edges")),
    "latents_processors": (GO_ON, f"{GO_ON} --latents-processors 'noise;sigma=0.1;seed=1'"),
    "img2img_latents_processors": (
        PHOTO.replace("photo", "part"),
        f"{PHOTO.replace('photo', 'part')} --img2img-latents-processors 'scale;factor=0.5'",
    ),
    "seed_image_processors": (PHOTO, f"{PHOTO} --seed-image-processors mirror"),
    "mask_image_processors": (
        PHOTO.replace("photo", "photo;mask=edges"),
        f"{PHOTO.replace('photo', 'photo;mask=edges')} --mask-image-processors invert",
    ),
    "control_image_processors": (CONTROLLED, f"{CONTROLLED} --control-image-processors mirror"),
    "seeds": (SEEDED, SEEDED.replace("--seeds 3", "--seeds 4")),
}
# Options that change where a result goes, not what it is: they are answered from memory.
ALIKE = {
    "output_path": f"{SEEDED} --output-path '{{above}}'",
    "output_prefix": f"{SEEDED} --output-prefix a",
    "output_overwrite": f"{SEEDED} --output-overwrite",
    "output_configs": f"{SEEDED} --output-path '{{above}}' --output-configs",
    "output_metadata": f"{SEEDED} --output-path '{{above}}' --output-metadata",
    "batch_grid_size": f"{SEEDED} --output-path '{{above}}' --batch-grid-size 2x1",
    "into": f"{SEEDED} --into other",
    "post_processors": f"{SEEDED} --post-processors mirror",
}
ELSEWHERE = {
    "seeds_to_images": "pairs seeds with image seeds",
    "image_format": "see output_path",
    "animation_format": "makes a stage of each frame of a film",
    "no_frames": "see output_path",
    "latents_post_processors": "changes what the steps made, which is kept",
    "lora_fuse_scale": "multiplies the scales of loras",
    "no_aspect": "says aspect=false in image seeds",
}


class Place:
    """Models and inputs of a test's own, which it may change; scripts name them in braces."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        self.desk, self.folder, self.names = desk, folder, desk.session.names
        shutil.copytree(desk.models("sd15"), folder / "one")
        self.names["photo"], self.names["edges"] = picture(1), picture(2)

    def __getitem__(self, name: str) -> Path:
        return {"model": self.folder / "one", "above": self.folder}.get(name) or getattr(self, name)

    def run(self, script: str) -> tuple[int, int]:
        """Evaluations run and saved."""
        if "--variant" in script:
            save_folder("sd15", self.folder / "one", variants=(None, "fp16"))
        if "part'" in script and "part" not in self.names:
            self.run(f"{SEEDED} --denoising-end 0.4 --into part")
        run = self.desk.run(script.format_map(self))
        return run.model_evaluations, run.saved_evaluations

    @cached_property
    def other(self) -> Path:
        made = save_folder("sd15", self.folder / "two", seed=1)
        tinies.image_encoder(made / "eyes", seed=2)
        return made

    @cached_property
    def lora(self) -> Path:
        pytest.importorskip("peft")
        return tinies.lora(self.folder / "style.safetensors")

    @cached_property
    def word(self) -> Path:
        return tinies.inversion(self.folder / "word.safetensors")

    @cached_property
    def adapter(self) -> Path:
        return tinies.ip_adapter(self.folder / "adapter", tinies.build("sd15").unet).parent

    @cached_property
    def third(self) -> Path:
        tinies.build("sd3", 1).transformer.save_pretrained(self.folder / "third")
        return self.folder / "third"

    @cached_property
    def sketched(self) -> Path:
        tinies.sketched().save_pretrained(self.folder / "sketched")
        return self.folder / "sketched"

    @cached_property
    def sketch(self) -> Path:
        tinies.t2i_adapter().save_pretrained(self.folder / "sketch")
        return self.folder / "sketch"

    @cached_property
    def control(self) -> Path:
        tinies.controlnet().save_pretrained(self.folder / "control")
        return self.folder / "control"


@pytest.fixture
def place(desk: Desk, tmp_path: Path) -> Place:
    return Place(desk, tmp_path)


def picture(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (64, 64, 3), dtype=np.uint8))


def test_every_option_has_a_row() -> None:
    rows = [*CHANGED, *FIELD_OF, *ALIKE, *ELSEWHERE]
    assert sorted(rows) == sorted(option.dest for option in OPTIONS)


@pytest.mark.parametrize("option", CHANGED)
def test_an_option_changed_alone_makes_another_stage(place: Place, option: str) -> None:
    before, after = CHANGED[option]
    assert place.run(before)[0] > 0
    evaluations, saved = place.run(after)
    assert evaluations > 0
    assert saved == 0


@pytest.mark.parametrize("option", ALIKE)
def test_an_option_that_changes_no_result_is_answered_from_memory(
    place: Place, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place.folder)
    place.run(SEEDED)
    assert place.run(ALIKE[option]) == (0, STEPS)


# What decides a result without a letter of the script being another.


def weights(part: str) -> Callable[[Place], None]:
    """Other weights in the files of a part."""

    def change(place: Place) -> None:
        (file,) = (place.folder / "one" / part).glob("*.safetensors")
        shutil.copy(next((place.other / part).glob("*.safetensors")), file)

    return change


def setting(file: str, **values: object) -> Callable[[Place], None]:
    """Another value in a JSON file of the model."""

    def change(place: Place) -> None:
        path = place.folder / "one" / file
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return change


def vocabulary(place: Place) -> None:
    path = place.folder / "one" / "tokenizer" / "tokenizer.json"
    content = json.loads(path.read_text())
    vocabulary = content["model"]["vocab"]
    one, other = sorted(vocabulary)[-2:]
    vocabulary[one], vocabulary[other] = vocabulary[other], vocabulary[one]
    path.write_text(json.dumps(content))


def lora_file(place: Place) -> None:
    tinies.lora(place.lora, seed=1)


def word_file(place: Place) -> None:
    tinies.inversion(place.word, seed=1)


def adapter_file(place: Place) -> None:
    made = tinies.ip_adapter(place.folder / "other", tinies.build("sd15").unet, seed=1)
    (place.adapter / made.name).write_bytes(made.read_bytes())


def controlnet_file(place: Place) -> None:
    tinies.controlnet(seed=1).save_pretrained(place.control)


def picture_file(place: Place) -> None:
    picture(next(CHANCE)).save(place.folder / "photo.png")


def latents_file(place: Place) -> None:
    part = place.names["part"]
    part.replace(tensor=part.tensor + 0.001).save(place.folder / "part.safetensors")


def drawn_upon(name: str) -> Callable[[Place], None]:
    """A picture that a variable holds is drawn upon."""
    return lambda place: place.names[name].putpixel((3, 3), (1, 2, 3))


def array_in_place(place: Place) -> None:
    place.names["photo"][0, 0] ^= 255


def tensor_in_place(place: Place) -> None:
    place.names["part"].tensor[0, 0, 0, 0] += 1


def through_numpy(place: Place) -> None:
    place.names["part"].tensor.numpy()[0, 0, 0, 0] += 1


def through_dlpack(place: Place) -> None:
    torch.from_dlpack(place.names["part"])[0, 0, 0, 0] += 1


def history_in_place(place: Place) -> None:
    place.names["part"] = place.names["part"].replace(
        resume=replace(place.names["part"].resume, generator=torch.Generator().manual_seed(9).get_state())
    )


def bare_tensor_in_place(place: Place) -> None:
    place.names["part"][0, 0, 0, 0] += 1


def threads(_place: Place) -> None:
    torch.set_num_threads(torch.get_num_threads() + 1)  # the fixture one_thread sets it back


def precision(_place: Place) -> None:
    torch.set_float32_matmul_precision("medium")


def library(place: Place) -> None:
    found = {**versions.versions_that_decide(), "diffusers": "0.0"}
    place.patch.setattr(versions, "versions_that_decide", lambda: found)


def jinja(place: Place) -> None:
    place.names["word"] = "dog"


CHANCE = itertools.count(5)
FILE = f"{SEEDED} --image-seeds '{{above}}/photo.png{{more}}' --image-seed-strengths 1"
CONTENTS: dict[str, tuple[str, Callable[[Place], None]]] = {
    "U-Net's weights": (SEEDED, weights("unet")),
    "text encoder's weights": (SEEDED, weights("text_encoder")),
    "U-Net's configuration": (SEEDED, setting("unet/config.json", norm_eps=1e-3)),
    "scheduler's configuration": (SEEDED, setting("scheduler/scheduler_config.json", beta_end=0.013)),
    "VAE's configuration": (SEEDED, setting("vae/config.json", norm_eps=1e-3)),
    "index of the model": (SEEDED, setting("model_index.json", requires_aesthetics_score=True)),
    "vocabulary": (SEEDED, vocabulary),
    "textual inversion file": (f"{SEEDED} --textual-inversions '{{word}};token=cat'", word_file),
    "LoRA file": (f"{SEEDED} --loras '{{lora}}'", lora_file),
    "IP-Adapter file": (ADAPTED, adapter_file),
    "image encoder file": (ADAPTED, lambda place: tinies.image_encoder(place.adapter / "image_encoder", seed=3)),
    "adapter image drawn upon": (ADAPTED, drawn_upon("photo")),
    "ControlNet file": (CONTROLLED, controlnet_file),
    "picture file": (FILE.replace("{more}", ""), picture_file),
    "mask file": (FILE.replace("photo.png{more}", "photo.png;mask={above}/photo.png"), picture_file),
    "picture drawn upon": (PHOTO, drawn_upon("photo")),
    "control image drawn upon": (CONTROLLED, drawn_upon("edges")),
    "mask drawn upon": (PHOTO.replace("'photo'", "'photo;mask=edges'"), drawn_upon("edges")),
    "picture of an array": (PHOTO, array_in_place),
    "latents file": (GO_ON.replace("latents: part", "latents: {above}/part.safetensors"), latents_file),
    "latents in place": (GO_ON, tensor_in_place),
    "latents in place through numpy": (GO_ON, through_numpy),
    "latents in place through DLPack": (GO_ON, through_dlpack),
    "latents' generator": (GO_ON, history_in_place),
    "bare tensor in place": (f"{GO_ON} --seeds 1 --denoising-start 0.4", bare_tensor_in_place),
    "torch's threads": (SEEDED, threads),
    "matrix precision": (SEEDED, precision),
    "library versions": (SEEDED, library),
    "template variable": (SEEDED.replace("cat", "'{{{{ word }}}}'"), jinja),
}


@pytest.fixture
def settled() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("what", CONTENTS)
def test_what_changes_between_two_cells_is_not_answered_from_memory(
    place: Place, what: str, monkeypatch: pytest.MonkeyPatch, settled: None
) -> None:
    script, change = CONTENTS[what]
    place.patch, place.names["word"] = monkeypatch, "cat"
    place.run(f"{SEEDED} --denoising-end 0.4 --into part")
    picture(1).save(place.folder / "photo.png")
    place.names["part"].save(place.folder / "part.safetensors")
    if what == "picture of an array":
        place.names["photo"] = np.array(place.names["photo"])
    if what == "bare tensor in place":
        place.names["part"] = place.names["part"].tensor.clone()
    place.run(script)
    assert place.run(script)[0] == 0, "unchanged, it is answered"
    change(place)
    evaluations, saved = place.run(script)
    assert evaluations > 0
    assert saved == 0
    assert place.run(script)[0] == 0


def test_a_kept_result_whose_variable_was_changed_in_place_is_no_answer(place: Place) -> None:
    """A variable shares its tensors with what is kept."""
    place.run(f"{SEEDED} --into base")
    made = place.names["base"].tensor.clone()
    for change in (lambda base: base.tensor.zero_(), lambda base: base.trajectory[0].tensor.numpy().fill(0)):
        change(place.names["base"])
        assert place.run(f"{SEEDED} --into base") == (STEPS, 0)
        assert torch.equal(place.names["base"].tensor, made)
    assert place.run(SEEDED) == (0, STEPS)


def test_a_picture_drawn_upon_is_no_answer(place: Place) -> None:
    run = place.desk.run(SEEDED.format_map(place))
    run.results[-1].images[0].putpixel((3, 3), (1, 2, 3))
    assert place.run(SEEDED) == (STEPS, 0)


def test_a_bare_tensor_does_not_get_the_facts_of_latents_changed_in_place(place: Place) -> None:
    place.run(f"{SEEDED} --denoising-end 0.4 --into part")
    place.names["bare"] = place.names["part"].tensor.clone()
    place.names["part"].tensor.zero_()
    place.run(f"{GO_ON.replace('part', 'bare')} --seeds 3 --denoising-start 0.4 --into changed")
    place.run(f"{SEEDED} --force --denoising-end 0.4 --into part")
    place.names["bare"] = place.names["part"].tensor.clone()
    place.run(f"{GO_ON.replace('part', 'bare')} --seeds 3 --denoising-start 0.4 --into whole")
    assert not torch.equal(place.names["whole"].tensor, place.names["changed"].tensor), "with its history it is exact"
    place.run(f"{SEEDED} --force --into unsplit")
    assert torch.equal(place.names["whole"].tensor, place.names["unsplit"].tensor)


def test_latents_of_another_estimate_cross_to_another_space_anew(place: Place) -> None:
    place.run(f"{SEEDED} --denoising-end 0.4 --into part")
    script = f"<sdxl> --prompts cat --inference-steps {STEPS} --image-seeds 'latents: part'"
    place.run(script)
    assert place.run(script)[0] == 0
    place.names["part"] = place.names["part"].replace(denoised=place.names["part"].denoised + 1)
    evaluations, saved = place.run(script)
    assert evaluations > 0
    assert saved == 0


def test_latents_in_another_layout_are_other_latents(place: Place) -> None:
    """Kernels round by layout."""
    place.run(GO_ON)
    part = place.names["part"]
    place.names["part"] = part.replace(tensor=part.tensor.contiguous(memory_format=torch.channels_last))
    assert place.run(GO_ON)[1] == 0


def test_latents_without_a_seed_go_on_with_one_at_random_each_time(place: Place) -> None:
    place.run(f"{SEEDED} --denoising-end 0.4 --into part")
    place.names["part"] = place.names["part"].tensor + 0.5
    script = f"{GO_ON} --denoising-start 0.4 --into final"
    made = []
    for _ in range(2):
        assert place.run(script)[1] == 0
        made.append(place.names["final"].tensor)
    assert not torch.equal(*made), "an ancestral scheduler draws"
    seeded = f"{script} --seeds 1"
    place.run(seeded)
    assert place.run(seeded)[0] == 0


def test_a_batch_of_latents_of_several_seeds_goes_on_with_one_at_random(place: Place) -> None:
    place.run(f"{SEEDED} 4 --denoising-end 0.4 --into parts")
    script = GO_ON.replace("latents: part", "latents: parts[0], parts[1]").replace("'latents: part'", "")
    place.names["part"] = None
    for _ in range(2):
        assert place.run(script)[1] == 0
