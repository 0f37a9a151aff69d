"""The Dockerfile builds in a real engine and the image runs; so does the compose file."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from recipes.pack import pack
from tests.checkouts import a_counting_checkout, a_wheel
from tests.render.conftest import BASE
from tests.tools import parts
from tests.tools.docker import DockerFailed, Engine
from tests.tools.server import wait_until

pytestmark = pytest.mark.real

# As a restricted pod is held.
HELD = ("--read-only", "--cap-drop=ALL", "--network=none", "--security-opt=no-new-privileges",
        "--tmpfs=/tmp:mode=1777")  # fmt: skip
TITLE = "team/count-1.0.0"


def build(engine: Engine, out: Path, tag: str, *words: str) -> str:
    dockerfile = out / TITLE / "containers" / "Dockerfile"
    base = f"--build-arg=BASE={BASE}"
    return engine.run(
        *("build", "--network=none", "--file", str(dockerfile), base, "--tag", tag, *words),
        str(out),
    )


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a recipe was packed into."""
    folder = tmp_path_factory.mktemp("packed")
    config = (
        "schema_version: 1\n"
        "configuration: {MORE: {type: string, default: 'a $HOME \"b\"'}}\n"
        "secrets: [PASSWORD]\n"
    )
    recipe = a_counting_checkout(folder / "checkout", **{"deployment_config.yaml": config})
    return pack(recipe, folder / "out", prove=False).out


@pytest.fixture(scope="module")
def image(engine: Engine, packed: Path) -> Iterator[str]:
    """The image of that recipe."""
    build(engine, packed, "count:1")
    yield "count:1"
    engine.run("image", "rm", "--force", "count:1")


def test_the_image_runs_held_as_a_pod_is(engine: Engine, image: str) -> None:
    told = engine.run("run", "--rm", *HELD, image, "--json", "-")
    result = json.loads(told)
    assert (result["exit_code"], result["context"]) == (0, {"count.lines": 3})


def test_it_is_nobody_and_has_its_configuration(engine: Engine, image: str) -> None:
    told = engine.run("image", "inspect", "--format", "{{json .Config}}", image)
    config = json.loads(told)
    assert config["User"] == "65532:65532"
    assert 'MORE=a $HOME "b"' in config["Env"]
    entry = ("--entrypoint", "python3", image, "-c", "import os; print(os.getuid())")
    assert engine.run("run", "--rm", *HELD, *entry) == "65532\n"


def test_nothing_but_the_package_is_in_it(engine: Engine, image: str) -> None:
    entry = ("--entrypoint", "find", image, "/opt/recipebox", "-type", "f")
    found = {
        line.removeprefix(f"/opt/recipebox/{TITLE}/").partition("/")[0]
        for line in engine.run("run", "--rm", *HELD, *entry).splitlines()
    }
    assert found == {"metadata", "recipe", "containers"}


def test_a_failing_recipe_is_a_failing_container(engine: Engine, image: str) -> None:
    with pytest.raises(DockerFailed, match=r"missing\.txt"):
        engine.run("run", "--rm", *HELD, image, "--set", "count.src=missing.txt")


def test_wheels_are_installed_by_their_hash_and_no_others(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels = tmp_path / "index"
    wheels.mkdir()
    a_wheel(wheels, "greeter", files={"greeter.py": "def greet():\n    return 41\n"})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    code = """
        import greeter
        class Count:
            def run(self, context, args):
                context.set("count.lines", greeter.greet() + 1)
        """
    files = {"steps/count.py": code, "requirements.txt": "greeter\n"}
    recipe = a_counting_checkout(tmp_path / "checkout", **files)
    out = pack(recipe, tmp_path / "out", prove=False).out
    build(engine, out, "wheels:1")
    told = engine.run("run", "--rm", *HELD, "wheels:1", "--json", "-")
    assert json.loads(told)["context"] == {"count.lines": 42}
    engine.run("image", "rm", "--force", "wheels:1")

    (wheel,) = (out / "wheels").glob("greeter*")
    wheel.write_bytes(wheel.read_bytes() + b"x")
    with pytest.raises(DockerFailed, match=r"greeter.*expected sha256 [0-9a-f]{64}, found"):
        build(engine, out, "wheels:2")
    wheel.unlink()
    with pytest.raises(DockerFailed, match="come from an index with --build-arg PIP_NO_INDEX=0"):
        build(engine, out, "wheels:2")


def test_the_compose_file_builds_and_starts(engine: Engine, packed: Path, tmp_path: Path) -> None:
    environ = {"BASE": BASE, "PASSWORD": "secret"}
    compose = packed / TITLE / "containers" / "docker-compose.yml"
    done = up(engine, tmp_path, compose, environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "counted 3" in done.stdout
    told = json.loads(engine.run("inspect", "count-test_count_1"))[0]
    assert told["Config"]["User"] == "65532:65532"
    assert told["HostConfig"]["ReadonlyRootfs"] is True
    assert told["HostConfig"]["NetworkMode"] == "none"
    assert told["HostConfig"]["CapDrop"] == ["ALL"]
    engine.run("rm", "--force", "count-test_count_1")

    refused = up(engine, tmp_path, compose, {"BASE": BASE})
    assert refused.returncode != 0
    assert "PASSWORD is a secret" in refused.stderr


def up(
    engine: Engine, home: Path, compose: Path, environ: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    words = [str(parts.compose()), "--project-name", "count-test", "--file", str(compose), "up"]
    return subprocess.run(
        [*words, "--build", "--abort-on-container-exit", "--no-color"],
        env={**engine.environ(home), **environ, "COMPOSE_DOCKER_CLI_BUILD": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_services_image_is_well_and_ends_when_it_is_asked_to(
    engine: Engine, tmp_path: Path
) -> None:
    config = "schema_version: 1\nkind: service\nhealth: {period_seconds: 1}\n"
    recipe = a_counting_checkout(tmp_path / "checkout", **{"deployment_config.yaml": config})
    out = pack(recipe, tmp_path / "out", prove=False).out
    build(engine, out, "service:1")
    held = ("run", "--detach", "--name", "service", *HELD, "service:1")
    engine.run(*held)
    state = ("inspect", "--format", "{{.State.Health.Status}}", "service")
    wait_until(lambda: engine.run(*state) == "healthy\n")
    asking = (
        "import urllib.request as r;"
        "print(r.urlopen(r.Request('http://127.0.0.1:8080/run', method='POST')).read().decode())"
    )
    answer = json.loads(engine.run("exec", "service", "python3", "-c", asking))
    assert answer["context"] == {"count.lines": 3}
    engine.run("stop", "--time", "20", "service")
    ended = ("inspect", "--format", "{{.State.ExitCode}}", "service")
    assert engine.run(*ended) == "0\n"
    engine.run("rm", "--force", "service")
    engine.run("image", "rm", "--force", "service:1")
