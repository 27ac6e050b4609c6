"""The limits around all routes: how much, how long, how often, and under which version."""

from starlette.types import ASGIApp

from serving.held_bodies import BoundedBodies
from serving.leased_rate import LeasedTokens
from serving.ledger.ledger import Ledger
from serving.rate_limit import RateLimited, RateLimiter, TokenBuckets
from serving.settings import n_workers, requests_per_minute, seconds_per_request
from serving.time_limit import TimeLimited
from serving.versions import VersionedPaths


def limiter_of_settings(ledger: Ledger | None = None) -> RateLimiter | None:
    """Return what counts the requests of each caller, or None where there is no limit.

    Parameters
    ----------
    ledger : Ledger or None
        Where all workers of a service, and all services on one PostgreSQL, count together; without
        it each worker grants a caller its share of the limit.
    """
    per_minute = requests_per_minute()
    if not per_minute:
        return None
    share = TokenBuckets(per_minute / n_workers())
    if ledger is None or (n_workers() == 1 and not ledger.is_postgres):
        return share
    return LeasedTokens(ledger, per_minute, share)


def limited(app: ASGIApp, rate_limiter: RateLimiter | None = None) -> ASGIApp:
    """Return an application within the limits of `serving/settings.py`.

    Parameters
    ----------
    app : ASGI application
    rate_limiter : RateLimiter, optional
        Outlasts the application, so that a new model does not fill the buckets; without it, that
        of the settings without a ledger.
    """
    timed: ASGIApp = TimeLimited(BoundedBodies(app), seconds_per_request())
    own = limiter_of_settings()
    if own is None:
        return VersionedPaths(timed)
    return VersionedPaths(RateLimited(timed, rate_limiter or own, of_nobody=own))
