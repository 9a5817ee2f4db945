"""A real RTSP server in a process of its own, to be killed, frozen and started again.

As a module it is the tests' side. Run as a script by the system's Python, which has the
GStreamer bindings, it is the server: `rtsp_server.py PORT FILE [USER PASSWORD]`.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, cast

SYSTEM_PYTHON = Path("/usr/bin/python3")
PACKAGES = (
    "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good "
    "gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav"
)
START_S = 40.0

LIVE = (
    "( videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=180,framerate=25/1 "
    "! valve name=video ! x264enc tune=zerolatency key-int-max=25 speed-preset=ultrafast "
    "! rtph264pay name=pay0 pt=96 "
    "audiotestsrc is-live=true ! valve name=audio ! audioconvert ! avenc_aac "
    "! rtpmp4gpay name=pay1 pt=97 )"
)
SILENT = (
    "( videotestsrc is-live=true ! video/x-raw,width=160,height=90,framerate=1/1 "
    "! x264enc tune=zerolatency key-int-max=2 speed-preset=ultrafast ! rtph264pay name=pay0 pt=96 )"
)
FILE = (
    '( filesrc location="{path}" ! qtdemux name=d '
    "d.video_0 ! queue ! h264parse ! rtph264pay name=pay0 pt=96 "
    "d.audio_0 ! queue ! aacparse ! rtpmp4gpay name=pay1 pt=97 )"
)


def why_missing() -> str:
    """What keeps the server from running here; empty when nothing does."""
    check = "import gi; gi.require_version('GstRtspServer', '1.0')"
    if not SYSTEM_PYTHON.exists():
        return f"needs {SYSTEM_PYTHON} with: apt-get install {PACKAGES}"
    found = subprocess.run([SYSTEM_PYTHON, "-c", check], capture_output=True, check=False)
    return "" if found.returncode == 0 else f"needs: apt-get install {PACKAGES}"


class RtspServer:
    """Serves /live (25 fps, sound), /slow (1 fps, silent) and /file on a free local port."""

    def __init__(self, file: Path, *, login: tuple[str, str] | None = None) -> None:
        self._file = file
        self._login = login
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    def url(self, path: str, *, login: tuple[str, str] | None = None) -> str:
        user = "" if login is None else f"{login[0]}:{login[1]}@"
        return f"rtsp://{user}127.0.0.1:{self.port}/{path}"

    def start(self) -> None:
        """Start, on the port of the time before if there was one, and wait until it listens."""
        command = [SYSTEM_PYTHON, __file__, str(self.port), self._file, *(self._login or ())]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], START_S)
        line = self._process.stdout.readline() if readable else b""
        if not line.startswith(b"ready "):
            self.kill()
            raise RuntimeError("the RTSP server did not start")
        self.port = int(line.split()[1])

    def kill(self) -> None:
        """SIGKILL: the kernel closes its connections. Idempotent."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process = None

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and silent."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def hold_back(self, track: Literal["video", "audio"]) -> None:
        """From now on /live sends nothing of this track; the other goes on."""
        self._command(f"{track} off")

    def let_through(self, track: Literal["video", "audio"]) -> None:
        """/live sends the track again."""
        self._command(f"{track} on")

    def _command(self, line: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)
        time.sleep(0.05)


def _serve(port: str, file: str, *login: str) -> None:
    gi: Any = import_module("gi")
    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    glib, gst, rtsp = (
        cast(Any, import_module(f"gi.repository.{name}"))
        for name in ("GLib", "Gst", "GstRtspServer")
    )
    gst.init(None)
    server = rtsp.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    permissions = _demand_login(rtsp, server, *login) if login else None
    live: list[Any] = []
    for path, launch in (("live", LIVE), ("slow", SILENT), ("file", FILE.format(path=file))):
        factory = rtsp.RTSPMediaFactory()
        factory.set_launch(launch)
        factory.set_shared(True)
        if permissions is not None:
            factory.set_permissions(permissions)
        if path == "live":
            factory.connect("media-configure", lambda _, media: live.append(media.get_element()))
        server.get_mount_points().add_factory(f"/{path}", factory)
    server.attach(None)
    glib.io_add_watch(sys.stdin, glib.PRIORITY_DEFAULT, glib.IO_IN, lambda *_: _obey(live))
    print("ready", server.get_bound_port(), flush=True)
    glib.MainLoop().run()


def _obey(live: list[Any]) -> bool:
    """Set the valves of the newest /live as standard input says: `video off`, `audio on`.

    Returns whether more may come.
    """
    data = os.read(sys.stdin.fileno(), 4096)
    for line in data.decode().splitlines():
        track, _, state = line.partition(" ")
        live[-1].get_by_name(track).set_property("drop", state == "off")
    return bool(data)


def _demand_login(rtsp: Any, server: Any, user: str, password: str) -> Any:
    """Basic authentication for everything; returns the permissions of the one user."""
    auth, token, permissions = rtsp.RTSPAuth(), rtsp.RTSPToken(), rtsp.RTSPPermissions()
    token.set_string("media.factory.role", "viewer")
    auth.add_basic(rtsp.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    for right in ("access", "construct"):
        permissions.add_permission_for_role("viewer", f"media.factory.{right}", True)
    return permissions


if __name__ == "__main__":
    _serve(*sys.argv[1:])
