"""k8s/: what its overlays come to is what Kubernetes, the operators and Tidings itself take."""

import copy
import os
import re
import runpy
import subprocess
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from click.testing import CliRunner
from deployment.manifests import (
    COMPONENTS,
    K8S,
    KUBECTL,
    OTHERWISE,
    OVERLAYS,
    ROOT,
    Object,
    containers,
    image_settings,
    of_kind,
    pods,
    rendered,
    rendered_with,
    settings_of,
)
from deployment.schemas import errors_of

from tidings.cli.api import ENDS_WITHIN_S as API_ENDS_WITHIN_S
from tidings.cli.commands import main
from tidings.cli.worker import ENDS_WITHIN_S as WORKER_ENDS_WITHIN_S
from tidings.cli.worker import NAMES as WORKERS
from tidings.outbound.networks import SPECIAL
from tidings.settings import READERS, load_settings

SECRETS = "/etc/tidings"
VALUES = {
    "database_url": "postgresql://tidings:secret@postgres/tidings",
    "redis_url": "redis://redis",
    "stream_redis_url": "redis+cluster://redis:6379",
    "secret_key": "0" * 64,
    "encryption_keys": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    "backup_keys": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=",
}


@pytest.fixture(scope="module")
def otherwise(tmp_path_factory: pytest.TempPathFactory) -> list[Object]:
    """The base with components that no overlay uses."""
    return rendered_with(tmp_path_factory.mktemp("otherwise"), OTHERWISE)


@pytest.fixture(params=[*OVERLAYS, "otherwise"])
def objects(request: pytest.FixtureRequest, otherwise: list[Object]) -> list[Object]:
    return otherwise if request.param == "otherwise" else rendered()[request.param]


def test_every_component_is_read_here() -> None:
    used: set[str] = set(OTHERWISE)
    for path in [*K8S.glob("overlays/*/kustomization.yaml"), *K8S.glob("components/*/kustomization.yaml")]:
        used |= {Path(component).name for component in yaml.safe_load(path.read_text()).get("components", ())}
    assert used >= set(COMPONENTS)


def test_operators_accept_their_objects(objects: list[Object]) -> None:
    """All others: `.ci/manifests`, in `make check`."""
    custom = [
        one for one in objects if one["apiVersion"].partition("/")[0].count(".") and not one["apiVersion"].split("/")[0].endswith(".k8s.io")
    ]
    for one in custom:
        assert errors_of(one) == []


def test_a_field_that_no_schema_has_is_refused() -> None:
    wrong = copy.deepcopy(of_kind(rendered()["production"], "Rollout")["tidings-api"])
    wrong["spec"]["strategy"]["blueGreen"]["autoPromoted"] = False
    assert len(errors_of(wrong)) == 1


def test_every_process_has_pods_of_its_own(objects: list[Object]) -> None:
    commands = {name: pod["spec"]["containers"][0]["args"] for name, pod in pods(objects).items()}
    assert {tuple(args) for args in commands.values()} == {
        ("api", "--role", "api"),
        ("api", "--role", "stream"),
        ("migrate",),
        *(("worker", name) for name in WORKERS),
    }
    assert len(commands) == 8


def test_every_command_is_one_of_ours(objects: list[Object]) -> None:
    asked = {tuple(container["args"]) for pod in pods(objects).values() for container in containers(pod) if "args" in container}
    shells = {container["command"][-1] for pod in pods(objects).values() for container in containers(pod) if "command" in container}
    asked |= {tuple(words.split()) for shell in shells for words in re.findall(r"tidings ([\w -]+)", shell)}
    assert ("migrate", "--check") in asked
    for args in sorted(asked):
        # --help is answered when all that stands before it was understood.
        answer = CliRunner().invoke(main, [*args, "--help"])
        assert answer.exit_code == 0, answer.output
        assert all(word in answer.output for word in args if word.startswith("--"))


