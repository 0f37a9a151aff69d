"""An explanation as a small graph: SVG, as text, with nothing but this module to draw it.

::

    ┌─────┐    ^1    ┌──────────────┐    ^2    ┌──────────────┐
    │ you ├─────────▶│ team/app     ├─────────▶│ team/base    │   red, and its text says it:
    └──┬──┘          │ 1.1.0, 1.0.0 │          │ nothing fits │   nothing of it is left
       │             └──────────────┘          └──────────────┘
       └────── <2 ────────────────────────────────────▲

An arrow for each fact, with its range; constraints are dashed. All texts are escaped. It has no
style of its own, only attributes, so that it may stand within a page of a strict policy, whose
stylesheet then has the last word: by the classes `you`, `lost`, `bound` and `small`. Without one
it has the colour of the text around (`currentColor`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from resolver.explain import Explanation, Required
from resolver.layered import Edge, Point, Size, lay_out

_MARGIN: Final = 12.0
_LETTER: Final = 7.9
"""Pixels of a letter of 13 pixels in a monospaced font, at most; of 11 pixels, `_SMALL`."""

_SMALL: Final = 6.7
_PADDING: Final = 12.0
_BOX: Final = 42.0
_LABEL: Final = 18.0
_LONGEST: Final = 44
"""Letters of a text; longer ones end in an ellipsis, and the title has all of it."""

_YOU: Final = ""
_NOTHING: Final = "nothing fits"

_SVG: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" class="explanation" viewBox="0 0 {width} {height}" '
    'width="{width}" height="{height}" role="img" '
    'aria-labelledby="explanation-title explanation-facts" fill="none" stroke="currentColor" '
    'font-family="ui-monospace, Menlo, Consolas, monospace" font-size="13">'
)
_TIP: Final = (
    '<defs><marker id="explanation-tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" '
    'markerHeight="8" orient="auto"><path class="tip" d="M0 0L8 4L0 8z" fill="currentColor" '
    'stroke="none"/></marker></defs>'
)


@dataclass(frozen=True, slots=True)
class _Box:
    title: str
    detail: str
    kind: str

    @property
    def size(self) -> Size:
        wide = max(len(_shortened(self.title)) * _LETTER, len(_shortened(self.detail)) * _SMALL)
        return Size(wide + 2 * _PADDING, _BOX)


def draw(explanation: Explanation) -> str:
    """Return an SVG image of an explanation's facts: who requires what, and what can't be had."""
    boxes = _boxes(explanation)
    places = {package: place for place, package in enumerate(boxes)}
    labels = [_label(fact) for fact in explanation.facts]
    layout = lay_out(
        [box.size for box in boxes.values()],
        [
            Edge(
                places[_source(fact)],
                places[str(fact.requirement.package)],
                Size(len(label) * _SMALL + 8, _LABEL),
            )
            for fact, label in zip(explanation.facts, labels, strict=True)
        ],
    )
    facts = zip(explanation.facts, labels, layout.lines, layout.labels, strict=True)
    drawn = [
        _SVG.format(
            width=_number(layout.size.width + 2 * _MARGIN),
            height=_number(layout.size.height + 2 * _MARGIN),
        ),
        f'<title id="explanation-title">{escape(_title(explanation))}</title>',
        f'<desc id="explanation-facts">{escape(" ".join(map(str, explanation.facts)))}</desc>',
        _TIP,
        *(_arrow(fact, label, line, place) for fact, label, line, place in facts),
        *(_drawn(box, place) for box, place in zip(boxes.values(), layout.nodes, strict=True)),
        "</svg>",
    ]
    return "\n".join(drawn) + "\n"


def _title(explanation: Explanation) -> str:
    lost = ", ".join(str(package) for package in explanation.lost)
    return f"Who requires what; nothing fits of {lost}" if lost else "Who requires what"


def _boxes(explanation: Explanation) -> dict[str, _Box]:
    """Return a box for the user and each package, in the order in which it is told of them."""
    versions: dict[str, list[str]] = {_YOU: []}
    for fact in explanation.facts:
        of = versions.setdefault(_source(fact), [])
        of.extend(str(one.version) for one in fact.by if str(one.version) not in of)
        versions.setdefault(str(fact.requirement.package), [])
    lost = {str(package) for package in explanation.lost}
    return {
        package: _Box(
            package or "you",
            _NOTHING if package in lost else ", ".join(said) if package else "",
            "you" if not package else "lost" if package in lost else "package",
        )
        for package, said in versions.items()
    }


def _source(fact: Required) -> str:
    return str(fact.by[0].name) if fact.by else _YOU


def _label(fact: Required) -> str:
    label = str(fact.requirement.range) if fact.override is None else f"override {fact.override}"
    if fact.requirement.extras:
        label = f"[{','.join(fact.requirement.extras)}] {label}"
    if fact.extra:
        label = f"with [{fact.extra}]: {label}"
    return _shortened(label)


def _arrow(fact: Required, label: str, line: Sequence[Point], place: Point) -> str:
    kind = ' class="bound" stroke-dasharray="4 3"' if fact.is_constraint else ""
    x, y = place
    return (
        f'<path d="{_curve(line)}"{kind} marker-end="url(#explanation-tip)">'
        f"<title>{escape(str(fact))}</title></path>"
        f'<text class="small" x="{_number(x + _MARGIN)}" y="{_number(y + _MARGIN - 5)}" '
        f'text-anchor="middle" font-size="11" fill="currentColor" stroke="none">'
        f"{escape(label)}</text>"
    )


def _curve(line: Sequence[Point]) -> str:
    """Return a path: bent from layer to layer, straight through each."""
    (x, y), *others = [(x + _MARGIN, y + _MARGIN) for x, y in line]
    drawn = f"M{_number(x)} {_number(y)}"
    for place, (to_x, to_y) in enumerate(others):
        if place % 2:
            drawn += f"H{_number(to_x)}"
        else:
            middle = _number((x + to_x) / 2)
            drawn += (
                f"C{middle} {_number(y)} {middle} {_number(to_y)} {_number(to_x)} {_number(to_y)}"
            )
        x, y = to_x, to_y
    return drawn


def _drawn(box: _Box, place: Point) -> str:
    size = box.size
    left = place[0] - size.width / 2 + _MARGIN
    top = place[1] - size.height / 2 + _MARGIN
    stroke = ' stroke="#c0392b" stroke-width="2"' if box.kind == "lost" else ""
    text_x = _number(left + _PADDING)
    title = (
        f'<text x="{text_x}" y="{_number(top + (18 if box.detail else 26))}" fill="currentColor" '
        f'stroke="none">{escape(_shortened(box.title))}</text>'
    )
    detail = (
        f'<text class="small" x="{text_x}" y="{_number(top + 34)}" font-size="11" '
        f'fill="currentColor" stroke="none">{escape(_shortened(box.detail))}</text>'
    )
    return (
        f'<g class="{box.kind}"><title>{escape(f"{box.title} {box.detail}".rstrip())}</title>'
        f'<rect x="{_number(left)}" y="{_number(top)}" width="{_number(size.width)}" '
        f'height="{_number(size.height)}" rx="6"{stroke}/>{title}'
        f"{detail if box.detail else ''}</g>"
    )


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
