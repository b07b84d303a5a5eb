#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

"""DeepSeek-V3.2 in float64 NumPy: a second opinion on the reference logits, and a place to spring traps.

    python3 tools/numpy_model.py MODEL_DIR TOKENS.txt LOGITS.npy [--hidden HIDDEN.npy]

Reads an official checkpoint directory and whitespace-separated token ids, writes logits [tokens, vocab] as float32,
with --hidden also the residual stream [layers + 1, tokens, hidden_size]: the embedding, then what each layer leaves.
It needs NumPy alone and holds [heads, tokens, tokens] scores, so it is meant for small models and short texts.

Notation: T tokens, H heads, S = T keys; a linear layer is y = x W^T with W [out, in]. Names follow
the released checkpoint.
"""

import argparse
import json
import math
import struct
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Rules:
    """What the model does where engines are known to go wrong. The defaults are right; TRAPS changes one at a time."""

    attention_rope: str = "interleaved"  # pairs (0, 1), (2, 3), ...
    attention_query_rope: str = "interleaved"  # differs from attention_rope only in a trap
    indexer_rope: str = "halves"  # pairs (i, i + rope / 2)
    indexer_query_rotated: bool = True
    indexer_latent_normalised: bool = True  # indexer.wq_b reads RMSNorm(q latent), as q_b_proj does
    indexer_relu: bool = True
    key_norm_bias: bool = True  # LayerNorm of the index keys
    key_norm_mean: bool = True
    key_norm_eps: float = 1e-6
    latent_norm_eps: float | None = 1e-6  # q_a_layernorm and kv_a_layernorm: fixed; None: rms_norm_eps
    softmax_mscale_power: int = 2  # attention scores times m^2
    yarn_frequencies: bool = True
    yarn_amplitude: str = "ratio if both"  # of mscale and mscale_all_dim are given; or "ratio", "none"
    sparse: bool = True
    selection_causal: bool = True  # the mask comes before the top-k, not after it
    selection_missing: int = 0  # keys fewer than index_topk
    router_bias_in_choice: bool = True
    router_bias_in_weights: bool = False
    group_score_experts: int = 2  # a group's score: the sum of its best two
    groups: bool = True
    shared_experts: bool = True
    scale_blocks: str = "config"  # fp8 scales cover weight_block_size; or "128", "transposed"
    fp8_subnormals: bool = True


TRAPS = {
    "indexer RoPE interleaved instead of halves": {"indexer_rope": "interleaved"},
    "indexer RoPE on the keys only": {"indexer_query_rotated": False},
    "indexer without ReLU": {"indexer_relu": False},
    "indexer fed the un-normalised q latent": {"indexer_latent_normalised": False},
    "LayerNorm bias forgotten": {"key_norm_bias": False},
    "LayerNorm mean not subtracted": {"key_norm_mean": False},
    "LayerNorm eps forgotten": {"key_norm_eps": 0.0},
    "LayerNorm eps 1e-5": {"key_norm_eps": 1e-5},
    "latent norms with rms_norm_eps": {"latent_norm_eps": None},
    "YaRN softmax factor forgotten": {"softmax_mscale_power": 0},
    "YaRN softmax factor m instead of m^2": {"softmax_mscale_power": 1},
    "YaRN softmax factor applied twice": {"softmax_mscale_power": 4},
    "YaRN frequencies not interpolated": {"yarn_frequencies": False},
    "YaRN factor on cos and sin forgotten": {"yarn_amplitude": "none"},
    "YaRN factor on cos and sin a ratio even if one is missing": {"yarn_amplitude": "ratio"},
    "q and k RoPE in halves": {"attention_rope": "halves", "attention_query_rope": "halves"},
    "q RoPE in halves, k interleaved": {"attention_query_rope": "halves"},
    "softmax over unselected keys": {"sparse": False},
    "causal mask after the top-k": {"selection_causal": False},
    "one selected key too few": {"selection_missing": 1},
    "router bias in the weights": {"router_bias_in_weights": True},
    "router bias forgotten": {"router_bias_in_choice": False},
    "group score from one expert": {"group_score_experts": 1},
    "expert groups ignored": {"groups": False},
    "shared experts forgotten": {"shared_experts": False},
    "fp8 scales as 128x128 blocks": {"scale_blocks": "128"},
    "fp8 block sides swapped": {"scale_blocks": "transposed"},
    "fp8 subnormals flushed to zero": {"fp8_subnormals": False},
}


def trap_rules(name: str) -> Rules:
    return replace(Rules(), **TRAPS[name])


