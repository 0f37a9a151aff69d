"""deployment_config.yaml: what is valid, what it means, and where what isn't is."""

import sys
import zoneinfo
from collections.abc import Iterator
from pathlib import Path

import pytest

from recipes.deployment import DeploymentConfig, searched_for_secrets
from recipes.errors import InvalidDeploymentConfig

BOMB = b"""
a: &a [1,1,1,1,1,1,1,1,1]
b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]
c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]
d: [*c,*c,*c,*c,*c,*c,*c,*c,*c]
"""
EVERYTHING = b"""\
schema_version: 1
kind: service
timeout_seconds: 30
resources: {cpu: "2", memory: 1Gi, scratch: 64Mi}
network:
  - {host: db.example.com, ports: [5432]}
  - {host: 10.0.0.0/8, ports: [443, 8443]}
secrets: [DB_PASSWORD]
configuration:
  REGION: {type: string, default: eu, description: Where from}
  LIMIT: {type: integer, default: 3}
  RATE: {type: number, default: 1}
  LOUD: {type: boolean, default: false}
  DAY: {type: string}
ports: [{name: web, port: 8081}]
health: {path: /alive, failures: 5}
scale: {min: 2, max: 5, cpu_percent: 70, parallel: 4}
ingress: {host: etl.example.com, path: /etl, class_name: nginx, tls_secret: etl-tls}
disruption: {min_available: 1}
"""


def test_a_file_of_before_is_valid_and_a_job() -> None:
    config = DeploymentConfig.from_bytes(
        b"schema_version: 1\nkind: job\nresources: {cpu: 500m, memory: 256Mi}\nnetwork: none\n"
        b"secrets: []\nconfiguration: {}\n"
    )

    assert config == DeploymentConfig() == DeploymentConfig.from_bytes(b"schema_version: 1\n")
    assert (config.kind, config.needs_network, config.environment) == ("job", False, {})


def test_everything_that_can_be_said_comes_back() -> None:
    config = DeploymentConfig.from_bytes(EVERYTHING)

    assert DeploymentConfig.from_bytes(config.to_bytes()) == config
    assert config.needs_network
    assert config.port.port == 8081
    assert config.environment == {"LIMIT": "3", "LOUD": "false", "RATE": "1", "REGION": "eu"}


