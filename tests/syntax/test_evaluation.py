"""A script is evaluated once: ahead as far as can be told, then on with what its invocations made."""

from __future__ import annotations

import gc
import signal
import threading
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_latents import Latents
from jupyter_latents.errors import ScriptError, StoppedError
from jupyter_latents.stage import Reference, Stage
from jupyter_latents.syntax import Environment, Evaluation, Invocation, Promise, Script, real

PUBLISHED = """\\set token %HF_TOKEN%
{% if not token.strip() and not '--auth-token' in injected_args %}
    \\print Give a token first!
    \\exit
{% endif %}
\\set steps 30

someone/first-model
--inference-steps {{ steps }}
--auth-token {{ token }}
--gen-seeds 2
--output-path $HOME/one
--denoising-end 0.8
--prompts "a lighthouse"

someone/second-model
--inference-steps {{ steps }}
--image-seeds "latents: {{ quote(last_images) }}"
--denoising-start 0.8
--prompts "a lighthouse; blurry\""""


class Ran:
    """A script foreseen and then run.

    Args:
        text: The script.
        results: What each invocation makes.
        foresee: Whether `ahead` is asked for first.
    """

    def __init__(self, text: str, *results: list[Any], foresee: bool = True, **given: Any) -> None:
        self.said: list[str] = []
        self.kernel: dict[str, object] = given.pop("kernel", {})
        self.environment = Environment(
            print=self.said.append,
            kernel=self.kernel,
            **{"environ": {}, "random_seed": iter(range(99)).__next__, **given},
        )
        self.evaluation = Evaluation(Script(text), self.environment)
        self.foreseen = self.evaluation.ahead() if foresee else []
        self.waiting, self.before = self.evaluation.waiting, list(self.said)
        self.printed = self.evaluation.printed
        self.stages: list[Stage] = []
        self.order: list[str] = []
        for invocation, made in zip(self.evaluation, [*results, *[[]] * 99], strict=False):
            self.stages.extend(invocation.stages())
            into = invocation.first("into")
            if into and made:
                self.kernel[into] = made[0]
            self.order = [*self.said]
            self.evaluation.finished(made)

    def files(self, stage: int) -> list[Any]:
        """What the latents of a stage stand for."""
        seed = self.stages[stage].image_seed
        assert seed is not None
        named = [reference.text for reference in seed.latents or seed.images]
        return [real(self.environment.captured.get(name, name)) for name in named]


def test_a_published_script_is_foreseen_whole_and_run_from_the_same_evaluation() -> None:
    secret = {"HF_TOKEN": "hf_secret", "HOME": "/home/secret"}
    ran = Ran(PUBLISHED, ["one/a b.pt", "c.pt"], environ=secret)
    assert ran.waiting is None
    assert [invocation.model for invocation in ran.foreseen] == ["someone/first-model", "someone/second-model"]
    foreseen = [stage for invocation in ran.foreseen for stage in invocation.stages()]
    assert "secret" not in repr(foreseen)
    assert ran.environment.shown(str(foreseen[0].output.path)) == "$HOME/one"
    assert ran.environment.shown(str(foreseen[0].model.auth_token)) == "$HF_TOKEN"
    assert [stage.output.path for stage in ran.stages] == ["/home/secret/one"] * 2 + [None]
    assert ran.stages[0].model.auth_token == "hf_secret"
    assert [stage.seed for stage in ran.stages] == [stage.seed for stage in foreseen] == [0, 1, None]
    seed = ran.stages[2].image_seed
    assert seed is not None
    assert seed.latents == (Reference("__latents_1", "variable"), Reference("__latents_2", "variable"))
    assert ran.files(2) == ["one/a b.pt", "c.pt"]


def test_a_published_script_says_what_it_lacks() -> None:
    ran = Ran(PUBLISHED)
    assert (ran.foreseen, ran.before, ran.printed, ran.said) == ([], [], *[["Give a token first!"]] * 2)


