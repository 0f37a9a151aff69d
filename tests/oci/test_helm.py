"""helm: charts with their versions, dependencies and provenance."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.oci.clients import ClientFailed, Crane, Helm
from tests.oci.conftest import Registry

pytestmark = pytest.mark.real

PLAIN = ("--plain-http",)
TEMPLATE = """apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  greeting: {{ .Values.greeting }}
"""


def package(helm: Helm, folder: Path, name: str, version: str, *lines: str) -> Path:
    """Write a chart and package it; return the package."""
    chart = folder / name
    shutil.rmtree(chart, ignore_errors=True)
    (chart / "templates").mkdir(parents=True)
    text = "\n".join(["apiVersion: v2", f"name: {name}", f"version: {version}", *lines])
    (chart / "Chart.yaml").write_text(text + "\n")
    (chart / "values.yaml").write_text(f"greeting: hello from {version}\n")
    (chart / "templates" / "map.yaml").write_text(TEMPLATE)
    if lines:
        helm.run("dependency", "update", *PLAIN, str(chart))
    helm.run("package", str(chart), "--destination", str(folder))
    return folder / f"{name}-{version}.tgz"


@pytest.fixture(scope="module")
def gnupg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Ada's secret.gpg and public.gpg, in the old form that helm reads."""
    folder = tmp_path_factory.mktemp("gnupg")
    folder.chmod(0o700)
    gpg = ["gpg", "--homedir", str(folder), "--batch", "--passphrase", ""]
    gpg += ["--pinentry-mode", "loopback"]
    who = ["--quick-generate-key", "ada@example.org", "rsa3072", "sign"]
    subprocess.run([*gpg, *who], check=True, capture_output=True)
    for option, name in (("--export-secret-keys", "secret.gpg"), ("--export", "public.gpg")):
        command = [*gpg, "--output", str(folder / name), option]
        subprocess.run(command, check=True, capture_output=True)
    subprocess.run(["gpgconf", "--homedir", str(folder), "--kill", "all"], check=True)
    return folder


@pytest.fixture
def repository(registry: Registry, helm: Helm, tmp_path: Path) -> str:
    """`HOST/NAMESPACE/charts` with the chart `app` in three versions."""
    made = registry.name("charts")
    for version in ("1.0.0", "1.2.0", "2.0.0+build.1"):
        helm.push(package(helm, tmp_path, "app", version), made)
    return made


def test_a_chart_comes_back_as_it_went(helm: Helm, repository: str, tmp_path: Path) -> None:
    back = tmp_path / "back"
    back.mkdir()
    words = ("--version", "1.0.0", "--destination", str(back))
    helm.run("pull", *PLAIN, *words, f"oci://{repository}/app")
    assert (back / "app-1.0.0.tgz").read_bytes() == (tmp_path / "app-1.0.0.tgz").read_bytes()


@pytest.mark.parametrize(
    ("asked", "found"), [("1.0.0", "1.0.0"), ("^1", "1.2.0"), ("", "2.0.0+build.1")]
)
def test_a_version_is_chosen_by_what_is_asked_for(
    helm: Helm, repository: str, asked: str, found: str
) -> None:
    # a plus, which no tag may have, is an underscore there
    words = ("--version", asked) if asked else ()
    told = helm.run("show", "chart", *PLAIN, *words, f"oci://{repository}/app")
    assert f"version: {found}\n" in told
    values = helm.run("show", "values", *PLAIN, *words, f"oci://{repository}/app")
    assert f"greeting: hello from {found}\n" in values


def test_a_chart_is_rendered_from_the_registry(helm: Helm, repository: str) -> None:
    words = ("--version", "1.2.0", "--set", "greeting=hi")
    told = helm.run("template", "mine", f"oci://{repository}/app", *PLAIN, *words)
    assert "  name: mine\ndata:\n  greeting: hi\n" in told


def test_a_chart_brings_those_that_it_needs(helm: Helm, repository: str, tmp_path: Path) -> None:
    lines = ("dependencies:", "- name: app", '  version: "^1"', f"  repository: oci://{repository}")
    helm.push(package(helm, tmp_path, "outer", "1.0.0", *lines), repository)
    words = ("--untar", "--destination", str(tmp_path / "back"))
    helm.run("pull", *PLAIN, *words, f"oci://{repository}/outer")
    inner = tmp_path / "back" / "outer" / "charts" / "app" / "Chart.yaml"
    assert "version: 1.2.0\n" in inner.read_text()


def test_a_chart_goes_with_its_provenance(
    registry: Registry, helm: Helm, tmp_path: Path, gnupg: Path
) -> None:
    chart = package(helm, tmp_path, "app", "1.0.0")
    secret, public = gnupg / "secret.gpg", gnupg / "public.gpg"
    words = ("--sign", "--key", "ada@example.org", "--keyring", str(secret))
    helm.run("package", str(tmp_path / "app"), *words, "--destination", str(tmp_path))
    name = registry.name("charts")
    helm.push(chart, name)
    back = tmp_path / "back"
    back.mkdir()
    words = ("--verify", "--keyring", str(public), "--destination", str(back))
    helm.run("pull", *PLAIN, *words, f"oci://{name}/app")
    assert (back / "app-1.0.0.tgz.prov").exists()


def test_what_is_not_there_is_said_to_be_so(helm: Helm, repository: str) -> None:
    with pytest.raises(ClientFailed, match=r"not found|unable to locate any tags"):
        helm.run("show", "chart", *PLAIN, "--version", "9.9.9", f"oci://{repository}/app")
    with pytest.raises(ClientFailed, match=r"not found|unable to locate any tags|404"):
        helm.run("show", "chart", *PLAIN, f"oci://{repository}/nothing")


def test_a_chart_has_the_same_digest_for_other_clients(
    helm: Helm, crane: Crane, repository: str
) -> None:
    manifest = json.loads(crane.run("manifest", "--insecure", f"{repository}/app:1.0.0"))
    assert manifest["config"]["mediaType"] == "application/vnd.cncf.helm.config.v1+json"
    assert crane.tags(f"{repository}/app") == ["1.0.0", "1.2.0", "2.0.0_build.1"]
