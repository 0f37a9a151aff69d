"""monitoring/: how Prometheus finds the metrics, when it calls somebody, and a dashboard of them.

The names are those that run_recipe.py and serve_recipe.py write, and no others (`EMITTED`; a test
compares). A job's metrics come by node_exporter's textfile collector or a Pushgateway, a service's
by its own /metrics; so what is asked for holds whichever way they came: by the label `package`.
"""

import json
from typing import Any, Final

from recipes.render.subject import Subject
from recipes.render.text import Quoted, to_json, to_yaml
from recipes.schedule import Schedule

EMITTED: Final = (
    "recipebox_package_info",
    "recipebox_run_duration_seconds",
    "recipebox_run_exit_code",
    "recipebox_run_timestamp_seconds",
    "recipebox_last_success_timestamp_seconds",
    "recipebox_runs_total",
    "recipebox_step_duration_seconds",
    "recipebox_step_exit_code",
    "recipebox_runs_running",
)
"""Every metric of a run; the last is a service's, and its counts don't come by a Pushgateway."""

_DASHBOARD_SCHEMA = 39  # Grafana 11's; newer ones bring it forward themselves


def draw_monitoring(subject: Subject) -> dict[str, bytes]:
    """Return the files of monitoring/, by their paths below the package."""
    return {
        "monitoring/prometheus.yml": _prometheus(subject),
        "monitoring/alerts.yaml": _alerts(subject),
        "monitoring/grafana_dashboard.json": to_json(_dashboard(subject)),
    }


def _prometheus(subject: Subject) -> bytes:
    name = subject.object_name
    if subject.is_service:
        comment = "The service says its own metrics."
        jobs: list[dict[str, Any]] = [
            {
                "job_name": name,
                "metrics_path": "/metrics",
                "static_configs": [{"targets": [f"{name}:{subject.config.port.port}"]}],
            }
        ]
    else:
        comment = (
            "A run that ends can't be asked: it writes a file for node_exporter"
            f" (--metrics /var/lib/node_exporter/{name}.prom, and\n"
            "node_exporter --collector.textfile.directory=/var/lib/node_exporter), or it pushes"
            " (--metrics http://pushgateway:9091).\n"
            "RECIPEBOX_METRICS means the same. Keep the one of these that you have."
        )
        jobs = [
            {"job_name": "node", "static_configs": [{"targets": ["node-exporter:9100"]}]},
            {
                "job_name": "pushgateway",
                "honor_labels": True,
                "static_configs": [{"targets": ["pushgateway:9091"]}],
            },
        ]
    return to_yaml(
        f"{subject.metadata.name} {subject.metadata.version}\n{comment}",
        {
            "global": {"scrape_interval": "30s", "evaluation_interval": "30s"},
            "rule_files": ["alerts.yaml"],
            "scrape_configs": jobs,
        },
    )


def _of(metric: str, subject: Subject) -> str:
    """Return the selector of this package's metric."""
    return f"{metric}{{package={json.dumps(subject.metadata.name)}}}"


def _alerts(subject: Subject) -> bytes:
    config, package = subject.config, subject.metadata.name
    slow = round(0.8 * config.timeout_seconds, 3)
    rules = [
        _rule(
            "RecipeFailed",
            f"{_of('recipebox_run_exit_code', subject)} != 0",
            "warning",
            f"The last run of {package} failed",
            "It ended with {{ $value }}. recipebox_step_exit_code says which step it was.",
        ),
        _rule(
            "RecipeSlow",
            f"{_of('recipebox_run_duration_seconds', subject)} > {slow:g}",
            "warning",
            f"The last run of {package} took long",
            f"It took {{{{ $value | humanizeDuration }}}}; it is ended after"
            f" {config.timeout_seconds} s.",
        ),
    ]
    if config.kind == "cronjob" and config.schedule:
        late = 60 * Schedule.parse(config.schedule).longest_gap() + config.timeout_seconds
        success = _of("recipebox_last_success_timestamp_seconds", subject)
        rules.append(
            _rule(
                "RecipeLate",
                f"time() - {success} > {late}",
                "critical",
                f"{package} has not succeeded when it should have",
                "Its last success was {{ $value | humanizeDuration }} ago; its schedule is"
                f" {config.schedule}.",
            )
        )
    if subject.is_service:
        running = _of("recipebox_runs_running", subject)
        rules.append(
            _rule(
                "RecipeServiceGone",
                f"absent({running})",
                "critical",
                f"No replica of {package} can be asked",
                "None has told its metrics for five minutes.",
                for_="5m",
            )
        )
    group = {"name": f"recipebox-{subject.object_name}", "rules": rules}
    return to_yaml(f"{package} {subject.metadata.version}", {"groups": [group]})


