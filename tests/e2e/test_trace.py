"""The trace of a pack: what only a run shows is packed, said, and kept as evidence.

Recipes that run away in it, or turn on what watches them, are refused and leave nothing behind.
"""

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from recipes.errors import MissingModules, ProofFailed
from recipes.evidence import folder_of
from recipes.pack import Packed, pack
from recipes.traced import TraceDocument, sentences, trace_schema
from recipes.why import explain
from tests.checkouts import a_counting_checkout, digest_of, snapshot, with_a_runner, write
from tests.tools import parts

PROMISED = "    c.set('count.lines', 1)\n"

CHOOSES = f"""
import importlib, json
def Count(c, a):
    chosen = json.loads(open("data/lines.txt").read().splitlines()[0])
    module = importlib.import_module(chosen["module"])
    module.go(open("/".join(chosen["file"])).read())
{PROMISED}
"""


def a_choosing_checkout(root: Path) -> Path:
    """Its step imports a module, and opens a file, that only its data name."""
    chosen = {"module": "plugins.by_name", "file": ["tables", "rates.csv"]}
    return a_counting_checkout(
        root,
        **{
            "steps/count.py": CHOOSES,
            "data/lines.txt": json.dumps(chosen) + "\n",
            "plugins/__init__.py": "",
            "plugins/by_name.py": "def go(text):\n    assert text == 'a;b'\n"
            "def late():\n    import plugins.later\n",
            "plugins/later.py": "",
            "plugins/other.py": "",
            "tables/rates.csv": "a;b",
            "tables/other.csv": "",
        },
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "checkout"


@pytest.fixture(autouse=True)
def nothing_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hold that no process of a sandbox outlives its test."""
    tokens: list[str] = []

    def token(size: int) -> str:
        tokens.append(os.urandom(size).hex())
        return tokens[-1]

    monkeypatch.setattr("sandbox.process.secrets.token_hex", token)
    yield
    assert tokens
    assert not [pid for pid, data in _environments() if any(each in data for each in tokens)]


def _environments() -> Iterator[tuple[str, str]]:
    for path in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if path.name.isdigit():
                yield path.name, (path / "environ").read_bytes().decode("ascii", "replace")


def trace_of(packed: Packed) -> TraceDocument:
    """Return the trace as it is kept beside the package."""
    data = (folder_of(packed.out, packed.metadata.title) / "trace.json").read_bytes()
    jsonschema.validate(json.loads(data), trace_schema())
    assert packed.trace is not None
    assert packed.trace.to_bytes() == data
    return TraceDocument.model_validate_json(data)


def test_what_only_a_run_shows_is_packed_and_said(root: Path, tmp_path: Path) -> None:
    recipe = a_choosing_checkout(root)
    before = snapshot(root)

    packed = pack(recipe, tmp_path / "out")

    inside = {
        path.relative_to(packed.path / "recipe").as_posix()
        for path in (packed.path / "recipe").rglob("*")
        if path.is_file()
    }
    assert inside == {
        "recipe.yaml", "run_recipe.py", "steps/count.py", "data/lines.txt",
        "plugins/__init__.py", "plugins/by_name.py", "plugins/later.py", "tables/rates.csv",
    }  # fmt: skip
    assert snapshot(root) == before
    found = trace_of(packed)
    assert found.closure.added == {
        "plugins/__init__.py": [
            "imported: by the run in the checkout",
            "package: package of plugins.by_name",
            "package: package of plugins.later",
        ],
        "plugins/by_name.py": ["imported: by the run in the checkout"],
        "tables/rates.csv": ["opened: by the run in the checkout"],
    }
    assert found.closure.not_read == ["plugins/later.py"]
    assert found.runs.checkout is not None
    assert found.runs.package.files == found.runs.checkout.files
    assert found.runs.package.opened == ["data/lines.txt", "tables/rates.csv"]
    said = "\n".join(sentences(found, packed.reasons))
    assert "it read 5 of 6 files" in said
    assert "nothing in the code says so: plugins/__init__.py, plugins/by_name.py" in said
    assert explain("plugins/later.py", packed.reasons)[1][0] == "plugins/by_name.py"


def test_it_is_the_same_every_time_and_less_without_a_run(root: Path, tmp_path: Path) -> None:
    recipe = a_choosing_checkout(root)

    digests = {
        digest_of(pack(recipe, tmp_path / name), tmp_path / f"layers-{name}") for name in "ab"
    }
    unproved = pack(recipe, tmp_path / "c", prove=False)

    assert len(digests) == 1
    assert "plugins/by_name.py" not in unproved.reasons
    assert unproved.trace is None
    assert not (folder_of(unproved.out, unproved.metadata.title) / "trace.json").exists()


def test_a_module_of_the_run_that_lacks_something_is_refused(root: Path, tmp_path: Path) -> None:
    recipe = a_choosing_checkout(root)
    (root / "plugins/later.py").unlink()

    with pytest.raises(MissingModules, match=r"plugins\.later") as refused:
        pack(recipe, tmp_path / "out")

    assert "plugins/by_name.py:4" in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_what_a_failed_run_read_is_not_packed(root: Path, tmp_path: Path) -> None:
    recipe = a_choosing_checkout(root)
    (root / "tables/rates.csv").write_text("something else")

    with pytest.raises(ProofFailed, match=r"plugins"):
        pack(recipe, tmp_path / "out")


def test_hosts_programs_and_files_of_the_machine_are_told(root: Path, tmp_path: Path) -> None:
    parts.strace()
    there = Path("/usr/share/common-licenses/BSD")
    code = (
        "import socket, subprocess\n"
        "def Count(c, a):\n"
        "    for name in ('db.example.com', '192.0.2.7'):\n"
        "        try:\n"
        "            socket.create_connection((name, 5432), timeout=1)\n"
        "        except OSError:\n"
        "            pass\n"
        f"    subprocess.run(['/bin/sh', '-c', 'cat data/lines.txt {there}'], check=True)\n"
        "    try:\n"
        "        open('/nowhere.log', 'w')\n"
        "    except OSError:\n"
        "        pass\n"
        "    try:\n"
        "        import ujson\n"
        "    except ImportError:\n"
        "        pass\n" + PROMISED
    )
    packed = pack(a_counting_checkout(root, **{"steps/count.py": code}), tmp_path / "out")

    ran = trace_of(packed).runs.package
    assert ran.witnesses == ["hooks", "strace"]
    assert {"db.example.com:5432", "192.0.2.7:5432"} <= set(ran.hosts)
    assert any(each.endswith("/cat") for each in ran.programs)
    assert str(there) in ran.outside
    assert ran.absent == ["ujson"]
    assert "data/lines.txt" in ran.opened


def test_what_a_shell_step_reads_is_seen_where_strace_is(root: Path, tmp_path: Path) -> None:
    parts.strace()
    recipe = a_counting_checkout(root, **{"data/by-shell.txt": "7", "data/unread.txt": ""})
    recipe.write_text(
        "steps:\n"
        "  - {idx: 1, name: sum, type: shell,"
        " command: 'name=by-shell; read n < data/$name.txt; test $n = 7'}\n"
    )

    packed = pack(recipe, tmp_path / "out")

    assert trace_of(packed).closure.added == {
        "data/by-shell.txt": ["opened: by the run in the checkout"]
    }


HOSTILE = {
    "it hangs": "import time\n    time.sleep(600)",
    "it hangs and does not listen": (
        "import signal, time\n"
        "    for each in (1, 2, 15): signal.signal(each, signal.SIG_IGN)\n"
        "    time.sleep(600)"
    ),
    "it floods stdout": "import os\n    while True: os.write(1, b'x' * 65536)",
    "it forks and its children hang": (
        "import os, time\n"
        "    for _ in range(20):\n"
        "        if not os.fork():\n"
        "            os.setsid(); time.sleep(600)\n"
        "    time.sleep(600)"
    ),
    "it kills its parent": ("import os, time\n    os.kill(os.getppid(), 9)\n    time.sleep(600)"),
    "it kills what watches it": (
        "import os, re, time\n"
        "    tracer = re.search(r'TracerPid:\\t(\\d+)', open('/proc/self/status').read())\n"
        "    os.kill(int(tracer[1]) or os.getppid(), 9)\n"
        "    time.sleep(600)"
    ),
    "it writes rubbish for ever into the pipe": (
        "import sys\n"
        "    pipe = next(each.tell.pipe for each in sys.meta_path if hasattr(each, 'tell'))\n"
        "    with open(pipe, 'wb') as file:\n"
        "        while True: file.write(b'[\"read\", \"' + b'x' * 5000)"
    ),
}


@pytest.mark.parametrize("code", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_recipe_that_runs_away_is_refused(code: str, root: Path, tmp_path: Path) -> None:
    recipe = a_counting_checkout(root, **{"steps/count.py": f"def Count(c, a):\n    {code}\n"})

    with pytest.raises(ProofFailed):
        pack(recipe, tmp_path / "out", timeout=2)

    assert not (tmp_path / "out").exists()


QUIET = {
    "it closes every descriptor": "import os; os.closerange(3, 4096)",
    "it replaces what the hook calls": (
        "import os, json\n"
        "    real = json.dumps\n"
        "    os.open = os.write = json.dumps = os.path.isfile = None\n"
        "    import colorsys\n"
        "    json.dumps = real"
    ),
    "it lies in the pipe": (
        "import sys\n"
        "    pipe = next(each.tell.pipe for each in sys.meta_path if hasattr(each, 'tell'))\n"
        "    with open(pipe, 'w') as file:\n"
        "        for name in ('../../../etc/passwd', 'nowhere.py', '.git/config', '\\udcff'):\n"
        "            file.write('[\"read\", %r]\\n' % name); file.write('rubbish\\n')"
    ),
}


@pytest.mark.parametrize("code", QUIET.values(), ids=QUIET.keys())
def test_one_that_meddles_with_the_trace_spoils_that_alone(
    code: str, root: Path, tmp_path: Path
) -> None:
    code = f"def Count(c, a):\n    {code}\n{PROMISED}"
    packed = pack(a_counting_checkout(root, **{"steps/count.py": code}), tmp_path / "out")

    assert set(packed.reasons) == {"steps/count.py", "data/lines.txt"}
    assert trace_of(packed).closure.added == {}


def test_the_recipe_does_not_see_that_it_is_watched(root: Path, tmp_path: Path) -> None:
    code = "import os\ndef Count(c, a):\n    c.set('count.lines', sorted(os.environ))\n"
    packed = pack(a_counting_checkout(root, **{"steps/count.py": code}), tmp_path / "out")

    assert packed.proof.context is not None
    assert not [each for each in packed.proof.context["count.lines"] if "TRACE" in each]


def test_the_package_traces_itself_for_anybody(root: Path, tmp_path: Path) -> None:
    packed = pack(a_counting_checkout(root), tmp_path / "out")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    words = [sys.executable, "-I", str(packed.path / "recipe/run_recipe.py")]

    code = os.spawnve(os.P_WAIT, sys.executable, words, {"RECIPEBOX_TRACE": str(pipe)})

    lines = [json.loads(line) for line in os.read(reader, 1 << 16).splitlines()]
    os.close(reader)
    assert code == 0
    assert lines[0][0] == "work"
    assert {line[0] for line in lines} == {"work", "read", "ran", "wrote"}
    assert any(line[1].endswith("/work/data/lines.txt") for line in lines)


def test_a_trace_that_can_not_be_told_stops_nothing(root: Path, tmp_path: Path) -> None:
    packed = pack(a_counting_checkout(root), tmp_path / "out")
    words = [sys.executable, "-I", str(packed.path / "recipe/run_recipe.py")]

    for place in ("/nowhere/pipe", str(tmp_path)):
        environment = {"RECIPEBOX_TRACE": place}
        assert os.spawnve(os.P_WAIT, sys.executable, words, environment) == 0


def test_what_is_packed_though_it_is_local_is_in_the_checkouts_run_too(
    root: Path, tmp_path: Path
) -> None:
    code = (
        "import importlib.metadata\n"
        "def Count(c, a):\n"
        "    c.set('count.lines', [importlib.metadata.version('Own'), open('made/x.dat').read()])\n"
    )
    recipe = a_counting_checkout(
        root,
        **{
            "steps/count.py": code,
            ".gitignore": "*.egg-info\nmade/\n",
            "made/x.dat": "7",
            "Own.egg-info/PKG-INFO": "Metadata-Version: 2.1\nName: Own\nVersion: 3.1\n",
        },
    )
    with (root / "recipebox.toml").open("a") as file:
        file.write('[recipes.count]\ndata = ["made"]\n')

    packed = pack(recipe, tmp_path / "out")

    assert packed.proof.context == {"count.lines": ["3.1", "7"]}
    assert packed.proof.compared is not None
    assert packed.proof.compared.was_run


def test_a_folder_that_is_written_into_comes_along(root: Path, tmp_path: Path) -> None:
    code = (
        "import os\n"
        "def Count(c, a):\n"
        "    open('/'.join(['out', 'report.txt']), 'w').close()\n"
        "    open(os.path.expanduser('~/.seen'), 'w').close()\n" + PROMISED
    )
    recipe = a_counting_checkout(
        root, **{"steps/count.py": code, "out/.gitkeep": "", "out/old.txt": "old"}
    )

    packed = pack(recipe, tmp_path / "out")

    assert trace_of(packed).closure.added == {
        "out/.gitkeep": ["opened: by its folder, in which out/report.txt is written"]
    }
    assert trace_of(packed).runs.package.written == ["out/report.txt"]


def test_a_recipe_that_fails_by_itself_is_told_so(root: Path, tmp_path: Path) -> None:
    code = "def Count(c, a):\n    return 3\n"

    with pytest.raises(ProofFailed, match="It ends with 3 in a copy of its checkout, too"):
        pack(a_counting_checkout(root, **{"steps/count.py": code}), tmp_path / "out")


def test_a_runner_that_is_a_package_runs_the_recipe(root: Path, tmp_path: Path) -> None:
    with_a_runner(root)
    recipe = a_counting_checkout(root)
    recipe.write_text(
        '{"steps": [{"idx": 1, "name": "count", "type": "python", "module": "steps.count",'
        ' "function": "Count", "args": {"src": "data/lines.txt"}}]}'
    )
    runner = (root / "orchestrator/runner.py").read_text()
    (root / "orchestrator/runner.py").unlink()
    write(
        root,
        {
            "orchestrator/runner/__init__.py": "",
            "orchestrator/runner/__main__.py": "from orchestrator.runner.cli import main\nmain()\n",
            "orchestrator/runner/cli.py": runner,
        },
    )

    packed = pack(recipe, tmp_path / "out")

    assert packed.metadata.entry.module == "orchestrator.runner"
    assert packed.proof.context == {"count.lines": 3}
    assert "orchestrator/runner/cli.py" in packed.reasons


def test_data_beside_other_data_is_not_packed(root: Path, tmp_path: Path) -> None:
    code = (
        "import glob\n"
        "def Count(c, a):\n"
        "    for name in glob.glob('/'.join(['tables', '*.csv'])):\n"
        "        open(name).close()\n" + PROMISED
    )
    recipe = a_counting_checkout(
        root, **{"steps/count.py": code, "tables/a.csv": "", "tables/b.csv": "", "tables/c.txt": ""}
    )

    packed = pack(recipe, tmp_path / "out")

    assert set(trace_of(packed).closure.added) == {"tables/a.csv", "tables/b.csv"}
    write(root, {"tables/d.csv": ""})
    again = pack(recipe, tmp_path / "out")
    assert "tables/d.csv" in again.reasons
