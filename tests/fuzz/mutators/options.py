"""Options with odd values, alone and beside each other, in scripts and on the magic's own line."""

from __future__ import annotations

from itertools import islice
from random import Random

from jupyter_latents.engine.schedule.table import scheduler_names
from jupyter_latents.syntax import Environment, Script
from jupyter_latents.syntax.options.magic_line import parse_magic_line
from jupyter_latents.syntax.options.magic_options import MAGIC_NAMES
from jupyter_latents.syntax.options.rules.refused import ELSEWHERE, REFUSED, SHORT
from jupyter_latents.syntax.options.table import BY_NAME
from tests.fuzz.frame import Mutator
from tests.fuzz.mutators.seeds import seed

_MANY = 500
_NAMES = [*BY_NAME, *MAGIC_NAMES, *REFUSED, *SHORT, *ELSEWHERE]
_VALUES = (
    "0", "1", "-1", "0.5", "1e308", "nan", "inf", "1e-400", "18446744073709551616", "9" * 29, "9" * 40, "512x768", "8x",
    "x", "", "a b", "a;b", "NAME;key=value", "NAME;key=", ";", "=", "help", "DDIMScheduler;clip-sample=false",
    "euler", "3,2,1", "noise;sigma=1 + scale;factor=2", "+", "cpu", "cuda:1", "png", "auto", "<weighter: x>", "(a:1.2)",
    "../x", "x" * 300, "class", "print", "_", "é", "\u202e", "\x1b", "\x00", "\ud800", "{{ 1 }}", "{{ x }}", "$A",
    "%A%", "?", "*", "~", "taylorseer;interval=3", "compile", "bnb;bits=4",
)  # fmt: skip


_FITTING = {
    "N": "2", "SCALE": "2", "FRACTION": "0.5", "POINT": "0.5", "SIZE": "64", "NAME": "x", "PROMPT": "a", "TYPE": "sd",
    "DTYPE": "float32", "FORMAT": "png", "DEVICE": "cpu", "FOLDER": "o", "TEXT": "t", "STRENGTH": "0.5",
    "SIGMAS": "3,2", "COUNT": "2", "TOKEN": "t", "BRANCH": "main", "PROCESSOR": "scale;factor=2", "SEED": "1", "": "",
    "COLUMNSxROWS": "2x1",
}  # fmt: skip


def _fitting(source: Random) -> str:
    """An option with a value that it takes."""
    name = source.choice(list(BY_NAME))
    value = "a.png" if BY_NAME[name].completion == "seed" else _FITTING[BY_NAME[name].metavar]
    return f"{name} {value}"


def options(source: Random) -> str:
    """A model with a few options."""
    words = ["m"] if source.random() < 0.95 else []
    words += [_fitting(source) for _ in range(source.randrange(5))]
    for _ in range(source.choice((0, 1, 1, 2))):
        name = source.choice(_NAMES) + ("?" if source.random() < 0.02 else "")
        if source.random() < 0.05:
            at = source.randrange(len(name) + 1)
            name = name[:at] + source.choice("-=xs2") + name[at:]
        words.append(name)
        for _ in range(source.randrange(4)):
            value = source.choice(_VALUES) if source.random() < 0.8 else seed(source)
            mark = source.choice(("", "", '"', "'"))
            words.append(mark + value + mark)
    return " ".join(words)


def read(text: str) -> None:
    """Reads the options, and makes the stages that they multiply to."""
    Script(text).check(schedulers=scheduler_names())
    for invocation in Script(text).invocations(Environment(environ={"A": "1"}, print=lambda _: None)):
        if len(list(islice(invocation.choices(), _MANY))) < _MANY:
            invocation.stages()


MUTATORS = (
    Mutator("options", options, read),
    Mutator("magic-lines", lambda source: options(source)[2:], parse_magic_line),
)
