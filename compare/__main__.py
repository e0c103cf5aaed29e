"""Run workloads with every peer that is installed, in one process and in turn, and print times and ratios."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import os
import pathlib
import pkgutil
import platform
import tempfile

# One thread for everyone, before any library starts its pools. NPROC is what XLA sizes its pool by; its flags alone leave it two.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "DUALAD_NUM_THREADS", "NPROC", "PJRT_NPROC"):
    os.environ.setdefault(name, "1")
CACHE = tempfile.TemporaryDirectory()
os.environ["DUALAD_CACHE"] = CACHE.name  # of what is measured nothing is kept
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")


HEAD = """# Performance

Measured by `make compare`: every library in one process, in turn, one thread, the median of rounds. Times are of one run on one
machine; the ratios (in parentheses: dualad's time divided by the library's) are what to look at. Written by
`python -m compare --write docs/performance.md`.
"""


def main() -> None:
    from compare import peers, workloads
    from compare.timing import table

    every = [m.name for m in pkgutil.iter_modules(workloads.__path__)]
    parser = argparse.ArgumentParser(prog="python -m compare", description=__doc__)
    parser.add_argument("workload", nargs="*", help=f"among {', '.join(every)} (default: all)")
    parser.add_argument("--rounds", type=int, default=15, help="timed rounds; the median counts")
    parser.add_argument("--write", metavar="FILE", help="also write the report there")
    chosen = parser.parse_args()
    if unknown := set(chosen.workload) - set(every):
        parser.error(f"no workload {', '.join(sorted(unknown))}; there are {', '.join(every)}")

    found = {}
    versions = [f"Python {platform.python_version()}", f"NumPy {importlib.metadata.version('numpy')}"]
    for m in pkgutil.iter_modules(peers.__path__):
        try:
            found[m.name] = importlib.import_module(f"compare.peers.{m.name}")
            versions.append(f"{m.name} {importlib.metadata.version(m.name)}")
        except ImportError as e:
            print(f"{m.name}: not installed ({e.name}); left out")
    report = [HEAD, f"{', '.join(versions)}; {platform.machine()}."]
    for name in chosen.workload or every:
        module = importlib.import_module(f"compare.workloads.{name}")
        result = module.measure(found, chosen.rounds)
        rows, notes = result if isinstance(result, tuple) else (result, [])
        section = "\n\n".join([f"## {name}", (module.__doc__ or "").strip(), table(rows), *notes])
        print(f"\n{section}")
        report.append(section)
    if chosen.write:
        pathlib.Path(chosen.write).write_text("\n\n".join(report) + "\n")


if __name__ == "__main__":
    main()
