"""The limits around all routes: how long, how often, and under which version."""

from fastapi import FastAPI

from serving.rate_limit import RateLimited, RateLimiter, TokenBuckets
from serving.settings import n_workers, requests_per_minute, seconds_per_request
from serving.time_limit import TimeLimited
from serving.versions import VersionedPaths


def add_limits(app: FastAPI, rate_limiter: RateLimiter | None = None) -> None:
    """Put the limits of `serving/settings.py` around an application, once its routes are there.

    Parameters
    ----------
    app : FastAPI
    rate_limiter : RateLimiter, optional
        Shared by all workers; without it each worker grants a caller its share of the limit.
    """
    app.add_middleware(TimeLimited, seconds=seconds_per_request())
    per_minute = requests_per_minute()
    if rate_limiter is not None or per_minute:
        limiter = rate_limiter or TokenBuckets(per_minute / n_workers())
        app.add_middleware(RateLimited, limiter=limiter)
    app.add_middleware(VersionedPaths)
