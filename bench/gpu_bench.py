"""Shared by all GPU time benchmarks: the command line, the facts about the run in each row, and the loop over cells
that writes the rows to a JSON file as they come."""

import argparse
import datetime
import fnmatch
import json
import pathlib
import shlex
import subprocess
import sys
import time


def parse_arguments(doc, cells_example="'q4k h128 *'"):
    """The command line; `doc` is the program's docstring."""
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--kernel", default="automatic", help="which kernels, kept in each row")
    parser.add_argument("--arch", help="target of the kernels (default: the device's own; sm_90: those for every SM)")
    parser.add_argument("--cells", default="*", help=f"comma-separated patterns of cell names, such as {cells_example}")
    parser.add_argument("--rounds", type=int, default=9, help="timed calls of each side per cell")
    parser.add_argument("--budget-seconds", type=float, default=480, help="start no further cell after this time")
    parser.add_argument("--cache", help="folder of the kernel cache (default: attnjit's own)")
    parser.add_argument("--out", type=pathlib.Path, help="JSON file for the rows")
    parser.add_argument("--commit", help="commit of the sources, kept with each row")
    parser.add_argument("--nvrtc", help="version of the NVRTC that made the kernels, kept with each row")
    parser.add_argument("--date", default=today, help="date kept with each row (default: today, UTC)")
    parser.add_argument("--dry-run", action="store_true", help="print the cells, their work and floors; needs no GPU")
    arguments = parser.parse_args()
    if arguments.rounds < 5:
        parser.error("--rounds: a ratio is the median of at least 5 alternating rounds")
    if arguments.out and not (arguments.commit and arguments.nvrtc):
        parser.error("--out keeps rows for good: say what was measured by --commit and --nvrtc")
    return arguments


def chosen(cells, arguments):
    """The cells that --cells names; exits if there are none."""
    patterns = [pattern.strip() for pattern in arguments.cells.split(",")]
    named = [cell for cell in cells if any(fnmatch.fnmatchcase(cell.name, pattern) for pattern in patterns)]
    if not named:
        sys.exit(f"no cell is named like {arguments.cells!r}")
    return named


def driver_version():
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "unknown"


def make_facts(arguments):
    """What every row says about the run."""
    return {
        "kernel": arguments.kernel,
        "command": shlex.join(["python3", *sys.argv]),
        "commit": arguments.commit,
        "driver": driver_version(),
        "nvrtc": arguments.nvrtc,
        "date": arguments.date,
    }


class Run:
    """One run on the GPU. Its constructor creates the library's context and the timer."""

    def __init__(self, arguments):
        import torch
        from gpu_timer import Timer
        from torch_bridge import Context

        self._started = time.monotonic()
        self._arguments = arguments
        torch.manual_seed(0)
        self.context = Context(device=torch.cuda.current_device(), arch=arguments.arch, cache_path=arguments.cache)
        self.facts = make_facts(arguments)
        self.timer = Timer()
        name, driver = torch.cuda.get_device_name(), self.facts["driver"]
        print(f"{name}, driver {driver}, torch {torch.__version__}, {self.context.arch}")

    def rows(self, cells, row_of, print_row):
        """row_of(cell) for each cell until the time is up; finished rows are in --out after every cell."""
        import torch

        rows = []
        out = self._arguments.out
        with torch.no_grad():
            for index, cell in enumerate(cells):
                if time.monotonic() - self._started > self._arguments.budget_seconds:
                    print(f"out of time: {len(cells) - index} cells are left, from '{cell.name}' on")
                    break
                rows.append(row_of(cell) | self.facts)
                print_row(rows[-1])
                if out:
                    out.parent.mkdir(parents=True, exist_ok=True)
                    out.write_text(json.dumps(rows, indent=1) + "\n")
        return rows


def end(rows, cells):
    """Exits with status 3 if some cells were not measured."""
    if len(rows) < len(cells):
        sys.exit(3)
