"""What is drawn about: a package with its deployment, and the names that it has elsewhere."""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from recipes.deployment import DeploymentConfig
from recipes.package import PackageMetadata
from recipes.wheels import minors_of

ROOT: Final = "/opt/recipebox"
"""Where packages are in an image, each in its own tree, as below OUT."""

USER: Final = 65532
"""The user and group that an image runs as: "nonroot" of the usual small bases."""

NO_REGISTRY: Final = "registry.invalid"
"""Stands for the registry's host, which nobody knows when a package is made (RFC 2606)."""

_LONGEST_NAME = 52  # of a CronJob in Kubernetes, whose Jobs have 11 characters more
_LONGEST_LABEL = 63


@dataclass(frozen=True, slots=True)
class Subject:
    """A package, and how it is deployed."""

    metadata: PackageMetadata
    config: DeploymentConfig

    @property
    def namespace(self) -> str:
        """The package's namespace."""
        return self.metadata.name.partition("/")[0]

    @property
    def is_service(self) -> bool:
        """Whether it runs at each request, and not by itself."""
        return self.config.kind == "service"

    @property
    def tries_again(self) -> bool:
        """Whether its own runner would try again: the deployment does that, as its config says."""
        execution = self.metadata.execution
        is_bundled = self.metadata.entry.runner == "bundled"
        return is_bundled and execution is not None and execution.retry_attempts > 0

    @property
    def object_name(self) -> str:
        """A name that Kubernetes, Compose and Prometheus take: a label of RFC 1123.

        A package's name that had to be changed for it keeps a part of its hash, so that two
        packages don't get one name.
        """
        last = self.metadata.name.partition("/")[2]
        plain = re.sub(r"[^a-z0-9]+", "-", last)
        if not plain[0].isalpha():
            plain = f"recipe-{plain}"
        if plain == last and len(plain) <= _LONGEST_NAME:
            return plain
        mark = hashlib.sha256(self.metadata.name.encode()).hexdigest()[:8]
        return f"{plain[: _LONGEST_NAME - 9].rstrip('-')}-{mark}"

    @property
    def version_label(self) -> str:
        """The version as a label's value."""
        return self.metadata.version[:_LONGEST_LABEL].rstrip("-.")

    @property
    def image(self) -> str:
        """The image's name without a registry: `team/etl-daily/image:1.2.3`."""
        return f"{self.metadata.name}/image:{self.metadata.version}"

    @property
    def tree(self) -> str:
        """The package's folder in an image."""
        return f"{ROOT}/{self.metadata.title}"

    @property
    def base(self) -> str:
        """The base image when nobody names another: of the lowest Python that it runs with."""
        return f"python:{minors_of(self.metadata.python)[0]}-slim"

    @property
    def command(self) -> list[str]:
        """What a container of it runs."""
        isolated = ["python3", "-I", "-B"]
        if not self.is_service:
            return [*isolated, f"{self.tree}/recipe/run_recipe.py"]
        config = self.config
        health = config.health.path if config.health else "/healthz"
        prefix = config.ingress.path.rstrip("/") if config.ingress else ""
        return [
            *isolated,
            f"{self.tree}/containers/serve_recipe.py",
            *("--port", str(config.port.port), "--health", health),
            *("--parallel", str(config.scale.parallel if config.scale else 1)),
            *("--timeout", str(config.timeout_seconds)),
            *(("--prefix", prefix) if prefix else ()),
        ]

    @property
    def check_command(self) -> list[str]:
        """What tells by its exit code whether a service's container is well."""
        return [*self.command, "--check"]
