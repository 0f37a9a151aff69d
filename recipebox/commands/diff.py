"""Compare two releases: files, requirements, steps, wheels, licences, signers."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recipebox.errors import ExitCode, Misuse
from recipebox.invocation import Invocation
from recipebox.output import Output, human_size
from recipebox.prompts import pass_invocation

if TYPE_CHECKING:
    from recipes.difference import Difference, FileChange, MemberChange, WheelChange

_SIGNS = {"added": "+", "removed": "-"}
_STYLES = {"+": "good", "-": "bad", "@": "dim", "d": "strong"}
_LONGEST = 200  # characters of a value that is shown


@click.command("diff")
@click.argument("old", metavar="NS/NAME[@VERSION]|DIR|FILE")
@click.argument("new", metavar="VERSION|NS/NAME[@VERSION]|DIR|FILE")
@click.option("-p", "--patch", "with_patch", is_flag=True, help="Show the lines that differ, too.")
@click.option("--package", metavar="NS/NAME", help="Which package of a FILE that has several.")
@click.option("--exit-code", "by_code", is_flag=True, help="End with 1 where they differ.")
@pass_invocation
def command(
    invocation: Invocation,
    old: str,
    new: str,
    package: str | None,
    *,
    with_patch: bool,
    by_code: bool,
) -> int:
    """Compare two packages: releases, folders that `pack` or `fetch` made, or files of `export`.

    A release is verified as `fetch` does it, and NS/NAME alone is the newest that isn't yanked. A
    FILE is believed by the pins of this machine; `-` is stdin. A DIR is compared as it lies there,
    whoever signed it. Only layers that differ are downloaded. The exit code is 0 whether or not
    they differ, but for --exit-code.

    \b
    Examples:
      recipebox diff team/etl@1.2.3 1.3.0
      recipebox diff team/etl build --patch
      recipebox diff etl.tar team/etl@1.3.0 --exit-code --json

    \b
    JSON: {schema_version, old: {subject, name, version, digest, signers: [...] or null}, new,
           differs, files: [{path, change, old: {sha256, size, executable} or null, new, patch,
           unshown}], folders: [{path, change}], metadata: [{member, old, new}], requires,
           deployment, steps: [{name, change, members}], wheels: [{name, change, platforms:
           [{platform, old, new}], files_added, files_removed}], licences: [{name, old, new}] or
           null, signers: {added, removed} or null} (docs/formats/difference.schema.json)
    """  # noqa: D301 - \b is click's
    if old == new == "-":
        raise Misuse("both can't be read from stdin", hint="give one of them as a file")
    found = invocation.client.diff(_named(old), _named(new), package=package, with_patch=with_patch)
    invocation.output.result(found.model_dump(mode="json"))
    if not invocation.output.json:
        _tell(invocation.output, found, with_patch=with_patch)
    return ExitCode.FAILED if by_code and found.differs else ExitCode.OK


def _named(text: str) -> str | Path:
    return Path(text) if text != "-" and Path(text).exists() else text


def _tell(output: Output, found: "Difference", *, with_patch: bool) -> None:
    for sign, side in (("-", found.old), ("+", found.new)):
        output.say(f"{sign * 3} {side.name} {side.version}  {side.subject}", "strong")
        output.say(f"    {side.digest}")
    if not found.differs:
        output.say("no difference", "good")
        return
    section = _sections(output)
    section("about it", [_member(each) for each in found.metadata])
    section("requires", [_short(each) for each in found.requires])
    section("steps", [line for each in found.steps for line in _step(each)])
    section("deployment", [_member(each) for each in found.deployment])
    section("wheels", [line for each in found.wheels for line in _wheel(each)])
    if found.licences is None:
        section("licences", ["  not compared: one of both has no SBOM"])
    else:
        section(
            "licences",
            [f"~ {each.name}: {_said(each.old)} -> {_said(each.new)}" for each in found.licences],
        )
    if found.signers is None:
        section(
            "signers", ["  not compared: nobody who is trusted here is seen to have signed both"]
        )
    else:
        section(
            "signers",
            [f"+ {each}" for each in found.signers.added]
            + [f"- {each}" for each in found.signers.removed],
        )
    counts = ", ".join(
        f"{found.count(change)} {change}" for change in ("added", "removed", "changed")
    )
    section(
        f"files: {counts}",
        [_file(each) for each in found.files]
        + [f"{_SIGNS[each.change]} {each.path}/" for each in found.folders],
    )
    if with_patch:
        for each in found.files:
            _patch(output, each)


def _sections(output: Output) -> Callable[[str, Sequence[str]], None]:
    def section(title: str, lines: Sequence[str]) -> None:
        if lines:
            output.say(title, "strong")
        for line in lines:
            shown = line.replace("\n", "?")  # a name with a line's end in it makes no line of ours
            output.say(f"  {shown}", _STYLES.get(line[:1]) if line[:1] in "+-" else None)

    return section


def _value(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text)} characters)"


def _member(change: "MemberChange") -> str:
    return f"~ {change.member}: {_value(change.old)} -> {_value(change.new)}"


def _short(change: "MemberChange") -> str:
    if change.old is None:
        return f"+ {change.member} {change.new}"
    if change.new is None:
        return f"- {change.member} {change.old}"
    return f"~ {change.member} {change.old} -> {change.new}"


def _step(step: Any) -> list[str]:
    if step.change == "changed":
        return [f"~ {step.name}", *(f"    {_member(each)[2:]}" for each in step.members)]
    return [f"{_SIGNS[step.change]} {step.name}"]


def _wheel(change: "WheelChange") -> list[str]:
    if change.change == "files":
        files = [f"    + {each}" for each in change.files_added]
        files += [f"    - {each}" for each in change.files_removed]
        return [f"~ {change.name}: other files of the same version", *files]
    spans: dict[str, list[str]] = {}
    for each in change.platforms:
        old, new = ", ".join(each.old), ", ".join(each.new)
        said = new if change.change == "added" else old
        if change.change == "version":
            said = f"{old or 'none'} -> {new or 'none'}"
        spans.setdefault(said, []).append(each.platform)
    sign = _SIGNS.get(change.change, "~")
    return [
        f"{sign} {change.name} {said} ({', '.join(platforms)})" for said, platforms in spans.items()
    ] or [f"{sign} {change.name}"]


def _said(licences: list[str] | None) -> str:
    if licences is None:
        return "(no wheel)"
    return ", ".join(licences) or "(nothing said)"


def _file(change: "FileChange") -> str:
    old, new = change.old, change.new
    if old is None or new is None:
        side = new or old
        size = human_size(side.size) if side else ""
        more = ", executable" if side and side.executable else ""
        return f"{_SIGNS[change.change]} {change.path}  {size}{more}"
    said = (
        f"{human_size(old.size)} -> {human_size(new.size)}"
        if old.sha256 != new.sha256
        else "same content"
    )
    if old.executable != new.executable:
        said += ", now executable" if new.executable else ", not executable any more"
    return f"~ {change.path}  {said}"


def _patch(output: Output, change: "FileChange") -> None:
    if change.patch is None:
        why = "too large to be shown" if change.unshown == "large" else "not text"
        output.say(f"diff --git a/{change.path} b/{change.path}", "strong")
        output.say(f"Binary files differ ({why})", "dim")
        return
    for line in change.patch.split("\n")[:-1]:
        style = "strong" if line.startswith(("---", "+++")) else _STYLES.get(line[:1])
        output.say(line, style)
