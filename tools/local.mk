# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors


EXTRA_DIST += \
	tools/README.md \
	tools/make_reference.py \
	tools/make_tokenizer_cases.py \
	tools/numpy_model.py \
	tools/reference_cases.py \
	tools/requirements.txt
