"""What is drawn from a configuration: which files, what is in them, and always the same bytes."""

import json
import re
from typing import Any

import pytest
import yaml

from recipes.render.monitoring import EMITTED
from recipes.render.subject import Subject
from recipes.render.tree import draw
from tests.subjects import CRONJOB, KINDS, SERVICE, a_subject

ALWAYS = {
    *("containers/Dockerfile", "containers/docker-compose.yml", "containers/install_wheels.py"),
    *("containers/k8s/networkpolicy.yaml", "containers/k8s/serviceaccount.yaml"),
    *("monitoring/prometheus.yml", "monitoring/alerts.yaml", "monitoring/grafana_dashboard.json"),
    *("ci-cd/github-actions.yml", "ci-cd/gitlab-ci.yml", "ci-cd/deployment_pipeline.py"),
}


def k8s(subject: Subject, name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(draw(subject)[f"containers/k8s/{name}.yaml"])
    return found


def pod(subject: Subject, name: str) -> dict[str, Any]:
    spec = k8s(subject, name)["spec"]
    found: dict[str, Any] = spec.get("jobTemplate", {"spec": spec})["spec"]["template"]["spec"]
    return found


class TestWhichFiles:
    def test_a_job(self) -> None:
        assert set(draw(a_subject())) == ALWAYS | {"containers/k8s/job.yaml"}

    def test_a_cronjob(self) -> None:
        assert set(draw(a_subject(**CRONJOB))) == ALWAYS | {"containers/k8s/cronjob.yaml"}

    def test_a_service_has_no_more_than_it_needs(self) -> None:
        assert set(draw(a_subject(kind="service"))) == ALWAYS | {
            *("containers/serve_recipe.py",),
            *("containers/k8s/deployment.yaml", "containers/k8s/service.yaml"),
        }

    def test_a_service_that_wants_everything(self) -> None:
        assert set(draw(a_subject(**SERVICE))) - ALWAYS == {
            "containers/serve_recipe.py",
            *(
                f"containers/k8s/{name}.yaml"
                for name in (
                    "deployment", "service", "ingress", "configmap", "poddisruptionbudget",
                    "horizontalpodautoscaler",
                )
            ),
        }  # fmt: skip


class TestKubernetes:
    @pytest.mark.parametrize("kind", KINDS)
    def test_every_pod_is_restricted(self, kind: str) -> None:
        subject = a_subject(**KINDS[kind])
        name = {"service": "deployment", "plain-service": "deployment"}.get(kind, kind)
        spec = pod(subject, name)
        (container,) = spec["containers"]

        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 65532
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        assert [each["mountPath"] for each in container["volumeMounts"]] == ["/tmp"]
        assert "emptyDir" in spec["volumes"][0]

    def test_a_job_without_a_network_reaches_nothing(self) -> None:
        spec = k8s(a_subject(), "networkpolicy")["spec"]
        assert (spec["ingress"], spec["egress"]) == ([], [])
        assert spec["policyTypes"] == ["Ingress", "Egress"]

    def test_egress_is_all_of_it(self) -> None:
        assert k8s(a_subject(**CRONJOB), "networkpolicy")["spec"]["egress"] == [{}]

    def test_named_hosts_are_let_by_their_ports_and_networks_by_their_address(self) -> None:
        subject = a_subject(**SERVICE)
        spec = k8s(subject, "networkpolicy")["spec"]
        ports = [[port["port"] for port in rule["ports"]] for rule in spec["egress"]]
        assert ports == [[53, 53], [5432], [443]]
        assert spec["egress"][2]["to"] == [{"ipBlock": {"cidr": "10.0.0.0/8"}}]
        assert spec["ingress"] == [{"ports": [{"protocol": "TCP", "port": 8081}]}]
        assert b"db.example.com" in draw(subject)["containers/k8s/networkpolicy.yaml"]

    def test_addresses_alone_need_no_names(self) -> None:
        subject = a_subject(network=[{"host": "10.1.2.3", "ports": [1]}])
        (rule,) = k8s(subject, "networkpolicy")["spec"]["egress"]
        assert rule["to"] == [{"ipBlock": {"cidr": "10.1.2.3/32"}}]

    def test_variables_come_from_where_they_are(self) -> None:
        subject = a_subject(**SERVICE)
        found = {
            each["name"]: next(iter(each["valueFrom"].items()))
            for each in pod(subject, "deployment")["containers"][0]["env"]
        }
        assert found == {
            "COUNT": ("configMapKeyRef", {"name": "etl-given", "key": "COUNT"}),
            "REGION": ("configMapKeyRef", {"name": "etl", "key": "REGION"}),
            "DB_PASSWORD": ("secretKeyRef", {"name": "etl", "key": "DB_PASSWORD"}),
        }
        assert k8s(subject, "configmap")["data"] == {"REGION": "1e3"}
        assert b'"1e3"' in draw(subject)["containers/k8s/configmap.yaml"]  # a number in YAML 1.2

    def test_a_cronjob_keeps_its_schedule(self) -> None:
        spec = k8s(a_subject(**CRONJOB), "cronjob")["spec"]
        assert spec["schedule"] == "30 2 * * MON-FRI"
        assert spec["timeZone"] == "Etc/UTC"
        assert spec["concurrencyPolicy"] == "Forbid"
        assert spec["jobTemplate"]["spec"]["backoffLimit"] == 2

    def test_who_scales_says_how_many_there_are(self) -> None:
        assert "replicas" not in k8s(a_subject(**SERVICE), "deployment")["spec"]
        assert k8s(a_subject(kind="service"), "deployment")["spec"]["replicas"] == 1
        scaler = k8s(a_subject(**SERVICE), "horizontalpodautoscaler")["spec"]
        assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 3)

    @pytest.mark.parametrize(
        ("wanted", "limit"),
        [
            ({"min_available": 2}, {"minAvailable": 2}),
            ({"max_unavailable": 2}, {"maxUnavailable": 2}),
        ],
    )
    def test_a_disruption_budget_is_as_it_is_wanted(
        self, wanted: dict[str, int], limit: dict[str, int]
    ) -> None:
        spec = k8s(a_subject(kind="service", disruption=wanted), "poddisruptionbudget")["spec"]
        assert limit.items() <= spec.items()

    def test_an_ingress_leads_to_the_service(self) -> None:
        spec = k8s(a_subject(**SERVICE), "ingress")["spec"]
        assert spec["ingressClassName"] == "nginx"
        assert spec["tls"] == [{"hosts": ["etl.example.com"], "secretName": "etl-tls"}]
        plain = a_subject(kind="service", ingress={"host": "x.example"})
        assert set(k8s(plain, "ingress")["spec"]) == {"rules"}


