"""Errors carry the option to blame as data; the one who typed a script reads it as typed, others read words."""

from __future__ import annotations

import pickle

import pytest

from jupyter_latents.errors import JupyterLatentsError, ModelError, Place, RunError, WindowError
from jupyter_latents.session.blame import blame
from jupyter_latents.syntax import Environment, Invocation, Script
from jupyter_latents.syntax.options.table import OPTIONS
from jupyter_latents.wording import option, plain, readable, spell, without_advice

MODEL = "demo/scenes"
OPTIONS_LINE = "--prompts cat --denoising-end 0.01 --inference-steps 4"


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (3.4e9, "3.4 GB"),
        (999_600_000, "1 GB"),
        (1.65e12, "1.65 TB"),
        (1e18, "1,000,000 TB"),
    ],
)
def test_bytes_are_written_without_exponents(size: float, said: str) -> None:
    assert readable(size) == said


@pytest.fixture
def invocation() -> Invocation:
    (found,) = Script(f"{MODEL}\n{OPTIONS_LINE}").invocations(Environment(kernel={}))
    return found


def empty_window(**more: str) -> WindowError:
    text = f"{option('denoising_end')} 0.01 is step 0; use more {option('inference_steps')}."
    return WindowError(text, **more)  # type: ignore[arg-type]


def test_an_error_speaks_in_words_where_no_script_was_typed() -> None:
    assert empty_window().message == "denoising end 0.01 is step 0; use more inference steps."


def test_an_error_of_a_script_spells_options_as_typed(invocation: Invocation) -> None:
    message = blame(invocation, empty_window()).message
    assert message == "--denoising-end 0.01 is step 0; use more --inference-steps."


def test_the_caret_stands_at_the_option_that_the_error_names(invocation: Invocation) -> None:
    error = blame(invocation, empty_window(option="inference_steps"))
    assert error.place == Place(2, OPTIONS_LINE.index("4") + 1, OPTIONS_LINE, 1)
    assert str(error).splitlines()[-1].index("^") == str(error).splitlines()[-2].index("4")


def test_only_who_has_fields_for_them_speaks_of_the_parts_of_an_image_seed(invocation: Invocation) -> None:
    error = ModelError(f"add {option('image_seeds', 'mask')} NAME")
    assert error.message == "add image seed NAME"
    assert spell(error.template, plain, {"mask": "Mask"}) == "add Mask NAME"
    assert blame(invocation, error).message == "add --image-seeds NAME"


def test_an_option_that_was_not_given_points_at_the_model(invocation: Invocation) -> None:
    place = blame(invocation, ModelError("no weights", option="variant")).place
    assert place is not None
    assert (place.line, place.column, place.length) == (1, 1, len(MODEL))


def test_an_error_keeps_the_place_it_has(invocation: Invocation) -> None:
    place = Place(7, 1, "here")
    assert blame(invocation, ModelError("no weights", option="denoising_end", place=place)).place is place


def test_an_error_pickles_with_all_that_it_carries(invocation: Invocation) -> None:
    error = blame(invocation, RunError(f"use less {option('batch_size')}", partial=(1, 2), option="batch_size"))
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(again) is RunError
    assert vars(again) == vars(error)
    assert again.message == "use less --batch-size"


@pytest.mark.parametrize("dest", sorted({row.dest for row in OPTIONS}))
def test_every_option_can_be_written_into_a_message(dest: str, invocation: Invocation) -> None:
    error = blame(invocation, JupyterLatentsError(f"leave {option(dest)} out"))
    assert error.message.startswith("leave --")
    assert spell(error.template) == f"leave {plain(dest)} out"


def test_of_torchs_advice_nothing_is_left() -> None:
    text = (
        "x.bin is damaged (Weights only load failed. In PyTorch 2.6, we changed the default of `weights_only` "
        "argument in `torch.load` from `False` to `True`. Re-running `torch.load` with `weights_only` set to "
        "`False` will likely succeed, but it can result in arbitrary code execution. Do it only if you got the file "
        "from a trusted source."
    )
    told = without_advice(text)
    assert told == ("x.bin is damaged (Weights only load failed. It would run foreign code, which is not done here.")
