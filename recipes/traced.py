"""What a run did, by the package's own paths; and how that differs from what the code says.

The document `trace.json`, evidence of a release::

    {"schema_version": 1, "package": "team/etl", "version": "1.2.3",
     "closure": {"added": {"engine/plugins/csv.py": ["imported: by the run in the checkout"]},
                 "not_read": ["engine/plugins/xml.py"]},
     "runs": {"package": {"witnesses": ["hooks", "strace"], "silent": {}, "is_cut": false,
                          "imported": ["engine/steps/load.py"], "opened": ["data/rows.csv"],
                          "wheels": ["yaml"], "outside": ["/usr/share/zoneinfo/Europe/Berlin"],
                          "wrote": [], "written": ["out/report.csv"],
                          "programs": ["/usr/bin/git"], "hosts": ["db:5432"],
                          "absent": ["ujson"]},
              "checkout": null}}

`imported` and `opened` are files of `recipe/`. `wheels` are top-level names of `env/` of which a
file was read. `outside` are files of the machine, without those of Python, of the C library and of
the kernel; `wrote` are files that it would write outside of its workspace and of temporary folders,
`written` those in its workspace;
`absent` are modules that were looked for and are nowhere. `checkout` is what the same recipe did in
a copy of its checkout, null where it was not run there. A step that runs another package adds what
that does outside of it, and no files.
"""

import json
import re
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from recipes.closure import Closure, Reason
from recipes.package import Name, PackageMetadata, VersionText
from recipes.stdlib import STDLIB
from sandbox.trace import Trace

FILE_NAME = "trace.json"
"""The document's name among the evidence."""

_OWN = frozenset({"recipe.yaml", "run_recipe.py"})
_SHOWN = 5  # things named in a sentence
_SYSTEM = re.compile(
    r"/(proc|sys|dev)(/|$)"
    r"|.*\.so(\.[0-9.]+)?$"
    r"|/etc/(ld\.so\.(cache|preload)|nsswitch\.conf|passwd|group|hosts|host\.conf|resolv\.conf"
    r"|gai\.conf|localtime|locale\.alias|services|protocols|ssl/openssl\.cnf)$"
    r"|/usr/(lib|share)/locale/|/usr/lib/(?:[^/]+/)?gconv/"
)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class RunAccount(_Model):
    """What one run did; see the module."""

    witnesses: list[str] = Field(default_factory=list)
    silent: dict[str, str] = Field(default_factory=dict)
    is_cut: bool = False
    imported: list[str] = Field(default_factory=list)
    opened: list[str] = Field(default_factory=list)
    wheels: list[str] = Field(default_factory=list)
    outside: list[str] = Field(default_factory=list)
    wrote: list[str] = Field(default_factory=list)
    written: list[str] = Field(default_factory=list)
    programs: list[str] = Field(default_factory=list)
    hosts: list[str] = Field(default_factory=list)
    absent: list[str] = Field(default_factory=list)

    @property
    def files(self) -> frozenset[str]:
        """The files of `recipe/` that it read, for whatever."""
        return frozenset([*self.imported, *self.opened])


class Runs(_Model):
    """The runs that were watched."""

    package: RunAccount
    checkout: RunAccount | None = None


class Difference(_Model):
    """What the run asked for and the code doesn't (`added`, with why); and what it didn't read."""

    added: dict[str, list[str]] = Field(default_factory=dict)
    not_read: list[str] = Field(default_factory=list)


