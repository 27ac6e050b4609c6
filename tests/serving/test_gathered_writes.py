"""What is written in one turn of the event loop goes out as one, in order, and all of it."""

import asyncio
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from serving.gathered_writes import GatheredWrites

_STEPS = st.lists(st.one_of(st.binary(min_size=1), st.just("turn")), max_size=12)


class Transport:
    """Notes what it is given."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.written.append(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def get_write_buffer_size(self) -> int:
        return 61


def gathered(transport: Transport) -> GatheredWrites:
    return GatheredWrites(cast("Any", transport), asyncio.get_running_loop())


@given(_STEPS)
def test_each_turn_is_one_write_and_closing_leaves_nothing_behind(
    steps: list[bytes | str],
) -> None:
    async def run() -> list[bytes]:
        transport = Transport()
        writes = gathered(transport)
        for step in steps:
            if isinstance(step, bytes):
                writes.write(step)
            else:
                await asyncio.sleep(0)
        writes.close()
        await asyncio.sleep(0)
        return transport.written

    turns = [b""]
    for step in steps:
        if isinstance(step, bytes):
            turns[-1] += step
        else:
            turns.append(b"")
    assert asyncio.run(run()) == [turn for turn in turns if turn]


def test_a_long_answer_is_not_copied() -> None:
    async def run() -> list[bytes]:
        transport = Transport()
        writes = gathered(transport)
        writes.write(b"head")
        writes.write(long)
        writes.close()
        return transport.written

    long = b"x" * 2**20
    head, body = asyncio.run(run())
    assert head == b"head"
    assert body is long


def test_what_is_written_to_a_closed_connection_is_dropped() -> None:
    async def run() -> list[bytes]:
        transport = Transport()
        writes = gathered(transport)
        writes.write(b"late")
        transport.closed = True  # as when the client hangs up
        await asyncio.sleep(0)
        return transport.written

    assert asyncio.run(run()) == []


def test_it_is_the_transport_in_all_else() -> None:
    async def run() -> int:
        size: int = gathered(Transport()).get_write_buffer_size()
        return size

    assert asyncio.run(run()) == 61
