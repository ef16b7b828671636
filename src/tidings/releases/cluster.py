"""A release in Kubernetes, where Argo Rollouts shifts the traffic: what there is to ask of it and to tell it, by kubectl.

Everything of Tidings carries the label app.kubernetes.io/name=tidings. The API and the streams are Rollouts whose pods are those of the
Deployments of the same names (workloadRef); the workers are Deployments of their own; the migration is a Job for each version (k8s/).
"""

import json
import subprocess
from collections.abc import Callable
from typing import Any, NamedTuple

from tidings.errors import Misconfigured, TidingsError
from tidings.releases.colours import Timing

OURS = "app.kubernetes.io/name=tidings"
MIGRATION = f"{OURS},app.kubernetes.io/component=migrate"
ROLLOUTS = "rollouts.argoproj.io"
WAITS_S = 60.0
POLL_S = 2.0
MIGRATES_WITHIN_S = 900.0
READY_WITHIN_S = 900.0
PROMOTES_WITHIN_S = 1800.0


class Overlay(NamedTuple):
    """One of k8s/overlays, in the cluster of kubectl's current context."""

    name: str

    @property
    def namespace(self) -> str:
        """Production and its like have a cluster of their own."""
        return "tidings-dev" if self.name == "dev" else "tidings"

    def kubectl(self, *arguments: str) -> str:
        """What it printed. Raises Misconfigured where there is no kubectl or no cluster, TidingsError with its last words otherwise."""
        command = ["kubectl", "--namespace", self.namespace, f"--request-timeout={WAITS_S:g}s", *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=2 * WAITS_S, check=False)  # noqa: S603
        except FileNotFoundError as error:
            raise Misconfigured("kubectl is not installed.") from error
        except subprocess.TimeoutExpired as error:
            raise TidingsError(f"kubectl {arguments[0]} did not end.") from error
        if done.returncode != 0:
            words = done.stderr.strip()[-500:]
            is_ours = any(sign in words for sign in ("refused", "Unauthorized", "no such host", "doesn't have a resource type"))
            raise (Misconfigured if is_ours else TidingsError)(f"kubectl {arguments[0]}: {words}")
        return done.stdout

    def listed(self, kind: str, selector: str = OURS) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = json.loads(self.kubectl("get", kind, "--selector", selector, "--output", "json"))["items"]
        return items

    def rollouts(self) -> list[dict[str, Any]]:
        """Each with the generation of the Deployment whose pods it runs, as `workload`."""
        generations = {name_of(one): str(one["metadata"]["generation"]) for one in self.listed("deployments")}
        return [one | {"workload": generations.get(one["spec"].get("workloadRef", {}).get("name"))} for one in self.listed(ROLLOUTS)]

    def tell(self, rollout: dict[str, Any], status: dict[str, Any]) -> None:
        """As Argo's own plugin does it."""
        patch = json.dumps({"status": status})
        self.kubectl("patch", ROLLOUTS, name_of(rollout), "--subresource=status", "--type=merge", f"--patch={patch}")


def wait(overlay: Overlay, timing: Timing) -> None:
    """Until the migration is done, and every process of the new version is ready. Raises TidingsError."""
    until(lambda: is_migrated(overlay), MIGRATES_WITHIN_S, "the migration", timing)
    until(lambda: all(map(is_rolled_out, overlay.listed("deployments"))), READY_WITHIN_S, "the workers", timing)
    until(lambda: all(map(is_beside, overlay.rollouts())), READY_WITHIN_S, "the new version's API", timing)


def promote(overlay: Overlay, timing: Timing) -> None:
    """All of the traffic to the new version: each pause is ended, until none comes any more."""
    until(lambda: are_promoted(overlay), PROMOTES_WITHIN_S, "the promotion", timing)


def rollback(overlay: Overlay, image: str, timing: Timing) -> bool:
    """Back to what ran before, if `image` is what is deployed; whether it was."""
    deployed = [one for one in overlay.listed("deployments") if image in images_of(one)]
    if not deployed:
        return False
    for rollout in overlay.rollouts():
        if hash_of(rollout) != stable_of(rollout):
            # At once: the old pods are there, and get the traffic.
            overlay.tell(rollout, {"abort": True})
    for deployment in deployed:
        overlay.kubectl("rollout", "undo", f"deployment/{name_of(deployment)}")
    # Where the new version was stable already, the one before comes as if it were newer.
    until(lambda: are_promoted(overlay, is_back=True), READY_WITHIN_S, "the way back", timing)
    return True


