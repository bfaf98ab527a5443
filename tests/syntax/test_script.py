"""Scripts: lines, templates, directives, and what a check finds without running."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from jupyter_latents import Latents
from jupyter_latents.errors import JupyterLatentsError, ScriptError
from jupyter_latents.latents.facts import Position
from jupyter_latents.latents.trajectory import Trajectory
from jupyter_latents.stage import Prompt, Reference, Size, Stage, Window
from jupyter_latents.syntax import Environment, Invocation, Script, parse
from jupyter_latents.syntax.expand import expand
from jupyter_latents.syntax.text.lines import LineReader, Logical
from jupyter_latents.syntax.text.located import Line
from jupyter_latents.syntax.text.quoting import read_words
from tests.strategies import broken_texts


@dataclass
class Told:
    """What a script made, and what it said."""

    stages: list[Stage] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    environment: Environment = field(default_factory=Environment)


def run(text: str, results: list[list[str]] | None = None, **environment: object) -> Told:
    """Runs a script; `results` are the files that each invocation made."""
    told = Told()
    told.environment = Environment(print=told.said.append, **{"environ": {}, **environment})  # type: ignore[arg-type]
    made = iter(results or [])
    script = Script(text, first_line=2)
    script.check()
    for invocation in script.invocations(told.environment):
        told.stages.extend(invocation.stages())
        told.environment.finished(next(made, []), [stage.prompt for stage in invocation.stages()])
    return told


def fails(text: str, message: str, **environment: object) -> ScriptError:
    with pytest.raises(ScriptError, match=message) as caught:
        run(text, **environment)
    assert caught.value.place is not None
    return caught.value


def pointed(error: ScriptError) -> tuple[int, str]:
    """The line of an error and the text under its caret."""
    place = error.place
    assert place is not None
    return place.line, place.text[place.column - 1 : place.column - 1 + place.length]


# The published examples use each of these constructs; the texts are our own.
TWO_STAGES = """#! /usr/bin/env dgenerate --file
#! dgenerate 6.0.0

{% if "--output-metadata" in injected_args %}
    \\set _ {{ injected_args.remove("--output-metadata") }}
{% endif %}


\\set token %HF_TOKEN%

{% if not token.strip() and not '--auth-token' in injected_args %}
    \\print Give a token first!
    \\exit
{% endif %}

\\setp room total_memory(unit='gib')

{% if have_cuda() and have_feature('bitsandbytes') and room > 15 %}
    \\set optimization --quantizer bnb;bits=4
{% elif have_cuda() and have_feature('sdnq') and total_memory(unit='gib') > 4 %}
    \\set optimization --quantizer sdnq;type=int4
{% else %}
    \\set optimization --model-sequential-offload
{% endif %}

# where the first model stops
\\set share 0.80
\\set steps 30


someone/first-model
--model-type flux {{ optimization }}
--dtype bfloat16
--variant 'fp16'
--scheduler FlowMatchEulerDiscreteScheduler
--inference-steps {{ steps }}
--guidance-scales 3.5
--gen-seeds 1
--output-size 768
--image-format pt
--output-path steps/one
--denoising-end {{ share }}
--prompts "a lighthouse, high resolution"

# the other model goes on

# from there

someone/second-model
--model-type torch-flux {{ optimization }}
--inference-steps {{ steps }}
--image-seeds "latents: {{ quote(last_images) }}"
--denoising-start {{ share }}
--prompts "a lighthouse; blurry\""""


def test_a_two_stage_script_runs_as_written() -> None:
    told = run(TWO_STAGES, [["one/a b.pt"]], environ={"HF_TOKEN": "t"}, injected_args=["--output-metadata"])
    first, second = told.stages
    assert (first.model.name, first.model.model_type, first.model.dtype) == ("someone/first-model", "flux", "bfloat16")
    assert (first.model.variant, first.model.offload, first.model.quantizer) == ("fp16", "sequential", None)
    assert (first.window, second.window) == (Window(None, 0.8), Window(0.8, None))
    assert (first.size, first.output.format, first.output.path) == (Size(768, 768), "pt", "steps/one")
    assert first.seed is not None
    assert second.image_seed is not None
    assert second.image_seed.latents == (Reference("one/a b.pt", "path"),)
    assert second.prompt == Prompt("a lighthouse", "blurry")
    assert second.model.model_type == "flux"
    assert told.environment.injected_args == []


