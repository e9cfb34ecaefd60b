"""Gather the source of the running Python's standard library into one text file.

A model of source code needs some megabytes of it, and every machine that can run charrnn
already has them, so nothing has to be downloaded or kept in the repository. The text depends
on the version of Python; the script prints its size and SHA-256. Files are copied byte for
byte. Tests, installed packages and files that are not UTF-8 are left out.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

LEFT_OUT = frozenset({"test", "tests", "idle_test", "site-packages", "__pycache__"})


def sources(root: Path) -> Iterator[bytes]:
    """Yield the contents of each source file under ``root`` that is UTF-8, in sorted order."""
    found = (path.relative_to(root) for path in root.rglob("*.py"))
    kept = (path for path in found if LEFT_OUT.isdisjoint(path.parent.parts))
    for path in sorted(kept, key=lambda path: path.as_posix()):
        data = (root / path).read_bytes()
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            continue
        yield data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("output", type=Path, help="the file to write")
    output: Path = parser.parse_args().output
    digest, count, size = hashlib.sha256(), 0, 0
    # A temporary file next to the target: an interrupted run leaves no half-written corpus.
    handle, name = tempfile.mkstemp(prefix=f".{output.name}.", dir=output.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            for data in sources(Path(sysconfig.get_path("stdlib"))):
                count, size = count + 1, size + file.write(data)
                digest.update(data)
        os.chmod(name, 0o644)  # mkstemp makes files that only their owner can read
        os.replace(name, output)
    except BaseException:
        os.unlink(name)
        raise
    print(f"{output}: {count} files, {size} bytes, SHA-256 {digest.hexdigest()}")


if __name__ == "__main__":
    main()
