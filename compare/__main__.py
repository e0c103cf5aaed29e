"""Run workloads with every peer that is installed, in one process and in turn, and print times and ratios."""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil

# One thread for everyone, before any library starts its pools.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")


def main() -> None:
    from compare import peers, workloads
    from compare.timing import table

    every = [m.name for m in pkgutil.iter_modules(workloads.__path__)]
    parser = argparse.ArgumentParser(prog="python -m compare", description=__doc__)
    parser.add_argument("workload", nargs="*", choices=[*every, []], help=f"among {', '.join(every)} (default: all)")
    parser.add_argument("--rounds", type=int, default=15, help="timed rounds; the median counts")
    chosen = parser.parse_args()

    found = {}
    for m in pkgutil.iter_modules(peers.__path__):
        try:
            found[m.name] = importlib.import_module(f"compare.peers.{m.name}")
        except ImportError as e:
            print(f"{m.name}: not installed ({e.name}); left out")
    for name in chosen.workload or every:
        module = importlib.import_module(f"compare.workloads.{name}")
        print(f"\n## {name}\n\n{module.__doc__.strip()}\n")
        print(table(module.measure(found, chosen.rounds)))


if __name__ == "__main__":
    main()
