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
        b"x-real-ip", b"cf-connecting-ip", b"cf-connecting-ipv6", b"cf-ray", b"true-client-ip",
        b"x-client-ip", b"fastly-client-ip", b"x-cluster-client-ip", b"x-original-forwarded-for",
        b"client-ip", b"x-envoy-external-address", b"x-envoy-internal", b"x-proxyuser-ip",
        b"cdn-loop", b"x-azure-clientip", b"x-azure-ref", b"x-appengine-user-ip", b"remote-addr",
        b"cloudfront-viewer-address", b"x-amzn-trace-id", b"fly-client-ip", b"do-connecting-ip",
        b"wl-proxy-client-ip", b"x-arr-log-id", b"x-original-host", b"tailscale-user-login",
    ],
)  # fmt: skip
def test_what_a_proxy_passed_on_is_refused(name: bytes) -> None:
    assert "proxy" in str(not_local(scope(HOST, (name, b"127.0.0.1"))))


def test_what_browsers_and_other_clients_send_of_themselves_passes() -> None:
    of_browsers = (
        "accept accept-encoding accept-language access-control-request-headers "
        "access-control-request-method cache-control connection cookie device-memory dnt "
        "downlink ect if-modified-since if-none-match keep-alive last-event-id pragma priority "
        "range referer rtt save-data sec-ch-prefers-color-scheme sec-ch-ua sec-ch-ua-mobile "
        "sec-ch-ua-platform sec-ch-viewport-width sec-fetch-dest sec-fetch-mode sec-fetch-site "
        "sec-fetch-storage-access sec-fetch-user sec-gpc te upgrade-insecure-requests "
        "user-agent x-requested-with"
    )
    of_others = (
        "authorization baggage content-encoding content-length content-type date expect "
        "idempotency-key patient-id traceparent tracestate transfer-encoding x-request-id"
    )
    names = f"{of_browsers} {of_others}".encode().split()
    assert not_local(scope(HOST, *((name, b"1") for name in names))) is None


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
