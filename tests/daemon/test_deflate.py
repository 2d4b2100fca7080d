"""permessage-deflate (RFC 7692) through a real socket: what is agreed, bombs, and a room where some take it.

tests/conform has the cases one by one; these are the daemon's own promises.
"""
import asyncio
import json
import os
import random
import zlib

import pytest
import websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory as Offer

from natterd import TEXT, Natterd, frame

CONFIG = '''
deflate = yes
deflate_min = 100
max_frame = 2M
max_message = 2M
message_rate = 0
send_queue = 16M
announce = off
endpoint "/*" { }
endpoint "/off/*" { deflate = no room = "mixed" }
endpoint "/echo" { handler = echo }
endpoint "/takeover" { handler = echo deflate_takeover = yes }
'''
OFFER = "Sec-WebSocket-Extensions: permessage-deflate"


@pytest.fixture(scope="module")
def natterd():
    with Natterd(CONFIG) as daemon:
        yield daemon


def deflate(data, level=9):
    z = zlib.compressobj(level, zlib.DEFLATED, -15)
    return (z.compress(data) + z.flush(zlib.Z_SYNC_FLUSH))[:-4]


def zeros(mib):
    """That many MiB of zeros, deflated: one MiB, which needs nothing before it, as often."""
    z = zlib.compressobj(9, zlib.DEFLATED, -15)
    return z.compress(bytes(1 << 20)) + z.flush(zlib.Z_FULL_FLUSH) + (
        z.compress(bytes(1 << 20)) + z.flush(zlib.Z_FULL_FLUSH)) * (mib - 1) + b"\0"


def echo(client, text):
    """A compressed message there and back."""
    client.send_raw(frame(TEXT, deflate(text), rsv=4))
    a, b = client.take(2)
    size = b if b < 126 else int.from_bytes(client.take(2 if b == 126 else 8), "big")
    back = client.take(size)
    assert a & 0x4f == 0x41 and zlib.decompressobj(-15).decompress(back + b"\0\0\xff\xff") == text


def extensions(natterd, path, offer=OFFER):
    c = natterd.connect(path, headers=[offer] if offer else [])
    c.close()
    return c.headers.get("sec-websocket-extensions")


def test_default_is_off():
    with Natterd() as daemon:
        assert extensions(daemon, "/") is None


def test_by_endpoint(natterd):
    shared = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    assert extensions(natterd, "/room") == shared
    assert extensions(natterd, "/echo") == shared
    assert extensions(natterd, "/takeover") == "permessage-deflate; server_no_context_takeover"
    assert extensions(natterd, "/off/x") is None
    assert extensions(natterd, "/room", None) is None


def test_a_header_that_is_no_list(natterd):
    c = natterd.connect("/echo", headers=['Sec-WebSocket-Extensions: x; y="1'], upgrade=False)
    c.send_raw(c.request)
    assert c.read_response() == 400
    assert b"Sec-WebSocket-Extensions" in c.read_to_end()


@pytest.mark.parametrize("path", ["/echo", "/takeover"])
@pytest.mark.parametrize("offer", [{}, {"client_max_window_bits": 9}, {"server_max_window_bits": 9},
                                   {"client_no_context_takeover": True, "server_no_context_takeover": True}])
