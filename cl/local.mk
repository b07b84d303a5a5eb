# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# Kernels, read and compiled when they are needed.
kernelsdir = $(pkgdatadir)/cl
dist_kernels_DATA = \
	cl/attend.cl \
	cl/attend_blocks.cl \
	cl/attend_combine.clh \
	cl/attend_heads.cl \
	cl/attend_tiles.cl \
	cl/attend_values.cl \
	cl/bench.cl \
	cl/copy.clh \
	cl/dequantise.cl \
	cl/dispatch.cl \
	cl/dtype.clh \
	cl/embed.cl \
	cl/fill.cl \
	cl/group.clh \
	cl/index.clh \
	cl/index_rotate.cl \
	cl/index_rotate.clh \
	cl/index_scores.cl \
	cl/index_scores_few.cl \
	cl/index_scores_many.cl \
	cl/index_tile.clh \
	cl/lane.clh \
	cl/latent.cl \
	cl/latent.clh \
	cl/linear.cl \
	cl/linear.clh \
	cl/linear_block.cl \
	cl/linear_experts.cl \
	cl/linear_heads.cl \
	cl/linear_heads_transposed.cl \
	cl/matmul.cl \
	cl/matmul.clh \
	cl/matmul_experts.cl \
	cl/matmul_heads.cl \
	cl/matmul_pack.cl \
	cl/matrix_unit.cl \
	cl/matvec.cl \
	cl/matvec.clh \
	cl/matvec_down.cl \
	cl/matvec_gated.cl \
	cl/moe_combine.cl \
	cl/norm.cl \
	cl/radix.clh \
	cl/rope.cl \
	cl/rope.clh \
	cl/rotations.cl \
	cl/route.cl \
	cl/route.clh \
	cl/router.cl \
	cl/swiglu.cl \
	cl/tile.clh \
	cl/tile_across.clh \
	cl/tile_amd.clh \
	cl/tile_attend.clh \
	cl/tile_dpas.clh \
	cl/tile_emulated.clh \
	cl/tile_half.clh \
	cl/tile_int8.clh \
	cl/tile_int8_amd.clh \
	cl/tile_int8_dpas.clh \
	cl/tile_int8_emulated.clh \
	cl/tile_int8_nvidia.clh \
	cl/tile_mma.clh \
	cl/tile_rows.clh \
	cl/tile_wgmma.clh \
	cl/top_k.cl \
	cl/top_k_group.cl \
	cl/top_k_short.cl \
	cl/vector.clh
