"""What a broken line is called."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from sciserver_hpc.client.transport import Transport
from sciserver_hpc.domain.errors import Unavailable


@pytest.fixture
def hangs_up() -> Iterator[str]:
    """A server that ends each connection in the middle of its handshake, as one that is killed then."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                with peer:
                    peer.recv(100)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"https://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_handshake_that_breaks_off_is_no_bad_certificate(hangs_up: str) -> None:
    transport = Transport(hangs_up, None)
    transport.sleep = lambda _pause: None
    with pytest.raises(Unavailable):
        transport.json("GET", "/me")
    transport.close()
