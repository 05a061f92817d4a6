"""The cells of the merge_states benchmark, and the bytes each must move."""

import dataclasses
import itertools

from attention_cells import CEILING_BYTES

TOKENS = (128, 4096)
HEADS = (16, 128)
HEAD_DIMS = (128, 512)  # columns of v; of a latent
SHARDS = 8
# States and output: context chunks merged one by one, the last merge quantized; decode ranks, all at once.
FORMS = ((2, "bf16"), (2, "e4m3"), (SHARDS, "bf16"))
OUT_BYTES = {"bf16": 2, "e4m3": 1}


@dataclasses.dataclass(frozen=True)
class MergeCell:
    tokens: int
    heads: int
    head_dim: int
    states: int = 2
    out_dtype: str = "bf16"

    @property
    def name(self):
        return f"t{self.tokens} h{self.heads} d{self.head_dim} n{self.states} {self.out_dtype}"

    @property
    def bytes(self):
        """out (bf16) and lse (float32) of each state and of the result, once."""
        rows = self.tokens * self.heads
        read = self.states * rows * (2 * self.head_dim + 4)
        return read + rows * (OUT_BYTES[self.out_dtype] * self.head_dim + 4)

    @property
    def floor_us(self):
        """The time of a copy that moves as many bytes."""
        return self.bytes / CEILING_BYTES * 1e6


def all_cells():
    return [
        MergeCell(tokens, heads, head_dim, states, out_dtype)
        for (states, out_dtype), head_dim, heads, tokens in itertools.product(FORMS, HEAD_DIMS, HEADS, TOKENS)
    ]
