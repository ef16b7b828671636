"""What `tidings release` tells a cluster with Argo Rollouts, which kubectl.py plays."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from releases.kubectl import State, kubectl

from tidings.errors import TidingsError
from tidings.releases.cluster import Overlay, promote, rollback, selectors, wait
from tidings.releases.colours import Timing

PRODUCTION = Overlay("production")
QUICK = Timing(sleep=lambda seconds: None)


def deployment(name: str, replicas: int) -> dict[str, Any]:
    counts = dict.fromkeys(("updatedReplicas", "readyReplicas", "replicas"), replicas)
    return {
        "metadata": {"name": name, "generation": 2},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"image": "tidings@new"}]}}},
        "status": {"observedGeneration": 2} | counts,
    }


def rollout(name: str) -> dict[str, Any]:
    """The new version is there, and gets no traffic yet."""
    return {
        "metadata": {"name": name, "generation": 1},
        "spec": {"workloadRef": {"name": name}},
        "status": {
            "observedGeneration": "1",
            "workloadObservedGeneration": "2",
            "phase": "Paused",
            "currentPodHash": "new",
            "stableRS": "old",
            "blueGreen": {"activeSelector": "old"},
        },
    }


class Cluster:
    def __init__(self) -> None:
        self.state: State = {
            "deployments": [deployment("tidings-api", 0), deployment("tidings-stream", 0), deployment("tidings-planner", 2)],
            "rollouts.argoproj.io": [rollout("tidings-api"), rollout("tidings-stream")],
            "jobs": [{"metadata": {"name": "migrate", "creationTimestamp": "2026-11-28T10:00:00Z"}, "status": {"succeeded": 1}}],
        }

    def rollouts(self, member: str) -> set[str]:
        return {str(one["status"][member]) for one in self.state["rollouts.argoproj.io"]}

    def images(self) -> set[str]:
        return {one["spec"]["template"]["spec"]["containers"][0]["image"] for one in self.state["deployments"]}


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    cluster = Cluster()
    with kubectl(tmp_path, cluster.state):
        yield cluster


def test_the_new_version_is_waited_for_and_watched_beside_the_old_one(cluster: Cluster) -> None:
    wait(PRODUCTION, QUICK)
    assert selectors(PRODUCTION) == (
        'namespace="tidings",rollouts_pod_template_hash=~"new"',
        'namespace="tidings",rollouts_pod_template_hash=~"old"',
    )


def test_a_migration_that_failed_ends_the_waiting(cluster: Cluster) -> None:
    cluster.state["jobs"][0]["status"] = {"conditions": [{"type": "Failed", "status": "True"}]}
    with pytest.raises(TidingsError, match="migration failed"):
        wait(PRODUCTION, QUICK)


def test_promotion_gives_every_rollout_the_traffic(cluster: Cluster) -> None:
    promote(PRODUCTION, QUICK)
    assert cluster.rollouts("stableRS") == {"new"}
    assert selectors(PRODUCTION)[1] is None


def test_a_version_that_argo_gave_up_is_not_promoted(cluster: Cluster) -> None:
    cluster.state["rollouts.argoproj.io"][1]["status"] |= {"phase": "Degraded", "message": "analysis failed"}
    with pytest.raises(TidingsError, match="analysis failed"):
        promote(PRODUCTION, QUICK)


@pytest.mark.parametrize("is_promoted", [False, True])
def test_a_rollback_leads_back_to_what_ran_before_once(cluster: Cluster, is_promoted: bool) -> None:
    if is_promoted:
        promote(PRODUCTION, QUICK)
    assert rollback(PRODUCTION, "tidings@new", QUICK)
    assert (cluster.rollouts("currentPodHash"), cluster.rollouts("stableRS"), cluster.images()) == ({"old"}, {"old"}, {"tidings@old"})

    before = json.dumps(cluster.state)
    assert not rollback(PRODUCTION, "tidings@new", QUICK)
    assert json.dumps(cluster.state) == before
