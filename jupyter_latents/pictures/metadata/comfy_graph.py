"""ComfyUI's executed graph: nodes by their numbers, and what stands behind each of their inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_latents.errors import NameNotFoundError
from jupyter_latents.pictures.metadata.bounds import json_of, mapping, real, text, whole

__all__ = ["Graph", "Node", "graph_of"]

_MOST_NODES = 5_000
_DEEPEST = 100


@dataclass(frozen=True, slots=True)
class Node:
    """A node.

    Attributes:
        number: What the graph calls it.
        kind: Its class.
        inputs: Values and links by name; anybody may have written them.
        output: Which of its outputs was asked for.
    """

    number: str
    kind: str
    inputs: Mapping[str, Any]
    output: int = 0

    def text(self, *names: str) -> str:
        """The first input of these names that is a text or a number; empty where none is."""
        return next((found for name in names if (found := text(self.inputs.get(name)))), "")

    def whole(self, name: str, least: int, most: int) -> int | None:
        """An input as a whole number within bounds."""
        return whole(self.inputs.get(name), least, most)

    def real(self, name: str, least: float, most: float) -> float | None:
        """An input as a number within bounds."""
        return real(self.inputs.get(name), least, most)


@dataclass(frozen=True, slots=True)
class Graph:
    """All nodes.

    Attributes:
        nodes: By number.
    """

    nodes: Mapping[str, Node]

    def at(self, link: Any) -> Node | None:
        """The node behind a link, ``[number, output]``; None where it is none."""
        if not isinstance(link, list) or len(link) != 2:
            return None
        found, output = self.nodes.get(text(link[0])), whole(link[1], 0, 100)
        return None if found is None or output is None else Node(found.number, found.kind, found.inputs, output)

    def behind(self, node: Node, *names: str) -> Node | None:
        """The node behind the first input of these names that is a link."""
        return next((found for name in names if (found := self.at(node.inputs.get(name))) is not None), None)

    def said(self, node: Node, *names: str) -> str:
        """An input's text; behind a link, that of the node which holds it."""
        for _ in range(_DEEPEST):
            if found := node.text(*names):
                return found
            held = self.behind(node, *names)
            if held is None:
                return ""
            node, names = held, ("text", "value", "string", "prompt", "text_positive", "int", "float", "seed")
        return ""

    def number(self, node: Node, name: str, least: float, most: float) -> float | None:
        """An input as a number, behind a link too."""
        return real(self.said(node, name), least, most)

    def ends(self) -> list[Node]:
        """The nodes that no other one takes anything from."""
        used = {text(link[0]) for node in self.nodes.values() for link in node.inputs.values() if _is_link(link)}
        return [node for node in self.nodes.values() if node.number not in used]


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


def graph_of(content: str, name: str) -> Graph:
    """The graph of ComfyUI's text ``prompt``.

    Args:
        content: The text.
        name: What the picture is called.

    Raises:
        NameNotFoundError: It is no graph, or too large.
    """
    found = mapping(json_of(content, name))
    if len(found) > _MOST_NODES:
        raise NameNotFoundError(f"{name} holds a graph of {len(found)} nodes; {_MOST_NODES} are the most.", name=name)
    nodes = {
        text(number): Node(text(number), text(node["class_type"]), mapping(node.get("inputs")))
        for number, node in found.items()
        if isinstance(node, dict) and text(node.get("class_type"))
    }
    if not nodes:
        raise NameNotFoundError(f"{name} holds no graph of ComfyUI that can be read.", name=name)
    return Graph(nodes)
