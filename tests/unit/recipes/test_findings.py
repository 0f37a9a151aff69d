"""Secrets: what is found where, what isn't one, and how a finding is allowed."""

import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from recipes import findings
from recipes.errors import Finding, SecretsFound, UnsafePath
from recipes.findings import check_secrets, find_secrets
from recipes.project import Allowed

KEY = "AKIA" + "Z7Q2M4X8W1P9K3R5"  # in two parts: ours are looked through, too
TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
RANDOM = "kJ8vQ2xZ7mN4pR9wT1yB6cL3" + "hF5gD0sAeUiOq"
PEM = "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIE\n"


def found(name: str, text: str) -> list[tuple[int, str]]:
    return [(each.line, each.kind) for each in find_secrets(name, text.encode())]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.py", f"import os\n\nID = '{KEY}'\n", [(3, "AWS Access Key")]),
        ("a.csv", f"id,key\n1,{KEY}\n", [(2, "AWS Access Key")]),
        ("a.txt", f"{TOKEN}", [(1, "GitHub Token")]),
        ("key.pem", PEM, [(1, "Private Key")]),
        ("a.py", "password = 'hunter2'\n", [(1, "Secret Keyword")]),
        ("a.PY", "x = 1\nDB_PASSWORD = 'hunter2'\n", [(2, "Secret Keyword")]),
        ("a.yaml", "steps:\n- args: {api_key: hunter22}\n", [(2, "Secret Keyword")]),
        ("a.ini", "[mail]\npassword = hunter2\n", [(2, "Secret Keyword")]),
        ("a.py", "url = 'ftp://ada:hunter2@example.org/x'\n", [(1, "Basic Auth Credentials")]),
        ("a.py", f"x = '{RANDOM}'\n", [(1, "Base64 High Entropy String")]),
        ("a.py", "ORDER = 'GyYuUQqMLlwWdDFgEecabBhHKkjJmsSAzZOvVXx'\n", []),
        ("a.py", "NAME = 'CIQRCodeFeatureOfTheSecondDimension2D'\n", []),
        ("a.py", "PATH = 'engine/steps/python/version2/compute'\n", []),
        ("a.json", f'{{"x": "{RANDOM}"}}\n', []),
        ("a.py", "password = os.environ['DB_PASSWORD']\n", []),
        ("a.py", "password = get_password(context)\n", []),
        ("a.yaml", "password: ${DB_PASSWORD}\n", []),
        ("a.yaml", "password: <yours>\n", []),
        ("a.py", f"START = '{'0123456789abcdef' * 4}'\n", []),
        ("a.py", "SUM = '19f95df915f11049be03fde2e8ffeb94485b901295a48ca72119cd45e1a7be2a'\n", []),
        ("a.py", "host = '93.184.216.34'\n", []),
        ("a.py", "id = '123e4567-e89b-12d3-a456-426614174000'\n", []),
        ("readme.md", "Set the password: it is asked for once.\n", []),
        ("a.py", "password = 'hunter2'  # pragma: allowlist secret\n", []),
        ("a.py", "# pragma: allowlist nextline secret\npassword = 'hunter2'\n", []),
        ("a.txt", "\u0130 password\n\u0130\npassword = 'hunter2'\n", [(3, "Secret Keyword")]),
    ],
)
def test_what_is_found(name: str, text: str, expected: list[tuple[int, str]]) -> None:
    assert found(name, text) == expected


def test_other_encodings_are_text_and_zeros_are_not(tmp_path: Path) -> None:
    text = f"x\nid = '{KEY}'\n"
    for encoding, expected in (("utf-16", [2]), ("latin-1", [2]), ("utf-32", [])):
        path = tmp_path / "a.py"
        path.write_bytes(f"# stra\xdfe {text}".encode(encoding))
        assert [each.line for each in find_secrets("a.py", path)] == expected


