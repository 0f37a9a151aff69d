"""Runs this package's recipe: from any folder, on a read-only file system, as any user.

    python run_recipe.py [--only STEP,...] [--set [STEP.]ARG=VALUE ...]
                         [--json FILE|-] [--context FILE] [--outputs DIR] [--metrics FILE|URL]

It needs Python 3.11 or newer and nothing else. It finds by place what `recipebox fetch` laid out:

    OUT/recipebox.lock               which required packages, by version
    OUT/ns/other-1.0.0/              a required package, which a step of the type `recipe` runs
    OUT/ns/name-1.2.3/metadata/      package.json: the steps, and what runs them
    OUT/ns/name-1.2.3/env/           the wheels, unpacked
    OUT/ns/name-1.2.3/recipe/        this file, and the recipe's own

The recipe runs in a child, in a workspace of its own in the temporary folder that is removed
afterwards, with the standard library, the wheels and the workspace on sys.path. The exit code is
the recipe's, 125 for a failure of this file's own, 130 when interrupted.

--json writes {"exit_code", "steps": [{"idx", "name", "exit_code", "seconds"}], "context",
"attempts": [{"exit_code", "seconds", "timed_out"}]}; with `-` it is alone on stdout, and what the
recipe prints goes to stderr. --context gives a JSON object to begin with: then the steps are run by
the runner in here, since a checkout's own can't take it (this is how another package's step runs
this one). --outputs keeps the files that the recipe made or changed in its workspace, in a folder
that must be new or empty; what a step of the type `recipe` made is below it, in @steps/IDX-NAME.

The recipe's `execution` is heeded by the runner in here: an attempt that takes longer than
timeout_seconds is ended, and its exit code is 124; one that fails is made again, from the start and
in a new workspace, retry_attempts times. --attempts (or RECIPEBOX_ATTEMPTS) says how often at most;
1 where a deployment tries again itself. The steps and the context are those of the last attempt.

--metrics (or RECIPEBOX_METRICS) tells Prometheus how it went: into a file, such as
/var/lib/node_exporter/etl.prom for node_exporter's textfile collector, where counts go on from what
the file says; or to a Pushgateway, http://HOST:9091. Where that fails it is said, and the exit code
stays the recipe's.

RECIPEBOX_TRACE names a pipe, in which the recipe's Python tells what it imports, opens, starts and
connects to (see `trace`).

An interrupt (SIGINT, SIGTERM, SIGHUP) ends the recipe and every process that it started, and so
does its end. So does SIGKILL: this is two processes, of which either ends what the other leaves.
Who sets RECIPEBOX_PARENT to its process id ends all of it when it ends itself, however it does.
"""

import os
import sys

if sys.version_info < (3, 11):  # noqa: UP036 - whoever runs it may have an older one
    found = ".".join(str(each) for each in sys.version_info[:2])
    sys.exit("run_recipe: this is Python " + found + "; Python 3.11 or newer is needed")

if __name__ == "__main__" and not sys.flags.isolated:  # nothing beside this file may be imported
    os.execv(
        sys.executable,
        [sys.executable, "-I", "-B", os.path.abspath(__file__), *sys.argv[1:]],
    )

import argparse
import base64
import contextlib
import ctypes
import fcntl
import filecmp
import importlib
import json
import platform
import re
import runpy
import shutil
import signal
import subprocess
import tempfile
import time
import tomllib
import traceback

RECIPE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = os.path.dirname(RECIPE)
OUT = os.path.dirname(os.path.dirname(PACKAGE))

FAILED = 125
TIMED_OUT = 124  # as timeout(1) has it
LINKED_FROM = 64 << 20  # bytes: larger files are linked into the workspace, not copied
GRACE = 3.0  # seconds between asking a child to end and ending it
METRICS = "RECIPEBOX_METRICS"
TRACE = "RECIPEBOX_TRACE"
ATTEMPTS = "RECIPEBOX_ATTEMPTS"
PARENT = "RECIPEBOX_PARENT"
OF_STEPS = "@steps"  # in the outputs: what packages made that steps ran
MACHINES = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}


class Problem(Exception):
    """A failure that is not the recipe's: its text says what to do."""


# --- the two parents ---


def guarded(argv):
    """Run it in another process, and end with its exit code; each of both outlives the other.

    Whoever ends the first one, by whatever signal, ends all below the second, which hears of it;
    and what the second leaves comes to the first.
    """
    end_with(os.environ.get(PARENT))
    adopts = adopt()
    first = os.getpid()
    second = os.fork()
    if second == 0:
        os.setpgid(0, 0)  # a terminal's Ctrl-C comes by the first one, once
        end_with(str(first))
        return main(argv)

    def pass_on(number, _frame):
        with contextlib.suppress(ProcessLookupError):
            os.kill(second, number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, pass_on)
    code = os.waitstatus_to_exitcode(os.waitpid(second, 0)[1])
    if adopts:
        end_adopted()
    return 128 - code if code < 0 else code


