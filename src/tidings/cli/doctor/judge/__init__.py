"""From measurements to findings: no request is made here."""

from tidings.cli.doctor.judge.clock import judge_clock
from tidings.cli.doctor.judge.drain import judge_drain
from tidings.cli.doctor.judge.idle import judge_idle
from tidings.cli.doctor.judge.opening import judge_opening
from tidings.cli.doctor.judge.protocol import judge_certificate, judge_protocol
from tidings.cli.doctor.judge.reach import judge_reach
from tidings.cli.doctor.judge.verdict import Verdict
from tidings.cli.doctor.measured import Answered, Measured
from tidings.cli.doctor.report import Finding, Report, Unchecked


def judge(facts: Measured) -> Report:
    verdicts = verdicts_of(facts)
    findings = [verdict for verdict in verdicts if isinstance(verdict, Finding)]
    unchecked = [verdict for verdict in verdicts if isinstance(verdict, Unchecked)]
    return Report(all(finding.severity == "ok" for finding in findings), findings, unchecked, facts)


def verdicts_of(facts: Measured) -> list[Verdict]:
    """Where Tidings is not reached, nothing else can be said."""
    reach = judge_reach(facts)
    if not isinstance(facts.reach, Answered):
        return reach
    return [
        *reach,
        *judge_certificate(facts.certificate),
        judge_protocol(facts.url, facts.protocol),
        *judge_opening(facts.opening),
        *judge_idle(facts.held, facts.poll),
        judge_clock(facts.clock),
        judge_drain(facts.drain),
    ]
