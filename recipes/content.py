"""What is looked at before a closure is packed: its names, its secrets, modules in two places.

::

    closure ─┬─ paths     names that can't be laid out everywhere, or differ only in case: refused
             ├─ twins     a module that two files of the checkout could be: refused, or both packed
             └─ findings  what looks like a secret: refused, or allowed in writing

Nothing is written, solved or run before.
"""

from collections.abc import Iterator
from pathlib import Path

from recipes.closure import Closure
from recipes.deployment import searched_for_secrets
from recipes.errors import AmbiguousModules, Twin, UnsafePath
from recipes.findings import Source, check_secrets
from recipes.paths import check_paths, read_plain
from recipes.project import Project
from recipes.recipe import Recipe

_CONFIG = "deployment_config.yaml"
_OWN = "deployment"  # the folder with what goes before what is generated
_GENERATED = ("containers", "monitoring", "ci-cd")


def check_content(recipe: Recipe, project: Project, closure: Closure) -> tuple[str, ...]:
    """Look through all that comes from the checkout; return what people should know of it.

    Raises:
        AmbiguousModules: a module is in two places, and only one is asked for.
        SecretsFound: secrets that nobody allowed.
        UnsafePath: a file can't be read, or its name can't be laid out everywhere.
    """
    try:
        check_paths(closure.files)
    except UnsafePath as error:
        asked_by = next((each.asked_by for each in closure.files[error.path]), None)
        raise UnsafePath(error.path, error.reason, asked_by) from error
    twins = [each for each in _twins(closure) if each.other not in closure.files]
    if twins:
        raise AmbiguousModules(twins)
    settings = project.of(recipe.name)
    allowed = (*project.allowed, *settings.allowed)
    return (
        *_shadowed(closure),
        *_idle(recipe, project),
        *check_secrets(_texts(recipe, project, closure), allowed),
    )


def _texts(recipe: Recipe, project: Project, closure: Closure) -> dict[str, Source]:
    """Return what is packed of the checkout, by its paths there."""
    root = closure.root.resolve()
    found: dict[str, Source] = {path: closure.root / path for path in closure.files}
    own = recipe.path.resolve()
    name = own.relative_to(root).as_posix() if own.is_relative_to(root) else recipe.path.name
    found[name] = recipe.content
    readme = project.of(recipe.name).readme
    if readme is not None and (closure.root / readme).is_file():
        found[readme] = closure.root / readme
    for path, place in _of_deployment(recipe, project).items():
        found[path] = _searched(path, place)
    return found


def _searched(path: str, place: Path) -> Source:
    """Return what is searched of an author's file: in ours, the name of a secret is none."""
    if place.name != _CONFIG:
        return place
    try:
        return searched_for_secrets(read_plain(place))
    except OSError as error:
        raise UnsafePath(path, f"it can't be read: {error.strerror}") from error


def _of_deployment(recipe: Recipe, project: Project) -> dict[str, Path]:
    """Return an author's own files for the deployment of a recipe, beside recipebox.toml."""
    if project.path is None:
        return {}
    root = project.path.parent
    folders = [root, root / _OWN, root / _OWN / recipe.name]
    found = [each / _CONFIG for each in folders]
    for folder in folders[1:]:
        for name in _GENERATED:
            found += sorted((folder / name).rglob("*"))
    return {each.relative_to(root).as_posix(): each for each in found if each.is_file()}


def _twins(closure: Closure) -> Iterator[Twin]:
    """Yield modules of the root that `src` has too, with other contents, where it is a root too.

    Python takes the one whose folder is first on sys.path, and code changes that as it runs.
    """
    found = []
    if not (closure.root / "src").is_dir():
        return
    for path, reasons in closure.files.items():
        asked = next((each for each in reasons if each.kind in {"module", "package"}), None)
        if asked is None or not path.endswith(".py") or path.startswith("src/"):
            continue
        stem = path.removesuffix(".py").removesuffix("/__init__")
        for other in (f"src/{stem}.py", f"src/{stem}/__init__.py"):
            place = closure.root / other
            if place.is_file() and read_plain(place) != read_plain(closure.root / path):
                found.append(Twin(stem.replace("/", "."), path, other, asked.asked_by))
    if found and _src_is_a_root(closure):
        yield from found


def _src_is_a_root(closure: Closure) -> bool:
    """Whether `src` may be on sys.path: it is no package, or code that is packed puts it there."""
    if not (closure.root / "src" / "__init__.py").is_file():
        return True
    sources = (closure.root / path for path in closure.files if path.endswith(".py"))
    return any(b"sys.path" in text and b"src" in text for text in map(read_plain, sources))


def _shadowed(closure: Closure) -> Iterator[str]:
    """Say where a module stands beside a package of its name: Python never imports it."""
    for path in closure.files:
        folder, found, _ = path.rpartition("/__init__.py")
        if found and (closure.root / f"{folder}.py").is_file():
            yield f"{folder}.py is never imported: the package {folder}/ has its name"


def _idle(recipe: Recipe, project: Project) -> Iterator[str]:
    """Say which settings are not used, since the author's own document says all of it."""
    said = ", ".join(project.of(recipe.name).deployment)
    own = next((each for each in _of_deployment(recipe, project) if each.endswith(_CONFIG)), None)
    if said and own is not None:
        yield f"{said} of [recipes.{recipe.name}] is not used: {own} is there, and wins"