def decode_e4m3(codes: np.ndarray, subnormals: bool = True) -> np.ndarray:
    """OCP e4m3fn: sign, 4 exponent bits with bias 7, 3 mantissa bits; 0x7f and 0xff are NaN, there is no infinity."""
    codes = codes.astype(np.int64)
    exponent, mantissa = codes >> 3 & 15, codes & 7
    value = np.where(exponent == 0, mantissa / 8 * 2.0**-6 * subnormals, (1 + mantissa / 8) * 2.0 ** (exponent - 7))
    value[(codes & 127) == 127] = np.nan
    return np.where(codes & 128, -value, value)


def read_safetensors(path: Path, rules: Rules) -> dict:
    """Every tensor of one file as float64, by name."""
    data = path.read_bytes()
    header_end = 8 + struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8:header_end]).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        raw = data[header_end + begin : header_end + end]
        if entry["dtype"] == "F8_E4M3":
            value = decode_e4m3(np.frombuffer(raw, np.uint8), rules.fp8_subnormals)
        elif entry["dtype"] == "BF16":
            value = (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            value = np.frombuffer(raw, {"F32": "<f4", "F16": "<f2"}[entry["dtype"]])
        tensors[name] = value.astype(np.float64).reshape(entry["shape"])
    return tensors


def load(directory: Path, rules: Rules = Rules()) -> tuple[dict, dict]:
    """config.json and all tensors, fp8 matrices multiplied by their block scales."""
    config = json.loads((directory / "config.json").read_text())
    tensors = {}
    for path in sorted(directory.glob("*.safetensors")):
        tensors |= read_safetensors(path, rules)
    for scale_name in [name for name in tensors if name.endswith("_scale_inv")]:
        name = scale_name.removesuffix("_scale_inv")
        block = config["quantization_config"]["weight_block_size"]
        if rules.scale_blocks == "128":
            block = [128, 128]
        elif rules.scale_blocks == "transposed":
            block = block[::-1]
        scale = tensors.pop(scale_name)
        rows, columns = (np.arange(length) // side for length, side in zip(tensors[name].shape, block))
        # A wrong block size may point past the last scale, where an engine would read a neighbour's: take the last.
        rows, columns = np.minimum(rows, scale.shape[0] - 1), np.minimum(columns, scale.shape[1] - 1)
        tensors[name] = tensors[name] * scale[rows][:, columns]
    return config, tensors


def get_mscale(factor: float, mscale: float) -> float:
    return 0.1 * mscale * math.log(factor) + 1 if factor > 1 else 1.0


def rope_tables(config: dict, positions: np.ndarray, rules: Rules) -> tuple[np.ndarray, np.ndarray]:
    """cos and sin [T, rope / 2], YaRN's interpolation and factor applied."""
    rope, theta = config["qk_rope_head_dim"], config["rope_theta"]
    frequency = theta ** (-np.arange(0, rope, 2) / rope)
    amplitude = 1.0
    yarn = config.get("rope_scaling")
    if yarn:
        factor, original = yarn["factor"], yarn["original_max_position_embeddings"]

        def pair_of(rotations: float) -> float:
            return rope * math.log(original / (rotations * 2 * math.pi)) / (2 * math.log(theta))

        low = max(math.floor(pair_of(yarn.get("beta_fast", 32))), 0)
        high = min(math.ceil(pair_of(yarn.get("beta_slow", 1))), rope - 1)
        ramp = np.clip((np.arange(rope // 2) - low) / max(high - low, 0.001), 0, 1)
        if rules.yarn_frequencies:
            frequency = frequency / factor * ramp + frequency * (1 - ramp)
        mscale, all_dim = yarn.get("mscale"), yarn.get("mscale_all_dim")
        if rules.yarn_amplitude == "ratio":
            mscale, all_dim = mscale or 1, all_dim or 1e-300
        if rules.yarn_amplitude != "none":
            both = mscale and all_dim
            amplitude = get_mscale(factor, mscale) / get_mscale(factor, all_dim) if both else get_mscale(factor, 1)
    angle = positions[:, None] * frequency
    return np.cos(angle) * amplitude, np.sin(angle) * amplitude


def rotate(x: np.ndarray, table: tuple[np.ndarray, np.ndarray], layout: str) -> np.ndarray:
    """RoPE on the last axis of x [T, ..., rope]."""
    half = x.shape[-1] // 2
    cos, sin = (part.reshape(len(x), *[1] * (x.ndim - 2), half) for part in table)
    first, second = (
        (slice(0, None, 2), slice(1, None, 2)) if layout == "interleaved" else (slice(0, half), slice(half, None))
    )
    out = np.empty_like(x)
    out[..., first] = x[..., first] * cos - x[..., second] * sin
    out[..., second] = x[..., second] * cos + x[..., first] * sin
    return out


def rms_norm(x: np.ndarray, weight: np.ndarray, eps: float) -> np.ndarray:
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * weight


def sigmoid(x: np.ndarray) -> np.ndarray:
    return (1 + np.tanh(x / 2)) / 2  # exp(-x) would overflow


def mlp(x: np.ndarray, weights: dict, prefix: str) -> np.ndarray:
    gate = x @ weights[prefix + "gate_proj.weight"].T
    up = x @ weights[prefix + "up_proj.weight"].T
    return gate * sigmoid(gate) * up @ weights[prefix + "down_proj.weight"].T


def top_k_mask(scores: np.ndarray, k: int) -> np.ndarray:
    """True at the k largest of every row; the lower index first among equals."""
    mask = np.zeros(scores.shape, bool)
    np.put_along_axis(mask, np.argsort(-scores, -1, kind="stable")[..., :k], True, -1)
    return mask


class Model:
    """One checkpoint in float64. forward() may be called again; its attributes describe the last run."""

    def __init__(self, directory: Path, rules: Rules = Rules()):
        self.config, self.weights = load(Path(directory), rules)
        self.rules = rules

    def forward(self, tokens: np.ndarray) -> np.ndarray:
        """Logits [T, vocab]. Sets selected [layer][T, T] (bool), hidden [layer][T, hidden_size] and margin: the least
        relative gap between the last selected and the first rejected index score, expert group or expert."""
        config, weights = self.config, self.weights
        eps = config["rms_norm_eps"]
        self.selected, self.margin = [], math.inf
        self.rope = rope_tables(config, np.arange(len(tokens)), self.rules)
        x = weights["model.embed_tokens.weight"][tokens]
        self.hidden = [x]
        for layer in range(config["num_hidden_layers"]):
            prefix = f"model.layers.{layer}."
            x = x + self.attention(
                rms_norm(x, weights[prefix + "input_layernorm.weight"], eps), prefix + "self_attn."
            )
            h = rms_norm(x, weights[prefix + "post_attention_layernorm.weight"], eps)
            feed_forward = mlp if layer < config["first_k_dense_replace"] else self.experts
            x = x + feed_forward(h, weights, prefix + "mlp.")
            self.hidden.append(x)
        head = weights["model.embed_tokens.weight" if config["tie_word_embeddings"] else "lm_head.weight"]
        return rms_norm(x, weights["model.norm.weight"], eps) @ head.T

    def attention(self, x: np.ndarray, prefix: str) -> np.ndarray:
        """Multi-head latent attention in its absorbed form, over the selected keys."""
        config, rules = self.config, self.rules
        weight = lambda name: self.weights[prefix + name + ".weight"]
        heads, nope, value = config["num_attention_heads"], config["qk_nope_head_dim"], config["v_head_dim"]
        rank, rope = config["kv_lora_rank"], config["qk_rope_head_dim"]
        eps = config["rms_norm_eps"] if rules.latent_norm_eps is None else rules.latent_norm_eps

        raw_latent = x @ weight("q_a_proj").T
        latent = rms_norm(raw_latent, weight("q_a_layernorm"), eps)
        query = (latent @ weight("q_b_proj").T).reshape(len(x), heads, nope + rope)
        query_rope = rotate(query[..., nope:], self.rope, rules.attention_query_rope)
        compressed = x @ weight("kv_a_proj_with_mqa").T
        key_rope = rotate(compressed[:, rank:], self.rope, rules.attention_rope)
        cache = rms_norm(compressed[:, :rank], weight("kv_a_layernorm"), eps)
        up = weight("kv_b_proj").reshape(heads, nope + value, rank)

        mask = self.select(x, latent if rules.indexer_latent_normalised else raw_latent, prefix + "indexer.")
        absorbed = np.einsum("thd,hdc->thc", query[..., :nope], up[:, :nope])
        scores = np.einsum("thc,sc->hts", absorbed, cache) + np.einsum("thr,sr->hts", query_rope, key_rope)
        scores = np.where(mask, scores * self.softmax_scale(), -np.inf)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        output = np.einsum("thc,hvc->thv", np.einsum("hts,sc->thc", scores, cache), up[:, nope:])
        return output.reshape(len(x), -1) @ weight("o_proj").T

    def softmax_scale(self) -> float:
        config = self.config
        scale = (config["qk_nope_head_dim"] + config["qk_rope_head_dim"]) ** -0.5
        yarn = config.get("rope_scaling")
        if yarn and yarn.get("mscale_all_dim"):
            scale *= get_mscale(yarn["factor"], yarn["mscale_all_dim"]) ** self.rules.softmax_mscale_power
        return scale

    def select(self, x: np.ndarray, latent: np.ndarray, prefix: str) -> np.ndarray:
        """Lightning indexer: which keys each query attends to, [T, T]."""
        config, rules = self.config, self.rules
        heads, dim, rope = config["index_n_heads"], config["index_head_dim"], config["qk_rope_head_dim"]
        causal = np.tril(np.ones((len(x), len(x)), bool))

        query = (latent @ self.weights[prefix + "wq_b.weight"].T).reshape(len(x), heads, dim)
        key = x @ self.weights[prefix + "wk.weight"].T
        key = key - key.mean(-1, keepdims=True) * rules.key_norm_mean
        key = rms_norm(key, self.weights[prefix + "k_norm.weight"], rules.key_norm_eps)
        if rules.key_norm_bias:
            key = key + self.weights[prefix + "k_norm.bias"]
        if rules.indexer_query_rotated:
            query[..., :rope] = rotate(query[..., :rope], self.rope, rules.indexer_rope)
        key[..., :rope] = rotate(key[..., :rope], self.rope, rules.indexer_rope)

        dots = np.einsum("tjd,sd->tjs", query, key) * dim**-0.5
        if rules.indexer_relu:
            dots = np.maximum(dots, 0)
        head_weights = x @ self.weights[prefix + "weights_proj.weight"].T * heads**-0.5
        scores = np.einsum("tj,tjs->ts", head_weights, dots)
        if rules.selection_causal:
            scores = np.where(causal, scores, -np.inf)
        k = max(min(config["index_topk"], len(x)) - rules.selection_missing, 1)
        mask = top_k_mask(scores, k) & causal
        mask[:, 0] |= ~mask.any(-1)  # only a trap leaves a query without a key
        self.note_margin(np.where(causal, scores, -np.inf), k)
        self.selected.append(mask)
        return mask if rules.sparse else causal

    def experts(self, x: np.ndarray, weights: dict, prefix: str) -> np.ndarray:
        """Mixture of experts with sigmoid scores, a bias that counts for the choice alone, and expert groups."""
        config, rules = self.config, self.rules
        routed, groups = config["n_routed_experts"], config["n_group"] if rules.groups else 1
        score = sigmoid(x @ weights[prefix + "gate.weight"].T)
        biased = score + weights[prefix + "gate.e_score_correction_bias"]
        choice = biased if rules.router_bias_in_choice else score
        if groups > 1:
            grouped = np.sort(choice.reshape(len(x), groups, -1), -1)
            group_score = grouped[..., -rules.group_score_experts :].sum(-1)
            self.note_margin(group_score, config["topk_group"])
            kept = np.repeat(top_k_mask(group_score, config["topk_group"]), routed // groups, -1)
            choice = np.where(kept, choice, -np.inf)
        self.note_margin(choice, config["num_experts_per_tok"])
        chosen = top_k_mask(choice, config["num_experts_per_tok"])
        gate = np.where(chosen, biased if rules.router_bias_in_weights else score, 0)
        if config["norm_topk_prob"]:
            gate = gate / (gate.sum(-1, keepdims=True) + 1e-20)
        gate = gate * config["routed_scaling_factor"]
        out = mlp(x, weights, prefix + "shared_experts.") if rules.shared_experts else np.zeros_like(x)
        for expert in range(routed):
            rows = np.flatnonzero(chosen[:, expert])
            if len(rows):
                out[rows] += gate[rows, expert, None] * mlp(x[rows], weights, f"{prefix}experts.{expert}.")
        return out

    def note_margin(self, scores: np.ndarray, k: int) -> None:
        """Scores [T, N], -inf where nothing may be taken; rows with at most k candidates have no threshold."""
        if k >= scores.shape[-1]:
            return
        ordered = -np.sort(-scores, -1)
        last, next_one = ordered[:, k - 1], ordered[:, k]
        rows = np.isfinite(next_one)
        if rows.any():
            size = np.abs(np.where(np.isfinite(scores), scores, 0)).max(-1)
            self.margin = min(self.margin, ((last[rows] - next_one[rows]) / size[rows]).min())


def main() -> None:
    parser = argparse.ArgumentParser(description="Logits of a small DeepSeek-V3.2 checkpoint, in float64 NumPy.")
    parser.add_argument("model", type=Path, help="checkpoint directory")
    parser.add_argument("tokens", type=Path, help="file of whitespace-separated token ids")
    parser.add_argument("logits", type=Path, help="float32 .npy to write, [tokens, vocab]")
    parser.add_argument("--hidden", type=Path, help="float32 .npy to write, [layers + 1, tokens, hidden_size]")
    arguments = parser.parse_args()
    tokens = np.array(arguments.tokens.read_text().split(), dtype=np.int64)
    model = Model(arguments.model)
    np.save(arguments.logits, model.forward(tokens).astype(np.float32))
    if arguments.hidden:
        np.save(arguments.hidden, np.stack(model.hidden).astype(np.float32))


if __name__ == "__main__":
    main()
