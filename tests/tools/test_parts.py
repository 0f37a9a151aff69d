"""What a machine without a part is told, on a laptop and in CI."""

from pathlib import Path

import pytest

from tests.tools import install, parts


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing on PATH, nothing in the cache."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CI", raising=False)
    return tmp_path


@pytest.mark.parametrize("name", ["oras", "crane", "skopeo", "chromium", "strace", "unshare"])
def test_a_missing_part_skips_on_a_laptop_and_says_how_to_get_it(
    bare_machine: Path, name: str
) -> None:
    with pytest.raises(pytest.skip.Exception, match=r"get it with: .*install") as skipped:
        getattr(parts, name)()
    assert parts.missing_part(str(skipped.value)) == name


@pytest.mark.parametrize("name", ["oras", "skopeo"])
def test_a_missing_part_fails_in_ci(
    bare_machine: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=f"part '{name}' is not here"):
        getattr(parts, name)()


def test_a_second_python_may_be_missing_in_ci_too(
    bare_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("HOME", str(bare_machine))
    with pytest.raises(pytest.skip.Exception, match="second python"):
        parts.second_python()


def test_the_pinned_build_goes_before_what_is_on_path(bare_machine: Path) -> None:
    other = bare_machine / "oras"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    assert parts.oras() == other
    parts.ORAS.path.parent.mkdir(parents=True)
    parts.ORAS.path.write_text("#!/bin/sh\n")
    assert parts.oras() == parts.ORAS.path
    assert parts.ORAS.version in str(parts.oras())


def test_without_root_or_apt_the_installer_says_what_to_do(bare_machine: Path) -> None:
    told = list(install._try_packages([parts.GNUPG, parts.SKOPEO]))
    assert told == [
        f"{name} (needs root and apt-get); get it with: {part.advice}"
        for name, part in (("gpg", parts.GNUPG), ("skopeo", parts.SKOPEO))
    ]


def test_a_build_that_fails_says_why_and_leaves_nothing(bare_machine: Path) -> None:
    go = bare_machine / "go"
    go.write_text("#!/bin/sh\necho no route to host >&2\nexit 7\n")
    go.chmod(0o755)
    with pytest.raises(install.NotInstalled, match=r"ended with 7: no route to host"):
        install.build(parts.ORAS, go)
    assert list(parts.cache().iterdir()) == []


@pytest.mark.parametrize(
    ("said", "recent"),
    [("go1.19.8", False), ("go1.21.0", True), ("go1.26.8", True), ("go2.0", True), ("", False)],
)
def test_debians_go_is_too_old(bare_machine: Path, said: str, recent: bool) -> None:  # noqa: FBT001
    go = bare_machine / "go"
    go.write_text(f"#!/bin/sh\necho go version {said} linux/amd64\n")
    go.chmod(0o755)
    assert install.is_recent(go) is recent
