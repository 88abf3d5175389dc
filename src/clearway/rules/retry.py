"""Pauses between attempts: exponential, with full jitter (AWS Architecture Blog, "Exponential Backoff and Jitter")."""

import random


def pause_s(attempt: int, base_s: float, max_s: float) -> float:
    """Seconds to wait after failed attempt number `attempt` (from 1)."""
    # Jitter spreads callers out; it guards no secret.
    return random.uniform(0.5, 1.0) * min(max_s, base_s * 2 ** (attempt - 1))  # noqa: S311
