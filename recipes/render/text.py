"""Documents as bytes: YAML and JSON that are the same everywhere, with a comment at the top."""

import json
from collections.abc import Sequence
from typing import Any

import yaml


class Quoted(str):
    """A text that is written in quotes, so that no reader of YAML 1.2 takes it for a number."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes block style, lists indented below their key, and no anchors."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002, ARG002 - PyYAML's
        super().increase_indent(flow, False)  # noqa: FBT003 - PyYAML's

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's
        return True


def _quoted(dumper: yaml.SafeDumper, text: Quoted) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style='"')


_Dumper.add_representer(Quoted, _quoted)


def to_yaml(comment: str, *documents: Any) -> bytes:
    """Return YAML documents below a comment (which may have several lines)."""
    head = "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines())
    drawn = [
        yaml.dump(each, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=False)
        for each in documents
    ]
    return (head + "---\n".join(drawn)).encode()


def to_json(document: Any) -> bytes:
    """Return JSON that people may read and compare."""
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()


def words(argv: Sequence[str]) -> str:
    """Return a command as the JSON list that a Dockerfile takes."""
    return json.dumps(list(argv))
