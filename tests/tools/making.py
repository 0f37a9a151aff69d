"""Parts that are made of what registries have, once, into the cache: see tests/tools/parts.py.

::

    grafana-check-v0.0.22/grafana-check     a program over Grafana's own model of a dashboard
    check-jsonschema-py3.11/check-jsonschema
                                            PyPI's, with what it needs in a folder of its own: in
                                            our environment each `recipebox` would import half of it
    kubernetes-schemas-v1.37.2/             a JSON Schema for each kind that we generate, strict
        Deployment-apps-v1.json ...
    python-base-bookworm/base.tar           a Debian with Python and pip, for `docker import`
    python-second-trixie/root/              another Debian's Python with its libraries, run in place
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.tools.parts import (
    CHECK_JSONSCHEMA,
    GRAFANA_CHECK,
    KUBERNETES_SCHEMAS,
    MMDEBSTRAP,
    PYTHON_BASE,
    SECOND_PYTHON,
    MadePart,
    cache,
)

HERE = Path(__file__).resolve().parent
LOCKS = HERE.parent.parent / "requirements"
KUBERNETES = "k8s.io/kubernetes"
KINDS = (
    *("ConfigMap", "CronJob", "Deployment", "HorizontalPodAutoscaler", "Ingress", "Job"),
    *("NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount"),
)
_SKIPPED = ("doc", "info", "locale", "man")  # of /usr/share, which an image for tests needs not
_GROUPS = "x-kubernetes-group-version-kind"
_BEGINNING = "#/definitions/"

Run = Callable[[list[str], dict[str, str]], str]
"""Runs a command and returns its output; raises where it fails."""


def make(part: MadePart, go: Callable[[], Path], run: Run) -> None:
    """Make a part and put it in its place in one move; `go` is asked where Go is needed.

    Raises:
        OSError, and what `go` and `run` raise.
    """
    cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache(), prefix=".making-") as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        if part is GRAFANA_CHECK:
            _build_grafana_check(made, go(), run)
        elif part is KUBERNETES_SCHEMAS:
            _write_kubernetes_schemas(made, go(), run, Path(scratch) / "modules")
        elif part is CHECK_JSONSCHEMA:
            _install_check_jsonschema(made, run)
        elif part is PYTHON_BASE:
            _debootstrap(made, run)
        elif part is SECOND_PYTHON:
            _unpack_python(made, run)
        shutil.rmtree(part.folder, ignore_errors=True)
        made.rename(part.folder)


def _build_grafana_check(made: Path, go: Path, run: Run) -> None:
    words = [str(go), "build", "-C", str(HERE / "grafana"), "-ldflags", "-s -w"]
    environ = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false"}
    run([*words, "-o", str(made / GRAFANA_CHECK.file), "."], environ)


def _install_check_jsonschema(made: Path, run: Run) -> None:
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    words += ["-r", str(LOCKS / "check-jsonschema.txt"), "--target", str(made / "lib")]
    run([*words, "--disable-pip-version-check"], dict(os.environ))
    python = Path(sys.executable).resolve()  # not the environment's, which may go
    start = f'PYTHONPATH="${{0%/*}}/lib" exec "{python}" -P -m check_jsonschema "$@"'
    program = made / CHECK_JSONSCHEMA.file
    program.write_text(f"#!/bin/sh\n{start}\n", encoding="utf-8")
    program.chmod(0o755)


_PYTHON_HERE = """\
#!/bin/sh
# Debian's Python with Debian's libraries, wherever they were unpacked; also as a venv's bin/python.
root=$(readlink -f "$0")
root=${root%/usr/bin/*}
for loader in "$root"/usr/lib/*/ld-linux-*.so.*; do break; done
for python in "$root"/usr/bin/python3.*; do break; done
exec "$loader" --argv0 "$0" --library-path "${loader%/*}" "$python" "$@"
"""


def _unpack_python(made: Path, run: Run) -> None:
    """Unpack Python with its libraries, configuring nothing; pip's wheel is found in there too."""
    root = made / "root"
    words = [_mmdebstrap(), "--quiet", "--variant=extract", "--include=python3,python3-venv"]
    words += [f"--dpkgopt=path-exclude=/usr/share/{each}/*" for each in _SKIPPED]
    run([*words, SECOND_PYTHON.version, str(root)], dict(os.environ))
    for path in root.glob("usr/lib/python3.*/_sysconfigdata__*.py"):
        wheels = "usr/share/python-wheels/"
        there = f"{SECOND_PYTHON.folder}/root/{wheels}"
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(f"'/{wheels}'", f"'{there}'"), encoding="utf-8")
    program = made / SECOND_PYTHON.file
    program.write_text(_PYTHON_HERE, encoding="utf-8")
    program.chmod(0o755)


