"""containers/k8s/: the objects of Kubernetes that a package needs, and no others.

::

    serviceaccount.yaml  networkpolicy.yaml      always
    configmap.yaml                               where a variable has a default
    job.yaml | cronjob.yaml | deployment.yaml    by the kind
    service.yaml                                 of a service, and where it needs them:
    ingress.yaml  poddisruptionbudget.yaml  horizontalpodautoscaler.yaml

Pods keep the *restricted* standard of Pod Security: another user than root, a root that can't be
written, no capabilities, the runtime's seccomp profile. /tmp is an emptyDir on the node's disk: in
memory it would count against the memory's limit, and the workspace of a run is there.
"""

import ipaddress
from collections.abc import Mapping
from typing import Any

from recipes.deployment import Destination, Scale
from recipes.render.subject import NO_REGISTRY, USER, Subject
from recipes.render.text import Quoted, to_yaml

_KEPT = 24 * 3600  # seconds that a finished Job is kept, to be looked at
_GRACE = 10  # seconds more than a run may take, until a pod that is to end is killed
_LONGEST_GRACE = 300
_DNS = 53


def draw_kubernetes(subject: Subject) -> dict[str, bytes]:
    """Return the files of containers/k8s/, by their paths below the package."""
    config = subject.config
    objects: dict[str, Mapping[str, Any]] = {
        "serviceaccount": _service_account(subject),
        "networkpolicy": _network_policy(subject),
        config.kind.replace("service", "deployment"): {
            "job": _job,
            "cronjob": _cronjob,
            "service": _deployment,
        }[config.kind](subject),
    }
    if config.environment:
        objects["configmap"] = _object(
            subject, "v1", "ConfigMap", data={k: Quoted(v) for k, v in config.environment.items()}
        )
    if subject.is_service:
        objects["service"] = _service(subject)
        scale = _scale(subject)
        if config.ingress:
            objects["ingress"] = _ingress(subject)
        if config.disruption or scale.min > 1:
            objects["poddisruptionbudget"] = _disruption_budget(subject)
        if scale.max is not None and scale.max > scale.min:
            objects["horizontalpodautoscaler"] = _autoscaler(subject)
    return {
        f"containers/k8s/{name}.yaml": to_yaml(_comment(subject, name), drawn)
        for name, drawn in objects.items()
    }


def _comment(subject: Subject, name: str) -> str:
    config = subject.config
    lines = [f"{subject.metadata.name} {subject.metadata.version}"]
    if name in {"job", "cronjob", "deployment"}:
        lines.append(
            f"Put your registry for {NO_REGISTRY}, or better the image with its digest:"
            " registry/name@sha256:..."
        )
        if config.secrets:
            names = ", ".join(sorted(config.secrets))
            lines.append(f"It needs the Secret {subject.object_name}, with the keys {names}.")
        required = sorted(set(config.configuration) - set(config.environment))
        if required:
            lines.append(
                f"It needs in the ConfigMap {subject.object_name}-given, since they have no"
                f" default: {', '.join(required)}."
            )
    if name == "networkpolicy" and isinstance(config.network, list):
        hosts = [each.host for each in config.network if not _is_network(each)]
        if hosts:
            lines.append(
                "A NetworkPolicy knows addresses and no names: to these, only the ports are held:"
                f" {', '.join(hosts)}."
            )
    return "\n".join(lines)


def _object(subject: Subject, version: str, kind: str, **members: Any) -> dict[str, Any]:
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": subject.object_name, "labels": _labels(subject)},
        **members,
    }


def _selector(subject: Subject) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": subject.object_name,
        "app.kubernetes.io/part-of": Quoted(subject.namespace[:63].rstrip("-._")),
    }


def _labels(subject: Subject) -> dict[str, str]:
    return {
        **_selector(subject),
        "app.kubernetes.io/version": Quoted(subject.version_label),
        "app.kubernetes.io/managed-by": "recipebox",
    }


