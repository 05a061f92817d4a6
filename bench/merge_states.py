#!/usr/bin/env python3
"""merge_states of bf16 states beside the same by PyTorch's operators, against the time of a copy of as many bytes.

Merges two states to bf16 and to e4m3, and eight states to bf16. Each round times one call of each with a cold L2, in
turn; a cell's figure is the median. The results are compared first. Rows are written as JSON after every cell.

    python3 bench/merge_states.py --dry-run
    python3 bench/merge_states.py --kernel generic --arch sm_90 --commit 1a2b3c4 --nvrtc 13.0 \\
        --out bench/results/h200/merge_states.json
"""

import statistics

from attention_cells import geometric_mean
from gpu_bench import Run, chosen, end, parse_arguments
from merge_cells import all_cells

OUT_SCALE = 1 / 64


# ---- one cell on the GPU ---------------------------------------------------------------------------------------------


def make_tensors(torch, cell):
    """Tensors by their names in attnjit_merge_states_params; lse is stored [H, T], as attention writes it."""
    states, tokens, heads = cell.states, cell.tokens, cell.heads
    outs = torch.randn(states, tokens, heads, cell.head_dim, device="cuda", dtype=torch.bfloat16)
    lses = (torch.randn(states, heads, tokens, device="cuda") + 5).transpose(1, 2)
    out = torch.full(outs.shape[1:], float("nan"), device="cuda", dtype=torch.bfloat16)
    tensors = {
        "out": out.to(torch.float8_e4m3fn) if cell.out_dtype == "e4m3" else out,
        "lse": torch.full((heads, tokens), float("nan"), device="cuda").t(),
    }
    if cell.out_dtype == "e4m3":
        tensors["out_scale"] = torch.tensor([OUT_SCALE], device="cuda")
    if states == 2:
        tensors |= {"out_a": outs[0], "lse_a": lses[0], "out_b": outs[1], "lse_b": lses[1]}
    else:
        tensors |= {"outs": outs, "lses": lses}
    return tensors


def by_torch(torch, cell, tensors):
    """out and lse by PyTorch's operators, in float32."""
    if cell.states == 2:
        lse = torch.logaddexp(tensors["lse_a"], tensors["lse_b"])
        out = tensors["out_a"] * (tensors["lse_a"] - lse).exp()[..., None]
        out += tensors["out_b"] * (tensors["lse_b"] - lse).exp()[..., None]
    else:
        lse = torch.logsumexp(tensors["lses"], dim=0)
        out = (tensors["outs"] * (tensors["lses"] - lse).exp()[..., None]).sum(dim=0)
    if cell.out_dtype == "e4m3":
        return (out / tensors["out_scale"]).clamp_(-448, 448).to(torch.float8_e4m3fn), lse
    return out.to(torch.bfloat16), lse


def check_same_result(torch, cell, tensors):
    """Benchmarking a wrong result is pointless. Both round once, so values are at most one step apart."""
    theirs, lse = by_torch(torch, cell, tensors)
    step = 1 / 8 if cell.out_dtype == "e4m3" else 1 / 128
    least = 1 / 512 if cell.out_dtype == "e4m3" else 1e-5  # e4m3: the step of subnormal numbers; bf16: cancellation
    for mine, other in zip(tensors["out"].split(128), theirs.split(128)):  # in slices: float32 of all would be large
        error = (mine.float() - other.float()).abs() - step * other.float().abs()
        if not (worst := error.max().item()) <= least:
            raise RuntimeError(f"{cell.name}: differs from PyTorch's result by {worst:.4g} more than one step")
    if not (worst := (tensors["lse"] - lse).abs().max().item()) <= 1e-4:
        raise RuntimeError(f"{cell.name}: lse differs from PyTorch's by {worst:.4g}")


