"""Bodies of multipart/form-data, well formed or not."""

from typing import NamedTuple

BOUNDARY = "between-parts"


class FormPart(NamedTuple):
    """One part of a form; with a file name it is a file."""

    name: str
    data: bytes
    filename: str | None = None


def form(*parts: FormPart) -> tuple[bytes, dict[str, str]]:
    """Return a body and its headers."""
    lines = []
    for part in parts:
        where = f'form-data; name="{part.name}"'
        if part.filename is not None:
            where += f'; filename="{part.filename}"'
        head = f"--{BOUNDARY}\r\nContent-Disposition: {where}\r\n\r\n"
        lines += [head.encode(), part.data, b"\r\n"]
    body = b"".join((*lines, f"--{BOUNDARY}--\r\n".encode()))
    return body, {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
