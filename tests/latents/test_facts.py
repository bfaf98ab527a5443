"""Facts hold only what can be: numbers from files and callers are bounded before anything is made of them."""

from __future__ import annotations

import json
import math
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jupyter_latents.errors import LatentsFileError, SettingError
from jupyter_latents.latents import CLEAN, Latents, Noise, Position, Provenance, Space
from jupyter_latents.latents.files.metadata import CHECK_KEY, FACTS_KEY, checksum
from tests.latents.test_files import edited, some_latents

SPACE = Space("odd", 4, 8, 0.3, 0.1, (0.1,) * 4, (2.0,) * 4)


@pytest.mark.parametrize(
    "change",
    [
        {"channels": 0},
        {"channels": 2**40},
        {"channels": 4.5},
        {"factor": 0},
        {"factor": -8},
        {"factor": 10**30},
        {"scaling_factor": 0.0},
        {"scaling_factor": math.nan},
        {"scaling_factor": math.inf},
        {"scaling_factor": 1e-30},
        {"scaling_factor": "0.3"},
        {"shift_factor": math.nan},
        {"shift_factor": -math.inf},
        {"channel_mean": (0.1, math.nan, 0.1, 0.1)},
        {"channel_mean": (0.1, 0.1)},
        {"channel_std": (0.0,) * 4},
        {"name": None},
        {"vae": 3},
    ],
)
def test_a_space_of_impossible_numbers_is_refused(change: dict[str, object]) -> None:
    (name,) = change
    with pytest.raises(SettingError, match=name):
        replace(SPACE, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(("step", "of"), [(1, 0), (-1, 3), (4, 3), (0, 10**30), (1.5, 3), (True, 3), ("1", 3)])
def test_a_position_outside_its_schedule_is_refused(step: object, of: object) -> None:
    with pytest.raises(SettingError, match="step"):
        Position(step, of)  # type: ignore[arg-type]


@pytest.mark.parametrize("timestep", [math.nan, math.inf, "late"])
def test_a_timestep_that_is_no_finite_number_is_refused(timestep: object) -> None:
    with pytest.raises(SettingError, match="timestep"):
        Noise(1.0, "ve", timestep)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 2**64},
        {"seed": 1.5},
        {"prompt": None},
        {"model": 3},
        {"guidance_scale": "4"},
        {"options": [1]},
        {"parents": (None,)},
    ],
)
def test_a_provenance_of_other_kinds_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(SettingError, match=r"provenance|seed"):
        Provenance(**change)  # type: ignore[arg-type]


def test_numbers_of_numpy_are_taken_and_can_be_saved(tmp_path) -> None:
    latents = some_latents(
        space=Space("odd", np.int64(4), np.int32(8), np.float32(0.5)),
        noise=Noise(np.float64(0.5), "ve", np.float32(481.0)),
        position=Position(np.int64(3), np.int64(10)),
        provenance=Provenance("m", seed=np.int64(7), guidance_scale=np.float32(4.0)),
    )
    found = Latents.load(latents.save(tmp_path / "some.safetensors"))
    assert (found.space, found.noise, found.position, found.provenance) == (
        latents.space,
        latents.noise,
        latents.position,
        latents.provenance,
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 99}, "version 99"),
        ({"version": None}, "version None"),
        ({"space": {"factor": 0}}, "factor of a space is 0"),
        ({"space": {"factor": -8}}, "factor of a space is -8"),
        ({"space": {"scaling_factor": 0.0}}, "scaling_factor"),
        ({"space": {"channels": "4"}}, "channels"),
        ({"space": {"axes": "b q"}}, "axes"),
        ({"position": {"of": 10**40}}, "number of steps"),
        ({"position": {"step": 24.7}}, "step"),
        ({"noise": {"sigma": -1.0}}, "sigma"),
        ({"noise": {"form": "other"}}, "form"),
        ({"noise": {"timestep": "nan"}}, "timestep"),
        ({"provenance": {"seed": 2**70}}, "seed"),
        ({"provenance": {"prompt": None}}, "prompt"),
    ],
)
def test_facts_of_a_file_are_checked_though_their_checksum_agrees(tmp_path, change, message) -> None:
    def forge(_tensors: object, metadata: dict[str, str]) -> None:
        record = json.loads(metadata[FACTS_KEY])
        for name, value in change.items():
            record[name] = record[name] | value if isinstance(value, dict) else value
        metadata[FACTS_KEY] = json.dumps(record)
        metadata[CHECK_KEY] = checksum(metadata[FACTS_KEY])

    path = some_latents().save(tmp_path / "some.safetensors")
    edited(path, forge)
    with pytest.raises(LatentsFileError, match=message) as caught:
        Latents.load(path)
    assert "verify=False" in str(caught.value)
    with pytest.warns(UserWarning, match="left out is the facts"):
        assert Latents.load(path, verify=False).space is None


@pytest.mark.parametrize("text", ["many", "", "0", "-3", "1e30", "nan", "inf", "10" * 5000, None])
def test_an_option_that_is_no_usable_number_is_none(text: str | None) -> None:
    options = {} if text is None else {"steps": text}
    assert Provenance(options=options).number("steps", 1, 10_000) is None
    assert Provenance(options={"steps": "30"}).number("steps", 1, 10_000) == 30


def test_another_tensor_has_no_history() -> None:
    """It went on "exactly", with the outputs of steps that were another tensor's."""
    made = some_latents()
    assert made.replace(tensor=made.tensor.clone()).resume is made.resume
    assert made.replace(noise=made.noise).resume is made.resume
    other = made.replace(tensor=made.tensor * 0.5)
    assert other.resume is None
    assert other.facts()["continues"] == "without history"
    assert made.replace(tensor=made.tensor * 0.5, resume=made.resume).resume is made.resume


def copied(latents: Latents) -> Latents:
    return pickle.loads(pickle.dumps(latents))  # noqa: S301 - our own bytes


def test_what_is_changed_in_place_has_no_history(tmp_path: Path) -> None:
    """It went on "exactly" too; files and pickles remember that it was changed."""
    made = some_latents()
    made = made.replace(tensor=made.tensor.clone(), resume=made.resume)
    assert not made.changed_in_place
    assert not copied(made).changed_in_place
    made.tensor.mul_(0.5)
    assert made.changed_in_place
    assert copied(made).changed_in_place
    assert made.facts()["continues"] == "without history"
    assert made.replace(space=made.space).resume is None
    for ending in ("safetensors", "npz"):
        assert Latents.load(made.save(tmp_path / f"x.{ending}")).resume is None
    assert made.resume is not None, "the value itself is left as it was"


def test_at_another_noise_latents_stand_at_no_step_of_their_schedule() -> None:
    made = some_latents()
    assert made.position is not None
    other = made.replace(noise=CLEAN)
    assert (other.position, other.resume, other.is_clean) == (None, None, True)
    assert made.replace(noise=CLEAN, position=made.position).position == made.position
