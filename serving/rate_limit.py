"""How often one caller may ask."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from serving.access.callers import NOBODY
from serving.failures import refusal
from serving.requests import RequestError

# Beyond these the caller that was away longest is forgotten, and starts with a full bucket.
REMEMBERED_CALLERS: Final = 10_000
SECONDS_OF_BURST: Final = 10.0


class RateLimiter(Protocol):
    """Counts requests, in this process or in a store that all workers share."""

    async def seconds_to_wait(self, caller: str) -> float:
        """Count one request of a caller.

        Returns
        -------
        float
            0 where it may be answered; otherwise it is not counted, and the caller should ask
            again after so many seconds.
        """
        ...


class TokenBuckets:
    """A bucket of tokens for each caller, in the memory of this process.

    A request takes one token. Tokens come at a steady rate, and ten seconds' worth of them may be
    saved up.

    Parameters
    ----------
    per_minute : float
        Tokens a minute.
    clock : callable
        Seconds that never go back.
    """

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_minute / 60.0
        self._capacity = max(1.0, self._rate * SECONDS_OF_BURST)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def seconds_to_wait(self, caller: str) -> float:
        """Take a token, as `RateLimiter` says."""
        now = self._clock()
        tokens, since = self._buckets.pop(caller, (self._capacity, now))
        tokens = min(self._capacity, tokens + (now - since) * self._rate)
        allowed = tokens >= 1.0
        self._buckets[caller] = (tokens - 1.0 if allowed else tokens, now)
        if len(self._buckets) > REMEMBERED_CALLERS:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1.0 - tokens) / self._rate


class RateLimited:
    """Refuse with 429 a caller that asks too often.

    Parameters
    ----------
    app : ASGI application
        Asked only as often as the limiter allows.
    limiter : RateLimiter
        Callers are told apart by `scope["state"]["caller"]`.
    of_nobody : RateLimiter
        Where that is nobody, they are told apart by their address: what is open to everybody must
        not be closed to all by one. An address is not for a store that is kept.
    """

    def __init__(self, app: ASGIApp, limiter: RateLimiter, of_nobody: RateLimiter) -> None:
        self._app = app
        self._limiter = limiter
        self._of_nobody = of_nobody

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        known = (scope.get("state") or {}).get("caller")
        if known and known != NOBODY.name:
            seconds = await self._limiter.seconds_to_wait(f"caller {known}")
        else:
            seconds = await self._of_nobody.seconds_to_wait(f"address {_address(scope)}")
        if seconds <= 0.0:
            await self._app(scope, receive, send)
            return
        wait = math.ceil(seconds)
        message = f"This caller asks too often; ask again in {wait} s, and less often."
        error = RequestError(429, "too_many_requests", message, retry_after=wait)
        await refusal(error, scope["path"])(scope, receive, send)


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else "unknown"