def _mmdebstrap() -> str:
    program = MMDEBSTRAP.path
    if program is None:
        raise FileNotFoundError(MMDEBSTRAP.advice)
    return str(program)


def _debootstrap(made: Path, run: Run) -> None:
    words = [_mmdebstrap(), "--quiet", "--variant=minbase"]
    words += [f"--dpkgopt=path-exclude=/usr/share/{each}/*" for each in _SKIPPED]
    words += ["--include=python3,python3-pip", PYTHON_BASE.version, str(made / PYTHON_BASE.file)]
    run(words, dict(os.environ))


# --- Kubernetes ---


def _write_kubernetes_schemas(made: Path, go: Path, run: Run, modules: Path) -> None:
    """Download Kubernetes's module, whose swagger.json is the API, and let it go again."""
    environ = {**os.environ, "GOMODCACHE": str(modules), "GOFLAGS": "-modcacherw"}
    module = f"{KUBERNETES}@{KUBERNETES_SCHEMAS.version}"
    found = json.loads(run([str(go), "mod", "download", "-json", module], environ))
    swagger = Path(found["Dir"]) / "api" / "openapi-spec" / "swagger.json"
    for name, schema in kubernetes_schemas(json.loads(swagger.read_text(encoding="utf-8"))):
        (made / name).write_text(json.dumps(schema), encoding="utf-8")


def kubernetes_schemas(swagger: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the file's name and the JSON Schema of each kind that we generate.

    As strict as the API server with `fieldValidation=Strict`: no member that isn't known.
    """
    definitions = swagger["definitions"]
    for name, drawn in definitions.items():
        for each in drawn.get(_GROUPS, []):
            if each["kind"] not in KINDS or len(drawn[_GROUPS]) > 1:
                continue
            group = each["group"].partition(".")[0]
            version = f"{group}-{each['version']}" if group else each["version"]
            top = _strict(drawn)
            api_version = "/".join(filter(None, [each["group"], each["version"]]))
            top["properties"] = {
                **top["properties"],
                "apiVersion": {"const": api_version},
                "kind": {"const": each["kind"]},
            }
            top["required"] = ["apiVersion", "kind", "metadata"]
            inside = {key: _strict(definitions[key]) for key in _needed(definitions, name)}
            yield f"{each['kind'].lower()}-{version}.json", {**top, "definitions": inside}


def _needed(definitions: Mapping[str, Any], name: str) -> set[str]:
    """Return the names of all definitions that one refers to, at any depth."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for key in set(_references(definitions[waiting.pop()])) - found:
            found.add(key)
            waiting.append(key)
    return found


def _references(drawn: Any) -> Iterator[str]:
    if isinstance(drawn, dict):
        if isinstance(drawn.get("$ref"), str):
            yield drawn["$ref"].removeprefix(_BEGINNING)
        for each in drawn.values():
            yield from _references(each)
    elif isinstance(drawn, list):
        for each in drawn:
            yield from _references(each)


def _strict(drawn: Any) -> Any:
    """Return a definition as JSON Schema has it, where members that aren't named are refused."""
    if isinstance(drawn, list):
        return [_strict(each) for each in drawn]
    if not isinstance(drawn, dict):
        return drawn
    if drawn.get("format") == "int-or-string":
        return {"type": ["string", "integer"]}
    found = {
        key: {name: _strict(each) for name, each in value.items()}
        if key == "properties"
        else _strict(value)
        for key, value in drawn.items()
        if not key.startswith("x-kubernetes-") and key != "format"
    }
    if "properties" in found and "additionalProperties" not in found:
        found["additionalProperties"] = False
    return found
