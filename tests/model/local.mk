# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors


# Reference checkpoints, see its README.md: all of the directory.
EXTRA_DIST += tests/model/data
