"""An app that can serve a TCP port alone, in a network of its own, joined to its unix socket.

    unshare --user --map-current-user --keep-caps --net -- python3 -I -S port_relay.py PORT SOCKET COMMAND…

Runs COMMAND in that network, which holds the loopback address and nothing else, and ends with its exit code
(128 and the number for a signal). While 127.0.0.1:PORT answers, SOCKET does; when not, SOCKET refuses,
as that of an app which has gone. SIGTERM, SIGINT and SIGUSR1 go to COMMAND. Standard library only; see
unshare(1), netdevice(7), PR_CAP_AMBIENT in prctl(2).
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys

PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
LOOK_EVERY_S = 0.2
CHUNK = 65536
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4


def bring_up_loopback() -> None:
    """Raises OSError where this is not a network of our own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = struct.pack("16sh22x", b"lo", 0)
        flags = struct.unpack("16sh22x", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, asked))[1]
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | _IFF_UP))


def drop_capabilities() -> None:
    """What is started from here on has none, not even over the network it lives in."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


class Relay:
    """`path`: the unix socket; `port`: on 127.0.0.1."""

    def __init__(self, port: int, path: str) -> None:
        self._port = port
        self._path = path
        self._gone = asyncio.Event()

    async def run(self) -> None:
        """Offer the socket while the port answers, for ever."""
        while True:
            while not await self._answers():
                await asyncio.sleep(LOOK_EVERY_S)
            self._gone.clear()
            server = await self._listen()
            await self._gone.wait()
            server.close()
            os.unlink(self._path)

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return False
        await _close(writer)
        return True

    async def _listen(self) -> asyncio.AbstractServer:
        """The socket has its name only once it listens: who sees it is not refused."""
        new = f"{self._path}.new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        before = os.umask(0o177)
        try:
            server = await asyncio.start_unix_server(self._join, new, limit=CHUNK)
        finally:
            os.umask(before)
        os.replace(new, self._path)
        return server

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            app_reader, app_writer = await asyncio.open_connection("127.0.0.1", self._port, limit=CHUNK)
        except OSError:
            self._gone.set()
            await _close(writer)
            return
        try:
            await asyncio.gather(_copy(reader, app_writer), _copy(app_reader, writer))
        except OSError:
            pass  # one side was cut off, so the other is too
        finally:
            await _close(app_writer)
            await _close(writer)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until the end; the other direction may go on."""
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def main(port: int, path: str, command: list[str]) -> int:
    """The exit code."""
    signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in PASSED_ON:  # before there is a child that one of them would leave behind
        loop.add_signal_handler(number, signals.put_nowait, number)
    child = await asyncio.create_subprocess_exec(*command)
    passing = asyncio.create_task(_pass_on(signals, child))
    relay = asyncio.create_task(Relay(port, path).run())
    code = await child.wait()
    relay.cancel()
    passing.cancel()
    return code if code >= 0 else 128 - code


async def _pass_on(signals: asyncio.Queue[signal.Signals], child: asyncio.subprocess.Process) -> None:
    while True:
        number = await signals.get()
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(number)


if __name__ == "__main__":
    bring_up_loopback()
    drop_capabilities()
    sys.exit(asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])))
