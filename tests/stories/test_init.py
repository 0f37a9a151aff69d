"""A starting recipebox.toml: what looking at a checkout tells, and what is left to its author."""

import tomllib
from pathlib import Path

import pytest

from tests.checkouts import write
from tests.stories.machines import Machine

RECIPE = 'metadata: {version: "2.1", description: Mails}\nsteps: [{module: steps.a, function: A}]\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return write(
        tmp_path / "ops",
        {
            "mail.yaml": RECIPE,
            "gone.yaml": "steps: [{module: steps.gone, function: A}]\n",
            "old.yaml": "steps: [{module: steps.a, function: A, module: b}]\n",
            "a.b.yaml": "steps: [{module: steps.b, function: B, args: {x: 'plugins.late:go'}}]\n",
            "plugins/late.py": "import plugins.later\n",
            "plugins/later.py": "import socket\n",
            "steps/a.py": (
                "import os, smtplib\nfrom smtplib import SMTP\npassword = 'hunter2'\n"
                "A = os.environ['SMTP_PASSWORD'], os.getenv('HOME'), os.environ.get('A_TOKEN')\n"
            ),
            "steps/b.py": (
                "from importlib import import_module\n\n"
                "def B(context, args):\n    import_module(args['x'])\n"
            ),
        },
    )


def test_what_the_code_tells_is_written_down(checkout: Path, other: Machine) -> None:
    said = other.rb("init", checkout, "--json").json

    text = (checkout / "recipebox.toml").read_text()
    drawn = tomllib.loads(text)["recipes"]
    assert drawn["mail"] == {
        "name": "mail", "version": "2.1.0", "summary": "Mails", "network": "egress",
        "secrets": ["A_TOKEN", "SMTP_PASSWORD"],
    }  # fmt: skip
    assert drawn["a.b"] == {"name": "a-b", "entry": ["plugins.late"], "network": "egress"}
    assert "# network: steps/a.py imports smtplib\n[recipes.mail]\n" in text
    assert "# steps/b.py:4 imports a module whose name can't be computed\n" in text
    assert '# network: plugins/later.py imports socket\n[recipes."a.b"]' in text
    assert "# can't be packed yet: steps.gone is missing, asked for by step 1" in text
    assert "# not here: old.yaml: the key 'module' stands twice\n" in text
    assert said["recipes"][2]["findings"] == [
        {"file": "steps/a.py", "line": 3, "kind": "Secret Keyword"}
    ]
    assert "hunter2" not in text


def test_what_looks_like_a_secret_is_allowed_by_hand_alone(
    checkout: Path, other: Machine, tmp_path: Path
) -> None:
    other.rb("init", checkout)
    words = ("pack", checkout / "mail.yaml", "--no-run", "--out", tmp_path / "out")

    refused = other.rb(*words, "--json", code=1)
    path = checkout / "recipebox.toml"
    lines = path.read_text().splitlines()
    begin = lines.index("# [[recipes.mail.allowed]]")
    lines[begin : begin + 4] = [each.removeprefix("# ") for each in lines[begin : begin + 4]]
    unsaid = "\n".join(lines)
    path.write_text(unsaid)
    no_reason = other.rb(*words, code=1)
    path.write_text(unsaid.replace('reason = ""', 'reason = "an example"'))

    assert "  steps/a.py:3: Secret Keyword" in refused.err
    assert refused.json["error"]["code"] == "secrets_found"
    assert refused.json["error"]["findings"][0]["line"] == 3
    assert "recipes.mail.allowed[0].reason: expected a text" in no_reason.err
    assert other.rb(*words).code == 0


def test_the_file_is_read_as_it_was_written(checkout: Path, other: Machine) -> None:
    from recipes.project import read_project

    other.rb("init", checkout, "--namespace", "team")

    project = read_project(checkout / "recipebox.toml")
    assert project.namespace == "team"
    assert project.of("mail").network == "egress"
