"""A report for people, and what they see while they wait."""

import shutil
import sys
from textwrap import fill

import click

from tidings.cli.doctor.report import Finding, Report, Unchecked

MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "error": ("✗", "red")}
WIDEST = 110


class Progress:
    """On standard error: one line that changes, where a person looks at it; else each thing that is done, once."""

    def __init__(self) -> None:
        self.is_seen = sys.stderr.isatty()
        self.told: set[str] = set()

    def step(self, text: str) -> None:
        what = text.partition(";")[0]
        if self.is_seen:
            click.echo(f"\r\033[K{text}", nl=False, err=True)
        elif what not in self.told:
            click.echo(what.rstrip(".") + " …", err=True)
        self.told.add(what)

    def end(self) -> None:
        if self.is_seen:
            click.echo("\r\033[K", nl=False, err=True)


def show(report: Report) -> None:
    click.echo(f"{report.facts.url}\n")
    for finding in report.findings:
        show_finding(finding)
    for left in report.unchecked:
        show_unchecked(left)
    click.echo(f"\n{summary(report)}")


def show_finding(finding: Finding) -> None:
    mark, colour = MARKS[finding.severity]
    if finding.change is None:
        line = indented(f"{mark} {finding.title}: {finding.found}", "  ", "    ")
        click.echo(line.replace(mark, click.style(mark, fg=colour), 1))
        return
    click.echo(f"  {click.style(f'{mark} {finding.title}', fg=colour)}")
    click.echo(indented(finding.found, "    "))
    click.echo(indented(finding.change, "    → ", "      "))


def show_unchecked(left: Unchecked) -> None:
    click.echo(indented(f"Not looked at: {left.id}. {left.why}", "  – ", "    "))


def indented(text: str, first: str, then: str | None = None) -> str:
    width = min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns)
    rest = first if then is None else then
    return fill(text, width, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False)


def summary(report: Report) -> str:
    if report.ok:
        return "Nothing to change."
    counts = {severity: sum(finding.severity == severity for finding in report.findings) for severity in ("error", "warning")}
    return ", ".join(f"{count} {severity}{'s' if count > 1 else ''}" for severity, count in counts.items() if count) + "."
