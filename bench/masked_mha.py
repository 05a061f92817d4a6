#!/usr/bin/env python3
"""masked_mha beside the dense causal call of the same batch: qk 192 / v 128, bf16; mask_from_topk reported beside it.

Two kinds of masks: a random top-k of 2048 among the keys visible to a query, and the last 512 keys. Each round times
one call of each operator with a cold L2, in turn; figures are medians. Rows are written as JSON after every cell.

    python3 bench/masked_mha.py --dry-run
    python3 bench/masked_mha.py --kernel generic --arch sm_90 --commit 1a2b3c4 --nvrtc 13.0 \\
        --out bench/results/h200/masked_mha_generic.json
"""

import dataclasses
import statistics

from attention_cells import HEADS, Cell, visible_pairs
from gpu_bench import Run, chosen, end, parse_arguments
from prefill_case import bounds, check_finite, check_rows, packed_tensors

TOPK = 2048
WINDOW = 512
MOST_OF_DENSE = 1.15  # top-k: the masked call may take at most this many times as long as the dense one
LEAST_SPEEDUP = 3.0  # window: the dense call must take at least this many times as long as the masked one


@dataclasses.dataclass(frozen=True)
class MaskedCell:
    cell: Cell
    window: bool  # the last WINDOW keys; else a random top-k

    @property
    def name(self):
        return f"{self.cell.name} {f'last {WINDOW}' if self.window else f'topk {TOPK}'}"

    @property
    def keys_per_query(self):
        return WINDOW if self.window else TOPK

    @property
    def visible_pairs(self):
        """Visible (query, key) pairs. A query with at most keys_per_query keys sees all of them."""
        (q, s), = self.cell.sequences
        return visible_pairs(q, s, True) - visible_pairs(q, s - self.keys_per_query, True)


def all_masked_cells():
    random = [MaskedCell(Cell(batch, heads, True), False) for heads in HEADS for batch in ("q2k", "q4k", "q8k")]
    return random + [MaskedCell(Cell("q8k", heads, True), True) for heads in HEADS]


def top_k(torch, masked):
    """int32 [q, k]: positions visible to each query, in random order, padded with -1."""
    (q, s), = masked.cell.sequences
    queries = torch.arange(q, device="cuda")[:, None]
    if masked.window:
        return (queries + s - q - torch.arange(WINDOW, device="cuda")).clamp(min=-1).int()
    score = torch.rand(q, s, device="cuda").masked_fill_(torch.arange(s, device="cuda") > queries + s - q, -1.0)
    value, index = score.topk(TOPK, dim=1, sorted=False)
    return index.masked_fill_(value < 0, -1).int()


def measure(torch, timer, operators, masked, rounds):
    """{"masked": [us], "dense": [us], "build": [us], "back_to_back": us}."""
    from gpu_timer import alternate
    from torch_bridge import mask_shapes

    cell = masked.cell
    packed = packed_tensors(torch, cell)
    (q, s), = cell.sequences
    indices = top_k(torch, masked)
    mask, tiles = (torch.zeros(shape, dtype=torch.int32, device="cuda") for shape in mask_shapes(q, 1, s))
    build = operators["build"].bind(
        topk_indices=indices,
        cu_seqlens_q=packed["cu_seqlens_q"],
        seq_lens=torch.tensor([s], dtype=torch.int32, device="cuda"),
        mask=mask,
        mask_tiles=tiles,
    )
    dense = operators["dense"].bind(**packed, **bounds(cell))
    attend = operators["masked"].bind(**packed, **bounds(cell), mask=mask, mask_tiles=tiles)
    stream = torch.cuda.current_stream().cuda_stream

    calls = [lambda: attend.run(stream), lambda: dense.run(stream), lambda: build.run(stream)]
    for call_once in [calls[2], calls[1], calls[0]]:
        call_once()
        torch.cuda.synchronize()
    check_finite(torch, masked.name, packed["out"])
    check_rows(torch, masked.name, cell, packed, lambda row: indices[row][indices[row] >= 0].long())
    alternate(timer, calls, 2)  # sets the length of the flush
    times = alternate(timer, calls, rounds)
    back_to_back = timer.back_to_back_us(calls[0], statistics.median(times[0]))
    return {"masked": times[0], "dense": times[1], "build": times[2], "back_to_back": back_to_back}


def make_row(masked, result):
    from gpu_timer import spread

    cell = masked.cell
    ours, dense, build = (statistics.median(result[name]) for name in ("masked", "dense", "build"))
    return {
        "op": "masked_mha",
        "case": masked.name,
        "batch": cell.batch,
        "heads": cell.heads,
        "dims": [cell.dim_qk, cell.dim_v],
        "dtype": "bf16",
        "causal": cell.causal,
        "mask": f"last {WINDOW} keys" if masked.window else f"random top-k {TOPK}",
        "ours_us": round(ours, 2),
        "back_to_back_us": round(result["back_to_back"], 2),
        "dense_us": round(dense, 2),
        "mask_build_us": round(build, 2),
        "of_dense": round(ours / dense, 4),
        "goal": f"at least {LEAST_SPEEDUP} times faster" if masked.window else f"at most {MOST_OF_DENSE} of dense",
        "reached": bool(dense / ours >= LEAST_SPEEDUP if masked.window else ours / dense <= MOST_OF_DENSE),
        "spread": round(spread(result["masked"]), 4),
        "mask_build_spread": round(spread(result["build"]), 4),
    }


def print_row(row):
    print(
        f"{row['case']:26} masked {row['ours_us']:9.1f} us  dense {row['dense_us']:9.1f}  of dense {row['of_dense']:.3f}"
        f"  mask {row['mask_build_us']:6.1f}  spread {row['spread']:.3f}  {'reached' if row['reached'] else 'NOT REACHED'}",
        flush=True,
    )


def dry_run(cells):
    print(f"{'cell':26} {'dense GFLOP':>12} {'visible':>8}")
    for masked in cells:
        (q, s), = masked.cell.sequences
        share = masked.visible_pairs / visible_pairs(q, s, True)
        print(f"{masked.name:26} {masked.cell.operations / 1e9:12.1f} {share:8.1%}")
    print(f"{len(cells)} cells")


def main():
    arguments = parse_arguments(__doc__)
    cells = chosen(all_masked_cells(), arguments)
    if arguments.dry_run:
        dry_run(cells)
        return

    import torch
    from torch_bridge import MaskedMha, MaskFromTopk, MhaVarlen

    run = Run(arguments)
    dims = {"head_dim_qk": 192, "head_dim_v": 128, "rope_dim": 64, "causal": True}
    operators = {
        "build": MaskFromTopk(run.context),
        "dense": MhaVarlen(run.context, **dims),
        "masked": MaskedMha(run.context, **dims),
    }

    def row_of(masked):
        return make_row(masked, measure(torch, run.timer, operators, masked, arguments.rounds))

    rows = run.rows(cells, row_of, print_row)
    print(f"\n{len(rows)} cells; not reached: {sum(not row['reached'] for row in rows)}")
    end(rows, cells)


if __name__ == "__main__":
    main()
