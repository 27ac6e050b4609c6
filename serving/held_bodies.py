"""How much memory the bodies of a worker's requests may take together."""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.requests import MAXIMUM_BODY_BYTES, RequestError

# Choices: two of the longest at once, and short ones, such as one patient's record, always.
MAXIMUM_HELD_BYTES: Final = 2 * MAXIMUM_BODY_BYTES
SHORT_BYTES: Final = 64 * 1024


class BoundedBodies:
    """Refuse with 503 to read on in a long body while others fill the memory.

    Parameters
    ----------
    app : ASGI application
        Whose handlers answer a `RequestError` that its reading of the body raises.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; a body counts from its first byte until it is answered."""
        own = 0

        async def counted() -> Message:
            nonlocal own
            message = await receive()
            size = len(message.get("body", b""))
            own += size
            self._held += size
            if own > SHORT_BYTES and self._held > MAXIMUM_HELD_BYTES:
                text = "Too many long bodies arrive at once; send this one again."
                raise RequestError(503, "long_bodies_waiting", text, retry_after=1)
            return message

        try:
            await self._app(scope, counted, send)
        finally:
            self._held -= own
