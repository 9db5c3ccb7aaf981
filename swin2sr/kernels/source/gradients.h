// Gradients of the parameters: summed by each thread for itself, then over the threads.
#pragma once
#include <memory>
#include <vector>

#include "arena.h"
#include "shape.h"

// What one thread sums. Sums over tokens are kept as one vector for each feature, whose lanes are
// added at the very end.
struct Gradients {
  float *qkv, *proj, *fc1, *fc2; // rows of round_up(channels, 16); fc2 transposed
  float* position;               // (heads, key, query), 64 each
  float *qkv_bias, *temperature, *proj_bias, *fc1_bias, *fc2_bias; // (n, LANES)
  float *norm1, *norm1_bias, *norm2, *norm2_bias;                  // (n, LANES)

  explicit Gradients(const BlockShape& s) {
    lay_out(s);
    arena.allocate();
    lay_out(s);
  }

private:
  Arena arena;
  void lay_out(const BlockShape& s) {
    const int C = s.channels, wide = round_up(C, 16);
    qkv = arena.take_zeros<float>((long)round_up(3 * C, 32) * wide);
    proj = arena.take_zeros<float>((long)round_up(C, 32) * wide);
    fc1 = arena.take_zeros<float>((long)round_up(s.hidden, 32) * wide);
    fc2 = arena.take_zeros<float>((long)round_up(s.hidden, 32) * wide);
    position = arena.take_zeros<float>((long)s.heads * TOKENS * TOKENS);
    float** lanes[] = {&qkv_bias, &temperature, &proj_bias, &fc1_bias,   &fc2_bias,
                       &norm1,    &norm1_bias,  &norm2,     &norm2_bias};
    const int counts[] = {3 * C, s.heads, C, s.hidden, C, C, C, C, C};
    for (int i = 0; i < 9; i++) *lanes[i] = arena.take_zeros<float>((long)counts[i] * LANES);
  }
};

// Those of all threads; each reduction adds them in the threads' order.
class GradientSum {
public:
  GradientSum(const BlockShape& shape, int threads) : s(shape), parts(threads) {}
  std::unique_ptr<Gradients>& operator[](int thread) { return parts[thread]; }

  // wanted: of Constants.
  void write(const BlockArrays& parameters, const float* wanted, const BlockArrays& to) const {
    const int C = s.channels, wide = round_up(C, 16);
    std::vector<float> ordered(3 * C * (size_t)C), ordered_bias(3 * C);
    matrix(&Gradients::qkv, 3 * C, C, wide, false, ordered.data());
    lanes(&Gradients::qkv_bias, 3 * C, ordered_bias.data());
    for (int r = 0; r < 3 * C; r++) {
      const int row = qkv_row(s, r);
      std::memcpy(to.qkv + (long)row * C, &ordered[(long)r * C], sizeof(float) * C);
      float* bias = row < C ? to.q_bias : row < 2 * C ? nullptr : to.v_bias;
      if (to.qkv_bias) to.qkv_bias[row] = ordered_bias[r];
      else if (bias) bias[row % C] = ordered_bias[r];
    }
    matrix(&Gradients::proj, C, C, wide, false, to.proj);
    matrix(&Gradients::fc1, s.hidden, C, wide, false, to.fc1);
    matrix(&Gradients::fc2, C, s.hidden, wide, true, to.fc2);
    position(to.position);
    if (s.cosine) {
      lanes(&Gradients::temperature, s.heads, to.logit_scale);
      for (int h = 0; h < s.heads; h++)
        to.logit_scale[h] *= parameters.logit_scale[h] > MOST_LOGIT_SCALE ? 0.0f : wanted[h];
    }
    lanes(&Gradients::proj_bias, C, to.proj_bias);
    lanes(&Gradients::fc1_bias, s.hidden, to.fc1_bias);
    lanes(&Gradients::fc2_bias, C, to.fc2_bias);
    lanes(&Gradients::norm1, C, to.norm1);
    lanes(&Gradients::norm1_bias, C, to.norm1_bias);
    lanes(&Gradients::norm2, C, to.norm2);
    lanes(&Gradients::norm2_bias, C, to.norm2_bias);
  }

private:
  typedef float* Gradients::*Array;
  const BlockShape& s;
  std::vector<std::unique_ptr<Gradients>> parts;

  // to (rows, columns), from rows of a stride, or (transposed) from columns of a stride.
  void matrix(Array array, int rows, int columns, long stride, bool transposed, float* to) const {
    std::vector<float> turned;
    for (size_t i = 0; i < parts.size(); i++) {
      const float* from = (*parts[i]).*array;
      long from_stride = stride;
      if (transposed) {
        turned.resize((size_t)rows * columns);
        transpose(from, stride, columns, rows, turned.data(), (long)columns);
        from = turned.data(), from_stride = columns;
      }
      for (int row = 0; row < rows; row++) {
        float* sums = to + (long)row * columns;
        const float* own = from + row * from_stride;
        for (int column = 0; column < columns; column++)
          sums[column] = i ? sums[column] + own[column] : own[column];
      }
    }
  }
  void lanes(Array array, int n, float* to) const {
    for (int i = 0; i < n; i++) {
      to[i] = 0;
      for (const auto& part : parts) to[i] += sum_lanes(at((*part).*array + i * LANES, 0));
    }
  }
  // to (heads, offsets): over all pairs of tokens that are so far apart too.
  void position(float* to) const {
    std::memset(to, 0, sizeof(float) * s.heads * offsets_of(s));
    for (const auto& part : parts)
      for (int h = 0; h < s.heads; h++) {
        float* sums = to + (long)h * offsets_of(s);
        const float* from = part->position + (long)h * TOKENS * TOKENS;
        each_offset_run(s, [&](int offset, int key, int query) {
          for (int i = 0; i < s.window; i++) sums[offset + i] += from[key * TOKENS + query + i];
        });
      }
  }
};
