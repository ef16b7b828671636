"""Plays kubectl and a cluster with Argo Rollouts behind it, as far as `tidings release` talks to them: none runs on a machine for tests.

What it is asked for that it does not know, it refuses. The program is a bit of bash that passes on how it was called: a Python for each
call took the suite most of a minute on a busy machine.
"""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = """#!/bin/bash
exec 3<>/dev/tcp/127.0.0.1/%d
printf '%%s\\n' $# "$@" >&3
read -r code <&3
if [ "$code" = 0 ]; then cat <&3; else cat <&3 >&2; fi
exit "$code"
"""
State = dict[str, list[dict[str, Any]]]


@contextmanager
def kubectl(folder: Path, state: State) -> Iterator[None]:
    """The program in that folder. state: by kind."""

    class Call(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            arguments = [self.rfile.readline().decode().removesuffix("\n") for _ in range(int(self.rfile.readline()))]
            try:
                answer = f"0\n{answered(state, arguments)}"
            except Refused as refused:
                answer = f"1\n{refused}"
            self.wfile.write(answer.encode())

    with socketserver.TCPServer(("127.0.0.1", 0), Call) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        program = folder / "kubectl"
        program.write_text(PROGRAM % server.server_address[1])
        program.chmod(0o755)
        yield
        server.shutdown()
        thread.join()


class Refused(Exception):
    pass


def answered(state: State, arguments: list[str]) -> str:
    match [one for one in arguments if not one.startswith("--request-timeout")]:
        case ["--namespace", "tidings", "get", kind, "--selector", selector, "--output", "json"] if (
            "app.kubernetes.io/name=tidings" in selector
        ):
            return json.dumps({"items": state[kind]})
        case ["--namespace", "tidings", "patch", "rollouts.argoproj.io", name, "--subresource=status", "--type=merge", patch]:
            rollout = found(state["rollouts.argoproj.io"], name)
            obey(rollout["status"], json.loads(patch.removeprefix("--patch="))["status"])
        case ["--namespace", "tidings", "rollout", "undo", deployment]:
            name = deployment.removeprefix("deployment/")
            undo(found(state["deployments"], name), [one for one in state["rollouts.argoproj.io"] if one["metadata"]["name"] == name])
        case _:
            raise Refused(f"not known here: {arguments}")
    return ""


def found(items: list[Any], name: str) -> Any:
    return next(one for one in items if one["metadata"]["name"] == name)


def obey(status: dict[str, Any], told: dict[str, Any]) -> None:
    """As the controller would have done by the next time somebody asks."""
    if told == {"pauseConditions": None}:
        status |= {"phase": "Healthy", "stableRS": status["currentPodHash"], "blueGreen": {"activeSelector": status["currentPodHash"]}}
    elif told == {"abort": True}:
        status |= {"phase": "Degraded", "blueGreen": {"activeSelector": status["stableRS"]}}
    else:
        raise Refused(f"not known here: {told}")


def undo(deployment: dict[str, Any], rollouts: list[dict[str, Any]]) -> None:
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "tidings@old"
    deployment["metadata"]["generation"] += 1
    deployment["status"]["observedGeneration"] = deployment["metadata"]["generation"]
    for rollout in rollouts:
        status = rollout["status"]
        is_stable = status["stableRS"] == "old"
        status |= {"currentPodHash": "old", "workloadObservedGeneration": str(deployment["metadata"]["generation"])}
        status |= {"phase": "Healthy" if is_stable else "Paused"}