@pytest.mark.parametrize(
    ("machine", "quantizer"),
    [("bitsandbytes", "bnb;bits=4"), ("sdnq", "sdnq;type=int4")],
)
def test_the_machine_decides_in_templates(machine: str, quantizer: str) -> None:
    told = run(
        TWO_STAGES,
        [["a.pt"]],
        environ={"HF_TOKEN": "t"},
        have_cuda=lambda: True,
        have_feature=lambda name: name == machine,
        total_memory=lambda unit: {"gib": 40.0}[unit],
    )
    assert [str(stage.model.quantizer) for stage in told.stages] == [quantizer] * 2


def test_exit_ends_the_script() -> None:
    told = run(TWO_STAGES)
    assert (told.stages, told.said, told.environment.exited) == ([], ["Give a token first!"], True)


def test_injected_words_reach_every_invocation() -> None:
    told = run(TWO_STAGES, [["a.pt"]], injected_args=["--auth-token", "secret", "--output-size", "64"])
    assert [stage.model.auth_token for stage in told.stages] == ["secret"] * 2
    assert [stage.size for stage in told.stages] == [Size(64, 64)] * 2
    assert "secret" not in repr(told.stages)


def test_last_images_are_those_of_the_invocation_before() -> None:
    text = 'm --into a\nm --image-seeds {{ quote(last_images) }}\nm --image-seeds "{{ last_images[0] }};512"'
    told = run(text, [["x 1.pt", "y.pt"], ["z.png"]])
    seeds = [stage.image_seed.images for stage in told.stages if stage.image_seed]
    assert seeds == [(Reference("x 1.pt", "path"),), (Reference("y.pt", "path"),), (Reference("z.png", "path"),)]


def test_several_quoted_files_make_a_batch_inside_a_seed() -> None:
    told = run('m\nm --image-seeds "latents: {{ quote(last_images) }}"', [["a b.pt", "c.pt"]])
    seed = told.stages[1].image_seed
    assert seed is not None
    assert [item.text for item in seed.latents] == ["a b.pt", "c.pt"]


@pytest.mark.parametrize(
    "name", ["it's.pt", 'say "hi".pt', "a;b, c.pt", "a$HOME.pt", "%PATH%.pt", "back\\slash.pt", "é #1.pt"]
)
def test_any_file_name_survives_quote_inside_quotes(name: str) -> None:
    for text in ('"latents: {{ quote(last_images) }}"', "'latents: {{ quote(last_images) }}'"):
        seed = run(f"m\nm --image-seeds {text}", [[name]], environ={"HOME": "no", "PATH": "no"}).stages[1].image_seed
        assert seed is not None
        assert seed.latents == (Reference(name, "path"),)


def test_a_rendered_prompt_cannot_end_its_quotes() -> None:
    told = run('\\setp p \'5" of "snow" # 100%\'\nm --prompts "{{ p }}" --seeds 1')
    assert told.stages[0].prompt.positive == '5" of "snow" # 100%'


class TestLines:
    """Which lines belong together."""

    def test_a_leading_dash_goes_on(self) -> None:
        assert run("m\n--seeds 1\n\t--into a").stages[0].into == "a"

    def test_a_trailing_backslash_goes_on_over_blanks_and_comments(self) -> None:
        assert run("m \\\n\n# why\n\n--seeds \\\n  7 \\\n # and\n--into a").stages[0].seed == 7

    def test_a_comment_may_stand_between_options(self) -> None:
        assert run("m\n--seeds 1\n# named\n  # so\n--into a").stages[0].into == "a"

    def test_a_blank_line_ends_an_invocation(self) -> None:
        error = fails("m\n--seeds 1\n\n--into a", "without a model")
        assert pointed(error) == (5, "--into")

    def test_the_next_bare_line_is_the_next_invocation(self) -> None:
        assert [stage.model.name for stage in run("m1\nm2\n--seeds 1\nm3").stages] == ["m1", "m2", "m3"]

    def test_comments_end_lines_outside_quotes_only(self) -> None:
        told = run('m # the model\n--prompts "a # b" # --seeds 1')
        assert told.stages[0].prompt.positive == "a # b"
        assert told.stages[0].seed is None

    def test_a_quoted_text_goes_on_after_a_backslash(self) -> None:
        assert run('m --prompts "a \\\nb"').stages[0].prompt.positive == "a b"

    def test_an_open_quote_is_found_on_its_own_line(self) -> None:
        error = fails('m\n--prompts "a\n--output-prefix "b"', "never closed on this line")
        assert pointed(error) == (3, '"')

    def test_the_shell_form_with_the_program_name_is_read(self) -> None:
        assert run("dgenerate some/model --seeds 1").stages[0].model.name == "some/model"

    def test_a_value_may_follow_an_equals_sign(self) -> None:
        stage = run('m --prompts="a b" --seeds=3').stages[0]
        assert (stage.prompt.positive, stage.seed) == ("a b", 3)


