"""Recipebox beside distribution on one machine: `python benchmarks/registry.py [--quick]`.

Every measurement alternates between the registries, and a ratio is the median of the ratios of
neighbours in time, so that what else the machine does falls on both. benchmarks/README.md says what
is measured, how both are set up, and what to make of the figures.
"""

import argparse
import contextlib
import itertools
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # not benchmarks/, where this file would hide the package `registry`

from benchmarks.clients import (  # noqa: E402 - the path comes first
    MEGABYTE,
    BenchmarkFailed,
    Bodies,
    Body,
    Load,
    run_head,
    run_wrk,
    working_folder,
)
from benchmarks.sides import NAMESPACE, STARTERS, Side, distribution  # noqa: E402

REPOSITORY = f"{NAMESPACE}/image"
TAG = "latest"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
SMALL = MEGABYTE
LARGE = 100 * MEGABYTE
_ACCEPT = {"Accept": MANIFEST_TYPE}
_LAYERS = 8
_PUSHED_A_SECOND = 100 * MEGABYTE

FLOOR = 0.5
"""No ratio may be under this."""


@dataclass(frozen=True)
class Goals:
    """The ratios ours/theirs to reach, by server."""

    gunicorn: float
    granian: float
    nginx: float

    def of(self, side: str) -> float:
        """Return the goal of a side."""
        goal: float = getattr(self, side)
        return goal


_MANIFEST = Goals(1.0, 3.0, FLOOR)
_BLOB = Goals(1.0, 1.0, 2.5)
_PUSH = Goals(0.7, 0.7, 0.7)


@dataclass(frozen=True)
class Held:
    """What both registries hold: the digests of a manifest and of two blobs."""

    manifest: str
    small: str
    large: str


@dataclass(frozen=True)
class Operation:
    """One line of the table: how it is done once, in what it is counted, and its goals."""

    name: str
    unit: str
    goals: Goals
    act: Callable[[Side, int, float], Load]

    def value(self, load: Load) -> float:
        """Return a load's figure in the operation's unit."""
        return load.a_second if self.unit == "1/s" else load.megabytes_a_second


@dataclass(frozen=True)
class Line:
    """A result: medians of both, and of their ratio."""

    operation: str
    clients: int
    side: str
    unit: str
    theirs: float
    ours: float
    ratio: float
    goal: float
    pairs: int

    @property
    def verdict(self) -> str:
        """`ok`, or that it is under its goal, or under the floor."""
        if self.ratio < FLOOR:
            return "UNDER THE FLOOR"
        return "ok" if self.ratio >= self.goal else "under its goal"


def fill(sides: Sequence[Side]) -> Held:
    """Put the same image into every registry: two blobs, and a manifest that has eight layers.

    Raises:
        BenchmarkFailed: one of them refused it.
    """
    config = Body.of(json.dumps({"architecture": "amd64", "os": "linux"}).encode())
    small, large = Bodies(SMALL).make(), Bodies(LARGE).make()
    layers = [small, large, *(Bodies(1000).make() for _ in range(_LAYERS - 2))]
    drawn = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": describe(config, "application/vnd.oci.image.config.v1+json"),
        "layers": [describe(each, "application/vnd.oci.image.layer.v1.tar") for each in layers],
    }
    data = json.dumps(drawn, indent=2).encode()
    for side in sides:
        pusher = side.pusher(REPOSITORY)
        with contextlib.closing(side.address.connect()) as link:
            for body in (config, *layers):
                pusher.push(link, body)
        pusher.put_manifest(TAG, data, MANIFEST_TYPE)
    return Held(Body.of(data).digest, small.digest, large.digest)


def describe(body: Body, media_type: str) -> dict[str, Any]:
    """Return a body's descriptor (image-spec 1.1, "descriptor")."""
    return {"mediaType": media_type, "digest": body.digest, "size": body.size}


