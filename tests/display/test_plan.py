"""A plan is a table where pages are shown, and text elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jupyter_latents.display.tables.plan import plan_html
from jupyter_latents.display.wiring import session_with_display
from jupyter_latents.session import Task
from jupyter_latents.session.plans.planning import Plan
from jupyter_latents.syntax import Script

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

SCRIPT = """\\print <script>
demo/scenes --prompts x --seeds 1 --inference-steps 4 --denoising-end 0.5 --into base

demo/scenes --prompts y --inference-steps 4 --image-seeds "latents: base" --into final"""


@pytest.fixture
def plan(shell: InteractiveShell) -> Plan:
    return session_with_display(shell.user_ns).plan(Task(Script(SCRIPT)))


def test_a_shell_shows_a_plan_as_a_table_and_as_text(shell: InteractiveShell, plan: Plan) -> None:
    shown, _ = shell.display_formatter.format(plan)
    assert shown["text/html"] == plan_html(plan)
    assert shown["text/plain"] == repr(plan)
    assert "<" not in repr(plan).replace("<script>", "")


def test_the_table_has_a_row_a_stage_between_what_was_printed_and_the_sum(plan: Plan) -> None:
    html = plan_html(plan)
    assert html.startswith("<div>&lt;script&gt;</div><table>")
    assert html.count("<tr>") == 1 + len(plan.stages) == 3
    assert html.count("<th ") == len(plan.headings)
    assert html.count("<td ") == 2 * len(plan.headings)
    assert html.endswith(f"</table><div>{plan.summary}</div>")
