// Matrix products (GEMM) of a window, in two precisions with the same interface.
//
// Activations are an even number of rows of 64 numbers: a row is a feature, a column a token, so
// that whatever is done to each token runs along the vectors' lanes. Rows that enter products are
// written, two at a time, into a Rows object, which holds them as its precision wants them:
//
//   rows.left()       (n, 64) as the left operand
//   rows.right()      (n, 64) as the right operand
//   transposed(rows)  (64, n) as the left operand
//   tokens(rows)      (64, n) as the right operand
//
//   product(left, right, M, K, out)          out (M, 64) = left (M, K) right (K, 64)
//   across(left, tokens, M, N, windows, ...) out (M, N) = or += left (M, 64) tokens (64, N)
//
// Rows of several windows can lie side by side, so that the gradient of a weight is summed over all
// their tokens before it is added to what is in memory.
//
// Float32 multiplies in float32. BFloat16 rounds both operands to bfloat16 and sums in float32, in
// the processor's tile registers (AMX; Intel's Architecture Instruction Set Extensions Reference,
// chapter 3). There a left tile is 16 rows of 32 numbers, a right tile 16 rows that hold, for 16
// columns, two numbers each that follow each other down the column: two rows of ours in pairs.
#pragma once
#include "arena.h"
#include "vectors.h"

// Operands that rows will be: what is not asked for may not be written.
enum Form { LEFT = 1, RIGHT = 2, BOTH = 3 };

// ---------------------------------------------------------------------------------------- float32

struct Float32 {
  static constexpr bool fast = false;
  typedef float Word; // what a buffer for an operand is made of

  struct Left {
    const float* first;
    long row, column; // strides
    Left from(int m) const { return {first + m * row, row, column}; } // without the rows before m
  };
  struct Right {
    const float* first;
    long row;
  };
  struct Tokens {
    const float* first;
    long row;
  };

  struct Rows {
    float* first;
    long stride;
    int n;
    template <Form form = BOTH> void put(int r, int j, vec a, vec b) const {
      at(first + r * stride, j) = a;
      at(first + (r + 1) * stride, j) = b;
    }
    vec value(int r, int j) const { return at(first + r * stride, j); }
    Left left() const { return {first, stride, 1}; }
    Right right() const { return {first, stride}; }
    Rows window(int i) const { return {first + i * TOKENS, stride, n}; }
  };
  static Rows rows(Arena& arena, int n, int windows = 1) {
    const long stride = (long)windows * TOKENS + (windows > 1 ? 16 : 0); // in different cache sets
    return {arena.take<float>(stride * round_up(n, 32)), stride, n};
  }
  static long words(int n, int windows = 1) { return (long)windows * TOKENS * round_up(n, 32); }

  static Left transposed(const Rows& rows, Word*) { return {rows.first, 1, rows.stride}; }
  static Tokens tokens(const Rows& rows, int windows, Word* buffer) {
    transpose(rows.first, rows.stride, rows.n, windows * TOKENS, buffer, round_up(rows.n, 16));
    return {buffer, round_up(rows.n, 16)};
  }

  // A weight (M, K) that is used as it is, and transposed.
  struct Weight {
    Left as_is, transposed;
  };
  static long weight_words(int, int) { return 0; }
  static Weight weight(const float* values, int, int K, bool, Word*) {
    return {{values, K, 1}, {values, 1, K}};
  }

