"""deployment_config.yaml: what a deployment of a recipe needs; all that is generated comes from it.

::

    schema_version: 1
    kind: cronjob                   # job, or service: runs the recipe at each POST /run
    schedule: 30 2 * * MON-FRI      # of a cronjob, see recipes/schedule.py
    time_zone: Europe/Vienna
    concurrency: forbid             # allow, replace: when the last run isn't done yet
    timeout_seconds: 3600           # of one run
    retries: 0                      # of a job or cronjob that failed
    resources: {cpu: 500m, memory: 256Mi, scratch: 1Gi}
    network: none                   # egress (all of it), or what may be reached:
                                    # [{host: db.example.com, ports: [5432]}]
    secrets: [DATABASE_PASSWORD]    # names of variables; values are the deployment's
    configuration:                  # variables, too; without a default the deployment must give one
      REGION: {type: string, default: eu, description: Where it loads from}
    # of a service:
    ports: [{name: http, port: 8080}]
    health: {path: /healthz, period_seconds: 10, timeout_seconds: 2, failures: 3}
    scale: {min: 1, max: 3, cpu_percent: 80, parallel: 1}
    ingress: {host: etl.example.com, path: /, class_name: nginx, tls_secret: etl-tls}
    disruption: {max_unavailable: 1}

Everything but `schema_version` has a default. Errors name the file, the line and the column.
"""

import difflib
import ipaddress
import json
import re
import zoneinfo
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal, Self

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from recipes.errors import ConfigProblem, InvalidDeploymentConfig
from recipes.schedule import Schedule

FILE_NAME: Final = "deployment_config.yaml"
SCHEMA_VERSION: Final = 1
LARGEST: Final = 64 * 1024
"""Bytes of the file."""

MOST_VALUES: Final = 5_000
"""Values in the file, aliases expanded: what stops a YAML bomb."""

DEEPEST: Final = 20
"""How deep values may be nested."""

DEFAULT_PORT: Final = 8080

_HOST = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*"
)
_SECRET_NAME = re.compile(r"""(["']?)[a-z0-9][-a-z0-9.]{0,252}\1""")
_OF_SERVICE = ("ports", "health", "scale", "ingress", "disruption")
_OF_CRONJOB = ("schedule", "time_zone", "concurrency")


_RESERVED: Final[Mapping[str, str]] = {
    r"PATH": "where programs such as python3 are found",
    r"PYTHON.*": "how Python itself runs",
    r"LD_.*": "which libraries every program loads",
    r"HOME|TMPDIR": "where a run may write, which the deployment sets itself",
    r"RECIPEBOX_.*": "how Recipebox's own programs run",
}
_SERVE_TOKEN = "RECIPEBOX_SERVE_TOKEN"  # noqa: S105 - the name of a variable, for serve_recipe.py


def _check_variable(name: str, info: ValidationInfo) -> str:
    if _is_of_release(info):
        return name
    for pattern, meaning in _RESERVED.items():
        if re.fullmatch(pattern, name):
            raise ValueError(
                f"{name} is reserved: it says {meaning}; give the recipe's variable another name,"
                f" such as APP_{name}"
            )
    return name


def _check_secret(name: str, info: ValidationInfo) -> str:
    return name if name == _SERVE_TOKEN else _check_variable(name, info)


def _is_of_release(info: ValidationInfo) -> bool:
    """Whether it was published: then it runs on, whatever this Recipebox or machine would say."""
    return isinstance(info.context, Mapping) and bool(info.context.get("is_of_release"))


def _check_schedule(text: str) -> str:
    Schedule.parse(text)
    return text


def _check_time_zone(text: str, info: ValidationInfo) -> str:
    known = zoneinfo.available_timezones()  # none where the machine has no tzdata
    if known and text not in known and not _is_of_release(info):
        near = difflib.get_close_matches(text, sorted(known), 1)
        hint = f"did you mean {near[0]!r}?" if near else "give one such as 'Europe/Vienna'"
        raise ValueError(f"there is no time zone {text!r}; {hint}")
    return text


