"""Running measures one after another. One that fails or cannot be had does not stop the rest."""

import asyncio
import importlib
import importlib.util
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from loadtests.figures import Figure, Form, Skipped

# In the order of the table. What is asked for without a name, since it takes ten minutes by itself.
CORE = (
    "fanout",
    "bursts",
    "unicast",
    "idle",
    "latency",
    "opening",
    "publish",
    "batch",
    "topic",
    "sequencer",
    "overload",
    "reconnect",
    "many",
    "churn",
    "inbox",
    "scroll",
    "growth",
)
MEASURES = (*CORE, "deliveries", "hanging", "ledger", "flags")

QUICK_WITHIN_S = 240.0
LONG_WITHIN_S = 3600.0

Report = Callable[[str], None]
Measure = Callable[[Form, Report], Awaitable[list[Figure]]]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Of one measure. skipped, failed: why it has no figures."""

    measure: str
    seconds: float
    figures: list[Figure] = []
    skipped: str | None = None
    failed: str | None = None

    @property
    def holds(self) -> bool:
        return self.failed is None and all(figure.holds is not False for figure in self.figures)


def available() -> list[str]:
    return [name for name in MEASURES if importlib.util.find_spec(f"loadtests.measures.{name}")]


def module_of(name: str) -> tuple[Measure, str]:
    """The measure, and the first line of what it says about itself."""
    module = importlib.import_module(f"loadtests.measures.{name}")
    return module.measure, (module.__doc__ or "").strip().partition("\n")[0]


async def run_all(names: Sequence[str], form: Form, report: Report) -> list[Outcome]:
    outcomes = []
    for name in names:
        measure, about = module_of(name)
        report(f"{name}: {about}")
        outcomes.append(await run_one(name, measure, form, lambda text: report(f"  {text}")))
    return outcomes


async def run_one(name: str, measure: Measure, form: Form, report: Report) -> Outcome:
    began = time.monotonic()
    try:
        async with asyncio.timeout(form.choose(QUICK_WITHIN_S, LONG_WITHIN_S)):
            figures = await measure(form, report)
    except Skipped as reason:
        report(f"skipped: {reason}")
        return Outcome(measure=name, seconds=time.monotonic() - began, skipped=str(reason))
    except Exception as error:
        report(f"failed: {type(error).__name__}: {error}")
        report(traceback.format_exc())
        said = str(error) or f"after {time.monotonic() - began:.0f} s"
        return Outcome(measure=name, seconds=time.monotonic() - began, failed=f"{type(error).__name__}: {said}"[:500])
    return Outcome(measure=name, seconds=time.monotonic() - began, figures=figures)
