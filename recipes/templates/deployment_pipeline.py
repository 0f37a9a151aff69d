"""Takes this very release through an application's channels, by the command `recipebox`.

    python deployment_pipeline.py --application NS/APP [--to dev,staging] [--bundle DIGEST]
                                  [--lock FILE] [--run] [--dry-run] [--output FILE]
                                  [--command "recipebox"]

1. lock      the release and what it requires, at one revision of the index (or --lock: yours)
2. fetch     all of it, into a folder of its own; every signature and file is checked
3. verify    what was laid out, once more, against what was signed
4. run       once, where --run asks for it
5. promote   the lock's bundle to the first channel, and that very bundle to each one after it;
             with --bundle a bundle that an earlier job made, to all of them

The registry, the token and the signing key are the environment's: RECIPEBOX_URL, RECIPEBOX_TOKEN,
RECIPEBOX_SIGNING_KEY. It ends with the exit code of the first command that failed (4: refused by
trust or policy; 5: somebody else promoted), and nothing is promoted after that. What came of it is
one JSON object on stdout; --output adds `bundle=DIGEST` to a file, as CI systems read it.

It finds the release's name and version by its place, metadata/package.json. It needs Python 3.11 or
newer, `recipebox` on PATH (or --command, its words), and nothing else.
"""

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DIGEST = r"sha256:[0-9a-f]{64}"


class Failed(Exception):
    """A command that failed: its exit code."""

    def __init__(self, words, code):
        super().__init__(f"`{shlex.join(words)}` ended with {code}")
        self.code = code


def main(argv):
    options = parse(argv)
    with open(os.path.join(PACKAGE, "metadata", "package.json"), encoding="utf-8") as file:
        package = json.load(file)
    try:
        told = go(options, f"{package['name']}@={package['version']}")
    except Failed as failed:
        say(f"{failed}; nothing was promoted after that")
        return failed.code
    print(json.dumps({"package": package["name"], "version": package["version"], **told}))
    if options.output and told["bundle"]:
        with open(options.output, "a", encoding="utf-8") as file:
            file.write(f"bundle={told['bundle']}\n")
    return 0


def parse(argv):
    parser = argparse.ArgumentParser(
        prog="deployment_pipeline.py",
        description="Takes this very release through an application's channels.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--application", metavar="NS/APP", required=True, help="the application")
    add("--to", metavar="CHANNEL,...", default="dev", help="channels, in their order")
    add("--bundle", metavar="DIGEST", help="go on with this bundle")
    add("--lock", metavar="FILE", help="take this lock instead of solving")
    add("--run", action="store_true", help="run the recipe once before it is promoted")
    add("--dry-run", action="store_true", help="do all but promote")
    add("--output", metavar="FILE", help="add bundle=DIGEST to it")
    add("--command", metavar="WORDS", default="recipebox", help="how recipebox is started here")
    options = parser.parse_args(argv)
    if options.bundle and not re.fullmatch(DIGEST, options.bundle):
        parser.error(f"--bundle: {options.bundle!r} is not a digest")
    options.channels = [each.strip() for each in options.to.split(",") if each.strip()]
    if not options.channels:
        parser.error("--to: no channel is named")
    return options


def go(options, release):
    def recipebox(*words):
        return tell(shlex.split(options.command), words)

    with tempfile.TemporaryDirectory(prefix="recipebox-pipeline-") as folder:
        lock = options.lock
        if lock is None:
            lock = os.path.join(folder, "recipebox.lock")
            recipebox("lock", release, "--output", lock)
        out = os.path.join(folder, "out")
        recipebox("fetch", "--frozen", lock, "--out", out)
        verified = recipebox("verify", out)
        check_own(verified, out, release)
        if options.run:
            recipebox("run", own_tree(verified, release))
        bundle, promoted = options.bundle, {}
        for channel in [] if options.dry_run else options.channels:
            what = ["--bundle", bundle] if bundle else ["--lock", lock]
            done = recipebox("promote", options.application, *what, "--to", channel)
            bundle = done["bundle"]
            promoted[channel] = done["record"]
    return {"application": options.application, "bundle": bundle, "promoted": promoted}


def check_own(verified, out, release):
    """Refuse a lock that isn't about this release."""
    if own_tree(verified, release) is None:
        say(f"{release} is not among what the lock pins")
        raise Failed(["recipebox", "verify", out], 1)


def own_tree(verified, release):
    name, _, version = release.partition("@=")
    for each in verified["packages"]:
        if (each["name"], each["version"]) == (name, version):
            return each["path"]
    return None


def tell(command, words):
    """Run a command; return what it told as JSON. Its notes and errors are on stderr."""
    shown = ["recipebox", *words]
    say(shlex.join(shown))
    try:
        done = subprocess.run([*command, *words, "--json"], stdout=subprocess.PIPE, text=True)
    except FileNotFoundError as error:
        say(f"{command[0]} is not on PATH: install recipebox, or say --command WORDS")
        raise Failed(shown, 127) from error
    if done.returncode != 0:
        sys.stderr.write(done.stdout)  # the error, as JSON
        raise Failed(shown, done.returncode)
    return json.loads(done.stdout)


def say(text):
    print(f"deployment_pipeline: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
