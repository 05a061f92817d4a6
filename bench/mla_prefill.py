#!/usr/bin/env python3
"""MLA prefill, qk 192 / v 128, bf16: attnjit beside cuDNN (PyTorch SDPA), and against the peers' measured times.

Each round times one call of each with a cold L2, in turn; a cell's figure is the median. attnjit gets the packed batch
with separate k_nope and k_pe, cuDNN the same numbers as dense [B, H, S, D]. Rows are written as JSON after every cell,
so an interrupted run keeps its rows.

    python3 bench/mla_prefill.py --dry-run
    python3 bench/mla_prefill.py --kernel generic --arch sm_90 --commit 1a2b3c4 --nvrtc 13.0 \\
        --out bench/results/h200/mla_prefill_generic.json
"""

import statistics

from attention_cells import all_cells, geometric_mean, load_peers
from gpu_bench import Run, chosen, end, parse_arguments
from prefill_case import measure_beside_cudnn, only_cudnn

# ---- rows and summary ------------------------------------------------------------------------------------------------


def make_row(cell, peer, result):
    from gpu_timer import spread

    ours_us = statistics.median(result["ours"])
    cudnn_us = statistics.median(result["cudnn"]) if result["cudnn"] else None
    peer_name, peer_us = peer.best
    ratio, rule = peer.ratio(ours_us, cudnn_us)
    return {
        "op": "mla_prefill",
        "case": cell.name,
        "batch": cell.batch,
        "heads": cell.heads,
        "dims": [cell.dim_qk, cell.dim_v],
        "dtype": "bf16",
        "causal": cell.causal,
        "ours_us": round(ours_us, 2),
        "back_to_back_us": round(result["back_to_back"], 2),
        "peer": peer_name,
        "peer_us": peer_us,
        "cudnn_us": None if cudnn_us is None else round(cudnn_us, 2),
        "cudnn_causal": cell.cudnn_causal,
        "ratio": round(ratio, 4),
        "ratio_rule": rule,
        "spread": round(spread(result["ours"]), 4),
        "tflops": round(cell.operations / ours_us / 1e6, 1),
    }


def print_row(row):
    cudnn = "-" if row["cudnn_us"] is None else f"{row['cudnn_us']:.1f}"
    print(
        f"{row['case']:22} ours {row['ours_us']:9.1f} us  (back to back {row['back_to_back_us']:9.1f})"
        f"  cuDNN {cudnn:>9}  {row['peer']:>16} {row['peer_us']:8.1f}  ratio {row['ratio']:.3f}"
        f"  {row['tflops']:6.1f} TFLOP/s  spread {row['spread']:.3f}",
        flush=True,
    )


def print_summary(rows):
    if not rows:
        return
    worst = min(rows, key=lambda row: row["ratio"])
    short = [row["ratio"] for row in rows if row["peer_us"] < 100]
    print(f"\n{len(rows)} cells; worst ratio {worst['ratio']:.3f} ({worst['case']})")
    print(f"slower than the peer (ratio < 0.98): {sum(row['ratio'] < 0.98 for row in rows)}")
    print(f"geometric mean, all:             {geometric_mean([row['ratio'] for row in rows]):.3f}")
    if short:
        print(f"geometric mean, peers < 100 us:  {geometric_mean(short):.3f}  ({len(short)} cells)")
    print(f"highest rate:                    {max(row['tflops'] for row in rows):.1f} TFLOP/s")


def dry_run(cells, peers):
    print(f"{'cell':22} {'GFLOP':>9} {'MB':>8} {'floor us':>9} {'peer us':>9} {'peer TFLOP/s':>13}")
    for cell in cells:
        _, peer_us = peers[cell.batch, cell.heads, cell.causal].best
        print(
            f"{cell.name:22} {cell.operations / 1e9:9.1f} {cell.bytes / 1e6:8.1f} {cell.floor_us:9.1f} {peer_us:9.1f}"
            f" {cell.operations / peer_us / 1e6:13.1f}"
        )
    print(f"{len(cells)} cells")


# ---- the command -----------------------------------------------------------------------------------------------------


def main():
    arguments = parse_arguments(__doc__)
    cells = chosen(all_cells(), arguments)
    peers = load_peers()
    if arguments.dry_run:
        dry_run(cells, peers)
        return

    import torch
    from torch_bridge import MhaVarlen

    run = Run(arguments)
    operators = {config: MhaVarlen(run.context, *config) for config in {cell.config for cell in cells}}

    def row_of(cell):
        result = measure_beside_cudnn(torch, run.timer, operators[cell.config], cell, arguments.rounds)
        if result["refusal"]:
            raise RuntimeError(f"{cell.name}: cuDNN served this cell when the table was made: {result['refusal']}")
        return make_row(cell, peers[cell.batch, cell.heads, cell.causal], result)

    with only_cudnn(torch):
        rows = run.rows(cells, row_of, print_row)
    print_summary(rows)
    end(rows, cells)


if __name__ == "__main__":
    main()