def operations(held: Held) -> list[Operation]:
    """Return what is measured."""
    manifests = f"/v2/{REPOSITORY}/manifests"
    blobs = f"/v2/{REPOSITORY}/blobs"
    bodies = {size: Bodies(size) for size in (SMALL, LARGE)}

    def get(path: str, headers: dict[str, str]) -> Callable[[Side, int, float], Load]:
        return lambda side, clients, seconds: run_wrk(
            side.address.url + path, clients, seconds, headers
        )

    def head(path: str, headers: dict[str, str]) -> Callable[[Side, int, float], Load]:
        return lambda side, clients, seconds: run_head(
            side.address.url + path, clients, seconds, headers
        )

    def push(size: int) -> Callable[[Side, int, float], Load]:
        # as many bytes as take about as long as the other measurements, and one blob a client
        def act(side: Side, clients: int, seconds: float) -> Load:
            count = max(clients, round(seconds * _PUSHED_A_SECOND / size))
            began = time.time()
            try:
                return side.pusher(f"{NAMESPACE}/pushed").run(bodies[size], clients, count)
            finally:
                side.forget(size, began)

        return act

    return [
        Operation("manifest GET by tag", "1/s", _MANIFEST, get(f"{manifests}/{TAG}", _ACCEPT)),
        Operation(
            "manifest GET by digest", "1/s", _MANIFEST, get(f"{manifests}/{held.manifest}", _ACCEPT)
        ),
        Operation("manifest HEAD by tag", "1/s", _MANIFEST, head(f"{manifests}/{TAG}", _ACCEPT)),
        Operation("blob HEAD", "1/s", _MANIFEST, head(f"{blobs}/{held.small}", {})),
        Operation("blob GET 1 MB", "MB/s", _BLOB, get(f"{blobs}/{held.small}", {})),
        Operation("blob GET 100 MB", "MB/s", _BLOB, get(f"{blobs}/{held.large}", {})),
        Operation("push 1 MB", "MB/s", _PUSH, push(SMALL)),
        Operation("push 100 MB", "MB/s", _PUSH, push(LARGE)),
    ]


def compare(
    operation: Operation, sides: Sequence[Side], clients: int, seconds: float, pairs: int
) -> Iterator[Line]:
    """Measure one operation on all sides in turns; yield a line for each but the first of them."""
    values: dict[str, list[float]] = {side.name: [] for side in sides}
    for _ in range(pairs):
        for side in sides:
            os.sync()  # what the one before left for the disk to do is not this one's
            load = operation.act(side, clients, seconds)
            values[side.name].append(operation.value(load))
    theirs = values[sides[0].name]
    for side in sides[1:]:
        ours = values[side.name]
        ratio = statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))
        yield Line(
            operation.name,
            clients,
            side.name,
            operation.unit,
            round(statistics.median(theirs), 1),
            round(statistics.median(ours), 1),
            round(ratio, 2),
            operation.goals.of(side.name),
            pairs,
        )


def main() -> int:
    """Measure, print the table, and write it as JSON where that was asked for."""
    asked = read_arguments()
    names = [name for name in asked.sides.split(",") if name]
    with working_folder(asked.keep) as folder, contextlib.ExitStack() as stack:
        sides = [stack.enter_context(distribution(folder))]
        sides += [stack.enter_context(STARTERS[name](folder)) for name in names]
        for side in sides:
            print(f"{side.name}: {side.setup}", file=sys.stderr)
        held = fill(sides)
        lines: list[Line] = []
        print(HEADING)
        for operation, clients in itertools.product(operations(held), asked.clients):
            if asked.only and asked.only not in operation.name:
                continue
            for line in compare(operation, sides, clients, asked.seconds, asked.pairs):
                print(draw(line), flush=True)
                lines.append(line)
        if asked.json is not None:
            asked.json.write_text(json.dumps(report(sides, lines), indent=2) + "\n", "utf-8")
    return 1 if any(line.ratio < FLOOR for line in lines) else 0


def read_arguments() -> argparse.Namespace:
    """Return what was asked for, with what `--quick` stands for filled in."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="1 and 16 clients, a pair of 1 s each")
    parser.add_argument("--clients", help="counts of clients, such as 1,16,64")
    parser.add_argument("--seconds", type=float, help="how long each measurement takes")
    parser.add_argument("--pairs", type=int, help="how often each is repeated, in turns")
    parser.add_argument("--only", help="measure operations with this in their name only")
    parser.add_argument("--sides", default=",".join(STARTERS), help="of ours (default: all)")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    parser.add_argument("--keep", type=Path, help="keep data and logs in this folder")
    asked = parser.parse_args()
    asked.clients = [
        int(each) for each in (asked.clients or ("1,16" if asked.quick else "1,16,64")).split(",")
    ]
    asked.seconds = asked.seconds or (1 if asked.quick else 5)
    asked.pairs = asked.pairs or (1 if asked.quick else 5)
    return asked


def draw(line: Line) -> str:
    """Return a line of the table."""
    return (
        f"{line.operation:<24}{line.clients:>7}  {line.side:<10}{line.theirs:>12,.0f}"
        f"{line.ours:>12,.0f} {line.unit:<5}{line.ratio:>6.2f}x  (goal {line.goal:.1f}x, "
        f"{line.verdict})"
    )


HEADING = f"{'operation':<24}{'clients':>7}  {'side':<10}{'theirs':>12}{'ours':>12}"


def report(sides: Sequence[Side], lines: Sequence[Line]) -> dict[str, Any]:
    """Return everything for a program to read."""
    return {
        "machine": {
            "processors": os.cpu_count(),
            "python": platform.python_version(),
            "system": platform.platform(),
        },
        "sides": {side.name: side.setup for side in sides},
        "results": [{**asdict(line), "verdict": line.verdict} for line in lines],
    }


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchmarkFailed as failure:
        sys.exit(f"benchmark: {failure}")