def end_with(parent):
    """Get SIGTERM when the parent ends, whose process id this is; `any` is whoever it is."""
    if not parent:
        return
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    if parent not in {"any", str(os.getppid())}:
        print(f"run_recipe: process {parent}, which began this, is gone", file=sys.stderr)
        sys.exit(FAILED)


def main(argv):
    options = parse(argv)
    began = time.monotonic()
    steps = []
    try:
        code = run(options, steps)
    except (Problem, OSError) as problem:
        print(f"run_recipe: {problem}", file=sys.stderr)
        code = FAILED
    if options.metrics:
        tell(options.metrics, code, time.monotonic() - began, steps)
    return code


def parse(argv):
    parser = argparse.ArgumentParser(
        prog="run_recipe.py", description="Runs this package's recipe.", allow_abbrev=False
    )
    parser.add_argument("--only", metavar="STEP,...", help="names or idx of steps, with commas")
    parser.add_argument(
        "--set",
        metavar="[STEP.]ARG=VALUE",
        action="append",
        default=[],
        help="an argument of the steps, or of one; VALUE is JSON, or else a text",
    )
    parser.add_argument("--json", metavar="FILE", help="where the result goes; - is stdout")
    parser.add_argument("--context", metavar="FILE", help="a JSON object to begin with")
    parser.add_argument(
        "--metrics",
        metavar="FILE|URL",
        default=os.environ.get(METRICS),
        help=f"tell Prometheus how it went [env: {METRICS}]",
    )
    parser.add_argument("--outputs", metavar="DIR", help="where the files that it writes are kept")
    parser.add_argument(
        "--attempts",
        metavar="N",
        default=os.environ.get(ATTEMPTS),
        help=f"how often it is tried at most; the recipe says, by default [env: {ATTEMPTS}]",
    )
    options = parser.parse_args(argv)
    if options.attempts is not None:
        if not options.attempts.isdecimal() or int(options.attempts) < 1:
            parser.error(f"--attempts {options.attempts!r}: a whole number, at least 1")
        options.attempts = int(options.attempts)
    return options


def run(options, told):
    """Run it, and return its exit code; the steps' results are added to `told`."""
    package = read_json(os.path.join(PACKAGE, "metadata", "package.json"))
    env = find_env(package)
    steps = choose(package["steps"], options.only)
    settings = [setting(each, package["steps"]) for each in options.set]
    outputs = new_folder(options.outputs)
    for step in package["steps"]:
        apply(settings, step["name"], step["args"])
    bundled = package["entry"]["runner"] == "bundled" or options.context is not None
    module = None if bundled else package["entry"]["module"]
    if module and options.only is not None and not runner_knows(module, "--only"):
        raise Problem(f"this package's own runner, {module}, has no --only")
    wanted = options.json is not None or bool(options.metrics)
    reports = bool(module) and wanted and runner_knows(module, "--json-output")
    if module and options.json is not None and not reports:
        print(f"run_recipe: {module} reports no steps, only its exit code", file=sys.stderr)
    execution = {} if module else package.get("execution") or {}
    most = options.attempts or 1 + (execution.get("retry_attempts") or 0)
    spec = {
        "package": package["name"],
        "env": env,
        "module": module,
        "steps": steps,
        "all_steps": package["steps"],
        "only": [step["name"] for step in steps] if options.only is not None else None,
        "settings": settings,
        "context": read_json(options.context) if options.context is not None else {},
        "reports": reports,
        "outputs": outputs is not None,
    }
    tried = []
    while True:
        with workspace() as scratch:
            began = time.monotonic()
            code, found, ended = attempt(spec, scratch, options, execution.get("timeout_seconds"))
            tried.append(
                {
                    "exit_code": code,
                    "seconds": round(time.monotonic() - began, 3),
                    "timed_out": ended == "time",
                }
            )
            told[:] = found.get("steps") or []
            again = len(tried) < most and code not in {0, FAILED} and ended != "signal"
            if outputs is not None and not again:
                own = {"recipe.yaml"} if module and settings else set()  # which `rewrite` wrote
                keep(scratch, outputs, own)
        if not again:
            break
        print(
            f"run_recipe: attempt {len(tried)} of {most} ended with {code}: once more",
            file=sys.stderr,
            flush=True,
        )
    if options.json is not None:
        report(options.json, code, found, tried)
    return code


