# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