def _service_account(subject: Subject) -> dict[str, Any]:
    return _object(subject, "v1", "ServiceAccount", automountServiceAccountToken=False)


# --- what runs ---


def _pod(subject: Subject, restart: str) -> dict[str, Any]:
    config = subject.config
    resources = {"cpu": Quoted(config.resources.cpu), "memory": config.resources.memory}
    container: dict[str, Any] = {
        "name": "recipe",
        "image": f"{NO_REGISTRY}/{subject.image}",
        "imagePullPolicy": "IfNotPresent",
        "env": _variables(subject),
        "resources": {"requests": resources, "limits": resources},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - in a container
    }
    spec = {
        "serviceAccountName": subject.object_name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": restart,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": config.resources.scratch}}],
    }
    if subject.is_service:
        container |= _probes(subject)
        spec["terminationGracePeriodSeconds"] = _GRACE + min(config.timeout_seconds, _LONGEST_GRACE)
    return {"metadata": {"labels": _labels(subject)}, "spec": spec}


def _variables(subject: Subject) -> list[dict[str, Any]]:
    """Return the environment; a Secret's or ConfigMap's key that is missing stops the pod."""
    config, name = subject.config, subject.object_name

    def of(kind: str, where: str, key: str, **more: bool) -> dict[str, Any]:
        return {"name": key, "valueFrom": {kind: {"name": where, "key": key, **more}}}

    found = [
        of("configMapKeyRef", name if key in config.environment else f"{name}-given", key)
        for key in sorted(config.configuration)
    ]
    found += [of("secretKeyRef", name, key) for key in sorted(config.secrets)]
    if not subject.is_service:
        found.append(of("configMapKeyRef", f"{name}-given", "RECIPEBOX_METRICS", optional=True))
    if subject.tries_again:
        found.append({"name": "RECIPEBOX_ATTEMPTS", "value": Quoted("1")})
    return found


def _probes(subject: Subject) -> dict[str, Any]:
    config = subject.config
    path, period, timeout, failures = "/healthz", 10, 2, 3
    if config.health:
        path, period = config.health.path, config.health.period_seconds
        timeout, failures = config.health.timeout_seconds, config.health.failures
    probe = {
        "httpGet": {"path": path, "port": config.port.name},
        "periodSeconds": period,
        "timeoutSeconds": timeout,
        "failureThreshold": failures,
    }
    return {
        "ports": [{"name": config.port.name, "containerPort": config.port.port}],
        "readinessProbe": probe,
        "livenessProbe": probe,
    }


def _job_spec(subject: Subject) -> dict[str, Any]:
    return {
        "backoffLimit": subject.config.retries,
        "activeDeadlineSeconds": subject.config.timeout_seconds * (subject.config.retries + 1),
        "template": _pod(subject, "Never"),
    }


def _job(subject: Subject) -> dict[str, Any]:
    spec = {"ttlSecondsAfterFinished": _KEPT, **_job_spec(subject)}
    return _object(subject, "batch/v1", "Job", spec=spec)


def _cronjob(subject: Subject) -> dict[str, Any]:
    config = subject.config
    spec = {
        "schedule": Quoted(config.schedule or ""),
        "timeZone": config.time_zone or "Etc/UTC",
        "concurrencyPolicy": (config.concurrency or "forbid").capitalize(),
        "startingDeadlineSeconds": 300,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 3,
        "jobTemplate": {"metadata": {"labels": _labels(subject)}, "spec": _job_spec(subject)},
    }
    return _object(subject, "batch/v1", "CronJob", spec=spec)


def _deployment(subject: Subject) -> dict[str, Any]:
    scale = _scale(subject)
    is_scaled = scale.max is not None and scale.max > scale.min
    spec = {
        **({} if is_scaled else {"replicas": scale.min}),  # else the autoscaler's is put back
        "selector": {"matchLabels": _selector(subject)},
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
        },
        "template": _pod(subject, "Always"),
    }
    return _object(subject, "apps/v1", "Deployment", spec=spec)


