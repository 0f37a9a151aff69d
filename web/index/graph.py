"""A dependency graph as SVG, drawn by hand: columns by depth, rows by name.

A picture of its own (`<img>`), so no script, no style of the page's and no font but the system's
reaches it; it follows the dark mode by itself. Names are escaped, and have no other way in.
"""

from collections.abc import Sequence
from html import escape

from registry.relations import Graph, Node

_ROW = 38
_BOX = 26
_GAP = 70
_MARGIN = 12
_LETTER = 7.3
"""Pixels of a letter of 12 pixels in a monospaced font, at most."""

_LONGEST = 44
"""Letters of a box's text; longer ones end in an ellipsis, and the title has all of it."""

_STYLE = """\
text{font:12px ui-monospace,SFMono-Regular,Menlo,monospace;fill:#1f2430}
rect{fill:#f5f6f8;stroke:#c3c8d2}
.root rect{fill:#e3efff;stroke:#5b8def}
.gone rect{stroke-dasharray:4 3}
.gone text,.yanked text{fill:#8a5300}
path{fill:none;stroke:#9aa2b1}
@media (prefers-color-scheme:dark){
text{fill:#e6e8ee}rect{fill:#23272f;stroke:#4a5160}.root rect{fill:#1d3357;stroke:#5b8def}
.gone text,.yanked text{fill:#f0b45a}path{stroke:#687082}
}"""


def draw_svg(graph: Graph) -> str:
    """Return the SVG of a graph; its root is the first node."""
    columns: dict[int, list[Node]] = {}
    for node in graph.nodes:
        columns.setdefault(node.depth, []).append(node)
    places: dict[str, tuple[float, float]] = {}
    widths: dict[str, float] = {}
    left = float(_MARGIN)
    for depth in sorted(columns):
        column = sorted(columns[depth], key=lambda node: node.id)
        width = max(len(_label(node)) for node in column) * _LETTER + 20
        for row, node in enumerate(column):
            places[node.id] = (left, _MARGIN + row * _ROW)
            widths[node.id] = width
        left += width + _GAP
    height = 2 * _MARGIN + max(len(column) for column in columns.values()) * _ROW
    height += 0 if graph.is_whole else _ROW
    root = graph.nodes[0]
    size = f'width="{left - _GAP + _MARGIN:.0f}" height="{height:.0f}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>What {escape(root.id)} requires</title>",
        f"<style>{_STYLE}</style>",
        *_edges(graph, places, widths),
        *(_box(node, places[node.id], widths[node.id], node is root) for node in graph.nodes),
    ]
    if not graph.is_whole:
        said = f"cut off after {len(graph.nodes)} releases"
        parts.append(f'<text x="{_MARGIN}" y="{height - _MARGIN:.0f}">{said}</text>')
    return "".join((*parts, "</svg>"))


def _edges(
    graph: Graph, places: dict[str, tuple[float, float]], widths: dict[str, float]
) -> Sequence[str]:
    drawn = []
    for edge in graph.edges:
        x, y = places[edge.source]
        end_x, end_y = places[edge.target]
        start = x + widths[edge.source], y + _BOX / 2
        end = end_x, end_y + _BOX / 2
        if end_x <= x:  # back, to a package that stands further left: around from below
            start, end = (x, y + _BOX), (end_x + widths[edge.target], end_y + _BOX)
        bend = (end[0] - start[0]) / 2
        drawn.append(
            f'<path d="M{start[0]:.0f} {start[1]:.0f}C{start[0] + bend:.0f} {start[1]:.0f} '
            f'{end[0] - bend:.0f} {end[1]:.0f} {end[0]:.0f} {end[1]:.0f}">'
            f"<title>{escape(edge.source)} requires {escape(edge.range)}</title></path>"
        )
    return drawn


def _box(node: Node, place: tuple[float, float], width: float, is_root: bool) -> str:  # noqa: FBT001
    kind = "root" if is_root else "gone" if node.version is None else "here"
    kind += " yanked" if node.is_yanked else ""
    said = node.id if node.version is not None else f"{node.id}: none that fits can be read"
    x, y = place
    return (
        f'<g class="{kind}"><title>{escape(said)}</title>'
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{_BOX}" rx="5"/>'
        f'<text x="{x + 10:.0f}" y="{y + 17:.0f}">{escape(_label(node))}</text></g>'
    )


def _label(node: Node) -> str:
    text = f"{node.package} {node.version or '?'}"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
