"""Starting another worker soon after one has ended."""

import logging
from contextlib import suppress
from typing import Final, Protocol

logger = logging.getLogger("tms_response.serving")

# Circus' own default. BentoML sets 10 s, for services that start others, which ours does not.
_SECONDS_BETWEEN_CHECKS: Final = 1.0


def replace_workers_soon() -> None:
    """Let BentoML look every second, and not every ten, for workers that have ended.

    BentoML has no setting for it, and says of none that it ended. To be called before workers
    start, in the process that starts them.
    """
    # Only that process needs them.
    from bentoml._internal.utils import circus as of_bentoml  # noqa: PLC0415
    from circus.exc import ConflictError  # type: ignore[import-untyped]  # noqa: PLC0415

    class WatchfulArbiter(of_bentoml.Arbiter):
        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, **{**kwargs, "check_delay": _SECONDS_BETWEEN_CHECKS})
            for watcher in self.iter_watchers():
                watcher.hooks["after_reap"] = _tell_end

        def manage_watchers(self) -> object:
            # While workers are being started or ended there is nothing to replace, nor to log.
            with suppress(ConflictError):
                return super().manage_watchers()
            return None

    of_bentoml.Arbiter = WatchfulArbiter  # type: ignore[misc]


class _Watcher(Protocol):
    def is_stopping(self) -> bool: ...


def _tell_end(watcher: _Watcher, exit_code: int, **_: object) -> None:
    """Log that a worker has ended, unless all are being ended."""
    if not watcher.is_stopping():
        message = "A worker ended unexpectedly (exit code %s); another is started."
        logger.warning(message, exit_code)
