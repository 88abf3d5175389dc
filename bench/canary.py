"""How soon a canary that mis-routes is rolled back, and how often a harmless one is: simulated streams of requests.

Ceiling on false alarms: `guard.FALSE_ALARM`, proven by Ville's inequality; what stands here checks it on the worst
case, a canary that routes exactly as many requests otherwise as were declared.
"""

import random
import time

from clearway.rules.releases.guard import Advice, Guard, Terms

STREAMS, LENGTH = 20_000, 300
DETECTIONS = 2_000


def _until_alarm(rate: float, declared: float, most: int, seed: int) -> int | None:
    chance, guard = random.Random(seed), Guard.begin(Terms(route_shift=declared))  # noqa: S311 - simulates traffic
    for number in range(1, most + 1):
        guard.note_route(differs=chance.random() < rate)
        if guard.advice()[0] is Advice.ROLL_BACK:
            return number
    return None


def run() -> dict[str, float]:
    figures: dict[str, float] = {}
    begun = time.perf_counter()
    alarms = sum(_until_alarm(0.02, 0.02, LENGTH, seed) is not None for seed in range(STREAMS))
    took = time.perf_counter() - begun
    figures["clean_streams"] = STREAMS
    figures["requests_a_clean_stream"] = LENGTH
    figures["false_alarms"] = alarms
    figures["us_a_request"] = took / (STREAMS * LENGTH) * 1e6
    for declared in (0.01, 0.02, 0.05):
        found = sorted(_until_alarm(0.3, declared, 2_000, seed) or 2_001 for seed in range(DETECTIONS))
        name = f"requests_until_rollback_30pct_declared_{declared:g}"
        figures[f"{name}_p50"] = found[len(found) // 2]
        figures[f"{name}_p99"] = found[int(len(found) * 0.99)]
    return figures
