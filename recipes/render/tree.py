"""Putting what is generated into a package's tree; an author's own files go before it.

::

    CHECKOUT/
    ├── recipebox.toml
    ├── deployment_config.yaml               of every recipe that has none of its own
    └── deployment/
        ├── containers/Dockerfile            instead of what is generated, for every recipe
        ├── monitoring/alerts.yaml
        └── etl_daily/                       for the recipe etl_daily.yaml, before those above
            ├── deployment_config.yaml
            └── containers/k8s/job.yaml

A file of a name that isn't generated is added; an empty one means that there shall be none.
"""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from recipes.deployment import FILE_NAME, DeploymentConfig
from recipes.errors import UnsafePath
from recipes.package import PackageMetadata
from recipes.paths import check_paths, read_plain
from recipes.project import Project
from recipes.render.containers import draw_containers
from recipes.render.kubernetes import draw_kubernetes
from recipes.render.monitoring import draw_monitoring
from recipes.render.pipelines import draw_pipelines
from recipes.render.subject import Subject

OWN: Final = "deployment"
"""The folder beside recipebox.toml with an author's own files."""

FOLDERS: Final = ("containers", "monitoring", "ci-cd")
"""The folders that are generated."""


def write_deployment(tree: Path, project: Project, stem: str, metadata: PackageMetadata) -> None:
    """Write deployment_config.yaml and all that is generated from it into the package at `tree`.

    Its recipe/ must be there; `stem` is the name of the recipe's file without `.yaml`.

    Raises:
        InvalidDeploymentConfig: the author's own isn't valid.
        UnsafePath: a file of the author's can't be read or be in a package.
    """
    config, own = _config_of(tree, project, stem)
    files = {path: _File(drawn) for path, drawn in draw(Subject(metadata, config)).items()}
    for folder in _own_folders(project, stem)[1:]:  # at the root is only the configuration
        files |= _own_files(folder)
    kept = {path: file for path, file in files.items() if file.content}
    check_paths(sorted(kept))
    for path, file in sorted(kept.items()):
        _write(tree / path, file)
    _write(tree / "metadata" / FILE_NAME, _File(own))


def draw(subject: Subject) -> dict[str, bytes]:
    """Return every generated file, by its path below the package."""
    return {
        **draw_containers(subject),
        **draw_kubernetes(subject),
        **draw_monitoring(subject),
        **draw_pipelines(subject),
    }


# --- what the author says ---


def _config_of(tree: Path, project: Project, stem: str) -> tuple[DeploymentConfig, bytes]:
    """Return the author's own, with its bytes as they are; else what the recipe gives."""
    for folder in reversed(_own_folders(project, stem)):
        path = folder / FILE_NAME
        if os.path.lexists(path):
            data = _read(path)
            return DeploymentConfig.from_bytes(data, str(path)), data
    execution = _execution(tree / "recipe" / "recipe.yaml")
    config = default_config(execution, project.of(stem).deployment)
    return config, config.to_bytes()


def default_config(
    execution: Mapping[str, object], said: Mapping[str, object] | None = None
) -> DeploymentConfig:
    """Return the configuration of a recipe whose author gave none.

    `execution` is what the recipe says under that key: its timeout (seconds) and its retries are
    taken where they are numbers that a deployment may have. `said` are members of the document that
    recipebox.toml has, which are valid.
    """
    found: dict[str, object] = dict(said or {})
    for theirs, ours in (("timeout_seconds", "timeout_seconds"), ("retry_attempts", "retries")):
        with contextlib.suppress(ValidationError):
            DeploymentConfig.model_validate({ours: execution.get(theirs)})
            found[ours] = execution[theirs]
    return DeploymentConfig.model_validate(found)


def _execution(recipe: Path) -> dict[str, Any]:
    """Return what the packed recipe, which was read before, has under `execution`."""
    drawn = yaml.safe_load(recipe.read_bytes())
    found = drawn.get("execution") if isinstance(drawn, dict) else None
    return found if isinstance(found, dict) else {}


def _own_folders(project: Project, stem: str) -> list[Path]:
    """Return the folders with an author's own files; what is in a later one goes first."""
    if project.path is None:
        return []
    root = project.path.parent
    return [root, root / OWN, root / OWN / stem]


def _own_files(folder: Path) -> "dict[str, _File]":
    """Return an author's own files by their paths in the package."""
    found: dict[str, _File] = {}
    for name in FOLDERS:
        for above, folders, files in os.walk(folder / name):
            for each in [*folders, *files]:
                path = Path(above, each)
                inside = path.relative_to(folder).as_posix()
                if path.is_symlink():
                    raise UnsafePath(str(path), "a link may not be in a package")
                if each in files:
                    found[inside] = _File(_read(path), bool(path.stat().st_mode & 0o100))
    return found


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    is_executable: bool = False


def _read(path: Path) -> bytes:
    try:
        return read_plain(path)
    except OSError as error:
        raise UnsafePath(str(path), f"it can't be read: {error.strerror}") from error


def _write(path: Path, file: _File) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.content)
    path.chmod(0o755 if file.is_executable else 0o644)