@contextlib.contextmanager
def workspace():
    """Give a temporary folder with a copy of the recipe in it, `work`; it is gone afterwards."""
    try:
        scratch = tempfile.mkdtemp(prefix="recipebox-")
    except OSError as error:
        raise Problem(f"no temporary folder can be written ({error}); set TMPDIR") from error
    try:
        copy_tree(RECIPE, os.path.join(scratch, "work"))
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def attempt(spec, scratch, options, timeout):
    """Run it once; return its exit code, what it told, and `time` or `signal` if that ended it."""
    result = os.path.join(scratch, "result.json")
    work = os.path.join(scratch, "work")
    write_json(os.path.join(scratch, "spec.json"), {**spec, "work": work, "result": result})
    code, last, ended = start(scratch, work, options.json == "-", spec["reports"], timeout)
    if ended == "time":
        print(f"run_recipe: it was ended after {timeout:g} s, its timeout", file=sys.stderr)
    found = read_json(result) if os.path.exists(result) else last or {}
    return code, found, ended


def find_env(package):
    """Return where the wheels are unpacked, or None where none are needed."""
    if not package["wheels"]:
        return None
    env = os.path.join(PACKAGE, "env")
    name = f"{package['name']}@{package['version']}"
    if not os.path.isdir(env):
        raise Problem(
            f"{env} is missing: {name} needs {len(package['wheels'])} wheels;"
            f" `recipebox fetch {name}` lays them out"
        )
    found = read_json(os.path.join(env, ".recipebox.json"))
    machine = platform.machine()
    here = {
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "platform": MACHINES.get(machine, machine),
    }
    wrong = [key for key in here if found.get(key) != here[key]]
    if wrong:
        raise Problem(
            f"{env} is for {found.get('platform')} and Python {found.get('python')}; this is"
            f" {here['platform']} and Python {here['python']}: fetch {name} again with this Python"
        )
    return env


def choose(steps, only):
    if only is None:
        return steps
    wanted = [each.strip() for each in only.split(",") if each.strip()]
    known = {key for step in steps for key in (step["name"], str(step["idx"]))}
    unknown = [each for each in wanted if each not in known]
    if unknown or not wanted:
        names = ", ".join(step["name"] for step in steps)
        meant = near(unknown[0] if unknown else "", known)
        raise Problem(
            f"no such step: {', '.join(unknown) or repr(only)}{meant} (there are {names})"
        )
    return [step for step in steps if step["name"] in wanted or str(step["idx"]) in wanted]


def setting(text, steps):
    """Read [STEP.]ARG=VALUE as (step or None, argument, value)."""
    key, found, value = text.partition("=")
    if not found or not key:
        raise Problem(f"--set {text!r}: expected ARG=VALUE or STEP.ARG=VALUE")
    with contextlib.suppress(ValueError):
        value = json.loads(value)
    if any(key in step["args"] for step in steps):
        return [None, key, value]
    for step in steps:
        if key.startswith(step["name"] + "."):
            return [step["name"], key[len(step["name"]) + 1 :], value]
    known = sorted({key for step in steps for key in step["args"]})
    meant = near(key, known + [f"{step['name']}.{each}" for step in steps for each in step["args"]])
    raise Problem(
        f"--set {text!r}: no step has an argument {key!r}{meant} (there are"
        f" {', '.join(known) or 'none'}); a new one is given to a step as STEP.ARG=VALUE"
    )


def near(name, known):
    """Return a question that names what may have been meant, or nothing."""
    import difflib

    found = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {found[0]}?" if found else ""


def apply(settings, name, args):
    for step, key, value in settings:
        if step == name or (step is None and key in args):
            args[key] = value


def runner_knows(module, option):
    path = os.path.join(RECIPE, *module.split("."))
    files = [path + ".py"]
    if os.path.isdir(path):  # a package, with a __main__
        files = [os.path.join(path, each) for each in os.listdir(path) if each.endswith(".py")]
    text = b""
    for each in files:
        with open(each, "rb") as file:
            text += file.read()
    return f'"{option}"'.encode() in text or f"'{option}'".encode() in text


def copy_tree(source, target):
    os.mkdir(target, 0o755)
    with os.scandir(source) as entries:
        for entry in entries:
            to = os.path.join(target, entry.name)
            if entry.is_dir(follow_symlinks=False):
                copy_tree(entry.path, to)
            elif entry.stat().st_size >= LINKED_FROM:
                os.symlink(entry.path, to)
            else:
                shutil.copyfile(entry.path, to)
                os.chmod(to, 0o755 if entry.stat().st_mode & 0o100 else 0o644)