def test_one_latents_option_of_an_image_seed_takes_a_promise() -> None:
    ran = Ran('m --into a\nm --image-seeds "photo.png;latents={{ quote(last_images) }}"', ["a.pt"])
    assert ran.waiting is None
    assert ran.files(1) == ["a.pt"]


def test_a_loop_around_invocations_is_foreseen() -> None:
    text = (
        "{% for f in [1, 2] %}\nm\n--seeds {{ f }}\n\n"
        "m --image-seeds {{ quote(last_images) }}\n\n"
        'm --seeds 1\n--image-seeds \\\n"latents: {{ last_images[0] }}"\n{% endfor %}'
    )
    ran = Ran(text, ["a.pt"], ["b.pt"], ["c.pt"], ["d.pt"], ["e.pt"], ["f.pt"])
    assert ran.waiting is None
    assert len(ran.foreseen) == 6
    assert [ran.files(index) for index in (1, 2, 4, 5)] == [["a.pt"], ["b.pt"], ["d.pt"], ["e.pt"]]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("\\print {{ last_images }}", "['a.pt']"),
        ("\\print {{ last_images[0] }} {{ last_images|length }}", "a.pt 1"),
        ("\\print {% if last_images[0].endswith('.pt') %}yes{% endif %}", "yes"),
        ("\\setp x last_images[0] + '!'\n\\print {{ x }}", "a.pt!"),
        ("\\setp x [n.upper() for n in last_images]\n\\print {{ x[0] }}", "A.PT"),
        ("\\print {{ last_images|join(' ')|upper }}", "A.PT"),
        ("\\print {{ 'a.pt' in last_images }}", "True"),
        ("\\print {{ basename(last_images[0]) }}", "a.pt"),
        ("{% if last_images[0] == 'a.pt' %}\n\\print same\n{% endif %}", "same"),
        ("{% for n in last_images %}\n\\print {{ n }}\n{% endfor %}", "a.pt"),
    ],
)
def test_a_line_that_looks_into_what_is_not_made_waits_for_the_run(line: str, said: str) -> None:
    ran = Ran(f"\\print before\nm\n\n{line}\nm --seeds 3", ["a.pt"])
    assert len(ran.foreseen) == 1
    assert ran.waiting is not None
    assert ran.waiting.place is not None
    assert ran.waiting.place.line == 4
    assert ran.waiting.names == ("last_images",)
    assert ran.waiting.message == f"line {ran.waiting.place.line} depends on what line 2 is yet to make (last_images)"
    assert ran.said == ["before", said]
    assert len(ran.stages) == 2
    assert Ran(f"\\print before\nm\n\n{line}\nm --seeds 3", ["a.pt"], foresee=False).said == ran.said


def test_a_value_handed_on_by_setp_needs_no_look() -> None:
    ran = Ran("m\n\\setp kept last_images[0]\nm --image-seeds {{ kept }}", ["a.pt"])
    assert (ran.waiting, ran.files(1)) == (None, ["a.pt"])


def test_what_another_option_takes_waits() -> None:
    ran = Ran('m\nm --prompts "{{ last_images[0] }}"', ["a.pt"])
    assert ran.waiting is not None
    assert ran.stages[1].prompt.positive == "a.pt"


def test_what_into_binds_is_promised() -> None:
    made = Latents(torch.zeros(1, 4, 8, 8))
    ran = Ran('m --into base\nm --image-seeds "latents: {{ base }}"\nm --seeds {{ base.shape[1] }}', [made])
    assert ran.waiting is not None
    assert ran.waiting.names == ("base",)
    assert ran.files(1) == [made]
    assert ran.stages[2].seed == 4
    assert ran.environment.promised == {}


