"""Three libraries from PyPI's source distributions: a function of each is a recipe, packed and run.

None of them is in this repository: pip downloads each once, into the test tools' cache. Nothing is
told by hand: all is found.
"""

import hashlib
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

from recipes.evidence import folder_of, read_evidence
from recipes.pack import pack
from tests.checkouts import snapshot, write
from tests.tools.parts import cache, in_ci

pytestmark = pytest.mark.real

JOB = """
metadata: {name: job, version: "1.0", description: Tries a library}
steps:
  - {idx: 1, name: try, type: python, module: job_steps, function: run, args: {}}
"""
PROJECT = f"""
schema_version = 1
[package]
namespace = "team"
python = "=={sys.version_info[0]}.{sys.version_info[1]}.*"
platforms = ["linux/amd64"]
"""


@dataclass(frozen=True)
class Library:
    """A source distribution, a step that uses it, and what packing must come to."""

    name: str
    version: str
    sha256: str
    code: str
    context: dict[str, object]
    modules: int
    wheels: tuple[str, ...]
    data: int


LIBRARIES = (
    # A closure of more than 100 modules. It reads its own version from its metadata, which only an
    # installed library has: its sdist's egg-info is found.
    Library(
        "prompt_toolkit",
        "3.0.52",
        "28cde192929c8e7321de85de1ddbe736f1375148b02f2e17edd840042b1be855",
        """
        from prompt_toolkit.formatted_text import HTML, to_plain_text

        def run(context, args):
            context.set("plain", to_plain_text(HTML("<b>bold</b> and <i>slanted</i>")))
            return 0
        """,
        {"plain": "bold and slanted"},
        100,
        ("wcwidth",),
        1,
    ),
    # It imports parsers, readers, writers and languages by name, some of them with what isn't there
    # (Pygments, Pillow): all that begin so are packed, and what only these try is optional.
    Library(
        "docutils",
        "0.21.2",
        "3a6b18732edf182daa3cd12775bbb338cf5691468f91eeeb109deff6ebfa986f",
        """
        from docutils.core import publish_parts

        def run(context, args):
            parts = publish_parts("a *b*", writer_name="html5")
            context.set("body", parts["body"].strip())
            return 0
        """,
        {"body": "<p>a <em>b</em></p>"},
        100,
        (),
        5,
    ),
    # A wheel with compiled code.
    Library(
        "jinja2",
        "3.1.6",
        "0137fb05990d35f1275a587e9aee6d56da821fc83491a0fb838183be43f66d6d",
        """
        from jinja2 import Environment

        def run(context, args):
            page = Environment(autoescape=True).from_string("{{ a }} {{ b|upper }}")
            context.set("page", page.render(a="<", b="x"))
            return 0
        """,
        {"page": "&lt; X"},
        20,
        ("markupsafe",),
        0,
    ),
    # Some 600 data files, opened by names that are split and joined: their folder is packed.
    Library(
        "pytz",
        "2025.2",
        "360b9e3dbb49a209c21ad61809c7fb453643e048b38924c765813546746e81c3",
        """
        from datetime import datetime

        import pytz

        def run(context, args):
            moment = datetime(2026, 7, 1, 12, tzinfo=pytz.utc)
            there = pytz.timezone("Pacific/Kiritimati")
            context.set("there", moment.astimezone(there).isoformat())
            return 0
        """,
        {"there": "2026-07-02T02:00:00+14:00"},
        5,
        (),
        500,
    ),
)


def source_of(library: Library) -> Path:
    """Return the library's source distribution; downloaded where it isn't cached."""
    kept = cache() / "sdists" / f"{library.name}-{library.version}.tar.gz"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        words = [sys.executable, "-I", "-m", "pip", "download", "--quiet", "--no-deps"]
        words += ["--no-binary", ":all:", "--dest", str(kept.parent)]
        asked = f"{library.name}=={library.version}"
        done = subprocess.run([*words, asked], capture_output=True, text=True, check=False)
        if done.returncode and not in_ci():
            pytest.skip(f"{asked} can't be downloaded here: {done.stderr.splitlines()[-1:]}")
        assert done.returncode == 0, done.stderr
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == library.sha256
    return kept


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda each: each.name)
def test_it_is_packed_runs_and_gives_what_its_checkout_gives(
    library: Library, tmp_path: Path
) -> None:
    with tarfile.open(source_of(library)) as archive:
        archive.extractall(tmp_path, filter="data")
    root = tmp_path / f"{library.name}-{library.version}"
    write(
        root,
        {
            "jobs/job.yaml": JOB,
            "job_steps.py": dedent(library.code),
            "recipebox.toml": PROJECT,
        },
    )
    before = snapshot(root)

    packed = pack(root / "jobs" / "job.yaml", tmp_path / "out", cache=cache() / "wheels")

    assert packed.proof.context == library.context
    assert packed.proof.compared is not None
    assert packed.proof.compared.was_run
    assert not packed.proof.compared.differences
    assert sum(path.endswith(".py") for path in packed.reasons) >= library.modules
    assert sum(not path.endswith(".py") for path in packed.reasons) >= library.data
    assert {each.name for each in packed.metadata.wheels} >= set(library.wheels)
    assert not any(path.startswith(("tests/", "docs/")) for path in packed.reasons)
    proof = read_evidence(folder_of(packed.out, packed.metadata.title)).proof
    assert proof is not None
    assert proof.is_compared
    (root / "recipebox.wheels.toml").unlink(missing_ok=True)
    assert {name: seen for name, seen in snapshot(root).items() if name != "."} == {
        name: seen for name, seen in before.items() if name != "."
    }
