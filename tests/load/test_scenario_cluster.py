"""k8s/load: what it comes to fits what the scenarios read, and its image needs nothing of Tidings."""

import re
import subprocess
import sys

from deployment.manifests import K8S, KUBECTL, ROOT, Object, containers, of_kind, read

from loadtests.scenarios.scenario import known

WITHOUT_TIDINGS = """
import locust, sys
sys.modules["tidings"] = None
import loadtests.scenarios.locustfile, loadtests.scenarios.receiver
"""


def rendered() -> list[Object]:
    return read(subprocess.Popen([KUBECTL, "kustomize", K8S / "load"], stdout=subprocess.PIPE, text=True))


def test_the_master_waits_for_as_many_workers_as_there_are_and_all_settings_are_read() -> None:
    objects = rendered()
    jobs = of_kind(objects, "Job")
    master, workers = jobs["tidings-load-master"]["spec"], jobs["tidings-load-workers"]["spec"]
    [container] = containers(master["template"])
    expected = re.search(r"--expect-workers (\d+)", container["args"][0])
    assert expected is not None
    assert int(expected[1]) == workers["parallelism"] == workers["completions"]

    [settings] = [one["data"] for one in of_kind(objects, "ConfigMap").values()]
    assert settings["LOAD_SCENARIO"] in known()
    sources = "".join(path.read_text() for path in (ROOT / "loadtests" / "scenarios").glob("*.py"))
    assert {name for name in settings if f'"{name.removesuffix("_FILE")}"' not in sources} == set()


def test_what_its_image_holds_works_without_tidings() -> None:
    ended = subprocess.run([sys.executable, "-c", WITHOUT_TIDINGS], cwd=ROOT, capture_output=True, text=True, timeout=180)
    assert ended.returncode == 0, ended.stderr
