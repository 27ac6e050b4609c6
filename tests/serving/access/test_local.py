"""Without access control only this machine is answered, and nothing that a proxy passed on."""

from typing import Any

import pytest

from serving.access.local import is_loopback, not_local

HOST = (b"host", b"127.0.0.1:3000")


def scope(
    *headers: tuple[bytes, bytes], server: str = "127.0.0.1", client: str = "127.0.0.1"
) -> dict[str, Any]:
    return {"headers": list(headers), "server": (server, 3000), "client": (client, 40000)}


@pytest.mark.parametrize(
    "host", [b"127.0.0.1", b"localhost", b"LOCALHOST:3000", b"[::1]:3000", b"127.9.9.9:1"]
)
def test_a_local_request_passes(host: bytes) -> None:
    assert not_local(scope((b"host", host))) is None


@pytest.mark.parametrize(
    "host",
    [
        b"", b"evil.example", b"localhost.evil.example", b"127.0.0.1.evil.example", b"10.0.0.1",
        b"0.0.0.0", b"[::]", b"[::1", b"evil.example:127", b"\xff",
    ],
)  # fmt: skip
def test_another_host_is_refused(host: bytes) -> None:
    refusal = not_local(scope((b"host", host)))
    assert (refusal is None) == (host == b"[::1")


@pytest.mark.parametrize(
    "name",
    [
        b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-anything", b"via",
        b"x-real-ip",
    ],
)  # fmt: skip
def test_what_a_proxy_passed_on_is_refused(name: bytes) -> None:
    assert "proxy" in str(not_local(scope(HOST, (name, b"127.0.0.1"))))


@pytest.mark.parametrize(
    "origin", [b"http://127.0.0.1:3000", b"http://localhost", b"http://[::1]:8888"]
)
def test_a_page_of_this_machine_may_ask(origin: bytes) -> None:
    assert not_local(scope(HOST, (b"origin", origin))) is None


@pytest.mark.parametrize(
    "origin",
    [
        b"https://evil.example", b"http://127.0.0.1.evil.example", b"http://evil.example:127",
        b"null", b"", b"http://[", b"\xff",
    ],
)  # fmt: skip
def test_a_page_from_elsewhere_may_not_ask_unless_it_is_named(origin: bytes) -> None:
    asked = scope(HOST, (b"origin", origin))
    assert "page" in str(not_local(asked))
    assert "page" in str(not_local(asked, ("https://ehr.example",)))
    assert not_local(asked, (origin.decode("latin-1"),)) is None


def test_no_host_or_two_are_refused() -> None:
    assert not_local(scope()) is not None
    assert not_local(scope(HOST, HOST)) is not None


@pytest.mark.parametrize("side", ["server", "client"])
def test_an_address_elsewhere_is_refused(side: str) -> None:
    assert not_local(scope(HOST, **{side: "10.0.0.7"})) is not None
    assert not_local({**scope(HOST), side: None}) is not None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "example.org", "127.0.0"])  # noqa: S104
def test_other_hosts_are_not_this_machine(host: str) -> None:
    assert not is_loopback(host)
