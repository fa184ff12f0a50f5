"""API Gateway's token bucket."""

from local.throttle import Throttle


def test_a_route_takes_its_burst_at_once_and_its_rate_from_then_on() -> None:
    now = [100.0]
    throttle = Throttle(rate=2, burst=3, monotonic=lambda: now[0])

    assert [throttle.admits("GET /a") for _ in range(4)] == [True, True, True, False]
    now[0] += 1
    assert [throttle.admits("GET /a") for _ in range(3)] == [True, True, False]
    now[0] += 3600
    assert [throttle.admits("GET /a") for _ in range(4)] == [True, True, True, False]


def test_one_route_does_not_take_from_another() -> None:
    throttle = Throttle(rate=1, burst=1, monotonic=lambda: 0.0)

    assert [throttle.admits("GET /a"), throttle.admits("GET /b"), throttle.admits("GET /a")] == [True, True, False]
