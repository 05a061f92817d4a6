#!/usr/bin/env python3
"""MLA decode, 576/512, page 64: attnjit with each format of the cache, against FlashMLA's measured times.

Each round times one call with a cold L2; a cell's figure is the median. Each cell's call is first checked against
float32 attention on some of its sequences. Rows are written as JSON after every cell, so an interrupted run keeps its
rows.

    python3 bench/mla_decode.py --dry-run
    python3 bench/mla_decode.py --kernel generic --arch sm_90 --commit 1a2b3c4 --nvrtc 13.0 \\
        --out bench/results/h200/mla_decode_generic.json
"""

import statistics

from attention_cells import geometric_mean
from decode_cells import LATENT_DIM, ROPE_DIM, all_cells, load_peers
from gpu_bench import Run, chosen, end, parse_arguments

SCALE = 192**-0.5
PAGE = 64
CACHE_SCALE = 1 / 64


# ---- one cell on the GPU ---------------------------------------------------------------------------------------------


def latent_cache(torch, cell, pages):
    """A cache [pages, page, ..] in the cell's format, and a function that converts rows of it to float32."""
    columns = LATENT_DIM + ROPE_DIM
    if cell.cache_format == "same":
        cache = torch.randn(pages, PAGE, columns, device="cuda", dtype=torch.bfloat16)
        return cache, lambda rows: rows.float()
    if cell.cache_format == "e4m3":
        codes = torch.randn(pages, PAGE, columns, device="cuda", dtype=torch.bfloat16) / CACHE_SCALE
        return codes.clamp(-448, 448).to(torch.float8_e4m3fn), lambda rows: rows.float() * CACHE_SCALE
    latent = torch.randn(pages, PAGE, LATENT_DIM, device="cuda", dtype=torch.bfloat16)
    groups = latent.view(pages, PAGE, 4, 128)
    scales = groups.abs().amax(-1).float() / 448
    codes = (groups / scales[..., None]).to(torch.float8_e4m3fn)
    rope = torch.randn(pages, PAGE, ROPE_DIM, device="cuda", dtype=torch.bfloat16)
    parts = [codes.view(pages, PAGE, LATENT_DIM), scales, rope]
    cache = torch.cat([part.contiguous().view(torch.uint8).view(pages, PAGE, -1) for part in parts], dim=-1)

    def values(rows):
        rows = rows.view(torch.uint8)
        row_scales = rows[..., LATENT_DIM : LATENT_DIM + 16].contiguous().view(torch.float32)
        row_codes = rows[..., :LATENT_DIM].contiguous().view(torch.float8_e4m3fn).float()
        scaled = row_codes * row_scales.repeat_interleave(128, dim=-1)
        row_rope = rows[..., LATENT_DIM + 16 :].contiguous().view(torch.bfloat16).float()
        return torch.cat([scaled.bfloat16().float(), row_rope], dim=-1)

    return cache.contiguous().view(torch.float8_e4m3fn), values


