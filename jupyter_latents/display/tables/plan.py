"""A plan as a table of HTML; IPython asks for it where a plan is shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_latents.session.plans.planning import Plan

from jupyter_latents.wording import as_html

__all__ = ["plan_html", "show_plans"]

_PLAN = ("jupyter_latents.session.plans.planning", "Plan")


def plan_html(plan: Plan) -> str:
    """What the script printed, the stages as a table, what it waits for, and the sum.

    Args:
        plan: The plan.
    """
    printed = "".join(f"<div>{as_html(line)}</div>" for line in plan.printed)
    body = "".join(_row("td", cells) for cells in plan.rows())
    table = f"<table><thead>{_row('th', plan.headings)}</thead><tbody>{body}</tbody></table>"
    below = "".join(f"<div>{as_html(line)}</div>" for line in (plan.waiting, plan.summary) if line)
    return f"{printed}{table}{below}"


def show_plans(shell: Any) -> None:
    """Lets an IPython shell show plans as tables; without that a plan is its text."""
    shell.display_formatter.formatters["text/html"].for_type_by_name(*_PLAN, plan_html)


def _row(tag: str, cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{tag} style='text-align:left'>{as_html(cell)}</{tag}>" for cell in cells) + "</tr>"
