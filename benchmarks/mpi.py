"""What a step costs over MPI, on this machine and between two that a slow network connects.

    make bench-mpi                                    # about five minutes
    .venv/bin/python benchmarks/mpi.py --only ranks --turns 7

The second "machine" is a network namespace of this one, behind a link of limited bandwidth and, if
the kernel can do that (netem), with delay. This needs root, ip and tc, and MPICH's mpiexec.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import machine  # noqa: E402
from charrnn.config.schema import TrainConfig  # noqa: E402
from charrnn.data.batches import TextBatches  # noqa: E402
from charrnn.evaluation.score import Answer, Part  # noqa: E402
from charrnn.nn.network import Architecture  # noqa: E402
from charrnn.training.data_parallel import DataParallel  # noqa: E402
from charrnn.training.held_out import HeldOutScorer  # noqa: E402
from charrnn.training.ranks.mpi import world  # noqa: E402

#: Hidden units of the LSTMs of one layer; streams of the whole batch, time steps, symbols.
HIDDEN = (128, 512, 1024)
N, T, V = 32, 64, 65
RANKS = (1, 2, 4)
#: Symbols of a validation.
HELD_OUT = 1 << 18
#: What is predicted: ranks, each with so many streams.
PREDICTED, STREAMS = (8, 64, 512), (4, 32)
#: The model of computing, for which see docs/design/scaling.md: operations per second with WIDE
#: streams, and the share of that time which does not depend on their number.
WIDE, RATE, FIXED = 32, 95e9, 0.14
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Network:
    """A link between two machines: bits per second, and seconds in each direction."""

    name: str
    bits: float
    delay: float

    def allreduce(self, ranks: int, size: float) -> float:
        """Seconds: recursive halving and doubling, which MPI uses for long vectors."""
        return 2 * math.log2(ranks) * self.delay + 2 * (ranks - 1) / ranks * 8 * size / self.bits

    def bcast(self, ranks: int, size: float) -> float:
        """Seconds: along a tree if it is short, else scattered and gathered."""
        tree = math.ceil(math.log2(ranks)) * (self.delay + 8 * size / self.bits)
        return min(tree, self.allreduce(ranks, size))


NETWORKS = (Network("10 Gbit/s, 50 us", 1e10, 50e-6), Network("1 Gbit/s, 200 us", 1e9, 200e-6))


def parallel(hidden: int, workers: int | Literal["mpi"], streams: int = N) -> DataParallel:
    """A network to train, on random text."""
    arch = Architecture("lstm", V, hidden, 1)
    ids = np.random.default_rng(0).integers(0, V, 200_000).astype(np.uint8)
    config = TrainConfig(batch_size=streams, seq_length=T)
    made = DataParallel(arch, TextBatches(ids, streams, T), config, workers)
    np.copyto(made.network.params.flat, arch.initial(np.random.default_rng(1)).flat)
    return made


def seconds(call: Callable[..., object], *arguments: Any) -> float:
    """How long a call takes."""
    started = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - started


# --- in a job -----------------------------------------------------------------------------------


def in_turns(hidden: int, workers: Sequence[int | Literal["mpi"]], turns: int) -> list[list[float]]:
    """Seconds of the fastest step in each turn, of each way in which ranks meet.

    The fastest, because other work on the machine, which MPI's spinning does not give way to, makes
    all others slower.
    """
    made = [parallel(hidden, way) for way in workers]
    steps = max(2, round(3000 / hidden))
    times: list[list[float]] = [[] for _ in made]
    for turn in range(turns + 1):
        for way, found in zip(made, times, strict=True):
            way.step(0, 1, 0.01, 1)
            took = [seconds(way.step, 0, k % 90 + 1, 0.01, k) for k in range(steps)]
            if turn:
                found.append(min(took))
    for way in made:
        way.stop()
    return times


def job(hidden: int, turns: int) -> None:
    """A rank of a job; rank 0 prints what it measured."""
    ranks = world()
    gradient = np.zeros(Architecture("lstm", V, hidden, 1).size, np.float32)
    sums = []
    for _ in range(3 + 5 * turns):
        ranks.comm.Barrier()
        sums.append(seconds(ranks.comm.Allreduce, ranks.mpi.IN_PLACE, gradient))
    if ranks.rank:
        return ranks.serve()
    mpi, local = in_turns(hidden, ("mpi", ranks.size), turns)
    answer = {"mpi": mpi, "local": local, "allreduce": min(sums[3:])}
    print(json.dumps(answer | {"parameters": len(gradient)}), flush=True)
    ranks.end()


@dataclass(frozen=True)
class Threads:
    """Scores as one process does, with so many threads; None for one on each core."""

    made: DataParallel
    threads: int | None
    scorers: int = 1

    def score(self, parts: Sequence[Part[Answer]]) -> list[Answer]:
        """The scores of all parts."""
        return [part.score(self.made.network, self.threads) for part in parts]


def validations(hidden: int, turns: int) -> None:
    """A rank of a job that validates, in turns with one thread and with all threads of rank 0."""
    ranks = world()
    if ranks.rank:
        return ranks.serve()
    made = parallel(hidden, "mpi")
    ids = np.random.default_rng(2).integers(0, V, HELD_OUT).astype(np.uint8)
    ways = {"one": Threads(made, 1), "all": Threads(made, None), "ranks": made}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(turns + 1):
        made.step(0, turn, 0.0, turn + 1)
        for name, way in ways.items():
            scorer = HeldOutScorer(0, False, None, None, way)
            took = seconds(scorer.score, made.network, ids)
            if turn:
                times[name].append(took)
    made.stop()
    print(json.dumps(times), flush=True)
    ranks.end()


def run_job(
    size: int, hidden: int, turns: int, before: Sequence[str] = (), what: str = "--job"
) -> dict[str, Any]:
    """What a job of ``size`` ranks measures."""
    command = [*(before or [mpiexec()]), "-n", str(size), sys.executable, __file__]
    done = subprocess.run(
        [*command, what, str(hidden), "--turns", str(turns)],
        env=os.environ | ENVIRONMENT,
        stdout=subprocess.PIPE,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def mpiexec() -> str:
    """The launcher: of a wheel in this environment, or else the machine's."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    if found := shutil.which("mpiexec", path=path):
        return found
    sys.exit("no mpiexec: pip install 'charrnn[mpi]' mpich")


