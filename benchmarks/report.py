"""Samples as a table of medians, spreads and ratios."""

from collections.abc import Sequence
from statistics import median

Samples = dict[str, dict[int, list[float]]]
"""Requests per second, by case, then by count in flight."""


def table(samples: Samples, counts: Sequence[int], baselines: Sequence[str]) -> str:
    """One row a case: for each count the median (lowest–highest), then its ratio to baselines."""
    present = [name for name in baselines if name in samples]
    width = max(map(len, samples)) + 2
    head = "".join(f"{f'{count} in flight':>30}" for count in counts)
    ratios = "".join(f"{f'/ {name}':>22}" for name in present)
    lines = [f"{'requests/s':<{width}}{head}{ratios}"]
    for name, by_count in samples.items():
        cells = "".join(f"{_spread(by_count[count]):>30}" for count in counts)
        beside = "".join(
            f"{_ratios(by_count, samples[baseline], counts):>22}" for baseline in present
        )
        lines.append(f"{name:<{width}}{cells}{beside}")
    return "\n".join(lines)


def _spread(rates: Sequence[float]) -> str:
    return f"{median(rates):,.0f} ({min(rates):,.0f}-{max(rates):,.0f})"


def _ratios(
    rates: dict[int, list[float]], baseline: dict[int, list[float]], counts: Sequence[int]
) -> str:
    shares = (median(rates[count]) / median(baseline[count]) for count in counts)
    return " ".join(f"{share:.2f}" for share in shares)