  static void product(Left a, Right b, int M, int K, float* out) {
    multiply(a, b.first, b.row, M, TOKENS, K, out, TOKENS, false);
  }
  static void across(Left a, Tokens b, int M, int N, int windows, float* out, long stride,
                     bool add) {
    multiply(a, b.first, b.row, M, round_up(N, LANES), windows * TOKENS, out, stride, add);
  }
  struct Registers {}; // nothing to set up

private:
  static void multiply(Left a, const float* b, long b_row, int M, int N, int K, float* out,
                       long stride, bool add) {
    constexpr int WIDE = LANES == 16 ? 4 : 2; // vectors of a row of sums kept in registers
    int n = 0;
    for (; n + WIDE * LANES <= N; n += WIDE * LANES)
      strip<WIDE>(a, b + n, b_row, M, K, out + n, stride, add);
    for (; n < N; n += LANES) strip<1>(a, b + n, b_row, M, K, out + n, stride, add);
  }
  template <int WIDE>
  static void strip(Left a, const float* b, long b_row, int M, int K, float* out, long stride,
                    bool add) {
    int m = 0;
    for (; m + 6 <= M; m += 6) sums<6, WIDE>(a, b, b_row, m, K, out, stride, add);
    for (; m + 2 <= M; m += 2) sums<2, WIDE>(a, b, b_row, m, K, out, stride, add);
    for (; m < M; m++) sums<1, WIDE>(a, b, b_row, m, K, out, stride, add);
  }
  template <int HIGH, int WIDE>
  static inline void sums(Left a, const float* b, long b_row, int m, int K, float* out, long stride,
                          bool add) {
    vec sum[HIGH][WIDE] = {};
    const float* left = a.first + m * a.row;
    for (int k = 0; k < K; k++, left += a.column, b += b_row) {
      vec row[WIDE];
#pragma GCC unroll 4
      for (int j = 0; j < WIDE; j++) row[j] = at(b, j);
#pragma GCC unroll 6
      for (int i = 0; i < HIGH; i++) {
        const vec x = broadcast(left[i * a.row]);
#pragma GCC unroll 4
        for (int j = 0; j < WIDE; j++) sum[i][j] += x * row[j];
      }
    }
    // What is there is added last: sums of sums are rounded less than one long sum.
    for (int i = 0; i < HIGH; i++)
      for (int j = 0; j < WIDE; j++) {
        vec& to = at(out + (m + i) * stride, j);
        to = add ? to + sum[i][j] : sum[i][j];
      }
  }
};

// ------------------------------------------------------------------- bfloat16, in tile registers

#if defined(__AMX_BF16__) && defined(__AVX512BF16__)

// The floats of 16 bfloat16 numbers.
static inline vec to_float(const uint16_t* from) {
  const __m256i halves = _mm256_loadu_si256((const __m256i*)from);
  return (vec)_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16);
}

struct BFloat16 {
  static constexpr bool fast = true;
  typedef uint32_t Word;

  struct Left {
    const uint16_t* first;
    long stride; // bytes between rows
    Left from(int m) const { return {first + m * stride / 2, stride}; } // without the rows before m
  };
  struct Right {
    const uint32_t* first; // rows of pairs, 64 words apart
  };
  struct Tokens {
    const uint32_t* first;
    long stride; // bytes between rows of pairs
  };

  struct Rows {
    uint16_t* plain;
    long stride; // bytes between rows of plain
    uint32_t* pairs;
    int n;
    // Rows r and r + 1 (r even), of the tokens that vector j holds.
    template <Form form = BOTH> void put(int r, int j, vec a, vec b) const {
      // Halves: 16 numbers of a, then 16 of b. In pairs: a, b, a, b, ...
      const __m512i both = (__m512i)_mm512_cvtne2ps_pbh((__m512)b, (__m512)a);
      const __m512i order =
          _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22,
                           6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
      if (form & RIGHT)
        _mm512_store_si512(pairs + r * 32 + j * 16, _mm512_permutexvar_epi16(order, both));
      if (!(form & LEFT)) return;
      char* to = reinterpret_cast<char*>(plain) + r * stride + j * 32;
      _mm256_store_si256((__m256i*)to, _mm512_castsi512_si256(both));
      _mm256_store_si256((__m256i*)(to + stride), _mm512_extracti64x4_epi64(both, 1));
    }
    vec value(int r, int j) const { return to_float(plain + r * stride / 2 + j * 16); }
    Left left() const { return {plain, stride}; }
    Right right() const { return {pairs}; }
    Rows window(int i) const { return {plain + i * TOKENS, stride, pairs, n}; }
  };
  // Pairs of rows that do not fill a tile stay zeros: they meet numbers of no meaning.
  static Rows rows(Arena& arena, int n, int windows = 1) {
    const long stride = windows * 128L + (windows > 1 ? 64 : 0); // rows in different cache sets
    const int high = round_up(n, 32);
    auto* plain = arena.take<uint16_t>(high * stride / 2);
    auto* pairs = arena.take<uint32_t>(high * 32L);
    arena.zero(plain + n * stride / 2, (high - n) * stride);
    arena.zero(pairs + n * 32L, (high - n) * 128L);
    return {plain, stride, pairs, n};
  }
  static long words(int n, int windows = 1) { return 32L * round_up(n, 32) * windows; }

