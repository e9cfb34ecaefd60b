"""What goes in comes out, the same every time, and NumPy can read it too."""

from __future__ import annotations

import os
import re
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoint_tools import (
    alike,
    archive,
    canonical,
    entries,
    manifest,
    model,
    parts,
    same,
    shapes,
    tiny,
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


def test_what_goes_in_comes_out(path: Path) -> None:
    write(path, *tiny())
    assert same(read(path, lambda meta: shapes(tiny()[1])), tiny())


def test_the_arrays_are_the_readers_own(path: Path) -> None:
    write(path, *tiny())
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


@settings(deadline=None, max_examples=60)
@given(
    meta=st.dictionaries(st.text(), json_values, max_size=4),
    arrays=st.dictionaries(
        names.filter(lambda n: n not in reserved and not n.endswith(".npy")), any_array, max_size=4
    ),
)
def test_any_state_survives(
    tmp_path_factory: pytest.TempPathFactory, meta: dict[str, Any], arrays: dict[str, Any]
) -> None:
    path = tmp_path_factory.mktemp("any") / "x.npz"
    write(path, meta, arrays)
    assert same(read(path), (meta, arrays))
    with np.load(path, allow_pickle=False) as file:
        assert all(alike(file[name], array) for name, array in arrays.items())


def test_equal_states_make_equal_files(tmp_path: Path) -> None:
    meta, arrays = tiny()
    write(tmp_path / "a.npz", meta, arrays)
    backwards = dict(reversed(arrays.items()))
    turned = {name: np.asfortranarray(array) for name, array in backwards.items()}
    turned["order"] = arrays["order"].astype(">i4")
    write(tmp_path / "b", dict(reversed(meta.items())), turned)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_format_is_what_its_description_says(path: Path) -> None:
    """The file again, from the description alone."""
    meta, arrays = tiny()
    members = parts(canonical(meta), arrays)
    write(path, meta, arrays)
    assert path.read_bytes() == archive(manifest(entries(members, arrays)), members)


def test_numpy_and_zip_read_it(path: Path) -> None:
    meta, arrays = tiny()
    write(path, meta, arrays, "charrnn 1.2.3")
    with np.load(path, allow_pickle=False) as file:
        assert sorted(file.files) == sorted([*arrays, "manifest", "meta"])
        assert all(alike(file[name], array) for name, array in arrays.items())
        assert b'"program":"charrnn 1.2.3"' in file["manifest"].tobytes()
    with zipfile.ZipFile(path) as archived:
        assert archived.testzip() is None


def test_only_some_arrays_are_read(path: Path) -> None:
    """The others' data may even be damaged, but not their headers."""
    write(path, *model(1))
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
        ({"order": None}, "it holds order, which its settings do not call for"),
        (
            {"order": ("int64", ())},
            r"order is int32 \(\), but its settings call for int64 \(\)",
        ),
        (
            {"params.layers.0.W_h": ("float32", (3, 2))},
            r"W_h is float32 \(2, 3\), but its settings call for float32 \(3, 2\)",
        ),
    ],
)
def test_other_arrays_than_expected(path: Path, change: dict[str, Any], message: str) -> None:
    write(path, *tiny())
    expected = {**shapes(tiny()[1]), **change}
    wanted = {name: what for name, what in expected.items() if what is not None}
    with pytest.raises(CheckpointError, match=message):
        read(path, lambda meta: wanted)


def test_meta_that_makes_no_sense(path: Path) -> None:
    write(path, *tiny())
    with pytest.raises(CheckpointError, match=r"make no sense \(KeyError: 'config'\)"):
        read(path, lambda meta: meta["config"])

    def bad(meta: dict[str, Any]) -> Any:
        raise ConfigError("hidden_size:\n0 is too small")

    with pytest.raises(CheckpointError, match=r"model\.npz: hidden_size:\\n0 is too small; check"):
        read(path, bad)


def test_out_of_memory_is_no_damage(path: Path) -> None:
    write(path, *tiny())

    def starved(meta: dict[str, Any]) -> Any:
        raise MemoryError

    with pytest.raises(MemoryError):
        read(path, starved)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_diverged_state_never_replaces_a_good_one(path: Path, bad: float, dtype: type) -> None:
    write(path, *tiny())
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
def test_arrays_that_cannot_be_kept(path: Path, arrays: dict[str, Any], message: str) -> None:
    assert message in refused(path, {}, arrays)
    assert not os.listdir(path.parent)


@pytest.mark.parametrize("value", [10**40, -(10**40), [[]] * 10**6])
def test_what_could_not_be_read_is_not_written(path: Path, value: Any) -> None:
    assert "could not be read again" in refused(path, {"x": value}, {})
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


def test_a_big_state_costs_little(path: Path) -> None:
    """In seconds of the processor, far above what it takes: saving 30 ms, reading 6 ms."""
    rng = np.random.default_rng(0)
    kinds = ("best", "optimizer.m", "optimizer.v", "params")
    arrays = {f"{kind}.W": rng.standard_normal((1280, 1024), np.float32) for kind in kinds}
    started = time.process_time()
    write(path, {}, arrays)
    saved = time.process_time()
    _, part = read(path, only=lambda name: name == "params.W")
    print(f"{path.stat().st_size / 1e6:.1f} MB: saved in {saved - started:.3f} s, ", end="")
    print(f"{part['params.W'].nbytes / 1e6:.1f} MB read in {time.process_time() - saved:.3f} s")
    assert time.process_time() - saved < 0.3
    assert saved - started < 3
