"""The cells of an attention benchmark: named batches, the work in each, and the times peers take.

A batch name is segments joined by `_`, each `[count]q<len>[k][s<len>[k]]`: count sequences of q new tokens that attend
to s keys in total (default: q); k means x1024.
"""

import dataclasses
import itertools
import json
import math
import pathlib
import re

BATCHES = (
    "q512 q1k q2k q4k q8k 2q1k 4q1k 8q512 2q4k 4q4k 8q4k q128s1k q256s2k q512s4k q1ks4k 4q1ks8k".split()
)
HEADS = (128, 16)
FP8_BATCHES = "q512 q1k q2k q4k q8k 2q4k 4q4k 8q4k".split()
# Less common shapes: head counts that are not powers of two, and (dim_qk, dim_v, rope_dim, heads, kv_heads) of GLM-5,
# MiniCPM3, ordinary GQA, gpt-oss and Mistral Small 4.
ODD_HEADS = (8, 20, 40, 96)
OTHER_DIMS = ((256, 256, 64, 16, None), (96, 64, 32, 40, None), (128, 128, 0, 32, 8), (64, 64, 0, 64, 8),
              (128, 128, 64, 32, None))
MIXED_BATCHES = "2q2k_62q1s1k q257s8191_2q513".split()
# Measured ceilings of the H200: an 8192^3 bf16 matrix product on random data, and a device-to-device copy.
CEILING_FLOPS = 784e12
CEILING_BYTES = 4.28e12
PEERS_FILE = pathlib.Path(__file__).resolve().parent / "peers" / "h200_mla_prefill.json"


def parse_batch(name):
    """[(q, s), ...], one per sequence."""
    sequences = []
    for segment in name.split("_"):
        match = re.fullmatch(r"(\d*)q(\d+)(k?)(?:s(\d+)(k?))?", segment)
        if match is None:
            raise ValueError(f"{segment!r} in batch {name!r} is not [count]q<len>[k][s<len>[k]]")
        count, q, q_unit, s, s_unit = match.groups()
        q_len = int(q) * (1024 if q_unit else 1)
        s_len = int(s) * (1024 if s_unit else 1) if s else q_len
        sequences += [(q_len, s_len)] * int(count or 1)
    return sequences


def visible_pairs(q, s, causal):
    """(query, key) pairs of one sequence. Causal is bottom-right aligned: query i sees s - q + i + 1 keys."""
    if not causal:
        return q * s
    first = s - q + 1  # keys visible to query 0; queries before the first key see none
    unseeing = max(0, 1 - first)
    rows, low = q - unseeing, max(first, 1)
    return rows * (low + s) // 2 if rows > 0 else 0


def _length(tokens):
    return f"{tokens // 1024}k" if tokens % 1024 == 0 else str(tokens)


@dataclasses.dataclass(frozen=True)
class Group:
    """Adjacent sequences of one shape in a batch: one cuDNN call."""

    count: int
    q: int
    s: int

    @property
    def name(self):
        keys = "" if self.s == self.q else f"s{_length(self.s)}"
        return f"{self.count if self.count > 1 else ''}q{_length(self.q)}{keys}"

    def cudnn_causal(self, causal):
        """cuDNN has no causal attention with more keys than queries; its full attention stands in."""
        return causal and self.q == self.s

    def cudnn_is_same(self, causal):
        """A single query sees all keys, causal or not."""
        return not causal or self.q == self.s or self.q == 1


