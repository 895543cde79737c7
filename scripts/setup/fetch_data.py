#!/usr/bin/python3
"""Downloads CIFAR-10, CIFAR-100 and MNIST from the addresses of those who publish them (make data).

    scripts/setup/fetch_data.py [--to FOLDER] [--from ADDRESS] [cifar-10] [cifar-100] [mnist]

Downloads all three into build/data if none is named. Files that exist and are right stay. A download that was cut off
continues where it ended. A file appears only when it is complete and its checksum is right. --from takes another address
with files of the same names: a mirror, or a folder shared on the local network.
"""

import hashlib
import http.client
import os
import shutil
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from command import Mistake, Parser, ended

TORONTO = "https://www.cs.toronto.edu/~kriz/"
MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
TRIES = 4
BLOCK = 1 << 16
TIMEOUT = 30  # seconds without a byte


class FetchError(Mistake):
    """One line that says what is wrong and what to do."""


@dataclass(frozen=True)
class File:
    """A file to download. unpacks: {path below the folder: md5} of an archive's files; empty: it is kept as it is."""

    address: str  # of the folder it lies in
    name: str
    md5: str
    place: str = ""  # below the folder, of a file that is kept
    unpacks: tuple = ()


CIFAR_10 = File(
    TORONTO,
    "cifar-10-binary.tar.gz",
    "c32a1d4ab5d03f1284b67883e8d87530",
    unpacks=(
        ("cifar-10-batches-bin/data_batch_1.bin", "5dd7e06a14cb22eb9f671a540d1b7c25"),
        ("cifar-10-batches-bin/data_batch_2.bin", "5ea93a67294ea407fff1d09f752e9692"),
        ("cifar-10-batches-bin/data_batch_3.bin", "942cd6a4bcdd0dd3c604fbe906cb4421"),
        ("cifar-10-batches-bin/data_batch_4.bin", "ae636b3ba5c66a11e91e8cb52e771fcb"),
        ("cifar-10-batches-bin/data_batch_5.bin", "53f37980c15c3d472c316c40844f3f0d"),
        ("cifar-10-batches-bin/test_batch.bin", "803d5f7f4d78ea53de84dbe85f74fb6d"),
    ),
)
CIFAR_100 = File(
    TORONTO,
    "cifar-100-binary.tar.gz",
    "03b5dce01913d631647c71ecec9e9cb8",
    unpacks=(
        ("cifar-100-binary/train.bin", "6172c7755cfe09b2fe270c85cebc1b15"),
        ("cifar-100-binary/test.bin", "4499cfba6c016c1be1438163640a0898"),
    ),
)


def idx(name, md5):
    """One of MNIST's files."""
    return File(MNIST, name, md5, place=f"MNIST/raw/{name}")


