"""Operations on the latents of a trained VAE: what their docstrings say of real pictures."""

import math

import pytest
import torch

from tests.tables import real_latents

pytestmark = pytest.mark.skipif(
    not (real_latents.WEIGHTS / "taef2_encoder.pth").is_file(), reason="the weights of TAEF2 are not on this machine"
)


def drawn(seed: int) -> torch.Tensor:
    """Smooth colours with an edge, (1, 3, 96, 96), 0 to 1."""
    cells = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    picture = torch.nn.functional.interpolate(cells, (96, 96), mode="bicubic").clamp(0, 1)
    picture[..., 48 + seed :, :] = picture[..., 48 + seed :, :].flip(1)
    return picture


@pytest.fixture(scope="module")
def rows() -> dict[str, tuple[float, float]]:
    return {name: (on_latents, through) for name, on_latents, through in real_latents.rows(drawn(1), drawn(2))}


def test_resizes_and_slerp_go_better_through_pixels(rows: dict[str, tuple[float, float]]) -> None:
    far = [name for name in rows if name.startswith(("`resize`", "`slerp`"))]
    assert len(far) == 7
    assert [name for name in far if rows[name][0] > rows[name][1] - 3] == []


def test_each_row_is_a_number_and_nothing_is_exact_but_nothing(rows: dict[str, tuple[float, float]]) -> None:
    assert [name for name, row in rows.items() if math.inf in row] == ["nothing"]
    assert not any(math.isnan(value) for row in rows.values() for value in row)
