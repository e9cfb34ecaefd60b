"""The limits of control groups, from trees of files as Linux shows them."""

import math
from pathlib import Path

import pytest

from charrnn.limits import allowed_memory, available_cores, cpu_quota, memory_limit

V1_MOUNTS = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 {root} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 {root} /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory
37 31 0:34 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
"""
V2_MOUNTS = "30 23 0:26 {root} /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
UNLIMITED_V1 = "9223372036854771712\n"


@pytest.fixture
def system(tmp_path):
    """Writes the files of a system, by their paths."""

    def make(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return make


def test_version_2_with_nested_groups(system):
    root = system(
        {
            "proc/self/cgroup": "0::/machine/job/step\n",
            "proc/self/mountinfo": V2_MOUNTS.format(root="/"),
            "sys/fs/cgroup/machine/cpu.max": "800000 100000\n",
            "sys/fs/cgroup/machine/memory.max": "4000000000\n",
            "sys/fs/cgroup/machine/job/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/machine/job/memory.max": "2000000000\n",
            "sys/fs/cgroup/machine/job/step/cpu.max": "max 100000\n",
            "sys/fs/cgroup/machine/job/step/memory.max": "max\n",
            "sys/fs/cgroup/other/memory.max": "1000\n",
        }
    )
    assert cpu_quota(root) == 1.5
    assert memory_limit(root) == 2_000_000_000


def test_version_1_has_a_tree_for_each_limit(system):
    root = system(
        {
            "proc/self/cgroup": "9:name=systemd:/x\n4:memory:/jobs/7\n1:cpuacct,cpu:/batch\n0::/\n",
            "proc/self/mountinfo": V1_MOUNTS.format(root="/"),
            "sys/fs/cgroup/memory/memory.limit_in_bytes": UNLIMITED_V1,
            "sys/fs/cgroup/memory/jobs/memory.limit_in_bytes": "3000000000\n",
            "sys/fs/cgroup/memory/jobs/7/memory.limit_in_bytes": UNLIMITED_V1,
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/cpu,cpuacct/batch/cpu.cfs_quota_us": "300000\n",
            "sys/fs/cgroup/cpu,cpuacct/batch/cpu.cfs_period_us": "100000\n",
        }
    )
    assert cpu_quota(root) == 3.0
    assert memory_limit(root) == 3_000_000_000


@pytest.mark.parametrize("own", ["/docker/1f", "/docker/1f/inner", "/elsewhere", "/docker/1fa"])
def test_a_container_sees_its_group_as_the_top(system, own):
    """/proc names the group as the host does, and only this part of the tree is mounted."""
    root = system(
        {
            "proc/self/cgroup": f"4:memory:{own}\n1:cpu,cpuacct:{own}\n",
            "proc/self/mountinfo": V1_MOUNTS.format(root="/docker/1f"),
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "500000000\n",
            "sys/fs/cgroup/memory/inner/memory.limit_in_bytes": "600000000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        }
    )
    assert cpu_quota(root) == 0.5
    assert memory_limit(root) == 500_000_000


def test_a_namespace_of_version_2(system):
    root = system(
        {
            "proc/self/cgroup": "0::/\n",
            "proc/self/mountinfo": V2_MOUNTS.format(root="/"),
            "sys/fs/cgroup/cpu.max": "200000 100000\n",
            "sys/fs/cgroup/memory.max": "1000000000\n",
        }
    )
    assert cpu_quota(root) == 2.0
    assert memory_limit(root) == 1_000_000_000


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"proc/self/cgroup": "0::/a\n"},
        {"proc/self/cgroup": "nonsense\n", "proc/self/mountinfo": "31\n\nx - cgroup2\n"},
        {
            "proc/self/cgroup": "0::/a\n",
            "proc/self/mountinfo": V2_MOUNTS.format(root="/"),
            "sys/fs/cgroup/a/cpu.max": "lots\n",
            "sys/fs/cgroup/a/memory.max": "\n",
        },
    ],
)
def test_what_does_not_say_a_limit_sets_none(system, files):
    root = system(files)
    assert cpu_quota(root) == math.inf
    assert memory_limit(root) == math.inf


@pytest.mark.parametrize(("quota", "cores"), [(0.25, 1), (1.5, 1), (2.0, 2), (math.inf, 8)])
def test_workers_and_threads_fit_the_quota(monkeypatch, quota, cores):
    monkeypatch.setattr("charrnn.limits.cpu_quota", lambda: quota)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(8), raising=False)
    available_cores.cache_clear()
    try:
        assert available_cores() == cores
    finally:
        available_cores.cache_clear()


def test_what_ulimit_allows_counts(monkeypatch):
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (300_000_000, resource.RLIM_INFINITY))
    monkeypatch.setattr("charrnn.limits.memory_limit", lambda: math.inf)
    assert allowed_memory() == 300_000_000
    monkeypatch.setattr("charrnn.limits.memory_limit", lambda: 2e8)
    assert allowed_memory() == 200_000_000
