from __future__ import annotations

import statistics


def outliers(values: list[float], k: float = 3.0) -> list[float]:
    mean, dev = statistics.fmean(values), statistics.pstdev(values)
    return [v for v in values if abs(v - mean) > k * dev]