class TraceDocument(_Model):
    """All of `trace.json`."""

    schema_version: Literal[1] = 1
    package: Name
    version: VersionText
    closure: Difference
    runs: Runs

    def to_bytes(self) -> bytes:
        """Return it as it is kept: sorted, indented, with a newline at the end."""
        drawn = self.model_dump(mode="json")
        return (json.dumps(drawn, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def trace_schema() -> dict[str, Any]:
    """Return the JSON Schema of a trace (`/schemas/trace.json`)."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:recipebox:schema:trace:v1",
        **TraceDocument.model_json_schema(),
    }


def account_of(trace: Trace, metadata: PackageMetadata, tree: Path) -> RunAccount:
    """Draw up what a trace says of a run of the package whose folder is `tree`.

    Its `recipe/` may be the package's own, or hold the whole checkout.
    """
    works = {Path(each): name for each, name in trace.works.items()}
    own = [work for work, name in works.items() if name == metadata.name]
    inside = tree / "recipe"
    packages = tree.parent.parent
    env = tree / "env"
    imported: set[str] = set()
    opened: set[str] = set()
    wheels: set[str] = set()
    outside: set[str] = set()
    for text in trace.ran | trace.read:
        path = Path(text)
        found = next((path.relative_to(work) for work in own if path.is_relative_to(work)), None)
        if found is not None:
            name = found.as_posix()
            if name not in _OWN and (inside / name).is_file():
                ran = text in trace.ran or (not trace.ran and name.endswith(".py"))
                (imported if ran else opened).add(name)
        elif path.is_relative_to(env):
            wheels.add(path.relative_to(env).parts[0].removesuffix(".py"))
        elif not path.is_relative_to(packages) and not _is_system(path, works):
            outside.add(text)
    return RunAccount(
        witnesses=list(trace.witnesses),
        silent=dict(trace.silent),
        is_cut=trace.is_cut,
        imported=_sorted(imported),
        opened=_sorted(opened),
        wheels=sorted(each for each in wheels if each.isidentifier()),
        outside=_sorted(outside),
        written=_sorted(
            path.relative_to(work).as_posix()
            for path in map(Path, trace.wrote)
            for work in own
            if path.is_relative_to(work)
            and (str(path) in trace.told or not (inside / path.relative_to(work)).exists())
        ),
        wrote=_sorted(
            each for each in trace.wrote if not _is_system(Path(each), works, writes=True)
        ),
        programs=_sorted(trace.programs - {sys.executable}),
        hosts=_sorted(each for each in trace.hosts if not each.endswith("/nscd/socket")),
        absent=_sorted(each for each in trace.absent if each.partition(".")[0] not in STDLIB),
    )


def _sorted(texts: Iterable[str]) -> list[str]:
    """Sort, and draw what is no text as Python would."""
    return sorted(each if each.isprintable() else ascii(each) for each in texts)


def _is_system(path: Path, works: Iterable[Path], *, writes: bool = False) -> bool:
    """Whether a file is no business of a reader's: scratch, Python's, the C library's."""
    if any(path.is_relative_to(work.parent) for work in works) or _SYSTEM.match(str(path)):
        return True
    temporary = {Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")}  # noqa: S108 - known
    if any(path.is_relative_to(each) for each in temporary):
        return True
    return not writes and any(path.is_relative_to(each) for each in _python())


@cache
def _python() -> frozenset[Path]:
    """Return the folders of the Python that runs; a base in /usr has only its library there."""
    known = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    if sys.prefix != sys.base_prefix:
        known |= {sys.prefix, sys.exec_prefix}
    return frozenset(Path(each) for each in known if each)


def asked_by_the_run(account: RunAccount, closure: Closure) -> dict[str, Reason]:
    """Return the files of the checkout that a run in it read, and that the closure lacks."""
    found = {}
    for path in account.imported:
        found[path] = Reason("imported", "by the run in the checkout")
    for path in account.opened:
        found.setdefault(path, Reason("opened", "by the run in the checkout"))
    for path in account.written:
        for marker in _marker_of(path.rpartition("/")[0], closure):
            found.setdefault(marker, Reason("opened", f"by its folder, in which {path} is written"))
    return {path: reason for path, reason in found.items() if path not in closure.files}


def _marker_of(folder: str, closure: Closure) -> list[str]:
    """Return a file that brings a folder along which the checkout has, and the closure lacks.

    The smallest, such as `.gitkeep`: a folder of its own is in no package.
    """
    if not folder or any(path.startswith(f"{folder}/") for path in closure.files):
        return []
    place = closure.root / folder
    if not place.is_dir() or not place.resolve().is_relative_to(closure.root.resolve()):
        return []
    files = sorted(
        (each.stat().st_size, each.name)
        for each in place.iterdir()
        if each.is_file() and not each.is_symlink()
    )
    return [f"{folder}/{name}" for _, name in files[:1]]


def draw_trace(
    metadata: PackageMetadata,
    closure: Closure,
    added: Iterable[str],
    package: RunAccount,
    checkout: RunAccount | None,
) -> TraceDocument:
    """Draw the document about a package that was run; `added` were asked for by the run alone."""
    read = package.files | (checkout.files if checkout is not None else frozenset())
    files = closure.files
    return TraceDocument(
        package=metadata.name,
        version=metadata.version,
        closure=Difference(
            added={path: [str(each) for each in files[path]] for path in added if path in files},
            not_read=sorted(set(files) - read - _OWN),
        ),
        runs=Runs(package=package, checkout=checkout),
    )


def sentences(trace: TraceDocument, files: Mapping[str, Any]) -> list[str]:
    """Say for people what the trace shows, in a few lines."""
    ran = trace.runs.package
    told = " and ".join(ran.witnesses) or "nobody"
    told += "".join(f" (not by {who}: {why})" for who, why in sorted(ran.silent.items()))
    unread = trace.closure.not_read
    said = [f"traced by {told}: it read {len(files) - len(unread)} of {len(files)} files"]
    for what, values in (
        ("not read in this run", unread),
        ("in because the run asked for it, and nothing in the code says so", trace.closure.added),
        ("read from the machine, and in no package", ran.outside),
        ("would be written outside of its workspace", ran.wrote),
        ("started", ran.programs),
        ("tried to reach", ran.hosts),
        ("looked for, and not there", ran.absent),
    ):
        if values:
            said.append(f"{what}: {_few(list(values))}")
    if ran.is_cut:
        said.append("there was more than a trace keeps")
    return said


def _few(values: list[str]) -> str:
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return ", ".join(values[:_SHOWN]) + more
