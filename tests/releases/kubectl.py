#!/usr/bin/env python3
"""Plays kubectl and a cluster with Argo Rollouts behind it, as far as `tidings release` talks to them: none runs on a machine for tests.

KUBECTL_STATE: JSON, by kind. What it is asked for that it does not know, it refuses.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

STATE = Path(os.environ["KUBECTL_STATE"])


def main(arguments: list[str]) -> None:
    state = json.loads(STATE.read_text())
    assert arguments[:2] == ["--namespace", "tidings"], arguments
    match [one for one in arguments[2:] if not one.startswith("--request-timeout")]:
        case ["get", kind, "--selector", selector, "--output", "json"]:
            assert "app.kubernetes.io/name=tidings" in selector
            sys.stdout.write(json.dumps({"items": state[kind]}))
        case ["patch", "rollouts.argoproj.io", name, "--subresource=status", "--type=merge", patch]:
            rollout = found(state["rollouts.argoproj.io"], name)
            obey(rollout["status"], json.loads(patch.removeprefix("--patch="))["status"])
        case ["rollout", "undo", deployment]:
            name = deployment.removeprefix("deployment/")
            undo(found(state["deployments"], name), [one for one in state["rollouts.argoproj.io"] if one["metadata"]["name"] == name])
        case _:
            sys.exit(f"not known here: {arguments}")
    STATE.write_text(json.dumps(state))


def found(items: list[Any], name: str) -> Any:
    return next(one for one in items if one["metadata"]["name"] == name)


def obey(status: dict[str, Any], told: dict[str, Any]) -> None:
    """As the controller would have done by the next time somebody asks."""
    if told == {"pauseConditions": None}:
        status |= {"phase": "Healthy", "stableRS": status["currentPodHash"], "blueGreen": {"activeSelector": status["currentPodHash"]}}
    elif told == {"abort": True}:
        status |= {"phase": "Degraded", "blueGreen": {"activeSelector": status["stableRS"]}}
    else:
        sys.exit(f"not known here: {told}")


def undo(deployment: dict[str, Any], rollouts: list[dict[str, Any]]) -> None:
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "tidings@old"
    deployment["metadata"]["generation"] += 1
    deployment["status"]["observedGeneration"] = deployment["metadata"]["generation"]
    for rollout in rollouts:
        status = rollout["status"]
        is_stable = status["stableRS"] == "old"
        status |= {"currentPodHash": "old", "workloadObservedGeneration": str(deployment["metadata"]["generation"])}
        status |= {"phase": "Healthy" if is_stable else "Paused"}


if __name__ == "__main__":
    main(sys.argv[1:])
