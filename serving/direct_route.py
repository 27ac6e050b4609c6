"""One route that is answered before FastAPI looks for it.

FastAPI finds a route, opens two exit stacks and solves its dependencies; that costs more than a
prediction with its explanation.
"""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.failures import refusal
from serving.requests import RequestError


class DirectRoute:
    """Answer POST requests of one path; leave all others, and those with a query, to the app.

    Parameters
    ----------
    app : ASGI application
        It has, and documents, the same route.
    path : str
        Without parameters.
    endpoint : callable
        The function of that route, called as FastAPI calls it where no query is sent.
    """

    def __init__(
        self, app: ASGIApp, path: str, endpoint: Callable[[Request], Awaitable[Response]]
    ) -> None:
        self._app = app
        self._path = path
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if (
            scope["type"] != "http"
            or scope["path"] != self._path
            or scope["method"] != "POST"
            or scope["query_string"]
        ):
            await self._app(scope, receive, send)
            return
        try:
            response = await self._endpoint(Request(scope, receive))
        except RequestError as error:
            response = refusal(error)
        await response(scope, receive, send)
