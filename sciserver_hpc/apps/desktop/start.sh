# Xfce on TigerVNC's X server, shown by noVNC. All sockets are files in the session's private directory or in the
# image's own /tmp: none is TCP's, and none abstract, which everybody on the node could reach.
set -eu
readonly rfb=$app_folder/rfb.sock view_rfb=$app_folder/view-rfb.sock

cat >"$app_folder/bridge.py" <<'PYTHON'
"""noVNC's files and a WebSocket to a VNC server: bridge.py ORIGIN PARAMETERS [LISTEN RFB]… (unix sockets)."""

import asyncio
import sys

from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_unix_socket
from tornado.web import Application, RedirectHandler, StaticFileHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

PAGES = "/usr/share/novnc"


class Screen(WebSocketHandler):
    def initialize(self, origin, rfb):
        self.origin, self.rfb, self.writer = origin, rfb, None

    def check_origin(self, origin):
        return origin == self.origin

    def select_subprotocol(self, offered):
        return "binary" if "binary" in offered else None

    async def open(self):
        reader, self.writer = await asyncio.open_unix_connection(self.rfb)
        self.pump = asyncio.create_task(self.show(reader))

    async def show(self, reader):
        try:
            while data := await reader.read(65536):
                await self.write_message(data, binary=True)
        except (WebSocketClosedError, StreamClosedError, OSError):
            pass
        self.close()

    async def on_message(self, message):
        self.writer.write(message)
        await self.writer.drain()

    def on_close(self):
        if self.writer:
            self.writer.close()


def serve(origin, parameters, listen, rfb):
    page = f"/vnc.html?autoconnect=true&reconnect=true&path=screen&{parameters}"
    handlers = [
        ("/", RedirectHandler, {"url": page, "permanent": False}),
        ("/screen", Screen, {"origin": origin, "rfb": rfb}),
        ("/(.+)", StaticFileHandler, {"path": PAGES}),
    ]
    server = HTTPServer(Application(handlers, websocket_ping_interval=30))
    server.add_socket(bind_unix_socket(listen, mode=0o600))


async def main(origin, resize, *sockets):
    serve(origin, f"resize={resize}", *sockets[:2])
    if sockets[2:]:
        serve(origin, "resize=scale&view_only=true", *sockets[2:])
    await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
PYTHON

cat >"$app_folder/display.py" <<'PYTHON'
"""Xvnc on a display of its own: display.py NUMBER_FILE XAUTHORITY ARGUMENT…

Programs try the display's abstract socket first, where anybody on the node could wait for them and their cookie. So
the server holds that name and does not listen there: they are refused, and go on to the one in /tmp.
"""

import os
import secrets
import socket
import subprocess
import sys

number_file, xauthority, *arguments = sys.argv[1:]
for number in range(1000):
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0/tmp/.X11-unix/X{number}")
        break
    except OSError:
        continue
else:
    sys.exit("no display is free on this node")
name.set_inheritable(True)
line = f"add :{number} . {secrets.token_hex(16)}\n"
open(xauthority, "w").close()
subprocess.run(["xauth", "-q", "-f", xauthority], input=line, text=True, check=True)
with open(number_file, "w") as file:
    file.write(f"{number}\n")
os.execvp("Xvnc", ["Xvnc", f":{number}", "-auth", xauthority, *arguments])
PYTHON

until_there() { # until_there SOCKET
    for _ in {1..300}; do
        [ -S "$1" ] && return
        sleep 0.1
    done
    echo "$1 did not appear" >&2
    exit 1
}

geometry=1280x720 resize=scale options=(-AcceptSetDesktopSize=0)
case $value_size in
    window) resize=remote options=() ;;
    *) geometry=$value_size ;;
esac

export XAUTHORITY=$app_folder/xauthority
python3 "$app_folder/display.py" "$app_folder/display" "$XAUTHORITY" -nolisten tcp -nolisten local \
    -geometry "$geometry" -depth 24 -desktop Desktop -rfbunixpath "$rfb" -rfbunixmode 0600 -rfbport -1 \
    -SecurityTypes None -AlwaysShared "${options[@]}" &
readonly server=$!
until_there "$rfb"

