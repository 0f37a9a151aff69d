"""What a machine without a part is told, on a laptop and in CI."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tools import install, making, parts

GO_TOOLS = ["oras", "crane", "regctl", "conformance", "registry", "helm", "cosign", "minio"]
GO_TOOLS += ["kubeconform", "actionlint"]
SYSTEM_PARTS = [
    "promtool",
    "skopeo",
    "chromium",
    "strace",
    "unshare",
    "nginx",
    "dockerd",
    "docker",
    "busybox",
]
Program = Callable[[Path, str], Path]
FILES = {"postgresql": "postgres", "faketime": "libfaketime.so.1", "locales": "tr_TR"}
"""Parts that are known by another name than the function's."""
ALL = [*GO_TOOLS, *SYSTEM_PARTS, *FILES, "wrk", "weed", "hadolint"]
MADE = ["check_jsonschema", "grafana_check", "kubernetes_schemas", "python_base"]


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing on PATH, beside Python, in the system's folders or in the cache."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(parts, "SYSTEM_ROOT", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CI", raising=False)
    return tmp_path


@pytest.fixture
def program() -> Program:
    """Return what writes a program: a shell's script, with its folder."""

    def write(path: Path, script: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return write


@pytest.mark.parametrize("name", ALL)
def test_a_missing_part_skips_on_a_laptop_and_says_how_to_get_it(
    bare_machine: Path, name: str
) -> None:
    with pytest.raises(pytest.skip.Exception, match=r"get it with: .*install") as skipped:
        getattr(parts, name)()
    assert parts.missing_part(str(skipped.value)) == FILES.get(name, name)


@pytest.mark.parametrize("name", MADE)
def test_a_part_that_is_not_made_yet_says_how(bare_machine: Path, name: str) -> None:
    with pytest.raises(pytest.skip.Exception, match=r"get it with: .* -m tests\.tools\.install"):
        getattr(parts, name)()


def test_what_fails_to_be_made_leaves_nothing(bare_machine: Path, program: Program) -> None:
    program(bare_machine / "mmdebstrap", "echo no route to host >&2\nexit 7")
    (problem,) = install._try_made_parts([parts.PYTHON_BASE])
    assert problem.startswith("python-base (")
    assert "ended with 7: no route to host" in problem
    assert list(parts.cache().iterdir()) == []


def test_what_is_made_is_put_in_its_place(bare_machine: Path, program: Program) -> None:
    program(bare_machine / "mmdebstrap", 'for last; do :; done; echo made > "$last"')
    assert list(install._try_made_parts([parts.PYTHON_BASE])) == []
    assert parts.python_base().read_text() == "made\n"


def test_kubernetess_schemas_know_no_other_members() -> None:
    group = [{"group": "apps", "version": "v1", "kind": "Deployment"}]
    swagger = {
        "definitions": {
            "Deployment": {
                "type": "object",
                "properties": {"spec": {"$ref": "#/definitions/Spec"}},
                "x-kubernetes-group-version-kind": group,
            },
            "Spec": {"type": "object", "properties": {"of": {"format": "int-or-string"}}},
            "Other": {"type": "object"},
        }
    }
    ((name, schema),) = making.kubernetes_schemas(swagger)
    assert name == "deployment-apps-v1.json"
    assert schema["properties"]["apiVersion"] == {"const": "apps/v1"}
    assert schema["additionalProperties"] is False
    assert schema["definitions"] == {
        "Spec": {
            "type": "object",
            "properties": {"of": {"type": ["string", "integer"]}},
            "additionalProperties": False,
        }
    }


@pytest.mark.parametrize("name", ["oras", "skopeo", "weed"])
def test_a_missing_part_fails_in_ci(
    bare_machine: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=f"part '{name}' is not here"):
        getattr(parts, name)()


def test_a_second_python_is_one_of_the_machines_or_made(
    bare_machine: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(bare_machine))
    with pytest.raises(pytest.skip.Exception, match=r"get it with: .* -m tests\.tools\.install"):
        parts.second_python()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="part 'python-second' is not here"):
        parts.second_python()

    made = program(parts.SECOND_PYTHON.path, "")
    assert parts.second_python() == made
    minor = "3.12" if sys.version_info[:2] != (3, 12) else "3.13"
    own = program(bare_machine / f".pyenv/versions/{minor}.1/bin/python{minor}", "")
    assert parts.second_python() == own
    program(own, "exit 1")  # one that doesn't work
    assert parts.second_python() == made