def new_folder(path):
    """Return the absolute path of a folder that is new or empty; None for none."""
    if path is None:
        return None
    full = os.path.abspath(path)
    if os.path.lexists(full) and (not os.path.isdir(full) or os.listdir(full)):
        raise Problem(f"--outputs {path}: something is there; name a folder that is new or empty")
    os.makedirs(os.path.dirname(full), exist_ok=True)
    return full


def keep(scratch, target, own):
    """Copy what was made or changed in the workspace; the folder appears when all is in it."""
    work = os.path.join(scratch, "work")
    part = f"{target}.part-{os.getpid()}"
    try:
        os.mkdir(part)
        for above, folders, names in os.walk(work):
            folders[:] = sorted(each for each in folders if each != "__pycache__")
            inside = os.path.relpath(above, work)
            for name in sorted(names):
                path = os.path.normpath(os.path.join(inside, name))
                if path not in own and is_new(os.path.join(work, path), os.path.join(RECIPE, path)):
                    to = os.path.join(part, path)
                    os.makedirs(os.path.dirname(to), exist_ok=True)
                    shutil.copy2(os.path.join(work, path), to)
        keep_of_steps(os.path.join(scratch, OF_STEPS), os.path.join(part, OF_STEPS))
        if os.path.isdir(target):
            os.rmdir(target)
        os.rename(part, target)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise Problem(f"{target}: the outputs can't be kept: {error}") from error


def keep_of_steps(made, target):
    """Copy what the packages made that steps ran, each of which has kept its own already."""
    for name in sorted(os.listdir(made)) if os.path.isdir(made) else ():
        if re.search(r"\.part-\d+$", name):  # of one that was ended while it kept them
            continue
        if any(names for _, _, names in os.walk(os.path.join(made, name))):
            shutil.copytree(os.path.join(made, name), os.path.join(target, name), symlinks=True)


def is_new(path, original):
    """Whether a plain file isn't as it was copied; links and pipes are nobody's output."""
    if os.path.islink(path) or not os.path.isfile(path):
        return False
    return not os.path.isfile(original) or not filecmp.cmp(path, original, shallow=False)


def start(scratch, work, quiet, reports, timeout):
    """Run the child; return its exit code, its last line on stdout, and what ended it, if any."""
    # a package that a step runs has attempts of its own, and would write over this one's metrics
    own = (METRICS, ATTEMPTS, PARENT, "PYTHON")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(own)}
    environment.setdefault("HOME", scratch)  # what a user without one has can't be written to
    ended = []
    previous = {}

    def end(number, _frame):
        ended.append(number)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        previous[number] = signal.signal(number, end)
    child = None
    last = None
    adopts = adopt()
    try:
        child = subprocess.Popen(
            [
                sys.executable,
                "-I",
                "-S",
                "-B",
                "-X",
                "utf8",
                os.path.join(RECIPE, "run_recipe.py"),
                "--child",
                os.path.join(scratch, "spec.json"),
            ],
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            process_group=0,
            stdout=subprocess.PIPE if reports else sys.stderr if quiet else None,
        )
        if reports:
            last = forward(child.stdout, sys.stderr.buffer if quiet else sys.stdout.buffer)
        code, by = wait(child, timeout)
    except KeyboardInterrupt:
        for number in previous:
            signal.signal(number, signal.SIG_IGN)
        if child is not None:
            stop(child)
        if adopts:
            end_adopted()
        return 128 + ended[0], last, "signal"
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    stop_group(child.pid, signal.SIGKILL)  # what it left behind
    if adopts:
        end_adopted()
    return (128 - code if code < 0 else code), last, by


def forward(source, target):
    """Pass on all lines but a last one that is a JSON object, and return that."""
    held = b""
    for line in source:
        if held:
            target.write(held)
        if line.startswith(b"{"):
            held = line
        else:
            held = b""
            target.write(line)
        target.flush()
    try:
        found = json.loads(held)
    except ValueError:
        target.write(held)
        target.flush()
        return None
    return found


def wait(child, timeout):
    """Wait for the child's end; return its exit code, and `time` where its timeout came first."""
    try:
        return child.wait(timeout), None
    except subprocess.TimeoutExpired:
        stop(child)
        return TIMED_OUT, "time"


