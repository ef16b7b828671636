"""The findings for people: what is wrong in full, what is well in one line."""

import click

from tidings.cli.doctor.deployment.examine import Deployment
from tidings.cli.doctor.deployment.finding import Finding
from tidings.cli.doctor.show import indented

MARKS = {"error": ("✗", "red"), "warning": ("!", "yellow"), "unknown": ("–", "white"), "ok": ("✓", "green")}


def show_deployment(seen: Deployment) -> None:
    for one in seen.findings:
        if one.severity in ("error", "warning"):
            show_finding(one)
        elif one.severity == "unknown":
            click.echo(indented(f"– Not looked at: {one.title}.", "", "  "))
    # What is well needs no words at that hour; `--json` has them.
    if fine := dict.fromkeys(one.check for one in seen.findings if one.severity == "ok"):
        click.echo(indented(f"{click.style('✓', fg='green')} Well: {', '.join(fine)}.", "", "  "))
    click.echo(f"\n{summary(seen)}")


def show_finding(one: Finding) -> None:
    mark, colour = MARKS[one.severity]
    click.echo(f"{click.style(f'{mark} {one.title}', fg=colour, bold=True)}")
    click.echo(indented(one.means, "  "))
    for command in one.mend:
        click.echo(f"  → {command}")
    if one.runbook:
        click.echo(f"    more: {one.runbook}")
    click.echo()


def summary(seen: Deployment) -> str:
    if seen.ok:
        return "Nothing to mend."
    counts = {severity: sum(one.severity == severity for one in seen.findings) for severity in ("error", "warning")}
    return ", ".join(f"{count} {severity}{'s' if count > 1 else ''}" for severity, count in counts.items() if count) + "."
