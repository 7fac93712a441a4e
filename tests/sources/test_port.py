from __future__ import annotations

import socket

import pytest

from ptingest.sources.port import SEND_BUFFER_BYTES, open_port, prepare


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "[::1]:0"])
def test_a_port_takes_connections_as_soon_as_it_is_open(listen: str) -> None:
    with open_port(listen) as listener:
        with socket.create_connection(listener.getsockname()[:2], timeout=3):
            accepted, _ = listener.accept()
            accepted.close()

        assert listener.gettimeout() == 0


def test_a_taken_address_is_named() -> None:
    with open_port("127.0.0.1:0") as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match=rf"beats.listen {listen}: .* in use"):
            open_port(listen)


def test_what_holds_for_each_connection_is_set() -> None:
    with open_port("127.0.0.1:0") as listener:
        with socket.create_connection(listener.getsockname(), timeout=3):
            accepted, _ = listener.accept()
            with accepted:
                prepare(accepted)

                asked = [
                    accepted.getsockopt(level, option)
                    for level, option in (
                        (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                        (socket.IPPROTO_TCP, socket.TCP_NODELAY),
                        (socket.SOL_SOCKET, socket.SO_SNDBUF),
                    )
                ]

    assert asked == [1, 1, 2 * SEND_BUFFER_BYTES]  # the kernel doubles it for its own use