def test_a_line_of_a_thousand_names_is_looked_at_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[str] = []
    ask = findings._ask

    def counted(name: str, line: str, *rest: Any, **more: Any) -> Any:
        looked_at.append(line)
        return ask(name, line, *rest, **more)

    monkeypatch.setattr(findings, "_ask", counted)
    names = ", ".join(f"'{'NameOfSomething' * 2}{number}'" for number in range(9_000))
    line = f"NAMES = {{{names}, '{RANDOM}', {names}}}\n"

    assert {kind for _, kind in found("a.py", line)} == {"Base64 High Entropy String"}
    assert sum(map(len, looked_at)) < 4 * len(line)


def test_lines_are_counted_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "_BLOCK", 100)
    path = tmp_path / "a.csv"
    path.write_text("some,cells\n" * 1000 + f"{KEY}\n")

    assert [each.line for each in find_secrets("a.csv", path)] == [1001]


def test_a_large_file_is_read_in_blocks_and_only_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with path.open("w") as file:
        for _ in range(40):
            file.write("some,cells\n" * 50_000)
        file.write(f"{KEY}\n")
    tracemalloc.start()
    try:
        notes = check_secrets({"a.csv": path}, ())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert path.stat().st_size > findings.MOST
    assert notes == ("a.csv: only its first 16 MiB were looked through for secrets",)
    assert peak < 24 << 20


def test_one_endless_line_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("x" * (3 << 20) + f' "{KEY}"')

    assert [each.kind for each in find_secrets("a.json", path)] == ["AWS Access Key"]


def test_what_can_not_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnsafePath, match=r"'a\.py': it can't be read: No such file"):
        check_secrets({"a.py": tmp_path / "gone"}, ())


def test_a_finding_stops_and_never_shows_the_secret() -> None:
    files: dict[str, Path | bytes] = {
        "b.py": b"x = 1\npassword = 'hunter2'\n", "a.txt": TOKEN.encode(),
    }  # fmt: skip

    with pytest.raises(SecretsFound) as refused:
        check_secrets(files, ())

    said = str(refused.value)
    assert said.startswith("2 lines look like a secret:\n  a.txt:1: GitHub Token\n  b.py:2: Secret")
    assert "hunter2" not in said
    assert TOKEN not in f"{said}{refused.value.values}"
    hashed = refused.value.findings[1].hash
    assert len(hashed) == 40  # sha1, as in detect-secrets' baselines
    assert refused.value.values["findings"][1] == {
        "file": "b.py", "line": 2, "kind": "Secret Keyword", "hash": hashed,
    }  # fmt: skip


def test_it_is_allowed_in_writing_by_file_and_kind_or_by_hash() -> None:
    files: dict[str, Path | bytes] = {"a.py": b"password = 'hunter2'\n"}
    (finding,) = find_secrets("a.py", b"password = 'hunter2'\n")

    assert not check_secrets(files, [Allowed("x", "a.py", "Secret Keyword")])
    assert not check_secrets(files, [Allowed("x", hash=finding.hash)])
    for other in (Allowed("x", "b.py", "Secret Keyword"), Allowed("x", "a.py", "Private Key"),
                  Allowed("x", "b.py", hash=finding.hash), Allowed("x", hash="0")):  # fmt: skip
        with pytest.raises(SecretsFound):
            check_secrets(files, [other])


def test_what_is_allowed_and_is_not_there_is_told_unless_it_is_for_all() -> None:
    allowed = [Allowed("x", "a.py", "Private Key"), Allowed("x", hash="0", of_recipe=False)]

    assert check_secrets({"a.py": b""}, allowed) == (
        "recipebox.toml allows a finding that isn't there: a.py, Private Key",
    )


def test_findings_are_in_order() -> None:
    assert Finding("a", 2, "x", "") < Finding("a", 10, "a", "") < Finding("b", 1, "a", "")


def test_each_rule_that_is_kept_is_asked() -> None:
    rules = {type(each).__name__ for each in findings._rules().plugins}

    assert {"KeywordDetector", "AWSKeyDetector", "PrivateKeyDetector"} <= rules
    assert not rules & findings._LEFT_OUT
    assert rules > findings._SLOW | set(findings._NEEDED) | findings._WORDY
