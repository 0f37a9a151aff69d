"""containers/: the Dockerfile, and the compose file that builds and starts it.

Both are read in the folder OUT that `recipebox pack --out` or `recipebox fetch --out` made, since
wheels and required packages are beside the package's own tree.
"""

import re
from collections.abc import Mapping
from importlib import resources
from typing import Any

from recipes.render.subject import ROOT, USER, Subject
from recipes.render.text import Quoted, to_yaml, words

_BYTES = {"Ki": "k", "Mi": "m", "Gi": "g"}


def draw_containers(subject: Subject) -> dict[str, bytes]:
    """Return the files of containers/ but those of k8s/, by their paths below the package."""
    drawn = {
        "containers/Dockerfile": _dockerfile(subject),
        "containers/docker-compose.yml": _compose(subject),
        "containers/install_wheels.py": template("install_wheels.py"),
    }
    if subject.is_service:
        drawn["containers/serve_recipe.py"] = template("serve_recipe.py")
    return drawn


def template(name: str) -> bytes:
    """Return a file that goes into packages as it is."""
    return resources.files("recipes").joinpath("templates", name).read_bytes()


def _dockerfile(subject: Subject) -> bytes:
    title = subject.metadata.title
    copied = (
        # what it requires is known only when it is fetched
        "COPY . ."
        if subject.metadata.may_require
        else f"COPY {title}/ {title}/\n"
        "# wheels/ is there where it was packed; the pattern lets it be missing\n"
        f"COPY {title}/metadata/package.json wheel[s]/*.whl wheels/"
    )
    lines = [
        f"# {subject.metadata.name} {subject.metadata.version}",
        "# Build it in the folder that `recipebox pack --out` or `recipebox fetch --out` made:",
        f"#   docker build --file {title}/containers/Dockerfile --tag {subject.image} .",
        "# BASE has Python 3.11 or newer as python3; where there are wheels, the first stage needs",
        "# pip, too.",
        f"ARG BASE={subject.base}",
        "",
        "FROM ${BASE} AS build",
        "# 1: wheels come from wheels/ alone. 0: those that aren't there from pip's index, by hash",
        "ARG PIP_NO_INDEX=1",
        "WORKDIR /build",
        *copied.splitlines(),
        f'RUN ["python3", "-B", "{title}/containers/install_wheels.py", "{title}", "{ROOT}"]',
        "",
        "FROM ${BASE}",
        f'LABEL org.opencontainers.image.title="{subject.metadata.name}" \\',
        f'      org.opencontainers.image.version="{subject.metadata.version}"',
        f"COPY --from=build {ROOT}/ {ROOT}/",
        "ENV HOME=/tmp \\",
        "    PYTHONUNBUFFERED=1",
        *(f"ENV {name}={_quote(text)}" for name, text in subject.config.environment.items()),
        "WORKDIR /tmp",
        f"USER {USER}:{USER}",
    ]
    if subject.is_service:
        health = subject.config.health
        period, failures = (health.period_seconds, health.failures) if health else (10, 3)
        lines += [
            f"EXPOSE {subject.config.port.port}",
            f"HEALTHCHECK --interval={period}s --retries={failures} \\",
            f"    CMD {words(subject.check_command)}",
        ]
    lines.append(f"ENTRYPOINT {words(subject.command)}")
    return ("\n".join(lines) + "\n").encode()


def _quote(text: str) -> str:
    """Return a value of ENV, in which nothing is expanded."""
    escaped = re.sub(r'(["\\$])', r"\\\1", text)
    return f'"{escaped}"'


def _compose(subject: Subject) -> bytes:
    config, title = subject.config, subject.metadata.title
    service: dict[str, Any] = {
        "image": f"localhost/{subject.image}",
        "build": {
            "context": "../../..",
            "dockerfile": f"{title}/containers/Dockerfile",
            "args": {"BASE": f"${{BASE:-{subject.base}}}"},
        },
        "user": f"{USER}:{USER}",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "tmpfs": [f"/tmp:mode=1777,size={_amount(config.resources.scratch)}"],  # noqa: S108 - in a container
        "mem_limit": _amount(config.resources.memory),
        "cpus": _cpus(config.resources.cpu),
        "environment": _variables(subject),
    }
    if subject.is_service:
        port = config.port.port
        service |= {
            "restart": "unless-stopped",
            "ports": [f"127.0.0.1:${{PORT:-{port}}}:{port}"],
            "stop_grace_period": f"{min(config.timeout_seconds, 300) + 10}s",
        }
    else:
        service["restart"] = f"on-failure:{config.retries}" if config.retries else "no"
        if not config.needs_network:
            service["network_mode"] = "none"
    comment = (
        f"{subject.metadata.name} {subject.metadata.version}, on one machine.\n"
        f"  docker-compose -f docker-compose.yml up --build\n"
        f"Variables: BASE (the base image)"
        + (", PORT (on this machine)" if subject.is_service else "")
        + ", and those that the recipe takes, below."
    )
    if subject.is_service and not config.needs_network:
        comment += (
            "\nCompose can't publish a port and bar the way out: the network policy of k8s/ does."
        )
    if config.kind == "cronjob":
        comment += f"\nIt runs once; its schedule ({config.schedule}) is kept by k8s/cronjob.yaml."
    return to_yaml(comment, {"services": {subject.object_name: service}})


def _variables(subject: Subject) -> Mapping[str, str | None]:
    """Return what a container gets; None passes on what is there under a name of no shell's."""
    config = subject.config
    found: dict[str, str | None] = {}
    for name, setting in sorted(config.configuration.items()):
        text = setting.text
        if not name.isidentifier():
            found[name] = None
        elif text is None:
            found[name] = Quoted(f"${{{name}:?{name} has no default}}")
        elif set("${}") & set(text):  # Compose knows no way to write these in a default
            found[name] = Quoted(text.replace("$", "$$"))
        else:
            found[name] = Quoted(f"${{{name}-{text}}}")
    for name in sorted(config.secrets):
        found[name] = Quoted(f"${{{name}:?{name} is a secret}}") if name.isidentifier() else None
    found["RECIPEBOX_METRICS"] = Quoted("${RECIPEBOX_METRICS-}")
    if subject.tries_again:
        found["RECIPEBOX_ATTEMPTS"] = Quoted("1")
    return found


def _amount(quantity: str) -> str:
    return quantity[:-2] + _BYTES[quantity[-2:]]


def _cpus(quantity: str) -> float:
    return int(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)
