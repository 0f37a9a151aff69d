"""An explanation as a small graph: SVG, as text, with nothing but this module to draw it.

::

    ┌─────┐ ^1  ┌──────────────────┐  ^2  ┌──────────────────┐
    │ you ├────▶│ team/app 1.1, 1.0├─────▶│ team/base        │   red: nothing of it is left
    └──┬──┘     └──────────────────┘      └──────────────────┘
       └────────────────────── ^1 ──────────────▲

A column for each step away from the user; an arrow for each fact, with its range. Constraints are
dashed. Texts are escaped, and colours follow the page's (`currentColor`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from resolver.explain import Explanation, Required

_WIDTH: Final = 210
_HEIGHT: Final = 40
_GAP_ACROSS: Final = 110
_GAP_DOWN: Final = 34
_MARGIN: Final = 12
_LONGEST: Final = 28
_YOU: Final = ""
_STYLE: Final = (
    "text{font:13px sans-serif;fill:currentColor}.small{font-size:11px}"
    "rect,path{fill:none;stroke:currentColor}.lost{stroke:#c0392b;stroke-width:2}"
    ".bound{stroke-dasharray:4 3}"
)

_SVG: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
    'width="{width}" height="{height}" role="img">'
)
_TIP: Final = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" '
    'markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" style="fill:currentColor"/>'
    "</marker></defs>"
)


@dataclass(frozen=True, slots=True)
class _Box:
    title: str
    detail: str
    left: int
    top: int
    is_lost: bool


def draw(explanation: Explanation) -> str:
    """Return an SVG image of an explanation's facts: who requires what, and what can't be had."""
    boxes = _boxes(explanation)
    width = max(box.left for box in boxes.values()) + _WIDTH + _MARGIN
    height = max(box.top for box in boxes.values()) + _HEIGHT + _MARGIN + _GAP_DOWN
    drawn = [
        _SVG.format(width=width, height=height),
        f"<title>{escape(explanation.sentences[0])}</title>",
        f"<style>{_STYLE}</style>",
        _TIP,
        *(_arrow(fact, boxes) for fact in explanation.facts),
        *(_box(box) for box in boxes.values()),
        "</svg>",
    ]
    return "\n".join(drawn) + "\n"


def _boxes(explanation: Explanation) -> dict[str, _Box]:
    """Place the user and each package: in columns by how far it is, in the order it is told."""
    columns = {_YOU: 0}
    for fact in explanation.facts:
        columns.setdefault(str(fact.requirement.package), columns.get(_source(fact), 0) + 1)
    requiring = {_source(fact) for fact in explanation.facts}
    versions: dict[str, list[str]] = {}
    for fact in explanation.facts:
        of = versions.setdefault(_source(fact), [])
        of.extend(str(one.version) for one in fact.by if str(one.version) not in of)
    rows: dict[int, int] = {}
    boxes: dict[str, _Box] = {}
    for package, column in columns.items():
        row = rows.get(column, 0)
        rows[column] = row + 1
        boxes[package] = _Box(
            package or "you",
            _shortened(", ".join(versions.get(package, ()))),
            _MARGIN + column * (_WIDTH + _GAP_ACROSS),
            _MARGIN + row * (_HEIGHT + _GAP_DOWN),
            package not in requiring,
        )
    return boxes


def _source(fact: Required) -> str:
    return str(fact.by[0].name) if fact.by else _YOU


def _arrow(fact: Required, boxes: dict[str, _Box]) -> str:
    start, end = boxes[_source(fact)], boxes[str(fact.requirement.package)]
    label = str(fact.requirement.range) if fact.override is None else f"override {fact.override}"
    if fact.requirement.extras:
        label = f"[{','.join(fact.requirement.extras)}] {label}"
    if fact.extra:
        label = f"with [{fact.extra}]: {label}"
    x1, y1 = start.left + _WIDTH, start.top + _HEIGHT // 2
    x2, y2 = end.left, end.top + _HEIGHT // 2
    if x2 <= start.left:  # back, or within a column: around below
        x1, x2 = start.left + _WIDTH // 2, end.left + _WIDTH // 2
        y1, y2 = start.top + _HEIGHT, end.top + _HEIGHT
        curve = f"M{x1} {y1}C{x1} {y1 + _GAP_DOWN} {x2} {y2 + _GAP_DOWN} {x2} {y2}"
        middle, above = (x1 + x2) // 2, max(y1, y2) + _GAP_DOWN - 8
    else:
        bend = (x2 - x1) // 2
        curve = f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
        middle, above = (x1 + x2) // 2, (y1 + y2) // 2 - 5
    kind = ' class="bound"' if fact.is_constraint else ""
    return (
        f'<path d="{curve}"{kind} marker-end="url(#tip)"><title>{escape(str(fact))}</title></path>'
        f'<text class="small" x="{middle}" y="{above}" text-anchor="middle">'
        f"{escape(_shortened(label))}</text>"
    )


def _box(box: _Box) -> str:
    kind = ' class="lost"' if box.is_lost else ""
    title_at = box.top + (17 if box.detail else 25)
    lines: Iterable[str] = (
        f'<rect x="{box.left}" y="{box.top}" width="{_WIDTH}" height="{_HEIGHT}" rx="5"{kind}/>',
        f'<text x="{box.left + 10}" y="{title_at}">{escape(_shortened(box.title))}</text>',
        f'<text class="small" x="{box.left + 10}" y="{box.top + 33}">{escape(box.detail)}</text>'
        if box.detail
        else "",
    )
    return "".join(lines)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
