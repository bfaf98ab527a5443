"""Draws the explanations' drawings: ``python docs/site/drawings.py`` writes ``docs/images/*.svg``.

The curves are diffusers' own schedules, read and not remembered.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

IMAGES = Path(__file__).parent.parent / "images"
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 640, 320, 56, 20, 20, 44
COLOURS = ("#3b6fb6", "#c2571a", "#2e8b57", "#8a4fa3")
STEPS = 30
STYLE = (
    "<style>text{font:13px sans-serif;fill:#555}.axis{stroke:#888}.curve{fill:none;stroke-width:2}"
    ".box{fill:none;stroke:#888}.name{font-weight:bold;font-size:12px}@media(prefers-color-scheme:dark){text{fill:#bbb}}</style>"
)


def page(body: Iterable[str], height: int = HEIGHT) -> str:
    """An SVG file of the usual width."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">'
    return "\n".join([head, STYLE, *body, "</svg>"]) + "\n"


def text(x: float, y: float, words: str, anchor: str = "start", kind: str = "") -> str:
    """A line of words."""
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" class="{kind}">{words}</text>'


def line(x1: float, y1: float, x2: float, y2: float, colour: str = "#888") -> str:
    """A straight line."""
    return f'<line x1="{x1:.0f}" y1="{y1:.0f}" x2="{x2:.0f}" y2="{y2:.0f}" stroke="{colour}"/>'


def curves(rows: Mapping[str, Sequence[tuple[float, float]]], across: str, up: str, marks: Mapping[float, str]) -> str:
    """A chart of curves, the points of which lie between 0 and 1 on both axes."""
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    body = [line(LEFT, TOP, LEFT, TOP + high), line(LEFT, TOP + high, LEFT + wide, TOP + high)]
    body += [text(LEFT + wide, HEIGHT - 8, across, "end"), text(6, TOP + 4, up)]
    body += [text(LEFT - 6, TOP + high * (1 - at) + 4, mark, "end") for at, mark in marks.items()]
    for (name, points), colour, number in zip(rows.items(), COLOURS, range(len(rows)), strict=False):
        path = " ".join(f"{LEFT + wide * x:.1f},{TOP + high * (1 - y):.1f}" for x, y in points)
        body.append(f'<polyline class="curve" stroke="{colour}" points="{path}"/>')
        y = TOP + 18 + 20 * number
        body += [line(LEFT + wide - 230, y - 4, LEFT + wide - 206, y - 4, colour), text(LEFT + wide - 200, y, name)]
    return page(body)


def sigmas() -> str:
    """σ against steps for schedules of diffusers, on a logarithmic axis from 0.005 to 500."""
    import diffusers

    trained = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    made = {
        "Euler, SD's training levels": diffusers.EulerDiscreteScheduler(**trained, timestep_spacing="leading"),
        "Euler, Karras' levels": diffusers.EulerDiscreteScheduler(**trained, use_karras_sigmas=True),
        "flow matching, shift 3": diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
    }
    rows = {}
    for name, scheduler in made.items():
        scheduler.set_timesteps(STEPS)
        levels = [float(level) for level in scheduler.sigmas[:STEPS]]
        if "flow" in name:  # as the others count: noise beside a whole picture
            levels = [level / (1 - level) if level < 1 else math.inf for level in levels]
        points = [(step / STEPS, _height(level)) for step, level in enumerate(levels) if level < 500]
        rows[name] = points
    marks = {_height(level): f"{level:g}" for level in (100, 10, 1, 0.1)}
    return curves(rows, f"step, of {STEPS}", "σ", marks)


def _height(level: float) -> float:
    return math.log10(level / 0.005) / 5


def forms() -> str:
    """How much picture and how much noise the latents hold in each form, against log σ from 0.05 to 20."""
    levels = [0.05 * (20 / 0.05) ** (number / 60) for number in range(61)]
    across = [math.log(level / 0.05) / math.log(400) for level in levels]
    rows = {
        "picture in VP: 1 / √(1 + σ²)": [1 / math.sqrt(1 + level**2) for level in levels],
        "noise in VP: σ / √(1 + σ²)": [level / math.sqrt(1 + level**2) for level in levels],
        "picture in flow: 1 / (1 + σ)": [1 / (1 + level) for level in levels],
        "noise in flow: σ / (1 + σ)": [level / (1 + level) for level in levels],
    }
    drawn = {name: list(zip(across, (0.6 * one for one in values), strict=True)) for name, values in rows.items()}
    return curves(drawn, "σ, from 0.05 to 20", "share", {0.0: "0", 0.3: "½", 0.6: "1"})


def spaces() -> str:
    """From the latents of one space to those of another, through the picture."""
    boxes = [(10, "noisy latents", "SD, σ 1.9"), (140, "clean estimate", "SD, x0"), (270, "picture", "pixels"),
             (400, "clean latents", "SDXL"), (530, "noisy latents", "SDXL, σ 1.9")]  # fmt: skip
    words = ["model", "VAE decodes", "VAE encodes", "noise, to σ"]
    body = []
    for x, first, second in boxes:
        body.append(f'<rect class="box" x="{x}" y="50" width="100" height="60" rx="6"/>')
        body += [text(x + 50, 76, first, "middle", "name"), text(x + 50, 96, second, "middle")]
    for number, word in enumerate(words):
        x = 110 + 130 * number
        body += [line(x, 80, x + 26, 80), f'<path d="M{x + 30} 80l-8 -5v10z" fill="#888"/>']
        body.append(text(x + 15, 36, word, "middle"))
    body += [line(60, 110, 60, 140), line(60, 140, 580, 140), line(580, 140, 580, 116)]
    body += ['<path d="M580 110l-5 8h10z" fill="#888"/>']
    body.append(text(320, 160, "the giver's own noise, where the shapes agree", "middle"))
    return page(body, 175)


def split() -> str:
    """A split: the same steps in one stage and in two."""
    wide = (WIDTH - 40) / 30
    body = []
    for row, (name, cuts) in enumerate({"one stage": (30,), "two stages": (24, 30)}.items()):
        y, begin = 36 + row * 62, 0
        body.append(text(20, y - 8, name))
        for colour, end in zip(COLOURS, cuts, strict=False):
            steps = range(begin, end)
            body += [f'<rect x="{20 + wide * at:.1f}" y="{y}" width="{wide - 2:.1f}" height="18" fill="{colour}"/>'
                     for at in steps]  # fmt: skip
            begin = end
    x = 20 + wide * 24
    body += [line(x - 1, 92, x - 1, 132), text(x - 6, 136, "latents, σ, history, generator", "end")]
    return page(body, 150)


DRAWINGS = {"sigmas": sigmas, "forms": forms, "spaces": spaces, "split": split}

if __name__ == "__main__":
    for name, draw in DRAWINGS.items():
        (IMAGES / f"{name}.svg").write_text(draw(), encoding="utf-8")
