"""The engine that tests run containers with."""

from pathlib import Path

import pytest

from tests.tools.docker import DockerFailed, base_image, running_docker

pytestmark = pytest.mark.real


def test_an_image_is_built_and_run_and_nothing_is_left(tmp_path: Path) -> None:
    with running_docker() as engine:
        engine.run("import", str(base_image(tmp_path / "base.tar")), "base:1")
        recipe = b"FROM base:1\nRUN echo built > /told\nCMD cat /told\n"
        engine.run("build", "-q", "-t", "app:1", "-", given=recipe)
        assert engine.run("run", "--rm", "app:1") == "built\n"
        assert engine.run("run", "--rm", "--user", "65534", "app:1", "id", "-u") == "65534\n"
        with pytest.raises(DockerFailed, match=r"(?s)app:1 false: .*executable file"):
            engine.run("run", "--rm", "app:1", "false")
    assert engine.process.poll() is not None
    assert not engine.folder.exists()
