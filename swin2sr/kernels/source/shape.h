// Shape of a block and its arrays, as callers pass them, and where a window's tokens lie in a map.
#pragma once
#include "vectors.h"

extern "C" {
// Maps are (batch, height, width, channels) float32, height and width multiples of the window.
struct BlockShape {
  int32_t batch, height, width, channels, heads, hidden;
  int32_t window, shift; // in tokens; window at most 8
  int32_t cosine;        // 1: SwinV2's block, 0: Swin's
  float eps, scale;      // of the norms; what products of query and key are multiplied by
};
// Parameters, or where their gradients go: float32, laid out as PyTorch's.
struct BlockArrays {
  float *qkv, *qkv_bias;   // (3 * channels, channels), (3 * channels) or null
  float *q_bias, *v_bias;  // with cosines, instead of qkv_bias: (channels) or null
  float* logit_scale;      // (heads), logarithm of what unit queries are multiplied by, with cosines
  // (heads, (2 * window - 1)^2): what is added to the products of tokens this far apart; rows of
  // offsets (query - key) from -(window - 1) on, columns likewise.
  float* position;
  float *proj, *proj_bias;                        // (channels, channels), (channels)
  float *norm1, *norm1_bias, *norm2, *norm2_bias; // (channels)
  float *fc1, *fc1_bias, *fc2, *fc2_bias; // (hidden, channels), (hidden), (channels, hidden), ...
};
}

constexpr float MOST_LOGIT_SCALE = 4.6051702f; // log(100)
static inline float limited_logit_scale(const BlockArrays& arrays, int head) { // keeps a NaN
  const float value = arrays.logit_scale[head];
  return value > MOST_LOGIT_SCALE ? MOST_LOGIT_SCALE : value;
}

// How many offsets two tokens of a window can have.
static inline int offsets_of(const BlockShape& s) {
  return (2 * s.window - 1) * (2 * s.window - 1);
}
// Calls run(offset, key, query) for every key and every row of the window: the queries of a row,
// from this one on, have offsets that follow each other, from this one on.
template <class Run> static inline void each_offset_run(const BlockShape& s, Run run) {
  const int side = s.window;
  for (int key_y = 0; key_y < side; key_y++)
    for (int key_x = 0; key_x < side; key_x++)
      for (int y = 0; y < side; y++)
        run((y - key_y + side - 1) * (2 * side - 1) + side - 1 - key_x, key_y * side + key_x,
            y * side);
}

// Query, key and value of a head follow each other here, so that a head is computed by itself; in
// PyTorch's matrix the queries of all heads come first. Where our row r is there.
static inline int qkv_row(const BlockShape& s, int r) {
  const int d = s.channels / s.heads, head = r / (3 * d), part = r / d % 3;
  return part * s.channels + head * d + r % d;
}

static inline int windows_of(const BlockShape& s) {
  return s.batch * (s.height / s.window) * (s.width / s.window);
}

// Window of a map that was cyclically shifted: tokens are gathered from where the shift would have
// brought them from, and scattered back there.
struct Window {
  long token[TOKENS]; // index of the token's first feature in the map; -1 for an absent token
  int kind;           // of its mask: last row of windows * 2 + last column; 0 without shift

  Window(const BlockShape& s, int index) {
    const int rows = s.height / s.window, columns = s.width / s.window;
    const int image = index / (rows * columns), row = index / columns % rows;
    const int column = index % columns;
    kind = s.shift ? 2 * (row == rows - 1) + (column == columns - 1) : 0;
    for (int t = 0; t < TOKENS; t++) {
      const int y = (row * s.window + t / s.window + s.shift) % s.height;
      const int x = (column * s.window + t % s.window + s.shift) % s.width;
      const bool present = t < s.window * s.window;
      token[t] = present ? (((long)image * s.height + y) * s.width + x) * s.channels : -1;
    }
  }
  // Ask for the tokens, to be read (0) or written (1), a window before they are needed.
  template <int written> void fetch(const float* map, int C) const {
    for (int t = 0; t < TOKENS; t++)
      for (int c = 0; c < C && token[t] >= 0; c += 16)
        __builtin_prefetch(map + token[t] + c, written, 2);
  }
  // map -> rows (C, 64); absent tokens read zeros (C).
  void gather(const float* map, const float* zeros, int C, float* rows) const {
    transpose<float>(
        TOKENS, C, [&](int t) { return token[t] < 0 ? zeros : map + token[t]; },
        [&](int c) { return rows + c * TOKENS; });
  }
  // rows (C, 64) -> the first tokens of the map.
  void scatter(const float* rows, int C, int count, float* map) const {
    transpose<float>(
        C, count, [&](int c) { return rows + c * TOKENS; }, [&](int t) { return map + token[t]; });
  }
};