def measure(torch, timer, operator, cell, rounds):
    """{"ours": [us], "torch": [us], "back_to_back": us}."""
    from gpu_timer import alternate

    tensors = make_tensors(torch, cell)
    call = operator.bind(**tensors)
    stream = torch.cuda.current_stream().cuda_stream

    def ours():
        call.run(stream)

    def theirs():
        by_torch(torch, cell, tensors)

    ours()
    torch.cuda.synchronize()
    check_same_result(torch, cell, tensors)
    calls = [ours, theirs]
    alternate(timer, calls, 2)  # sets the length of the flush; warms up the allocator
    times = alternate(timer, calls, rounds)
    back_to_back = timer.back_to_back_us(ours, statistics.median(times[0]))
    return {"ours": times[0], "torch": times[1], "back_to_back": back_to_back}


# ---- rows and summary ------------------------------------------------------------------------------------------------


def make_row(cell, result):
    from gpu_timer import spread

    ours_us, torch_us = (statistics.median(result[name]) for name in ("ours", "torch"))
    return {
        "op": "merge_states",
        "case": cell.name,
        "tokens": cell.tokens,
        "heads": cell.heads,
        "head_dim": cell.head_dim,
        "states": cell.states,
        "dtype": "bf16",
        "out_dtype": cell.out_dtype,
        "ours_us": round(ours_us, 2),
        "back_to_back_us": round(result["back_to_back"], 2),
        "peer": "PyTorch's operators",
        "peer_us": round(torch_us, 2),
        "ratio": round(torch_us / ours_us, 4),
        "ratio_rule": "direct",
        "spread": round(spread(result["ours"]), 4),
        "bytes": cell.bytes,
        "gbps": round(cell.bytes / ours_us / 1e3, 1),
        "floor_us": round(cell.floor_us, 2),
        "of_floor": round(cell.floor_us / ours_us, 4),
    }


def print_row(row):
    print(
        f"{row['case']:26} ours {row['ours_us']:8.1f} us  (back to back {row['back_to_back_us']:8.1f})"
        f"  {row['gbps']:7.1f} GB/s  {row['of_floor']:6.1%} of a copy's rate  PyTorch {row['peer_us']:9.1f}"
        f"  ratio {row['ratio']:6.2f}  spread {row['spread']:.3f}",
        flush=True,
    )


def print_summary(rows):
    if not rows:
        return
    worst = min(rows, key=lambda row: row["ratio"])
    print(f"\n{len(rows)} cells; worst ratio {worst['ratio']:.2f} ({worst['case']})")
    print(f"geometric mean of ratios: {geometric_mean([row['ratio'] for row in rows]):.2f}")
    if large := [row for row in rows if row["bytes"] > 1e8]:
        slowest = min(large, key=lambda row: row["of_floor"])
        print(f"above 100 MB: at least {slowest['of_floor']:.1%} of a copy's rate ({slowest['case']})")


def dry_run(cells):
    print(f"{'cell':26} {'MB':>9} {'floor us':>9}")
    for cell in cells:
        print(f"{cell.name:26} {cell.bytes / 1e6:9.2f} {cell.floor_us:9.2f}")
    print(f"{len(cells)} cells")


# ---- the command -----------------------------------------------------------------------------------------------------


def main():
    arguments = parse_arguments(__doc__, cells_example="'t4096 h128 *'")
    cells = chosen(all_cells(), arguments)
    if arguments.dry_run:
        dry_run(cells)
        return

    import torch
    from torch_bridge import MergeStates

    run = Run(arguments)
    long_names = {"bf16": "bfloat16", "e4m3": "float8_e4m3"}
    operators = {
        (cell.head_dim, cell.out_dtype): MergeStates(
            run.context, head_dim=cell.head_dim, out_dtype=long_names[cell.out_dtype]
        )
        for cell in {(cell.head_dim, cell.out_dtype): cell for cell in cells}.values()
    }

    def row_of(cell):
        operator = operators[cell.head_dim, cell.out_dtype]
        return make_row(cell, measure(torch, run.timer, operator, cell, arguments.rounds))

    rows = run.rows(cells, row_of, print_row)
    print_summary(rows)
    end(rows, cells)


if __name__ == "__main__":
    main()