def test_the_count_of_a_batch_is_not_known_before_the_run() -> None:
    ran = Ran('m --batch-size 2\nm --image-seeds "latents: {{ quote(last_images) }}"', ["a.pt", "b.pt"])
    assert ran.waiting is None
    assert ran.files(1) == [["a.pt", "b.pt"]]
    ran = Ran("m --batch-size 2\n\\print {{ last_images|length }} {{ last_images }}", ["a.pt", "b.pt"])
    assert ran.waiting is not None
    assert ran.said == ["2 ['a.pt', 'b.pt']"]


@pytest.mark.parametrize("foresee", [True, False])
def test_each_template_is_evaluated_once(foresee: bool) -> None:
    asked: list[str] = []

    def feature(name: str) -> bool:
        asked.append(name)
        return True

    text = "\\setp a have_feature('1')\n{% for n in '23' %}\nm --seeds {{ have_feature(n)|int }}\n{% endfor %}\n"
    text += "\\print {{ last_images[0] }} {{ have_feature('4') }}\nm --seeds {{ have_feature('5')|int }}"
    Ran(text, ["a.pt"], ["b.pt"], foresee=foresee, have_feature=feature)
    assert asked == list("12345")


def test_without_foresight_each_line_is_evaluated_in_its_turn() -> None:
    said: list[str] = []
    kernel: dict[str, object] = {"x": 1}
    evaluation = Evaluation(Script("m\n\\print {{ x }}"), Environment(kernel=kernel, print=said.append))
    next(evaluation)
    kernel["x"] = 2
    evaluation.finished([])
    assert (list(evaluation), said) == ([], ["2"])


def test_prints_come_when_their_turn_comes() -> None:
    ran = Ran("\\print one\nm\n\\print two\nm\n\\print three", ["a"], ["b"])
    assert (ran.before, ran.printed, ran.order) == ([], ["one", "two", "three"], ["one", "two"])
    assert ran.said == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("m --seeds $N", {"seed": 7}),
        ("m --seeds {{ env.N }}", {"seed": 7}),
        ("\\set n $N\nm --seeds {{ n }}", {"seed": 7}),
        ("{% if env.N == '7' %}\nm --seeds 8\n{% endif %}", {"seed": 8}),
        ("m $WORDS", {"seed": 5}),
        ("m --seeds {{ env.N|int + 1 }}", {"seed": 8}),
        ("m --seeds {{ env.N|length }}", {"seed": 1}),
    ],
)
def test_a_line_that_looks_into_the_environment_waits_for_the_run(text: str, stage: dict[str, object]) -> None:
    ran = Ran(text, environ={"N": "7", "WORDS": "--seeds 5 --prompts 'a b'"})
    assert ran.foreseen == []
    assert ran.waiting is not None
    assert "a value of the environment" in ran.waiting.message
    assert {name: getattr(ran.stages[0], name) for name in stage} == stage


words = st.from_regex(r"[A-Z][A-Z0-9_]{0,6}", fullmatch=True)
PLACES = (
    'm --prompts "a ${NAME} b; $NAME"',
    "m --output-path %NAME%/x --output-prefix $NAME",
    "\\print $NAME {{ env.NAME }} %NAME%",
    "\\set x $NAME\n\\print {{ x }} {{ x.strip() }}",
    "{% set y = env.NAME %}\n\\print {{ y ~ '!' }}",
    "{% for k in [1] %}\n\\print ${NAME} {{ env.NAME }}\n{% endfor %}",
    "\\env OTHER=$NAME\n\\print $OTHER",
    "\\echo \"$NAME\" '{{ env.NAME }}'",
    "\\setp z env.NAME\n\\print {{ z }}",
    "\\print {{ [env.NAME]|join('-') }}",
    "$NAME --seeds 1",
    "m --image-seeds $NAME/a.png",
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(PLACES), min_size=1, max_size=3), words, st.text("xyz", min_size=8, max_size=12))
def test_no_value_of_the_environment_is_in_what_is_foreseen(places: list[str], name: str, value: str) -> None:
    text = "\n\n".join(places).replace("NAME", name)
    ran = Ran(text, environ={name: value})
    shown = [repr(stage) for invocation in ran.foreseen for stage in invocation.stages()] + ran.printed
    assert value not in ran.environment.shown(" ".join([*shown, str(ran.waiting)]))
    plain: list[str] = []
    environment = Environment(environ={name: value}, print=plain.append)
    stages = [stage for one in Script(text).invocations(environment) for stage in one.stages()]
    assert (ran.said, ran.stages) == ([line.replace(value, f"${name}") for line in plain], stages)


