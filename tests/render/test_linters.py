"""All that is generated passes the tool of its own kind, and a mutant of it does not."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from recipes.pack import pack
from recipes.render.tree import draw
from recipes.run import run_package
from tests.checkouts import a_counting_checkout
from tests.subjects import KINDS, a_subject
from tests.tools import parts

pytestmark = pytest.mark.real

LIMIT = 60
Lint = Callable[[Path], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module", params=KINDS)
def drawn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all that is generated for a package of each kind."""
    return written(tmp_path_factory.mktemp("drawn"), request.param)


def written(folder: Path, kind: str) -> Path:
    for path, data in draw(a_subject(**KINDS[kind])).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def run(*words: str | Path, given: Path | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(word) for word in words],
        input=given.read_text() if given else "",
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
    )


def kubeconform(folder: Path) -> "subprocess.CompletedProcess[str]":
    where = f"{parts.kubernetes_schemas()}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    objects = sorted((folder / "containers" / "k8s").iterdir())
    return run(parts.kubeconform(), "-strict", "-summary", "-schema-location", where, *objects)


def hadolint(folder: Path) -> "subprocess.CompletedProcess[str]":
    return run(parts.hadolint(), folder / "containers" / "Dockerfile")


def promtool_config(folder: Path) -> "subprocess.CompletedProcess[str]":
    return run(parts.promtool(), "check", "config", folder / "monitoring" / "prometheus.yml")


def promtool_rules(folder: Path) -> "subprocess.CompletedProcess[str]":
    return run(parts.promtool(), "check", "rules", folder / "monitoring" / "alerts.yaml")


def grafana(folder: Path) -> "subprocess.CompletedProcess[str]":
    return run(parts.grafana_check(), given=folder / "monitoring" / "grafana_dashboard.json")


def actionlint(folder: Path) -> "subprocess.CompletedProcess[str]":
    return run(parts.actionlint(), "-no-color", folder / "ci-cd" / "github-actions.yml")


def gitlab(folder: Path) -> "subprocess.CompletedProcess[str]":
    schema = ("--builtin-schema", "vendor.gitlab-ci")
    return run(parts.check_jsonschema(), *schema, folder / "ci-cd" / "gitlab-ci.yml")


def compose(folder: Path) -> "subprocess.CompletedProcess[str]":
    path = folder / "containers" / "docker-compose.yml"
    given = ("env", "COUNT=1", "DB_PASSWORD=secret")
    return run(*given, parts.compose(), "-f", path, "config", "--quiet")


LINTERS: tuple[Lint, ...] = (
    *(kubeconform, hadolint, promtool_config, promtool_rules),
    *(grafana, actionlint, gitlab, compose),
)


@pytest.mark.parametrize("lint", LINTERS, ids=lambda lint: lint.__name__)
def test_what_is_generated_passes(drawn: Path, lint: Lint) -> None:
    done = lint(drawn)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_object_of_kubernetes_is_looked_at(drawn: Path) -> None:
    count = len(list((drawn / "containers" / "k8s").iterdir()))
    assert f"Valid: {count}, Invalid: 0, Errors: 0, Skipped: 0" in kubeconform(drawn).stdout


