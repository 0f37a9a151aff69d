"""Where the boxes and labels of a small graph stand: in layers, with nothing over anything else.

As Sugiyama, Tagawa and Toda do it (1981), in four steps: edges against the stream are turned; each
node stands in the layer after the last that leads to it; an edge has a node of its own in each
layer that it passes, the first of which is its label; then what belongs together is put side by
side, and as level as the room between neighbours allows.

::

    layer 0     1        2          3       4
    ┌─────┐    ^1    ┌─────────┐   ^2    ┌──────┐
    │ you ├───────── │ app     ├──────── │ base │
    └──┬──┘          └─────────┘         └──┬───┘
       └─────  <2  ─────────────────────────┘       nodes of this edge in 1, 2 and 3

Layers and orders depend on the order of what is given, and on nothing else.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

Point: TypeAlias = tuple[float, float]

_SWEEPS: Final = 8
_GAP_ACROSS: Final = 24.0
_GAP_DOWN: Final = 12.0
_PASSING: Final = 8.0
"""Height of a line that passes a layer."""


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height, in pixels."""

    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Edge:
    """From one node to another, by their places; its label is `label` large."""

    source: int
    target: int
    label: Size


@dataclass(frozen=True, slots=True)
class Layout:
    """Centres of the nodes and of the labels, each edge's line, and the whole's size, in pixels.

    A line has its points from its source to its target: in each pair it comes into a layer, and
    leaves it.
    """

    nodes: tuple[Point, ...]
    labels: tuple[Point, ...]
    lines: tuple[tuple[Point, ...], ...]
    size: Size


@dataclass(slots=True)
class _Spot:
    """A node, a label, or a place where a line passes."""

    layer: int
    size: Size
    before: "list[_Spot]"
    after: "list[_Spot]"
    x: float = 0.0
    y: float = 0.0


def lay_out(nodes: Sequence[Size], edges: Sequence[Edge]) -> Layout:
    """Place nodes and edges; edges have two different ends."""
    turned = _against_the_stream(len(nodes), edges)
    layers = _layers(len(nodes), edges, turned)
    spots = [_Spot(2 * layer, size, [], []) for layer, size in zip(layers, nodes, strict=True)]
    chains = []
    rows: list[list[_Spot]] = [[] for _ in range(2 * max(layers, default=0) + 1)]
    for spot in spots:
        rows[spot.layer].append(spot)
    for place, edge in enumerate(edges):
        ends = (edge.source, edge.target)
        start, end = reversed(ends) if place in turned else ends
        chain = [spots[start]]
        for layer in range(spots[start].layer + 1, spots[end].layer):
            size = edge.label if len(chain) == 1 else Size(0, _PASSING)
            chain.append(_Spot(layer, size, [], []))
            rows[layer].append(chain[-1])
        chain.append(spots[end])
        for one, following in itertools.pairwise(chain):
            one.after.append(following)
            following.before.append(one)
        chains.append(chain)
    _order(rows)
    _level(rows)
    width = _set_out(rows)
    height = max(spot.y + spot.size.height / 2 for row in rows for spot in row)
    return Layout(
        tuple((spot.x, spot.y) for spot in spots),
        tuple((chain[1].x, chain[1].y) for chain in chains),
        tuple(_line(chain, rows, is_turned=place in turned) for place, chain in enumerate(chains)),
        Size(width, height),
    )


def _against_the_stream(count: int, edges: Sequence[Edge]) -> frozenset[int]:
    """Return the edges that close a circle, when one follows them from the first node on."""
    leaving: list[list[int]] = [[] for _ in range(count)]
    for place, edge in enumerate(edges):
        leaving[edge.source].append(place)
    found: set[int] = set()
    is_done: dict[int, bool] = {}
    for first in range(count):
        if first in is_done:
            continue
        is_done[first] = False
        path = [(first, iter(leaving[first]))]
        while path:
            node, left = path[-1]
            following = next(left, None)
            if following is None:
                is_done[node] = True
                path.pop()
                continue
            target = edges[following].target
            if target not in is_done:
                is_done[target] = False
                path.append((target, iter(leaving[target])))
            elif not is_done[target]:
                found.add(following)
    return frozenset(found)


