"""The difference between two packages: files, requirements, steps, wheels, licences, signers.

`compare` decides; it reads no file but by what it is given. What it returns is also the document
that `recipebox diff --json` writes::

    {"schema_version": 1,
     "old": {"subject": "team/etl@1.2.3", "name": "team/etl", "version": "1.2.3",
             "digest": "sha256:…", "signers": ["9F…"]},
     "new": {...},
     "differs": true,
     "files": [{"path": "recipe/steps/load.py", "change": "changed",
                "old": {"sha256": "4b…", "size": 120, "executable": false},
                "new": {"sha256": "77…", "size": 131, "executable": false},
                "patch": "diff --git a/recipe/steps/load.py …", "unshown": null}],
     "folders": [{"path": "recipe/spool", "change": "added"}],
     "metadata": [{"member": "summary", "old": "Loads", "new": "Loads yesterday"}],
     "requires": [{"member": "team/clean", "old": "^1.2", "new": "^1.3"}],
     "steps": [{"name": "load", "change": "changed",
                "members": [{"member": "args.day", "old": "mon", "new": "tue"}]}],
     "deployment": [{"member": "resources.memory", "old": "256Mi", "new": "512Mi"}],
     "wheels": [{"name": "pyyaml", "change": "version",
                 "platforms": [{"platform": "linux/amd64", "old": ["6.0.2"], "new": ["6.0.3"]}],
                 "files_added": ["PyYAML-6.0.3-….whl"], "files_removed": ["PyYAML-6.0.2-….whl"]}],
     "licences": [{"name": "pyyaml", "old": ["MIT"], "new": ["BSD-3-Clause"]}],
     "signers": {"added": [], "removed": ["9F…"]}}

A member that one of both hasn't got is null there. `licences` is null where one of both tells none
of its wheels', and a distribution's is null where it isn't among the wheels, and empty where its
wheel says nothing. `signers` of a package is null where nobody who is pinned was seen to have
signed it, and the difference of signers where that is so of one of both.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from packaging.utils import canonicalize_name
from pydantic import BaseModel, ConfigDict, JsonValue

from artifacts.digest import Digest
from recipes.deployment import DeploymentConfig
from recipes.package import PackageMetadata, Wheel
from recipes.wheels import platforms_of

LARGEST_SHOWN: Final = 1 << 20
"""Bytes of a file at most for its lines to be compared."""

_MOST_LINES: Final = 20_000
_NO_NEWLINE: Final = "\\ No newline at end of file\n"
_FACTS: Final = ("summary", "license", "authors", "readme", "python", "entry", "execution")

Change = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file of a package: its sha256 in hex, its size in bytes, and its permission to run."""

    sha256: str
    size: int
    is_executable: bool


@dataclass(frozen=True, slots=True)
class Contents:
    """What is compared of a package.

    `subject` is how somebody named it; `files` are by path below its folder, and need not have
    those that both packages have alike; `empty` are folders with nothing in them. `licences` are
    what the wheels of each distribution say; None where that isn't known. `signers` are
    fingerprints of those who are pinned; None where nobody was seen to be.
    """

    subject: str
    metadata: PackageMetadata
    digest: Digest
    deployment: DeploymentConfig
    files: Mapping[str, FileFacts]
    empty: frozenset[str] = frozenset()
    licences: Mapping[str, Sequence[str]] | None = None
    signers: Sequence[str] | None = None
    read: Callable[[str], bytes] = field(default=lambda _: b"", compare=False)
    """Returns a file's bytes, for its lines to be compared."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Side(_Model):
    """One of the two packages."""

    subject: str
    name: str
    version: str
    digest: str
    signers: list[str] | None


class FileSide(_Model):
    """A file in one of them; `size` is in bytes."""

    sha256: str
    size: int
    executable: bool


class FileChange(_Model):
    """A file that differs; `patch` is a unified diff, and `unshown` why there is none."""

    path: str
    change: Change
    old: FileSide | None
    new: FileSide | None
    patch: str | None = None
    unshown: Literal["binary", "large"] | None = None


class FolderChange(_Model):
    """An empty folder that only one of them has."""

    path: str
    change: Literal["added", "removed"]


class MemberChange(_Model):
    """A member of a document that differs; null where it isn't there."""

    member: str
    old: JsonValue
    new: JsonValue


class StepChange(_Model):
    """A step that differs, by its name; `members` are those of it that differ."""

    name: str
    change: Change
    members: list[MemberChange]


class PlatformVersions(_Model):
    """The versions of a distribution that a platform gets: several where Pythons differ."""

    platform: str
    old: list[str]
    new: list[str]


class WheelChange(_Model):
    """A distribution that differs: in its version somewhere, or in the files alone."""

    name: str
    change: Literal["added", "removed", "version", "files"]
    platforms: list[PlatformVersions]
    files_added: list[str]
    files_removed: list[str]


