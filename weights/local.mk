# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# The demo model, installed beside the kernels and found by default; its reference files are test data.
demodir = $(pkgdatadir)/model
dist_demo_DATA = \
	weights/config.json \
	weights/generation_config.json \
	weights/model.safetensors \
	weights/tokenizer.json \
	weights/tokenizer_config.json

EXTRA_DIST += \
	weights/README.md \
	weights/reference/greedy.json \
	weights/reference/logits.npy \
	weights/reference/needle-16k.txt.gz \
	weights/reference/needle-32k.txt.gz \
	weights/reference/needle-4k.txt.gz \
	weights/reference/needles.json \
	weights/reference/prompt.txt \
	weights/reference/tokenizer_cases.json \
	weights/reference/tokens.txt
