"""Files as the operating system has them: descriptors that do not block, space, identity."""

import errno
import io
import os
import threading
import time
from pathlib import Path

import pytest

from charrnn import files
from charrnn.errors import CharRNNError
from charrnn.files import PatientFile, allocate, open_to_read, same_file, temporary_space

pytestmark = pytest.mark.posix


@pytest.mark.parametrize("read", ["read", "read1", "readline", "blocks"])
def test_a_gap_in_a_descriptor_that_does_not_block_is_not_the_end(read):
    out, into = os.pipe()
    os.set_blocking(out, False)
    text = b"".join(b"line %d\n" % n for n in range(4))

    def write_slowly():
        for n in range(0, len(text), 10):
            time.sleep(0.01)  # until then, there is nothing to read
            os.write(into, text[n : n + 10])
        os.close(into)

    writer = threading.Thread(target=write_slowly)
    writer.start()
    with io.BufferedReader(PatientFile(out, "rb")) as stream:
        found = {
            "read": stream.read,
            "read1": lambda: b"".join(iter(lambda: stream.read1(1 << 20), b"")),
            "readline": lambda: b"".join(iter(stream.readline, b"")),
            "blocks": lambda: b"".join(iter(lambda: stream.read(7), b"")),
        }[read]()
    writer.join()
    assert found == text


def test_a_full_pipe_that_does_not_block_is_waited_for():
    out, into = os.pipe()
    os.set_blocking(into, False)
    data, found = os.urandom(300_000), []  # several times what a pipe holds

    def read_late():
        time.sleep(0.05)
        with os.fdopen(out, "rb") as stream:
            found.append(stream.read())

    reader = threading.Thread(target=read_late)
    reader.start()
    with io.BufferedWriter(PatientFile(into, "wb")) as stream:
        stream.write(data)
    reader.join()
    assert found == [data]


def test_a_writer_without_a_reader_fails_at_once():
    out, into = os.pipe()
    os.set_blocking(into, False)
    os.close(out)
    with PatientFile(into, "wb") as stream, pytest.raises(BrokenPipeError):
        stream.write(b"x")


def test_an_ordinary_file_is_read_as_ever(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"some text\n" * 9)
    with open_to_read(path) as stream:
        assert stream.read(4) + stream.read() == b"some text\n" * 9
        stream.seek(5)
        assert stream.read(None) == (b"some text\n" * 9)[5:]


def refuse(code):
    def call(*_):
        raise OSError(code, os.strerror(code))

    return call


@pytest.mark.parametrize("way", ["as it is", "unsupported", "missing"])
def test_space_is_allocated_and_not_only_promised(tmp_path, monkeypatch, way):
    if way == "unsupported":
        monkeypatch.setattr(os, "posix_fallocate", refuse(errno.ENOTSUP), raising=False)
    elif way == "missing":
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    with open(tmp_path / "x", "w+b") as file:
        allocate(file.fileno(), 1_500_000)
        status = os.fstat(file.fileno())
    assert status.st_size == 1_500_000
    assert status.st_blocks * 512 >= 1_500_000
    assert not any((tmp_path / "x").read_bytes())


def test_a_full_temporary_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(os, "posix_fallocate", refuse(errno.ENOSPC), raising=False)
    with pytest.raises(CharRNNError) as caught:
        files.temporary_descriptor(80_000_000)
    assert str(caught.value) == (
        f"80 MB of temporary files in {tmp_path}: no space left on device; "
        "set TMPDIR to a folder that has room for them"
    )
    assert os.listdir(tmp_path) == []


def test_no_temporary_folder_at_all_is_one_line(monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("tempfile._candidate_tempdir_list", list)
    with pytest.raises(CharRNNError, match="temporary files: no usable temporary directory"):
        files.temporary_descriptor(1)
    with pytest.raises(CharRNNError, match="set TMPDIR"), temporary_space():
        raise OSError(errno.EDQUOT, "Disk quota exceeded")


def test_the_same_file_has_many_names(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a").write_text("x")
    Path("b").write_text("x")
    os.symlink("a", "symbolic")
    os.link("a", "hard")
    for name in ("a", "./a", "symbolic", "hard", str(tmp_path / "a")):
        assert same_file("a", name)
    assert not same_file("a", "b")
    assert not same_file("a", "missing")
    assert same_file("missing", "./missing")
    with open("hard") as file:
        assert same_file("a", file.fileno())
        assert not same_file("b", file.fileno())
        assert not same_file("missing", file.fileno())