DISPLAY=:$(<"$app_folder/display")
export DISPLAY NO_AT_BRIDGE=1 GTK_A11Y=none XDG_RUNTIME_DIR=$app_folder XDG_CURRENT_DESKTOP=XFCE
export DBUS_SESSION_BUS_ADDRESS=unix:path=$app_folder/bus
dbus-daemon --session --nofork --nopidfile --address="$DBUS_SESSION_BUS_ADDRESS" &
until_there "$app_folder/bus"

# People who look on: a second server, which takes nothing from them, whatever the page in their browser sends.
deny=(-AcceptKeyEvents=0 -AcceptPointerEvents=0 -AcceptSetDesktopSize=0)
for option in AcceptCutText SendCutText; do # newer than TigerVNC 1.12, which has no clipboard here at all
    if X0tigervnc -help 2>&1 | grep -q " $option "; then
        deny+=("-$option=0")
    fi
done
X0tigervnc -display "$DISPLAY" -rfbunixpath "$view_rfb" -rfbunixmode 0600 -rfbport -1 \
    -SecurityTypes None -AlwaysShared "${deny[@]}" &
until_there "$view_rfb"

# One bar, without what needs xfce4-session; and no menu entries of programs that are not there.
readonly bar=~/.config/xfce4/xfconf/xfce-perchannel-xml entries=~/.local/share/applications
mkdir -p "$bar" "$entries"
cat >"$bar/xfce4-panel.xml" <<'XML'
<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0">
  <property name="configver" type="int" value="2"/>
  <property name="panels" type="array">
    <value type="int" value="1"/>
    <property name="dark-mode" type="bool" value="true"/>
    <property name="panel-1" type="empty">
      <property name="position" type="string" value="p=6;x=0;y=0"/>
      <property name="length" type="uint" value="100"/>
      <property name="position-locked" type="bool" value="true"/>
      <property name="icon-size" type="uint" value="18"/>
      <property name="size" type="uint" value="30"/>
      <property name="plugin-ids" type="array">
        <value type="int" value="1"/>
        <value type="int" value="2"/>
        <value type="int" value="3"/>
        <value type="int" value="4"/>
        <value type="int" value="5"/>
        <value type="int" value="6"/>
        <value type="int" value="7"/>
        <value type="int" value="8"/>
      </property>
    </property>
  </property>
  <property name="plugins" type="empty">
    <property name="plugin-1" type="string" value="applicationsmenu"/>
    <property name="plugin-2" type="string" value="launcher">
      <property name="items" type="array"><value type="string" value="xfce4-terminal-emulator.desktop"/></property>
    </property>
    <property name="plugin-3" type="string" value="launcher">
      <property name="items" type="array"><value type="string" value="xfce4-file-manager.desktop"/></property>
    </property>
    <property name="plugin-4" type="string" value="launcher">
      <property name="items" type="array"><value type="string" value="org.xfce.mousepad.desktop"/></property>
    </property>
    <property name="plugin-5" type="string" value="separator"/>
    <property name="plugin-6" type="string" value="tasklist"><property name="grouping" type="uint" value="1"/></property>
    <property name="plugin-7" type="string" value="separator">
      <property name="expand" type="bool" value="true"/>
      <property name="style" type="uint" value="0"/>
    </property>
    <property name="plugin-8" type="string" value="clock"/>
  </property>
</channel>
XML
for entry in xfce4-mail-reader xfce4-web-browser; do
    printf '[Desktop Entry]\nType=Application\nName=%s\nExec=false\nHidden=true\n' "$entry" >"$entries/$entry.desktop"
done

until_called() { # until_called NAME: ten seconds at most, since the desktop is of use without
    for _ in {1..100}; do
        dbus-send --print-reply=literal --dest=org.freedesktop.DBus / org.freedesktop.DBus.NameHasOwner \
            "string:$1" | grep -q true && return
        sleep 0.1
    done
}

# The desktop's parts without xfce4-session, whose socket would be abstract. Nobody sees them before they are there.
umask 022 # of what the user writes, as in a job
cd /home/idies/workspace
xfsettingsd --daemon
until_called org.xfce.SettingsDaemon # the bar takes its colours when it starts
xfwm4 &
xfce4-panel &
xfdesktop &
until_called org.xfce.Panel
python3 "$app_folder/bridge.py" "$app_origin" "$resize" "$app_socket" "$rfb" "$app_view_socket" "$view_rfb" &

while sleep 10; do
    if [ "$(xprintidle)" -lt 15000 ]; then
        touch "$app_folder/active"
    fi
done &

wait "$server"