def stop(child):
    stop_group(child.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(GRACE)
    stop_group(child.pid, signal.SIGKILL)
    child.wait()


def stop_group(group, number):
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def adopt():
    """Become the parent of whatever loses its own below here, in whatever session; say if so."""
    with contextlib.suppress(OSError, AttributeError):
        return ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER
    return False


def end_adopted():
    """End every process that is left below this one: what a killed one leaves comes here."""
    spared = set()  # another user's, which this one may not end
    while found := children() - spared:
        for each in found:
            try:
                os.kill(each, signal.SIGKILL)
            except PermissionError:
                spared.add(each)
            else:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(each, 0)


def children():
    try:
        names = [name for name in os.listdir("/proc") if name.isdecimal()]
    except OSError:
        return set()
    return {int(name) for name in names if parent_of(name) == os.getpid()}


def parent_of(process):
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None


def report(target, code, found, tried):
    result = {
        "exit_code": code,
        "steps": found.get("steps") or [],
        "context": found.get("context") or {},
        "attempts": tried,
    }
    if target == "-":
        sys.stdout.write(json.dumps(result, sort_keys=True) + "\n")
        sys.stdout.flush()
    else:
        write_json(target, result)


def read_json(path):
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError) as error:
        raise Problem(f"{path} can't be read: {error}") from error
    if not isinstance(found, dict):
        raise Problem(f"{path} holds no JSON object")
    return found


def write_json(path, value):
    text = json.dumps(value, sort_keys=True)
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".new", path)


# --- metrics ---

KINDS_OF_METRICS = {
    "recipebox_package_info": ("gauge", "1, for the version that ran last."),
    "recipebox_run_duration_seconds": ("gauge", "How long the last run took."),
    "recipebox_run_exit_code": ("gauge", "Exit code of the last run; 0 is success."),
    "recipebox_run_timestamp_seconds": ("gauge", "When the last run ended (Unix time)."),
    "recipebox_last_success_timestamp_seconds": ("gauge", "When a run last ended with 0."),
    "recipebox_runs_total": ("counter", "Runs that have ended, by result: success or failure."),
    "recipebox_step_duration_seconds": ("gauge", "How long a step of the last run took."),
    "recipebox_step_exit_code": ("gauge", "Exit code of a step of the last run."),
}
SINCE = ("recipebox_last_success_timestamp_seconds", "recipebox_runs_total")  # go on from before
PUSH_TIMEOUT = 10.0  # seconds


def tell(target, code, seconds, steps):
    """Write or push the metrics of a run; a failure of that is said, and changes nothing else."""
    try:
        package = read_json(os.path.join(PACKAGE, "metadata", "package.json"))
        if target.startswith(("http://", "https://")):
            push(target, package, code, seconds, steps)
        else:
            write_metrics(target, package, code, seconds, steps)
    except (Problem, OSError, ValueError) as error:
        print(f"run_recipe: the metrics can't be told to {target}: {error}", file=sys.stderr)


def write_metrics(path, package, code, seconds, steps):
    folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # another run may count at the same time
        earlier = {}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                earlier = earlier_metrics(file.read(), package["name"])
        text = metrics(package, code, seconds, steps, earlier)
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path + ".new", 0o644)  # another user collects it
        os.replace(path + ".new", path)
    finally:
        os.close(folder)


def push(url, package, code, seconds, steps):
    """POST to a Pushgateway: what isn't sent, such as an earlier success, stays as it was."""
    import urllib.request

    text = metrics(package, code, seconds, steps, None)
    group = base64.urlsafe_b64encode(package["name"].encode()).decode().rstrip("=")
    request = urllib.request.Request(
        f"{url.rstrip('/')}/metrics/job/recipebox/package@base64/{group}",
        data=text.encode(),
        headers={"Content-Type": "text/plain; version=0.0.4"},
        method="POST",
    )
    urllib.request.urlopen(request, timeout=PUSH_TIMEOUT).close()


def metrics(package, code, seconds, steps, earlier):
    """Return Prometheus's text format; `earlier` is what was counted, None where nothing is."""
    name = package["name"]
    now = round(time.time(), 3)
    found = dict(earlier or {})
    if code == 0:
        found["recipebox_last_success_timestamp_seconds", labels(package=name)] = now
    if earlier is not None:
        for result in ("success", "failure"):
            key = "recipebox_runs_total", labels(package=name, result=result)
            found[key] = found.get(key, 0) + ((code == 0) == (result == "success"))
    found["recipebox_package_info", labels(package=name, version=package["version"])] = 1
    found["recipebox_run_duration_seconds", labels(package=name)] = round(seconds, 3)
    found["recipebox_run_exit_code", labels(package=name)] = code
    found["recipebox_run_timestamp_seconds", labels(package=name)] = now
    for step in steps:
        key = labels(package=name, idx=step.get("idx"), step=step.get("name"))
        if isinstance(step.get("seconds"), (int, float)):
            found["recipebox_step_duration_seconds", key] = step["seconds"]
        if isinstance(step.get("exit_code"), int):
            found["recipebox_step_exit_code", key] = step["exit_code"]
    lines = []
    for metric, (kind, meaning) in KINDS_OF_METRICS.items():
        values = [
            f"{metric}{key} {value}" for (each, key), value in found.items() if each == metric
        ]
        if values:
            lines += [f"# HELP {metric} {meaning}", f"# TYPE {metric} {kind}", *values]
    return "\n".join(lines) + "\n"


