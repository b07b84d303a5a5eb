/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Instructions of sm_90a in OpenCL C. NVIDIA's compiler writes `.target sm_90` at the head of its PTX, which forbids
 * the matrix instructions of Hopper (wgmma), and has no option to say otherwise; yet it assembles for sm_90a. So
 * kernels write them as comments, in inline assembly whose every line begins with PTX_MARK, and the text that the
 * compiler made of a program is corrected before it is assembled. */

#ifndef HADAL_DEVICE_PTX_H
#define HADAL_DEVICE_PTX_H

#include <stddef.h>

/* As in cl/tile_wgmma.clh. */
#define PTX_MARK "//sm_90a "

/* PTX text (NUL terminated) of `bytes` bytes with `.target sm_90` as `.target sm_90a` and every PTX_MARK blanked out.
 * Where kernels move registers between warpgroups (setmaxnreg), a work-group may begin with all of a multiprocessor's,
 * as that instruction needs to know. *corrected is freed with free(); NULL when the text is no PTX for sm_90, or
 * memory ran out. */
void ptx_correct(char **corrected, const char *ptx, size_t bytes);

#endif
