"""API Gateway's throttling: a token bucket for each route ("Throttle requests to your HTTP APIs")."""

import threading
import time
from collections.abc import Callable


class Throttle:
    """Admits `burst` requests of a route at once and `rate` a second for long. Safe to share between threads."""

    def __init__(self, *, rate: int, burst: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._monotonic = monotonic
        self._buckets: dict[str, tuple[float, float]] = {}  # route key → tokens, and when they were counted
        self._counting = threading.Lock()

    def admits(self, route_key: str) -> bool:
        """Takes a token from the route's bucket; False, which API Gateway answers with 429, where there is none."""
        with self._counting:
            now = self._monotonic()
            tokens, counted_at = self._buckets.get(route_key, (float(self._burst), now))
            tokens = min(float(self._burst), tokens + (now - counted_at) * self._rate)
            admitted = tokens >= 1
            self._buckets[route_key] = (tokens - admitted, now)
        return admitted