  static Left transposed(const Rows& rows, Word* buffer) {
    const int pairs = round_up(rows.n, 32) / 2;
    transpose(rows.pairs, 64, pairs, 64, buffer, pairs);
    return {reinterpret_cast<uint16_t*>(buffer), pairs * 4};
  }
  static Tokens tokens(const Rows& rows, int windows, Word* buffer) {
    const int wide = round_up(rows.n, 16);
    transpose(reinterpret_cast<const uint32_t*>(rows.plain), rows.stride / 4, wide, windows * 32,
              buffer, wide);
    return {buffer, wide * 4};
  }

  struct Weight {
    Left as_is, transposed;
  };
  // Both forms, and a tile of rows more: parts of a weight are read in whole tiles, whose last rows
  // give sums that nobody reads.
  static long weight_words(int M, int K) { return (round_up(M, 32) + 16L) * round_up(K, 32); }
  static Weight weight(const float* values, int M, int K, bool both, Word* buffer) {
    auto* as_is = reinterpret_cast<uint16_t*>(buffer);
    const int high = round_up(M, 32), wide = round_up(K, 32);
    round_rows(values, K, M, K, wide, as_is, wide);
    if (!both) return {{as_is, wide * 2}, {nullptr, 0}};
    auto* transposed = as_is + (high + 16L) * wide;
    alignas(64) float columns[16 * 16];
    for (int k = 0; k < K; k += 16)
      for (int m = 0; m < high; m += 16) {
        const int across = K - k < 16 ? K - k : 16, down = M - m < 16 ? M - m : 16;
        if (down < 16) std::memset(columns, 0, sizeof columns);
        if (down > 0) transpose(values + (long)m * K + k, K, down, across, columns, 16L);
        round_rows(columns, 16, across, 16, 16, transposed + (long)k * high + m, high);
      }
    return {{as_is, wide * 2}, {transposed, high * 2}};
  }
  // Rows of floats -> rows of bfloat16, with zeros up to a length that is a multiple of 16.
  static void round_rows(const float* from, long from_stride, int rows, int columns, int length,
                         uint16_t* to, long to_stride) {
    for (int row = 0; row < rows; row++)
      for (int c = 0; c < length; c += 16) {
        const int left = columns - c;
        const __mmask16 present = left >= 16 ? 0xffff : left > 0 ? (1 << left) - 1 : 0;
        const __m512 values = _mm512_maskz_loadu_ps(present, from + row * from_stride + c);
        const __m256i rounded = (__m256i)_mm512_cvtneps_pbh(values);
        _mm256_storeu_si256((__m256i*)(to + row * to_stride + c), rounded);
      }
  }

  static void product(Left a, Right b, int M, int K, float* out) {
    multiply(a, b.first, 256, round_up(M, 16), TOKENS, round_up(K, 32) / 32, out, TOKENS, false);
  }
  static void across(Left a, Tokens b, int M, int N, int windows, float* out, long stride,
                     bool add) {
    multiply(a, b.first, b.stride, round_up(M, 16), round_up(N, 16), 2 * windows, out, stride, add);
  }

