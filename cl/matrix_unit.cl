/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* One kernel, of the name of the matrix unit that the compiler builds for: AMD's devices don't report theirs. By
 * clang's target macros alone, since builtins of other targets may end the compiler itself. */

#ifndef __AMDGCN_WAVEFRONT_SIZE__ /* of newer compilers: 32 from gfx10 on */
#define __AMDGCN_WAVEFRONT_SIZE__ 32
#endif

#if defined(__gfx90a__) || defined(__gfx942__) || defined(__gfx950__)
#define UNIT amd_mfma
#elif defined(__GFX11__) && __AMDGCN_WAVEFRONT_SIZE__ == 32
#define UNIT amd_wmma11
#elif defined(__GFX12__) && __AMDGCN_WAVEFRONT_SIZE__ == 32
#define UNIT amd_wmma12
#else
#define UNIT none
#endif

__kernel void UNIT(__global int *unused)
{
    unused[0] = 0;
}
