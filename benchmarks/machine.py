"""What figures depend on: the processor, the versions, the load, and the rate of products."""

from __future__ import annotations

import datetime
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from charrnn import __version__
from charrnn.threads import blas_kernel, blas_settings

ROOT = Path(__file__).parents[1]


CPUINFO = Path("/proc/cpuinfo")
#: Instructions that decide which kernels libraries choose, as Linux names them.
FEATURES = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "asimd", "sve")


def processor() -> str:
    """The processor as the system names it, and its vector instructions."""
    info = CPUINFO.read_text() if CPUINFO.exists() else ""
    facts = dict(re.findall(r"^(\S[^\t:]*\S)\s*:[ \t]*(.*)$", info, re.MULTILINE))
    name = facts.get("model name", "unknown processor")
    if family := facts.get("cpu family"):
        name += f" (family {family}, model {facts.get('model', '?')})"
    has = facts.get("flags", facts.get("Features", "")).split()
    return " ".join([name, *(feature for feature in FEATURES if feature in has)])


def describe() -> str:
    """The date, the processor, BLAS kernels, versions and load average, as one line."""
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}, charrnn {__version__}"
    hardware = f"{datetime.date.today()}, {os.cpu_count()} cores, {processor()}"
    hardware += f"; BLAS kernels {blas_kernel() or 'unknown'}"
    return f"{hardware}; {versions}; load average {os.getloadavg()[0]:.1f}"


def product_rate(threads: int, size: int = 2048) -> float:
    """Float32 operations per second of a product of two square matrices."""
    a = np.ones((size, size), np.float32)
    out, times = np.empty_like(a), []
    with blas_settings(threads):
        for _ in range(6):
            started = time.perf_counter()
            np.dot(a, a, out=out)
            times.append(time.perf_counter() - started)
    return 2.0 * size**3 / statistics.median(times[1:])


def describe_product_rates() -> str:
    """The rates of one and of two threads, as one line.

    Measured in a new process, because the BLAS reads the environment when it is loaded.
    """
    code = (
        "from benchmarks.machine import product_rate as r; "
        "print(f'{r(1) / 1e9:.0f} with one thread, {r(2) / 1e9:.0f} with two')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    return f"float32 products of 2048 x 2048, GFLOP/s: {done.stdout.strip()}"
