#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

"""Writes tiny DeepSeek-V3.2 checkpoints and the logits that Hugging Face transformers computes from them.

    python3 tools/make_reference.py OUT_DIR                       all cases (tests/model/data is what this wrote)
    python3 tools/make_reference.py OUT_DIR --case fp8 long       these only
    python3 tools/make_reference.py OUT_DIR --against tests/model/data
                                       then compare: weights and tokens to the byte, logits to 1e-5
    python3 tools/make_reference.py OUT_DIR --check-traps         OUT_DIR exists; prints how far each trap moves logits

Per case: config.json, model*.safetensors, tokens.txt, logits.npy (float32 [tokens, vocab]) and selected.npy (int16
[layers, tokens, index_topk]: the key positions each query attends to, ascending, -1 where there are fewer). The
packages are in tools/requirements.txt. Weights come from seeds, so that every run writes the same bytes.
"""

import argparse
import filecmp
import json
import math
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np

from numpy_model import TRAPS, Model, trap_rules
from reference_cases import BASE_CONFIG, CASES, Case

AGREEMENT = 1e-5  # relative L2 of any row, transformers float32 against NumPy float64
SMALLEST_MARGIN = 2e-5  # nearest tie, so that another order of summation selects the same keys and experts
VISIBLE = 1e-3  # relative L2 of a row that a parity test calls wrong
NOT_QUANTISED = ("embed_tokens", "lm_head", "norm", "gate.weight", "weights_proj", "eh_proj", "shared_head", "bias")
ALWAYS_FLOAT32 = ("e_score_correction_bias", "k_norm")


# --- weights ---------------------------------------------------------------------------------------------------------


def mlp_shapes(prefix: str, hidden: int, width: int) -> dict:
    return {
        prefix + "gate_proj.weight": (width, hidden),
        prefix + "up_proj.weight": (width, hidden),
        prefix + "down_proj.weight": (hidden, width),
    }


def layer_shapes(config: dict, layer: int) -> dict:
    """Tensors of one decoder layer with their shapes, named as in the released checkpoint."""
    prefix = f"model.layers.{layer}."
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    nope, rope, value = config["qk_nope_head_dim"], config["qk_rope_head_dim"], config["v_head_dim"]
    q_rank, kv_rank, width = config["q_lora_rank"], config["kv_lora_rank"], config["moe_intermediate_size"]
    index_heads, index_dim = config["index_n_heads"], config["index_head_dim"]
    shapes = {
        prefix + "input_layernorm.weight": (hidden,),
        prefix + "post_attention_layernorm.weight": (hidden,),
        prefix + "self_attn.q_a_proj.weight": (q_rank, hidden),
        prefix + "self_attn.q_a_layernorm.weight": (q_rank,),
        prefix + "self_attn.q_b_proj.weight": (heads * (nope + rope), q_rank),
        prefix + "self_attn.kv_a_proj_with_mqa.weight": (kv_rank + rope, hidden),
        prefix + "self_attn.kv_a_layernorm.weight": (kv_rank,),
        prefix + "self_attn.kv_b_proj.weight": (heads * (nope + value), kv_rank),
        prefix + "self_attn.o_proj.weight": (hidden, heads * value),
        prefix + "self_attn.indexer.wq_b.weight": (index_heads * index_dim, q_rank),
        prefix + "self_attn.indexer.wk.weight": (index_dim, hidden),
        prefix + "self_attn.indexer.weights_proj.weight": (index_heads, hidden),
        prefix + "self_attn.indexer.k_norm.weight": (index_dim,),
        prefix + "self_attn.indexer.k_norm.bias": (index_dim,),
    }
    if layer < config["first_k_dense_replace"]:
        return shapes | mlp_shapes(prefix + "mlp.", hidden, config["intermediate_size"])
    shapes[prefix + "mlp.gate.weight"] = (config["n_routed_experts"], hidden)
    shapes[prefix + "mlp.gate.e_score_correction_bias"] = (config["n_routed_experts"],)
    for expert in range(config["n_routed_experts"]):
        shapes |= mlp_shapes(f"{prefix}mlp.experts.{expert}.", hidden, width)
    return shapes | mlp_shapes(prefix + "mlp.shared_experts.", hidden, config["n_shared_experts"] * width)