def _check_host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ValueError(f"{text!r} is not a host's name, such as db.example.com")
    return text


def _check_reachable(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        if _HOST.fullmatch(text) and not re.fullmatch(r"[\d.]+", text):
            return text
        raise ValueError(
            f"{text!r} is neither a host's name, such as db.example.com, nor an address or network,"
            f" such as 10.0.0.0/8"
        ) from error
    return text


def _conflict(at: str, said: str) -> PydanticCustomError:
    """Return the error of two members that don't go together; `at` is the one to look at."""
    return PydanticCustomError("conflict", "{said}", {"said": said, "at": at})


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


_Quantity = Annotated[str, Field(pattern=r"^[1-9]\d*(Ki|Mi|Gi)$")]
_Path = Annotated[str, Field(pattern=r"^/[A-Za-z0-9._~/-]*$")]
_ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")]
_Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$", max_length=253)]
_TimeZone = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$"),
    AfterValidator(_check_time_zone),
]
_PortNumber = Annotated[int, Field(ge=1, le=65535)]


class Resources(_Model):
    """What a run may use: `cpu`, `memory`, and `scratch` in /tmp, in Kubernetes' notation."""

    cpu: Annotated[str, Field(pattern=r"^[1-9]\d*m?$")] = "500m"
    memory: _Quantity = "256Mi"
    scratch: _Quantity = "1Gi"


class Setting(_Model):
    """A variable that a deployment may give: its type, and what it is when not given."""

    type: Literal["string", "integer", "number", "boolean"]
    default: str | int | float | bool | None = None
    description: str = ""

    @model_validator(mode="after")
    def _default_of_type(self) -> Self:
        kinds: dict[str, tuple[type, ...]] = {
            "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,),
        }  # fmt: skip
        is_boolean = isinstance(self.default, bool)
        if self.default is not None and (
            not isinstance(self.default, kinds[self.type]) or is_boolean != (self.type == "boolean")
        ):
            raise _conflict("default", f"{self.default!r} is not of the type {self.type}")
        if isinstance(self.default, str) and not self.default.isprintable():
            raise _conflict("default", "a default is one line, without control characters")
        return self

    @property
    def text(self) -> str | None:
        """The default as the text of an environment variable; None where there is none."""
        if isinstance(self.default, bool):
            return "true" if self.default else "false"
        return None if self.default is None else str(self.default)


class Destination(_Model):
    """What may be reached: a host's name, an address or a network, at `ports` over TCP."""

    host: Annotated[str, AfterValidator(_check_reachable)]
    ports: Annotated[list[_PortNumber], Field(min_length=1)]


class Port(_Model):
    """Where a service listens; below 1024 only root may."""

    name: Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]{0,13}[a-z0-9])?$")] = "http"
    port: Annotated[int, Field(ge=1024, le=65535)] = DEFAULT_PORT


class Health(_Model):
    """How a service is asked if it lives: GET `path` each period; so many failures end it."""

    path: _Path = "/healthz"
    period_seconds: Annotated[int, Field(ge=1, le=3600)] = 10
    timeout_seconds: Annotated[int, Field(ge=1, le=600)] = 2
    failures: Annotated[int, Field(ge=1, le=100)] = 3


class Scale(_Model):
    """How many replicas of a service there are, and how many runs each takes at once.

    Above `min` there are more when the CPUs are busier than `cpu_percent` of what was asked for.
    """

    min: Annotated[int, Field(ge=1, le=1000)] = 1
    max: Annotated[int, Field(ge=1, le=1000)] | None = None
    cpu_percent: Annotated[int, Field(ge=1, le=100)] = 80
    parallel: Annotated[int, Field(ge=1, le=64)] = 1

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max is not None and self.max < self.min:
            raise _conflict("max", f"{self.max} is less than min, which is {self.min}")
        return self


