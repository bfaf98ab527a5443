"""The operations on latents that `tests.tables.same_results` compares, on latents of real runs."""

from __future__ import annotations

from collections.abc import Iterator

from tests.tables.same.row import Row, go_on, script

__all__ = ["OPERATIONS"]

SOURCES = {
    "noisy sd15": script("sd15", "--seeds 7 8 --denoising-end 0.5", "_many"),
    "clean sd15": script("sd15", "--seeds 7 8", "_many"),
    "noisy sd3": script("sd3", "--seeds 7 8 --denoising-end 0.5", "_many"),
}
NOISY = {
    "blend": "x = _a.blend(_b)",
    "blend by weight and seed": "x = _a.blend(_b, 0.2, seed=3)",
    "blend of opposites": "x = _a.blend(_a.replace(tensor=-_a.tensor, denoised=-_a.denoised), 0.4, seed=1)",
    "slerp": "x = _a.slerp(_b, 0.3)",
    "composite": "x = _a.composite(_b, mask)",
    "composite with a feather": "x = _a.composite(_b, mask, 8.0, seed=4)",
    "crop": "x = _a.crop((0, 16, 48, 64))",
    "flip": "x = _a.flip()",
    "flip both ways": "x = _a.flip(horizontal=True, vertical=True)",
    "resize up": "x = _a.resize((96, 128))",
    "resize down": "x = _a.resize((32, 48), mode='bicubic', seed=2)",
    "resize by picking": "x = _a.resize((32, 32), mode='nearest')",
    "pad": "x = _a.pad(16)",
    "pad by mode": "x = [_a.pad((8, 0, 16, 8), mode=mode, seed=5) for mode in ('edge', 'reflect', 'zero')]",
    "batch and split": "x = batch([_a, _b])\ny = x.split()",
    "add_noise": "x = _a.add_noise(30.0)\ny = _a.add_noise(40.0, seed=9)",
    "scale": "x = _a.scale(1.2)\ny = _a.scale(0.5, seed=1)",
    "to_form": "x = [_a.to_form(form) for form in ('ve', 'vp', 'flow')]",
    "replace": "x = _a.replace(denoised=None, trajectory=())",
    "at": "x = _a.at(0.5)\ny = _a.at(step=2)",
    "decode": "x = _a.decode()",
    "preview": "x = _a.preview()",
    "save and load": "x = Latents.load(_a.save('<scratch>/one.safetensors'))",
    "arrays": "x = np.asarray(_a)\ny = torch.from_dlpack(_a)",
    "facts": "x = [_a.shape, _a.size, _a.digest, _a.is_clean, _a.has_estimate]\ny = _a.facts()",
    "two in a row": "x = _a.flip().blend(_b, 0.4).crop((0, 0, 32, 32))",
}
CLEAN = {
    **{name: text for name, text in NOISY.items() if name not in ("at", "to_form")},
    "at": "x = _a.at(1.0)\ny = _a.at(step=3)",
    "to_form": "x = _a.to_form('ve')",
    "add_noise in a form": "x = [_a.add_noise(2.0, form=form, seed=1) for form in ('ve', 'vp', 'flow')]",
    "arithmetic": "x = _a + _b\ny = [_a - _b, _a * 1.5, 0.5 * _a, _a / 2, _a + 0.1]",
}
THEN = {
    "sd15": (
        *("blend", "slerp", "composite", "crop", "flip", "resize up", "pad", "batch and split", "add_noise", "scale"),
    ),
    "sd3": ("blend", "composite", "flip", "resize up", "add_noise"),
}
REFUSED = {
    "arithmetic of noisy latents": ("noisy sd15", "x = _a + _b"),
    "blend of two levels": ("noisy sd15", "x = _a.blend(_b.add_noise(50.0))"),
    "crop between latent pixels": ("noisy sd15", "x = _a.crop((0, 0, 12, 64))"),
    "weight beyond 1": ("noisy sd15", "x = _a.blend(_b, 1.5)"),
    "less noise": ("noisy sd15", "x = _a.add_noise(0.01)"),
    "a step that was not run": ("noisy sd15", "x = _a.at(step=6)"),
    "NaN": ("noisy sd15", "x = _a.replace(tensor=_a.tensor * float('nan'))"),
    "a model that is no text": ("noisy sd15", "x = _a.fits(3)"),
}


def _started(source: str) -> tuple[str, str]:
    return SOURCES[source], "_a, _b = _many"


def operations() -> Iterator[Row]:
    """Every operation on noisy, clean and flow latents, runs that go on from the results, and refusals."""
    for source in SOURCES:
        for name, text in (CLEAN if source.startswith("clean") else NOISY).items():
            yield Row(f"operation/{source} {name}", (*_started(source), text))
    for family, names in THEN.items():
        for name in names:
            operation = NOISY[name].partition("\n")[0]
            last = go_on(family, "--seeds 3", latents="x", size="")
            yield Row(f"operation/{family} goes on from {name}", (*_started(f"noisy {family}"), operation, last))
    for name, (source, text) in REFUSED.items():
        yield Row(f"operation/refusal {name}", (*_started(source), text), refused=True)


OPERATIONS: tuple[Row, ...] = tuple(operations())
