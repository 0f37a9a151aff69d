"""Solving: `python benchmarks/resolver.py [--json FILE]`.

Counts rounds of search (the same on every machine, and held by tests/solving/test_rounds.py)
and seconds of this machine's processor, for

::

    200 of 10,000      10,000 packages of 20 releases with 5 requirements each, of which an answer
                       needs 200; read from the index's JSON, as from a warm cache
    the hard shapes    a conflict at the end of a chain of 30 packages of 20 releases, 15 diamonds
                       in a row, 1,000 releases of which the oldest fits; see the docstrings of
                       tests/unit/resolver/shapes.py

    over a network     `recipebox lock` of the first, as a user runs it, with an empty cache and
                       again with a full one; each answer of the index takes 20 ms (--latency),
                       and is counted. Beside it the same answers, fetched as many at once, and
                       nothing done with them: what the network alone takes

beside plain resolvelib: the same library, newest first, with no preference, no narrowing and no
learning of ours, which explains nothing and doesn't polish. It has 20,000 rounds, or 30 seconds.
"""

# ruff: noqa: ARG002, D102 (resolvelib passes arguments by name, and says what they are)

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from resolvelib import AbstractProvider, BaseReporter, ResolutionImpossible
from resolvelib.resolvers import Resolution, ResolutionTooDeep

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # not benchmarks/, where a file would hide the package `resolver`

from recipebox.transport import Transport  # noqa: E402 - the path comes first
from resolver import errors  # noqa: E402
from resolver.candidate import Candidate  # noqa: E402
from resolver.requirement import Requirement  # noqa: E402
from resolver.solve import solve  # noqa: E402
from resolver.watch import Progress  # noqa: E402
from tests.unit.resolver.builders import LINUX  # noqa: E402
from tests.unit.resolver.shapes import SHAPES, CountingSource, Shape, large_index  # noqa: E402

LIMIT_SECONDS = 1.0
"""What a warm solve of 200 packages may take."""

JOBS = 4
"""How many names are asked for at once: what the client does by itself."""

PEER_ROUNDS = 20_000
PEER_SECONDS = 30.0


class Plain(AbstractProvider):  # type: ignore[type-arg]
    """As little as resolvelib needs."""

    def __init__(self, source: CountingSource) -> None:
        self._source = source
        self._began = time.process_time()

    def identify(self, requirement_or_candidate: Requirement | Candidate) -> Any:
        one = requirement_or_candidate
        return one.package if isinstance(one, Requirement) else one.name

    def get_preference(self, identifier: Any, *_: Any, **__: Any) -> str:
        return str(identifier)

    def find_matches(
        self,
        identifier: Any,
        requirements: Mapping[Any, Iterator[Requirement]],
        incompatibilities: Mapping[Any, Iterator[Candidate]],
    ) -> list[Candidate]:
        index = self._source.find_index(identifier)
        if time.process_time() - self._began > PEER_SECONDS:  # a single round may take for ever
            raise OutOfTime
        wanted = list(requirements[identifier])
        without = set()
        for one in incompatibilities[identifier]:
            without.add(one.version)
            if time.process_time() - self._began > PEER_SECONDS:
                raise OutOfTime
        return [
            one
            for one in (index.releases if index else ())
            if one.version not in without
            and all(requirement.range.contains(one.version) for requirement in wanted)
        ]

    def is_satisfied_by(self, requirement: Requirement, candidate: Candidate) -> bool:
        return requirement.range.contains(candidate.version)

    def get_dependencies(self, candidate: Candidate) -> Iterable[Requirement]:
        return candidate.requires


class OutOfTime(Exception):
    """The peer had its seconds."""


class Rounds(BaseReporter):  # type: ignore[type-arg]
    """Counts rounds."""

    def __init__(self) -> None:
        self.rounds = 0

    def ending_round(self, index: int, state: Any) -> None:
        self.rounds += 1


def ours(shape: Shape) -> dict[str, Any]:
    """Solve it; `asked` is how often the name was asked for that was asked for most."""
    source, requirements = shape
    told: list[Progress] = []
    began = time.process_time()
    try:
        said = (
            f"{len(solve(requirements, source, LINUX, progress=told.append).candidates)} packages"
        )
    except errors.ResolutionImpossible as error:
        said = f"refused: {len(str(error).splitlines())} sentences"
    seconds = time.process_time() - began
    asked = max(source.asked.values())
    return {"rounds": told[-1].rounds, "seconds": seconds, "said": said, "asked": asked}