class Ingress(_Model):
    """How a service is reached from outside of the cluster."""

    host: Annotated[str, AfterValidator(_check_host)]
    path: _Path = "/"
    class_name: _ObjectName | None = None
    tls_secret: _ObjectName | None = None


class Disruption(_Model):
    """How many replicas may be missing, or must be there, while nodes are drained."""

    max_unavailable: Annotated[int, Field(ge=1)] | None = None
    min_available: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.max_unavailable is None) == (self.min_available is None):
            raise _conflict("", "give one of max_unavailable and min_available")
        return self


class DeploymentConfig(_Model):
    """deployment_config.yaml, as recipes/deployment.py draws it."""

    schema_version: Literal[1] = 1
    kind: Literal["job", "cronjob", "service"] = "job"
    schedule: Annotated[str, AfterValidator(_check_schedule)] | None = None
    time_zone: _TimeZone | None = None
    concurrency: Literal["forbid", "allow", "replace"] | None = None
    timeout_seconds: Annotated[int, Field(ge=1, le=7 * 24 * 3600)] = 3600
    retries: Annotated[int, Field(ge=0, le=100)] = 0
    resources: Resources = Field(default_factory=Resources)
    network: Literal["none", "egress"] | Annotated[list[Destination], Field(min_length=1)] = "none"
    secrets: list[Annotated[_Variable, AfterValidator(_check_secret)]] = Field(default_factory=list)
    configuration: dict[Annotated[_Variable, AfterValidator(_check_variable)], Setting] = Field(
        default_factory=dict
    )
    ports: Annotated[list[Port], Field(min_length=1, max_length=1)] | None = None
    health: Health | None = None
    scale: Scale | None = None
    ingress: Ingress | None = None
    disruption: Disruption | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.kind == "cronjob" and self.schedule is None:
            raise _conflict("kind", "a cronjob needs a schedule, such as '30 2 * * *'")
        for kind, names in (("cronjob", _OF_CRONJOB), ("service", _OF_SERVICE)):
            for name in names:
                if self.kind != kind and getattr(self, name) is not None:
                    raise _conflict(name, f"only a {kind} has it, and this is a {self.kind}")
        if self.kind == "service" and self.retries:
            raise _conflict("retries", "a service runs once for each request; who asked may retry")
        for name in self.secrets:
            if name in self.configuration:
                raise _conflict("secrets", f"{name} is in configuration, too; it is one of both")
        return self

    @property
    def port(self) -> Port:
        """Where a service listens."""
        return self.ports[0] if self.ports else Port()

    @property
    def needs_network(self) -> bool:
        """Whether a run reaches anything but itself."""
        return self.network != "none"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that have a default, as texts, by name."""
        found = {name: each.text for name, each in sorted(self.configuration.items())}
        return {name: text for name, text in found.items() if text is not None}

    def to_bytes(self) -> bytes:
        """Return the document as YAML, members in the order of the drawing."""
        drawn = self.model_dump(mode="json", exclude_none=True)
        text: str = yaml.safe_dump(drawn, sort_keys=False, width=1000)
        return text.encode()

    @classmethod
    def from_bytes(cls, data: bytes, what: str = FILE_NAME, *, is_of_release: bool = False) -> Self:
        """Read one; `what` names it in errors.

        That of a release may have reserved variables, and a time zone unknown to this machine.

        Raises:
            InvalidDeploymentConfig: not YAML, of a newer schema, or outside of the schema; each
                problem has its line and column.
        """
        document = _Document(what, data)
        drawn = document.plain()
        version = drawn.get("schema_version")
        if version != SCHEMA_VERSION or isinstance(version, bool):
            said = f"schema_version is {version!r}; this Recipebox understands {SCHEMA_VERSION}"
            raise document.wrong([(("schema_version",), said)])
        try:
            return cls.model_validate(drawn, context={"is_of_release": is_of_release})
        except ValidationError as error:
            raise document.wrong(_problems(error)) from error


_Location = tuple[str | int, ...]


def _problems(error: ValidationError) -> Iterator[tuple[_Location, str]]:
    """Yield where each problem is and what it is; of a choice, the branch that was meant."""
    for problem in error.errors(include_url=False):
        context = problem.get("ctx", {})
        location = tuple(
            part
            for part in problem["loc"]
            if isinstance(part, int) or not re.search(r"[\[(]|^literal", part)
        )
        said = problem["msg"].removeprefix("Value error, ")
        if location == ("network",):
            if not isinstance(problem["input"], list):
                if problem["type"] != "literal_error":
                    continue
                said = f"{problem['input']!r} is neither 'none', 'egress', nor a list of hosts"
            elif problem["type"] == "literal_error":
                continue
        elif problem["type"] == "extra_forbidden":
            said = _unknown(location)
        elif problem["type"] == "string_pattern_mismatch":
            said = f"{problem['input']!r} does not look as it must ({context['pattern']})"
        if problem["type"] == "conflict" and context.get("at"):
            location = (*location, context["at"])
        yield location, said


def _unknown(location: _Location) -> str:
    """Say that nothing of this name is known there, and what is nearest."""
    known = _members(location[:-1])
    near = difflib.get_close_matches(str(location[-1]), known, 1)
    hint = f"; did you mean {near[0]!r}?" if near else f" (known are {', '.join(known)})"
    return f"unknown{hint}"


def _members(location: _Location) -> list[str]:
    inside: Mapping[str, type[BaseModel]] = {
        "resources": Resources,
        "configuration": Setting,
        "network": Destination,
        "ports": Port,
        "health": Health,
        "scale": Scale,
        "ingress": Ingress,
        "disruption": Disruption,
    }
    model = inside[str(location[0])] if location else DeploymentConfig
    return list(model.model_fields)


def searched_for_secrets(data: bytes) -> tuple[bytes, ...]:
    """Return what of a document, UTF-8, is to be searched for secrets; each on its own line.

    The first is the document with spaces for `ingress.tls_secret`, which is the name of a secret;
    all else stays where it is, by line and column. The others are the defaults of `configuration`,
    as `NAME: "default"` for who looks at one line after the other, with the line above. What isn't
    such a document comes back as it is.
    """
    try:
        text = data.decode("utf-8-sig")
        node = yaml.SafeLoader(text).get_single_node() if len(data) <= LARGEST else None
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError):
        return (data,)  # who reads it says what is wrong
    blank = text
    ingress = _member(node, "ingress")
    named = _member(ingress and ingress[1], "tls_secret")
    if named is not None:
        start, end = named[1].start_mark.index, named[1].end_mark.index
        is_here = start >= named[0].end_mark.index  # and no alias of what is elsewhere
        if is_here and _SECRET_NAME.fullmatch(text[start:end]):
            blank = text[:start] + " " * (end - start) + text[end:]
    return (blank.encode(), *_searched_defaults(blank, node))


def _searched_defaults(text: str, document: yaml.Node | None) -> Iterator[bytes]:
    settings = _member(document, "configuration")
    lines = text.split("\n")
    for key, setting in _members_of(settings and settings[1]):
        default = _member(setting, "default")
        if default is None or default[1].tag != "tag:yaml.org,2002:str":
            continue  # numbers are counts and sizes
        line = text.count("\n", 0, default[0].start_mark.index)
        comment = text[default[1].end_mark.index :].partition("\n")[0]  # it may allow a secret
        above = lines[line - 1] if line else ""
        asked = f"{key.value}: {json.dumps(default[1].value, ensure_ascii=False)} {comment}\n"
        yield ("\n" * (line - 1) + (f"{above}\n" if line else "") + asked).encode()


def _members_of(node: yaml.Node | None) -> list[tuple[yaml.Node, yaml.Node]]:
    return list(node.value) if isinstance(node, yaml.MappingNode) else []


def _member(node: yaml.Node | None, name: str) -> tuple[yaml.Node, yaml.Node] | None:
    """Return a mapping's key of that name, and its value."""
    return next((each for each in _members_of(node) if each[0].value == name), None)