def test_python_websockets(natterd, path, offer):
    async def echo():
        async with websockets.connect(natterd.url(path), extensions=[Offer(**offer)], compression=None,
                                      max_size=None) as ws:
            assert ws.extensions
            for n in (0, 1, 99, 100, 300, 1000, 70000, 1000000):
                for text in ("ab " * (n // 3), "".join(chr(97 + i * i % 26) for i in range(n))):
                    await ws.send(text)
                    assert await ws.recv() == text
                    await ws.send(text.encode())
                    assert await ws.recv() == text.encode()
    asyncio.run(echo())


def test_a_room_of_all_kinds(natterd):
    """The same for those who take compressed messages, in windows of two sizes, and for those who do not."""
    kinds = [("/mixed", Offer()), ("/mixed", Offer(server_max_window_bits=9)), ("/mixed", None),
             ("/off/x", Offer()), ("/mixed", Offer())]

    async def until(client, i):
        while json.loads(await client.recv())["i"] != i:
            pass

    async def talk():
        clients = [await websockets.connect(natterd.url(path), extensions=[offer] if offer else None,
                                            compression=None) for path, offer in kinds]
        for i, c in enumerate(clients):  # all have their place
            await c.send(json.dumps({"type": "there", "i": i}))
            await until(c, i)
        for c in clients[:-1]:
            await until(c, len(clients) - 1)
        before = natterd.counters()
        for i, n in enumerate((10, 200, 600, 40000)):
            await clients[i % 5].send(json.dumps({"message": "hello " * (n // 6), "i": i}))
            heard = [await c.recv() for c in clients]
            assert len(set(heard)) == 1
            assert json.loads(heard[0])["i"] == i
        after = natterd.counters()
        for c in clients:
            await c.close()
        assert after["deliveries"] - before["deliveries"] == 4 * 5
        # once each, on every worker with members that take it; but for the shortest
        assert 3 <= after["deflated"] - before["deflated"] <= 3 * natterd.workers
        saved = [after[k] - before[k] for k in ("deflate_bytes_in", "deflate_bytes_out")]
        assert saved[0] > 40800 and saved[1] < 1000
    asyncio.run(talk())


@pytest.mark.parametrize("path", ["/echo", "/takeover"])
@pytest.mark.parametrize("mib, most", [(64, 70 << 10), (1024, 1300 << 10)])
def test_bombs(natterd, path, mib, most):
    bomb = zeros(mib)
    assert len(bomb) < most
    c = natterd.connect(path, headers=[OFFER])
    memory, cpu = natterd.memory("VmHWM"), natterd.cpu()
    c.send_raw(frame(TEXT, bomb, rsv=4))
    assert c.recv_close()[0] == 1009
    c.expect_eof()
    c.close()
    assert natterd.memory("VmHWM") - memory < 32 << 20
    assert natterd.cpu() - cpu < 1  # a GiB is more than a second's work


def test_what_the_bombs_leave(natterd):
    """The shared inflater goes on as if nothing had been."""
    good = natterd.connect("/echo", headers=[OFFER])
    bad = natterd.connect("/echo", headers=[OFFER])
    bad.send_raw(frame(TEXT, b"\xff" * 100, rsv=4))
    assert bad.recv_close()[0] == 1007
    good.send_raw(frame(TEXT, deflate(b"still here"), rsv=4))
    assert good.recv() == "still here"
    # two in the middle of a message each, on one inflater
    other = natterd.connect("/echo", headers=[OFFER])
    one, two = deflate(b"the first of both"), deflate(b"the other one here")
    good.send_raw(frame(TEXT, one[:5], fin=False, rsv=4))
    other.send_raw(frame(TEXT, two[:7], fin=False, rsv=4))
    good.send_raw(frame(0, one[5:]))
    other.send_raw(frame(0, two[7:]))
    assert good.recv() == "the first of both"
    assert other.recv() == "the other one here"
    for c in (good, other, bad):
        c.close()


KIB = 1024


def memory_of(clients, path, size, headers):
    """Bytes for each of CLIENTS clients that send a message of SIZE bytes."""
    text = random.Random(size).randbytes(size // 2).hex().encode()
    with Natterd(CONFIG + "workers = 1\n", tls=False) as daemon:
        before, open_ones = None, []
        for i in range(clients + 10):  # the first ten have made what all share
            if i == 10:
                before = daemon.memory()
            c = daemon.connect(path, headers=headers)
            open_ones.append(c)
            if headers:
                echo(c, text)
            else:
                c.send_raw(frame(TEXT, text))
                assert c.recv().encode() == text
        memory = daemon.memory()
        daemon.hang_up()
    return (memory - before) / clients


@pytest.mark.skipif(os.environ.get("NATTER_SANITIZER", "no") != "no", reason="a sanitizer's memory is not the daemon's")
@pytest.mark.parametrize("path, size, least, most", [
    ("/echo", 20 * KIB, -2, 2),               # the worker's inflater and deflater serve all
    ("/takeover", 400, 6, 7 + 8),             # what the manual says; the window is pages of 4 KiB
    ("/takeover", 40 * KIB, 7 + 30, 7 + 36)])
def test_memory_of_a_connection(path, size, least, most):
    """KiB for a client that sends compressed messages, beyond what it costs without."""
    each = (memory_of(60, path, size, [OFFER]) - memory_of(60, path, size, [])) / KIB
    assert least < each < most, each
