# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# Kernels, read and compiled when they are needed.
kernelsdir = $(pkgdatadir)/cl
dist_kernels_DATA = \
	cl/dtype.clh \
	cl/lane.clh \
	cl/norm.cl \
	cl/rope.clh \
	cl/vector.clh

dist_kernels_DATA += \
	cl/absorb.cl \
	cl/linear.cl
	cl/attend.cl \
	cl/group.clh \
	cl/index.clh \
	cl/index_rotate.cl \
	cl/index_scores.cl

dist_kernels_DATA += \
	cl/dispatch.cl \
	cl/embed.cl \
	cl/latent.cl \
	cl/moe_combine.cl \
	cl/rope.cl \
	cl/route.cl \
	cl/swiglu.cl
	cl/index_scores.cl \
	cl/top_k.cl
