"""A desktop in a browser: what it shows, and RFB (RFC 6143) spoken past noVNC's page."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

from sciserver_hpc.devcluster.processes import wait

from .visitor import PATIENCE_MS

CANVAS = "#noVNC_container canvas"
PATIENCE_S = PATIENCE_MS / 1000

_COLOURS = f"""() => {{
    const canvas = document.querySelector("{CANVAS}");
    if (!canvas || canvas.width < 300) return 0;
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return new Set(new Uint32Array(data.buffer)).size;
}}"""

# One number of 32 bits for each block of 8 by 8 pixels: its upper left one.
_PICTURE = f"""() => {{
    const canvas = document.querySelector("{CANVAS}");
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    const found = [];
    for (let y = 0; y < canvas.height; y += 8)
        for (let x = 0; x < canvas.width; x += 8) {{
            const at = 4 * (y * canvas.width + x);
            found.push([data[at], data[at + 1], data[at + 2]]);
        }}
    return found;
}}"""

# A client of its own: `raw.type(text)`, `raw.point(x, y, buttons)`, `raw.cut(text)`, `raw.fence()`, which
# returns once the server has answered, so has read all before; `raw.cuts` is what it told of the clipboard.
_RAW = """async () => {
    const socket = new WebSocket(location.origin.replace("http", "ws") + "/screen", ["binary"]);
    socket.binaryType = "arraybuffer";
    let bytes = new Uint8Array(0), wake = () => {};
    socket.onmessage = ({ data }) => {
        const joined = new Uint8Array(bytes.length + data.byteLength);
        joined.set(bytes);
        joined.set(new Uint8Array(data), bytes.length);
        bytes = joined;
        wake();
    };
    await new Promise((done, fail) => { socket.onopen = done; socket.onerror = fail; });
    const take = async (size) => {
        while (bytes.length < size) await new Promise((done) => { wake = done; });
        const taken = bytes.slice(0, size);
        bytes = bytes.slice(size);
        return new DataView(taken.buffer);
    };
    const send = (...numbers) => socket.send(new Uint8Array(numbers));
    const two = (number) => [number >> 8, number & 255];
    await take(12);
    socket.send(new TextEncoder().encode("RFB 003.008\\n"));
    await take((await take(1)).getUint8(0));
    send(1);
    await take(4);
    send(1);
    await take(20);
    await take((await take(4)).getUint32(0));
    send(2, 0, 0, 1, 0, 0, 0, 0);  // raw pixels alone
    const key = (sym) => { for (const down of [1, 0]) send(4, down, 0, 0, 0, 0, ...two(sym)); };
    const cuts = [];
    window.raw = {
        cuts,
        type: (text) => [...text].forEach((c) => key(c === "\\n" ? 0xff0d : c.charCodeAt(0))),
        point: (x, y, buttons) => send(5, buttons, ...two(x), ...two(y)),
        cut: (text) => send(6, 0, 0, 0, 0, 0, ...two(text.length), ...new TextEncoder().encode(text)),
        fence: async () => {
            send(3, 0, 0, 0, 0, 0, 0, 1, 0, 1);
            for (;;) {
                const kind = (await take(1)).getUint8(0);
                if (kind === 3) {
                    const size = (await take(7)).getUint32(3);
                    cuts.push(new TextDecoder().decode(await take(size)));
                } else if (kind === 0) {
                    const many = (await take(3)).getUint16(1);
                    for (let n = 0; n < many; n++) {
                        const head = await take(12);
                        await take(4 * head.getUint16(4) * head.getUint16(6));
                    }
                    return;
                }
            }
        },
    };
}"""


class Desktop:
    """`page` is noVNC's, with the desktop at a size of its own."""

    def __init__(self, page: Page) -> None:
        self.page = page
        assert wait(lambda: int(page.evaluate(_COLOURS)) > 100, PATIENCE_S), "the canvas is blank"

    def picture(self) -> list[list[int]]:
        """Some of its pixels."""
        found: list[list[int]] = self.page.evaluate(_PICTURE)
        return found

    def unlike(self, picture: list[list[int]]) -> float:
        """The share of pixels that differ to the eye; 1 for another size."""
        mine = self.picture()
        if len(mine) != len(picture):
            return 1.0
        pairs = zip(mine, picture, strict=True)
        return sum(max(abs(a - b) for a, b in zip(*pair, strict=True)) > 32 for pair in pairs) / len(mine)

    def click(self, x: int, y: int) -> None:
        """Where noVNC shows it at its own size."""
        self.page.locator(CANVAS).click(position={"x": x, "y": y})

    def open_menu(self) -> None:
        """Of the applications. The bar may still be loading when the desktop is seen first: click again."""
        before = self.picture()

        def opened() -> bool:
            self.click(40, 14)
            return wait(lambda: self.unlike(before) > 0.015, 3)

        assert wait(opened, PATIENCE_S), "no menu opened"

    def open_terminal(self) -> None:
        """By Xfce's own key. What listens for it may still be loading: press again."""
        before = self.picture()

        def opened() -> bool:
            self.click(900, 500)
            self.page.keyboard.press("Control+Alt+t")
            return wait(lambda: self.unlike(before) > 0.2, 15)

        assert wait(opened, PATIENCE_S), "no terminal came"

    def run(self, command: str) -> None:
        """Type it into the window that has the focus."""
        self.page.keyboard.type(command)
        self.page.keyboard.press("Enter")

    def offer_clipboard(self, text: str) -> None:
        """What noVNC's clipboard panel does when something is typed there."""
        self.page.evaluate(
            "text => { const box = document.getElementById('noVNC_clipboard_text');"
            " box.value = text; box.dispatchEvent(new Event('change')); }",
            text,
        )

    def speak(self) -> None:
        """Open a connection of one's own: see `raw`."""
        self.page.evaluate(_RAW)

    def raw(self, call: str) -> Any:
        """Call something of it, and wait until the server has read that."""
        return self.page.evaluate(f"async () => {{ raw.{call}; await raw.fence(); return raw.cuts; }}")
