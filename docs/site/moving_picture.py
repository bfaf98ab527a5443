"""Makes the README's moving picture from its cell: ``python docs/site/moving_picture.py``.

Each frame is the clean estimate of a step, decoded; the last one stays.
"""

from __future__ import annotations

from pathlib import Path

import jupyter_latents as jl

PICTURE = Path(__file__).parent.parent / "images" / "two-models.webp"
SCENE, PAPER = "a beautiful sunset over the mountains", "clouds in the sky on a sunny day"
SIZE, FRAME, LAST = (256, 256), 90, 2500  # pixels, milliseconds


def main() -> None:
    """Runs both stages and writes the frames."""
    base = jl.run(jl.Stage.of("demo/scenes", prompt=SCENE, seed=7, num_inference_steps=30, denoising_end=0.6))
    final = jl.run(jl.Stage.of("demo/paper", prompt=PAPER, latents=base, num_inference_steps=30, denoising_start=0.6))
    steps = {one.position.step: one for stage in (final, base) for one in stage.trajectory}
    frames = [steps[index].decode()[0].resize(SIZE) for index in sorted(steps)]
    times = [FRAME] * (len(frames) - 1) + [LAST]
    frames[0].save(PICTURE, save_all=True, append_images=frames[1:], duration=times, loop=0, quality=60, method=6)


if __name__ == "__main__":
    main()
