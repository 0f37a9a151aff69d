"""Packages to draw: of each kind, as small and as large as they come."""

from typing import Any

from recipes.deployment import DeploymentConfig
from recipes.package import Entry, PackageMetadata, PythonStep, Wheel
from recipes.render.subject import Subject

SERVICE: dict[str, Any] = {
    "kind": "service",
    "timeout_seconds": 30,
    "network": [
        {"host": "db.example.com", "ports": [5432]},
        {"host": "10.0.0.0/8", "ports": [443]},
    ],
    "secrets": ["DB_PASSWORD"],
    "configuration": {
        "REGION": {"type": "string", "default": "1e3"},
        "COUNT": {"type": "integer"},
    },
    "ports": [{"name": "web", "port": 8081}],
    "scale": {"min": 2, "max": 3},
    "ingress": {"host": "etl.example.com", "class_name": "nginx", "tls_secret": "etl-tls"},
}
CRONJOB: dict[str, Any] = {
    "kind": "cronjob",
    "schedule": "30 2 * * MON-FRI",
    "retries": 2,
    "network": "egress",
}
KINDS: dict[str, dict[str, Any]] = {
    "job": {},
    "cronjob": CRONJOB,
    "service": SERVICE,
    "plain-service": {"kind": "service"},
}


def a_subject(name: str = "team/etl", version: str = "1.2.3", **config: Any) -> Subject:
    step = PythonStep(idx=1, name="load", type="python", module="steps.load", function="Load")
    metadata = PackageMetadata(
        name=name, version=version, entry=Entry(runner="bundled"), steps=[step], wheels=[a_wheel()]
    )
    return Subject(metadata, DeploymentConfig.model_validate(config))


def a_wheel() -> Wheel:
    return Wheel(
        name="six",
        version="1.17.0",
        filename="six-1.17.0-py3-none-any.whl",
        sha256="0" * 64,
        size=1,
        tags=["py3-none-any"],
    )
