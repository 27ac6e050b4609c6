"""`/v1/...`: the same routes under a path that keeps its meaning when a second version comes."""

from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send

VERSION_PREFIX: Final = "/v1"
_RAW_PREFIX: Final = VERSION_PREFIX.encode()


class VersionedPaths:
    """Answer `/v1/predict` as `/predict`, and so every other path.

    Parameters
    ----------
    app : ASGI application
        Which knows the paths without the version.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http" and _is_versioned(scope["path"]):
            scope = {**scope, "path": scope["path"].removeprefix(VERSION_PREFIX)}
            if "raw_path" in scope:
                scope["raw_path"] = (scope["raw_path"] or b"").removeprefix(_RAW_PREFIX)
        await self._app(scope, receive, send)


def _is_versioned(path: str) -> bool:
    """Return whether a path has an alias; the page at `/` has none."""
    root = VERSION_PREFIX + "/"
    return path.startswith(root) and path != root


def versioned_paths(paths: dict[str, Any]) -> dict[str, Any]:
    """Return the paths of an OpenAPI document, each with its alias, and no operation id twice."""
    aliases = {
        VERSION_PREFIX + path: {
            method: {**operation, "operationId": f"{operation['operationId']}_v1"}
            for method, operation in operations.items()
        }
        for path, operations in paths.items()
    }
    return {**paths, **aliases}