def tensor_shapes(config: dict) -> dict:
    vocab, hidden, layers = config["vocab_size"], config["hidden_size"], config["num_hidden_layers"]
    shapes = {"model.embed_tokens.weight": (vocab, hidden), "model.norm.weight": (hidden,)}
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = (vocab, hidden)
    for layer in range(layers + config["num_nextn_predict_layers"]):
        shapes |= layer_shapes(config, layer)
    for layer in range(layers, layers + config["num_nextn_predict_layers"]):
        prefix = f"model.layers.{layer}."
        shapes |= {
            prefix + "embed_tokens.weight": (vocab, hidden),
            prefix + "enorm.weight": (hidden,),
            prefix + "hnorm.weight": (hidden,),
            prefix + "eh_proj.weight": (hidden, 2 * hidden),
            prefix + "shared_head.norm.weight": (hidden,),
            prefix + "shared_head.head.weight": (vocab, hidden),
        }
    return shapes


def random_values(case: Case, name: str, shape: tuple) -> np.ndarray:
    """Weights of a size that lets every part of the model matter: peaked attention, a router bias that changes the
    choice, norm weights away from 1. RandomState, because its streams are frozen across NumPy versions."""
    values = np.random.RandomState([case.seed, zlib.crc32(name.encode())]).standard_normal(shape)
    if name.endswith("e_score_correction_bias"):
        values *= 0.3
    elif name.endswith("k_norm.bias"):
        values *= 0.5
    elif len(shape) == 1:  # norm weights
        values = np.exp(values * 0.4)
    elif "embed_tokens" not in name:
        values *= shape[1] ** -0.5
        values *= 2.0 if "q_b_proj" in name or "mlp.gate.weight" in name else 1.0
    return values * math.prod(factor for part, factor in case.gain.items() if part in name)


