"""Writes rules.yaml: the rules of k8s/monitoring/rules as an object of the Prometheus operator, word for word.

`python k8s/components/monitoring/build.py`, after a change there.
"""

from pathlib import Path

HERE = Path(__file__).parent
RULES = ("levels", "alerts")

HEAD = """\
# Written by build.py from k8s/monitoring/rules.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: tidings-{name}
  labels: {{app.kubernetes.io/name: tidings}}
spec:
"""


def text() -> str:
    return "---\n".join(
        HEAD.format(name=name) + indented((HERE.parents[1] / "monitoring" / "rules" / f"{name}.yml").read_text()) for name in RULES
    )


def indented(rules: str) -> str:
    return "".join(f"  {line}" if line.strip() else line for line in rules.splitlines(keepends=True))


if __name__ == "__main__":
    (HERE / "rules.yaml").write_text(text())
