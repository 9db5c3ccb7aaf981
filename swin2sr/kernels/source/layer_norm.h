// Layer norm of a window's tokens, forward and backward.
//
// Rows come in pairs, as products want them: put(r, j, a, b) receives rows r and r + 1.
#pragma once
#include "vectors.h"

static inline float* row(float* rows, int r) { return rows + (long)r * TOKENS; }
static inline const float* row(const float* rows, int r) { return rows + (long)r * TOKENS; }

// rows = rows + bias - mean of each token, and 1 / deviation of each token.
static inline void subtract_mean(float* rows, const float* bias, int C, float eps, vec* inverse) {
  vec mean[VECTORS] = {}, squares[VECTORS] = {};
  for (int c = 0; c < C; c++)
    for (int j = 0; j < VECTORS; j++) {
      const vec value = at(row(rows, c), j) + (bias ? bias[c] : 0.0f);
      at(row(rows, c), j) = value;
      mean[j] += value;
    }
  for (int j = 0; j < VECTORS; j++) mean[j] *= 1.0f / C;
  for (int c = 0; c < C; c++)
    for (int j = 0; j < VECTORS; j++) {
      const vec value = at(row(rows, c), j) - mean[j];
      at(row(rows, c), j) = value;
      squares[j] += value * value;
    }
  for (int j = 0; j < VECTORS; j++) inverse[j] = 1.0f / square_root(squares[j] * (1.0f / C) + eps);
}

// rows = rows / deviation; put(r, j, a, b) receives weight * those + bias.
template <class Put>
static inline void normalise(float* rows, int C, const vec* inverse, const float* weight,
                             const float* bias, Put put) {
  for (int r = 0; r < C; r += 2)
    for (int j = 0; j < VECTORS; j++) {
      const vec a = at(row(rows, r), j) * inverse[j], b = at(row(rows, r + 1), j) * inverse[j];
      at(row(rows, r), j) = a, at(row(rows, r + 1), j) = b;
      put(r, j, a * weight[r] + bias[r], b * weight[r + 1] + bias[r + 1]);
    }
}

// From the gradient of a norm's output and its standardised rows: sums the gradients of weight and
// bias; put(r, j, a, b) receives the gradient of its input.
template <class Put>
static inline void norm_backward(const float* gradient, const float* standard, const vec* inverse,
                                 int C, const float* weight, float* weight_sums, float* bias_sums,
                                 Put put) {
  vec plain[VECTORS] = {}, along[VECTORS] = {};
  for (int c = 0; c < C; c++) {
    vec for_weight = {}, for_bias = {};
    for (int j = 0; j < VECTORS; j++) {
      const vec g = at(row(gradient, c), j), product = g * at(row(standard, c), j);
      for_weight += product, for_bias += g;
      plain[j] += g * weight[c], along[j] += product * weight[c];
    }
    at(weight_sums + c * LANES, 0) += for_weight;
    at(bias_sums + c * LANES, 0) += for_bias;
  }
  for (int j = 0; j < VECTORS; j++) plain[j] *= 1.0f / C, along[j] *= 1.0f / C;
  auto of = [&](int c, int j) {
    const vec g = at(row(gradient, c), j), s = at(row(standard, c), j);
    return (g * weight[c] - plain[j] - s * along[j]) * inverse[j];
  };
  for (int r = 0; r < C; r += 2)
    for (int j = 0; j < VECTORS; j++) put(r, j, of(r, j), of(r + 1, j));
}

// sums[r] += a, sums[r + 1] += b
static inline void add_to_pair(float* sums, int r, vec a, vec b) {
  at(sums + r * LANES, 0) += a, at(sums + (r + 1) * LANES, 0) += b;
}