MUTANTS = [
    (kubeconform, "containers/k8s/deployment.yaml", "maxSurge: 1", "maxSurge: [1]"),
    (kubeconform, "containers/k8s/deployment.yaml", "seccompProfile", "seccompProfil"),
    (kubeconform, "containers/k8s/service.yaml", "targetPort", "targetport"),
    (kubeconform, "containers/k8s/ingress.yaml", "networking.k8s.io/v1", "networking.k8s.io/v2"),
    (kubeconform, "containers/k8s/networkpolicy.yaml", "policyTypes:", "policyTypes: x\n  y:"),
    (kubeconform, "containers/k8s/poddisruptionbudget.yaml", "selector", "selectors"),
    (kubeconform, "containers/k8s/horizontalpodautoscaler.yaml", "maxReplicas: 3", ""),
    (kubeconform, "containers/k8s/serviceaccount.yaml", "false", '"no"'),
    (kubeconform, "containers/k8s/configmap.yaml", '"1e3"', "1e3"),
    (hadolint, "containers/Dockerfile", "WORKDIR /build", "WORKDIR build"),
    (hadolint, "containers/Dockerfile", "USER 65532:65532", "RUN cd /tmp && sudo true"),
    (promtool_config, "monitoring/prometheus.yml", "scrape_interval: 30s", "scrape_interval: 30"),
    (promtool_config, "monitoring/prometheus.yml", "alerts.yaml", "alert.yaml"),
    (promtool_rules, "monitoring/alerts.yaml", "!= 0", "! = 0"),
    (promtool_rules, "monitoring/alerts.yaml", "{{ $value }}", "{{ $value "),
    (grafana, "monitoring/grafana_dashboard.json", '"textMode"', '"textMood"'),
    (grafana, "monitoring/grafana_dashboard.json", '"schemaVersion"', '"schemeVersion"'),
    (actionlint, "ci-cd/github-actions.yml", "needs: dev", "needs: test"),
    (actionlint, "ci-cd/github-actions.yml", "steps.promote.outputs", "steps.promoted.outputs"),
    (gitlab, "ci-cd/gitlab-ci.yml", "when: manual", "when: by hand"),
    (gitlab, "ci-cd/gitlab-ci.yml", "  script:", "  skript:"),
    (compose, "containers/docker-compose.yml", "cap_drop:", "cap_dropped:"),
    (compose, "containers/docker-compose.yml", "${COUNT:?", "${COUNTS:?"),
]


@pytest.mark.parametrize(("lint", "name", "before", "after"), MUTANTS)
def test_a_mutant_fails(lint: Lint, name: str, before: str, after: str, tmp_path: Path) -> None:
    path = written(tmp_path, "service") / name
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    done = lint(tmp_path)
    assert done.returncode != 0, done.stdout


def test_a_cronjobs_mutant_fails_too(tmp_path: Path) -> None:
    path = written(tmp_path, "cronjob") / "containers/k8s/cronjob.yaml"
    path.write_text(path.read_text().replace("schedule:", "scheduled:"))
    assert kubeconform(tmp_path).returncode != 0


def test_what_a_run_emits_is_what_prometheus_takes(tmp_path: Path) -> None:
    packed = pack(a_counting_checkout(tmp_path / "checkout"), tmp_path / "out", prove=False)
    path = tmp_path / "count.prom"
    run_package(packed.out, environment={"RECIPEBOX_METRICS": str(path)}, is_quiet=True)

    assert run(parts.promtool(), "check", "metrics", given=path).returncode == 0
    path.write_text(re.sub(r"(?m)^(recipebox_run_exit_code\S+) 0$", r"\1 none", path.read_text()))
    assert run(parts.promtool(), "check", "metrics", given=path).returncode != 0


ALERTS = """\
rule_files: [{folder}/monitoring/alerts.yaml]
evaluation_interval: 1h
tests:
  - interval: 1h
    input_series:
      - series: 'recipebox_run_exit_code{{package="team/etl"}}'
        values: '0 1x200'
      - series: 'recipebox_last_success_timestamp_seconds{{package="team/etl"}}'
        values: '0x200'
    alert_rule_test:
      - {{eval_time: 0h, alertname: RecipeFailed, exp_alerts: []}}
      - {{eval_time: 72h, alertname: RecipeLate, exp_alerts: []}}
      - eval_time: 2h
        alertname: RecipeFailed
        exp_alerts:
          - exp_labels: {{severity: warning, package: team/etl}}
            exp_annotations:
              summary: The last run of team/etl failed
              description: >-
                It ended with 1. recipebox_step_exit_code says which step it was.
      - eval_time: 74h
        alertname: RecipeLate
        exp_alerts:
          - exp_labels: {{severity: critical, package: team/etl}}
            exp_annotations:
              summary: team/etl has not succeeded when it should have
              description: >-
                Its last success was 3d 2h 0m 0s ago; its schedule is 30 2 * * MON-FRI.
"""


def test_alerts_go_off_when_they_should(tmp_path: Path) -> None:
    folder = written(tmp_path / "drawn", "cronjob")
    (tmp_path / "test.yaml").write_text(ALERTS.format(folder=folder))

    done = run(parts.promtool(), "test", "rules", tmp_path / "test.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