class TestEnvironmentNames:
    """``$NAME``, ``${NAME}`` and ``%NAME%``."""

    def test_three_spellings_expand(self) -> None:
        assert run("\\print $A ${A}b %A%", environ={"A": "x"}).said == ["x xb x"]

    def test_unset_names_are_nothing(self) -> None:
        assert run("\\print [$A${A}%A%]").said == ["[]"]

    def test_percent_signs_in_prose_stay(self) -> None:
        stage = run('m --prompts "100% wool, 50% silk, 5 % off, $5"').stages[0]
        assert stage.prompt.positive == "100% wool, 50% silk, 5 % off, $5"

    def test_single_quotes_and_backslashes_keep_them(self) -> None:
        stage = run('m --prompts \'$A\' "\\$A" --output-prefix "$A"', environ={"A": "x y"}).stages
        assert [each.prompt.positive for each in stage] == ["$A", "$A"]
        assert stage[0].output.prefix == "x y"

    def test_a_value_is_no_template(self) -> None:
        assert run("\\print $A", environ={"A": "{{ 1 + 1 }}"}).said == ["{{ 1 + 1 }}"]

    def test_templates_read_env(self) -> None:
        assert run("\\print {{ env.A }}{{ env.B }}", environ={"A": "x"}).said == ["x"]

    def test_env_sets_for_the_script_alone(self) -> None:
        environ = {"A": "old"}
        assert run('\\env A=new "B=two words"\n\\print $A {{ env.B }}', environ=environ).said == ["new two words"]
        assert environ == {"A": "old"}


class TestDirectives:
    """Lines that start with a backslash."""

    def test_set_holds_text_and_setp_holds_values(self) -> None:
        told = run("\\set a 0.6\n\\setp b [1, 2.5] + [3]\n\\print {{ a + '!' }} {{ b[1] * 2 }} {{ a|float > 0.5 }}")
        assert told.said == ["0.6! 5.0 True"]

    def test_sete_holds_words(self) -> None:
        assert run("\\sete w a 'b c' $X\n\\print {{ w|length }} {{ w[1] }}", environ={"X": "d"}).said == ["3 b c"]

    def test_unset_forgets(self) -> None:
        assert run("\\set a 1\n\\unset a\n\\print [{{ a }}]").said == ["[]"]

    def test_print_is_raw_and_echo_reads_words(self) -> None:
        assert run("\\print it's 'a  b'\n\\echo 'a  b'   c").said == ["it's 'a  b'", "a  b c"]

    def test_set_may_name_by_template(self) -> None:
        assert run("\\set n key\n\\set {{ n }} v\n\\print {{ key }}").said == ["v"]

    def test_what_a_line_sets_is_read_on_it(self) -> None:
        assert run("\\print {% set x = 'red' %}a {{ x }} house {{ x }}").said == ["a red house red"]
        assert run("\\print {% macro m(a) %}<{{ a }}>{% endmacro %}{{ m(3) }}").said == ["<3>"]

    def test_an_unset_name_renders_empty(self) -> None:
        assert run("m --seeds 1 {{ optimization }}").stages[0].seed == 1

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("\\prnt x", "did you mean print"),
            ("\\set x", "needs more"),
            ("\\exec ls", "does not run here"),
            ("\\set last_images x", "kept by the language"),
            ("\\set quote x", "kept by the language"),
            ("\\set 1x y", "cannot be a name"),
            ("\\unset nothing", "was not set"),
            ("\\env A", "NAME=value"),
            ("\\setp x 1 +", "Python expression"),
            ("\\setp x 1/0", "ZeroDivisionError"),
            ("\\setp x total_memry()", "did you mean total_memory"),
            ("\\sete x nothing/*.png", "matches no file"),
            ("\\print {{ 'a' | uper }}", "no filter; did you mean upper"),
            ("\\print {{ 1 is od }}", "no test; did you mean odd"),
            ('\\print {% include "x" %}', "reads another template"),
            ('{% import "x" as y %}', "reads another template"),
            ('{% from "x" import y %}', "reads another template"),
            ('{% extends "x" %}', "reads another template"),
        ],
    )
    def test_errors_say_what_is_wrong(self, line: str, message: str) -> None:
        assert pointed(fails(f"# one\n{line}", message))[0] == 3


