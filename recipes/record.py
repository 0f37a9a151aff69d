"""The record of a run: what ran, on what, with which steps, how long, and how it ended.

::

    {"schema_version": 1,
     "package": {"name": "team/etl", "version": "1.2.3", "digest": "sha256:…", "signers": ["9F…"]},
     "runner": "bundled", "environment": "4be1…", "python": "3.11", "platform": "linux/amd64",
     "only": null, "set": ["load.day"], "env": [],
     "started": "2026-01-02T03:04:05.678Z", "ended": "…", "seconds": 1.25,
     "exit_code": 0,
     "steps": [{"idx": 1, "name": "load", "exit_code": 0, "seconds": 1.2}],
     "context": {"rows": 7},
     "attempts": [{"exit_code": 0, "seconds": 1.21, "timed_out": false}]}

Of `--set` and `--env` only the names are recorded: a value may be a secret. `digest` and `signers`
are what was verified before the run, and null and empty where nothing was.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from recipes.package import Name, VersionText

_TIME = "%Y-%m-%dT%H:%M:%S.%f"
_STAMP = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"

Stamp = Annotated[str, Field(pattern=_STAMP)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class RunPackage(_Model):
    """What ran; `digest` is of the release's manifest."""

    name: Name
    version: VersionText
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")] | None = None
    signers: list[str] = Field(default_factory=list)


class RunStep(_Model):
    """A step that ran to its end, in `seconds` where its runner says that."""

    idx: int
    name: str
    exit_code: int
    seconds: float | None = None


class RunAttempt(_Model):
    """A try of the whole recipe; `timed_out` is whether its timeout ended it."""

    exit_code: int
    seconds: float
    timed_out: bool


class RunRecord(_Model):
    """One run; `environment` is the hash of its wheels, as the cache has them.

    `steps` and `context` are those of the last of `attempts`.
    """

    schema_version: Literal[1] = 1
    package: RunPackage
    runner: Literal["bundled", "checkout"]
    environment: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None
    python: str
    platform: str
    only: list[str] | None = None
    set: list[str] = Field(default_factory=list)
    env: list[str] = Field(default_factory=list)
    started: Stamp
    ended: Stamp
    seconds: Annotated[float, Field(ge=0)]
    exit_code: Annotated[int, Field(ge=0, le=255)]
    steps: list[RunStep] = Field(default_factory=list)
    context: dict[str, JsonValue] = Field(default_factory=dict)
    attempts: list[RunAttempt] = Field(default_factory=list)

    def to_text(self) -> str:
        """Return the record as a JSON document for people and programs."""
        return self.model_dump_json(indent=2) + "\n"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read a record.

        Raises:
            pydantic.ValidationError: it isn't one, or of another schema version.
        """
        return cls.model_validate_json(text)


def stamp(moment: datetime) -> str:
    """Return an aware moment as records have it: UTC, RFC 3339, with milliseconds."""
    return moment.astimezone(UTC).strftime(_TIME)[:-3] + "Z"


def record_schema() -> dict[str, Any]:
    """Return the JSON Schema of a run's record (`/schemas/run_record.json`)."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:recipebox:schema:run_record:v1",
        **RunRecord.model_json_schema(),
    }
