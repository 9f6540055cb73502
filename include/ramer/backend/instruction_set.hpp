// What of the processor the compiler may use, as the name of an inline namespace: parts of one program that were compiled with
// different flags do not share the kernels, nor anything that is made of them (models, tapes, trainers).
#pragma once

#if defined(__AVX512F__) && defined(__AVX512BF16__)
#define RAMER_INSTRUCTION_SET avx512_bf16
#elif defined(__AVX512F__)
#define RAMER_INSTRUCTION_SET avx512
#elif defined(__AVX2__) && defined(__FMA__)
#define RAMER_INSTRUCTION_SET avx2_fma
#elif defined(__AVX2__)
#define RAMER_INSTRUCTION_SET avx2
#elif defined(__AVX__) && defined(__FMA__)
#define RAMER_INSTRUCTION_SET avx_fma
#elif defined(__AVX__)
#define RAMER_INSTRUCTION_SET avx
#elif defined(__SSE4_2__)
#define RAMER_INSTRUCTION_SET sse4
#else
#define RAMER_INSTRUCTION_SET baseline
#endif