def test_texts_that_look_like_our_marks_are_texts() -> None:
    odd = "\ufffc \ufffc\ue000 \U0010f000SECRET\U0010f001 \x02"
    text = f'm --prompts "{odd}" --seeds 1\n\n\\print {{{{ odd }}}}'
    ran = Ran(text, environ={"SECRET": "s3cr3t"}, kernel={"odd": odd})
    assert ran.waiting is None
    assert ran.stages[0].prompt.positive == odd
    assert ran.said == [odd.replace("\x02", "\\x02")]
    with pytest.raises(ScriptError, match="not allowed"):
        Script("m --seeds \ufffc").check()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\\set $SECRET x", "'$SECRET' cannot be a name"),
        ("\\unset $SECRET", "'$SECRET' was not set"),
        ("m --seeds $SECRET", "'$SECRET' is not allowed"),
        ("m --auth-token a $SECRET", "A second token belongs to no option"),
        ("m --seeds=$SECRET", "'$SECRET' is not allowed"),
        ("m\n\\print {{ last_images[0] }}\nm --seeds $SECRET", "'$SECRET' is not allowed"),
        ("\\setp x int(env.SECRET)", "'$SECRET'"),
        ("\\print {{ {}[env.SECRET].a }}", "$SECRET"),
        ("\\env $SECRET", "'$SECRET'"),
        ("m --$SECRET 1", "no option"),
        ("\\sete x $SECRET*", "'$SECRET*' matches no file"),
    ],
)
def test_errors_never_quote_a_value_of_the_environment(text: str, message: str) -> None:
    evaluation = Evaluation(Script(text), Environment(environ={"SECRET": "s3cr3t-v4lue"}))

    def whole() -> None:
        evaluation.ahead()
        for _ in evaluation:
            evaluation.finished(["a.png"])

    with pytest.raises(ScriptError) as caught:
        whole()
    told = f"{caught.value} {caught.value.template} {caught.value.args}"
    assert message in told
    assert "s3cr3t-v4lue" not in told
    assert not {character for character in told if ord(character) > 0xFFFF}


def test_errors_are_found_ahead_or_raised_in_their_turn() -> None:
    with pytest.raises(ScriptError, match="did you mean --seeds"):
        Evaluation(Script("m\nm --sedes 1"), Environment()).ahead()
    evaluation = Evaluation(Script("m\nm --sedes 1"), Environment())
    assert next(evaluation).model == "m"
    evaluation.finished([])
    with pytest.raises(ScriptError, match="did you mean --seeds"):
        next(evaluation)


def test_a_run_that_tells_nothing_cannot_go_on() -> None:
    evaluation = Evaluation(Script("m\n\\print {{ last_images[0] }}"), Environment())
    evaluation.ahead()
    next(evaluation)
    with pytest.raises(ScriptError, match="cannot go on: line 2 depends on what line 1"):
        next(evaluation)


def test_a_stop_is_heard_ahead() -> None:
    def check() -> None:
        raise StoppedError("stopped")

    with pytest.raises(StoppedError):
        Evaluation(Script("m"), Environment(check=check)).ahead()


def evaluating() -> int:
    """Threads that evaluate a script; those of other tests end when they like."""
    return sum(thread.name == "jupyter-latents-script" for thread in threading.enumerate())


