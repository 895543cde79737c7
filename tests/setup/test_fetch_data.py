"""make data against a server on this machine: whole files, cut ones, wrong ones, none."""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import fetch_data
from paths import script_file

INSIDE = {"some-binary/train.bin": bytes(range(256)) * 500, "some-binary/test.bin": b"test" * 1000}
LABELS = b"label" * 20000


def archive():
    """A tar.gz as those of CIFAR: the files in a folder, beside them one nobody asked for."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in {**INSIDE, "some-binary/readme.html": b"no"}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def md5(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


ARCHIVE = archive()


class Server(ThreadingHTTPServer):
    """What it serves, how it misbehaves, and what it was asked."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {"/some.tar.gz": ARCHIVE, "/labels.gz": LABELS}
        self.cut = []  # of the next answers: bytes after which the connection is closed
        self.ranges = True
        self.kind = "application/x-gzip"
        self.status = None
        self.asked = []

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}/"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def do_GET(self):  # noqa: N802 - the base class's name
        server = self.server
        server.asked.append((self.path, self.headers.get("Range")))
        content = server.files.get(self.path)
        if server.status or content is None:
            self.send_error(server.status or 404)
            return
        first = 0
        if server.ranges and self.headers.get("Range"):
            first = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            if first >= len(content):
                self.send_error(416)
                return
        self.send_response(206 if first else 200)
        self.send_header("Content-Type", server.kind)
        self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        end = first + server.cut.pop(0) if server.cut else len(content)
        self.wfile.write(content[first:end])


@pytest.fixture
def server(monkeypatch):
    """Two small sets in place of the real ones."""
    one = Server()
    threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    file = fetch_data.File
    inside = tuple((name, md5(content)) for name, content in INSIDE.items())
    monkeypatch.setattr(fetch_data, "PAUSE", 0)
    monkeypatch.setattr(
        fetch_data,
        "SETS",
        {
            "packed": [file(one.address, "some.tar.gz", md5(ARCHIVE), unpacks=inside)],
            "plain": [file(one.address, "labels.gz", md5(LABELS), place="raw/labels.gz")],
        },
    )
    yield one
    one.shutdown()
    one.server_close()


def files(folder):
    """{path: bytes} of everything below the folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()}


EVERYTHING = {**INSIDE, "raw/labels.gz": LABELS}


def fetch(folder, *arguments):
    return fetch_data.main(["--to", str(folder), *arguments])


def refused(capsys, folder, *arguments, says):
    """One line, status 2, nothing at a final place."""
    capsys.readouterr()
    assert fetch(folder, *arguments) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1 and all(word in line for word in says), line
    assert not set(files(folder)) & set(EVERYTHING)
    assert not list(Path(folder).glob(".unpack_*"))


def test_a_pipe_in_the_place_of_a_part_is_not_waited_for(folder, server, capsys):
    os.mkfifo(Path(folder, "some.tar.gz.part"))
    refused(capsys, folder, says=["some.tar.gz.part", "not a file"])


def test_everything_arrives_once(folder, server, capsys):
    assert fetch(folder) == 0
    assert files(folder) == EVERYTHING
    assert "packed: fetched" in capsys.readouterr().out
    asked = len(server.asked)
    assert fetch(folder, "plain", "packed") == 0
    assert len(server.asked) == asked and "packed: is there" in capsys.readouterr().out
    Path(folder, "some-binary/test.bin").write_bytes(b"spoilt")
    assert fetch(folder) == 0 and files(folder) == EVERYTHING


def test_cut_off_and_resumed_in_one_call(folder, server):
    server.cut = [1000, 500]
    assert fetch(folder, "plain") == 0
    assert [r for _, r in server.asked] == [None, "bytes=1000-", "bytes=1500-"]
    assert files(folder) == {"raw/labels.gz": LABELS}


def test_resumed_in_a_later_call(folder, server, capsys):
    server.cut = [100] * fetch_data.TRIES
    refused(capsys, folder, "packed", says=["some.tar.gz", "ended early", "call it again"])
    assert fetch(folder, "packed") == 0 and files(folder) == INSIDE
    assert server.asked[-1][1] == f"bytes={100 * fetch_data.TRIES}-"


def test_server_without_ranges_sends_everything_again(folder, server):
    server.ranges = False
    server.cut = [1000]
    assert fetch(folder, "plain") == 0 and files(folder) == {"raw/labels.gz": LABELS}


def test_complete_but_not_yet_moved(folder, server):
    Path(folder, "labels.gz.part").write_bytes(LABELS)
    assert fetch(folder, "plain") == 0 and files(folder) == {"raw/labels.gz": LABELS}


def test_wrong_checksum(folder, server, capsys):
    server.files["/labels.gz"] = LABELS[:-1] + b"x"
    refused(capsys, folder, "plain", says=["labels.gz", "checksum", md5(LABELS)])
    assert not files(folder)


def test_part_of_something_else(folder, server, capsys):
    Path(folder, "labels.gz.part").write_bytes(b"y" * 10)
    refused(capsys, folder, "plain", says=["checksum"])
    assert fetch(folder, "plain") == 0


def test_web_page_in_place_of_the_file(folder, server, capsys):
    server.kind = "text/html; charset=utf-8"
    refused(capsys, folder, "plain", says=["labels.gz", "web page", "--from"])
    assert not files(folder)


@pytest.mark.parametrize("status, says", [(404, "404"), (503, "503")])
def test_error_of_the_server(folder, server, capsys, status, says):
    server.status = status
    refused(capsys, folder, "packed", says=["some.tar.gz", says])
    assert len(server.asked) == (1 if status == 404 else fetch_data.TRIES)


def test_offline(folder, server, capsys):
    gone = Server()
    address = gone.address
    gone.server_close()
    refused(capsys, folder, "--from", address, "plain", says=[address, "cannot be reached", "--data"])


def test_another_address(folder, server):
    other = Server()
    other.files = {"/here/labels.gz": LABELS}
    threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    assert fetch(folder, "--from", other.address + "here", "plain") == 0
    other.shutdown()
    other.server_close()
    assert not server.asked


def test_wrong_use(folder, server, capsys):
    refused(capsys, folder, "nonesuch", says=["nonesuch", "packed, plain"])
    refused(capsys, folder, "--from", "nonsense", says=["nonsense", "address"])
    Path(folder, "file").write_text("")
    assert fetch(Path(folder, "file", "below")) == 2
    assert "--to" in capsys.readouterr().err


def test_real_table():
    """Every set names files by checksum; the program finds what they become."""
    for name, table in fetch_data.SETS.items():
        for file in table:
            assert len(file.md5) == 32 and bool(file.unpacks) != bool(file.place), name
            assert file.address.startswith("https://")


@pytest.mark.skipif(not os.environ.get("BATCHMARK_DATA"), reason="BATCHMARK_DATA does not name a folder with CIFAR-10")
def test_real_files_have_the_checksums():
    """What is there already is not fetched again."""
    folder = Path(os.environ["BATCHMARK_DATA"])
    sets = {"cifar-10": "cifar-10-batches-bin", "cifar-100": "cifar-100-binary", "mnist": "MNIST"}
    there = [name for name, inner in sets.items() if (folder / inner).is_dir()]
    nowhere = "http://127.0.0.1:9/"
    call = [sys.executable, script_file("fetch_data.py"), "--to", folder, "--from", nowhere, *there]
    done = subprocess.run(call, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and done.stdout.count("is there") == len(there), done.stderr