def labels(**values):
    escaped = (
        (key, str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n"))
        for key, value in values.items()
    )
    return "{" + ",".join(f'{key}="{value}"' for key, value in escaped) + "}"


def earlier_metrics(text, name):
    """Return what an earlier run of this package wrote, of what goes on from there."""
    found = {}
    for line in text.splitlines():
        match = re.fullmatch(r"(\w+)(\{.*\}) ([0-9.]+)", line)
        if match and match[1] in SINCE and match[2].startswith(labels(package=name)[:-1]):
            value = float(match[3])
            found[match[1], match[2]] = int(value) if value.is_integer() else value
    return found


# --- the child ---


def child(path):
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: end with the parent
    with open(path, encoding="utf-8") as file:
        spec = json.load(file)
    import site

    site.setquit()
    source = os.path.join(spec["work"], "src")
    sys.path.insert(0, spec["work"])
    sys.path += [source] if os.path.isdir(source) else []
    sys.path += [spec["env"]] if spec["env"] else []
    forget(spec["work"])
    spec["trace"] = os.environ.pop(TRACE, None)  # the recipe sees the same, traced or not
    if spec["trace"]:
        trace(spec["trace"], spec["work"], spec["package"])
    return run_own(spec) if spec["module"] else run_steps(spec)


def run_own(spec):
    """Become the checkout's own runner, as `python -m` would; it may end the process itself."""
    if spec["settings"]:
        rewrite(spec)
    sys.argv = [spec["module"], "--recipe", "recipe.yaml"]
    if spec["only"] is not None:
        sys.argv += ["--only", ",".join(spec["only"])]
    if spec["reports"]:
        sys.argv.append("--json-output")
    runpy.run_module(spec["module"], run_name="__main__", alter_sys=True)
    return 0


def rewrite(spec):
    """Put the settings into the workspace's copy of the recipe, which the runner reads itself."""
    try:
        import yaml
    except ImportError:
        print("run_recipe: --set needs PyYAML among this package's wheels", file=sys.stderr)
        sys.exit(FAILED)
    path = os.path.join(spec["work"], "recipe.yaml")
    with open(path, encoding="utf-8") as file:
        drawn = yaml.safe_load(file)
    places = range(len(drawn["steps"]))
    order = sorted(places, key=lambda place: drawn["steps"][place].get("idx", place + 1))
    for place, step in zip(order, spec["all_steps"], strict=True):
        args = drawn["steps"][place].get("args") or {}
        apply(spec["settings"], step["name"], args)
        drawn["steps"][place]["args"] = args
    with open(path, "w", encoding="utf-8") as file:
        yaml.safe_dump(drawn, file, sort_keys=False, allow_unicode=True)


STARTED = {"abc", "codecs", "encodings", "io", "os", "posixpath", "site", "stat", "sys", "time"}


def forget(work):
    """Leave nothing of this file's imports that the checkout has a module of its own for.

    `python -m` run in the checkout would find the checkout's; what an interpreter needs to start is
    imported before either.
    """
    own = {name.removesuffix(".py") for name in os.listdir(work)}
    for name in list(sys.modules):
        top = name.partition(".")[0]
        if top in own - STARTED and top not in sys.builtin_module_names:
            del sys.modules[name]


# --- the trace ---

TOLD = 100_000  # lines that a process tells, at most
LONGEST = 4096  # bytes of a line: a pipe takes so much in one piece (PIPE_BUF)


def trace(pipe, work, package):
    """Tell a pipe what this process does from here on, once each: lines of JSON, by an audit hook.

        ["work", FOLDER, PACKAGE]    ["ran", FILE]    ["read", FILE]    ["wrote", FILE]
        ["program", NAME]            ["host", NAME, PORT]    ["absent", MODULE]

    What a hook raises would end what it watches (PEP 578): whatever fails in here is left untold.
    """
    tell = Teller(pipe)
    try:
        tell("work", work, package)
    except OSError as error:
        print(f"run_recipe: {pipe}: nothing can be told: {error}", file=sys.stderr)
        return
    sys.meta_path.append(Absent(tell))
    sys.addaudithook(tell.hear)


class Teller:
    def __init__(self, pipe):
        from _thread import get_ident

        self.pipe = pipe
        self.told = set()
        self.busy = set()
        self.me = get_ident
        # what the recipe puts in the place of these is none of the trace's business
        self.open, self.write, self.close = os.open, os.write, os.close
        self.set_blocking, self.dumps = os.set_blocking, json.dumps
        self.path, self.fsdecode, self.is_file = os.path.abspath, os.fsdecode, os.path.isfile
        self.hearers = {
            "open": self.opened,
            "exec": self.ran,
            "import": self.imported,
            "subprocess.Popen": self.started,
            "os.exec": self.started,
            "os.posix_spawn": self.started,
            "os.system": lambda _command: self("program", "/bin/sh"),
            "socket.connect": self.connected,
            "socket.sendto": self.connected,
            "socket.getaddrinfo": lambda name, port, *_: self.host(name, port),
            "socket.gethostbyname": lambda name: self.host(name, None),
        }

    def hear(self, event, values):
        hearer = self.hearers.get(event)
        if hearer is None or self.me() in self.busy:
            return
        self.busy.add(self.me())
        try:
            with contextlib.suppress(Exception):  # see `trace`
                hearer(*values)
        finally:
            self.busy.discard(self.me())

    def __call__(self, *words):
        """Open the pipe anew for each line: a descriptor that is kept would be the recipe's too."""
        if words in self.told or len(self.told) >= TOLD:
            return
        self.told.add(words)
        line = self.dumps(words).encode() + b"\n"
        if len(line) > LONGEST:
            return
        handle = self.open(self.pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            self.set_blocking(handle, True)
            self.write(handle, line)
        finally:
            self.close(handle)

    def opened(self, path, _mode, flags):
        if isinstance(path, int):
            return
        full = self.path(self.fsdecode(path))
        access = flags & os.O_ACCMODE
        if access != os.O_WRONLY and self.is_file(full):
            self("read", full)
        if access != os.O_RDONLY:
            self("wrote", full)

    def ran(self, code):
        if getattr(code, "co_name", None) == "<module>":
            full = self.path(code.co_filename)
            if self.is_file(full):
                self("ran", full)

    def imported(self, _name, path, *_):
        if path is not None:
            self("ran", self.path(path))

    def started(self, program, *_):
        self("program", self.fsdecode(program))

    def connected(self, _socket, address):
        if isinstance(address, tuple):
            self.host(address[0], address[1])
        else:
            self.host("unix:" + self.fsdecode(address), None)

    def host(self, name, port):
        name = self.fsdecode(name) if name is not None else "localhost"
        self("host", name, port if isinstance(port, int) else self.fsdecode(port or ""))


class Absent:
    """The last finder: what it is asked for is nowhere."""

    def __init__(self, tell):
        self.tell = tell

    def find_spec(self, name, _path=None, _target=None):
        with contextlib.suppress(OSError, ValueError):
            self.tell("absent", name)


class Context:
    """The bag of values that is handed from step to step; remembers who set what."""

    def __init__(self, initial=None):
        self._values = {}
        self._history = []
        self.who = "runner"
        for key, value in (initial or {}).items():
            self.set(key, value, who="initial")

    def get(self, key, default=None):
        return self._values.get(key, default)

    def set(self, key, value, who=None):
        self._history.append({"key": key, "who": who or self.who})
        self._values[key] = value

    def keys(self):
        return list(self._values)

    def who_set(self, key):
        """Return the name of the step that set the key last, or None."""
        for entry in reversed(self._history):
            if entry["key"] == key:
                return entry["who"]
        return None

    def history(self):
        return list(self._history)

    def to_dict(self):
        return dict(self._values)

    def __contains__(self, key):
        return key in self._values


def run_steps(spec):
    context = Context(spec["context"])
    results = []
    code = 0
    for step in spec["steps"]:
        print(f"run_recipe: step {step['name']}", file=sys.stderr, flush=True)
        context.who = step["name"]
        began = time.monotonic()
        code = run_step(step, context, spec)
        if code == 0:
            code = kept(step, context)
        results.append(
            {
                "idx": step["idx"],
                "name": step["name"],
                "exit_code": code,
                "seconds": round(time.monotonic() - began, 3),
            }
        )
        write_json(spec["result"], {"steps": results, "context": plain(context)})
        if code != 0:
            print(f"run_recipe: step {step['name']} ended with {code}", file=sys.stderr)
            break
    sys.stdout.flush()
    return code


def run_step(step, context, spec):
    try:
        sys.stdout.flush()
        return KINDS[step["type"]](step, context, spec)
    except SystemExit as ending:
        if ending.code is None or isinstance(ending.code, int):
            return ending.code or 0
        print(ending.code, file=sys.stderr)
        return 1
    except Problem as problem:
        print(f"run_recipe: step {step['name']}: {problem}", file=sys.stderr)
        return FAILED
    except Exception:
        traceback.print_exc()
        return 1


def run_python(step, context, _spec):
    target = importlib.import_module(step["module"])
    for name in step["function"].split("."):
        target = getattr(target, name)
    if isinstance(target, type):
        made = target()
        target = made.run if hasattr(made, "run") else made.execute
    code = target(context, step["args"])
    if code is not None and not isinstance(code, int):
        print(
            f"run_recipe: step {step['name']} returned {code!r:.80}, which is no exit code"
            " (an int, where 0 or None is success)",
            file=sys.stderr,
        )
        return 1
    return int(code or 0)


def run_shell(step, _context, _spec):
    command = step["command"]
    words = ["/bin/sh", "-c", command] if isinstance(command, str) else command
    code = subprocess.run(words, stdin=subprocess.DEVNULL).returncode
    return 128 - code if code < 0 else code


def run_package(step, context, spec):
    """Run a required package as a process with its own tree and environment; JSON in and out."""
    tree = find_package(step["package"])
    scratch = os.path.dirname(spec["result"])
    given = os.path.join(scratch, f"context-{step['idx']}.json")
    result = os.path.join(scratch, f"result-{step['idx']}.json")
    before = plain(context)
    write_json(given, before)
    words = [sys.executable, "-I", "-B", os.path.join(tree, "recipe", "run_recipe.py"),
             "--context", given, "--json", result]  # fmt: skip
    for key, value in step["args"].items():
        words += ["--set", f"{key}={json.dumps(value)}"]
    if spec["outputs"]:
        name = re.sub(r"[^\w.-]+", "-", step["name"])
        words += kept_outputs(tree, os.path.join(scratch, OF_STEPS, f"{step['idx']}-{name}"))
    environment = {**os.environ, TRACE: spec["trace"]} if spec["trace"] else None
    code = subprocess.run(words, cwd=scratch, stdin=subprocess.DEVNULL, env=environment).returncode
    if os.path.exists(result):
        for key, value in read_json(result)["context"].items():
            if key not in before or before[key] != value:
                context.set(key, value)
    return 128 - code if code < 0 else code


def kept_outputs(tree, folder):
    """Return the words by which a package keeps its outputs; none where it is of before that."""
    with open(os.path.join(tree, "recipe", "run_recipe.py"), encoding="utf-8") as file:
        if '"--outputs"' in file.read():
            return ["--outputs", folder]
    print(f"run_recipe: {tree} was packed before outputs were kept: left out", file=sys.stderr)
    return []


def find_package(name):
    namespace, _, last = name.partition("/")
    lock = os.path.join(OUT, "recipebox.lock")
    if os.path.exists(lock):
        with open(lock, "rb") as file:
            listed = tomllib.load(file).get("package", [])
        versions = [each["version"] for each in listed if each["name"] == name]
    else:
        folder = os.path.join(OUT, namespace)
        inside = os.listdir(folder) if os.path.isdir(folder) else []
        start = f"{last}-"
        versions = [each[len(start) :] for each in inside if each.startswith(start)]
        versions = [
            version
            for version in versions
            if read_json(os.path.join(folder, start + version, "metadata", "package.json"))["name"]
            == name
        ]
    trees = [os.path.join(OUT, namespace, f"{last}-{version}") for version in versions]
    trees = [
        each for each in trees if os.path.isfile(os.path.join(each, "recipe", "run_recipe.py"))
    ]
    if len(trees) != 1:
        said = "several versions of it are" if trees else "it is not"
        raise Problem(f"{name} is required, and {said} in {OUT}; fetch this package again")
    return trees[0]


KINDS = {"python": run_python, "shell": run_shell, "recipe": run_package}


def kept(step, context):
    missing = [key for key in step["success"].get("ctx_has_keys") or [] if key not in context]
    for key in missing:
        print(f"run_recipe: step {step['name']} promised {key} and did not set it", file=sys.stderr)
    return 1 if missing else 0


def plain(context):
    """Return what of the context can be told as JSON; say what can't."""
    told = {}
    for key in context.to_dict():
        try:
            told[key] = json.loads(json.dumps(context.get(key)))
        except (TypeError, ValueError):
            print(f"run_recipe: the context's {key} is no JSON: left out", file=sys.stderr)
    return told


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        sys.exit(child(sys.argv[2]))
    sys.exit(guarded(sys.argv[1:]))
