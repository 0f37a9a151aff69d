"""One recipe, one digest: whatever Python, umask, locale, clock or place it was packed with.

(What that digest is, tests/unit/recipes/test_layers.py holds for files that never change.)
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.checkouts import a_counting_checkout
from tests.e2e.support import Machine, files_of, install_client
from tests.tools.checkout import SOURCE
from tests.tools.parts import second_python

pytestmark = pytest.mark.real

EARLY, LATE = 86_400, 4_000_000_000  # 1970, 2096


@pytest.fixture(scope="module")
def ada(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """One home for all, so that wheels are downloaded once."""
    return Machine(tmp_path_factory.mktemp("ada"))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The example checkout; its recipe below has a wheel with compiled code, locked."""
    ignored = shutil.ignore_patterns("__pycache__", "out", "_last_log.json", "local.ini")
    return Path(shutil.copytree(SOURCE, tmp_path / "checkout", ignore=ignored))


def digest_of(machine: Machine, recipe: Path, out: Path, *words: str) -> str:
    """Pack and sign with a machine; return the release manifest's digest."""
    machine.run("pack", recipe, "--out", out, *words, cwd=recipe.parent)
    return str(machine.run("sign", out, "--json").json["digest"])


def stock_report(checkout: Path) -> Path:
    return checkout / "orchestrator" / "Recipes" / "stock_report.yaml"


@pytest.fixture(scope="module")
def usual(ada: Machine, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of a small recipe, packed as anybody would."""
    folder = tmp_path_factory.mktemp("usual")
    return digest_of(ada, a_counting_checkout(folder / "checkout"), folder / "built")


def test_another_python_gives_the_same(ada: Machine, checkout: Path, tmp_path: Path) -> None:
    other = install_client(tmp_path, second_python())
    eve = replace(ada, home=tmp_path / "eve", program=(str(other / "recipebox"),))
    recipe = stock_report(checkout)

    ours = digest_of(ada, recipe, tmp_path / "ours")
    theirs = digest_of(eve, recipe, tmp_path / "theirs")

    assert theirs == ours
    asked = [
        subprocess.check_output([python, "-c", "import sys; print(sys.version_info[1])"])
        for python in (other / "python", sys.executable)
    ]
    assert asked[0] != asked[1]


def umasked(mask: int) -> Callable[[Machine], Machine]:
    def change(machine: Machine) -> Machine:
        shell = ("sh", "-c", f'umask {mask:03o}; exec "$0" "$@"')
        return replace(machine, program=(*shell, *machine.program))

    return change


def with_variables(**variables: str) -> Callable[[Machine], Machine]:
    def change(machine: Machine) -> Machine:
        return replace(machine, variables=variables)

    return change


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(umasked(0o000), id="umask 000"),
        pytest.param(umasked(0o077), id="umask 077"),
        pytest.param(with_variables(LC_ALL="C", LANG="C"), id="locale C"),
        pytest.param(with_variables(LC_ALL="C.UTF-8"), id="locale C.UTF-8"),
        pytest.param(with_variables(LANG="tr_TR.UTF-8", LANGUAGE="tr"), id="LANG tr_TR"),
        pytest.param(with_variables(TZ="Pacific/Kiritimati"), id="TZ +14"),
        pytest.param(with_variables(TZ="XXX+11:30"), id="TZ -11:30"),
        pytest.param(with_variables(SOURCE_DATE_EPOCH="1"), id="SOURCE_DATE_EPOCH"),
        pytest.param(with_variables(PYTHONHASHSEED="1"), id="PYTHONHASHSEED 1"),
        pytest.param(with_variables(PYTHONHASHSEED="2"), id="PYTHONHASHSEED 2"),
    ],
)
def test_the_surroundings_do_not_matter(
    ada: Machine, usual: str, change: Callable[[Machine], Machine], tmp_path: Path
) -> None:
    recipe = a_counting_checkout(tmp_path / "checkout")
    assert digest_of(change(ada), recipe, tmp_path / "built", "--no-run") == usual


@pytest.mark.parametrize("moment", [EARLY, LATE])
def test_dates_and_modes_of_the_checkout_do_not_matter(
    ada: Machine, usual: str, moment: int, tmp_path: Path
) -> None:
    recipe = a_counting_checkout(tmp_path / "elsewhere" / "in" / "another place")
    for path in tmp_path.rglob("*"):
        if path.is_file():
            path.chmod(0o600 if moment == EARLY else 0o666)
        os.utime(path, (moment, moment))
    assert digest_of(ada, recipe, tmp_path / "built", "--no-run") == usual


def test_every_file_is_the_same_packed_with_wheels_under_another_umask_and_locale(
    ada: Machine, checkout: Path, tmp_path: Path
) -> None:
    recipe = stock_report(checkout)
    other = replace(umasked(0o077)(ada), variables={"LC_ALL": "C", "TZ": "Asia/Kathmandu"})

    for machine, out in ((ada, "one"), (other, "two")):
        machine.run("pack", recipe, "--out", tmp_path / out, "--no-run", cwd=checkout)

    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_another_byte_is_another_digest(ada: Machine, usual: str, tmp_path: Path) -> None:
    recipe = a_counting_checkout(tmp_path / "checkout", **{"data/lines.txt": "a\nb\nd\n"})
    assert digest_of(ada, recipe, tmp_path / "built", "--no-run") != usual
