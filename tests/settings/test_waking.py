"""The nudge to the broker."""

from __future__ import annotations

import socket
from pathlib import Path

from sciserver_hpc.broker.loop import WakeSocket
from sciserver_hpc.waking import SOCKET_NAME, DatagramWaker


def test_a_nudge_arrives(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / SOCKET_NAME))
        listener.settimeout(10)
        DatagramWaker(tmp_path).wake()
        assert listener.recv(16) == b""


def test_the_broker_hears_it(tmp_path: Path) -> None:
    listener = WakeSocket(tmp_path / SOCKET_NAME)
    DatagramWaker(tmp_path).wake()
    listener.wait(600)
    listener.close()


def test_without_a_broker_nothing_happens(tmp_path: Path) -> None:
    DatagramWaker(tmp_path).wake()


def test_a_broker_that_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / SOCKET_NAME))
        for _ in range(2000):
            DatagramWaker(tmp_path).wake()
