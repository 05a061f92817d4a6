"""The cells of the MLA decode benchmark: batches, the work in each, and the time a peer takes."""

import dataclasses
import json
import pathlib

from attention_cells import CEILING_FLOPS

PEERS_FILE = pathlib.Path(__file__).resolve().parent / "peers" / "h200_mla_decode.json"
LATENT_DIM, ROPE_DIM = 512, 64
# Decode mostly reads: reads alone reach 4.3 to 4.4 TB/s on the H200, a copy 4.28.
CEILING_READ = 4.4e12
# Bytes per cache row: 576 bf16 values, 576 e4m3 codes, or the row with its own scales.
ROW_BYTES = {"same": 2 * 576, "e4m3": 576, "e4m3_rows": 656}


@dataclasses.dataclass(frozen=True)
class DecodeCell:
    batch: int
    heads: int
    s_q: int
    s_k: int
    cache_format: str = "same"

    @property
    def name(self):
        keys = f"{self.s_k // 1024}k" if self.s_k % 1024 == 0 else str(self.s_k)
        return f"b{self.batch} q{self.s_q} s{keys} h{self.heads} {self.cache_format}"

    @property
    def pairs(self):
        """Visible (query, key) pairs per head: query i of a sequence sees s_k - s_q + i + 1 keys."""
        return self.batch * sum(self.s_k - self.s_q + i + 1 for i in range(self.s_q))

    @property
    def operations(self):
        return 2 * (2 * LATENT_DIM + ROPE_DIM) * self.heads * self.pairs

    @property
    def cache_bytes(self):
        return self.batch * self.s_k * ROW_BYTES[self.cache_format]

    @property
    def bytes(self):
        """Each tensor once: the cache's rows, q and out."""
        return self.cache_bytes + 2 * self.batch * self.s_q * self.heads * (2 * LATENT_DIM + ROPE_DIM)

    @property
    def floor_us(self):
        return max(self.operations / CEILING_FLOPS, self.bytes / CEILING_READ) * 1e6


def load_peers():
    """{(batch, heads, s_q, s_k): microseconds}, for a bf16 cache."""
    rows = json.loads(PEERS_FILE.read_text())["rows"]
    return {(row["batch"], row["heads"], row["s_q"], row["s_k"]): row["us"] for row in rows}


def all_cells():
    """Every shape that has a peer, with each cache format."""
    return [DecodeCell(*shape, cache_format) for cache_format in ROW_BYTES for shape in load_peers()]