def _scale(subject: Subject) -> Scale:
    return subject.config.scale or Scale()


# --- how it is reached, and what it reaches ---


def _service(subject: Subject) -> dict[str, Any]:
    port = subject.config.port
    drawn = _object(
        subject,
        "v1",
        "Service",
        spec={
            "selector": _selector(subject),
            "ports": [{"name": port.name, "port": port.port, "targetPort": port.name}],
        },
    )
    drawn["metadata"]["annotations"] = {
        "prometheus.io/scrape": Quoted("true"),
        "prometheus.io/port": Quoted(str(port.port)),
        "prometheus.io/path": "/metrics",
    }
    return drawn


def _ingress(subject: Subject) -> dict[str, Any]:
    wanted = subject.config.ingress
    if wanted is None:  # pragma: no cover - drawn where there is one
        raise ValueError("no ingress is wanted")
    backend = {"service": {"name": subject.object_name, "port": {"name": subject.config.port.name}}}
    spec: dict[str, Any] = {
        "rules": [
            {
                "host": wanted.host,
                "http": {
                    "paths": [{"path": wanted.path, "pathType": "Prefix", "backend": backend}]
                },
            }
        ]
    }
    if wanted.tls_secret:
        spec = {"tls": [{"hosts": [wanted.host], "secretName": wanted.tls_secret}], **spec}
    if wanted.class_name:
        spec = {"ingressClassName": wanted.class_name, **spec}
    return _object(subject, "networking.k8s.io/v1", "Ingress", spec=spec)


def _network_policy(subject: Subject) -> dict[str, Any]:
    """Nothing comes in but to a service's port, and nothing goes out but what is named."""
    config = subject.config
    incoming = [{"ports": [{"protocol": "TCP", "port": config.port.port}]}]
    if config.network == "none":
        outgoing: list[dict[str, Any]] = []
    elif config.network == "egress":
        outgoing = [{}]
    else:
        names = {"ports": [{"protocol": each, "port": _DNS} for each in ("UDP", "TCP")]}
        outgoing = [names] if not all(map(_is_network, config.network)) else []
        outgoing += [_allowed(each) for each in config.network]
    spec = {
        "podSelector": {"matchLabels": _selector(subject)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": incoming if subject.is_service else [],
        "egress": outgoing,
    }
    return _object(subject, "networking.k8s.io/v1", "NetworkPolicy", spec=spec)


def _allowed(destination: Destination) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "ports": [{"protocol": "TCP", "port": port} for port in destination.ports]
    }
    if _is_network(destination):
        cidr = str(ipaddress.ip_network(destination.host))
        rule = {"to": [{"ipBlock": {"cidr": cidr}}], **rule}
    return rule


def _is_network(destination: Destination) -> bool:
    try:
        ipaddress.ip_network(destination.host)
    except ValueError:
        return False
    return True


# --- how many there are ---


def _disruption_budget(subject: Subject) -> dict[str, Any]:
    wanted = subject.config.disruption
    limit: dict[str, int] = {"maxUnavailable": 1}
    if wanted is not None and wanted.max_unavailable is not None:
        limit = {"maxUnavailable": wanted.max_unavailable}
    elif wanted is not None and wanted.min_available is not None:
        limit = {"minAvailable": wanted.min_available}
    spec = {**limit, "selector": {"matchLabels": _selector(subject)}}
    return _object(subject, "policy/v1", "PodDisruptionBudget", spec=spec)


def _autoscaler(subject: Subject) -> dict[str, Any]:
    scale = _scale(subject)
    spec = {
        "scaleTargetRef": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": subject.object_name,
        },
        "minReplicas": scale.min,
        "maxReplicas": scale.max,
        "metrics": [
            {
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": scale.cpu_percent},
                },
            }
        ],
    }
    return _object(subject, "autoscaling/v2", "HorizontalPodAutoscaler", spec=spec)
