"""Latents files: what is saved comes back, and other programs' files are read."""

from __future__ import annotations

import json
import math
import stat
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from jupyter_latents.errors import LatentsFileError, LatentsWarning, SettingError
from jupyter_latents.latents import CLEAN, SPACES, Latents, Noise, Position, Provenance, Resume, Space
from jupyter_latents.latents.files.memory_order import laid_out, orders_record
from jupyter_latents.latents.files.metadata import checksum
from tests.latents import strategies

QUIET = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def some_latents(**changes: object) -> Latents:
    made = Latents(
        torch.randn(1, 4, 6, 5, generator=torch.Generator().manual_seed(3)),
        SPACES["sd"],
        Noise(0.1 + 0.2, "ve", 481.0),
        Position(24, 30, "EulerDiscreteScheduler", "ab12", "cd34"),
        Resume(
            {"_step_index": 24, "model_outputs": [None, torch.ones(2)]}, torch.Generator().manual_seed(1).get_state()
        ),
        Provenance("demo/scenes", prompt="a sunset", seed=7, guidance_scale=4.0),
        torch.zeros(1, 4, 6, 5),
    )
    return made.replace(**changes)


def in_order(tensor: torch.Tensor | None) -> torch.Tensor | None:
    """Without its order in memory, which counts for going on exactly alone."""
    return None if tensor is None else tensor.contiguous()


@QUIET
@given(given_latents=strategies.latents())
def test_a_safetensors_file_read_back_is_bit_equal(tmp_path, given_latents):
    found = Latents.load(given_latents.save(tmp_path / "some.safetensors"))
    assert strategies.same_state(in_order(found.tensor), in_order(given_latents.tensor))
    assert found.digest == given_latents.digest
    assert (found.space, found.noise, found.position) == (
        given_latents.space,
        given_latents.noise,
        given_latents.position,
    )
    assert found.provenance == given_latents.provenance
    assert strategies.same_state(in_order(found.denoised), in_order(given_latents.denoised))
    assert (found.resume is None) == (given_latents.resume is None)
    if given_latents.resume is not None:
        assert strategies.same_state(found.tensor, given_latents.tensor)
        assert strategies.same_state(found.resume.scheduler, given_latents.resume.scheduler)
        assert strategies.same_state(found.resume.generator, given_latents.resume.generator)
        assert dict(found.resume.versions) == given_latents.resume.versions


@pytest.mark.parametrize("ending", [".pt", ".pth"])
@pytest.mark.parametrize("dtype", strategies.DTYPES)
def test_a_torch_file_holds_the_bare_tensor_bit_equal(tmp_path, ending, dtype):
    latents = some_latents(tensor=some_latents().tensor.to(dtype))
    path = latents.save(tmp_path / f"some{ending}")
    assert strategies.same_state(torch.load(path, weights_only=True), latents.tensor)
    found = Latents.load(path)
    assert strategies.same_state(found.tensor, latents.tensor)
    assert found.space is None
    assert found.noise is None


def test_a_slice_of_a_large_tensor_is_saved_alone(tmp_path):
    large = torch.zeros(64, 4, 16, 16)
    path = Latents(large[3:4]).save(tmp_path / "some.pt")
    assert path.stat().st_size < 10_000


def test_plain_readers_find_the_key_latents(tmp_path):
    path = some_latents().save(tmp_path / "some.safetensors")
    assert torch.equal(safetensors.torch.load_file(path)["latents"], some_latents().tensor)


def test_infinite_sigma_survives_a_file(tmp_path):
    latents = some_latents(noise=Noise(math.inf, "flow", 1000.0))
    assert Latents.load(latents.save(tmp_path / "some.safetensors")).noise == latents.noise


def test_a_file_from_another_process_continues_with_its_history(tmp_path):
    path = tmp_path / "some.safetensors"
    code = "from tests.latents.test_files import some_latents; import sys; some_latents().save(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, cwd=Path.cwd())
    assert strategies.same_state(Latents.load(path).resume.scheduler, some_latents().resume.scheduler)