def _layers(count: int, edges: Sequence[Edge], turned: frozenset[int]) -> list[int]:
    """Return each node's layer: the length of the longest way to it; the first is before all."""
    layers = [0, *([1] * (count - 1))][:count]
    ways = [
        (edge.target, edge.source) if place in turned else (edge.source, edge.target)
        for place, edge in enumerate(edges)
    ]
    for _ in range(count):
        is_settled = True
        for start, end in ways:
            if layers[end] <= layers[start]:
                layers[end] = layers[start] + 1
                is_settled = False
        if is_settled:
            break
    return layers


def _order(rows: Sequence[list[_Spot]]) -> None:
    """Put each layer's spots where their neighbours are, a few times to and fro."""
    for row in rows:
        _number(row)
    for sweep in range(_SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            middles = {}
            for spot in row:
                near = spot.before if sweep % 2 == 0 else spot.after
                middles[id(spot)] = _mean([one.y for one in near]) if near else spot.y
            row.sort(key=lambda spot: middles[id(spot)])
            _number(row)


def _number(row: Sequence[_Spot]) -> None:
    """Give spots the places of their order, from 0 to 1, so that layers can be compared."""
    for place, spot in enumerate(row):
        spot.y = (place + 0.5) / len(row)


def _level(rows: Sequence[Sequence[_Spot]]) -> None:
    """Give spots their heights: as near to their neighbours' as the order and gaps allow."""
    for row in rows:
        top = 0.0
        for spot in row:
            spot.y = top + spot.size.height / 2
            top += spot.size.height + _GAP_DOWN
    for sweep in range(2 * _SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wanted = [
                _mean([one.y for one in (*spot.before, *spot.after)] or [spot.y]) for spot in row
            ]
            for spot, y in zip(row, _apart(row, wanted), strict=True):
                spot.y = y
    top = min(spot.y - spot.size.height / 2 for row in rows for spot in row)
    for row in rows:
        for spot in row:
            spot.y -= top


def _apart(row: Sequence[_Spot], wanted: Sequence[float]) -> list[float]:
    """Return the heights nearest to those wanted (least squares) that keep order and gaps."""
    offsets = [0.0]
    for one, following in itertools.pairwise(row):
        room = (one.size.height + following.size.height) / 2 + _GAP_DOWN
        offsets.append(offsets[-1] + room)
    blocks: list[tuple[float, int]] = []  # mean and number: pool adjacent violators
    for want, offset in zip(wanted, offsets, strict=True):
        mean, number = want - offset, 1
        while blocks and blocks[-1][0] > mean:
            other, others = blocks.pop()
            mean = (mean * number + other * others) / (number + others)
            number += others
        blocks.append((mean, number))
    levels = [mean for mean, number in blocks for _ in range(number)]
    return [level + offset for level, offset in zip(levels, offsets, strict=True)]


def _set_out(rows: Sequence[Sequence[_Spot]]) -> float:
    """Give the layers their places from left to right; return the width of all."""
    left = 0.0
    for row in rows:
        width = _width(row)
        for spot in row:
            spot.x = left + width / 2
        left += width + _GAP_ACROSS
    return left - _GAP_ACROSS


def _line(
    chain: Sequence[_Spot], rows: Sequence[Sequence[_Spot]], *, is_turned: bool
) -> tuple[Point, ...]:
    first, *passed, last = chain
    points = [(first.x + first.size.width / 2, first.y)]
    for spot in passed:
        half = _width(rows[spot.layer]) / 2
        points += [(spot.x - half, spot.y), (spot.x + half, spot.y)]
    points.append((last.x - last.size.width / 2, last.y))
    return tuple(reversed(points) if is_turned else points)


def _width(row: Sequence[_Spot]) -> float:
    return max(spot.size.width for spot in row)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
