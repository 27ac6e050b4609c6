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
        # `asyncio.timeout` does the same, in thrice the time.
        timed = _Timed(receive, send, self._seconds)
        try:
            await self._app(scope, timed.receive, timed.send)
        except asyncio.CancelledError:
            timed.stop()
            if not timed.is_over:
                raise
            if timed.is_answered:
                # Begun because the time was over: a fault, and no longer a cancellation.
                raise TimeoutError from None
            late = _late(waiting=timed.is_waiting, seconds=self._seconds)
            response = refusal(late, scope["path"])
            response.headers["Connection"] = "close"
            await response(scope, receive, send)
        finally:
            timed.stop()


class _Timed:
    """One request, and the moment at which its task is cancelled.

    Attributes
    ----------
    is_waiting : bool
        For a part of the body.
    is_answered : bool
        Whether an answer has begun, after which no time counts.
    is_over : bool
        Once it is stopped: whether the task was cancelled for its time, and by nobody else.
    """

    def __init__(self, receive: Receive, send: Send, seconds: float) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # a request is served in one
        self._receive, self._send, self._task = receive, send, task
        self._cancelled_before = task.cancelling()
        self.is_waiting = self.is_answered = self.is_over = False
        self._has_cancelled = False
        self._end = asyncio.get_running_loop().call_later(seconds, self._cancel)

    def _cancel(self) -> None:
        self._has_cancelled = True
        self._task.cancel()

    def stop(self) -> None:
        """Stop the clock, and take back its cancellation, though the application overlooked it."""
        self._end.cancel()
        if self._has_cancelled:
            self._has_cancelled = False
            self.is_over = self._task.uncancel() <= self._cancelled_before

    async def receive(self) -> Message:
        self.is_waiting = True
        message = await self._receive()
        self.is_waiting = False
        return message

    async def send(self, message: Message) -> None:
        if not self.is_answered:
            self.is_answered = True
            self._end.cancel()
        await self._send(message)


def _late(*, waiting: bool, seconds: float) -> RequestError:
    if waiting:
        message = f"The body did not arrive within {seconds:g} s; send it faster, or less of it."
        return RequestError(408, "request_timeout", message)
    message = f"The answer was not ready within {seconds:g} s; ask again, with less at once."
    return RequestError(503, "timed_out", message)