def _rule(
    name: str, expression: str, severity: str, summary: str, description: str, *, for_: str = ""
) -> dict[str, Any]:
    return {
        "alert": name,
        "expr": expression,
        **({"for": for_} if for_ else {}),
        "labels": {"severity": severity},
        "annotations": {"summary": Quoted(summary), "description": Quoted(description)},
    }


# --- the dashboard ---


def _dashboard(subject: Subject) -> dict[str, Any]:
    exit_code = _of("recipebox_run_exit_code", subject)
    success = _of("recipebox_last_success_timestamp_seconds", subject)
    panels = [
        _panel("stat", "Last run", [(f"max({exit_code})", "exit code")], width=6, colours=True),
        _panel("stat", "Since the last success", [(f"time() - max({success})", "ago")], "s", 6),
        _panel(
            "stat",
            "Duration of the last run",
            [(f"max({_of('recipebox_run_duration_seconds', subject)})", "run")],
            "s",
            6,
        ),
        _panel(
            "stat",
            "Version",
            [(_of("recipebox_package_info", subject), "{{version}}")],
            width=6,
            text="name",
        ),
        _panel(
            "timeseries",
            "Duration of runs",
            [(f"max({_of('recipebox_run_duration_seconds', subject)})", "run")],
            "s",
        ),
        _panel(
            "timeseries",
            "Duration of steps",
            [(f"max by (step) ({_of('recipebox_step_duration_seconds', subject)})", "{{step}}")],
            "s",
        ),
        _panel(
            "timeseries",
            "Exit codes of steps",
            [(f"max by (step) ({_of('recipebox_step_exit_code', subject)})", "{{step}}")],
        ),
        _panel(
            "timeseries",
            "Runs an hour",
            [
                (
                    f"sum by (result) (increase({_of('recipebox_runs_total', subject)}[1h]))",
                    "{{result}}",
                )
            ],
        ),
    ]
    if subject.is_service:
        running = f"sum({_of('recipebox_runs_running', subject)})"
        panels.append(_panel("timeseries", "Runs under way", [(running, "running")]))
    x = y = 0
    for number, panel in enumerate(panels, 1):
        place = panel["gridPos"]
        if x + place["w"] > 24:  # noqa: PLR2004 - Grafana's columns
            x, y = 0, y + 8
        place["x"], place["y"] = x, y
        x += place["w"]
        panel["id"] = number
    return {
        "uid": f"recipebox-{subject.object_name}"[:40],
        "title": subject.metadata.name,
        "description": f"Runs of {subject.metadata.name}, from the metrics that they emit.",
        "tags": ["recipebox", subject.namespace],
        "timezone": "browser",
        "editable": True,
        "graphTooltip": 1,
        "schemaVersion": _DASHBOARD_SCHEMA,
        "version": 1,
        "refresh": "1m",
        "time": {"from": "now-7d", "to": "now"},
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "label": "Prometheus",
                    "type": "datasource",
                    "query": "prometheus",
                    "hide": 0,
                }
            ]
        },
        "annotations": {"list": []},
        "panels": panels,
    }


def _panel(
    kind: str,
    title: str,
    queries: list[tuple[str, str]],
    unit: str = "short",
    width: int = 12,
    *,
    colours: bool = False,
    text: str = "auto",
) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${datasource}"}
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if colours:
        steps.append({"color": "red", "value": 1})
    options: dict[str, Any] = {
        "legend": {
            "displayMode": "list",
            "placement": "bottom",
            "showLegend": True,
            "calcs": [],
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    if kind == "stat":
        options = {
            "reduceOptions": {"calcs": ["lastNotNull"], "values": False, "fields": ""},
            "colorMode": "background" if colours else "value",
            "graphMode": "none",
            "textMode": text,
            "justifyMode": "auto",
            "orientation": "auto",
            "wideLayout": True,
            "showPercentChange": False,
            "percentChangeColorMode": "standard",
        }
    return {
        "type": kind,
        "title": title,
        "datasource": source,
        "gridPos": {"h": 8, "w": width, "x": 0, "y": 0},
        "fieldConfig": {
            "defaults": {
                "unit": unit,
                "min": 0,
                "thresholds": {"mode": "absolute", "steps": steps},
            },
            "overrides": [],
        },
        "options": options,
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": source,
                "expr": expression,
                "legendFormat": legend,
            }
            for number, (expression, legend) in enumerate(queries)
        ],
    }