@dataclasses.dataclass(frozen=True)
class Cell:
    batch: str
    heads: int
    causal: bool
    dim_qk: int = 192
    dim_v: int = 128
    rope_dim: int = 64  # columns of k shared by all heads, passed separately as k_pe
    kv_heads: int | None = None  # default: heads

    @property
    def name(self):
        heads = f"h{self.heads}" if self.kv_heads is None else f"h{self.heads}/{self.kv_heads}"
        dims = ""
        if (self.dim_qk, self.dim_v, self.rope_dim) != (192, 128, 64):
            dims_qk = f"{self.dim_qk - self.rope_dim}+{self.rope_dim}" if self.rope_dim else str(self.dim_qk)
            dims = f"d{dims_qk}x{self.dim_v} "
        return f"{self.batch} {heads} {dims}{'causal' if self.causal else 'full'}"

    @property
    def sequences(self):
        return parse_batch(self.batch)

    @property
    def groups(self):
        return [Group(len(list(same)), q, s) for (q, s), same in itertools.groupby(self.sequences)]

    @property
    def key_heads(self):
        return self.heads if self.kv_heads is None else self.kv_heads

    @property
    def softmax_scale(self):
        return self.dim_qk**-0.5

    @property
    def config(self):
        """(head_dim_qk, head_dim_v, rope_dim, causal): the config of an operator."""
        return self.dim_qk, self.dim_v, self.rope_dim, self.causal

    @property
    def operations(self):
        pairs = sum(visible_pairs(q, s, self.causal) for q, s in self.sequences)
        return 2 * (self.dim_qk + self.dim_v) * self.heads * pairs

    @property
    def bytes(self):
        """Each 16-bit tensor once: q; k, or k_nope and k_pe (shared by the heads); v; out."""
        queries = sum(q for q, _ in self.sequences)
        keys = sum(s for _, s in self.sequences)
        per_query = self.heads * (self.dim_qk + self.dim_v)
        per_key = self.key_heads * (self.dim_qk - self.rope_dim + self.dim_v) + self.rope_dim
        return 2 * (queries * per_query + keys * per_key)

    @property
    def floor_us(self):
        return max(self.operations / CEILING_FLOPS, self.bytes / CEILING_BYTES) * 1e6

    @property
    def cudnn_causal(self):
        """Whether cuDNN's attention of the batch is causal: see Group.cudnn_causal."""
        return all(group.cudnn_causal(self.causal) for group in self.groups)

    @property
    def cudnn_is_same(self):
        """Whether cuDNN computes the same function. If not, its full attention stands in, which is more work."""
        return all(group.cudnn_is_same(self.causal) for group in self.groups)


def all_cells():
    return [Cell(batch, heads, causal) for heads in HEADS for causal in (True, False) for batch in BATCHES]


def fp8_output_cells():
    return [Cell(batch, 16, True) for batch in FP8_BATCHES]


def off_track_cells():
    odd_heads = [Cell(batch, heads, True) for heads in ODD_HEADS for batch in ("q1k", "q4k")]
    other_dims = [
        Cell(batch, heads, causal, dim_qk, dim_v, rope_dim, kv_heads)
        for dim_qk, dim_v, rope_dim, heads, kv_heads in OTHER_DIMS
        for causal in (True, False)
        for batch in ("q1k", "q4k")
    ]
    mixed = [Cell(batch, heads, True) for heads in (16, 128) for batch in MIXED_BATCHES]
    return odd_heads + other_dims + mixed


@dataclasses.dataclass(frozen=True)
class Peer:
    """Peers' times for a cell in microseconds, measured when the table was made."""

    fa3_us: float
    cudnn_us: float
    cudnn_is_peer: bool  # False: it is the full-attention time of a causal cell

    @property
    def best(self):
        if self.cudnn_is_peer and self.cudnn_us < self.fa3_us:
            return "cuDNN", self.cudnn_us
        return "FlashAttention-3", self.fa3_us

    def ratio(self, ours_us, cudnn_now_us):
        """Best peer's time over ours, and the rule used.

        Long, compute-bound cells vary by up to 20 % with the card and its power state, so above 0.2 ms the peer's time
        is scaled by cuDNN's time in this run over cuDNN's time when the table was made.
        """
        _, peer_us = self.best
        if peer_us > 200 and cudnn_now_us is not None:
            return (cudnn_now_us / ours_us) / (self.cudnn_us / peer_us), "relative to cuDNN"
        return peer_us / ours_us, "direct"


def load_peers(path=PEERS_FILE):
    """{(batch, heads, causal): Peer}."""
    table = json.loads(pathlib.Path(path).read_text())
    return {
        (row["batch"], row["heads"], row["causal"]): Peer(row["fa3_us"], row["cudnn_us"], not row["cudnn_full"])
        for row in table["rows"]
    }


def geometric_mean(values):
    return math.exp(sum(math.log(value) for value in values) / len(values))
