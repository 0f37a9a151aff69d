"""The official conformance suite: run against a server with every option on, and its report read.

::

    outcome = run_suite(server, "dev", tmp_path)
    assert not outcome.blemishes, outcome

https://github.com/opencontainers/distribution-spec/tree/main/conformance (tests/tools/parts.py pins
which). It writes `junit.xml`, of every test, and `results.yaml`, of every API and kind of data.
"""

import os
import re
import subprocess
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.tools import parts
from tests.tools.server import RunningServer

NAMESPACE = "conformance"
LIMIT = 300.0
"""Seconds that a run may take: it takes some 10."""

LONGEST_REASON = 600
"""Characters that are shown of why a test didn't pass; the rest is in its report."""

EVERY_API = (
    *("PULL", "PUSH", "REFERRER"),
    *("BLOBS_ATOMIC", "BLOBS_DELETE", "BLOBS_DIGEST_HEADER"),
    *("BLOBS_MOUNT_ANONYMOUS", "BLOBS_UPLOAD_CANCEL"),
    *("MANIFESTS_ATOMIC", "MANIFESTS_DELETE", "MANIFESTS_DIGEST_HEADER", "MANIFESTS_TAG_PARAM"),
    *("TAGS_ATOMIC", "TAGS_DELETE", "TAGS_LIST"),
)
EVERY_DATA = (
    *("IMAGE", "INDEX", "INDEX_LIST", "SPARSE", "ARTIFACT", "SUBJECT", "SUBJECT_MISSING"),
    *("ARTIFACT_LIST", "SUBJECT_LIST", "DATA_FIELD", "NONDISTRIBUTABLE", "CUSTOM_FIELDS"),
    *("NO_LAYERS", "EMPTY_BLOB", "SHA512"),
)
_SETTING = re.compile(r"(?m)^ +(\w+): (true|false)$")


@dataclass(frozen=True)
class Outcome:
    """How many tests ended how (`passed`, `failed`, ...), and what wasn't as it should be.

    The suite counts a test that is made of others as one more; it tells only of those that aren't.
    """

    version: str
    total: int
    counts: Counter[str]
    failed: tuple[tuple[str, str], ...]
    """The name of each test that didn't pass, and why."""

    blemishes: tuple[str, ...]

    def __str__(self) -> str:
        """Return the counts, and each blemish on a line of its own."""
        counted = ", ".join(f"{count} {status}" for status, count in self.counts.most_common())
        first = f"OCI_VERSION={self.version}: {self.total} tests; of those without parts {counted}"
        return "\n".join([first, *self.blemishes])


def run_suite(server: RunningServer, version: str, folder: Path) -> Outcome:
    """Run the suite against `server`, whose namespace `conformance` is sparse; read its report."""
    results = folder / f"results-{version}"
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("OCI_")},
        **{f"OCI_API_{name}": "true" for name in EVERY_API},
        **{f"OCI_DATA_{name}": "true" for name in EVERY_DATA},
        "OCI_VERSION": version,
        "OCI_REGISTRY": server.url.removeprefix("http://"),
        "OCI_TLS": "disabled",
        "OCI_REPO1": f"{NAMESPACE}/one-{version}",
        "OCI_REPO2": f"{NAMESPACE}/two-{version}",
        "OCI_USERNAME": "anybody",
        "OCI_PASSWORD": server.token,
        "OCI_RESULTS_DIR": str(results),
    }
    done = subprocess.run(
        [str(parts.conformance())],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    junit = results / "junit.xml"
    assert junit.exists(), f"the suite wrote no report:\n{done.stdout}\n{done.stderr}"
    return read_report(junit, results / "results.yaml", version, exit_code=done.returncode)


def read_report(junit: Path, summary: Path, version: str, *, exit_code: int = 0) -> Outcome:
    """Read what the suite wrote: whatever isn't `passed`, `Pass` or switched on is a blemish."""
    suites = ET.parse(junit).getroot()  # our own run's file
    counts = Counter[str]()
    failed = []
    blemishes = []
    for case in suites.iter("testcase"):
        status = case.get("status", "unknown")
        counts[status] += 1
        if status != "passed":
            said = (case.findtext("system-out") or case.findtext("system-err") or "").strip()
            failed.append((str(case.get("name")), said))
            blemishes.append(f"{status}: {case.get('name')}: {said[:LONGEST_REASON]}")
    config = next((each.get("value", "") for each in suites.iter("property")), "")
    settings = dict(_SETTING.findall(config))
    blemishes += [f"switched off: {name}" for name, value in settings.items() if value != "true"]
    drawn = yaml.safe_load(summary.read_text(encoding="utf-8"))
    for kind in ("apis", "data"):
        blemishes += [
            f"{kind}: {name}: {said}" for name, said in drawn[kind].items() if said != "Pass"
        ]
    for name in ("errors", "failures", "skipped", "disabled"):
        if int(suites.get(name, "0")):
            blemishes.append(f"{suites.get(name)} {name}")
    if exit_code:
        blemishes.append(f"the suite ended with the exit code {exit_code}")
    total = int(suites.get("tests", "0"))
    return Outcome(version, total, counts, tuple(failed), tuple(blemishes))