class _Document:
    """A YAML text whose values know their places."""

    def __init__(self, what: str, data: bytes) -> None:
        self._what = what
        self._values = 0
        if len(data) > LARGEST:
            raise self._refused(f"it is larger than {LARGEST} bytes")
        try:
            self._node = yaml.SafeLoader(data.decode("utf-8-sig")).get_single_node()
        except UnicodeDecodeError as error:
            line = data[: error.start].count(b"\n") + 1
            raise self._refused(
                "not UTF-8", line, error.start - data.rfind(b"\n", 0, error.start)
            ) from error
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            said = error.problem or error.context or "it can't be read"
            place = (mark.line + 1, mark.column + 1) if mark else ()
            raise self._refused(f"not YAML: {said}", *place) from error
        except (yaml.YAMLError, RecursionError) as error:
            raise self._refused(f"not YAML: {error}") from error

    def plain(self) -> dict[str, Any]:
        """Return what it says.

        Raises:
            InvalidDeploymentConfig: not a mapping; a key twice; a tag; too many values.
        """
        if not isinstance(self._node, yaml.MappingNode):
            raise self._refused("not an object: expected schema_version: 1, and so on")
        found: dict[str, Any] = self._plain(self._node)
        return found

    def _plain(self, node: yaml.Node, depth: int = 0) -> Any:
        self._values += 1
        if depth > DEEPEST:
            raise self._refused(f"nested more than {DEEPEST} deep", *_place(node))
        if self._values > MOST_VALUES:
            raise self._refused(f"more than {MOST_VALUES} values", *_place(node))
        if isinstance(node, yaml.MappingNode):
            return {
                key: self._plain(value, depth + 1) for key, value in self._members(node).items()
            }
        if isinstance(node, yaml.SequenceNode):
            return [self._plain(each, depth + 1) for each in node.value]
        if node.tag == "tag:yaml.org,2002:timestamp":
            return node.value
        try:
            return yaml.constructor.SafeConstructor().construct_object(node)
        except (ValueError, yaml.YAMLError) as error:
            raise self._refused(f"{node.value[:40]!r} can't be read", *_place(node)) from error

    def _members(self, node: yaml.MappingNode) -> dict[str, yaml.Node]:
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                raise self._refused(f"the key {str(key.value)[:40]!r} is not a text", *_place(key))
            if key.value in found:
                raise self._refused(f"the key {key.value!r} stands twice", *_place(key))
            found[key.value] = value
        return found

    def wrong(
        self, problems: "Iterator[tuple[_Location, str]] | list[tuple[_Location, str]]"
    ) -> InvalidDeploymentConfig:
        """Return the error of these problems, each with the place of its location."""
        drawn = [
            ConfigProblem(".".join(map(str, location)), said, *self._find(location))
            for location, said in problems
        ]
        return InvalidDeploymentConfig(
            self._what, sorted(drawn, key=lambda each: (each.line or 0, each.column or 0))
        )

    def _find(self, location: _Location) -> tuple[int | None, int | None]:
        """Return the place of a location's key, or of the innermost that is there."""
        node = self._node
        place: tuple[int | None, int | None] = (None, None)
        for part in location:
            if isinstance(node, yaml.MappingNode):
                found = [(key, value) for key, value in node.value if key.value == part]
                if not found:
                    break
                place, node = _place(found[0][0]), found[0][1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
                node = node.value[part]
                place = _place(node)
            else:
                break
        return place

    def _refused(
        self, said: str, line: int | None = None, column: int | None = None
    ) -> InvalidDeploymentConfig:
        return InvalidDeploymentConfig(self._what, [ConfigProblem("", said, line, column)])


def _place(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1