def until(condition: Callable[[], bool], within_s: float, what: str, timing: Timing) -> None:
    end = timing.clock() + within_s
    while not condition():
        if timing.clock() > end:
            raise TidingsError(f"Not within {within_s:g} s: {what}.")
        timing.sleep(POLL_S)


def selectors(overlay: Overlay) -> tuple[str, str | None]:
    """Prometheus' series of the new version's pods, and of the old one's where there is one. Without Rollouts, of the namespace."""
    rollouts = overlay.rollouts()
    if not rollouts:
        return f'namespace="{overlay.namespace}"', None
    new, old = {hash_of(one) for one in rollouts}, {stable_of(one) for one in rollouts}
    return selector(overlay, new), selector(overlay, old - new) if old - new else None


def selector(overlay: Overlay, hashes: set[str]) -> str:
    return f'namespace="{overlay.namespace}",rollouts_pod_template_hash=~"{"|".join(sorted(hashes))}"'


def is_migrated(overlay: Overlay) -> bool:
    """The newest one's word counts. Raises TidingsError when that failed."""
    jobs = sorted(overlay.listed("jobs", MIGRATION), key=lambda job: str(job["metadata"]["creationTimestamp"]))
    if not jobs:
        return True
    status = jobs[-1].get("status", {})
    if any(one["type"] == "Failed" and one["status"] == "True" for one in status.get("conditions", [])):
        raise TidingsError(f"The migration failed: `kubectl logs job/{name_of(jobs[-1])}` says why.")
    return bool(status.get("succeeded"))


def is_rolled_out(deployment: dict[str, Any]) -> bool:
    wanted, status = deployment["spec"].get("replicas", 1), deployment.get("status", {})
    counts = (status.get(name, 0) for name in ("updatedReplicas", "readyReplicas", "replicas"))
    return is_seen(deployment) and (wanted == 0 or all(count == wanted for count in counts))


def is_beside(rollout: dict[str, Any]) -> bool:
    """Whether the new pods are ready, before or after they get traffic. Raises TidingsError when Argo gave up."""
    refuse_degraded(rollout)
    return is_seen(rollout) and rollout["status"].get("phase") in ("Paused", "Healthy")


def are_promoted(overlay: Overlay, is_back: bool = False) -> bool:
    """Each is looked at, so that none waits for another."""
    states = [is_promoted(overlay, rollout, is_back) for rollout in overlay.rollouts()]
    return all(states)


def is_promoted(overlay: Overlay, rollout: dict[str, Any], is_back: bool) -> bool:
    """is_back: on the way back, where one that was given up is what is meant."""
    if not is_back:
        refuse_degraded(rollout)
    if not is_seen(rollout):
        return False
    status = rollout["status"]
    if status.get("phase") == "Paused":
        overlay.tell(rollout, {"pauseConditions": None})
        return False
    # Blue-green has switched before the analysis after it has ended, for which nobody waits here.
    return bool(status.get("phase") == "Healthy" or status.get("blueGreen", {}).get("activeSelector") == hash_of(rollout))


def refuse_degraded(rollout: dict[str, Any]) -> None:
    status = rollout.get("status", {})
    if is_seen(rollout) and status.get("phase") == "Degraded":
        raise TidingsError(f"{name_of(rollout)}: Argo Rollouts gave up: {status.get('message', 'it does not say why')}.")


def is_seen(resource: dict[str, Any]) -> bool:
    """Whether the controller has looked at what was applied, also to the Deployment behind it. Rollouts write generations as text."""
    status, workload = resource.get("status", {}), resource.get("workload")
    has_seen_itself = str(status.get("observedGeneration", "")) == str(resource["metadata"]["generation"])
    return has_seen_itself and (workload is None or str(status.get("workloadObservedGeneration", "")) == workload)


def images_of(deployment: dict[str, Any]) -> set[str]:
    return {container["image"] for container in deployment["spec"]["template"]["spec"]["containers"]}


def name_of(resource: dict[str, Any]) -> str:
    return str(resource["metadata"]["name"])


def hash_of(rollout: dict[str, Any]) -> str:
    return str(rollout.get("status", {}).get("currentPodHash", ""))


def stable_of(rollout: dict[str, Any]) -> str:
    return str(rollout.get("status", {}).get("stableRS", ""))
