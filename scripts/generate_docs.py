"""Write what is generated in docs/: settings.md, cli.md, exit codes, JSON Schemas.

With --check nothing is written, and the exit code is 1 where a file is not as it would be written.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from settings.table import SETTINGS, Setting, Side

DOCS = Path(__file__).resolve().parent.parent / "docs"
NOTE = "<!-- made by scripts/generate_docs.py: change the code, then `make docs` -->\n"


def settings_page() -> str:
    """Return docs/settings.md."""
    lines = [
        "# Settings",
        NOTE,
        "A flag beats the environment, which beats the file, which beats the default.",
        "A variable that begins with `RECIPEBOX_` and is not in these tables stops the start, and",
        "so does an unknown key of a file.",
        "",
    ]
    for title, side in (
        ("Client and server", Side.BOTH),
        ("Client", Side.CLIENT),
        ("Server", Side.SERVER),
    ):
        lines += [f"## {title}", "", "| variable, key | default | meaning |", "|---|---|---|"]
        lines += [_row(setting) for setting in SETTINGS if setting.side is side]
        lines.append("")
    return "\n".join(lines)


def _row(setting: Setting) -> str:
    default = "" if setting.default is None else f"`{str(setting.default).lower()}`"
    unit = f" {setting.unit}" if setting.unit else ""
    key = f", `{setting.name}`" if setting.file_allowed else ""
    choices = f" One of {', '.join(setting.choices)}." if setting.choices else ""
    meaning = f"{setting.meaning}{choices} {setting.reason}"
    return f"| `{setting.variable}`{key} | {default}{unit} | {meaning} |"


def schemas() -> dict[str, dict[str, Any]]:
    """Return every format's JSON Schema, by its name."""
    from web.schemas import SCHEMAS

    return {name: make() for name, make in SCHEMAS.items()}


def pages() -> Iterator[tuple[Path, str]]:
    """Yield each generated file, with what it should hold."""
    from recipebox.reference import command_page

    yield DOCS / "settings.md", settings_page()
    yield DOCS / "cli.md", command_page(NOTE)
    for name, schema in schemas().items():
        drawn = json.dumps(schema, indent=2, sort_keys=True) + "\n"
        yield DOCS / "formats" / f"{name}.schema.json", drawn


def main() -> int:
    """Write or check every generated page."""
    checking = "--check" in sys.argv[1:]
    stale = 0
    for path, text in pages():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        if checking:
            print(f"{path.relative_to(DOCS.parent)} is not up to date: run `make docs`")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(DOCS.parent)}")
    return 1 if checking and stale else 0


if __name__ == "__main__":
    sys.exit(main())
