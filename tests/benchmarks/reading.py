"""Reading long scripts: seconds for lines that go on, and for runs of backslashes."""

from __future__ import annotations

import time

from jupyter_latents.syntax import Environment, Script

__all__ = ["long_scripts"]


def _seconds(text: str) -> float:
    started = time.perf_counter()
    Script(text).check()
    for invocation in Script(text).invocations(Environment(environ={}, print=lambda _: None)):
        invocation.stages()
    return time.perf_counter() - started


def long_scripts() -> dict[str, float]:
    """Seconds to check and read a script, the best of three, by what is long in it."""
    texts: dict[str, str] = {}
    for count in (1_000, 8_000):
        texts[f"{count} continuation lines"] = "m \\\n--seeds \\\n" + "1 \\\n" * count
        texts[f"{count} lines in quotes"] = 'm --prompts "a \\\n' + "word \\\n" * count + '"'
        texts[f"{count} lines of a block"] = "{% if 1 %}\n" + "\\set a 1\n" * count + "{% endif %}"
        texts[f"{count} backslashes"] = 'm --prompts "' + "\\" * count + ' x"'
    return {what: min(_seconds(text) for _ in range(3)) for what, text in texts.items()}
