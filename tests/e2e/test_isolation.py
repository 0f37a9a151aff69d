"""The example recipes give the same fetched as in their checkout, with nothing of it left.

As root they run as nobody, without a network, on a read-only file system, from `/`, with an empty
environment, and see neither the checkout nor anybody's home. Otherwise as much of that as can be.
"""

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.support import LIMIT, Machine, add_namespace
from tests.keys import SIGNER, gnupg
from tests.tools import parts
from tests.tools.checkout import COMPOSED, FILLED, REFUSED, RUNNABLE, SOURCE, golden
from tests.tools.server import running_server

pytestmark = pytest.mark.real

IS_ROOT = os.geteuid() == 0
NOBODY = 65534
GOOD = (*RUNNABLE, *FILLED, *COMPOSED)
WHEEL_LOCK = "recipebox.wheels.toml"
AS_NOBODY = f"exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups --no-new-privs"
PYTHON = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"

State = Mapping[str, tuple[bytes, int, int]]


@dataclass(frozen=True)
class Fetched:
    """What another machine fetched; the checkout as it was before and after it was packed from.

    `outcomes` are what packing all of it said of each recipe, by its stem.
    """

    out: Path
    before: State
    after: State
    checkout: Path
    outcomes: Mapping[str, Mapping[str, Any]]

    def tree(self, stem: str) -> Path:
        """Return the tree of a recipe."""
        (found,) = (self.out / "demo").glob(f"{stem.replace('_', '-')}-*")
        return found


def state_of(folder: Path) -> State:
    """Return bytes, mtime and mode of all that is in a checkout, but for its wheel lock."""
    return {
        path.relative_to(folder).as_posix(): (
            path.read_bytes() if path.is_file() else b"",
            path.stat().st_mtime_ns,
            path.stat().st_mode,
        )
        for path in sorted(folder.rglob("*"))
        if path.name != WHEEL_LOCK
    }


def copy_examples(folder: Path) -> Path:
    """Copy the example checkout, dates and wheel lock too."""
    ignored = shutil.ignore_patterns("__pycache__", "out", "_last_log.json", "local.ini")
    return Path(shutil.copytree(SOURCE, folder / "checkout", ignore=ignored))


def recipe_of(checkout: Path, stem: str) -> Path:
    return checkout / "orchestrator" / "Recipes" / f"{stem}.yaml"


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Fetched:
    """All recipes packed at once; the good ones published, the checkout removed, and fetched."""
    folder = tmp_path_factory.mktemp("isolation")
    checkout = copy_examples(folder)
    before = state_of(checkout)
    built = folder / "built"
    with running_server(folder / "data") as server:
        ada = Machine(folder / "ada", server.url, server.token)
        add_namespace(ada, "demo")
        said = ada.run("pack", checkout, "--all", "--json", "--out", built, expected=1)
        outcomes = {Path(each["recipe"]).stem: each for each in said.json["recipes"]}
        for stem, values in FILLED.items():
            recipe = recipe_of(checkout, stem)
            ada.run("pack", recipe, "--values", recipe.parent / values, "--out", built)
        after = state_of(checkout)
        for stem in GOOD:  # those that others run come first
            (tree,) = built.glob(f"demo/{stem.replace('_', '-')}-*")
            ada.run("sign", tree)
            ada.run("publish", tree)
        shutil.rmtree(checkout)
        for name in ("ada", "built"):
            shutil.rmtree(folder / name)
        bob = Machine(folder / "bob", server.url, server.token)
        names = [f"demo/{stem.replace('_', '-')}" for stem in GOOD]
        bob.run("fetch", *names, "--out", folder / "jobs")
    return Fetched(folder / "jobs", before, after, checkout, outcomes)