def test_the_trajectory_is_not_saved(tmp_path):
    latents = some_latents(trajectory=(some_latents(),))
    assert Latents.load(latents.save(tmp_path / "some.safetensors")).trajectory == ()


def test_history_that_no_file_can_hold_is_said_and_left_out(tmp_path):
    latents = some_latents(resume=Resume({"hook": print}))
    with pytest.warns(LatentsWarning, match=r"resume\.scheduler\.0 is a builtin_function_or_method"):
        path = latents.save(tmp_path / "some.safetensors")
    assert Latents.load(path).resume is None


def edited(path, change):
    """Rewrites a safetensors file after `change(tensors, metadata)`."""
    with safe_open(path, framework="pt") as file:
        tensors, metadata = {name: file.get_tensor(name).clone() for name in file.keys()}, dict(file.metadata())  # noqa: SIM118
    change(tensors, metadata)
    safetensors.torch.save_file(tensors, path, metadata)


def damage_resume(tensors, metadata):
    tensors["resume.generator"][0] += 1


def other_version(tensors, metadata):
    metadata["jupyter_latents.resume"] = metadata["jupyter_latents.resume"].replace('"version": 1', '"version": 99')


def unknown_kind(tensors, metadata):
    metadata["jupyter_latents.resume"] = metadata["jupyter_latents.resume"].replace('"tensor"', '"module"')


def no_json(tensors, metadata):
    metadata["jupyter_latents.resume"] = "{"


def lost_tensor(tensors, metadata):
    del tensors["resume.generator"]


@pytest.mark.parametrize("change", [damage_resume, other_version, unknown_kind, no_json, lost_tensor])
def test_latents_with_damaged_history_load_without_it(tmp_path, change):
    path = some_latents().save(tmp_path / "some.safetensors")
    edited(path, change)
    with pytest.warns(LatentsWarning, match="continue without history"):
        found = Latents.load(path)
    assert found.resume is None
    assert torch.equal(found.tensor, some_latents().tensor)
    assert found.noise == some_latents().noise


def test_a_damaged_clean_estimate_is_left_out(tmp_path):
    path = some_latents().save(tmp_path / "some.safetensors")
    edited(path, lambda tensors, _: tensors["denoised"].add_(1))
    with pytest.warns(LatentsWarning, match="clean estimate"):
        assert Latents.load(path).denoised is None


def test_a_damaged_tensor_is_refused_by_its_checksum(tmp_path):
    path = some_latents().save(tmp_path / "some.safetensors")
    edited(path, lambda tensors, _: tensors["latents"].add_(1))
    with pytest.raises(LatentsFileError, match="checksum differs"):
        Latents.load(path)
    assert Latents.load(path, verify=False).noise == some_latents().noise


def test_damaged_facts_are_refused(tmp_path):
    path = some_latents().save(tmp_path / "some.safetensors")
    key = "jupyter_latents"
    edited(path, lambda _, metadata: metadata.update({key: metadata[key].replace("481.0", "482.0")}))
    with pytest.raises(LatentsFileError, match="facts"):
        Latents.load(path)
    assert Latents.load(path, verify=False).noise.timestep == 482.0


@pytest.mark.parametrize("key", ["latents", "latent", "sample", "samples", "anything"])
def test_dgenerates_keys_are_read(tmp_path, key):
    tensor = torch.randn(1, 4, 4, 4)
    safetensors.torch.save_file({key: tensor}, tmp_path / "some.safetensors")
    found = Latents.load(tmp_path / "some.safetensors", space="sdxl", sigma=0.5, form="vp")
    assert torch.equal(found.tensor, tensor)
    assert found.space == SPACES["sdxl"]
    assert found.noise == Noise(0.5, "vp")


def test_the_first_of_several_unknown_tensors_is_said_to_be_assumed(tmp_path):
    safetensors.torch.save_file({"b": torch.ones(1, 4, 2, 2), "a": torch.ones(1, 4, 2, 2)}, tmp_path / "s.safetensors")
    with pytest.warns(LatentsWarning, match=r"first tensor|left out is 'b'"):
        found = Latents.load(tmp_path / "s.safetensors")
    assert "first tensor" in found.provenance.options["assumed"]


