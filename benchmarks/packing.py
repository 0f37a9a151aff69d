"""How long packing takes out of a checkout of 2,000 modules: `python benchmarks/packing.py`.

The checkout is drawn: modules of some 60 lines, in 40 packages, with classes, functions, paths that
are joined and looked up beside `__file__`. Three recipes need 20 of them, a tenth, or all. Printed
is the wall clock of `recipebox pack` as a command, the recipe's own run taken off.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = 40
RECIPES = ("twenty", "tenth", "all")

_MODULE = '''\
"""Part {number}."""
import json
import logging
import os
from pathlib import Path
{imports}
HERE = os.path.dirname(os.path.abspath(__file__))
RULES = Path(__file__).parent / "rules.json"
LOG = logging.getLogger(__name__)
KNOWN = {{"a": "x", "b": ["one", "two", 3], "c": {{"d": 1}}}}


class Step:
    """A step."""

    def __init__(self, name="part"):
        self.name = name
        self.values = []

    def run(self, context, args):
        for key, value in sorted(args.items()):
            if key in KNOWN and value:
                self.values.append((key, value))
                LOG.info("value %s of %s", key, value)
        with open(os.path.join(HERE, "rules.json")) as file:
            rules = json.load(file)
        context.set("count", f"{{self.name}}-{{len(rules)}}", who=self.name)
        return 0
{functions}'''
_FUNCTION = '''

def helper_{number}(first, second=None, *rest, **named):
    """Help."""
    result = []
    for each in rest:
        if each is None:
            continue
        result.append(os.path.join(first, str(each)) if second else "%s-%s" % (first, each))
    mapping = {{key: value for key, value in named.items() if value}}
    if len(result) > {number}:
        return {{"count": len(result), "names": result, "mapping": mapping}}
    return [text.strip().lower() for text in str(first).split(",") if text]
'''


def draw(root: Path, modules: int) -> None:
    """Draw the checkout: module n of each recipe's part imports 2n+1 and 2n+2."""
    for package in range(PACKAGES):
        folder = root / f"p{package}"
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("")
        (folder / "rules.json").write_text("{}")
    functions = "".join(_FUNCTION.format(number=number) for number in range(3))
    counts = {"twenty": 20, "tenth": modules // 10}
    counts["all"] = modules - sum(counts.values())
    for recipe, count in counts.items():
        steps = [{"idx": 1, "name": "one", "type": "python", "function": "Step"}]
        steps[0]["module"] = f"p0.{recipe}0"
        (root / f"{recipe}.yaml").write_text(json.dumps({"steps": steps}))
        for number in range(count):
            below = [each for each in (2 * number + 1, 2 * number + 2) if each < count]
            imports = "".join(f"from p{each % PACKAGES} import {recipe}{each}\n" for each in below)
            if recipe == "all" and number == 0:
                imports += "from p0 import tenth0, twenty0\n"
            text = _MODULE.format(number=number, imports=imports, functions=functions)
            (root / f"p{number % PACKAGES}" / f"{recipe}{number}.py").write_text(text)


def pack(root: Path, recipe: str, out: Path, *options: str) -> tuple[float, int]:
    """Pack a recipe; return the seconds without its own run, and the number of its files."""
    words = [sys.executable, "-m", "recipebox", "--json", "pack", str(root / f"{recipe}.yaml")]
    began = time.perf_counter()
    done = subprocess.run(
        [*words, "--name", f"bench/{recipe}", "--version", "1.0.0", "--out", str(out), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"benchmark: pack failed: {done.stderr}")
    said = json.loads(done.stdout)
    return seconds - (said["proof"]["seconds"] or 0), len(said["files"])


def main() -> None:
    """Draw, pack, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--modules", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--recipe", choices=RECIPES, action="append", help="only these")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "checkout"
        draw(root, asked.modules)
        print(f"{asked.modules} modules; goal: under 5 s without the recipe's own run")
        for recipe in asked.recipe or RECIPES:
            for options in ((), ("--no-run",)):
                found = [
                    pack(root, recipe, Path(folder) / f"{recipe}-{run}-{len(options)}", *options)
                    for run in range(asked.runs)
                ]
                seconds = statistics.median(each for each, _ in found)
                how = "not run" if options else "run once, not counted"
                print(f"{recipe:<8}{found[0][1]:>6} files  {seconds:>5.1f} s  ({how})", flush=True)


if __name__ == "__main__":
    main()
