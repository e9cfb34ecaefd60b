"""Run tests under each BLAS kernel and SIMD level that this machine can run.

    python tests/kernels.py PYTEST-ARGUMENT...

OpenBLAS picks its kernels, and NumPy its loops, by the CPU. Both can be told to take those of an
older one: by OPENBLAS_CORETYPE and NPY_DISABLE_CPU_FEATURES.
"""

import os
import signal
import subprocess
import sys

#: OpenBLAS's names for the x86-64 kernels in NumPy's wheels, and for the CPUs that share them.
KERNELS = ("SkylakeX", "Cooperlake", "SapphireRapids", "Haswell", "Zen", "Sandybridge", "Nehalem")

#: Multiply, so that a CPU without the instructions stops here, and tell which kernel did it.
PROBE = """
import ctypes, sys
import numpy as np
for dtype in (np.float32, np.float64):
    for rows, columns in ((1, 1), (1, 70), (70, 1), (70, 70)):
        np.ones((rows, 70), dtype) @ np.ones((70, columns), dtype)
core = sys.modules.get("numpy._core") or sys.modules["numpy.core"]
blas = ctypes.CDLL(core._multiarray_umath.__file__)
for prefix in ("scipy_openblas", "openblas"):
    for suffix in ("64_", ""):
        if function := getattr(blas, f"{prefix}_get_corename{suffix}", None):
            function.restype = ctypes.c_char_p
            print(function().decode())
            sys.exit()
"""

#: The features beyond NumPy's baseline that this NumPy can use on this CPU.
FEATURES = """
import sys
import numpy
core = sys.modules.get("numpy._core") or sys.modules["numpy.core"]
umath = core._multiarray_umath
print(*(f for f in umath.__cpu_dispatch__ if umath.__cpu_features__[f]))
"""


def main() -> int:
    outcomes = {}
    for kernel in KERNELS:
        name, setting = f"OpenBLAS kernels for {kernel}", {"OPENBLAS_CORETYPE": kernel}
        reason = why_not(kernel, setting)
        outcomes[name] = f"skipped: {reason}" if reason else run_tests(name, setting)
    features = python(FEATURES, {}).stdout.split()
    avx512 = [feature for feature in features if "AVX512" in feature or feature == "X86_V4"]
    for name, disabled in (("NumPy without AVX-512", avx512), ("NumPy's baseline", features)):
        setting = {"NPY_DISABLE_CPU_FEATURES": " ".join(disabled)}
        reason = "" if disabled else "this is how NumPy runs here anyway"
        outcomes[name] = f"skipped: {reason}" if reason else run_tests(name, setting)
    print()
    for name, outcome in outcomes.items():
        print(f"{name}: {outcome}")
    return int("failed" in outcomes.values())


def why_not(kernel: str, setting: dict[str, str]) -> str:
    """Why these kernels cannot be tested here; nothing if they can."""
    done = python(PROBE, setting)
    found = done.stdout.strip()
    if done.returncode == -getattr(signal, "SIGILL", 0):
        return "this CPU lacks their instructions"
    if done.returncode:
        return f"a product failed: {done.stderr.strip()}"
    if not found:
        return "NumPy's BLAS here is not OpenBLAS"
    if found.lower() != kernel.lower():
        return f"OpenBLAS runs {found} in their place"
    return ""


def run_tests(name: str, setting: dict[str, str]) -> str:
    """How pytest ended: passed or failed."""
    print(f"\n{name}, {' '.join(f'{key}={value!r}' for key, value in setting.items())}", flush=True)
    done = subprocess.run([sys.executable, "-m", "pytest", *sys.argv[1:]], env=os.environ | setting)
    return "failed" if done.returncode else "passed"


def python(code: str, setting: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run Python code under these environment variables; a warning is an error."""
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, env=os.environ | setting, capture_output=True, text=True)


if __name__ == "__main__":
    sys.exit(main())