class LicenceChange(_Model):
    """What the wheels of a distribution say of their licence; null where there is no such wheel."""

    name: str
    old: list[str] | None
    new: list[str] | None


class SignerChange(_Model):
    """Fingerprints of those who signed one of them only."""

    added: list[str]
    removed: list[str]


class Difference(_Model):
    """Everything in which two packages differ."""

    schema_version: Literal[1] = 1
    old: Side
    new: Side
    differs: bool
    files: list[FileChange]
    folders: list[FolderChange]
    metadata: list[MemberChange]
    requires: list[MemberChange]
    steps: list[StepChange]
    deployment: list[MemberChange]
    wheels: list[WheelChange]
    licences: list[LicenceChange] | None
    signers: SignerChange | None

    def count(self, change: Change) -> int:
        """Return how many files were added, removed or changed."""
        return sum(each.change == change for each in self.files)


def compare(old: Contents, new: Contents, *, with_patch: bool = False) -> Difference:
    """Compare two packages; `with_patch` compares the lines of text files too."""
    files = list(_files(old, new, with_patch=with_patch))
    folders = [
        FolderChange(path=path, change="added" if path in new.empty else "removed")
        for path in sorted(old.empty ^ new.empty)
    ]
    before, after = old.metadata.model_dump(mode="json"), new.metadata.model_dump(mode="json")
    metadata = _members({each: before[each] for each in _FACTS}, {e: after[e] for e in _FACTS})
    requires = _named(before["requires"], after["requires"])
    steps = list(_steps(before["steps"], after["steps"]))
    deployment = _members(_drawn(old.deployment), _drawn(new.deployment))
    wheels = list(_wheels(old.metadata.wheels, new.metadata.wheels))
    licences = _licences(old.licences, new.licences)
    signers = _signers(old.signers, new.signers)
    moved = signers is not None and bool(signers.added or signers.removed)
    found = (files, folders, metadata, requires, steps, deployment, wheels, licences)
    return Difference(
        old=_side(old),
        new=_side(new),
        differs=moved or any(found) or old.digest != new.digest,
        files=files,
        folders=folders,
        metadata=metadata,
        requires=requires,
        steps=steps,
        deployment=deployment,
        wheels=wheels,
        licences=licences,
        signers=signers,
    )


def difference_schema() -> dict[str, Any]:
    """Return the JSON Schema of a difference (`/schemas/difference.json`)."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:recipebox:schema:difference:v1",
        **Difference.model_json_schema(),
    }


def _side(contents: Contents) -> Side:
    return Side(
        subject=contents.subject,
        name=contents.metadata.name,
        version=contents.metadata.version,
        digest=str(contents.digest),
        signers=None if contents.signers is None else sorted(contents.signers),
    )


# --- files ---


def _files(old: Contents, new: Contents, *, with_patch: bool) -> Iterator[FileChange]:
    for path in sorted(old.files.keys() | new.files.keys()):
        before, after = old.files.get(path), new.files.get(path)
        if before == after:
            continue
        patch: str | None = None
        unshown: Literal["binary", "large"] | None = None
        if with_patch:
            patch, unshown = _patch(path, before, after, old, new)
        yield FileChange(
            path=path,
            change=_change(before, after),
            old=_file_side(before),
            new=_file_side(after),
            patch=patch,
            unshown=unshown,
        )


def _change(old: object, new: object) -> Change:
    if old is None:
        return "added"
    return "removed" if new is None else "changed"


def _file_side(facts: FileFacts | None) -> FileSide | None:
    if facts is None:
        return None
    return FileSide(sha256=facts.sha256, size=facts.size, executable=facts.is_executable)


def _patch(
    path: str, before: FileFacts | None, after: FileFacts | None, old: Contents, new: Contents
) -> tuple[str | None, Literal["binary", "large"] | None]:
    """Return what `git diff` would write of a file, or why its lines aren't compared."""
    head = _head(path, before, after)
    if before is not None and after is not None and before.sha256 == after.sha256:
        return head, None
    if any(each is not None and each.size > LARGEST_SHOWN for each in (before, after)):
        return None, "large"
    lines = [
        [] if facts is None else _lines(contents.read(path))
        for facts, contents in ((before, old), (after, new))
    ]
    if lines[0] is None or lines[1] is None:
        return None, "binary"
    if max(map(len, (lines[0], lines[1]))) > _MOST_LINES:
        return None, "large"
    names = (
        "/dev/null" if before is None else f"a/{path}",
        "/dev/null" if after is None else f"b/{path}",
    )
    drawn = difflib.unified_diff(lines[0], lines[1], *names)
    text = "".join(line if line.endswith("\n") else f"{line}\n{_NO_NEWLINE}" for line in drawn)
    return head + text, None


