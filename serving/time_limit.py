"""How long one request may take, from its first byte to the first byte of its answer."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.failures import refusal
from serving.requests import RequestError


class TimeLimited:
    """Answer 408 to a body that does not arrive in time, and 503 where the answer is not ready.

    An answer that has begun may take as long as its reader needs.

    Parameters
    ----------
    app : ASGI application
        Whose work is cancelled when its time is over; what runs in a thread goes on unheard.
    seconds : float
        From the first byte of the request to that of its answer.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = waiting = False

        async def noting_wait() -> Message:
            nonlocal waiting
            waiting = True
            message = await receive()
            waiting = False
            return message

        async def noting_start(message: Message) -> None:
            nonlocal started
            if not started:
                started = True
                limit.reschedule(None)
            await send(message)

        try:
            async with asyncio.timeout(self._seconds) as limit:
                await self._app(scope, noting_wait, noting_start)
        except TimeoutError:
            if started or not limit.expired():
                raise
            response = refusal(_late(waiting=waiting, seconds=self._seconds), scope["path"])
            response.headers["Connection"] = "close"
            await response(scope, receive, send)


def _late(*, waiting: bool, seconds: float) -> RequestError:
    if waiting:
        message = f"The body did not arrive within {seconds:g} s; send it faster, or less of it."
        return RequestError(408, "request_timeout", message)
    message = f"The answer was not ready within {seconds:g} s; ask again, with less at once."
    return RequestError(503, "timed_out", message)