# --- tables -------------------------------------------------------------------------------------


def of_ranks(turns: int) -> None:
    """A step by MPI and by local workers, in turns within one job."""
    print(f"\n| LSTM, {N} streams of {T} | ranks | step, ms | Allreduce, ms | local, ms | rate |")
    print("|---|---|---|---|---|---|")
    for hidden in HIDDEN:
        for size in RANKS:
            found = run_job(size, hidden, turns)
            pairs = zip(found["local"], found["mpi"], strict=True)
            rate = statistics.median(local / mpi for local, mpi in pairs)
            mpi, local = (1e3 * statistics.median(found[way]) for way in ("mpi", "local"))
            print(
                f"| {hidden} ({found['parameters']:,}) | {size} | {mpi:.2f} "
                f"| {1e3 * found['allreduce']:.2f} | {local:.2f} | {rate:.3f} |",
                flush=True,
            )


def of_validations(turns: int) -> None:
    """A validation by one thread, by the threads of a process, and by two ranks."""
    print(
        f"\n| LSTM, {HELD_OUT:,} symbols | one thread, s | all threads, s | two ranks, s | rates |"
    )
    print("|---|---|---|---|---|")
    for hidden in HIDDEN:
        found = run_job(2, hidden, turns, what="--validate")
        one, *others = (found[way] for way in ("one", "all", "ranks"))
        rates = (
            statistics.median(a / b for a, b in zip(one, other, strict=True)) for other in others
        )
        times = (f"{statistics.median(each):.2f}" for each in (one, *others))
        print(f"| {hidden} | {' | '.join(times)} | {', '.join(f'{r:.2f}' for r in rates)} |")