class TestNames:
    @pytest.mark.parametrize(
        ("name", "found"),
        [
            ("team/etl-daily", "etl-daily"),
            ("team/etl.daily_x", r"etl-daily-x-[0-9a-f]{8}"),
            ("team/7zip", r"recipe-7zip-[0-9a-f]{8}"),
            (f"team/{'a' * 60}", rf"{'a' * 43}-[0-9a-f]{{8}}"),
        ],
    )
    def test_an_object_has_a_name_that_kubernetes_takes(self, name: str, found: str) -> None:
        assert re.fullmatch(found, a_subject(name).object_name)
        assert len(a_subject(name).object_name) <= 52

    def test_two_packages_have_two_names(self) -> None:
        assert a_subject("team/a.b").object_name != a_subject("team/a_b").object_name

    def test_a_long_version_is_a_label(self) -> None:
        subject = a_subject(version=f"1.2.3-{'a' * 56}.b")
        assert len(subject.metadata.version) > 63
        assert subject.version_label == f"1.2.3-{'a' * 56}"


class TestContainers:
    def test_the_dockerfile_takes_a_base_and_ends_as_nobody(self) -> None:
        text = draw(a_subject())["containers/Dockerfile"].decode()
        assert text.count("FROM ${BASE}") == 2
        assert "ARG BASE=python:3.11-slim\n" in text
        assert "USER 65532:65532\n" in text
        last = text.splitlines()[-1].removeprefix("ENTRYPOINT ")
        assert json.loads(last)[-1] == "/opt/recipebox/team/etl-1.2.3/recipe/run_recipe.py"

    def test_a_service_says_its_port_and_is_asked_for_its_health(self) -> None:
        text = draw(a_subject(**SERVICE))["containers/Dockerfile"].decode()
        assert "EXPOSE 8081\n" in text
        assert '"--timeout", "30", "--check"]\n' in text

    @pytest.mark.parametrize(
        ("path", "words"),
        [("/", []), ("/etl", ["--prefix", "/etl"]), ("/a/b/", ["--prefix", "/a/b"])],
    )
    def test_a_service_is_told_the_prefix_that_its_ingress_leaves_on(
        self, path: str, words: list[str]
    ) -> None:
        subject = a_subject(**{**SERVICE, "ingress": {"host": "x.example", "path": path}})
        last = draw(subject)["containers/Dockerfile"].decode().splitlines()[-1]
        command = json.loads(last.removeprefix("ENTRYPOINT "))
        assert command[command.index("--timeout") + 2 :] == words
        container = k8s(subject, "deployment")["spec"]["template"]["spec"]["containers"][0]
        assert not {"command", "args"} & container.keys()  # the image's own holds

    def test_what_others_are_required_is_copied_as_it_was_fetched(self) -> None:
        subject = a_subject()
        requiring = subject.metadata.model_copy(update={"requires": {"team/clean": "^1"}})
        text = draw(Subject(requiring, subject.config))["containers/Dockerfile"].decode()
        assert "COPY . .\n" in text

    def test_a_value_is_not_expanded(self) -> None:
        setting = {"type": "string", "default": 'a"b$c\\d'}
        drawn = draw(a_subject(configuration={"X": setting}))
        assert 'ENV X="a\\"b\\$c\\\\d"\n' in drawn["containers/Dockerfile"].decode()
        compose = yaml.safe_load(drawn["containers/docker-compose.yml"])
        assert compose["services"]["etl"]["environment"]["X"] == 'a"b$$c\\d'

    def test_compose_holds_a_job_as_kubernetes_does(self) -> None:
        drawn = yaml.safe_load(draw(a_subject())["containers/docker-compose.yml"])
        service = drawn["services"]["etl"]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["network_mode"] == "none"
        assert service["tmpfs"] == ["/tmp:mode=1777,size=1g"]
        assert (service["cpus"], service["mem_limit"]) == (0.5, "256m")

    def test_compose_asks_for_what_has_no_default(self) -> None:
        subject = a_subject(
            **{**SERVICE, "secrets": ["DB_PASSWORD", "db-user"]},
        )
        drawn = yaml.safe_load(draw(subject)["containers/docker-compose.yml"])
        assert drawn["services"]["etl"]["environment"] == {
            "COUNT": "${COUNT:?COUNT has no default}",
            "REGION": "${REGION-1e3}",
            "DB_PASSWORD": "${DB_PASSWORD:?DB_PASSWORD is a secret}",
            "db-user": None,
            "RECIPEBOX_METRICS": "${RECIPEBOX_METRICS-}",
        }


