"""Small checkouts and wheels for tests: each writes what it is told below a folder, and no more."""

import base64
import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import dedent

from recipes.layers import build_release
from recipes.pack import Packed

RUNNER = """
import argparse, importlib, json, sys

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--recipe")
    parser.add_argument("--only", default="")
    parser.add_argument("--json-output", action="store_true")
    options = parser.parse_args()
    from orchestrator.reading import read
    from orchestrator.bag import Bag
    only = [each for each in options.only.split(",") if each]
    bag, steps, code = Bag(), [], 0
    for step in read(options.recipe)["steps"]:
        if only and step["name"] not in only:
            continue
        target = getattr(importlib.import_module(step["module"]), step["function"])
        code = target().run(bag, step.get("args") or {})
        steps.append({"idx": step["idx"], "name": step["name"], "exit_code": code})
        if code:
            break
    print("the checkout's runner ran")
    if options.json_output:
        print(json.dumps({"exit_code": code, "steps": steps, "context": bag.values}))
    return code

if __name__ == "__main__":
    sys.exit(main())
"""

READING = """
import json

def read(path):
    with open(path) as file:
        return json.load(file)
"""

BAG = """
class Bag:
    def __init__(self):
        self.values = {}
    def get(self, key, default=None):
        return self.values.get(key, default)
    def set(self, key, value, who=None):
        self.values[key] = value
    def keys(self):
        return list(self.values)
"""

COUNT = """
class Count:
    def run(self, context, args):
        with open(args["src"]) as file:
            lines = file.read().splitlines()
        context.set("count.lines", len(lines) + args.get("more", 0))
        print("counted", len(lines))
        return 0
"""

COUNT_RECIPE = """
metadata: {name: count, version: "1.0", description: Counts lines, author: ops}
steps:
  - {idx: 1, name: count, type: python, module: steps.count, function: Count,
     args: {src: data/lines.txt}, success: {ctx_has_keys: [count.lines]}}
"""

PROJECT = """
schema_version = 1
[package]
namespace = "team"
version = "1.0.0"
"""


def write(root: Path, files: Mapping[str, str]) -> Path:
    """Write texts below `root` (dedented), and return it."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    return root


def a_recipe(*modules: str, **more: str) -> str:
    """A recipe of python steps, one a module, each with the function `run`."""
    lines = ["steps:"]
    for idx, module in enumerate(modules, 1):
        lines += [f"  - idx: {idx}", f"    name: step_{idx}", f"    module: {module}"]
        lines += ["    function: run"]
        lines += [f"    {key}: {value}" for key, value in more.items()]
    return "\n".join(lines) + "\n"


def a_counting_checkout(root: Path, **more: str) -> Path:
    """A checkout with one recipe that counts the lines of a file; returns the recipe's path."""
    write(
        root,
        {
            "recipebox.toml": PROJECT,
            "steps/count.py": COUNT,
            "data/lines.txt": "a\nb\nc\n",
            "unrelated.py": "raise SystemExit('never imported')\n",
            "jobs/count.yaml": COUNT_RECIPE,
            **more,
        },
    )
    return root / "jobs" / "count.yaml"


def with_a_runner(root: Path) -> None:
    """Give a checkout a runner of its own, which reads JSON (a subset of YAML)."""
    write(
        root,
        {
            "orchestrator/runner.py": RUNNER,
            "orchestrator/reading.py": READING,
            "orchestrator/bag.py": BAG,
        },
    )


def a_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    tag: str = "py3-none-any",
    requires: Sequence[str] = (),
    files: Mapping[str, str] | None = None,
) -> Path:
    """Build a wheel by hand: no build backend, no network."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    content = dict(files or {f"{name.replace('-', '_')}.py": f"VERSION = {version!r}\n"})
    wants = "".join(f"Requires-Dist: {each}\n" for each in requires)
    content[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{wants}"
    )
    pure = "true" if tag.endswith("any") else "false"
    tags = "".join(f"Tag: {each}\n" for each in _expanded(tag))
    content[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nRoot-Is-Purelib: {pure}\n{tags}"
    record = "".join(f"{path},{_hash(text)},{len(text)}\n" for path, text in content.items())
    content[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, text in content.items():
            archive.writestr(zipfile.ZipInfo(inside), text)
    return path


def _expanded(tag: str) -> list[str]:
    pythons, abis, platforms = (part.split(".") for part in tag.split("-"))
    return [f"{a}-{b}-{c}" for a in pythons for b in abis for c in platforms]


def _hash(text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
    return f"sha256={digest.decode()}"


def digest_of(packed: Packed, into: Path) -> str:
    """Return the digest of the release that a packed tree is."""
    into.mkdir(exist_ok=True)
    return str(build_release(packed.path, into).descriptor.digest)


def snapshot(root: Path) -> dict[str, tuple[int, bytes]]:
    """Return every path below a folder, with its time and bytes."""
    return {
        str(path.relative_to(root)): (
            path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b""
        )
        for path in [root, *root.rglob("*")]
    }  # fmt: skip
