"""The summary that a person reads."""

from collections.abc import Iterable
from dataclasses import dataclass

from checks import Findings
from expected import Expected
from questions import Answers


@dataclass(frozen=True)
class Run:
    """What the demonstration measured itself."""

    transport: str
    seconds: float
    """From the first event to the last one that was handled."""
    held_up: int
    restart: float
    """Seconds from the order to stop `delays` until it answered again."""


def report(run: Run, answers: Answers, findings: Findings, expected: Expected) -> None:
    """Print it."""
    events = findings.summary.events
    rows = [
        ("transport", run.transport),
        ("events handled", f"{events:,} of {expected.events:,}, {run.seconds:.1f} s"),
        ("events per second", f"{events / run.seconds:,.0f}"),
        ("events out of order", str(findings.summary.out_of_order)),
        ("sent again, counted once", f"{findings.summary.again:,}"),
        ("notices of long delays", str(findings.notices)),
        ("requests answered", f"{len(answers.latencies):,}"),
        ("latency p50 / p95 / p99", _latencies(answers)),
        ("errors by code", _errors(answers)),
        ("delays was away", f"{run.restart:.1f} s; events that waited were offered "
         f"{run.held_up:,} times more"),
    ]  # fmt: skip
    print()
    print("\n".join(f"{name:<26}{value}" for name, value in rows))
    print()
    print("\n".join(_carriers(findings, expected)))
    print()
    _verdict(findings)


def _latencies(answers: Answers) -> str:
    times = (answers.percentile(percent) * 1000 for percent in (50, 95, 99))
    return " / ".join(f"{milliseconds:.1f}" for milliseconds in times) + " ms"


def _errors(answers: Answers) -> str:
    found = (f"{code} {count:,}" for code, count in answers.errors.most_common())
    return ", ".join(found) or "none"


def _carriers(findings: Findings, expected: Expected) -> Iterable[str]:
    yield "carrier  departed  cancelled  mean delay  over 2 h   as recorded"
    for carrier, found in sorted(findings.carriers.items()):
        demanded = expected.carriers[carrier]
        recorded = demanded.minutes / demanded.arrived if demanded.arrived else 0.0
        yield (
            f"{carrier:<7}{found.departed:>10,}{found.cancelled:>11,}{found.mean:>8.1f} min"
            f"{found.long:>10}   {demanded.departed:,} / {demanded.cancelled:,} / "
            f"{recorded:.1f} min / {demanded.long}"
        )


def _verdict(findings: Findings) -> None:
    if not findings.wrong:
        print(f"All {findings.compared:,} figures are what the records demand.")
        return
    print(f"WRONG: {len(findings.wrong):,} of {findings.compared:,} figures.")
    for line in findings.wrong[:20]:
        print(f"  {line[:300]}")