class TestMonitoring:
    @pytest.mark.parametrize("kind", KINDS)
    def test_no_metric_is_asked_for_that_no_run_emits(self, kind: str) -> None:
        drawn = draw(a_subject(**KINDS[kind]))
        asked = set()
        for name in ("alerts.yaml", "grafana_dashboard.json", "prometheus.yml"):
            asked |= set(re.findall(r"\brecipebox_\w+", drawn[f"monitoring/{name}"].decode()))
        assert asked <= set(EMITTED)
        assert "recipebox_run_exit_code" in asked

    def test_who_is_late_is_known_by_the_schedule(self) -> None:
        groups = yaml.safe_load(draw(a_subject(**CRONJOB))["monitoring/alerts.yaml"])["groups"]
        rules = {rule["alert"]: rule for rule in groups[0]["rules"]}
        assert set(rules) == {"RecipeFailed", "RecipeSlow", "RecipeLate"}
        # from Friday to Monday, and as long as a run may take
        assert rules["RecipeLate"]["expr"].endswith(f" > {3 * 24 * 3600 + 3600}")

    def test_panels_have_places_of_their_own(self) -> None:
        board = json.loads(draw(a_subject(**SERVICE))["monitoring/grafana_dashboard.json"])
        taken = set()
        for panel in board["panels"]:
            place = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not cells & taken
            assert max(x for x, _ in cells) < 24
            taken |= cells
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


class TestPipelines:
    @pytest.mark.parametrize("name", ["github-actions.yml", "gitlab-ci.yml"])
    def test_each_channel_goes_on_with_the_bundle_before_it(self, name: str) -> None:
        text = draw(a_subject())[f"ci-cd/{name}"].decode()
        runs = re.findall(r"--to (\w+)( --bundle \S+)? --output", text)
        assert [channel for channel, _ in runs] == ["dev", "staging", "production"]
        assert [bool(bundle) for _, bundle in runs] == [False, True, True]

    def test_no_variable_is_set_that_recipebox_would_refuse(self) -> None:
        for name in ("github-actions.yml", "gitlab-ci.yml"):
            text = draw(a_subject())[f"ci-cd/{name}"].decode()
            assert set(re.findall(r"RECIPEBOX_[A-Z_]+", text)) == {
                "RECIPEBOX_URL", "RECIPEBOX_TOKEN", "RECIPEBOX_SIGNING_KEY",
            }  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_is_drawn_again(kind: str) -> None:
    assert draw(a_subject(**KINDS[kind])) == draw(a_subject(**KINDS[kind]))


@pytest.mark.parametrize("kind", KINDS)
def test_no_line_ends_in_blanks_and_all_is_ascii(kind: str) -> None:
    for path, data in draw(a_subject(**KINDS[kind])).items():
        assert not re.search(rb"[ \t]\n", data), path
        assert data.isascii(), path
        assert data.endswith(b"\n"), path
