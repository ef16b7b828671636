"""k8s/load: what it comes to fits what the scenarios read, and its image needs nothing of Tidings."""

import ast
import re
import subprocess
import sys

from deployment.manifests import K8S, KUBECTL, ROOT, Object, containers, of_kind, read

from loadtests.scenarios.scenario import known


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


def test_what_its_image_holds_needs_nothing_that_is_not_there() -> None:
    """By the lines that import: to import Locust itself takes seconds."""
    image = (K8S / "load" / "Dockerfile").read_text()
    assert re.findall(r"^COPY (loadtests\S*)", image, re.MULTILINE) == ["loadtests/__init__.py", "loadtests/scenarios"]
    installed = re.search(r"^ +(aiohttp .*) \\$", image, re.MULTILINE)
    assert installed is not None

    # Locust brings gevent.
    assert elsewhere("locustfile", "receiver") - sys.stdlib_module_names <= {*installed[1].split(), "gevent"}


def elsewhere(*modules: str) -> set[str]:
    """The packages that these of loadtests.scenarios need, with what they import of their own."""
    seen, open_ends, found = set(modules), list(modules), set[str]()
    while open_ends:
        tree = ast.parse((ROOT / "loadtests" / "scenarios" / f"{open_ends.pop()}.py").read_text())
        for name in (name for node in ast.walk(tree) for name in imported(node)):
            if name.startswith("loadtests.scenarios."):
                own = name.split(".")[2]
                open_ends += [own] * (own not in seen)
                seen.add(own)
            else:
                found.add(name.partition(".")[0])
    return found


def imported(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [one.name for one in names]
        case ast.ImportFrom(module=str(module)):
            return [module]
    return []