def _lines(data: bytes) -> list[str] | None:
    """Return the lines of a text, each with its newline; None where it is none."""
    if b"\0" in data:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    lines = text.split("\n")
    return [f"{each}\n" for each in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _head(path: str, before: FileFacts | None, after: FileFacts | None) -> str:
    lines = [f"diff --git a/{path} b/{path}"]
    if before is None and after is not None:
        lines.append(f"new file mode {_mode(after)}")
    elif after is None and before is not None:
        lines.append(f"deleted file mode {_mode(before)}")
    elif before is not None and after is not None and _mode(before) != _mode(after):
        lines += [f"old mode {_mode(before)}", f"new mode {_mode(after)}"]
    return "\n".join(lines) + "\n"


def _mode(facts: FileFacts) -> str:
    return "100755" if facts.is_executable else "100644"


# --- documents ---


def _members(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[MemberChange]:
    """Return the members that differ, those of inner objects by `outer.inner`."""
    before, after = dict(_flat(old)), dict(_flat(new))
    return [
        each
        for each in _named(before, after)
        if not _is_told_inside(each.member, each.old, after)
        and not _is_told_inside(each.member, each.new, before)
    ]


def _is_told_inside(member: str, value: object, other: Mapping[str, Any]) -> bool:
    """Whether an empty object is one that has members in the other document."""
    return value == {} and any(name.startswith(f"{member}.") for name in other)


def _named(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[MemberChange]:
    return [
        MemberChange(member=name, old=old.get(name), new=new.get(name))
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name)
    ]


def _flat(drawn: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in drawn.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _drawn(deployment: DeploymentConfig) -> dict[str, Any]:
    return deployment.model_dump(mode="json")


def _steps(
    old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]
) -> Iterator[StepChange]:
    """Yield the steps that differ; of several with one name the first is the first's, and so on."""
    before, after = _by_name(old), _by_name(new)
    for key in dict.fromkeys((*after, *before)):
        one, other = before.get(key), after.get(key)
        members = _members(one or {}, other or {})
        if one is None or other is None or members:
            yield StepChange(name=key[0], change=_change(one, other), members=members)


def _by_name(steps: Sequence[Mapping[str, Any]]) -> dict[tuple[str, int], Mapping[str, Any]]:
    found: dict[tuple[str, int], Mapping[str, Any]] = {}
    for step in steps:
        place = sum(name == step["name"] for name, _ in found)
        found[step["name"], place] = step
    return found


# --- wheels ---


def _wheels(old: Sequence[Wheel], new: Sequence[Wheel]) -> Iterator[WheelChange]:
    names = sorted({canonicalize_name(each.name) for each in (*old, *new)})
    for name in names:
        before, after = _of(name, old), _of(name, new)
        lost, gained = before.keys() - after.keys(), after.keys() - before.keys()
        if not lost and not gained:
            continue
        versions = [_versions(each.values()) for each in (before, after)]
        change: Literal["added", "removed", "version", "files"] = "files"
        if not before or not after:
            change = "removed" if before else "added"
        elif versions[0] != versions[1]:
            change = "version"
        touched = _versions([*(before[each] for each in lost), *(after[each] for each in gained)])
        yield WheelChange(
            name=name,
            change=change,
            platforms=[
                PlatformVersions(
                    platform=each,
                    old=versions[0].get(each, []),
                    new=versions[1].get(each, []),
                )
                for each in touched
            ],
            files_added=sorted(filename for filename, _ in gained),
            files_removed=sorted(filename for filename, _ in lost),
        )


def _of(name: str, wheels: Sequence[Wheel]) -> dict[tuple[str, str], Wheel]:
    return {
        (each.filename, each.sha256): each
        for each in wheels
        if canonicalize_name(each.name) == name
    }


def _versions(wheels: Iterable[Wheel]) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for each in wheels:
        for platform in platforms_of([each]):
            found.setdefault(platform, set()).add(each.version)
    return {platform: sorted(found[platform]) for platform in sorted(found)}


def _licences(
    old: Mapping[str, Sequence[str]] | None, new: Mapping[str, Sequence[str]] | None
) -> list[LicenceChange] | None:
    if old is None or new is None:
        return None
    return [
        LicenceChange(name=name, old=_sorted(old.get(name)), new=_sorted(new.get(name)))
        for name in sorted(old.keys() | new.keys())
        if _sorted(old.get(name)) != _sorted(new.get(name))
    ]


def _sorted(said: Sequence[str] | None) -> list[str] | None:
    return None if said is None else sorted(set(said))


def _signers(old: Sequence[str] | None, new: Sequence[str] | None) -> SignerChange | None:
    if old is None or new is None:
        return None
    return SignerChange(added=sorted(set(new) - set(old)), removed=sorted(set(old) - set(new)))
