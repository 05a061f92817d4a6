#!/usr/bin/env python3
"""MLA prefill with fused e4m3 output, qk 192 / v 128, causal, beside bf16 output and a quantise kernel after it.

Each round times one call of each with a cold L2, in turn; figures are medians. Timed are e4m3 output, bf16 output, our
quantize kernel (quantise.py) on the bf16 result, bf16 output and that kernel in one span, quantization by PyTorch's
operators, and cuDNN with bf16 output. Rows are written as JSON after every cell.

    python3 bench/fp8_output.py --dry-run
    python3 bench/fp8_output.py --commit 1a2b3c4 --nvrtc 13.0 --out bench/results/h200/fp8_output.json
"""

import statistics

from attention_cells import CEILING_BYTES, fp8_output_cells, geometric_mean
from gpu_bench import Run, chosen, end, parse_arguments
from prefill_case import (
    Cudnn,
    bounds,
    check_against_cudnn,
    check_finite,
    check_rows,
    only_cudnn,
    packed_tensors,
    warm_up,
)

# Most outputs are normal numbers of e4m3, whose step is far larger than the error of either result; and dividing by
# this scale and multiplying by its reciprocal give the same code for every bf16 value.
OUT_SCALE = 0.2137
LEAST_RATIO = 0.98  # bf16 output over e4m3 output: "never slower"
LEAST_SAVED = 0.9  # share of the quantize kernel's time
LEAST_OF_COPY = 0.8  # of a copy's bandwidth, for the quantize kernel to count as fast enough ...
JUDGED_BYTES = 64e6  # ... on tensors so large that the few microseconds of a launch hardly matter
GOAL = f"bf16 / e4m3 at least {LEAST_RATIO}, saved at least {LEAST_SAVED} of the quantise kernel"


# ---- figures ---------------------------------------------------------------------------------------------------------


def quantise_bytes(cell):
    """Bytes that a quantize kernel moves: bf16 in, e4m3 out."""
    return 3 * sum(q for q, _ in cell.sequences) * cell.heads * cell.dim_v


def figures(bytes_moved, fused_us, bf16_us, quantise_us):
    """The judged figures, from medians."""
    of_copy = bytes_moved / (quantise_us * 1e-6) / CEILING_BYTES
    ratio = bf16_us / fused_us
    saved = (bf16_us + quantise_us - fused_us) / quantise_us
    return {
        "ratio": round(ratio, 4),
        "saved": round(saved, 4),
        "quantise_gbps": round(bytes_moved / quantise_us / 1e3, 1),
        "quantise_of_copy": round(of_copy, 4),
        "quantise_fast_enough": of_copy >= LEAST_OF_COPY if bytes_moved > JUDGED_BYTES else None,
        "reached": ratio >= LEAST_RATIO and saved >= LEAST_SAVED,
    }


# ---- one cell on the GPU ---------------------------------------------------------------------------------------------


def poisoned_codes(torch, shape):
    """e4m3 NaN in every element, so that unwritten elements show."""
    return torch.full(shape, 0x7F, device="cuda", dtype=torch.uint8).view(torch.float8_e4m3fn)


def by_torch(torch, values, scale):
    return (values.float() / scale).clamp(-448, 448).to(torch.float8_e4m3fn)


def steps_apart(torch, mine, other):
    """Number of e4m3 steps between two tensors of codes without NaN; -0 is 0."""

    def position(codes):
        bits = codes.view(torch.uint8).to(torch.int16)
        return torch.where(bits < 0x80, bits, 0x80 - bits)

    return (position(mine) - position(other)).abs()


def check_codes(torch, what, mine, other, least_equal, most_steps):
    for codes in (mine, other):
        if bool((codes.view(torch.uint8) & 0x7F == 0x7F).any()):
            raise RuntimeError(f"{what}: some codes are NaN, or were not written")
    steps = steps_apart(torch, mine, other)
    equal = 1 - torch.count_nonzero(steps).item() / steps.numel()
    worst = steps.max().item()
    if equal < least_equal or worst > most_steps:
        raise RuntimeError(f"{what}: {equal:.4%} of the codes are equal, the worst is {worst} steps away")


