"""One route that is answered before FastAPI looks for it.

FastAPI finds a route, opens two exit stacks and solves its dependencies; that costs more than a
prediction with its explanation.
"""

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from serving.failures import refusal
from serving.requests import RequestError


class DirectRoute:
    """Answer POST requests of one path; leave all others, and those with a query, to the app.

    Parameters
    ----------
    app : FastAPI
        It has, and documents, the route.
    path : str
        Of the route, without parameters; its function is called with the request alone, as
        FastAPI calls it where no query is sent.
    """

    def __init__(self, app: FastAPI, path: str) -> None:
        self._app, self._path = app, path
        [self._endpoint] = (
            route.endpoint
            for route in app.routes
            if isinstance(route, APIRoute) and route.path == path
        )

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
