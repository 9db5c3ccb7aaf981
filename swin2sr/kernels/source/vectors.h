// Vectors of floats as wide as the processor's registers, and the functions of one number that a
// window block needs. GCC's and Clang's vector extensions do the arithmetic on every processor;
// intrinsics stand only where those have no word for an instruction.
//
// Numbers that are not finite pass through: nothing is compiled with -ffast-math, and comparisons
// are written so that NaN takes the branch that keeps it.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX2__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

constexpr int TOKENS = 64;              // of a window; smaller windows leave the last ones empty
constexpr int VECTORS = TOKENS / LANES; // that hold one feature of a window's tokens

typedef float vec __attribute__((vector_size(LANES * 4)));
typedef int32_t ivec __attribute__((vector_size(LANES * 4)));
typedef uint32_t uvec __attribute__((vector_size(LANES * 4)));

static inline vec broadcast(float value) { return vec{} + value; }
static inline vec& at(float* row, int j) { return reinterpret_cast<vec*>(row)[j]; }
static inline vec at(const float* row, int j) { return reinterpret_cast<const vec*>(row)[j]; }
static inline vec maximum(vec a, vec b) { return a < b ? b : a; } // keeps a NaN in a

static inline float sum_lanes(vec values) {
  float sum = 0;
  for (int i = 0; i < LANES; i++) sum += values[i];
  return sum;
}

static inline vec square_root(vec x) {
#if defined(__AVX512F__)
  return (vec)_mm512_sqrt_ps((__m512)x);
#elif defined(__AVX2__)
  return (vec)_mm256_sqrt_ps((__m256)x);
#else
  for (int i = 0; i < LANES; i++) x[i] = std::sqrt(x[i]);
  return x;
#endif
}

// 1 / x: exact, or (fast) to 14 bits, which bfloat16 products do not notice.
template <bool fast> static inline vec reciprocal(vec x) {
#if defined(__AVX512F__)
  if (fast) return (vec)_mm512_rcp14_ps((__m512)x);
#endif
  return 1.0f / x;
}

// e to the power of x for x <= 88; exactly 0 below -87, where floats would become denormal.
// Exact: Cephes' polynomial, 1 unit in the last place. Fast: third degree, 1e-4 of the value.
template <bool fast> static inline vec exponential(vec x) {
  const vec magic = broadcast(12582912.0f); // 1.5 * 2^23: adding it rounds to a whole number
  vec shifted = x * 1.44269504f + magic, whole = shifted - magic, p;
  if (fast) {
    vec r = x * 1.44269504f - whole;
    p = ((r * 0.0555041f + 0.2402265f) * r + 0.6931472f) * r + 1.0f;
  } else {
    vec r = x - whole * 0.693359375f + whole * 2.12194440e-4f;
    p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = (p * r + 8.3334519073e-3f) * r + 4.1665795894e-2f;
    p = (p * r + 1.6666665459e-1f) * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
  }
#if defined(__AVX512F__)
  vec scaled = (vec)_mm512_scalef_ps((__m512)p, (__m512)whole);
#else
  vec scaled = (vec)((uvec)p + ((uvec)shifted << 23)); // adds to the exponent
  scaled = x == x ? scaled : x;                        // bits of a NaN have none to add to
#endif
  return x < broadcast(-87.0f) ? vec{} : scaled;
}

// GELU with the error function, and its slope.
// Source: Abramowitz and Stegun 7.1.26 (exact: 1.5e-7) and 7.1.25 (fast: 2.5e-5).
template <bool fast> static inline vec gelu(vec x, vec& slope) {
  vec z = x * 0.70710678f;
  vec size = (vec)((ivec)z & 0x7fffffff), bell = exponential<fast>(-(z * z)), tail;
  if (fast) {
    vec t = reciprocal<true>(size * 0.47047f + 1.0f);
    tail = ((t * 0.7478556f - 0.0958798f) * t + 0.3480242f) * t * bell;
  } else {
    vec t = reciprocal<false>(size * 0.3275911f + 1.0f);
    tail = ((t * 1.061405429f - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f;
    tail = (tail * t + 0.254829592f) * t * bell;
  }
  vec erf = (vec)((ivec)(1.0f - tail) | ((ivec)z & (int32_t)0x80000000));
  vec share = 0.5f + 0.5f * erf;
  slope = share + x * bell * 0.39894228f;
  return x * share;
}

// ---------------------------------------------------------------------------------- transposition

#if defined(__AVX512F__)
static inline void transpose16(__m512i r[16]) {
  __m512i t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) {
    t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
}
#endif

// to[column][row] = from(row)[column]; words of 4 bytes of any kind.
// from(row) is where a row begins; to(column) is where the column's words go.
template <class Word, class From, class To>
static inline void transpose(int rows, int columns, From from, To to) {
#if defined(__AVX512F__)
  for (int row = 0; row < rows; row += 16)
    for (int column = 0; column < columns; column += 16) {
      const int high = rows - row < 16 ? rows - row : 16;
      const int wide = columns - column < 16 ? columns - column : 16;
      const __mmask16 across = wide == 16 ? 0xffff : (1 << wide) - 1;
      const __mmask16 down = high == 16 ? 0xffff : (1 << high) - 1;
      __m512i r[16];
      if (high == 16 && wide == 16) {
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) r[i] = _mm512_loadu_si512(from(row + i) + column);
        transpose16(r);
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) _mm512_storeu_si512(to(column + i) + row, r[i]);
        continue;
      }
      for (int i = 0; i < 16; i++)
        r[i] = i < high ? _mm512_maskz_loadu_epi32(across, from(row + i) + column)
                        : _mm512_setzero_si512();
      transpose16(r);
      for (int i = 0; i < wide; i++) _mm512_mask_storeu_epi32(to(column + i) + row, down, r[i]);
    }
#else
  for (int column = 0; column < columns; column++) {
    Word* target = to(column);
    for (int row = 0; row < rows; row++) target[row] = from(row)[column];
  }
#endif
}

// The same between two arrays of rows that are a stride of words apart.
template <class Word>
static inline void transpose(const Word* from, long from_stride, int rows, int columns, Word* to,
                             long to_stride) {
  transpose<Word>(
      rows, columns, [=](int row) { return from + row * from_stride; },
      [=](int column) { return to + column * to_stride; });
}