def test_a_default_says_nothing_of_other_kinds() -> None:
    assert b"schedule" not in DeploymentConfig().to_bytes()
    assert b"ports" not in DeploymentConfig().to_bytes()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: jobb", "2:1: kind: Input should be 'job', 'cronjob' or 'service'"),
        ("netwrok: none", "2:1: netwrok: unknown; did you mean 'network'?"),
        ("xyz: 1", "2:1: xyz: unknown (known are schema_version, kind, schedule,"),
        ("resources: {cpu: lots}", "2:13: resources.cpu: 'lots' does not look as it must"),
        ("resources: {cpu: 1}", "2:13: resources.cpu: Input should be a valid string"),
        ("resources:\n  mem: 1Gi", "3:3: resources.mem: unknown; did you mean 'memory'?"),
        ("kind: cronjob", "2:1: kind: a cronjob needs a schedule"),
        ("schedule: '@daily'", "2:1: schedule: only a cronjob has it, and this is a job"),
        ("kind: cronjob\nschedule: 0 0 31 4 *", "3:1: schedule: '0 0 31 4 *' never comes"),
        ("ports: [{port: 8080}]", "2:1: ports: only a service has it"),
        ("kind: service\nports: [{port: 80}]", "3:10: ports.0.port: Input should be greater"),
        ("kind: service\nretries: 1", "3:1: retries: a service runs once for each request"),
        ("kind: service\nscale: {min: 3, max: 2}", "3:17: scale.max: 2 is less than min"),
        ("kind: service\ndisruption: {}", "3:1: disruption: give one of max_unavailable"),
        ("kind: service\ningress: {host: 'a b'}", "3:11: ingress.host: 'a b' is not a host"),
        ("network: all", "2:1: network: 'all' is neither 'none', 'egress', nor a list"),
        ("network: 3", "2:1: network: 3 is neither"),
        ("network: []", "2:1: network: List should have at least 1 item"),
        ("network:\n  - {host: db, ports: []}", "3:16: network.0.ports: List should have"),
        ("network: [{host: 10.0.0.1/8, ports: [1]}]", "2:12: network.0.host: '10.0.0.1/8' is"),
        ("network: [{hots: db, ports: [1]}]", "2:12: network.0.hots: unknown; did you mean 'host'"),
        ("secrets: [A, 'B!']", "2:14: secrets.1: 'B!' does not look as it must"),
        ("secrets: [A]\nconfiguration: {A: {type: string}}", "2:1: secrets: A is in configuration"),
        ("configuration: {'a b': {type: string}}", "2:17: configuration.a b: 'a b' does not look"),
        (
            "configuration:\n  A: {type: integer, default: '3'}",
            "3:22: configuration.A.default: '3' is not of the type integer",
        ),
        (
            "configuration:\n  A: {type: integer, default: true}",
            "3:22: configuration.A.default: True is not of the type integer",
        ),
        (
            'configuration:\n  A: {type: string, default: "a\\nb"}',
            "3:21: configuration.A.default: a default is one line",
        ),
        ("kind: job\nkind: job", "3:1: the key 'kind' stands twice"),
        ("1: job", "2:1: the key '1' is not a text"),
        ("a: [", "3:1: not YAML: "),
        ("a: &x [*x]", "2:4: nested more than 20 deep"),
        ("a: !!python/name:os.system x", "2:4: 'x' can't be read"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, said: str) -> None:
    with pytest.raises(InvalidDeploymentConfig) as refused:
        DeploymentConfig.from_bytes(f"schema_version: 1\n{text}\n".encode(), "x.yaml")

    assert str(refused.value).startswith("x.yaml is not valid: ")
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "name",
    [
        "PATH", "PYTHONPATH", "PYTHONHASHSEED", "LD_PRELOAD", "HOME", "TMPDIR", "RECIPEBOX_METRICS",
    ],
)  # fmt: skip
def test_a_reserved_variable_is_refused_with_its_place(name: str) -> None:
    said = f"{name} is reserved: it says "
    for text, place in (
        (f"configuration:\n  {name}: {{type: string}}", f"3:3: configuration.{name}: "),
        (f"secrets: [A, {name}]", "2:14: secrets.1: "),
    ):
        data = f"schema_version: 1\n{text}\n".encode()
        with pytest.raises(InvalidDeploymentConfig) as refused:
            DeploymentConfig.from_bytes(data)
        assert f"{place}{said}" in str(refused.value)
        assert f"another name, such as APP_{name}" in str(refused.value)
        assert DeploymentConfig.from_bytes(data, is_of_release=True)


