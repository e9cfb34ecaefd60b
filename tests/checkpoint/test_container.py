"""What is written is read back, equal states make equal files, and NumPy can read them too."""

from __future__ import annotations

import errno
import io
import os
import re
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoint_tools import (
    archive,
    canonical,
    entries_of,
    equal_arrays,
    equal_states,
    manifest_of,
    members_of,
    random_state,
    shapes_of,
    tiny_state,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from charrnn.checkpoint import format as fmt
from charrnn.checkpoint.reader import read
from charrnn.checkpoint.writer import write
from charrnn.errors import CheckpointError, ConfigError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.npz"


def refused(*args: Any, **kwargs: Any) -> str:
    with pytest.raises(CheckpointError) as caught:
        write(*args, **kwargs)
    return str(caught.value)


def test_what_is_written_is_read_back(path: Path) -> None:
    write(path, *tiny_state())
    assert equal_states(read(path, lambda meta: shapes_of(tiny_state()[1])), tiny_state())


def test_the_arrays_own_their_data(path: Path) -> None:
    write(path, *tiny_state())
    for array in read(path)[1].values():
        assert array.flags.writeable
        assert array.flags.c_contiguous
        assert array.flags.owndata
        assert array.dtype.isnative


names = st.from_regex(r"[a-z0-9_]{1,8}(\.[a-zA-Z0-9_]{1,8}){0,3}", fullmatch=True)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**128), 2**128)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=8,
)
any_array = st.sampled_from(sorted(fmt.DTYPES)).flatmap(
    lambda dtype: arrays_of.arrays(
        dtype,
        arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
        elements={"allow_nan": False, "allow_infinity": False} if "float" in dtype else None,
    )
)
reserved = {"meta", "manifest"}


any_state = given(
    meta=st.dictionaries(st.text(), json_values, max_size=4),
    arrays=st.dictionaries(
        names.filter(lambda n: n not in reserved and not n.endswith(".npy")), any_array, max_size=4
    ),
)


@settings(deadline=None, max_examples=20)
@any_state
def test_any_state_survives(
    tmp_path_factory: pytest.TempPathFactory, meta: dict[str, Any], arrays: dict[str, Any]
) -> None:
    assert_survives(tmp_path_factory.mktemp("any") / "x.npz", meta, arrays)


@pytest.mark.soak
@settings(deadline=None, max_examples=500)
@any_state
def test_any_state_campaign(
    tmp_path_factory: pytest.TempPathFactory, meta: dict[str, Any], arrays: dict[str, Any]
) -> None:
    assert_survives(tmp_path_factory.mktemp("any") / "x.npz", meta, arrays)


def assert_survives(path: Path, meta: dict[str, Any], arrays: dict[str, Any]) -> None:
    write(path, meta, arrays)
    assert equal_states(read(path), (meta, arrays))
    with np.load(path, allow_pickle=False) as file:
        assert all(equal_arrays(file[name], array) for name, array in arrays.items())


def test_equal_states_make_equal_files(tmp_path: Path) -> None:
    meta, arrays = tiny_state()
    write(tmp_path / "a.npz", meta, arrays)
    backwards = dict(reversed(arrays.items()))
    turned = {name: np.asfortranarray(array) for name, array in backwards.items()}
    turned["order"] = arrays["order"].astype(">i4")
    write(tmp_path / "b", dict(reversed(meta.items())), turned)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_format_is_what_its_description_says(path: Path) -> None:
    """The same file from a second implementation, made from the description alone."""
    meta, arrays = tiny_state()
    members = members_of(canonical(meta), arrays)
    write(path, meta, arrays)
    assert path.read_bytes() == archive(manifest_of(entries_of(members, arrays)), members)


def test_numpy_and_zip_read_it(path: Path) -> None:
    meta, arrays = tiny_state()
    write(path, meta, arrays, "charrnn 1.2.3")
    with np.load(path, allow_pickle=False) as file:
        assert sorted(file.files) == sorted([*arrays, "manifest", "meta"])
        assert all(equal_arrays(file[name], array) for name, array in arrays.items())
        assert b'"program":"charrnn 1.2.3"' in file["manifest"].tobytes()
    with zipfile.ZipFile(path) as archived:
        assert archived.testzip() is None


def test_only_some_arrays_are_read(path: Path) -> None:
    """Damage in the data of the others is not noticed, damage in their headers is."""
    write(path, *random_state(1))
    data = bytearray(path.read_bytes())
    data[data.index(b"optimizer.m.W.npy") + 400] ^= 1
    path.write_bytes(data)
    _, arrays = read(path, only=lambda name: name.startswith("params."))
    assert arrays.keys() == {"params.W"}
    with pytest.raises(CheckpointError, match=r"optimizer\.m\.W does not match its digest"):
        read(path)
    data[data.index(b"optimizer.m.W.npy") + 20] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="the headers at byte"):
        read(path, only=lambda name: False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extra": ("uint8", (1,))}, "extra is missing"),
        ({"order": None}, "it holds an unexpected array, order"),
        (
            {"order": ("int64", ())},
            r"order is int32 \(\), expected int64 \(\)",
        ),
        (
            {"params.layers.0.W_h": ("float32", (3, 2))},
            r"W_h is float32 \(2, 3\), expected float32 \(3, 2\)",
        ),
    ],
)
def test_unexpected_arrays_are_refused(path: Path, change: dict[str, Any], message: str) -> None:
    write(path, *tiny_state())
    changed = {**shapes_of(tiny_state()[1]), **change}
    expected = {name: shape for name, shape in changed.items() if shape is not None}
    with pytest.raises(CheckpointError, match=message):
        read(path, lambda meta: expected)