def test_what_is_set_is_what_tidings_takes(objects: list[Object], tmp_path: Path) -> None:
    for name, value in VALUES.items():
        (tmp_path / name).write_text(value + "\n")
    for pod in pods(objects).values():
        mounted = {item["key"] for volume in pod["spec"]["volumes"] for item in volume.get("secret", {}).get("items", ())}
        for container in containers(pod):
            given = image_settings() | settings_of(objects, container)
            assert {name for name in given if name.startswith("TIDINGS_")} == set(given)
            assert {name.removeprefix("TIDINGS_").removesuffix("_FILE").lower() for name in given} <= set(READERS)
            files = {value.removeprefix(f"{SECRETS}/") for value in given.values() if value.startswith(f"{SECRETS}/")}
            assert files <= mounted
            assert not set(VALUES.values()) & set(given.values())
            loaded = load_settings({name: value.replace(SECRETS, str(tmp_path)) for name, value in given.items()})
            assert loaded.database_url and loaded.redis_url and loaded.secret_key and loaded.encryption_keys_file
    backups = pods(objects)["tidings-backups"]["spec"]["containers"][0]
    assert settings_of(objects, backups)["TIDINGS_BACKUP_KEYS_FILE"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_backups_go_somewhere(overlay: str) -> None:
    backups = pods(rendered()[overlay])["tidings-backups"]["spec"]["containers"][0]
    assert settings_of(rendered()[overlay], backups)["TIDINGS_BACKUP_URL"]


def test_secrets_have_the_keys_that_pods_ask_for(objects: list[Object]) -> None:
    made = of_kind(objects, "ExternalSecret").get("tidings")
    keys = {one["secretKey"] for one in made["spec"]["data"]} if made else keys_made() | {"stream_redis_url"}
    for template in (one["spec"]["template"] for one in of_kind(objects, "Deployment", "StatefulSet", "Job").values()):
        for volume in template["spec"].get("volumes", ()):
            if "secret" in volume:
                assert volume["secret"]["secretName"] == "tidings"
                assert {item["key"] for item in volume["secret"]["items"]} <= keys


def keys_made() -> set[str]:
    """By k8s/make-secret, with values that Tidings takes."""
    said = subprocess.run([K8S / "make-secret", "tidings-dev"], capture_output=True, text=True, check=True).stdout
    secret = yaml.safe_load(said)
    data: dict[str, str] = secret["stringData"]
    load_settings({f"TIDINGS_{name.upper()}": value for name, value in data.items() if name in READERS})
    return set(data)


def test_external_secrets_asks_for_what_terraform_makes() -> None:
    declared = re.search(r"^  secrets = \{(.*?)^  \}", (K8S / "terraform" / "secrets.tf").read_text(), re.MULTILINE | re.DOTALL)
    assert declared
    made = set(re.findall(r"^    (\w+) ", declared[1], re.MULTILINE))
    for overlay in ("staging", "production"):
        objects = rendered()[overlay]
        asked = of_kind(objects, "ExternalSecret")["tidings"]["spec"]["data"]
        assert {one["remoteRef"]["key"] for one in asked} == made
        assert of_kind(objects, "SecretStore")["tidings"]["spec"]["provider"]["aws"]["prefix"] == f"tidings/{overlay}/"


def test_images_are_called_as_what_deploys_replaces_them(objects: list[Object]) -> None:
    replaced = set(re.findall(r"\{name: ([\w-]+), newName", (ROOT / ".ci" / "deploy").read_text()))
    assert {container["image"] for pod in pods(objects).values() for container in containers(pod)} == replaced
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    built = {job["with"]["target"]: job["with"]["name"] for job in workflow["jobs"].values() if "target" in job.get("with", {})}
    assert set(built) == {"tidings", "backups"}
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    assert set(built) <= stages


def test_foreign_images_are_those_of_the_compose_file_pinned_by_digest(objects: list[Object]) -> None:
    compose = (ROOT / "compose.yaml").read_text()
    for one in of_kind(objects, "Deployment", "StatefulSet").values():
        if one["metadata"]["name"] not in pods(objects):
            for container in one["spec"]["template"]["spec"]["containers"]:
                assert "@sha256:" in container["image"]
                assert f"image: {container['image']}\n" in compose


def test_no_pod_may_do_or_write_anything(objects: list[Object]) -> None:
    for one in of_kind(objects, "Deployment", "StatefulSet", "Job").values():
        spec = one["spec"]["template"]["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] >= 10000
        for container in (*spec.get("initContainers", ()), *spec["containers"]):
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert context["seccompProfile"] == {"type": "RuntimeDefault"}
            assert set(container["resources"]["limits"]) == {"cpu", "memory"}
    assert of_kind(objects, "Namespace") and all(
        one["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted" for one in of_kind(objects, "Namespace").values()
    )


def test_a_pod_is_given_the_time_that_it_takes_to_end(objects: list[Object]) -> None:
    for name, pod in pods(objects).items():
        [container] = pod["spec"]["containers"]
        grace = pod["spec"]["terminationGracePeriodSeconds"]
        if container["args"][0] == "api":
            settings = {name: value for name, value in settings_of(objects, container).items() if not name.endswith("_FILE")}
            loaded = load_settings(settings)
            slept = container["lifecycle"]["preStop"]["sleep"]["seconds"]
            assert grace >= slept + loaded.readiness_delay_s + loaded.drain_s + API_ENDS_WITHIN_S, name
            probe = container["readinessProbe"]
            # What routes has asked again, and believed it, before the first stream is sent away.
            assert slept + loaded.readiness_delay_s >= probe["periodSeconds"] * (probe["failureThreshold"] - 1) + probe["timeoutSeconds"]
        else:
            assert grace > WORKER_ENDS_WITHIN_S


def test_probes_ask_for_what_a_process_answers_where_it_listens(objects: list[Object]) -> None:
    for pod in pods(objects).values():
        [container] = pod["spec"]["containers"]
        if container["args"] == ["migrate"]:
            continue
        is_api = container["args"][0] == "api"
        [port] = container["ports"]
        assert port["containerPort"] == (load_settings({}).port if is_api else int(image_settings()["TIDINGS_METRICS_PORT"]))
        asked = {probe: container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness", "readiness")}
        live, ready = ("/health/live", "/health/ready") if is_api else ("/health", "/health")
        assert asked == {"startup": live, "liveness": live, "readiness": ready}
        assert {container[f"{probe}Probe"]["httpGet"]["port"] for probe in asked} == {port["name"]}


def test_selectors_find_pods_and_every_process_can_be_disrupted_one_by_one(objects: list[Object]) -> None:
    labels = {name: pod["metadata"]["labels"] for name, pod in pods(objects).items() if name != "tidings-migrate"}
    chosen = {
        name: one["spec"]["selector"]
        for name, one in of_kind(objects, "Service").items()
        if name.startswith(("tidings-api", "tidings-stream"))
    }
    for name, selector in chosen.items():
        assert selector.items() <= labels[name.removesuffix("-preview")].items()
    budgets = of_kind(objects, "PodDisruptionBudget")
    for name, own in labels.items():
        assert budgets[name]["spec"]["selector"]["matchLabels"].items() <= own.items()
        assert budgets[name]["spec"]["maxUnavailable"] == 1


def test_what_scales_and_what_rolls_out_agree(objects: list[Object]) -> None:
    deployments, rollouts = of_kind(objects, "Deployment"), of_kind(objects, "Rollout")
    for name, rollout in rollouts.items():
        assert rollout["spec"]["workloadRef"]["name"] == name
    for name, scaler in of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject").items():
        target = scaler["spec"]["scaleTargetRef"]
        assert target["name"] == name
        assert target["kind"] == ("Rollout" if name in rollouts else "Deployment")
        # Else each deployment would set back what the scaler has set.
        assert "replicas" not in deployments[name]["spec"] and "replicas" not in rollouts.get(name, {}).get("spec", {})


def test_what_is_asked_from_outside_gets_to_who_answers_it(objects: list[Object]) -> None:
    [ingress] = of_kind(objects, "Ingress").values()
    paths = {one["path"]: one["backend"]["service"]["name"] for one in ingress["spec"]["rules"][0]["http"]["paths"]}
    assert {path for path, service in paths.items() if service == "tidings-stream"} == {"/v1/stream", "/v1/events"}
    assert not any("/metrics".startswith(path) and path != "/" for path in paths)
    kinds = {one["path"]: one["pathType"] for one in ingress["spec"]["rules"][0]["http"]["paths"]}
    assert kinds["/"] == "Exact"


def test_nothing_gets_in_or_out_by_default_and_nobody_to_metadata(objects: list[Object]) -> None:
    policies = of_kind(objects, "NetworkPolicy")
    assert policies["nothing"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    metadata = [network for network, reason in SPECIAL if reason == "a cloud's metadata service"]
    assert len(metadata) >= 5
    for policy in policies.values():
        for rule in policy["spec"].get("egress", ()):
            assert rule["to"], "to everywhere"
            for block in (peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer):
                for network in metadata:
                    assert not reaches(block, network), f"{policy['metadata']['name']} reaches {network}"


def test_destinations_are_public_addresses(objects: list[Object]) -> None:
    [rule] = of_kind(objects, "NetworkPolicy")["destinations"]["spec"]["egress"]
    for network, reason in SPECIAL:
        if reason.startswith(("a private", "a loopback", "a link-local", "an address behind a carrier", "a multicast", "a reserved")):
            assert not any(reaches(peer["ipBlock"], network) for peer in rule["to"]), network


def reaches(block: dict[str, Any], network: Any) -> bool:
    whole = ip_network(block["cidr"])
    if whole.version != network.version or not whole.overlaps(network):
        return False
    return not any(network.subnet_of(ip_network(hole)) for hole in block.get("except", ()) if ip_network(hole).version == network.version)


def test_settings_of_a_process_reach_no_other(objects: list[Object]) -> None:
    for name, pod in pods(objects).items():
        keys = {item["key"] for volume in pod["spec"]["volumes"] for item in volume.get("secret", {}).get("items", ())}
        assert ("backup_keys" in keys) == (name == "tidings-backups")


def test_who_deploys_may_apply_all_that_is_applied_and_see_no_secret(objects: list[Object]) -> None:
    roles = list(yaml.load_all((K8S / "deployers" / "roles.yaml").read_text(), yaml.CSafeLoader))
    rules = [rule for role in roles for rule in role.get("rules", ()) if "patch" in rule["verbs"]]
    allowed = {(group, kind) for rule in rules for group in rule["apiGroups"] for kind in rule["resources"]}
    for one in objects:
        group, _, version = one["apiVersion"].rpartition("/")
        plural = one["kind"].lower().removesuffix("y") + (
            "ies" if one["kind"].endswith("y") else "es" if one["kind"].endswith("s") else "s"
        )
        assert (group, plural) in allowed, f"{group} {plural} {version}"
    assert not {kind for rule in rules for kind in rule["resources"]} & {"secrets", "pods/exec", "*"}


def test_rules_of_the_operator_are_those_of_prometheus() -> None:
    build = runpy.run_path(str(K8S / "components" / "monitoring" / "build.py"))
    assert (K8S / "components" / "monitoring" / "rules.yaml").read_text() == build["text"]()


def test_each_version_migrates_by_a_job_of_its_own(tmp_path: Path) -> None:
    """As `.ci/deploy` renders it, with a kubectl that says what it was given."""
    said = tmp_path / "said"
    for name, does in (("kubectl", f'[ "$1" = apply ] || exec {KUBECTL} "$@"; cat > {said}'), ("tidings", "exit 0")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    images = [f"registry.example.com/{name}@sha256:{digit * 64}" for name, digit in (("tidings", "a"), ("backups", "b"))]
    subprocess.run(
        [ROOT / ".ci" / "deploy", "production", *images], check=True, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, capture_output=True
    )
    objects = list(yaml.load_all(said.read_text(), yaml.CSafeLoader))
    [job] = of_kind(objects, "Job")
    assert job == f"tidings-migrate-{'a' * 12}"
    used = {container["image"] for pod in pods(objects).values() for container in containers(pod)}
    assert used == set(images)
