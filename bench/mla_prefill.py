#!/usr/bin/env python3
"""MLA prefill, qk 192 / v 128, bf16: attnjit beside cuDNN (PyTorch SDPA), and against the peers' measured times.

Each round times one call of each with a cold L2, in turn; a cell's figure is the median. attnjit gets the packed batch
with k_nope and k_pe apart, cuDNN the same numbers as dense [B, H, S, D]. Rows are written as JSON after every cell, so
a run that is cut short keeps what it has.

    python3 bench/mla_prefill.py --dry-run
    python3 bench/mla_prefill.py --kernel generic --arch sm_90 --commit 1a2b3c4 --nvrtc 13.0 \\
        --out bench/results/h200/mla_prefill_generic.json
"""

import statistics

from attention_cells import all_cells, geometric_mean, load_peers
from gpu_bench import Run, chosen, end, parse_arguments

SCALE = 192**-0.5


# ---- one cell on the GPU ---------------------------------------------------------------------------------------------


def packed_tensors(torch, cell):
    """The batch as attnjit takes it: tokens of all sequences in a row, k_pe shared by the heads."""
    q_lens = [q for q, _ in cell.sequences]
    k_lens = [s for _, s in cell.sequences]
    options = {"device": "cuda", "dtype": torch.bfloat16}

    def starts(lengths):
        return torch.tensor([0] + lengths, device="cuda").cumsum(0).to(torch.int32)

    return {
        "q": torch.randn(sum(q_lens), cell.heads, cell.dim_qk, **options),
        "k_nope": torch.randn(sum(k_lens), cell.heads, cell.dim_qk - cell.rope_dim, **options),
        "k_pe": torch.randn(sum(k_lens), cell.rope_dim, **options),
        "v": torch.randn(sum(k_lens), cell.heads, cell.dim_v, **options),
        "out": torch.full((sum(q_lens), cell.heads, cell.dim_v), float("nan"), **options),
        "cu_seqlens_q": starts(q_lens),
        "cu_seqlens_k": starts(k_lens),
    }


def cudnn_call(torch, cell, packed):
    """The same numbers as dense [B, H, S, D], and a function that runs cuDNN on them; None for an uneven batch."""
    if len(set(cell.sequences)) != 1:
        return None
    batch = len(cell.sequences)
    k_pe = packed["k_pe"][:, None, :].expand(-1, cell.heads, -1)
    k = torch.cat([packed["k_nope"], k_pe], dim=-1)

    def dense(tensor):
        return tensor.view(batch, -1, cell.heads, tensor.shape[-1]).transpose(1, 2).contiguous()

    q, k, v = dense(packed["q"]), dense(k), dense(packed["v"])
    attention = torch.nn.functional.scaled_dot_product_attention
    return lambda: attention(q, k, v, is_causal=cell.cudnn_causal, scale=SCALE)


def check_same_result(torch, cell, packed, cudnn):
    """A benchmark of a wrong result is worth nothing. Where cuDNN computes the same function, bf16 results agree."""
    out = packed["out"]
    if not bool(torch.isfinite(out).all()):
        raise RuntimeError(f"{cell.name}: the output has elements that are not finite, or were not written")
    if cudnn is None or cell.cudnn_causal != cell.causal:
        return
    theirs = cudnn().transpose(1, 2).reshape(out.shape).float()
    error = (out.float() - theirs).abs() - 0.02 * theirs.abs()
    if (worst := error.max().item()) > 0.02:
        raise RuntimeError(f"{cell.name}: differs from cuDNN's result by {worst:.3f} more than 2 %")


def measure(torch, timer, operator, cell, rounds):
    """{"ours": [us], "cudnn": [us] or None, "back_to_back": us}."""
    from gpu_timer import alternate

    packed = packed_tensors(torch, cell)
    call = operator.bind(
        **packed,
        max_seqlen_q=max(q for q, _ in cell.sequences),
        max_seqlen_k=max(s for _, s in cell.sequences),
        softmax_scale=SCALE,
    )
    stream = torch.cuda.current_stream().cuda_stream

    def ours():
        call.run(stream)

    cudnn = cudnn_call(torch, cell, packed)
    ours()
    torch.cuda.synchronize()
    check_same_result(torch, cell, packed, cudnn)
    calls = [ours] if cudnn is None else [ours, cudnn]
    for call_once in calls * 2:  # cuDNN's choice of kernel and the allocator's first blocks stop the queue
        call_once()
        torch.cuda.synchronize()
    alternate(timer, calls, 2)  # the flush's length
    times = alternate(timer, calls, rounds)
    return {
        "ours": times[0],
        "cudnn": times[1] if cudnn else None,
        "back_to_back": timer.back_to_back_us(ours, statistics.median(times[0])),
    }


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
    operators = {
        causal: MhaVarlen(run.context, head_dim_qk=192, head_dim_v=128, rope_dim=64, causal=causal)
        for causal in {cell.causal for cell in cells}
    }

    def row_of(cell):
        result = measure(torch, run.timer, operators[cell.causal], cell, arguments.rounds)
        return make_row(cell, peers[cell.batch, cell.heads, cell.causal], result)

    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.CUDNN_ATTENTION):
        rows = run.rows(cells, row_of, print_row)
    print_summary(rows)
    end(rows, cells)


if __name__ == "__main__":
    main()
