// Constants of a call: the parameters as products want them, biases and masks of pairs of tokens.
#pragma once
#include "products.h"
#include "shape.h"

constexpr float FORBIDDEN = -100.0f; // added to the product of tokens from opposite borders
constexpr float ABSENT = -1e30f;     // added for the tokens that a small window lacks

// Read by all threads.
template <class Precision> struct Constants {
  typename Precision::Weight qkv, proj, fc1, fc2;
  float* position; // (heads, key, query), 64 each
  float* masks;    // (kinds, key, query), see Window::kind; null without shift
  float* qkv_bias; // in the order of qkv_row; zeros where there is none
  float* wanted;   // (heads): what queries are multiplied by, unit queries with cosines
  const BlockArrays& arrays;

  // trains: with what the backward pass needs.
  Constants(const BlockShape& s, const BlockArrays& given, bool trains) : arrays(given) {
    lay_out(s);
    arena.allocate();
    lay_out(s);
    const int C = s.channels;
    for (int r = 0; r < 3 * C; r++) {
      const int from = qkv_row(s, r);
      std::memcpy(ordered + (long)r * C, given.qkv + (long)from * C, sizeof(float) * C);
      qkv_bias[r] = bias_of(s, from);
    }
    for (int h = 0; h < s.heads; h++)
      wanted[h] = s.cosine ? std::exp(limited_logit_scale(given, h)) : s.scale;
    qkv = Precision::weight(ordered, 3 * C, C, trains, words[0]);
    proj = Precision::weight(given.proj, C, C, trains, words[1]);
    fc1 = Precision::weight(given.fc1, s.hidden, C, trains, words[2]);
    fc2 = Precision::weight(given.fc2, C, s.hidden, trains, words[3]);
    fill_position(s);
    if (s.shift) fill_masks(s);
  }

private:
  typename Precision::Word* words[4];
  float* ordered; // the matrix qkv with its rows in the order of qkv_row
  Arena arena;

  void lay_out(const BlockShape& s) {
    typedef typename Precision::Word Word;
    const int C = s.channels;
    words[0] = arena.take<Word>(Precision::weight_words(3 * C, C));
    words[1] = arena.take<Word>(Precision::weight_words(C, C));
    words[2] = arena.take<Word>(Precision::weight_words(s.hidden, C));
    words[3] = arena.take<Word>(Precision::weight_words(C, s.hidden));
    ordered = arena.take<float>(3L * C * C), qkv_bias = arena.take<float>(3 * C);
    wanted = arena.take<float>(s.heads);
    position = arena.take_zeros<float>((long)s.heads * TOKENS * TOKENS);
    masks = s.shift ? arena.take_zeros<float>(4 * TOKENS * TOKENS) : nullptr;
  }
  // The bias of a row of PyTorch's matrix.
  float bias_of(const BlockShape& s, int row) const {
    if (arrays.qkv_bias) return arrays.qkv_bias[row];
    const float* bias = row < s.channels ? arrays.q_bias : arrays.v_bias;
    return bias && row / s.channels != 1 ? bias[row % s.channels] : 0.0f;
  }
  void fill_position(const BlockShape& s) {
    const int N = s.window * s.window;
    for (int h = 0; h < s.heads; h++) {
      float* to = position + (long)h * TOKENS * TOKENS;
      for (int i = N * TOKENS; i < TOKENS * TOKENS; i++) to[i] = ABSENT;
      const float* table = arrays.position + (long)h * offsets_of(s);
      each_offset_run(s, [&](int offset, int key, int query) {
        for (int i = 0; i < s.window; i++) to[key * TOKENS + query + i] = table[offset + i];
      });
    }
  }
  void fill_masks(const BlockShape& s) {
    const int side = s.window, N = side * side;
    int region[TOKENS];
    for (int kind = 0; kind < 4; kind++) {
      for (int t = 0; t < N; t++) {
        const bool low = t / side >= side - s.shift, right = t % side >= side - s.shift;
        region[t] = 2 * (low && kind / 2) + (right && kind % 2);
      }
      for (int a = 0; a < N; a++)
        for (int b = 0; b < N; b++)
          masks[(kind * TOKENS + a) * TOKENS + b] = region[a] == region[b] ? 0.0f : FORBIDDEN;
    }
  }
};
