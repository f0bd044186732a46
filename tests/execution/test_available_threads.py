"""The threads that a process may use, on made-up files of Linux's control groups."""

import math

import pytest

from albert_np.execution import replicas
from albert_np.execution.replicas import available_threads

V1 = "11:memory:/docker/a\n4:cpu,cpuacct:/docker/a\n"


def quota(tmp_path, files):
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return replicas._cpu_quota(tmp_path)


@pytest.mark.parametrize(
    "files, expected",
    [
        ({}, math.inf),
        ({"proc/self/cgroup": "0::/\n"}, math.inf),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, math.inf),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "400000 100000\n"}, 4),
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
                "sys/fs/cgroup/a/cpu.max": "50000 100000\n",
                "sys/fs/cgroup/cpu.max": "300000 100000\n",
            },
            0.5,
        ),
        (
            {
                "proc/self/cgroup": V1,
                "sys/fs/cgroup/cpu/docker/a/cpu.cfs_quota_us": "250000\n",
                "sys/fs/cgroup/cpu/docker/a/cpu.cfs_period_us": "100000\n",
            },
            2.5,
        ),
        (  # inside a container, whose group is the outermost that it sees
            {
                "proc/self/cgroup": V1,
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "50000\n",
            },
            2,
        ),
        (
            {
                "proc/self/cgroup": V1,
                "sys/fs/cgroup/cpu/docker/a/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/docker/a/cpu.cfs_period_us": "100000\n",
            },
            math.inf,
        ),
    ],
)
def test_the_smallest_quota_of_a_group_and_those_around_it_holds(tmp_path, files, expected):
    assert quota(tmp_path, files) == expected


@pytest.mark.parametrize("quota, threads", [(math.inf, 8), (99.0, 8), (1.5, 2), (2.0, 2), (0.2, 1)])
def test_threads_are_limited_by_affinity_and_quota(monkeypatch, quota, threads):
    monkeypatch.setattr(replicas.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(replicas, "_cpu_quota", lambda: quota)
    assert available_threads() == threads
