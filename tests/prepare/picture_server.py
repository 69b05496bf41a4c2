"""A local web server with everything that can go wrong with a picture."""

import http.server
import io
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image


def picture_bytes(kind: str = "JPEG", size: tuple[int, int] = (32, 24), mode: str = "RGB") -> bytes:
    """A small picture as file contents."""
    data = io.BytesIO()
    Image.effect_noise(size, 60).convert(mode).save(data, kind)
    return data.getvalue()


class PictureServer(http.server.ThreadingHTTPServer):
    """Counts the requests for each path; ``stall`` ends the stalled answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: Counter[str] = Counter()
        self.stall = threading.Event()
        self.hosts: dict[str, str | None] = {}
        self.cookies: list[str] = []
        self.base = f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serving(certificate: tuple[Path, Path] | None = None) -> Iterator[PictureServer]:
    """Run a server while the block runs, with TLS where it has a certificate and its key."""
    server = PictureServer()
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stall.set()
        server.shutdown()
        server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: PictureServer

    def log_message(self, *_: object) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        """Answer by the first part of the path."""
        path = self.path.split("?")[0]
        self.server.asked[path] += 1
        self.server.hosts[path] = self.headers.get("Host")
        self.server.cookies += self.headers.get_all("Cookie", [])
        getattr(self, f"_{path.split('/')[1].replace('-', '_')}", self._missing)(self.server.asked[path])

    def _send(
        self, body: bytes, kind: str = "image/jpeg", length: int | None = None, status: int = 200
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def _ok(self, _: int) -> None:
        self._send(picture_bytes())

    def _png(self, _: int) -> None:
        self._send(picture_bytes("PNG", mode="RGBA"), "application/octet-stream")

    def _missing(self, _: int) -> None:
        self._send(b"no", "text/plain", status=404)

    def _flaky(self, count: int) -> None:
        self._send(b"busy", status=500) if count == 1 else self._send(picture_bytes())

    def _broken(self, _: int) -> None:
        self._send(b"busy", status=503)

    def _truncated(self, _: int) -> None:
        body = picture_bytes()
        self._send(body[: len(body) // 2], length=len(body))

    def _half(self, _: int) -> None:
        body = picture_bytes(size=(200, 200))
        self._send(body[: len(body) // 2])

    def _html(self, _: int) -> None:
        self._send(b"<html><body>Sorry</body></html>", "text/html; charset=utf-8")

    def _disguised(self, _: int) -> None:
        self._send(b"<html><body>Sorry</body></html>", "image/jpeg")

    def _empty(self, _: int) -> None:
        self._send(b"")

    def _pixel(self, _: int) -> None:
        self._send(picture_bytes("GIF", (1, 1), "P"), "image/gif")

    def _large(self, _: int) -> None:
        self._chunks(length=30_000_000)

    def _endless(self, _: int) -> None:
        self._chunks(length=None)

    def _chunks(self, length: int | None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        try:
            for _ in range(480):
                self.wfile.write(b"\0" * 65_536)
        except OSError:
            return  # the client has seen enough

    def _stalled(self, _: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"\xff\xd8")
        self.wfile.flush()
        self.server.stall.wait(30)

    def _drip(self, _: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        try:
            while not self.server.stall.is_set():
                self.wfile.write(b"\xff")
                self.wfile.flush()
                time.sleep(0.05)
        except OSError:
            return

    def _cookie(self, _: int) -> None:
        self.send_response(200)
        body = picture_bytes()
        self.send_header("Set-Cookie", "visit=1; Path=/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _drop_by_drop(self, begin: bytes, drop: bytes, pause: float = 0.05) -> None:
        """Send ``begin``, then ``drop`` again and again until nobody listens."""
        try:
            self.wfile.write(begin)
            while not self.server.stall.is_set():
                self.wfile.write(drop)
                self.wfile.flush()
                time.sleep(pause)
        except OSError:
            return

    def _slow_status(self, _: int) -> None:
        self._drop_by_drop(b"HTTP/1.1 200 O", b"K")

    def _slow_header(self, _: int) -> None:
        self._drop_by_drop(b"HTTP/1.1 200 OK\r\nX-Long: ", b"a")

    def _slow_sizes(self, _: int) -> None:
        self._drop_by_drop(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n\xff\r\n")

    def _slow_trailers(self, _: int) -> None:
        body = picture_bytes()
        begin = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\nX-End: "
        self._drop_by_drop(begin % (len(body), body), b"a")

    def _continue(self, _: int) -> None:
        self._drop_by_drop(b"", b"HTTP/1.1 100 Continue\r\n\r\n")

    def _flood(self, _: int) -> None:
        self._drop_by_drop(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, pause=0)

    def _redirect(self, target: str) -> None:
        self.send_response(302)
        self.send_header("Location", target)
        self.end_headers()

    def _moved(self, _: int) -> None:
        self._redirect("/ok/moved")

    def _loop(self, _: int) -> None:
        self._redirect("/loop")

    def _to_file(self, _: int) -> None:
        self._redirect("file:///etc/passwd")

    def _to_ftp(self, _: int) -> None:
        self._redirect("ftp://127.0.0.1/a.jpg")

    def _to_private(self, _: int) -> None:
        self._redirect("http://10.0.0.1/a.jpg")

    def _to_nonsense(self, _: int) -> None:
        self._redirect("http://[bad")

    def _slowly(self, _: int) -> None:
        time.sleep(0.15)
        self._redirect("/slowly")

    def _nowhere(self, _: int) -> None:
        self.send_response(302)
        self.end_headers()
