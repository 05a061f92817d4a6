#!/usr/bin/env python3
"""Prefill off the beaten track beside cuDNN (PyTorch SDPA): odd head counts, other dims, GQA, mixed batches; bf16.

Each round times one call of each with a cold L2, in turn; a cell's figure is the median. cuDNN does not support batches
of uneven lengths: for a mixed batch it is called once per run of equal sequences, back to back in one timed span. If
cuDNN refuses a cell, its figures are null and the row has the reason. Rows are written as JSON after every cell.

    python3 bench/off_track.py --dry-run
    python3 bench/off_track.py --commit 1a2b3c4 --nvrtc 13.0 --out bench/results/h200/off_track.json
"""

import statistics

from attention_cells import geometric_mean, off_track_cells
from gpu_bench import Run, chosen, end, parse_arguments
from prefill_case import measure_beside_cudnn, only_cudnn

NAME_WIDTH = 30


def peer_name(cell):
    """The cuDNN calls that ours is compared with."""

    def form(group):
        return "causal" if group.cudnn_causal(cell.causal) else "full"

    groups = cell.groups
    if len(groups) > 1:
        return "cuDNN, one call after the other: " + ", ".join(f"{group.name} {form(group)}" for group in groups)
    return f"cuDNN, {form(groups[0])}"


def make_row(cell, result):
    from gpu_timer import spread

    ours_us = statistics.median(result["ours"])
    cudnn_us = statistics.median(result["cudnn"]) if result["cudnn"] else None
    rounded = None if cudnn_us is None else round(cudnn_us, 2)
    return {
        "op": "mha_varlen" if cell.rope_dim == 0 else "mla_prefill",
        "case": cell.name,
        "batch": cell.batch,
        "heads": cell.heads,
        "kv_heads": cell.key_heads,
        "dims": [cell.dim_qk, cell.dim_v],
        "rope_dim": cell.rope_dim,
        "dtype": "bf16",
        "causal": cell.causal,
        "ours_us": round(ours_us, 2),
        "back_to_back_us": round(result["back_to_back"], 2),
        "peer": None if cudnn_us is None else peer_name(cell),
        "peer_us": rounded,
        "cudnn_us": rounded,
        "cudnn_refusal": result["refusal"],
        "cudnn_is_same": cell.cudnn_is_same,
        "ratio": None if cudnn_us is None else round(cudnn_us / ours_us, 4),
        "ratio_rule": "direct",
        "spread": round(spread(result["ours"]), 4),
        "cudnn_spread": None if cudnn_us is None else round(spread(result["cudnn"]), 4),
        "tflops": round(cell.operations / ours_us / 1e6, 1),
        "floor_us": round(cell.floor_us, 2),
    }


def print_row(row):
    if row["ratio"] is None:
        beside = f"cuDNN         -  ratio     -  ({row['cudnn_refusal']})"
    else:
        more_work = "" if row["cudnn_is_same"] else "  (cuDNN: full attention, more work)"
        beside = f"cuDNN {row['cudnn_us']:9.1f}  ratio {row['ratio']:5.3f}{more_work}"
    print(
        f"{row['case']:{NAME_WIDTH}} ours {row['ours_us']:9.1f} us  (back to back {row['back_to_back_us']:9.1f})"
        f"  {row['tflops']:6.1f} TFLOP/s  spread {row['spread']:.3f}  {beside}",
        flush=True,
    )


def print_summary(rows):
    if not rows:
        return
    print(f"\n{len(rows)} cells; {min(row['tflops'] for row in rows):.1f} to "
          f"{max(row['tflops'] for row in rows):.1f} TFLOP/s")
    if refused := [row["case"] for row in rows if row["ratio"] is None]:
        print(f"cuDNN refuses {len(refused)}: {', '.join(refused)}")
    beside = [row for row in rows if row["ratio"] is not None]
    if not beside:
        return
    worst = min(beside, key=lambda row: row["ratio"])
    print(f"worst ratio {worst['ratio']:.3f} ({worst['case']}) of {len(beside)} beside cuDNN")
    print(f"slower than cuDNN (ratio < 0.98): {sum(row['ratio'] < 0.98 for row in beside)}")
    print(f"geometric mean: {geometric_mean([row['ratio'] for row in beside]):.3f}")


def dry_run(cells):
    print(f"{'cell':{NAME_WIDTH}} {'GFLOP':>9} {'MB':>8} {'floor us':>9}  peer")
    for cell in cells:
        print(
            f"{cell.name:{NAME_WIDTH}} {cell.operations / 1e9:9.1f} {cell.bytes / 1e6:8.1f} {cell.floor_us:9.1f}"
            f"  {peer_name(cell)}"
        )
    print(f"{len(cells)} cells")


def main():
    arguments = parse_arguments(__doc__, cells_example="'q4k h32/8 *, * full'")
    cells = chosen(off_track_cells(), arguments)
    if arguments.dry_run:
        dry_run(cells)
        return

    import torch
    from torch_bridge import MhaVarlen

    run = Run(arguments)
    operators = {config: MhaVarlen(run.context, *config) for config in {cell.config for cell in cells}}

    def row_of(cell):
        return make_row(cell, measure_beside_cudnn(torch, run.timer, operators[cell.config], cell, arguments.rounds))

    with only_cudnn(torch):
        rows = run.rows(cells, row_of, print_row)
    print_summary(rows)
    end(rows, cells)


if __name__ == "__main__":
    main()