def test_another_debians_python_is_unpacked_and_run_where_it_lies(
    bare_machine: Path, program: Program
) -> None:
    program(
        bare_machine / "mmdebstrap",
        """for last; do :; done
        /bin/mkdir -p $last/usr/bin $last/usr/lib/python3.13 $last/usr/lib/x86
        echo "X = '/usr/share/python-wheels/'" > $last/usr/lib/python3.13/_sysconfigdata__x.py
        printf '#!/bin/sh\\necho "$@"\\n' > $last/usr/lib/x86/ld-linux-x86.so.2
        : > $last/usr/bin/python3.13
        /bin/chmod +x $last/usr/lib/x86/ld-linux-x86.so.2""",
    )
    assert list(install._try_made_parts([parts.SECOND_PYTHON])) == []
    made = parts.SECOND_PYTHON.path
    root = made.parent.parent.parent
    data = (root / "usr/lib/python3.13/_sysconfigdata__x.py").read_text()
    assert data == f"X = '{root}/usr/share/python-wheels/'\n"

    link = bare_machine / "venv-python"
    link.symlink_to(made)
    said = subprocess.check_output([link, "-c", "x"], text=True, env={"PATH": os.defpath})

    library = f"{root}/usr/lib/x86"
    assert said == f"--argv0 {link} --library-path {library} {root}/usr/bin/python3.13 -c x\n"


def test_the_pinned_build_goes_before_what_is_on_path(bare_machine: Path, program: Program) -> None:
    other = program(bare_machine / "oras", "")
    assert parts.oras() == other
    program(parts.ORAS.path, "")
    assert parts.oras() == parts.ORAS.path
    assert parts.ORAS.version in str(parts.oras())


def test_the_newest_postgresql_is_found_where_debian_puts_it(
    bare_machine: Path, program: Program
) -> None:
    for version in ("9.6", "17", "15"):
        program(bare_machine / f"usr/lib/postgresql/{version}/bin/postgres", "")
    assert parts.postgresql() == bare_machine / "usr/lib/postgresql/17/bin"


def test_an_engine_without_root_is_no_engine(
    bare_machine: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = program(bare_machine / "usr/sbin/dockerd", "")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert parts.dockerd() == engine
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(pytest.skip.Exception, match="run the tests as root"):
        parts.dockerd()


def test_a_busybox_that_needs_libraries_makes_no_image(bare_machine: Path) -> None:
    found = bare_machine / "busybox"
    found.write_bytes(b"\x7fELF without a loader")
    found.chmod(0o755)
    assert parts.busybox() == found
    found.write_bytes(b"\x7fELF /lib64/ld-linux-x86-64.so.2")
    with pytest.raises(pytest.skip.Exception, match="busybox-static"):
        parts.busybox()


def test_without_root_or_apt_the_installer_says_what_to_do(bare_machine: Path) -> None:
    told = list(install._try_packages([parts.GNUPG, parts.SKOPEO]))
    assert told == [
        f"{name} (needs root and apt-get); get it with: {part.advice}"
        for name, part in (("gpg", parts.GNUPG), ("skopeo", parts.SKOPEO))
    ]


def test_a_package_that_is_not_known_here_takes_only_its_own_part_with_it(
    bare_machine: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    nginx = bare_machine / "usr/sbin/nginx"
    program(
        bare_machine / "apt-get",
        f"""case "$*" in
            *wrk*) echo 'E: Unable to locate package wrk' >&2; exit 100;;
            *nginx) /bin/mkdir -p {nginx.parent} && : > {nginx};;
        esac""",
    )
    service = program(bare_machine / "service", f'echo "$*" >> {bare_machine}/stopped')
    told = list(install._try_packages([parts.NGINX, parts.WRK]))
    (wrk,) = told
    assert wrk.startswith("wrk (")
    assert "E: Unable to locate package wrk" in wrk
    assert parts.nginx() == nginx
    # what the package started is stopped again
    assert (service.parent / "stopped").read_text() == "nginx stop\n"


def test_a_build_that_fails_says_why_and_leaves_nothing(
    bare_machine: Path, program: Program
) -> None:
    go = program(bare_machine / "go", "echo no route to host >&2\nexit 7")
    with pytest.raises(install.NotInstalled, match=r"ended with 7: no route to host"):
        install.build(parts.ORAS, go)
    assert list(parts.cache().iterdir()) == []


def test_each_build_shows_how_far_it_is(
    bare_machine: Path, program: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    program(
        bare_machine / "go",
        """case "$*" in
            version) echo go version go1.27.0 linux/amd64;;
            *oras*) echo no route to host >&2; exit 7;;
            *) : > $GOBIN/crane;;
        esac""",
    )
    (problem,) = install._try_go_tools([parts.ORAS, parts.CRANE])
    assert problem.startswith("oras (")
    assert parts.crane() == parts.CRANE.path
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(",")[0].partition(" in ")[0] for line in told] == [
        f"building oras {parts.ORAS.version} (1 of 2)",
        f"building crane {parts.CRANE.version} (2 of 2)",
        "built crane",
    ]


@pytest.mark.parametrize(
    ("said", "recent"),
    [("go1.19.8", False), ("go1.21.0", True), ("go1.26.8", True), ("go2.0", True), ("", False)],
)
def test_debians_go_is_too_old(
    bare_machine: Path,
    program: Program,
    said: str,
    recent: bool,  # noqa: FBT001
) -> None:
    go = program(bare_machine / "go", f"echo go version {said} linux/amd64")
    assert install.is_recent(go) is recent