class TestContinuation:
    """Lines that end with a backslash."""

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ('m --image-seeds "a.png;\\\n   mask=m.png"', ["m", "--image-seeds", "a.png;mask=m.png"]),
            ("m --image-seeds a.png;\\\nmask=m.png", ["m", "--image-seeds", "a.png;mask=m.png"]),
            ("m --image-seeds a.png;\\\n\n# why\nmask=m.png", ["m", "--image-seeds", "a.png;mask=m.png"]),
            ("m --prompts \\\na \\\n  b", ["m", "--prompts", "a", "b"]),
            ('m --prompts "a\\\n--seeds"', ["m", "--prompts", "a --seeds"]),
            ("m\\\n--seeds\\\n1", ["m", "--seeds1"]),
            ("m --prompts 'a'\\\n--seeds 1", ["m", "--prompts", "a", "--seeds", "1"]),
            ('m --prompts "{{ 1 \\\n }}{\\\n{ 2"', ["m", "--prompts", "1{ { 2"]),
        ],
    )
    def test_a_backslash_joins_what_stands_around_it(self, text: str, words: list[str]) -> None:
        (line,) = LineReader(iter([Line(at, row, row) for at, row in enumerate(text.split("\n"), 1)]))
        assert isinstance(line, Logical)
        assert [word.text for word in read_words(expand(line, Environment(environ={})))] == words