@contextlib.contextmanager
def two_hosts(network: Network) -> Iterator[list[str]]:
    """Two network namespaces with a link: how to start a job of a rank in each."""
    hosts = ("10.77.0.1", "10.77.0.2")
    spaces = [f"charrnn-{host}" for host in hosts]

    def call(*words: str, check: bool = True) -> bool:
        return not subprocess.run(words, check=check, stderr=subprocess.DEVNULL).returncode

    with tempfile.TemporaryDirectory() as folder:
        rsh = Path(folder, "rsh")
        rsh.write_text(
            '#!/bin/sh\nwhile [ "${1#-}" != "$1" ]; do shift; done\nhost=$1; shift\n'
            'exec ip netns exec "charrnn-$host" sh -c "$*"\n'
        )
        rsh.chmod(0o755)
        try:
            for space in spaces:
                call("ip", "netns", "add", space)
            ends = ["link", "add", "link0", "netns", spaces[0], "type", "veth"]
            call("ip", *ends, "peer", "name", "link0", "netns", spaces[1])
            rate, delay = f"{network.bits:.0f}bit", f"{1e6 * network.delay:.0f}us"
            for space, host in zip(spaces, hosts, strict=True):
                call("ip", "-n", space, "addr", "add", f"{host}/24", "dev", "link0")
                for device in ("link0", "lo"):
                    call("ip", "-n", space, "link", "set", device, "up")
                queue = ["ip", "netns", "exec", space, "tc", "qdisc", "add", "dev", "link0", "root"]
                netem = ["netem", "delay", delay, "rate", rate, "limit", "100000"]
                if not call(*queue, *netem, check=False):
                    call(*queue, "tbf", "rate", rate, "burst", "256kb", "latency", "50ms")
                    if host == hosts[0]:
                        print(f"no delay of {delay}: this kernel has no netem", file=sys.stderr)
            time.sleep(1.0)  # until the link can be used
            # UCX and libfabric would see that this is one machine, and share its memory.
            settings = {"MPIR_CVAR_NOLOCAL": "1", "UCX_TLS": "tcp,self", "UCX_NET_DEVICES": "link0"}
            settings["FI_PROVIDER"] = "tcp"
            variables = [word for pair in settings.items() for word in ("-genv", *pair)]
            launch = ["-launcher", "ssh", "-launcher-exec", str(rsh), "-hosts", ",".join(hosts)]
            yield ["ip", "netns", "exec", spaces[0], mpiexec(), *launch, "-ppn", "1", *variables]
        finally:
            for space in spaces:
                call("ip", "netns", "del", space, check=False)


def of_networks(turns: int) -> None:
    """A step of two ranks on two hosts; local workers share this machine, for comparison."""
    if sys.platform != "linux" or os.getuid() or not (shutil.which("ip") and shutil.which("tc")):
        print("\nleft out: two hosts (they need Linux, root, ip and tc)")
        return
    print("\n| two hosts | LSTM | step, ms | Allreduce, ms | predicted, ms | local, ms | rate |")
    print("|---|---|---|---|---|---|---|")
    for network in NETWORKS:
        with two_hosts(network) as launch:
            for hidden in HIDDEN:
                found = run_job(2, hidden, turns, launch)
                mpi, local = (1e3 * statistics.median(found[way]) for way in ("mpi", "local"))
                predicted = 1e3 * network.allreduce(2, 4 * found["parameters"])
                print(
                    f"| {network.name} | {hidden} | {mpi:.2f} | {1e3 * found['allreduce']:.2f} "
                    f"| {predicted:.2f} | {local:.2f} | {local / mpi:.2f} |",
                    flush=True,
                )


def compute(hidden: int, streams: int) -> float:
    """Seconds in which a rank with a core of its own computes its gradient, by the model."""
    weights = 4 * hidden**2 + hidden * V
    return 6.0 * T * WIDE * weights / RATE * (FIXED + (1.0 - FIXED) * streams / WIDE)


def of_predictions(turns: int) -> None:
    """Efficiency of many ranks of one core: the time of one alone, over that with the others."""
    columns = [f"{ranks} x {streams}" for streams in STREAMS for ranks in PREDICTED]
    print("\n| ranks x streams of each | " + " | ".join(columns) + " |")
    print("|---" * (1 + len(columns)) + "|")
    for network in NETWORKS:
        for hidden in HIDDEN:
            size = 4 * Architecture("lstm", V, hidden, 1).size
            cells = []
            for streams in STREAMS:
                for ranks in PREDICTED:
                    ids = 8 * T * streams * ranks
                    spent = network.allreduce(ranks, size) + network.bcast(ranks, ids)
                    spent += network.bcast(ranks, 8)
                    took = compute(hidden, streams)
                    cells.append(f"{took / (took + spent):.0%}")
            print(f"| {network.name}, LSTM {hidden} | {' | '.join(cells)} |")


PARTS = {
    "ranks": of_ranks,
    "validations": of_validations,
    "hosts": of_networks,
    "predictions": of_predictions,
}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5, help="of each row (%(default)s)")
    parser.add_argument("--only", choices=PARTS, help="one part")
    parser.add_argument("--hidden", type=int, action="append", help="only these sizes")
    parser.add_argument("--job", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--validate", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    global HIDDEN
    HIDDEN = tuple(arguments.hidden or HIDDEN)
    if arguments.job:
        return job(arguments.job, arguments.turns)
    if arguments.validate:
        return validations(arguments.validate, arguments.turns)
    print(machine.describe())
    for name, part in PARTS.items():
        if arguments.only in (None, name):
            part(arguments.turns)


if __name__ == "__main__":
    main()
