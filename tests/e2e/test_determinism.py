"""One recipe, one digest: whatever Python, clock, umask, locale, user or place it was packed with.

What is compared is all that a release is: the digest of its manifest, of each layer, of the wheel
set of each platform, and of the SBOM. (What they are, tests/unit/recipes/test_layers.py holds for
files that never change.)
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from artifacts.digest import Digest
from recipes.evidence import folder_of
from recipes.layers import build_release, wheel_set_manifest
from recipes.package import read_tree
from recipes.wheels import platforms_of, wheels_for
from tests.checkouts import a_counting_checkout, a_wheel
from tests.e2e.support import Machine, files_of, install_client
from tests.tools.checkout import SOURCE
from tests.tools.parts import faketime, locales, second_python

pytestmark = pytest.mark.real

EARLY, LATE = 86_400, 4_000_000_000  # 1970, 2096
NOBODY = 65534
NAMED = {"data/zählung.txt": "a\nß\n", "data/İstanbul/ı.txt": "i\n"}  # noqa: RUF001
"""Names and texts over which locales fall out."""

Change = Callable[[Machine], Machine]


@pytest.fixture(scope="module")
def ada(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """One home for all, so that wheels are downloaded once."""
    return Machine(tmp_path_factory.mktemp("ada"))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The example checkout; its recipe below has a wheel with compiled code, locked."""
    ignored = shutil.ignore_patterns("__pycache__", "out", "_last_log.json", "local.ini")
    return Path(shutil.copytree(SOURCE, tmp_path / "checkout", ignore=ignored))


def packed(machine: Machine, recipe: Path, out: Path, *words: str) -> dict[str, str]:
    """Pack with a machine; return the digest of everything that would be published of it."""
    machine.run("pack", recipe, "--out", out, *words, cwd=recipe.parent)
    tree = read_tree(out)
    with tempfile.TemporaryDirectory() as into:
        artifact = build_release(tree.path, Path(into))
    wheels = tree.metadata.wheels
    sets = {
        platform: wheel_set_manifest(artifact.descriptor, platform, wheels_for(platform, wheels))
        for platform in (platforms_of(wheels) if wheels else ())
    }
    sbom = folder_of(tree.out, tree.metadata.title) / "sbom.cdx.json"
    return {
        "release": str(artifact.descriptor.digest),
        **{layer.title: str(layer.descriptor.digest) for layer in artifact.layers},
        **{platform: str(Digest.of(data)) for platform, data in sets.items()},
        "sbom": str(Digest.of(sbom.read_bytes())),
    }


def stock_report(checkout: Path) -> Path:
    return checkout / "orchestrator" / "Recipes" / "stock_report.yaml"


def a_checkout(root: Path) -> Path:
    """A recipe that reads files whose names aren't ASCII."""
    project = '\n[recipes.count]\ndata = ["data"]\nsummary = "Zählt İI"\n'
    recipe = a_counting_checkout(root, **NAMED)
    with (root / "recipebox.toml").open("a", encoding="utf-8") as file:
        file.write(project)
    return recipe