def measure(torch, timer, operators, cell, rounds):
    """Microseconds of every round: fused, bf16, quantise, pair, torch, cudnn; and the back-to-back mean of fused."""
    from gpu_timer import alternate
    from quantise import quantise

    packed = packed_tensors(torch, cell)
    out = packed["out"]
    scale = torch.tensor([OUT_SCALE], device="cuda")
    fused_codes, quantised = poisoned_codes(torch, out.shape), poisoned_codes(torch, out.shape)
    bf16_call = operators["bf16"].bind(**packed, **bounds(cell))
    fused_call = operators["e4m3"].bind(**(packed | {"out": fused_codes, "out_scale": scale}), **bounds(cell))
    stream = torch.cuda.current_stream().cuda_stream

    def pair():
        bf16_call.run(stream)
        quantise(out, scale, quantised)

    calls = {
        "fused": lambda: fused_call.run(stream),
        "bf16": lambda: bf16_call.run(stream),
        "quantise": lambda: quantise(out, scale, quantised),
        "pair": pair,
        "torch": lambda: by_torch(torch, out, scale),
    }
    calls["fused"]()
    calls["pair"]()
    torch.cuda.synchronize()
    check_finite(torch, cell.name, out)
    check_rows(torch, cell.name, cell, packed)
    reference = by_torch(torch, out, scale)
    check_codes(torch, f"{cell.name}, quantise kernel", quantised, reference, least_equal=0.999, most_steps=1)
    # The reference was rounded to bf16 first, the fused output was not. (The GPU suite judges accuracy.)
    check_codes(torch, f"{cell.name}, fused output", fused_codes, reference, least_equal=0.9, most_steps=2)

    cudnn = Cudnn(torch, cell, packed)
    if refusal := cudnn.refusal():
        print(f"{cell.name}: no cuDNN: {refusal}")
    else:
        check_against_cudnn(torch, cell, packed, cudnn)
        calls["cudnn"] = cudnn
    warm_up(torch, timer, list(calls.values()))
    times = dict(zip(calls, alternate(timer, list(calls.values()), rounds)))
    back_to_back = timer.back_to_back_us(calls["fused"], statistics.median(times["fused"]))
    return times | {"back_to_back": back_to_back}


# ---- rows and summary ------------------------------------------------------------------------------------------------


def make_row(cell, result):
    from gpu_timer import spread

    medians = {name: statistics.median(samples) for name, samples in result.items() if name != "back_to_back"}
    fused_us, bf16_us, quantise_us = medians["fused"], medians["bf16"], medians["quantise"]
    judged = figures(quantise_bytes(cell), fused_us, bf16_us, quantise_us)
    return {
        "op": "mla_prefill",
        "case": cell.name,
        "batch": cell.batch,
        "heads": cell.heads,
        "dims": [cell.dim_qk, cell.dim_v],
        "dtype": "bf16",
        "out_dtype": "e4m3",
        "causal": cell.causal,
        "ours_us": round(fused_us, 2),
        "back_to_back_us": round(result["back_to_back"], 2),
        "peer": "attnjit, bf16 output",
        "peer_us": round(bf16_us, 2),
        "cudnn_us": round(medians["cudnn"], 2) if "cudnn" in medians else None,
        "bf16_us": round(bf16_us, 2),
        "quantise_us": round(quantise_us, 2),
        "pair_us": round(medians["pair"], 2),
        "torch_quantise_us": round(medians["torch"], 2),
        "quantise_bytes": quantise_bytes(cell),
        "ratio_rule": "direct",
        **judged,
        "goal": GOAL,
        "gain": round(medians["pair"] / fused_us, 4),
        "spread": round(spread(result["fused"]), 4),
        "bf16_spread": round(spread(result["bf16"]), 4),
        "quantise_spread": round(spread(result["quantise"]), 4),
        "tflops": round(cell.operations / fused_us / 1e6, 1),
    }