@pytest.fixture
def zones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine with the time zones of Vienna and Omsk, without the package tzdata."""
    monkeypatch.setitem(sys.modules, "tzdata", None)
    for name in ("Europe/Vienna", "Asia/Omsk"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"TZif2")
    zoneinfo.reset_tzpath([str(tmp_path)])
    yield tmp_path
    zoneinfo.reset_tzpath()


@pytest.mark.usefixtures("zones")
@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("Europe/Wien", "'Europe/Wien'; did you mean 'Europe/Vienna'?"),
        ("europe/vienna", "'europe/vienna'; did you mean 'Europe/Vienna'?"),
        ("Mars/Olympus", "'Mars/Olympus'; give one such as 'Europe/Vienna'"),
    ],
)
def test_a_time_zone_that_there_is_not_is_refused_with_the_nearest(zone: str, said: str) -> None:
    data = f"schema_version: 1\nkind: cronjob\nschedule: 0 0 * * *\ntime_zone: {zone}\n".encode()

    with pytest.raises(InvalidDeploymentConfig) as refused:
        DeploymentConfig.from_bytes(data)
    assert f"4:1: time_zone: there is no time zone {said}" in str(refused.value)
    assert DeploymentConfig.from_bytes(data, is_of_release=True).time_zone == zone


@pytest.mark.usefixtures("zones")
def test_a_time_zone_that_there_is_is_taken() -> None:
    config = DeploymentConfig.from_bytes(
        b"schema_version: 1\nkind: cronjob\nschedule: 0 0 * * *\ntime_zone: Europe/Vienna\n"
    )
    assert config.time_zone == "Europe/Vienna"


def test_a_machine_without_time_zones_takes_any(zones: Path) -> None:
    zoneinfo.reset_tzpath([str(zones / "nothing")])

    config = DeploymentConfig.from_bytes(
        b"schema_version: 1\nkind: cronjob\nschedule: 0 0 * * *\ntime_zone: Mars/Olympus\n"
    )
    assert config.time_zone == "Mars/Olympus"


def test_what_only_looks_reserved_is_taken() -> None:
    config = DeploymentConfig.from_bytes(
        b"schema_version: 1\nsecrets: [RECIPEBOX_SERVE_TOKEN]\n"
        b"configuration: {MY_PATH: {type: string}, path: {type: string}, HOME_URL: {type: string}}"
    )
    assert sorted(config.configuration) == ["HOME_URL", "MY_PATH", "path"]
    with pytest.raises(InvalidDeploymentConfig, match="RECIPEBOX_SERVE_TOKEN is reserved"):
        DeploymentConfig.from_bytes(
            b"schema_version: 1\nconfiguration: {RECIPEBOX_SERVE_TOKEN: {type: string}}"
        )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not an object"),
        (b"- a", "not an object"),
        (b"kind: job", "schema_version is None; this Recipebox understands 1"),
        (b"schema_version: 2", "1:1: schema_version: schema_version is 2"),
        (b"schema_version: true", "schema_version is True"),
        (b"schema_version: 1\nkind: j\xf6b", "2:8: not UTF-8"),
        (b"schema_version: 1 # " + b"x" * (1 << 16), "larger than 65536 bytes"),
        (b"\x07", "not YAML"),
        (
            BOMB,
            "more than 5000 values",
        ),
    ],
)
def test_what_is_no_such_file_is_said(data: bytes, said: str) -> None:
    with pytest.raises(InvalidDeploymentConfig) as refused:
        DeploymentConfig.from_bytes(data)

    assert said in str(refused.value)


def test_every_problem_is_said_in_the_order_of_lines() -> None:
    with pytest.raises(InvalidDeploymentConfig) as refused:
        DeploymentConfig.from_bytes(b"schema_version: 1\nretries: -1\nkind: x\nnetwork: all\n")

    assert [(each.line, each.key) for each in refused.value.found] == [
        (2, "retries"), (3, "kind"), (4, "network"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a: \xe4\ningress: {tls_secret: etl, path: /}",
         "a: \xe4\ningress: {tls_secret:    , path: /}"),
        ("ingress:\n  tls_secret: 'etl' # x", "ingress:\n  tls_secret:       # x"),
        ('\ufeffingress: {tls_secret: "a.b"}', "ingress: {tls_secret:      }"),
    ],
)  # fmt: skip
def test_the_name_of_a_secret_is_blank_for_who_looks_for_one(before: str, after: str) -> None:
    assert searched_for_secrets(before.encode()) == (after.encode(),)


@pytest.mark.parametrize(
    "text",
    [
        "- tls_secret: a",
        "ingress: [tls_secret]",
        "ingress: {path: /}",
        "tls_secret: a",
        "configuration: {tls_secret: a}",
        "ingress: {tls_secret: S3cr3t_Word}",  # nothing that Kubernetes could call one
        "ingress: {tls_secret: [a]}",
        "a: {b_secret: &x hunter2}\ningress: {tls_secret: *x}",
        "ingress: {tls_secret: &x hunter2}\na: *x",
        "ingress: {tls_secret: a",
        "ingress: {tls_secret: a} #" + "x" * (1 << 16),
    ],
)
def test_all_else_is_searched_as_it_is(text: str) -> None:
    assert searched_for_secrets(text.encode()) == (text.encode(),)