def plain(shape: Shape) -> dict[str, Any]:
    """Solve it with plain resolvelib."""
    source, requirements = shape
    reporter = Rounds()
    began = time.process_time()
    try:
        # not Resolver: its check of a result recurses too deep where packages require each other
        found = Resolution(Plain(source), reporter).resolve(requirements, max_rounds=PEER_ROUNDS)
        said = f"{len(found.mapping)} packages"
    except ResolutionImpossible:
        said = "refused"
    except (ResolutionTooDeep, OutOfTime):
        said = "no answer"
    return {"rounds": reporter.rounds, "seconds": time.process_time() - began, "said": said}


@contextmanager
def slow_index(milliseconds: int) -> Iterator[str]:
    """Serve the large index in a process of its own; give its address."""
    words = [sys.executable, str(ROOT / "benchmarks" / "index_server.py"), str(milliseconds)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.terminate()


def over_a_network(milliseconds: int) -> dict[str, dict[str, Any]]:
    """Run `recipebox lock` cold and warm, and fetch the same answers; seconds are by the clock."""
    _, wanted = large_index()
    figures: dict[str, dict[str, Any]] = {}
    with slow_index(milliseconds) as url, tempfile.TemporaryDirectory() as folder:
        transport = Transport(url)
        words = [str(Path(sys.executable).parent / "recipebox"), "--url", url, "--json", "lock"]
        words += [*map(str, wanted), "--python", LINUX.python, "--platform", LINUX.platform]
        words += ["-o", "-"]
        environ = {"HOME": folder, "PATH": os.defpath, "RECIPEBOX_JOBS": str(JOBS)}
        names: list[str] = []
        for title in ("cold", "warm"):
            began = time.perf_counter()
            done = subprocess.run(words, env=environ, capture_output=True, check=True)
            seconds = time.perf_counter() - began
            asked = transport.api("GET", "/asked")
            names = names or list(asked)
            figures[title] = {
                "seconds": seconds,
                "packages": len(json.loads(done.stdout)["packages"]),
                "names": len(asked),
                "most": max(asked.values(), default=0),
            }
        began = time.perf_counter()
        with ThreadPoolExecutor(JOBS) as pool:
            answers = pool.map(
                lambda name: transport.conditional(f"/index/{name}.json", None, {"as_of": 7}), names
            )
            count = sum(answer is not None for answer in answers)
        figures["fetched alone"] = {"seconds": time.perf_counter() - began, "names": count}
        return figures


def main() -> int:
    """Print a line for each, and return 1 where the warm solve took too long."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--latency", type=int, default=20, help="milliseconds of an answer")
    options = parser.parse_args()
    shapes: dict[str, Callable[[], Shape]] = {
        "200 of 10,000": lambda: large_index(parsed=False),
        **{shape.__name__.replace("_", " "): shape for shape in SHAPES},
    }
    figures: dict[str, dict[str, Any]] = {}
    for title, shape in shapes.items():
        ours(shape())  # what is compiled and imported at first use
        figures[title] = {"ours": ours(shape()), "plain resolvelib": plain(shape())}
        for side, found in figures[title].items():
            print(
                f"{title:45} {side:17} {found['rounds']:6,} rounds {found['seconds']:7.2f} s"
                f"  {found['said']}",
                flush=True,
            )
    figures["over a network"] = network = over_a_network(options.latency)
    for title, found in network.items():
        print(f"{title:15} {found['seconds']:6.2f} s  {found['names']:4} names asked for", end="")
        print("" if "most" not in found else f", each {found['most']} times at most")
    ratio = network["cold"]["seconds"] / network["fetched alone"]["seconds"]
    print(f"cold, beside its fetching alone ({options.latency} ms an answer): {ratio:.2f}x")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    took = figures["200 of 10,000"]["ours"]["seconds"]
    print(f"a warm solve of 200 packages: {took:.2f} s (the limit is {LIMIT_SECONDS:.0f} s)")
    return 0 if took < LIMIT_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