def test_a_lack_of_descriptors_is_not_the_file_s_fault(path: Path) -> None:
    write(path, *tiny_state())

    def importing(meta: dict[str, Any]) -> Any:
        raise OSError(errno.EMFILE, "Too many open files", "module.py")

    with pytest.raises(CheckpointError) as caught:
        read(path, importing)
    assert str(caught.value) == (
        f"{path}: cannot be read (Too many open files); raise the limit on open files (ulimit -n)"
    )


def test_meta_that_is_invalid(path: Path) -> None:
    write(path, *tiny_state())
    with pytest.raises(CheckpointError, match=r"its meta is invalid \(KeyError: 'config'\)"):
        read(path, lambda meta: meta["config"])

    def bad(meta: dict[str, Any]) -> Any:
        raise ConfigError("hidden_size:\n0 is too small", setting="hidden_size=1")

    with pytest.raises(CheckpointError) as caught:
        read(path, bad)
    assert str(caught.value) == (
        rf"{path}: its settings are invalid: hidden_size:\n0 is too small; "
        "read it with the version of charrnn that wrote it"
    )


def test_out_of_memory_is_not_taken_for_damage(path: Path) -> None:
    write(path, *tiny_state())

    def expect(meta: dict[str, Any]) -> Any:
        raise MemoryError

    with pytest.raises(MemoryError):
        read(path, expect)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_diverged_state_never_replaces_a_good_one(path: Path, bad: float, dtype: type) -> None:
    write(path, *tiny_state())
    before = path.read_bytes()
    weights: Any = np.zeros(700_000, dtype)
    weights[650_000] = bad
    message = refused(path, {}, {"params.W": weights})
    assert re.search(r"params\.W holds a number that is not finite; try a smaller", message)
    message = refused(path, {"loss": [float(bad)]}, {})
    assert "not finite" in message
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["model.npz"]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.array([None])}, "x has the type object, not one of float32"),
        ({"x": np.array(["a"])}, "x has the type str"),
        ({"x": np.zeros(2, "f4,i4")}, "x has the type void"),
        ({"x": np.zeros(2, bool)}, "x has the type bool"),
        ({"x": np.zeros((1,) * 9)}, "x has 9 dimensions, more than 8"),
        ({"meta": np.zeros(1)}, "the array name 'meta' is reserved"),
        ({"manifest": np.zeros(1)}, "the array name 'manifest' is reserved"),
        ({"a.npy": np.zeros(1)}, "'a.npy' is reserved"),
        ({"../a": np.zeros(1)}, "'../a' is not allowed"),
        ({"a\n": np.zeros(1)}, "is not allowed"),
        ({"é": np.zeros(1)}, "is not allowed"),
        ({"": np.zeros(1)}, "'' is not allowed"),
        ({"a" * 201: np.zeros(1)}, "is not allowed"),
        ({"x": np.broadcast_to(np.float32(0), (2**31,))}, "x is larger than a checkpoint"),
    ],
)
def test_arrays_that_cannot_be_stored(path: Path, arrays: dict[str, Any], message: str) -> None:
    assert message in refused(path, {}, arrays)
    assert not os.listdir(path.parent)


@pytest.mark.parametrize("value", [10**40, -(10**40), [[]] * 10**6])
def test_meta_that_could_not_be_read_is_not_written(path: Path, value: Any) -> None:
    assert "could not be read back" in refused(path, {"x": value}, {})
    assert not os.listdir(path.parent)


def test_limits_of_size(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(fmt, "MAX_FILE", 10_000)
        arrays = {"a": np.zeros(5_000, np.uint8), "b": np.zeros(5_000, np.uint8)}
        assert "does not fit into 4 GiB" in refused(path, {}, arrays)
    with monkeypatch.context() as patch:
        patch.setattr(fmt, "MAX_META", 100)
        assert "larger than 32 MiB" in refused(path, {"vocab": "x" * 100}, {})
    many = {f"layer.{n}": np.zeros(1, np.uint8) for n in range(20_000)}
    assert "too many arrays" in refused(path, {}, many)
    assert "program's version" in refused(path, {}, {}, program="ü")


def test_all_of_unicode_fits(path: Path) -> None:
    every = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))
    write(path, {"vocab": every}, {})
    assert read(path)[0] == {"vocab": every}


def test_saving_copies_no_array_and_reading_skips_what_is_not_wanted(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    groups = ("best", "optimizer.m", "optimizer.v", "params")
    arrays = {f"{group}.W": rng.standard_normal((1280, 1024), np.float32) for group in groups}
    size = arrays["params.W"].nbytes
    tracemalloc.start()
    write(path, {}, arrays)
    assert tracemalloc.get_traced_memory()[1] < size / 2
    tracemalloc.stop()

    received = []

    class Counting(io.FileIO):
        def readinto(self, buffer: Any) -> int | None:
            received.append(super().readinto(buffer))
            return received[-1]

    monkeypatch.setattr(io, "FileIO", Counting)
    _, part = read(path, only=lambda name: name == "params.W")
    assert equal_arrays(part["params.W"], arrays["params.W"])
    assert size < sum(received) < size + 4096