  // Tile registers of a thread while it works: eight tiles of 16 rows of 64 bytes.
  struct Registers {
    Registers() {
      struct alignas(64) {
        uint8_t palette = 1, start = 0, reserved[14] = {};
        uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
        uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
      } shape;
      _tile_loadconfig(&shape);
    }
    ~Registers() { _tile_release(); }
    Registers(const Registers&) = delete;
  };

  // out (M, N) = or += left (M, 32 * tiles) b, whose rows of pairs are b_stride bytes apart.
  static void multiply(Left a, const uint32_t* b, long b_stride, int M, int N, int tiles,
                       float* out, long stride, bool add) {
    for (int m = 0; m < M; m += 32)
      for (int n = 0; n < N; n += 32) {
        const uint16_t* left = a.first + m * a.stride / 2;
        float* to = out + m * stride + n;
        if (M - m > 16 && N - n > 16)
          sums<2, 2>(left, a.stride, b + n, b_stride, tiles, to, stride, add);
        else if (M - m > 16) sums<2, 1>(left, a.stride, b + n, b_stride, tiles, to, stride, add);
        else if (N - n > 16) sums<1, 2>(left, a.stride, b + n, b_stride, tiles, to, stride, add);
        else sums<1, 1>(left, a.stride, b + n, b_stride, tiles, to, stride, add);
      }
  }

  // Up to 2 x 2 tiles of sums, which stay in registers: zeroed or loaded, added to, stored.
  static inline void zero_sums() {
    // The intrinsics do not tell the compiler that they read memory: let all writes happen first.
    __asm__ volatile("" ::: "memory");
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  template <int HIGH, int WIDE> static inline void load_sums(const float* from, long stride) {
    __asm__ volatile("" ::: "memory");
    const long bytes = stride * 4;
    _tile_loadd(0, from, bytes);
    if (WIDE == 2) _tile_loadd(1, from + 16, bytes);
    if (HIGH == 2) _tile_loadd(2, from + 16 * stride, bytes);
    if (HIGH == 2 && WIDE == 2) _tile_loadd(3, from + 16 * stride + 16, bytes);
  }
  template <int HIGH, int WIDE>
  static inline void add_products(const uint16_t* a, long a_stride, const uint32_t* b,
                                  long b_stride, int tiles) {
    for (int k = 0; k < tiles; k++, a += 32, b += 4 * b_stride) {
      _tile_loadd(4, a, a_stride);
      _tile_loadd(6, b, b_stride);
      _tile_dpbf16ps(0, 4, 6);
      if (WIDE == 2) {
        _tile_loadd(7, b + 16, b_stride);
        _tile_dpbf16ps(1, 4, 7);
      }
      if (HIGH == 2) {
        _tile_loadd(5, a + 8 * a_stride, a_stride);
        _tile_dpbf16ps(2, 5, 6);
        if (WIDE == 2) _tile_dpbf16ps(3, 5, 7);
      }
    }
  }
  template <int HIGH, int WIDE> static inline void store_sums(float* to, long stride) {
    const long bytes = stride * 4;
    _tile_stored(0, to, bytes);
    if (WIDE == 2) _tile_stored(1, to + 16, bytes);
    if (HIGH == 2) _tile_stored(2, to + 16 * stride, bytes);
    if (HIGH == 2 && WIDE == 2) _tile_stored(3, to + 16 * stride + 16, bytes);
  }

private:
  template <int HIGH, int WIDE>
  static inline void sums(const uint16_t* a, long a_stride, const uint32_t* b, long b_stride,
                          int tiles, float* out, long stride, bool add) {
    if (add) load_sums<HIGH, WIDE>(out, stride);
    else zero_sums();
    add_products<HIGH, WIDE>(a, a_stride, b, b_stride, tiles);
    store_sums<HIGH, WIDE>(out, stride);
  }
};
#endif