@pytest.fixture(scope="module")
def usual(ada: Machine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The digests of a small recipe, packed as anybody would."""
    folder = tmp_path_factory.mktemp("usual")
    return packed(ada, a_checkout(folder / "checkout"), folder / "built", "--no-run")


def test_another_python_gives_the_same(ada: Machine, checkout: Path, tmp_path: Path) -> None:
    other = install_client(tmp_path, second_python())
    eve = replace(ada, home=tmp_path / "eve", program=(str(other / "recipebox"),))
    recipe = stock_report(checkout)

    ours = packed(ada, recipe, tmp_path / "ours")
    theirs = packed(eve, recipe, tmp_path / "theirs")

    assert theirs == ours
    assert "linux/amd64" in ours
    asked = [
        subprocess.check_output([python, "-c", "import sys; print(sys.version_info[1])"])
        for python in (other / "python", sys.executable)
    ]
    assert asked[0] != asked[1]


def umasked(mask: int) -> Change:
    def change(machine: Machine) -> Machine:
        shell = ("sh", "-c", f'umask {mask:03o}; exec "$0" "$@"')
        return replace(machine, program=(*shell, *machine.program))

    return change


def with_variables(**variables: str) -> Change:
    def change(machine: Machine) -> Machine:
        return replace(machine, variables=variables)

    return change


def test_the_surroundings_do_not_matter_at_all_where_they_all_differ(
    ada: Machine, compiled: Path, tmp_path: Path
) -> None:
    """Both with a run, which is what people do: clock, umask, locale, zone, seed, folder, home."""
    recipe = a_checkout(tmp_path / "first")
    other = a_checkout(tmp_path / "second" / "in" / "another place")
    age(tmp_path / "second", LATE)
    eve = clocked("2051-03-04 05:06:07")(replace(ada, home=tmp_path / "eve"))
    eve = umasked(0o077)(eve)
    eve = replace(
        eve,
        variables={
            **eve.variables,
            "LOCPATH": str(compiled),
            "LC_ALL": "tr_TR.UTF-8",
            "TZ": "Asia/Kathmandu",
            "PYTHONHASHSEED": "77",
        },
    )

    assert packed(eve, other, tmp_path / "theirs") == packed(ada, recipe, tmp_path / "ours")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(umasked(0o000), id="umask 000"),
        pytest.param(umasked(0o022), id="umask 022"),
        pytest.param(umasked(0o077), id="umask 077"),
        pytest.param(with_variables(LC_ALL="C", LANG="C"), id="locale C"),
        pytest.param(with_variables(LC_ALL="C.UTF-8"), id="locale C.UTF-8"),
        pytest.param(with_variables(LANG="tr_TR.UTF-8", LANGUAGE="tr"), id="LANG of no locale"),
        pytest.param(with_variables(TZ="Pacific/Kiritimati"), id="TZ +14"),
        pytest.param(with_variables(TZ="XXX+11:30"), id="TZ -11:30"),
        pytest.param(with_variables(SOURCE_DATE_EPOCH="1"), id="SOURCE_DATE_EPOCH"),
        pytest.param(with_variables(PYTHONHASHSEED="1"), id="PYTHONHASHSEED 1"),
        pytest.param(with_variables(PYTHONHASHSEED="2"), id="PYTHONHASHSEED 2"),
    ],
)
def test_the_surroundings_do_not_matter(
    ada: Machine, usual: dict[str, str], change: Change, tmp_path: Path
) -> None:
    recipe = a_checkout(tmp_path / "checkout")
    assert packed(change(ada), recipe, tmp_path / "built", "--no-run") == usual


# Clocks


_WITH_SLEEP = """
import select, sys, time
time.sleep = lambda seconds: select.select([], [], [], seconds)
from recipebox.cli import main
sys.argv[0] = "recipebox"
sys.exit(main())
"""
"""`recipebox`, but for time.sleep(): under libfaketime 0.9.10 each call fails with EINVAL, since it
moves the moment at which clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME) is to end, and not the
clock. (Were that clock moved too, waits for a lock wouldn't end.)"""


def clocked(moment: str) -> Change:
    """Give a machine another clock, which goes on."""

    def change(machine: Machine) -> Machine:
        clock = {
            "LD_PRELOAD": str(faketime()),
            "FAKETIME": f"@{moment}",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # waits take as long as they do
        }
        program = (sys.executable, "-P", "-c", _WITH_SLEEP)
        return replace(machine, program=program, variables=clock)

    return change


@pytest.mark.parametrize("moment", ["1985-10-26 01:21:00", "2051-03-04 05:06:07"])
def test_the_clock_does_not_matter(
    ada: Machine, usual: dict[str, str], moment: str, tmp_path: Path
) -> None:
    other = clocked(moment)(ada)
    asked = [sys.executable, "-c", "import datetime; print(datetime.datetime.now().year)"]
    seen = subprocess.check_output(asked, env=other.environ, text=True)
    recipe = a_checkout(tmp_path / "checkout")

    found = packed(other, recipe, tmp_path / "built", "--no-run")

    assert seen.strip() == moment[:4]
    assert found == usual


# Locales


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Locales that are really there, for LOCPATH."""
    folder = tmp_path_factory.mktemp("locales")
    source = locales()
    for name, charset in (("tr_TR", "UTF-8"), ("de_DE", "UTF-8"), ("de_DE", "ISO-8859-1")):
        words = ["localedef", "-i", str(source / name), "-f", charset, f"{folder}/{name}.{charset}"]
        subprocess.run(words, check=True, capture_output=True)
    return folder


def locale_of(environ: dict[str, str]) -> list[str]:
    code = (
        "import locale as l, sys; l.setlocale(l.LC_ALL, ''); print(l.localeconv()['decimal_point']"
    )
    code += ", sys.getfilesystemencoding())"
    words = [sys.executable, "-c", code]
    return subprocess.check_output(words, env=environ, text=True).split()


@pytest.mark.parametrize("name", ["tr_TR.UTF-8", "de_DE.UTF-8", "de_DE.ISO-8859-1"])
def test_the_locale_does_not_matter(
    ada: Machine, usual: dict[str, str], compiled: Path, name: str, tmp_path: Path
) -> None:
    encoding = "utf-8" if name.endswith("UTF-8") else "iso8859-1"
    other = replace(ada, variables={"LOCPATH": str(compiled), "LC_ALL": name})
    recipe = a_checkout(tmp_path / "checkout")

    assert packed(other, recipe, tmp_path / "built", "--no-run") == usual
    assert locale_of(other.environ) == [",", encoding]


# Files


def age(folder: Path, moment: int) -> None:
    for path in folder.rglob("*"):
        os.utime(path, (moment, moment))


@pytest.mark.parametrize("moment", [EARLY, LATE])
def test_dates_and_modes_of_the_checkout_do_not_matter(
    ada: Machine, usual: dict[str, str], moment: int, tmp_path: Path
) -> None:
    recipe = a_checkout(tmp_path / "elsewhere" / "in" / "another place")
    for path in tmp_path.rglob("*"):
        if path.is_file():
            path.chmod(0o600 if moment == EARLY else 0o666)
    age(tmp_path, moment)
    assert packed(ada, recipe, tmp_path / "built", "--no-run") == usual


@pytest.fixture
def listing(tmp_path: Path) -> Iterator[Path]:
    """A folder whose file system lists what came last first, where there is one (tmpfs)."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        yield Path(folder)


def test_the_order_in_which_files_were_made_does_not_matter(
    ada: Machine, usual: dict[str, str], listing: Path, tmp_path: Path
) -> None:
    source = a_checkout(tmp_path / "source").parent.parent
    orders = []
    for name in ("forward", "backward"):
        files = sorted(path for path in source.rglob("*") if path.is_file())
        for path in files if name == "forward" else reversed(files):
            target = listing / name / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        orders.append([path.name for path in (listing / name).iterdir()])
        found = packed(ada, listing / name / "jobs/count.yaml", tmp_path / name, "--no-run")
        assert found == usual
    assert orders[0] != orders[1] or listing == tmp_path


@pytest.mark.skipif(os.geteuid() != 0, reason="another user needs root to become it")
def test_the_user_does_not_matter(ada: Machine, usual: dict[str, str]) -> None:
    """Somebody who may read all, since Python may be in root's home, and owns nothing of it."""
    rights = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    words = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *rights)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir()
        for path in (Path(folder), home):
            os.chown(path, NOBODY, NOBODY)
        nobody = replace(ada, home=home, program=(*words, *ada.program))
        recipe = a_checkout(Path(folder) / "checkout")
        for path in (Path(folder) / "checkout").rglob("*"):
            os.chown(path, 1234, 5678)

        found = packed(nobody, recipe, Path(folder) / "built", "--no-run")

        assert {path.stat().st_uid for path in (Path(folder) / "built").rglob("*")} == {NOBODY}
    assert found == usual


