"""What a run tells Prometheus: into a file, where counts go on from what is in it."""

import re
from pathlib import Path

import pytest

from recipes.pack import pack
from recipes.render.monitoring import EMITTED
from recipes.run import run_package
from tests.checkouts import a_counting_checkout, with_a_runner

PACKAGE = 'package="team/count"'


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A packed recipe."""
    return pack(a_counting_checkout(tmp_path / "checkout"), tmp_path / "out", prove=False).out


def run(out: Path, target: Path | str, *settings: str) -> int:
    return run_package(
        out, settings=settings, environment={"RECIPEBOX_METRICS": str(target)}, is_quiet=True
    ).exit_code


def values(path: Path) -> dict[str, float]:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_a_run_tells_how_it_went(out: Path, tmp_path: Path) -> None:
    path = tmp_path / "count.prom"
    assert run(out, path) == 0

    found = values(path)
    assert found[f"recipebox_run_exit_code{{{PACKAGE}}}"] == 0
    assert found[f'recipebox_step_exit_code{{{PACKAGE},idx="1",step="count"}}'] == 0
    assert found[f'recipebox_package_info{{{PACKAGE},version="1.0.0"}}'] == 1
    assert found[f'recipebox_runs_total{{{PACKAGE},result="success"}}'] == 1
    run_time = found[f"recipebox_run_duration_seconds{{{PACKAGE}}}"]
    assert found[f'recipebox_step_duration_seconds{{{PACKAGE},idx="1",step="count"}}'] >= 0
    assert 0 < run_time < 60
    assert (path.stat().st_mode & 0o777) == 0o644
    assert [each.name for each in tmp_path.iterdir() if "prom" in each.name] == ["count.prom"]


def test_every_metric_that_is_asked_for_is_emitted_and_said_once(out: Path, tmp_path: Path) -> None:
    path = tmp_path / "count.prom"
    run(out, path)

    text = path.read_text()
    said = re.findall(r"^# TYPE (\w+) (?:gauge|counter)$", text, re.MULTILINE)
    assert tuple(said) == tuple(name for name in EMITTED if name != "recipebox_runs_running")
    assert re.findall(r"^# HELP (\w+) .", text, re.MULTILINE) == said
    assert {name.partition("{")[0] for name in values(path)} == set(said)


def test_counts_go_on_and_the_last_success_stays(out: Path, tmp_path: Path) -> None:
    path = tmp_path / "count.prom"
    run(out, path)
    before = values(path)
    assert run(out, path, "src=missing.txt") == 1

    found = values(path)
    success = f"recipebox_last_success_timestamp_seconds{{{PACKAGE}}}"
    assert found[success] == before[success]
    assert found[f"recipebox_run_timestamp_seconds{{{PACKAGE}}}"] > found[success]
    assert found[f"recipebox_run_exit_code{{{PACKAGE}}}"] == 1
    assert found[f'recipebox_runs_total{{{PACKAGE},result="success"}}'] == 1
    assert found[f'recipebox_runs_total{{{PACKAGE},result="failure"}}'] == 1


def test_what_is_no_metric_of_ours_is_written_over(out: Path, tmp_path: Path) -> None:
    path = tmp_path / "count.prom"
    path.write_text('nonsense {\nrecipebox_runs_total{package="other/x",result="success"} 7\n')
    run(out, path)

    assert sum(name.startswith("recipebox_runs_total") for name in values(path)) == 2


def test_a_failure_before_the_recipe_is_told_too(out: Path, tmp_path: Path) -> None:
    path = tmp_path / "count.prom"
    assert run(out, path, "nothing=1") == 125

    assert values(path)[f"recipebox_run_exit_code{{{PACKAGE}}}"] == 125


def test_metrics_that_can_not_be_told_change_nothing(
    out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(out, "/nowhere/x.prom") == 0
    assert "the metrics can't be told to /nowhere/x.prom" in capfd.readouterr().err


def test_the_steps_of_a_checkouts_own_runner_are_told(tmp_path: Path) -> None:
    recipe = a_counting_checkout(tmp_path / "checkout")
    with_a_runner(tmp_path / "checkout")
    recipe.write_text(
        '{"steps": [{"idx": 1, "name": "count", "type": "python", "module": "steps.count",'
        ' "function": "Count", "args": {"src": "data/lines.txt"}}]}'
    )
    out = pack(recipe, tmp_path / "out", prove=False).out
    assert run(out, tmp_path / "count.prom") == 0

    found = values(tmp_path / "count.prom")
    assert found[f'recipebox_step_exit_code{{{PACKAGE},idx="1",step="count"}}'] == 0


def test_the_recipe_does_not_see_where_its_metrics_go(tmp_path: Path) -> None:
    code = """
        import os
        class Count:
            def run(self, context, args):
                context.set("count.lines", "RECIPEBOX_METRICS" in os.environ)
        """
    recipe = a_counting_checkout(tmp_path / "checkout", **{"steps/count.py": code})
    out = pack(recipe, tmp_path / "out", prove=False).out

    result = run_package(
        out, environment={"RECIPEBOX_METRICS": str(tmp_path / "m.prom")}, is_quiet=True
    )
    assert result.context == {"count.lines": False}
