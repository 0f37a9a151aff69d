"""recipebox.toml: strict, and helpful about it."""

from pathlib import Path

import pytest

from recipes.errors import InvalidProject
from recipes.project import Allowed, Project, RecipeSettings, find_project, read_project
from tests.checkouts import write

WHOLE = """
schema_version = 1
[package]
namespace = "team"
version = "1.0.0"
python = ">=3.11,<3.13"
license = "MIT"
authors = ["Ops"]
platforms = ["linux/amd64", "linux/arm64"]
[recipes.etl]
name = "etl-daily"
version = "2.0.0"
summary = "Loads"
requires = { "team/clean" = "^1.2" }
extras.mail = { "team/send" = "[tls] ^2" }
entry = ["plugins.late", "plugins/later.py"]
data = ["rules/*.json"]
readme = "README.md"
resources = { cpu = "2" }
network = "egress"
secrets = ["SMTP_PASSWORD"]
[[recipes.etl.allowed]]
file = "rules/a.pem"
kind = "Private Key"
reason = "opens nothing"
[[allowed]]
hash = "0a"
reason = "an example"
[wheels]
yaml = "PyYAML"
IPython = false
"""

RECIPE = "schema_version = 1\n[recipes.a]\n"
TWO_ALLOWED = f"""{RECIPE}[[recipes.a.allowed]]
hash = '0'
reason = 'x'
[[recipes.a.allowed]]
reason = 'y'
file = 'a'
"""


def test_all_of_it_is_read(tmp_path: Path) -> None:
    write(tmp_path, {"recipebox.toml": WHOLE, "jobs/deep/etl.yaml": ""})

    project = find_project(tmp_path / "jobs" / "deep" / "etl.yaml")

    assert project.path == tmp_path / "recipebox.toml"
    assert (project.namespace, project.version, project.license) == ("team", "1.0.0", "MIT")
    assert project.platforms == ("linux/amd64", "linux/arm64")
    assert project.wheels == {"yaml": "PyYAML"}
    assert project.without == {"IPython"}
    assert project.of("etl") == RecipeSettings(
        name="etl-daily",
        version="2.0.0",
        summary="Loads",
        requires={"team/clean": "^1.2"},
        extras={"mail": {"team/send": "[tls] ^2"}},
        entry=("plugins.late", "plugins/later.py"),
        data=("rules/*.json",),
        readme="README.md",
        resources={"cpu": "2"},
        network="egress",
        secrets=("SMTP_PASSWORD",),
        allowed=(Allowed("opens nothing", "rules/a.pem", "Private Key"),),
    )
    assert project.allowed == (Allowed("an example", hash="0a", of_recipe=False),)
    assert project.of("etl").deployment == {
        "resources": {"cpu": "2"}, "network": "egress", "secrets": ["SMTP_PASSWORD"],
    }  # fmt: skip
    assert project.of("other").deployment == {}
    assert project.of("other") == RecipeSettings()


def test_without_a_file_all_is_default(tmp_path: Path) -> None:
    project = find_project(tmp_path / "etl.yaml")

    assert project == Project()
    assert (project.python, project.platforms) == (">=3.11", ("linux/amd64", "linux/arm64"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("schema_version = 2", "schema_version: 2 is not understood"),
        ("schema_version = true", "schema_version: True is not understood"),
        ("a = ", "not TOML"),
        ("schema_version = 1\n[packages]", "did you mean 'package'?"),
        ("schema_version = 1\nzzz = 1", "zzz: unknown key (known are schema_version"),
        ("schema_version = 1\npackage = 1", "package: expected a table"),
        ("schema_version = 1\n[package]\nlicence = 'MIT'", "did you mean 'license'?"),
        ("schema_version = 1\n[package]\nversion = 1", "package.version: expected a text"),
        ("schema_version = 1\n[package]\nversion = '1'", "package.version: not a version"),
        ("schema_version = 1\n[package]\nnamespace = 'A'", "package.namespace: not a namespace"),
        ("schema_version = 1\n[package]\npython = 'x'", "package.python: 'x' is not a range"),
        ("schema_version = 1\n[package]\nauthors = 'x'", "package.authors: expected a list"),
        ("schema_version = 1\n[package]\nplatforms = ['mac']", "'mac' is not a platform"),
        ("schema_version = 1\n[recipes.a]\nname = 'A'", "recipes.a.name: not a package name"),
        ("schema_version = 1\n[recipes.a]\nrequires = {x = '1'}", "recipes.a.requires.x: not a"),
        ("schema_version = 1\n[recipes.a]\nrequires = {'t/x' = 'y'}", "recipes.a.requires.t/x:"),
        ("schema_version = 1\n[recipes.a]\nextras = {X = {}}", "recipes.a.extras.X: not a"),
        (
            "schema_version = 1\n[recipes.a]\nextras.x = {'t/x' = '[G] *'}",
            "recipes.a.extras.x.t/x: not a",
        ),
        ("schema_version = 1\n\n[recipes.a]\n  data = 1", ":4:3: recipes.a.data: expected a list"),
        ("schema_version = 1\n[recipes]\na.data = 1", ":3:1: recipes.a.data: expected a list"),
        ("schema_version = 1\nrecipes = {a = {data = 1}}", ":2:1: recipes.a.data: expected"),
        ("schema_version = 1\na = [\n", "recipebox.toml: not TOML: "),
        ("schema_version = 1\na b", ":2:3: not TOML: Expected '='"),
        ("[package]", "recipebox.toml: schema_version: None is not understood"),
        (f"{RECIPE}entry = ['../x.py']", "recipes.a.entry: '../x.py' is not inside"),
        (f"{RECIPE}entry = ['a-b']", "'a-b' is neither a module (plugins.late) nor a file"),
        (f"{RECIPE}network = 'all'", ":3:1: recipes.a.network: network"),
        (f"{RECIPE}resources = {{cpus = 1}}", "recipes.a.resources: resources.cpus: Extra"),
        (f"{RECIPE}resources = {{memory = '1G'}}", "recipes.a.resources: resources.memory: "),
        (f"{RECIPE}secrets = ['a b']", "recipes.a.secrets: secrets.0: String should match"),
        (f"{RECIPE}secrets = 'A'", "recipes.a.secrets: secrets: Input should be a valid list"),
        (f"{RECIPE}allowed = 1", "recipes.a.allowed: expected tables, each under [[recipes.a."),
        (f"{RECIPE}[[recipes.a.allowed]]\nhash = '0'", "recipes.a.allowed[0].reason: why it is"),
        (TWO_ALLOWED, ":6:1: recipes.a.allowed[1]: name `file` and `kind`, or `hash`"),
        ("schema_version = 1\n[[allowed]]\nhsh = '0'", ":3:1: allowed[0].hsh: unknown key (known"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    write(tmp_path, {"recipebox.toml": text})

    with pytest.raises(InvalidProject) as refused:
        read_project(tmp_path / "recipebox.toml")
    assert said in str(refused.value)


def test_a_file_that_can_not_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidProject, match="can't be read"):
        read_project(tmp_path / "recipebox.toml")
    (tmp_path / "recipebox.toml").write_bytes(b"\xff")

    with pytest.raises(InvalidProject, match="not TOML"):
        read_project(tmp_path / "recipebox.toml")
