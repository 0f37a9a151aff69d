"""What a trace says of a package, and of its closure: by the package's own paths."""

import tempfile
from pathlib import Path

import pytest

from recipes.closure import Closure, Reason
from recipes.errors import InvalidOption
from recipes.package import Entry, PackageMetadata, PythonStep
from recipes.traced import account_of, asked_by_the_run, draw_trace, sentences
from recipes.why import explain
from sandbox.trace import Trace

METADATA = PackageMetadata(
    name="team/etl",
    version="1.0.0",
    entry=Entry(runner="bundled"),
    steps=[PythonStep(type="python", idx=1, name="load", module="a", function="run")],
)
WORK = f"{tempfile.gettempdir()}/recipebox-x/work"


def a_trace(**kept: object) -> Trace:
    empty: dict[str, object] = {
        name: frozenset()
        for name in ("ran", "read", "wrote", "told", "programs", "hosts", "absent")
    }
    facts = {"works": {WORK: "team/etl"}, "witnesses": ("hooks",), "silent": {}, "is_cut": False}
    return Trace(**{**empty, **facts, **kept})  # type: ignore[arg-type]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "team/etl-1.0.0"
    for name in ("recipe/a.py", "recipe/b.py", "recipe/data/c.csv", "recipe/recipe.yaml"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).touch()
    return tree


def test_files_are_told_by_their_place_in_the_package(tree: Path) -> None:
    seen = a_trace(
        ran=frozenset([f"{WORK}/a.py", f"{WORK}/made-by-itself.py"]),
        read=frozenset([
            f"{WORK}/a.py", f"{WORK}/data/c.csv", f"{WORK}/recipe.yaml", f"{WORK}/out.txt",
            f"{WORK}/b.py", f"{tree}/env/yaml/__init__.py", f"{tree}/env/six.py",
            f"{tree}/env/six-1.0.dist-info/METADATA", f"{tree.parent}/clean-1.0/recipe/x.py",
            "/proc/self/status", "/usr/lib/x86_64-linux-gnu/libz.so.1.2", "/etc/hosts",
            "/srv/rates.csv", "/var/tmp/x", f"{WORK}/../result.json",
        ]),
    )  # fmt: skip

    found = account_of(seen, METADATA, tree)

    assert found.imported == ["a.py"]
    assert found.opened == ["b.py", "data/c.csv"]  # b.py was read, and never run
    assert found.wheels == ["six", "yaml"]
    assert found.outside == ["/srv/rates.csv"]


def test_code_is_taken_for_imported_where_no_hook_can_tell(tree: Path) -> None:
    seen = a_trace(read=frozenset([f"{WORK}/a.py", f"{WORK}/data/c.csv"]), witnesses=("strace",))

    found = account_of(seen, METADATA, tree)

    assert (found.imported, found.opened) == (["a.py"], ["data/c.csv"])


def test_another_packages_workspace_is_not_its_own(tree: Path) -> None:
    other = f"{tempfile.gettempdir()}/recipebox-y/work"
    seen = a_trace(works={WORK: "team/etl", other: "team/clean"}, read=frozenset([f"{other}/a.py"]))

    assert account_of(seen, METADATA, tree).files == frozenset()


def test_what_it_writes_elsewhere_is_told_and_what_is_no_text_is_drawn(tree: Path) -> None:
    seen = a_trace(
        wrote=frozenset([f"{WORK}/out.txt", "/dev/null", "/var/log/etl.log", "/var/log/\udcff"]),
        programs=frozenset(["/usr/bin/git"]),
        hosts=frozenset(["db:5432", "unix:/var/run/nscd/socket"]),
        absent=frozenset(["ujson", "tomllib.fast", "_winapi"]),
    )

    found = account_of(seen, METADATA, tree)

    assert found.written == ["out.txt"]
    assert found.wrote == ["'/var/log/\\udcff'", "/var/log/etl.log"]
    assert (found.hosts, found.absent) == (["db:5432"], ["ujson"])


def a_closure(*paths: str) -> Closure:
    reasons = {path: (Reason("module", "step 1 (load)"),) for path in paths}
    return Closure(Path("/checkout"), reasons, {}, {}, None, ())


def test_what_the_run_asked_for_and_what_it_left(tree: Path) -> None:
    seen = a_trace(ran=frozenset([f"{WORK}/a.py"]), read=frozenset([f"{WORK}/data/c.csv"]))
    account = account_of(seen, METADATA, tree)

    added = asked_by_the_run(account, a_closure("b.py"))
    drawn = draw_trace(METADATA, a_closure("a.py", "b.py"), ["a.py"], account, None)

    assert {path: str(why) for path, why in added.items()} == {
        "a.py": "imported: by the run in the checkout",
        "data/c.csv": "opened: by the run in the checkout",
    }
    assert asked_by_the_run(account, a_closure("a.py", "data/c.csv")) == {}
    assert drawn.closure.added == {"a.py": ["module: step 1 (load)"]}
    assert drawn.closure.not_read == ["b.py"]
    assert drawn.runs.checkout is None


def test_it_is_said_in_a_few_lines(tree: Path) -> None:
    seen = a_trace(
        read=frozenset(f"/srv/{each}" for each in range(7)),
        silent={"strace": "there is none"},
        is_cut=True,
    )
    account = account_of(seen, METADATA, tree)

    said = sentences(draw_trace(METADATA, a_closure("a.py"), [], account, None), {"a.py": ()})

    shown = ", ".join(f"/srv/{each}" for each in range(5))
    assert said == [
        "traced by hooks (not by strace: there is none): it read 0 of 1 files",
        "not read in this run: a.py",
        f"read from the machine, and in no package: {shown} and 2 more",
        "there was more than a trace keeps",
    ]


FILES = {
    "a.py": (Reason("module", "steps/b.py:3"), Reason("module", "steps/c.py:9")),
    "steps/b.py": (Reason("module", "a.py:1"),),
    "steps/c.py": (Reason("module", "step 1 (load)"),),
    "loop.py": (Reason("module", "loop.py:1"),),
    "d.csv": (Reason("data", "nowhere.py:7"),),
}


class TestWhy:
    def test_the_shortest_way_up_to_what_was_asked_for(self) -> None:
        chain = explain("recipe/a.py", FILES)

        assert [(path, str(why)) for path, why in chain] == [
            ("a.py", "module: steps/c.py:9"),
            ("steps/c.py", "module: step 1 (load)"),
        ]

    def test_a_circle_has_an_end(self) -> None:
        assert explain("loop.py", FILES) == [("loop.py", Reason("module", "loop.py:1"))]

    def test_a_reason_that_is_no_file_of_it_is_the_last(self) -> None:
        assert len(explain("./d.csv", FILES)) == 1

    def test_a_file_that_is_not_in_is_refused_with_the_nearest(self) -> None:
        with pytest.raises(InvalidOption, match=r"'steps/d.py' is not in the package.*steps/"):
            explain("steps/d.py", FILES)