def test_every_file_is_the_same_packed_with_wheels_under_another_umask_and_locale(
    ada: Machine, checkout: Path, tmp_path: Path
) -> None:
    recipe = stock_report(checkout)
    other = replace(umasked(0o077)(ada), variables={"LC_ALL": "C", "TZ": "Asia/Kathmandu"})

    for machine, out in ((ada, "one"), (other, "two")):
        machine.run("pack", recipe, "--out", tmp_path / out, "--no-run", cwd=checkout)

    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


# What the index offers


def with_index(machine: Machine, index: Path, home: Path) -> Machine:
    """A machine with nothing in its caches, whose pip finds wheels in `index` alone."""
    variables = {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(index),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_CACHE_DIR": str(home / "pip"),
    }
    return replace(machine, home=home, variables=variables)


def test_what_the_index_offers_since_does_not_matter_where_the_wheel_lock_is_kept(
    ada: Machine, tmp_path: Path
) -> None:
    index = tmp_path / "index"
    a_wheel(index, "tinylib", "1.0", requires=["helperlib"])
    a_wheel(index, "helperlib", "1.0")
    code = "def Count(c, a):\n    import tinylib\n    c.set('count.lines', 1)\n    return 0\n"
    recipe = a_counting_checkout(
        tmp_path / "checkout", **{"steps/count.py": code, "requirements.txt": "tinylib\n"}
    )
    with (tmp_path / "checkout" / "recipebox.toml").open("a") as file:
        file.write('python = ">=3.11"\nplatforms = ["linux/amd64", "linux/arm64"]\n')
    first = packed(with_index(ada, index, tmp_path / "one"), recipe, tmp_path / "built")
    kept = Path(shutil.copytree(tmp_path / "checkout", tmp_path / "kept"))
    loose = Path(shutil.copytree(tmp_path / "checkout", tmp_path / "loose"))
    (loose / "recipebox.wheels.toml").unlink()
    a_wheel(index, "tinylib", "2.0", requires=["helperlib"])
    a_wheel(index, "helperlib", "1.1")

    again, anew = (
        packed(with_index(ada, index, tmp_path / name), root / "jobs/count.yaml", tmp_path / name)
        for name, root in (("again", kept), ("anew", loose))
    )

    assert again == first
    assert {"linux/amd64", "linux/arm64"} <= first.keys()
    assert anew["release"] != first["release"]  # else the index would have offered nothing new


def test_another_byte_is_another_digest(
    ada: Machine, usual: dict[str, str], tmp_path: Path
) -> None:
    recipe = a_checkout(tmp_path / "checkout")
    (tmp_path / "checkout/data/lines.txt").write_text("a\nb\nd\n")
    found = packed(ada, recipe, tmp_path / "built", "--no-run")
    assert {name for name in found if found[name] != usual[name]} == {
        "release",
        "team/count-1.0.0/recipe",
        "sbom",
    }
