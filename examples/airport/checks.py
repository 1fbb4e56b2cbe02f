"""What the services answer, beside what the records demand."""

import asyncio
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from contracts import (
    BY_CARRIER,
    BY_ROUTE,
    CANCELLED_AT,
    EXPORT,
    NOTICES,
    SUMMARY,
    WORST,
    Delays,
    Route,
    Summary,
)
from expected import Expected
from questions import NO_CARRIER, code_of
from wireloom import ClientProxy, RpcError


@dataclass
class Findings:
    """All answers that were compared, and those that were wrong."""

    summary: Summary
    carriers: dict[str, Delays] = field(default_factory=dict)
    notices: int = 0
    compared: int = 0
    wrong: list[str] = field(default_factory=list)

    def same(self, what: str, answered: Any, demanded: Any) -> None:
        """Compare one answer."""
        self.compared += 1
        if answered != demanded:
            self.wrong.append(f"{what}: the answer is {answered}, the records demand {demanded}")


async def check(bus: ClientProxy, expected: Expected) -> Findings:
    """Ask for every figure there is, and compare it."""
    findings = Findings(await bus.send(SUMMARY))
    _check_summary(findings, expected)
    await _check_figures(bus, findings, expected)
    for day, record in expected.worst.items():
        worst = await bus.send(WORST, day)
        findings.same(f"worst of {day}", (worst.id, worst.delay), (record.id, record.arrival_delay))
    rows = {row.id: (row.departed, row.cancelled, row.delay) async for row in bus.stream(EXPORT)}
    findings.same("rows of the export", len(rows), len(expected.export))
    for difference in _differences(rows, expected.export):
        findings.same(f"export of {difference}", rows.get(difference), expected.export[difference])
    notices = await bus.send(NOTICES)
    findings.notices = len(notices)
    findings.same("notices", sorted(one.flight for one in notices), sorted(expected.late))
    findings.same("cancelled at", await bus.send(CANCELLED_AT), dict(expected.cancelled_at))
    await _check_unknown(bus, findings)
    return findings


def _check_summary(findings: Findings, expected: Expected) -> None:
    summary, total = findings.summary, expected.total
    findings.same("departures", summary.departed, total.departed)
    findings.same("arrivals", summary.arrived, total.arrived)
    findings.same("cancelled flights", summary.cancelled, total.cancelled)
    findings.same("events out of order", summary.out_of_order, 0)
    findings.same("carriers", summary.carriers, sorted(expected.carriers))


async def _check_figures(bus: ClientProxy, findings: Findings, expected: Expected) -> None:
    for carrier, demanded in sorted(expected.carriers.items()):
        answer = findings.carriers[carrier] = await bus.send(BY_CARRIER, carrier)
        findings.same(f"carrier {carrier}", answer.model_dump(), asdict(demanded))
    routes = [Route(origin=origin, destination=to) for origin, to in sorted(expected.routes)]
    answers = await asyncio.gather(*(bus.send(BY_ROUTE, route) for route in routes))
    for route, answer in zip(routes, answers, strict=True):
        demanded = expected.routes[route.origin, route.destination]
        findings.same(
            f"route {route.origin}-{route.destination}", answer.model_dump(), asdict(demanded)
        )


def _differences(rows: dict[str, Any], demanded: dict[str, Any]) -> Iterator[str]:
    return (flight for flight, facts in demanded.items() if rows.get(flight) != facts)


async def _check_unknown(bus: ClientProxy, findings: Findings) -> None:
    try:
        await bus.send(BY_CARRIER, NO_CARRIER)
    except RpcError as error:
        findings.same("unknown carrier", code_of(error), "NOT_FOUND")
    else:
        findings.same("unknown carrier", "an answer", "NOT_FOUND")
