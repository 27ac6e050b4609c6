"""The headers of a request, read as they came: Starlette would encode and compare each anew."""

from starlette.requests import Request


def sent_headers(request: Request, name: bytes) -> list[str]:
    """Return the values of a header, in the order in which they were sent.

    Parameters
    ----------
    request : Request
    name : bytes
        In small letters.
    """
    return [value.decode("latin-1") for given, value in request.scope["headers"] if given == name]


def first_header(request: Request, name: bytes, default: str = "") -> str:
    """Return the first value of a header, or the default where there is none, or an empty one."""
    given: bytes
    for given, value in request.scope["headers"]:
        if given == name:
            return value.decode("latin-1") or default
    return default
