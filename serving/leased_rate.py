"""How often one caller may ask all workers together, without a write a request."""

import asyncio
import logging
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

from serving.ledger.database import LedgerUnavailableError
from serving.rate_limit import REMEMBERED_CALLERS, SECONDS_OF_BURST, TokenBuckets

logger = logging.getLogger("tms_response.serving")

# What was taken and not spent is lost then; the longer, the more, and the fewer writes.
_LEASE_SECONDS: Final = 1.0
# A quarter of a second's tokens at most, so that one worker leaves some to the others.
_MOST_SECONDS_TOGETHER: Final = 0.25
_AHEAD_SHARE: Final = 0.25
_RETRY_SECONDS: Final = 1.0
_LONGEST_NAME: Final = 200


class TokenStore(Protocol):
    """Holds the buckets of all workers."""

    def lease_tokens(
        self, name: str, per_second: float, capacity: float, wanted: int
    ) -> tuple[int, float]:
        """Take tokens of a bucket; see `serving.ledger.shared_memory.lease_tokens`."""


class _Lease:
    """The tokens of one caller that this worker has taken from the store."""

    def __init__(self) -> None:
        self.blocks: deque[tuple[float, int]] = deque()  # until when, how many; oldest first
        self.low_at = 0
        self.spent = self.waiting = 0
        self.since = self.refused_until = -math.inf
        self.renewal: asyncio.Task[None] | None = None

    def spend(self, now: float) -> bool:
        """Spend the oldest token that is still valid, if there is one."""
        while self.blocks:
            expires, tokens = self.blocks.popleft()
            if expires > now:
                if tokens > 1:
                    self.blocks.appendleft((expires, tokens - 1))
                self.spent += 1
                return True
        return False

    def is_low(self, now: float) -> bool:
        """Return whether more should be taken before the last is spent."""
        return (
            len(self.blocks) == 1 and self.blocks[0][1] <= self.low_at and now >= self.refused_until
        )

    def wanted(self, now: float, most: int) -> int:
        """Return how many to take: as many as will be spent while they are valid."""
        lately = self.spent * _LEASE_SECONDS / max(now - self.since, 1e-3)
        return max(1, min(most, max(self.waiting, math.ceil(lately))))


class LeasedTokens:
    """A bucket of tokens for each caller in a store, of which each worker takes some at once.

    A worker takes about what a caller spends in a second, spends it in memory, and drops what is
    older than a second. In any time all workers together grant what `TokenBuckets` would grant,
    and no more: the bucket holds a second's tokens less, because those that are taken may be spent
    a second later. While the store is away, each worker grants its share.

    Parameters
    ----------
    store : TokenStore
        Such as a ledger.
    per_minute : float
        Tokens a minute, of all workers.
    share : TokenBuckets
        The share of this worker.
    clock : callable
        Seconds that never go back.
    """

    def __init__(
        self,
        store: TokenStore,
        per_minute: float,
        share: TokenBuckets,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._share, self._clock = store, share, clock
        self._rate = per_minute / 60.0
        self._capacity = max(1.0, self._rate * (SECONDS_OF_BURST - _LEASE_SECONDS))
        self._most = max(1, math.floor(self._rate * _MOST_SECONDS_TOGETHER))
        self._leases: OrderedDict[str, _Lease] = OrderedDict()
        self._is_away, self._away_until = False, -math.inf
        self._thread = ThreadPoolExecutor(1, "rate-limit")

    async def seconds_to_wait(self, caller: str) -> float:
        """Take a token, as `RateLimiter` says."""
        # Counted in any case, so that an outage of the store is no second burst.
        of_share = await self._share.seconds_to_wait(caller)
        lease = self._lease(caller)
        while (now := self._clock()) >= self._away_until:
            if lease.spend(now):
                if lease.is_low(now):
                    self._renew(caller, lease)
                return 0.0
            if now < lease.refused_until:
                return lease.refused_until - now
            lease.waiting += 1
            try:
                await asyncio.shield(self._renew(caller, lease))
            finally:
                lease.waiting -= 1
        return of_share

    def _lease(self, caller: str) -> _Lease:
        lease = self._leases.pop(caller, None) or _Lease()
        self._leases[caller] = lease
        if len(self._leases) > REMEMBERED_CALLERS:
            self._leases.popitem(last=False)
        return lease

    def _renew(self, caller: str, lease: _Lease) -> "asyncio.Task[None]":
        if lease.renewal is None:
            lease.renewal = asyncio.get_running_loop().create_task(self._take(caller, lease))
        return lease.renewal

    async def _take(self, caller: str, lease: _Lease) -> None:
        begun = self._clock()
        wanted = lease.wanted(begun, self._most)
        lease.spent, lease.since = 0, begun
        asked = (caller[:_LONGEST_NAME], self._rate, self._capacity, wanted)
        loop = asyncio.get_running_loop()
        try:
            taken, wait = await loop.run_in_executor(self._thread, self._store.lease_tokens, *asked)
        except LedgerUnavailableError:
            self._note_away()
            return
        finally:
            lease.renewal = None
        now = self._clock()
        if now >= begun + _LEASE_SECONDS:
            self._note_away()  # what takes so long to come is no longer valid
            return
        self._is_away = False
        if taken:
            lease.blocks.append((begun + _LEASE_SECONDS, taken))
            lease.low_at = math.floor(taken * _AHEAD_SHARE)
        else:
            lease.refused_until = now + wait

    def _note_away(self) -> None:
        if not self._is_away:
            logger.warning("The shared rates are away; this worker grants its share.")
        self._is_away = True
        self._away_until = self._clock() + _RETRY_SECONDS
