"""What k8s/ comes to, as `kubectl kustomize` renders it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"
KUBECTL = Path(sys.executable).with_name("kubectl")
OVERLAYS = sorted(path.parent.name for path in K8S.glob("overlays/*/kustomization.yaml"))
COMPONENTS = sorted(path.parent.name for path in K8S.glob("components/*/kustomization.yaml"))
# What overlays use no component for, together with the base.
OTHERWISE = ("external-postgres", "valkey-sentinel", "stream-cluster", "hpa")

Object = dict[str, Any]


@cache
def rendered() -> dict[str, list[Object]]:
    """Every overlay. All at once, since each takes half a second."""
    started = {name: rendering(K8S / "overlays" / name) for name in OVERLAYS}
    return {name: read(process) for name, process in started.items()}


def rendering(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([KUBECTL, "kustomize", folder], stdout=subprocess.PIPE, text=True)


def read(process: subprocess.Popen[str]) -> list[Object]:
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return list(yaml.load_all(said, yaml.CSafeLoader))


def rendered_with(folder: Path, components: Iterable[str]) -> list[Object]:
    """The base with these components. folder: where a kustomization is written for it."""
    at = os.path.relpath(K8S, folder)
    kustomization = {"resources": [f"{at}/base"], "components": [f"{at}/components/{name}" for name in components]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return read(rendering(folder))


def of_kind(objects: Iterable[Object], *kinds: str) -> dict[str, Object]:
    return {one["metadata"]["name"]: one for one in objects if one["kind"] in kinds}


def pods(objects: Iterable[Object]) -> dict[str, Object]:
    """The templates of pods that run Tidings, by the name of what makes them."""
    made = of_kind(objects, "Deployment", "StatefulSet", "Job")
    return {name: one["spec"]["template"] for name, one in made.items() if is_ours(one["spec"]["template"])}


def is_ours(pod: Object) -> bool:
    return bool(pod["metadata"]["labels"]["app.kubernetes.io/name"] == "tidings")


def containers(pod: Object) -> Iterator[Object]:
    yield from pod["spec"].get("initContainers", ())
    yield from pod["spec"]["containers"]


def settings_of(objects: list[Object], container: Object) -> dict[str, str]:
    """Variables that the container gets, beside those of its image."""
    maps = of_kind(objects, "ConfigMap")
    found: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        found |= maps[source["configMapRef"]["name"]]["data"]
    return found | {one["name"]: one["value"] for one in container.get("env", ())}


def image_settings() -> dict[str, str]:
    """What the image sets."""
    return dict(re.findall(r"^ +(?:ENV )?(TIDINGS_\w+)=(\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