def isolated(out: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a program with nothing but `out` (as /tmp/out) and an interpreter; see above."""
    if not IS_ROOT:
        here = [word.replace("/tmp/out", str(out)) for word in words]
        return subprocess.run(
            here, cwd="/", env={}, capture_output=True, text=True, check=False, timeout=LIMIT
        )
    stand = out.parent / "stand"
    stand.mkdir(exist_ok=True)
    prefix = Path(sys.base_prefix)
    closed = [folder for folder in prefix.parents if not folder.stat().st_mode & 0o001]
    lines = [
        f"mount -t tmpfs -o mode=1777 none {stand}",
        f"mkdir {stand}/out {stand}/python",
        f"mount --bind {out} {stand}/out",
        f"mount -o remount,bind,ro {stand}/out",
        f"mount --bind {prefix} {stand}/python",
    ]
    if closed:  # such as /root, in which pyenv keeps its interpreters
        lines += [
            f"mount -t tmpfs -o mode=755 none {closed[-1]}",
            f"mkdir -p {prefix}",
            f"mount --bind {stand}/python {prefix}",
        ]
    lines += [
        f"mount --rbind {stand} /tmp",
        "cd /",
        f"{AS_NOBODY} env -i {shlex.join(words)}",
    ]
    return subprocess.run(
        [parts.unshare(), "--mount", "--net", "sh", "-ec", "\n".join(lines)],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
    )


PROBE = """
import json, os, socket, sys
def fails(act):
    try:
        act()
    except OSError as error:
        return type(error).__name__, error.errno
    return None
print(json.dumps({
    "uid": os.getuid(), "environ": dict(os.environ), "cwd": os.getcwd(),
    "write": fails(lambda: open(sys.argv[1] + "/new", "w")),
    "connect": fails(lambda: socket.create_connection(("127.0.0.1", 9), timeout=5)),
    "tmp": sorted(os.listdir("/tmp")),
}))
"""


@pytest.mark.skipif(not IS_ROOT, reason="only root may do all of it")
def test_the_isolation_is_one(fetched: Fetched) -> None:
    done = isolated(fetched.out, str(PYTHON), "-I", "-c", PROBE, "/tmp/out")
    found = json.loads(done.stdout)
    assert found["uid"] == NOBODY
    assert found["environ"].keys() <= {"LC_CTYPE"}  # which Python itself sets
    assert found["cwd"] == "/"
    assert found["write"][0] == "OSError"  # EROFS, and not only EACCES
    assert found["connect"] is not None
    assert found["tmp"] == ["out", "python"]


@pytest.mark.parametrize("stem", GOOD)
def test_a_recipe_gives_the_same_as_in_its_checkout(fetched: Fetched, stem: str) -> None:
    assert not fetched.checkout.exists()
    script = f"/tmp/out/demo/{fetched.tree(stem).name}/recipe/run_recipe.py"
    expected = golden(stem)["result"]

    done = isolated(fetched.out, str(PYTHON), script, "--json", "-")

    assert done.returncode == expected["exit_code"], done.stderr
    found = json.loads(done.stdout)
    assert found["exit_code"] == expected["exit_code"]
    assert [(step["idx"], step["name"], step["exit_code"]) for step in found["steps"]] == [
        (step["idx"], step["name"], step["exit_code"]) for step in expected["steps"]
    ]
    assert found["context"] == expected["context"]


@pytest.mark.parametrize("stem", [*RUNNABLE, *FILLED])
def test_a_recipe_prints_the_same_as_in_its_checkout(fetched: Fetched, stem: str) -> None:
    script = f"/tmp/out/demo/{fetched.tree(stem).name}/recipe/run_recipe.py"

    done = isolated(fetched.out, str(PYTHON), script)

    assert done.returncode == 0, done.stderr
    assert hashlib.sha256(done.stdout.encode()).hexdigest() == golden(stem)["printed"]


def test_the_checkout_is_as_it_was(fetched: Fetched) -> None:
    assert fetched.after.keys() == fetched.before.keys()
    changed = [path for path, state in fetched.before.items() if fetched.after[path] != state]
    assert changed == []


@pytest.mark.parametrize("stem", GOOD)
def test_plain_gpg_and_sha256_believe_what_was_fetched(fetched: Fetched, stem: str) -> None:
    tree = fetched.tree(stem)
    metadata = tree / "metadata"
    with gnupg() as gpg:
        gpg("--import", data=SIGNER.public.encode())
        gpg("--verify", str(metadata / "signature.asc"), str(metadata / "release.json"))
    signed = json.loads((metadata / "release.json").read_bytes())["predicate"]["files"]
    ours = {"metadata/release.json", "metadata/signature.asc"}
    ours |= {f"metadata/signatures/{SIGNER.fingerprint}.asc"}
    found = {
        path.relative_to(tree).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in tree.rglob("*")
        if path.is_file() and path.relative_to(tree).parts[0] != "env"
    }
    assert {path: digest for path, digest in found.items() if path not in ours} == signed
    assert found.keys() - signed.keys() == ours


MISSING = {
    "quarterly_forecast": [
        "quarterly_forecast.yaml",
        "analytics.lake.reader",
        "engine.mathlib.fourier",
        "engine.mathlib.smoothing",
        "engine.steps.python.forecast_model",
        "engine/steps/python/seasons.py",
    ],
    "month_end": ["month_end.yaml", "engine.steps.python.compute_numbers", "CloseMonth"],
    "customer_template": ["customer_template.yaml", "template", "step_module"],
    "webshop_tosca": ["webshop_tosca.yaml:1:28", "TOSCA"],
    "smoke_checks": ["smoke_checks.yaml:4:3", "'checks'"],
    "ftp_upload": [
        "engine/steps/python/ftp_upload.py:6: Secret Keyword",
        "orchestrator/Recipes/ftp_upload.yaml:8: Secret Keyword",
    ],
    "rates_live": ["demo/rates-live-1.0.0", "fetch_rates.py", "Connection refused"],
    "tax_table": ["vat is vat.py and src/vat.py", "engine/steps/python/tax_table.py:7"],
    "morning_round": ["demo/morning-round runs demo/evening-round runs demo/morning-round"],
    "evening_round": ["demo/evening-round runs demo/morning-round runs demo/evening-round"],
    "region_report": ["region_report.yaml:3:23", "unfilled: region, author, source.file, top"],
}


@pytest.mark.parametrize("stem", [*REFUSED, *FILLED])
def test_a_bad_recipe_is_refused_by_name(fetched: Fetched, stem: str) -> None:
    outcome = fetched.outcomes[stem]

    assert outcome["outcome"] == "refused"
    said = outcome["error"]["message"]
    for name in MISSING[stem]:
        assert name in said
    assert "Sommer2019" not in said


def test_each_good_one_is_packed_and_proved(fetched: Fetched) -> None:
    packed = {stem for stem, each in fetched.outcomes.items() if each["outcome"] == "packed"}

    assert packed == {*RUNNABLE, *COMPOSED}
    assert all(fetched.outcomes[stem]["proof"]["ran"] for stem in packed)
    assert fetched.outcomes.keys() == {*GOOD, *REFUSED}


def test_a_refusal_alone_leaves_nothing(tmp_path: Path) -> None:
    checkout = copy_examples(tmp_path)
    before = state_of(checkout)
    ada = Machine(tmp_path / "ada")
    recipe = recipe_of(checkout, "quarterly_forecast")

    done = ada.run("pack", recipe, "--out", tmp_path / "built", "--json", expected=1)

    assert "analytics.lake.reader, asked for by step 2 'load_lake'" in done.err
    assert [each["module"] for each in done.error["missing"]] == [
        "analytics.lake.reader",
        "engine.mathlib.fourier",
        "engine.mathlib.smoothing",
        "engine.steps.python.forecast_model",
    ]
    assert not (tmp_path / "built").exists()
    assert state_of(checkout) == before