def test_model_weights_are_not_taken_for_latents(tmp_path):
    safetensors.torch.save_file({f"layer.{n}": torch.ones(4, 4, 3, 3) for n in range(20)}, tmp_path / "m.safetensors")
    with pytest.raises(LatentsFileError, match="model's weights"):
        Latents.load(tmp_path / "m.safetensors")


def test_a_torch_dict_with_one_tensor_is_read(tmp_path):
    torch.save({"samples": torch.ones(1, 4, 2, 2), "note": "x"}, tmp_path / "some.pt")
    assert Latents.load(tmp_path / "some.pt", sigma=0).noise == CLEAN


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((4, 6, 5), (1, 4, 6, 5)), ((2, 16, 1, 6, 5), (2, 16, 6, 5)), ((2, 1, 16, 6, 5), (2, 16, 6, 5))],
)
def test_shapes_with_one_reading_become_a_batch(tmp_path, shape, expected):
    torch.save(torch.ones(shape), tmp_path / "some.pt")
    with pytest.warns(LatentsWarning, match="assumed"):
        assert Latents.load(tmp_path / "some.pt").shape == expected


@pytest.mark.parametrize("shape", [(1, 1024, 64), (6, 5), (1, 1, 1, 6, 5), (), (3, 64, 64)])
def test_shapes_with_several_readings_are_refused(tmp_path, shape):
    torch.save(torch.ones(shape), tmp_path / "some.pt")
    with pytest.raises(LatentsFileError, match="shape"):
        Latents.load(tmp_path / "some.pt")


def test_an_assumed_form_is_said(tmp_path):
    torch.save(torch.ones(1, 16, 2, 2), tmp_path / "some.pt")
    with pytest.warns(LatentsWarning, match="form 'flow'"):
        assert Latents.load(tmp_path / "some.pt", space="flux", sigma=1.0).noise == Noise(1.0, "flow")


def test_arguments_that_contradict_the_file_are_refused(tmp_path):
    path = some_latents().save(tmp_path / "some.safetensors")
    with pytest.raises(LatentsFileError, match=r"SD space.*SDXL space"):
        Latents.load(path, space="sdxl")
    with pytest.raises(LatentsFileError, match=r"sigma=0\.5"):
        Latents.load(path, sigma=0.5)
    assert Latents.load(path, space="sd", sigma=0.1 + 0.2).space == SPACES["sd"]


def test_an_unknown_space_names_the_nearest(tmp_path):
    torch.save(torch.ones(1, 4, 2, 2), tmp_path / "some.pt")
    with pytest.raises(SettingError, match="did you mean sdxl"):
        Latents.load(tmp_path / "some.pt", space="sdlx")


def test_the_channel_count_of_a_named_space_is_checked(tmp_path):
    torch.save(torch.ones(1, 16, 2, 2), tmp_path / "some.pt")
    with pytest.raises(LatentsFileError, match="4 channels"):
        Latents.load(tmp_path / "some.pt", space="sd")


def test_a_replaced_file_keeps_its_permissions_and_a_new_one_gets_the_usual(tmp_path):
    path = tmp_path / "deep" / "er" / "some.safetensors"
    some_latents().save(path)
    plain = tmp_path / "plain"
    plain.touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    path.chmod(0o640)
    some_latents().save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_link_is_followed_and_stays_a_link(tmp_path):
    target = some_latents().save(tmp_path / "real.safetensors")
    link = tmp_path / "link.safetensors"
    link.symlink_to(target)
    some_latents(noise=CLEAN).save(link)
    assert link.is_symlink()
    assert Latents.load(target).is_clean


