// Continuous position bias: a small MLP from offsets to a bias per head, forward and backward.
//
// Source: Swin Transformer V2 (arXiv 2111.09883), section 3.3, eq. 3; its authors' code for the
// rest: 16 * sigmoid(fc2(relu(fc1(coordinates)))), here for every offset once. Offsets run along
// the vectors' lanes.
#pragma once
#include <cmath>

#include "arena.h"
#include "vectors.h"

extern "C" {
struct PositionShape {
  int32_t offsets, hidden, heads;
};
// Parameters, or where their gradients go: float32, laid out as PyTorch's.
struct PositionArrays {
  float *fc1, *fc1_bias, *fc2; // (hidden, 2), (hidden), (heads, hidden)
};
}

class PositionBias {
public:
  // coordinates (offsets, 2)
  PositionBias(const PositionShape& shape, const PositionArrays& arrays, const float* coordinates)
      : s(shape), p(arrays), vectors(round_up(s.offsets, LANES) / LANES) {
    lay_out();
    arena.allocate();
    lay_out();
    for (int i = 0; i < s.offsets; i++) y[i] = coordinates[2 * i], x[i] = coordinates[2 * i + 1];
  }

  // to (heads, offsets)
  void forward(float* to) {
    for (int j = 0; j < vectors; j++) {
      int h = 0;
      for (; h + 4 <= s.heads; h += 4) logits<4>(j, h);
      for (; h < s.heads; h++) logits<1>(j, h);
    }
    for (int h = 0; h < s.heads; h++)
      for (int i = 0; i < s.offsets; i++)
        to[(long)h * s.offsets + i] = 16.0f / (1.0f + std::exp(-head(h)[i]));
  }

  // result (heads, offsets): of forward; gradient: of it; to: where the parameters' gradients go.
  void backward(const float* result, const float* gradient, const PositionArrays& to) {
    for (int h = 0; h < s.heads; h++)
      for (int i = 0; i < s.offsets; i++) { // of the sigmoid's input
        const float value = result[(long)h * s.offsets + i];
        head(h)[i] = gradient[(long)h * s.offsets + i] * value * (1.0f - value / 16.0f);
      }
    for (int unit = 0; unit < s.hidden; unit++) {
      for (int j = 0; j < vectors; j++)
        at(hidden, j) = activation(unit, j), at(g_hidden, j) = vec{};
      int h = 0;
      for (; h + 4 <= s.heads; h += 4) heads_backward<4>(unit, h, to.fc2);
      for (; h < s.heads; h++) heads_backward<1>(unit, h, to.fc2);
      vec for_row = {}, for_column = {}, for_bias = {};
      for (int j = 0; j < vectors; j++) {
        const vec g = at(hidden, j) <= 0.0f ? vec{} : at(g_hidden, j);
        for_row += g * at(y, j), for_column += g * at(x, j), for_bias += g;
      }
      to.fc1[2 * unit] = sum_lanes(for_row), to.fc1[2 * unit + 1] = sum_lanes(for_column);
      to.fc1_bias[unit] = sum_lanes(for_bias);
    }
  }

private:
  const PositionShape& s;
  const PositionArrays& p;
  const int vectors; // of offsets; those that fill the last one have no gradient
  Arena arena;
  float *y, *x, *hidden, *g_hidden; // of every offset; hidden: of one unit
  float* rows;                      // (heads, vectors * LANES): the sigmoid's input, its gradient

  void lay_out() {
    for (float** one : {&y, &x, &hidden, &g_hidden})
      *one = arena.take_zeros<float>((long)vectors * LANES);
    rows = arena.take_zeros<float>((long)s.heads * vectors * LANES);
  }
  float* head(int h) const { return rows + (long)h * vectors * LANES; }

  // relu(fc1(coordinates)) of a unit
  vec activation(int unit, int j) const {
    const vec sum = p.fc1[2 * unit] * at(y, j) + p.fc1[2 * unit + 1] * at(x, j) + p.fc1_bias[unit];
    return sum < 0.0f ? vec{} : sum; // keeps a NaN
  }
  // The sigmoid's input, for some heads at once.
  template <int HEADS> void logits(int j, int first) {
    vec sum[HEADS] = {};
    const float* weights = p.fc2 + (long)first * s.hidden;
    for (int unit = 0; unit < s.hidden; unit++) {
      const vec active = activation(unit, j);
      for (int h = 0; h < HEADS; h++) sum[h] += weights[(long)h * s.hidden + unit] * active;
    }
    for (int h = 0; h < HEADS; h++) at(head(first + h), j) = sum[h];
  }
  // Some heads' gradient of fc2 for a unit, and their part of the unit's gradient.
  template <int HEADS> void heads_backward(int unit, int first, float* g_fc2) {
    vec sum[HEADS] = {};
    float weight[HEADS];
    const float* g[HEADS];
    for (int h = 0; h < HEADS; h++)
      weight[h] = p.fc2[(long)(first + h) * s.hidden + unit], g[h] = head(first + h);
    for (int j = 0; j < vectors; j++) {
      vec part = at(g_hidden, j);
      for (int h = 0; h < HEADS; h++) {
        part += weight[h] * at(g[h], j);
        sum[h] += at(g[h], j) * at(hidden, j);
      }
      at(g_hidden, j) = part;
    }
    for (int h = 0; h < HEADS; h++) g_fc2[(long)(first + h) * s.hidden + unit] = sum_lanes(sum[h]);
  }
};
