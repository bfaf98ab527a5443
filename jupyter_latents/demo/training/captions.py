"""Captions of the demo landscapes: the small grammar that the demo models understand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jupyter_latents.demo.training.scenes import Scene

TIME_NOUNS: dict[str, tuple[str, ...]] = {
    "day": ("a sunny day", "a bright day", "a beautiful day", "a summer day"),
    "sunset": ("a sunset", "a beautiful sunset", "a red sunset", "the setting sun", "an evening sky"),
    "night": ("a night", "a starry night", "a dark night", "a quiet night", "stars"),
    "dawn": ("a dawn", "a pale dawn", "a beautiful sunrise", "an early morning", "the first light"),
    "storm": ("a storm", "a thunderstorm", "a dark storm", "stormy weather", "thunder and lightning"),
}
TIME_PHRASES: dict[str, tuple[str, ...]] = {
    "day": ("on a sunny day", "on a bright day", "by day", "in the daytime", "at noon"),
    "sunset": ("at sunset", "in the evening", "during a beautiful sunset", "at dusk"),
    "night": ("at night", "on a starry night", "by night", "on a dark night", "under the stars"),
    "dawn": ("at dawn", "in the early morning", "at sunrise", "at daybreak"),
    "storm": ("in a storm", "during a thunderstorm", "on a stormy day", "in stormy weather"),
}
LAND_NOUNS: dict[str, tuple[str, ...]] = {
    "mountains": ("the mountains", "mountains", "tall mountains", "snow capped mountains", "a mountain range"),
    "hills": ("the hills", "green hills", "rolling hills", "hills with trees"),
    "desert": ("the desert", "a desert", "sand dunes", "a sandy desert"),
    "sea": ("the sea", "the ocean", "a calm sea", "the waves"),
    "snow": ("the snow", "snowy fields", "a snowy field", "a winter landscape"),
    "forest": ("the forest", "a forest", "the woods", "a pine forest"),
}
CLOUD_NOUNS: dict[str, tuple[str, ...]] = {
    "none": ("a clear sky", "no clouds", "a cloudless sky"),
    "few": ("a few clouds", "some clouds", "clouds"),
    "many": ("many clouds", "a cloudy sky", "heavy clouds", "clouds"),
}
LIGHT_NOUNS: dict[str, tuple[str, ...]] = {
    "sun": ("the sun", "a bright sun"),
    "moon": ("the moon", "a bright moon", "moonlight"),
    "none": ("no sun", "no moon"),
}
OPENINGS = ("a picture of ", "a painting of ", "a landscape of ", "a view of ")
TAGS: dict[str, str] = {
    "day": "day",
    "sunset": "sunset",
    "night": "night",
    "dawn": "dawn",
    "storm": "storm",
    "none": "clear sky",
    "few": "few clouds",
    "many": "many clouds",
    "sun": "sun",
    "moon": "moon",
}
_JOINING = "a an the over with and in on at by of no sky clouds in the sky above landscape beautiful"


def caption(scene: Scene, rng: np.random.Generator) -> str:
    """Return one of many ways to say what `scene` shows; often something is left unsaid, never anything false."""
    form = int(rng.integers(10))
    when = _pick(rng, TIME_PHRASES[scene.time])
    land = _pick(rng, LAND_NOUNS[scene.land])
    cloudy = scene.clouds != "none"
    if form == 0 and cloudy:
        return f"{_pick(rng, CLOUD_NOUNS[scene.clouds])} in the sky {when}"
    if form == 1 and cloudy:
        return f"{_pick(rng, CLOUD_NOUNS[scene.clouds])} over {land} {when}"
    if form == 2 and scene.light != "none":
        return f"{_pick(rng, LIGHT_NOUNS[scene.light])} over {land} {when}{_tail(scene, rng, light=False)}"
    if form == 3:
        tags = [TAGS[scene.time], scene.land, TAGS[scene.clouds], *([scene.light] if scene.light != "none" else [])]
        return ", ".join(tags[: int(rng.integers(2, len(tags) + 1))])
    if form in (4, 5):
        opening = _pick(rng, OPENINGS) if form == 4 else ""
        return f"{opening}{land} {when}{_tail(scene, rng)}"
    opening = _pick(rng, OPENINGS) if form == 6 else ""
    return f"{opening}{_pick(rng, TIME_NOUNS[scene.time])} over {land}{_tail(scene, rng)}"


def _pick(rng: np.random.Generator, choices: tuple[str, ...]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _tail(scene: Scene, rng: np.random.Generator, light: bool = True) -> str:
    parts = []
    if rng.uniform() < 0.6:
        parts.append(_pick(rng, CLOUD_NOUNS[scene.clouds]))
    if light and rng.uniform() < 0.5:
        absent = 1 if scene.time == "night" else 0
        names = LIGHT_NOUNS[scene.light]
        parts.append(names[absent] if scene.light == "none" else _pick(rng, names))
    return f" with {' and '.join(parts)}" if parts else ""


def words() -> tuple[str, ...]:
    """Return every word that a caption can hold, sorted."""
    tables = (TIME_NOUNS, TIME_PHRASES, LAND_NOUNS, CLOUD_NOUNS, LIGHT_NOUNS)
    phrases = [phrase for table in tables for choices in table.values() for phrase in choices]
    text = " ".join([*phrases, *OPENINGS, *TAGS.values(), *LAND_NOUNS, _JOINING])
    return tuple(sorted(set(re.findall(r"[a-z]+", text))))