def print_row(row):
    cudnn = "-" if row["cudnn_us"] is None else f"{row['cudnn_us']:.1f}"
    print(
        f"{row['case']:18} e4m3 {row['ours_us']:7.1f} us  (back to back {row['back_to_back_us']:7.1f})"
        f"  bf16 {row['bf16_us']:7.1f}  quantise {row['quantise_us']:6.1f} ({row['quantise_gbps'] / 1e3:.2f} TB/s)"
        f"  both {row['pair_us']:7.1f}  PyTorch's quantise {row['torch_quantise_us']:7.1f}  cuDNN bf16 {cudnn:>7}"
        f"  {row['tflops']:6.1f} TFLOP/s  spread {row['spread']:.3f}",
        flush=True,
    )


def print_summary(rows):
    if not rows:
        return
    titles = ("fused us", "bf16 us", "quantise us", "of a copy", "bf16/fused", "both/fused", "saved", "never slower")
    print(f"\n{'cell':18} {titles[0]:>9} {titles[1]:>9} {' '.join(f'{title:>12}' for title in titles[2:])}")
    for row in rows:
        print(
            f"{row['case']:18} {row['ours_us']:9.2f} {row['bf16_us']:9.2f} {row['quantise_us']:12.2f}"
            f" {row['quantise_of_copy']:12.1%} {row['ratio']:12.3f} {row['gain']:12.3f} {row['saved']:12.1%}"
            f" {'yes' if row['ratio'] >= LEAST_RATIO else 'NO':>12}"
        )
    slowest = min(rows, key=lambda row: row["ratio"])
    least = min(rows, key=lambda row: row["saved"])
    ratios, gains = ([row[name] for row in rows] for name in ("ratio", "gain"))
    print(f"bf16/fused: worst {slowest['ratio']:.3f} ({slowest['case']}), geometric mean {geometric_mean(ratios):.3f}")
    print(f"both/fused: worst {min(gains):.3f}, geometric mean {geometric_mean(gains):.3f}")
    mean_saved = statistics.mean(row["saved"] for row in rows)  # may be negative: no geometric mean
    print(f"saved of the quantise kernel: worst {least['saved']:.1%} ({least['case']}), mean {mean_saved:.1%}")
    print(f"goal ({GOAL}): {sum(row['reached'] for row in rows)} of {len(rows)} cells")
    for row in rows:
        if row["quantise_fast_enough"] is False:
            print(f"{row['case']}: the quantise kernel is below {LEAST_OF_COPY:.0%} of a copy, so no measure of saving")


def dry_run(cells):
    print(f"{'cell':18} {'GFLOP':>9} {'floor us':>9} {'quantise MB':>12} {'copy us':>8}")
    for cell in cells:
        moved = quantise_bytes(cell)
        print(
            f"{cell.name:18} {cell.operations / 1e9:9.1f} {cell.floor_us:9.1f} {moved / 1e6:12.1f}"
            f" {moved / CEILING_BYTES * 1e6:8.1f}{'' if moved > JUDGED_BYTES else '  (rate not judged)'}"
        )
    print(f"{len(cells)} cells")


# ---- the command -----------------------------------------------------------------------------------------------------


def main():
    arguments = parse_arguments(__doc__, cells_example="'q512 *, q4k *'")
    cells = chosen(fp8_output_cells(), arguments)
    if arguments.dry_run:
        dry_run(cells)
        return

    import torch
    from torch_bridge import MhaVarlen

    run = Run(arguments)
    config = cells[0].config  # all cells have the same
    operators = {
        "bf16": MhaVarlen(run.context, *config),
        "e4m3": MhaVarlen(run.context, *config, out_dtype="float8_e4m3"),
    }

    def row_of(cell):
        return make_row(cell, measure(torch, run.timer, operators, cell, arguments.rounds))

    with only_cudnn(torch):
        rows = run.rows(cells, row_of, print_row)
    print_summary(rows)
    end(rows, cells)


if __name__ == "__main__":
    main()
