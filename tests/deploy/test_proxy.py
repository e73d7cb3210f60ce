"""nginx with the file of deploy/: a browser stays at one dashboard, and goes elsewhere when that ends."""

import http.server
import re
import shutil
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path

import pytest
from children import free_port, until

FILE = Path(__file__).parents[2] / "deploy" / "nginx.conf"
pytestmark = pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is missing")


class Answer(http.server.BaseHTTPRequestHandler):
    """Answers with the port of its server."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(self.server.server_port).encode())  # type: ignore[attr-defined]

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def dashboards() -> Iterator[dict[int, http.server.ThreadingHTTPServer]]:
    """Three servers in the place of the dashboards at 8501, 8502 and 8503."""
    made = {port: http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) for port in (8501, 8502, 8503)}
    for server in made.values():
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    for server in made.values():
        server.shutdown()
        server.server_close()


def answer(address: str, opener: urllib.request.OpenerDirector) -> int:
    with opener.open(address, timeout=20) as got:
        return int(got.read())


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def browser() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))


def test_a_browser_stays_where_it_is(
    dashboards: dict[int, http.server.ThreadingHTTPServer], tmp_path: Path
) -> None:
    ports = {port: server.server_port for port, server in dashboards.items()}
    ports |= {8080: free_port(), 8081: free_port()}
    text = re.sub(r"127\.0\.0\.1:(\d+)", lambda found: f"127.0.0.1:{ports[int(found[1])]}", FILE.read_text())
    temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = "".join(f"    {each}_temp_path {tmp_path / each};\n" for each in temporary)
    (tmp_path / "nginx.conf").write_text(text.replace("http {\n", f"http {{\n    access_log off;\n{folders}"))
    directives = f"daemon off; pid {tmp_path / 'pid'};"
    command = ["nginx", "-e", "stderr", "-c", str(tmp_path / "nginx.conf"), "-g", directives]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    process = subprocess.Popen(command)
    readers, writer = (f"http://127.0.0.1:{ports[port]}/" for port in (8080, 8081))
    try:
        until(lambda: all(listens(ports[port]) for port in (8080, 8081)), 20, "nginx")
        people = [browser() for _ in range(20)]
        first = [answer(readers, person) for person in people]
        assert set(first) == {ports[8502], ports[8503]}
        for _ in range(3):
            assert [answer(readers, person) for person in people] == first
        assert answer(writer, browser()) == ports[8501]
        dashboards[8502].shutdown()
        dashboards[8502].server_close()
        assert {answer(readers, person) for person in people} == {ports[8503]}
    finally:
        process.terminate()
        process.wait(20)