SETS = {
    "cifar-10": [CIFAR_10],
    "cifar-100": [CIFAR_100],
    "mnist": [
        idx("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        idx("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        idx("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        idx("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ],
}


def md5_of(path):
    """The checksum of a file, None where there is none."""
    if not path.is_file():
        return None
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def is_there(file, folder):
    """Are the files it gives there, and right?"""
    wanted = file.unpacks or ((file.place, file.md5),)
    return all(md5_of(folder / path) == md5 for path, md5 in wanted)


class Progress:
    """A line with an estimate on a terminal, nothing elsewhere."""

    def __init__(self, name, done, total):
        self.name, self.total, self.first = name, total, done
        self.start = self.drawn = time.monotonic()
        self.shown = sys.stderr.isatty()

    def show(self, done):
        """Draws at most five times a second."""
        now = time.monotonic()
        if not self.shown or now - self.drawn < 0.2:
            return
        self.drawn = now
        rate = max(done - self.first, 1) / (now - self.start)
        left = f", {(self.total - done) / rate:.0f} s left" if self.total else ""
        share = f"{100 * done / self.total:3.0f} %  " if self.total else ""
        print(f"\r{self.name}  {share}{done / 1e6:.1f} MB{left}   ", end="", file=sys.stderr, flush=True)

    def end(self):
        """Leaves the line."""
        if self.shown and self.drawn > self.start:
            print(file=sys.stderr)


def total_bytes(answer, offset):
    """The size of the whole file as the server has it, None where it does not say."""
    length = answer.headers.get("Content-Length")
    return offset + int(length) if length and length.isdigit() else None


def receive(address, part):
    """One attempt: appends to `part` what is missing. True: the server says that this is all of it."""
    if part.exists() and not part.is_file():
        raise FetchError(f"{part}: is in the way and not a file; take it away")
    offset = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(address, headers={"Range": f"bytes={offset}-"} if offset else {})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        if answer.headers.get_content_type() == "text/html":
            raise FetchError(f"{address}: answers with a web page and not with the file; give another address by --from")
        if offset and answer.status != 206:
            offset = 0  # it sends everything again
        total = total_bytes(answer, offset)
        progress = Progress(part.name.removesuffix(".part"), offset, total)
        done = offset
        with open(part, "r+b" if offset else "wb") as file:
            file.seek(offset)
            while block := answer.read(BLOCK):
                file.write(block)
                done += len(block)
                progress.show(done)
        progress.end()
    return total is None or done == total


def download(file, address, part):
    """The whole file as `part`, its checksum right."""
    reason = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(min(attempt, 3) * PAUSE)
        try:
            if not receive(address, part):
                reason = "the connection ended early"
                continue
        except urllib.error.HTTPError as error:
            if error.code == 416:  # nothing is missing, or what is there is not of this file: the checksum tells
                pass
            elif error.code >= 500:
                reason = f"the server answers {error.code} {error.reason}"
                continue
            else:
                raise FetchError(
                    f"{address}: the server answers {error.code} {error.reason}; give another address by --from"
                ) from None
        except urllib.error.URLError as error:
            reason = f"cannot be reached ({error.reason})"
            continue
        except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
            reason = f"the connection broke ({error or type(error).__name__})"
            continue
        if md5_of(part) == file.md5:
            return
        part.unlink()
        raise FetchError(
            f"{address}: its checksum is not {file.md5}, so it is not the file that is published; what came was "
            "thrown away; give another address by --from"
        )
    kept = f"; {part.stat().st_size} bytes are kept, call it again to go on" if part.exists() else ""
    raise FetchError(f"{address}: {reason}{kept}; offline, copy the data to a folder and name that by --data")


PAUSE = 1  # seconds between two attempts, more for later ones


def unpack(archive, file, folder):
    """The files of the archive, checked, then moved to their places."""
    with tempfile.TemporaryDirectory(prefix=".unpack_", dir=folder) as work:
        try:
            with tarfile.open(archive) as tar:
                wanted = {path for path, _ in file.unpacks}
                members = [m for m in tar.getmembers() if m.isfile() and (m.name in wanted or m.name.endswith(".txt"))]
                for member in members:
                    if Path(member.name).is_absolute() or ".." in Path(member.name).parts:
                        raise FetchError(f"{archive}: holds {member.name}, a path outside of its folder")
                    target = Path(work, member.name)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with tar.extractfile(member) as source, open(target, "wb") as out:
                        shutil.copyfileobj(source, out)
        except (tarfile.TarError, EOFError) as error:
            raise FetchError(f"{archive}: cannot be unpacked: {error}; remove it and call again") from None
        if not is_there(file, Path(work)):
            raise FetchError(f"{archive}: does not hold the files it should; remove it and call again")
        for member in members:
            place = folder / member.name
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(Path(work, member.name), place)


def fetch(file, folder, base):
    """One file of a set, unless it is there."""
    if is_there(file, folder):
        return False
    part = folder / (file.name + ".part")
    download(file, (base or file.address).rstrip("/") + "/" + file.name, part)
    if file.unpacks:
        unpack(part, file, folder)
        part.unlink()
    else:
        place = folder / file.place
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(part, place)
    return True


def main(arguments=None):
    """Fetches what the command line names."""
    parser = Parser(description=__doc__)
    parser.add_argument("--to", default="build/data", metavar="FOLDER", help="build/data unless given")
    parser.add_argument("--from", dest="base", metavar="ADDRESS", help="another address for all files")
    parser.add_argument("sets", nargs="*", metavar="SET", help=", ".join(SETS))
    options = parser.parse_args(arguments)
    return ended(
        "fetch_data.py",
        lambda: carry_out(Path(options.to), options.base, options.sets),
        "name another folder by --to",
        "stopped; call it again to go on",
    )


def carry_out(folder, base, names):
    """Fetches the sets named, all where none is."""
    for name in names:
        if name not in SETS:
            raise FetchError(f"no data set '{name}'; there are {', '.join(SETS)}")
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or SETS:
        try:
            new = [fetch(file, folder, base) for file in SETS[name]]
        except ValueError as error:
            raise FetchError(f"{base}: {error}; give an address as in https://example.org/data/") from None
        print(f"{name}: {'fetched' if any(new) else 'is there'}, in {folder}")


if __name__ == "__main__":
    sys.exit(main())
