# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

dist_man_MANS += \
	man/hadal-bench.1 \
	man/hadal-devices.1 \
	man/hadal-events.5 \
	man/hadal-generate.1 \
	man/hadal-inspect.1 \
	man/hadal-opencl.7 \
	man/hadal-score.1 \
	man/hadal-tokenize.1 \
	man/hadal-weights.5 \
	man/hadal.1 \
	man/hadal.7 \
	man/libhadal.3
