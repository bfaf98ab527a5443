"""Scripts: whole ones with a few changes, and pieces that lie side by side."""

from __future__ import annotations

from random import Random

from jupyter_latents.syntax import Environment, Evaluation, Script
from tests.fuzz.frame import Mutator
from tests.strategies import PIECES

_WHOLE = (
    r"""demo/scenes
--prompts "a sunset; rain" 'a hill'
--seeds 7 8 --denoising-end 0.8 --into base

demo/paper --prompts "clouds"
--image-seeds "latents: base" --denoising-start 0.8
""",
    r"""\set a {{ last_images | first }}
\setp b [x * 2 for x in range(3)]
m --image-seeds {{ quote(a) }} --guidance-scales {{ b | join(' ') }}
""",
    r"""{% for f in [0.5, 0.8] %}
m --denoising-end {{ f }} --into r{{ loop.index }}
{% endfor %}
\print {{ r1 }}
""",
    r"""m --image-seeds "images: a.png, 'b c.png';mask=m.png;control=c.png, d.png;latents=z, y;resize=64x32;align=8"
""",
    r"""\sete files *.png $HOME/x
\env A=b
\echo ${A} %A% "{{ env.A }}" 'x' \
\unset files
\exit
""",
    r"""m --scheduler 'DDIMScheduler;clip-sample=false' --sigmas 3,2,1 --latents-processors 'noise;sigma=1;seed=2' \
# why
--output-size 64x32 --optimize 'taylorseer;interval=3' --vae 'AutoencoderKL;model=x'
""",
    r"""{% set n = 3 %}
{% macro go(x) %}m --seeds {{ x }}{% endmacro %}
{{ go(n) }}
{% if have_cuda() %}\exit{% endif %}
""",
)
_CHARACTERS = "\\\"'{}%$;:,|+#= \t\n\r\x00\x07\x1b\u202e\u2028\ufffc\ufffd\ue000\U0010f000\U0010f001\x02\x03é0-"


def _changed(text: str, source: Random) -> str:
    """A text with one change."""
    at = source.randrange(len(text) + 1)
    to = min(len(text), at + source.choice((0, 1, 1, 2, 8)))
    way = source.randrange(5)
    if way == 0:
        return text[:at] + text[to:]
    if way == 1:
        return text[:at] + source.choice(_CHARACTERS) + text[to:]
    if way == 2:
        return text[:at] + source.choice(PIECES) + text[to:]
    if way == 3:
        return text[:at] + text[at:to] * source.randrange(4) + text[to:]
    other = source.choice(_WHOLE)
    return text[:at] + other[source.randrange(len(other)) :]


def script(source: Random) -> str:
    """A script with changes, or of pieces."""
    if source.random() < 0.3:
        gap = source.choice(["", " ", "\n"])
        return gap.join(source.choice(PIECES) for _ in range(source.randrange(20)))
    text = source.choice(_WHOLE)
    for _ in range(source.randrange(1, 6)):
        text = _changed(text, source)
    return text


def read(text: str) -> None:
    """Checks a script, then evaluates it ahead and to its end, as a plan and a run do."""
    try:
        Script(text).check()
    finally:
        environment = Environment(environ={"HOME": "/home/me", "A": "a b"}, kernel={"base": 1}, print=lambda _: None)
        environment.foreseeing = True
        evaluation = Evaluation(Script(text), environment)
        try:
            evaluation.ahead()
            for number, invocation in enumerate(evaluation):
                evaluation.finished([f"{number}.png" for _ in invocation.stages()])
        finally:
            evaluation.close()


MUTATORS = (Mutator("scripts", script, read),)