class TestPatterns:
    """Bare words with a star."""

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("b.png", "a.png", "-c.png", ".hidden.png", "plain", "one/d.png", "one/two/e.png"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        monkeypatch.chdir(tmp_path)

    @pytest.mark.parametrize(
        ("word", "files"),
        [
            ("?.png", ["?.png"]),
            ("a*", ["a.png"]),
            ("*.png", ["-c.png", "a.png", "b.png"]),
            ("pl*", ["./plain"]),
            ("**/*.png", ["one/d.png"]),
            ("one/*/*.png", ["one/two/e.png"]),
        ],
    )
    def test_a_star_stands_for_files(self, word: str, files: list[str]) -> None:
        stages = run(f"m --image-seeds {word} --seeds 1").stages
        found = [stage.image_seed.images[0] for stage in stages if stage.image_seed]
        assert found == [Reference(name, "path") for name in files]

    def test_words_of_sete_take_other_marks_too(self) -> None:
        assert run("\\sete w ?.png x?y '*.png'\n\\print {{ w | join(' ') }}").said == ["a.png b.png x?y *.png"]

    @pytest.mark.parametrize(("text", "notes"), [("~", 1), ("~/a", 1), ("'~'", 0), ("a~b", 0)])
    def test_echo_tells_that_it_does_not_show_the_home_folder(self, text: str, notes: int) -> None:
        said = run(f"\\echo {text}").said
        assert said[-1] == text.strip("'")
        assert [line for line in said[:-1] if "the home folder" in line] == said[:-1]
        assert len(said) == notes + 1

    def test_echo_takes_files(self) -> None:
        assert run('\\echo a* "*"').said == ["a.png *"]

    @pytest.mark.parametrize("word", ["'*.png'", '"a *"', "https://a.b/*.png"])
    def test_quoted_words_and_addresses_are_no_patterns(self, word: str) -> None:
        assert run(f"m --prompts {word}").stages[0].prompt.positive == word.strip("'\"")

    def test_no_file_is_an_error(self) -> None:
        assert pointed(fails("m --image-seeds x*.jpg", "matches no file"))[1] == "x*.jpg"

    def test_folders_of_the_whole_machine_are_looked_through_two_deep_at_most(self) -> None:
        fails("\\sete w /**/nothing-of-this-name/*", "matches no file")


class TestTemplates:
    """Expressions and blocks."""

    def test_a_loop_around_an_invocation_makes_several(self) -> None:
        told = run("{% for f in [0.5, 0.8] %}\nm\n--denoising-end {{ f }}\n--into a{{ loop.index }}\n{% endfor %}")
        assert [(s.window.end, s.into) for s in told.stages] == [(0.5, "a1"), (0.8, "a2")]

    def test_a_loop_sees_what_its_invocations_made(self) -> None:
        text = "{% for f in [1, 2] %}\nm\n--into a\n\nm --image-seeds {{ quote(last_images) }}\n{% endfor %}"
        told = run(text, [["a.pt"], [], ["b.pt"], []])
        assert [s.image_seed.images[0].text for s in told.stages if s.image_seed] == ["a.pt", "b.pt"]

    def test_lines_of_tags_alone_leave_no_blank_lines(self) -> None:
        text = "{% for f in [1, 2] %}\nm\n--seeds {{ f }}\n{% if f > 1 %}\n"
        text += "--batch-size 2\n{% endif %}\n--into a\n{% endfor %}"
        assert [(s.batch_size, s.into) for s in run(text).stages] == [(1, "a"), (2, "a")]

    def test_a_block_inside_an_invocation_needs_a_backslash(self) -> None:
        stage = run("m \\\n{% if 1 %} --seeds 2 {% endif %} \\\n--into a").stages[0]
        assert (stage.seed, stage.into) == (2, "a")

    def test_options_may_go_on_after_a_rendered_block(self) -> None:
        assert run("{% if 1 %}\nm\n{% endif %}\n--seeds 4").stages[0].seed == 4

    def test_a_model_may_be_a_template(self) -> None:
        assert run("\\set model a/b\n{{ model }}\n--seeds 4\n\n{{ model }}").stages[0].model.name == "a/b"

    def test_tags_within_a_line_render_as_one(self) -> None:
        assert run("m {% for i in [1] %}--into a{{ i }}{% endfor %} --seeds 1").stages[0].into == "a1"

    def test_comments_are_dropped_and_raw_kept(self) -> None:
        assert run("\\print a{# no #}b {{ '{{ x }}' }}").said == ["ab {{ x }}"]

    def test_names_set_in_a_block_stay_known(self) -> None:
        assert run("{% set a = 5 %}\n\\print {{ a }}").said == ["5"]

    def test_the_end_mark_of_older_scripts_is_read(self) -> None:
        assert run("{% if 1 %}\n\\print a\n{% endif %} !END\n\\print b").said == ["a", "b"]

    def test_kernel_variables_are_readable_and_names_come_first(self) -> None:
        assert run("\\set b 2\n\\print {{ a }}{{ b }}", kernel={"a": 1, "b": 9}).said == ["12"]

    def test_last_prompts_are_readable(self) -> None:
        told = run('m --prompts "cat; dog"\n\\print {{ last_prompts[0].positive }} | {{ last_prompts[0] }}')
        assert told.said == ["cat | cat; dog"]

    def test_an_error_in_a_block_points_at_its_line(self) -> None:
        error = fails("\n{% for f in [1] %}\n  m\n  --sedes {{ f }}\n{% endfor %}", "did you mean --seeds")
        assert pointed(error) == (5, "--sedes")

    def test_a_failing_expression_points_at_its_line(self) -> None:
        assert pointed(fails("{% if 1 %}\n\\print a\n\\print {{ 1 / 0 }}\n{% endif %}", "ZeroDivision"))[0] == 4
        assert pointed(fails("m --seeds {{ 1 / 0 }}", "ZeroDivision")) == (2, "{{ 1 / 0 }}")

    def test_an_unknown_function_names_the_nearest(self) -> None:
        fails("m --image-seeds {{ qoute(last_images) }}", "did you mean quote")

    @pytest.mark.parametrize(
        ("text", "message", "line"),
        [
            ("m\n\n{% if 1 %}\nx", "'if' is never closed; end it with {% endif %}", 4),
            ("m --into {{ a", "never closed", 2),
            ("{% for %}\n{% endfor %}", "cannot be read", 2),
            ("m --into {{ a b }}", "cannot be read", 2),
        ],
    )
    def test_broken_templates_are_found_before_anything_runs(self, text: str, message: str, line: int) -> None:
        with pytest.raises(ScriptError, match=message) as caught:
            Script(text, first_line=2).check()
        assert caught.value.place is not None
        assert caught.value.place.line == line

    def test_private_names_are_out_of_reach(self) -> None:
        fails("\\print {{ ''.__class__.__mro__ }}", "unsafe|not there|failed")
        fails("\\setp x ''.__class__", "private")


def latents(steps: int = 2) -> Latents:
    """Latents with the steps that made them."""
    made = tuple(Latents(torch.zeros(1, 4, 8, 8), position=Position(step, steps)) for step in range(1, steps + 1))
    return made[-1].replace(trajectory=Trajectory(made))


class TestObjects:
    """Kernel objects handed to image seeds."""

    def test_an_object_gets_a_name_that_stands_for_it(self) -> None:
        base = latents()
        told = run('m --image-seeds "latents: {{ base.at(0.5) }}" --into x', kernel={"base": base})
        seed = told.stages[0].image_seed
        assert seed is not None
        reference = seed.latents[0]
        assert reference.kind == "variable"
        assert told.environment.captured[reference.text] is base.at(0.5)

    def test_a_list_of_objects_is_one_object(self) -> None:
        pair = [latents(), latents()]
        told = run('m --image-seeds "latents: {{ pair }}"', kernel={"pair": pair})
        assert list(told.environment.captured.values()) == [pair]

    def test_one_object_keeps_one_name(self) -> None:
        told = run('m --image-seeds "{{ base }};latents={{ base }}"', kernel={"base": latents()})
        assert list(told.environment.captured) == ["__latents_1"]

    def test_setp_keeps_the_object_itself(self) -> None:
        base = latents()
        told = run("\\setp late base.at(1.0)\nm --image-seeds {{ late }}", kernel={"base": base})
        assert told.environment.captured == {"__latents_1": base.at(1.0)}

    def test_an_object_in_another_option_is_refused(self) -> None:
        error = fails('m --prompts "{{ base }}"', "only --image-seeds takes objects", kernel={"base": latents()})
        assert pointed(error)[0] == 2


def test_the_check_finds_a_later_error_before_anything_runs() -> None:
    with pytest.raises(ScriptError, match="did you mean --seeds"):
        Script("m --into {{ a }}\n\n\nm --sedes 1").check()


def test_the_check_leaves_open_what_templates_make() -> None:
    Script("m {{ a }} --denoising-start 0.5").check()
    Script(
        "m {{ a }} --seeds {{ b }} --denoising-start {{ c }} --image-seeds 'latents: {{ d }}' --into {{ e }}"
    ).check()


@pytest.mark.parametrize("count", [2_000, pytest.param(50_000, marks=pytest.mark.slow)])
def test_the_script_parser_only_ever_raises_our_errors(count: int) -> None:
    messages, read = set(), 0
    for text in broken_texts(count):
        try:
            read += len(parse(text, Environment(environ={}, print=lambda _: None)))
        except JupyterLatentsError as error:
            messages.add(error.message)
    assert read > count // 100
    assert len(messages) > 100


def test_a_caret_stands_under_the_value_meant_not_under_one_like_it() -> None:
    error = fails("m --clip-skips 0 --batch-size 0", "--batch-size")
    assert error.place is not None
    assert error.place.column == 31


def test_invocations_know_the_places_of_their_values() -> None:
    (invocation,) = parse('some/model\n--seeds 1 23\n--image-seeds "latents: a"', first_line=2)
    assert isinstance(invocation, Invocation)
    second = invocation.place_of("seeds", 1)
    seed = invocation.place_of("--image-seeds")
    assert second is not None
    assert seed is not None
    assert (second.line, second.column, second.length) == (3, 11, 2)
    assert (seed.line, seed.column, seed.length) == (4, 15, 12)
    assert invocation.place is not None
    assert invocation.place_of("into") == invocation.place


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path):
    file = tmp_path / "cell.dgen"
    file.write_bytes(b"\xef\xbb\xbf" + TWO_STAGES.encode())
    assert Script.in_file(str(file)) == Script(TWO_STAGES, source=str(file))


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# x\n\\set a b\nm --prompts a\n--into base\n\nn --into final", "base → final"),
        ("demo/scenes --prompts $NAME", "demo/scenes --prompts $NAME"),
        ("", ""),
        ("x" * 90, "x" * 48),
    ],
)
def test_a_script_has_a_title_before_it_is_read(text: str, title: str) -> None:
    assert Script(text).title == title
