"""Lays out a package in an image: its tree and its wheels, and those of what it requires.

    python3 install_wheels.py TREE TARGET

TREE is the package's folder below the current one (`team/etl-1.2.3`), as in the folder that
`recipebox pack` or `recipebox fetch` made; TARGET is where packages are in the image. Each wheel is
taken from ./wheels by its hash, or by pip from an index, by its hash too, where PIP_NO_INDEX=0
allows it. Only wheels that package.json locks are installed, and nothing else is asked for.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib

MACHINES = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}
LAID_OUT = ("metadata", "recipe", "containers")
WHEELS = "wheels"


def main(argv):
    try:
        tree, target = argv
    except ValueError:
        sys.exit("usage: install_wheels.py TREE TARGET")
    done = set()
    waiting = [os.path.normpath(tree)]
    while waiting:
        place = waiting.pop()
        if place in done:
            continue
        done.add(place)
        package = read_json(os.path.join(place, "metadata", "package.json"))
        lay_out(place, package, os.path.join(target, place))
        waiting += [find(name) for name in required(package)]
    if os.path.exists("recipebox.lock"):
        shutil.copyfile("recipebox.lock", os.path.join(target, "recipebox.lock"))


def required(package):
    """Return what a package requires, with the extras of it that the lock says are on."""
    names = dict.fromkeys(package["requires"])
    if package.get("extras") and os.path.exists("recipebox.lock"):
        with open("recipebox.lock", "rb") as file:
            locked = tomllib.load(file).get("package", [])
        for each in locked:
            if each["name"] == package["name"]:
                for extra in each.get("extras", []):
                    names.update(dict.fromkeys(package["extras"][extra]))
    return list(names)


def lay_out(place, package, target):
    for folder in LAID_OUT:
        if os.path.isdir(os.path.join(place, folder)):
            shutil.copytree(os.path.join(place, folder), os.path.join(target, folder))
    if package["wheels"]:
        install(package, os.path.join(target, "env"))
    for folder, _, names in os.walk(target):  # whatever the umask was: everybody may read it
        os.chmod(folder, 0o755)
        for name in names:
            path = os.path.join(folder, name)
            os.chmod(path, 0o755 if os.stat(path).st_mode & 0o100 else 0o644)


def install(package, env):
    chosen = choose(package)
    lines = []
    for wheel in chosen:
        path = os.path.join(WHEELS, wheel["filename"])
        if os.path.exists(path):
            check(path, wheel["sha256"])
            what = os.path.abspath(path)
        else:
            what = f"{wheel['name']}=={wheel['version']}"
        lines.append(f"{what} --hash=sha256:{wheel['sha256']}\n")
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.writelines(lines)
        requirements.flush()
        words = [sys.executable, "-m", "pip", "install", "--no-deps", "--require-hashes"]
        words += ["--only-binary=:all:", "--no-compile", "--disable-pip-version-check"]
        words += ["--root-user-action=ignore", "--quiet", "--no-cache-dir"]
        words += ["--target", env, "--requirement", requirements.name]
        code = subprocess.run(words).returncode
    if code != 0:
        name = f"{package['name']}@{package['version']}"
        sys.exit(
            f"install_wheels: pip ended with {code}. Wheels of {name} that are not in"
            f" {os.path.abspath(WHEELS)} come from an index with --build-arg PIP_NO_INDEX=0"
        )
    mark = {
        "platform": MACHINES.get(platform.machine(), platform.machine()),
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "wheels": {wheel["filename"]: wheel["sha256"] for wheel in chosen},
    }
    with open(os.path.join(env, ".recipebox.json"), "w", encoding="utf-8") as file:
        json.dump(mark, file, sort_keys=True)


def choose(package):
    """Return the best wheel of each distribution for this Python, by name.

    One without a wheel for this Python, but with one for this platform, isn't needed by this
    Python: the lock is complete for each that it was made for.
    """
    best, on_platform = {}, set()
    for wheel in package["wheels"]:
        if any(fits_platform(tag.split("-")[2]) for tag in wheel["tags"]):
            on_platform.add(wheel["name"])
        rank = max(map(fit, wheel["tags"]))
        if rank > best.get(wheel["name"], (0, None))[0]:
            best[wheel["name"]] = (rank, wheel)
    names = {wheel["name"] for wheel in package["wheels"]}
    lacking = sorted(names - on_platform)
    if lacking or not best:
        sys.exit(
            f"install_wheels: {', '.join(lacking or sorted(names))} of {package['name']} has no"
            f" wheel for Python {sys.version_info[0]}.{sys.version_info[1]} on"
            f" {platform.machine()}: choose another BASE, or pack it for this one"
        )
    return [best[name][1] for name in sorted(best)]


def fit(tag):
    """Say how well a tag (PEP 425) fits here: 0 is not at all."""
    interpreter, abi, system = tag.split("-")
    found = re.fullmatch(r"(py|cp)3(\d*)", interpreter)
    if found is None or not fits_platform(system):
        return 0
    kind, minor = found[1], int(found[2] or 0)
    here = sys.version_info[1]
    own = kind == "cp" and minor == here and abi == f"cp3{here}"
    stable = kind == "cp" and minor <= here and abi == "abi3"
    pure = abi == "none" and (minor == here if kind == "cp" else minor <= here)
    return 4 if own else 3 if stable else (2 if system != "any" else 1) if pure else 0


def fits_platform(system):
    return system == "any" or (
        system.startswith(("linux_", "manylinux")) and system.endswith(f"_{platform.machine()}")
    )


def find(name):
    """Return the tree of a required package, as run_recipe.py finds it."""
    namespace, _, last = name.partition("/")
    inside = os.listdir(namespace) if os.path.isdir(namespace) else []
    trees = [
        os.path.join(namespace, each)
        for each in sorted(inside)
        if each.startswith(f"{last}-")
        and os.path.exists(os.path.join(namespace, each, "metadata", "package.json"))
        and read_json(os.path.join(namespace, each, "metadata", "package.json"))["name"] == name
    ]
    if len(trees) != 1:
        sys.exit(
            f"install_wheels: {name} is required, and {len(trees)} versions of it are in"
            f" {os.getcwd()}: build in a folder that `recipebox fetch --out` made"
        )
    return trees[0]


def check(path, expected):
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        sys.exit(f"install_wheels: {path}: expected sha256 {expected}, found {found}")


def read_json(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError) as error:
        sys.exit(f"install_wheels: {path} can't be read: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