def test_a_forgotten_evaluation_leaves_nothing_behind() -> None:
    before = evaluating()
    evaluation: Evaluation | None = Evaluation(Script("m\n\\print {{ last_images[0] }}"), Environment())
    assert evaluation is not None
    evaluation.ahead()
    assert evaluating() == before + 1
    evaluation = None
    gc.collect()
    assert evaluating() == before


def test_an_interrupt_ends_an_endless_evaluation() -> None:
    """The signal goes to the asking side, while the evaluating one is in a loop."""
    before, main, looping = evaluating(), threading.main_thread().ident, threading.Event()
    text = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    evaluation = Evaluation(Script(text), Environment(check=looping.set))
    assert main is not None

    def interrupt() -> None:
        looping.wait()
        signal.pthread_kill(main, signal.SIGINT)

    sender = threading.Thread(target=interrupt)
    sender.start()
    with pytest.raises(KeyboardInterrupt):
        evaluation.ahead()
    evaluation.close()
    sender.join()
    assert evaluating() == before


def test_a_promise_nobody_waits_for_says_so() -> None:
    with pytest.raises(ScriptError, match="not made yet"):
        len(Promise("a", 3))
    kept = Promise("a")
    kept.fulfil(["b"])
    assert (len(kept), kept[0], "b" in kept, str(kept)) == (1, "b", True, "['b']")


def test_an_invocation_without_veils_is_itself_at_the_run() -> None:
    evaluation = Evaluation(Script("m"), Environment())
    (foreseen,) = evaluation.ahead()
    assert isinstance(foreseen, Invocation)
    assert next(evaluation) is foreseen


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("\\print {{ (env.SECRET|string)|length }}", "11"),
        ("\\print {{ (env.SECRET ~ 'a')|length }}", "12"),
        ("\\print {{ [env.SECRET, 'b']|join('-') == 's3cr3tvalue-b' }}", "True"),
        ("\\print {{ env.SECRET in 'the s3cr3tvalue' }} {{ 's3' in env.SECRET }}", "True True"),
        ("\\print {{ env.SECRET is string }} {{ env.SECRET is upper }}", "True False"),
        ("\\print {{ env.SECRET.startswith('s3') }}", "True"),
        ("{% set x %}a{{ env.SECRET }}{% endset %}\n\\print {{ x == 'as3cr3tvalue' }}", "True"),
        ("\\print {{ {'s3cr3tvalue': 'found'}[env.SECRET] }}", "found"),
        ("\\print {{ 'yes' if env.SECRET in ['s3cr3tvalue'] else 'no' }}", "yes"),
        ("\\print {% filter length %}{{ env.SECRET }}{% endfilter %}", "11"),
        ("\\setp long len('$SECRET')\n\\print {{ long }}", "11"),
    ],
)
def test_what_is_worked_out_of_the_environment_is_that_of_its_value(line: str, said: str) -> None:
    printed: list[str] = []
    environment = Environment(environ={"SECRET": "s3cr3tvalue"}, print=printed.append)
    evaluation = Evaluation(Script(f"{line}\n\nsome/model --prompts $SECRET"), environment)
    evaluation.ahead()
    assert not any("s3cr3t" in text for text in evaluation.printed)
    assert [invocation.first("prompts") for invocation in evaluation] == ["s3cr3tvalue"]
    assert printed == [said]


def test_the_asking_side_does_not_wait_for_what_it_must_make_itself() -> None:
    evaluation = Evaluation(Script("some/model --prompts a --into x\n\nother/model --prompts b"), Environment())
    evaluation.ahead()
    (promise,) = evaluation.foreseen[0].images
    assert "line 1 is yet to make" in str(promise)
    with pytest.raises(ScriptError, match="not made yet"):
        bool(promise)
    evaluation.close()


def test_too_many_seeds_are_refused_not_made() -> None:
    with pytest.raises(ScriptError, match=r"gen_seeds makes .* at most"):
        Evaluation(Script("\\print {{ gen_seeds(10**8)|length }}"), Environment()).ahead()