def quantise(values, case: Case):
    """(e4m3 codes, scales): value = code * scale of its block."""
    import torch

    rows, columns = values.shape
    scales = torch.empty(-(-rows // case.block[0]), -(-columns // case.block[1]))
    codes = torch.empty_like(values)
    for row in range(scales.shape[0]):
        for column in range(scales.shape[1]):
            block = tuple(slice(i * side, (i + 1) * side) for i, side in zip((row, column), case.block))
            scale = values[block].abs().max() / 448
            if case.ue8m0:
                scale = torch.exp2(torch.ceil(torch.log2(scale)))
            if case.coarse_blocks and (row + column) % 3 == 1:
                scale = scale * 2.0**13  # largest code at most 448 / 2^13, about 3.5 times the smallest normal
            scales[row, column] = scale
            codes[block] = (values[block] / scale).clamp(-448, 448)
    return codes.to(torch.float8_e4m3fn), scales


def stored_tensors(case: Case, config: dict) -> dict:
    """Every tensor of the checkpoint in its stored type."""
    import torch

    kinds = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16, "fp8": torch.bfloat16}
    tensors = {}
    for name, shape in tensor_shapes(config).items():
        values = torch.from_numpy(random_values(case, name, shape).astype(np.float32))
        if case.storage == "fp8" and not any(part in name for part in NOT_QUANTISED):
            tensors[name], tensors[name + "_scale_inv"] = quantise(values, case)
        elif any(part in name for part in ALWAYS_FLOAT32):
            tensors[name] = values
        else:
            tensors[name] = values.to(kinds[case.storage])
    return tensors


def write_weights(directory: Path, tensors: dict, shards: int) -> None:
    """model.safetensors, or shards of about equal size with their index."""
    from safetensors.torch import save

    metadata = {"format": "pt"}
    if shards == 1:
        (directory / "model.safetensors").write_bytes(save(tensors, metadata))
        return
    total = sum(tensor.nbytes for tensor in tensors.values())
    parts, done = [{} for _ in range(shards)], 0
    for name, tensor in tensors.items():
        parts[min(done * shards // total, shards - 1)][name] = tensor
        done += tensor.nbytes
    weight_map = {}
    for number, part in enumerate(parts, 1):
        file_name = f"model-{number:05}-of-{shards:05}.safetensors"
        (directory / file_name).write_bytes(save(part, metadata))
        weight_map |= dict.fromkeys(part, file_name)
    write_json(
        directory / "model.safetensors.index.json",
        {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))},
    )


def write_json(path: Path, value: dict) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")


# --- one case --------------------------------------------------------------------------------------------------------


def case_config(case: Case) -> dict:
    config = BASE_CONFIG | case.config
    config["num_key_value_heads"] = config["num_attention_heads"]
    if config["rope_scaling"]:
        yarn = config["rope_scaling"]
        config["max_position_embeddings"] = yarn["factor"] * yarn["original_max_position_embeddings"]
    if case.storage == "fp8":
        config["quantization_config"] = {
            "activation_scheme": "dynamic",
            "fmt": "e4m3",
            "quant_method": "fp8",
            "weight_block_size": list(case.block),
        } | ({"scale_fmt": "ue8m0"} if case.ue8m0 else {})
    return dict(sorted(config.items()))


def dequantised_copy(directory: Path, copy: Path) -> None:
    """The same checkpoint in float32: fp8 code times scale, rounded once where the scale is no power of two."""
    import torch
    from safetensors.torch import load_file

    config = json.loads((directory / "config.json").read_text())
    side = config.pop("quantization_config")["weight_block_size"]
    write_json(copy / "config.json", config)
    tensors = {}
    for path in sorted(directory.glob("*.safetensors")):
        tensors |= load_file(path)
    for name in [name for name in tensors if name.endswith("_scale_inv")]:
        matrix = name.removesuffix("_scale_inv")
        rows, columns = (torch.arange(length) // step for length, step in zip(tensors[matrix].shape, side))
        tensors[matrix] = tensors[matrix].float() * tensors.pop(name)[rows][:, columns]
    write_weights(copy, {name: tensor.float() for name, tensor in tensors.items()}, 1)


def transformers_forward(directory: Path, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logits [tokens, vocab] and selected keys [layers, tokens, index_topk] of DeepseekV32ForCausalLM on a CPU, in
    float32 and plain (eager) PyTorch, from a checkpoint that is not quantised."""
    import torch
    from transformers import DeepseekV32ForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    model, report = DeepseekV32ForCausalLM.from_pretrained(
        directory,
        dtype=torch.float32,
        attn_implementation="eager",
        experts_implementation="eager",
        output_loading_info=True,
    )
    config = model.config
    prediction = tuple(f"model.layers.{config.num_hidden_layers + i}." for i in range(2))
    unexpected = [name for name in report["unexpected_keys"] if not name.startswith(prediction)]
    if report["missing_keys"] or report["mismatched_keys"] or unexpected:
        sys.exit(f"{directory}: transformers does not take this checkpoint: {report}")

    selected = []

    def note_selection(_module, _arguments, indices) -> None:
        mask = torch.zeros(len(tokens), len(tokens), dtype=torch.bool).scatter(-1, indices[0].long(), True)
        mask = mask.tril()  # a query at a position below index_topk also gets masked keys, which count for nothing
        selected.append(key_positions(mask.numpy(), config.index_topk))

    for layer in model.model.layers:
        layer.self_attn.indexer.register_forward_hook(note_selection)
    with torch.no_grad():
        logits = model.eval()(torch.from_numpy(tokens)[None], use_cache=False).logits[0]
    return logits.numpy(), np.stack(selected)


def key_positions(mask: np.ndarray, index_topk: int) -> np.ndarray:
    """A selection [tokens, tokens] in the form of selected.npy: int16 [tokens, index_topk]."""
    positions = np.full((len(mask), index_topk), -1, np.int16)
    for query, row in enumerate(mask):
        keys = np.flatnonzero(row)
        positions[query, : len(keys)] = keys
    return positions


def relative_error(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Relative L2 error of each row."""
    return np.linalg.norm(found - expected, axis=-1) / np.linalg.norm(expected, axis=-1)


def make_case(case: Case, directory: Path) -> dict:
    directory.mkdir(parents=True, exist_ok=True)
    for stale in directory.glob("model*.safetensors*"):
        stale.unlink()
    config = case_config(case)
    write_json(directory / "config.json", config)
    write_weights(directory, stored_tensors(case, config), case.shards)
    tokens = np.random.RandomState([case.seed, 0]).randint(2, config["vocab_size"], case.tokens)
    tokens[0] = config["bos_token_id"]
    (directory / "tokens.txt").write_text(" ".join(map(str, tokens)) + "\n")

    if case.storage == "fp8":
        with tempfile.TemporaryDirectory() as copy:
            dequantised_copy(directory, Path(copy))
            logits, selected = transformers_forward(Path(copy), tokens)
    else:
        logits, selected = transformers_forward(directory, tokens)
    np.save(directory / "logits.npy", logits)
    np.save(directory / "selected.npy", selected)

    model = Model(directory)
    error = relative_error(logits, model.forward(tokens)).max()
    if not np.array_equal(selected, [key_positions(mask, config["index_topk"]) for mask in model.selected]):
        sys.exit(f"{case.name}: transformers and NumPy select different keys: another seed is needed")
    if error > AGREEMENT or model.margin < SMALLEST_MARGIN:
        sys.exit(
            f"{case.name}: error {error:.1e} (at most {AGREEMENT}), nearest tie {model.margin:.1e} "
            f"(at least {SMALLEST_MARGIN}): another seed is needed"
        )
    size = sum(path.stat().st_size for path in directory.iterdir())
    print(f"{case.name:18} {size:8} bytes  error {error:.1e}  nearest tie {model.margin:.1e}", flush=True)
    return {"case": case, "size": size, "error": error, "margin": model.margin}


# --- manifest, comparison, traps -------------------------------------------------------------------------------------


def write_manifest(directory: Path, results: list[dict]) -> None:
    from importlib.metadata import version

    packages = ", ".join(f"{name} {version(name)}" for name in ("transformers", "torch", "numpy", "safetensors"))
    table = "\n".join(
        f"| {r['case'].name} | {r['case'].note} | {r['case'].tokens} | {r['size'] / 1024:.0f} | {r['error']:.0e} "
        f"| {r['margin']:.0e} |"
        for r in results
    )
    (directory / "README.md").write_text(f"""<!-- SPDX-License-Identifier: MIT -->
<!-- SPDX-FileCopyrightText: The hadal authors -->

# Reference checkpoints

Random DeepSeek-V3.2 models in the layout of the released checkpoint, each with the logits that Hugging Face
transformers computes from it (`DeepseekV32ForCausalLM`, eager, float32, CPU, from exactly the stored values).
Written, like this page, by

    python3 tools/make_reference.py tests/model/data

with {packages}. Every run writes the same weights; logits may
differ in the last bits from one CPU or number of threads to another. `--against tests/model/data` compares such a
run with these files.

| file | what it holds |
| --- | --- |
| `cases.txt` | one case a line, `#` starts a comment |
| `CASE/config.json`, `CASE/model*.safetensors*` | the checkpoint |
| `CASE/tokens.txt` | token ids |
| `CASE/logits.npy` | float32 [tokens, vocab] |
| `CASE/selected.npy` | int16 [layers, tokens, index_topk]: positions that each query attends to, ascending, then -1 |

`error` is the largest relative L2 difference of a row of logits between transformers and tools/numpy_model.py in
float64; `nearest tie` the smallest gap between the last selected and the first rejected index score, expert group or
expert of the whole text, relative to the largest score of its row. Both implementations select the same keys.

| case | what it is for | tokens | KiB | error | nearest tie |
| --- | --- | --- | --- | --- | --- |
{table}

{sum(r['size'] for r in results) / 1024:.0f} KiB in all.
""")
    lines = "".join(f"{r['case'].name:18} # {r['case'].note}\n" for r in results)
    (directory / "cases.txt").write_text(
        "# SPDX-License-Identifier: MIT\n# SPDX-FileCopyrightText: The hadal authors\n\n" + lines
    )


def compare(made: Path, kept: Path, cases: list[Case]) -> bool:
    """Whether the weights of both directories are the same bytes and the logits the same up to rounding."""
    equal = True
    for case in cases:
        names = sorted(path.name for path in (made / case.name).iterdir() if path.name != "logits.npy")
        _, different, missing = filecmp.cmpfiles(made / case.name, kept / case.name, names, shallow=False)
        error = relative_error(*(np.load(root / case.name / "logits.npy") for root in (made, kept))).max()
        verdict = "differs: " + " ".join(different + missing) if different + missing else "same bytes"
        print(f"{case.name:18} {verdict}, logits differ by {error:.1e}")
        equal = equal and not different + missing and error <= AGREEMENT
    return equal


def check_traps(directory: Path, cases: list[Case]) -> bool:
    """Prints a Markdown table: how far each trap moves the logits, in the case that shows it best."""
    tokens = {case.name: np.loadtxt(directory / case.name / "tokens.txt", dtype=np.int64) for case in cases}
    right = {case.name: Model(directory / case.name).forward(tokens[case.name]) for case in cases}
    for name, logits in right.items():
        if relative_error(logits, np.load(directory / name / "logits.npy")).max() > AGREEMENT:
            sys.exit(f"{directory / name}/logits.npy: not what the NumPy model computes")
    print("| trap | seen best in | median error | rows over 1e-3 | cases that show it |\n|---|---|---|---|---|")
    every_trap_seen = True
    for trap in TRAPS:
        rows = {}
        for name in right:
            wrong = Model(directory / name, trap_rules(trap)).forward(tokens[name])
            error = relative_error(wrong, right[name])
            rows[name] = ((error > VISIBLE).mean(), np.median(error))
        best = max(rows, key=rows.get)
        share, median = rows[best]
        seen = sum(share > 0.05 for share, _ in rows.values())  # parity tests forgive 2 % of the rows
        print(f"| {trap} | {best} | {median:.2g} | {share:.0%} | {seen} of {len(rows)} |", flush=True)
        every_trap_seen = every_trap_seen and seen > 0
    return every_trap_seen


def main() -> None:
    parser = argparse.ArgumentParser(description="Tiny DeepSeek-V3.2 checkpoints with transformers' logits.")
    parser.add_argument("directory", type=Path, help="where the cases are written")
    parser.add_argument("--case", nargs="+", choices=[case.name for case in CASES], help="these only, no manifest")
    parser.add_argument("--against", type=Path, metavar="DIR", help="afterwards compare with the cases in DIR")
    parser.add_argument("--check-traps", action="store_true", help="write nothing; show what each trap does")
    arguments = parser.parse_args()
    cases = [case for case in CASES if not arguments.case or case.name in arguments.case]
    if arguments.check_traps:
        sys.exit(not check_traps(arguments.directory, cases))
    results = [make_case(case, arguments.directory / case.name) for case in cases]
    if not arguments.case:
        write_manifest(arguments.directory, results)
    if arguments.against:
        sys.exit(not compare(arguments.directory, arguments.against, cases))


if __name__ == "__main__":
    main()