def test_comfyui_files_are_in_raw_space_with_marker(tmp_path):
    latents = some_latents(noise=Noise(1.5, "flow"), space=Space("Odd", 4, 8, 0.3, 0.1))
    path = latents.save(tmp_path / "some.latent")
    with safe_open(path, framework="pt") as file:
        assert file.get_tensor("latent_format_version_0").numel() == 0
        raw = file.get_tensor("latent_tensor")
    s = 1.5 / 2.5
    torch.testing.assert_close(raw, latents.tensor / (1 - s) / 0.3 + 0.1)
    found = Latents.load(path)
    assert (found.space, found.noise, found.provenance) == (latents.space, latents.noise, latents.provenance)
    torch.testing.assert_close(found.tensor, latents.tensor)


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("noise", [CLEAN, Noise(0.7, "ve"), Noise(2.0, "vp"), Noise(0.4, "flow")])
def test_comfyui_files_come_back_in_every_space_and_form(tmp_path, name, noise):
    space = SPACES[name]
    latents = Latents(torch.randn(1, space.channels, 4, 4), space, noise)
    found = Latents.load(latents.save(tmp_path / "some.latent"))
    torch.testing.assert_close(found.tensor, latents.tensor, rtol=1e-5, atol=1e-5)
    assert (found.space, found.noise) == (space, noise)


def test_foreign_comfyui_files_are_converted_and_keep_their_workflow(tmp_path):
    raw = torch.randn(1, 4, 4, 4)
    metadata = {"prompt": '{"3": {}}', "workflow": "[]"}
    content = {"latent_tensor": raw, "latent_format_version_0": torch.tensor([])}
    safetensors.torch.save_file(content, tmp_path / "some.latent", metadata)
    found = Latents.load(tmp_path / "some.latent", space="sdxl", sigma=2.0, form="vp")
    torch.testing.assert_close(found.tensor, raw * 0.13025 / math.sqrt(5))
    assert dict(found.provenance.options) == metadata
    with safe_open(found.save(tmp_path / "again.latent"), framework="pt") as file:
        assert metadata.items() <= file.metadata().items()


def test_comfyui_files_without_marker_are_scaled(tmp_path):
    values = torch.randn(1, 4, 4, 4)
    safetensors.torch.save_file({"latent_tensor": values}, tmp_path / "old.latent")
    with pytest.warns(LatentsWarning, match="without the marker"):
        found = Latents.load(tmp_path / "old.latent", space="sd", sigma=0)
    torch.testing.assert_close(found.tensor, values)


def test_a_file_under_the_other_ending_is_told_which_it_needs(tmp_path: Path) -> None:
    """A ComfyUI file named .safetensors was read as if its values had the VAE's scale, or "holds no tensor"."""
    made = some_latents()
    for ending, other in (("latent", "safetensors"), ("safetensors", "latent")):
        path = made.save(tmp_path / f"x.{ending}").rename(tmp_path / f"y.{other}")
        with pytest.raises(LatentsFileError, match=rf"ending \.{ending}"):
            Latents.load(path)
    safetensors.torch.save_file({"latent_tensor": torch.ones(1, 4, 4, 4)}, tmp_path / "old.safetensors")
    with pytest.raises(LatentsFileError, match=r"ending \.latent"):
        Latents.load(tmp_path / "old.safetensors")


def test_comfyui_files_of_an_unknown_model_stay_raw(tmp_path):
    content = {"latent_tensor": torch.randn(1, 4, 4, 4), "latent_format_version_0": torch.tensor([])}
    safetensors.torch.save_file(content, tmp_path / "some.latent")
    with pytest.warns(LatentsWarning, match="perhaps SD or SDXL"):
        found = Latents.load(tmp_path / "some.latent")
    assert found.space.name == "raw VAE"
    assert torch.equal(found.tensor, content["latent_tensor"])


@pytest.mark.parametrize(
    ("change", "message"),
    [({"space": None}, "space"), ({"noise": None}, "noise"), ({"noise": Noise(math.inf, "vp")}, "pure noise")],
)
def test_comfyui_files_need_space_and_finite_noise(tmp_path, change, message):
    with pytest.raises(LatentsFileError, match=message):
        some_latents(**change).save(tmp_path / "some.latent")
    assert list(tmp_path.iterdir()) == []