def make_tensors(torch, cell):
    """The call's tensors, and a function that returns the float32 keys of one sequence."""
    per_sequence = -(-cell.s_k // PAGE)
    pages = cell.batch * per_sequence
    cache, values = latent_cache(torch, cell, pages)
    table = torch.randperm(pages, device="cuda").to(torch.int32).view(cell.batch, per_sequence)
    shape = (cell.batch, cell.s_q, cell.heads)
    tensors = {
        "q": torch.randn(*shape, LATENT_DIM + ROPE_DIM, device="cuda", dtype=torch.bfloat16),
        "cache": cache,
        "block_table": table,
        "seq_lens": torch.full((cell.batch,), cell.s_k, device="cuda", dtype=torch.int32),
        "out": torch.full((*shape, LATENT_DIM), float("nan"), device="cuda", dtype=torch.bfloat16),
        "lse": torch.empty(cell.batch, cell.heads, cell.s_q, device="cuda").transpose(1, 2),
    }
    if cell.cache_format == "e4m3":
        tensors["cache_scale"] = torch.tensor([CACHE_SCALE], device="cuda")

    def keys_of(sequence):
        rows = cache.view(torch.uint8)[table[sequence].long()].view(cache.dtype)
        return values(rows).reshape(per_sequence * PAGE, -1)[: cell.s_k]

    return tensors, keys_of


def check_result(torch, cell, tensors, keys_of):
    """Benchmarking a wrong result is pointless."""
    for sequence in {0, cell.batch // 2, cell.batch - 1}:
        keys = keys_of(sequence)
        scores = tensors["q"][sequence].float() @ keys.T * SCALE  # [s_q, H, s_k]
        last = torch.arange(cell.s_q, device="cuda") + cell.s_k - cell.s_q
        hidden = torch.arange(cell.s_k, device="cuda")[None, :] > last[:, None]
        scores.masked_fill_(hidden[:, None, :], float("-inf"))
        wanted = scores.softmax(-1) @ keys[:, :LATENT_DIM]
        error = (tensors["out"][sequence].float() - wanted).abs().max().item()
        if not error < 0.02:
            raise RuntimeError(f"{cell.name}: sequence {sequence} is off by {error}")


def measure(torch, timer, operator, cell, rounds):
    """{"ours": [us], "back_to_back": us}."""
    from gpu_timer import alternate

    tensors, keys_of = make_tensors(torch, cell)
    bytes_needed = operator.workspace_bytes(cell.batch, cell.s_q, cell.heads)
    workspace = torch.empty(bytes_needed, device="cuda", dtype=torch.uint8)
    call = operator.bind(**tensors, workspace=workspace, softmax_scale=SCALE)
    stream = torch.cuda.current_stream().cuda_stream

    def ours():
        call.run(stream)

    ours()
    torch.cuda.synchronize()
    check_result(torch, cell, tensors, keys_of)
    alternate(timer, [ours], 2)  # sets the length of the flush
    times = alternate(timer, [ours], rounds)[0]
    return {"ours": times, "back_to_back": timer.back_to_back_us(ours, statistics.median(times))}


# ---- rows and summary ------------------------------------------------------------------------------------------------


def make_row(cell, peer_us, result):
    from gpu_timer import spread

    ours_us = statistics.median(result["ours"])
    return {
        "op": "mla_decode",
        "case": cell.name,
        "batch": cell.batch,
        "heads": cell.heads,
        "s_q": cell.s_q,
        "s_k": cell.s_k,
        "dims": [LATENT_DIM + ROPE_DIM, LATENT_DIM],
        "dtype": "bf16",
        "cache_format": cell.cache_format,
        "page_size": PAGE,
        "ours_us": round(ours_us, 2),
        "back_to_back_us": round(result["back_to_back"], 2),
        "peer": "FlashMLA (bf16 cache)",
        "peer_us": peer_us,
        "ratio": round(peer_us / ours_us, 4),
        "ratio_rule": "direct",
        "spread": round(spread(result["ours"]), 4),
        "tbps": round(cell.cache_bytes / ours_us / 1e6, 3),
        "tflops": round(cell.operations / ours_us / 1e6, 1),
    }


def print_row(row):
    print(
        f"{row['case']:28} ours {row['ours_us']:8.1f} us  (back to back {row['back_to_back_us']:8.1f})"
        f"  FlashMLA {row['peer_us']:7.1f}  ratio {row['ratio']:.3f}  {row['tbps']:5.2f} TB/s of cache"
        f"  {row['tflops']:6.1f} TFLOP/s  spread {row['spread']:.3f}",
        flush=True,
    )


def print_summary(rows):
    for cache_format in dict.fromkeys(row["cache_format"] for row in rows):
        ratios = [row["ratio"] for row in rows if row["cache_format"] == cache_format]
        print(f"{cache_format:10} {len(ratios)} cells, geometric mean of ratios {geometric_mean(ratios):.3f}")
    by_name = {row["case"]: row for row in rows}
    floors = [
        ("b128 q1 s4k h16 same", "tbps", "at least", 2.0),
        ("b1 q1 s32k h16 same", "ours_us", "at most", 80.0),
    ]
    for name, field, relation, bound in floors:
        if name in by_name:
            value = by_name[name][field]
            holds = value >= bound if relation == "at least" else value <= bound
            print(f"{name}: {field} {value}, wanted {relation} {bound}: {'yes' if holds else 'NO'}")
    pair = [by_name.get(f"b128 q1 s4k h16 {cache_format}") for cache_format in ("same", "e4m3")]
    if all(pair):
        faster = pair[1]["ours_us"] <= pair[0]["ours_us"]
        print(f"e4m3 {pair[1]['ours_us']} us against bf16 {pair[0]['ours_us']}: {'no slower' if faster else 'SLOWER'}")


def dry_run(cells, peers):
    print(f"{'cell':28} {'GFLOP':>9} {'MB':>8} {'floor us':>9} {'FlashMLA us':>12}")
    for cell in cells:
        peer_us = peers[cell.batch, cell.heads, cell.s_q, cell.s_k]
        print(
            f"{cell.name:28} {cell.operations / 1e9:9.1f} {cell.bytes / 1e6:8.1f} {cell.floor_us:9.1f} {peer_us:12.1f}"
        )
    print(f"{len(cells)} cells")


# ---- the command -----------------------------------------------------------------------------------------------------


def main():
    arguments = parse_arguments(__doc__, cells_example="'b128 q1 * h16 *'")
    cells = chosen(all_cells(), arguments)
    peers = load_peers()
    if arguments.dry_run:
        dry_run(cells, peers)
        return

    import torch
    from torch_bridge import MlaDecode

    run = Run(arguments)
    operators = {
        name: MlaDecode(run.context, kv_lora_rank=LATENT_DIM, rope_dim=ROPE_DIM, page_size=PAGE, cache_format=name)
        for name in {cell.cache_format for cell in cells}
    }

    def row_of(cell):
        result = measure(torch, run.timer, operators[cell.cache_format], cell, arguments.rounds)
        return make_row(cell, peers[cell.batch, cell.heads, cell.s_q, cell.s_k], result)

    rows = run.rows(cells, row_of, print_row)
    print_summary(rows)
    end(rows, cells)


if __name__ == "__main__":
    main()