def test_options_are_kept_as_text(tmp_path):
    latents = some_latents(provenance=Provenance(options=MappingProxyType({"steps": 30})))
    assert Latents.load(latents.save(tmp_path / "some.safetensors")).provenance.options == {"steps": "30"}


@pytest.mark.parametrize("ending", [".latent", ".pt", ".safetensors"])
def test_a_noise_mask_is_told_and_so_is_all_else_that_is_left_out(tmp_path, ending):
    tensors = {"latent_tensor": torch.randn(1, 4, 4, 4), "latent_format_version_0": torch.tensor([])}
    if ending != ".latent":
        tensors = {"samples": tensors["latent_tensor"]}
    tensors |= {"noise_mask": torch.ones(1, 1, 32, 32), "batch_index": torch.tensor([0])}
    write = torch.save if ending == ".pt" else safetensors.torch.save_file
    write(tensors, tmp_path / f"some{ending}")
    with pytest.warns(LatentsWarning, match="'noise_mask'.*mask of a stage") as told:
        Latents.load(tmp_path / f"some{ending}", space="sd", sigma=0)
    assert "'batch_index'" in str(told[0].message)


def rename(key):
    return lambda _, metadata: metadata.update({key + "x": metadata.pop(key)})


@pytest.mark.parametrize("ending", [".safetensors", ".latent"])
@pytest.mark.parametrize("key", ["jupyter_latents", "jupyter_latents.check"])
def test_facts_that_are_not_under_their_name_are_missed(tmp_path, key, ending):
    path = some_latents().save(tmp_path / f"some{ending}")
    edited(path, rename(key))
    with pytest.raises(LatentsFileError, match="facts"):
        Latents.load(path)
    if key == "jupyter_latents":
        with pytest.warns(LatentsWarning, match="facts of these latents"):
            Latents.load(path, verify=False, space="sd", sigma=0)


@pytest.mark.parametrize("key", ["jupyter_latents.resume", "jupyter_latents.layout"])
def test_history_that_is_not_under_its_name_is_missed(tmp_path, key):
    path = some_latents().save(tmp_path / "some.safetensors")
    edited(path, rename(key))
    with pytest.warns(LatentsWarning, match="continue without history"):
        assert Latents.load(path).resume is None


@given(st.permutations(range(4)))
def test_a_file_gives_history_back_in_its_order_in_memory(order):
    tensor = torch.arange(120.0).reshape(2, 3, 4, 5).permute(order)
    record = json.dumps(orders_record({"one": tensor, "other": torch.zeros(2, 2)}))
    again = laid_out(tensor.contiguous(), "one", record)
    assert again.stride() == tensor.stride()
    assert torch.equal(again, tensor)
    assert laid_out(torch.ones(2, 2), "other", record).is_contiguous()


@pytest.mark.parametrize("record", ["", "{", "[]", "7", '{"one": 3}', '{"one": [0, 1, 2, 2]}', '{"one": ["0", []]}'])
def test_an_order_that_is_none_is_left_out(record):
    assert laid_out(torch.zeros(1, 2, 3, 4), "one", record).is_contiguous()


def test_the_order_of_an_earlier_version_is_channels_last():
    again = laid_out(torch.zeros(2, 3, 4, 5), "one", '["one"]')
    assert again.is_contiguous(memory_format=torch.channels_last)
    assert laid_out(torch.zeros(2, 3, 4), "one", '["one"]').is_contiguous()


def test_a_file_of_an_earlier_version_is_read_with_its_history(tmp_path):
    path = some_latents().save(tmp_path / "some.safetensors")

    def earlier(_tensors, metadata):
        record = json.loads(metadata["jupyter_latents"])
        del record["beside"]
        metadata["jupyter_latents"] = json.dumps(record)
        metadata["jupyter_latents.check"] = checksum(metadata["jupyter_latents"])

    edited(path, earlier)
    assert Latents.load(path).resume is not None


def test_bytes_with_damaged_history_are_refused(tmp_path):
    path = some_latents().save(tmp_path / "some.safetensors")
    edited(path, damage_resume)
    with pytest.raises(LatentsFileError, match="history"):
        Latents.from_bytes(path.read_bytes())
