// Window block of one thread, forward and backward: one window at a time, all of it in the cache.
//
// No map of the batch exists in any other order than PyTorch's. The backward pass computes the
// window's forward pass again instead of reading what it left.
//
// Sources: Swin Transformer (arXiv 2103.14030), eq. 3 and 4: y = x + attention(norm(x)), then
// y + mlp(norm(y)). Swin Transformer V2 (arXiv 2111.09883), section 3.3: y = x +
// norm(attention(x)), then y + norm(mlp(y)), with cosines in place of products.
#pragma once
#include <vector>

#include "constants.h"
#include "gradients.h"
#include "layer_norm.h"

constexpr float SHORTEST = 1e-24f; // square of the length that shorter vectors are taken to have
constexpr int GROUP = 4;           // windows that a gradient of a weight is summed over at once
constexpr int SLICE = 32;          // rows of the MLP's hidden layer that are worked on at once

// trains: keeps what the backward pass needs.
template <class Precision, bool trains> class WindowBlock {
public:
  WindowBlock(const BlockShape& shape, const Constants<Precision>& constants)
      : s(shape), w(constants), p(constants.arrays), C(s.channels), d(C / s.heads) {
    lay_out();
    arena.allocate();
    lay_out();
  }

  // Windows begin to end - 1: from and to are maps.
  void forward(int begin, int end, const float* from, float* to) {
    for (int i = begin; i < end; i++) {
      const Window window(s, i);
      if (i + 1 < end) {
        const Window next(s, i + 1);
        next.fetch<0>(from, C), next.fetch<1>(to, C);
      }
      window.gather(from, zeros, C, x);
      attention(window.kind);
      mlp(true);
      finish();
      window.scatter(second, C, s.window * s.window, to);
    }
  }

  // The same windows: gradient, of the output, and to, for the gradient of from, are maps too.
  void backward(int begin, int end, const float* from, const float* gradient, float* to,
                Gradients& sums) {
    for (int i = begin; i < end; i++) {
      const Window window(s, i);
      if (i + 1 < end) {
        const Window next(s, i + 1);
        next.fetch<0>(from, C), next.fetch<0>(gradient, C), next.fetch<1>(to, C);
      }
      select((i - begin) % GROUP);
      window.gather(from, zeros, C, x);
      window.gather(gradient, zeros, C, out_gradient);
      attention(window.kind);
      mlp(s.cosine); // Swin's second branch ends with a product whose result no gradient needs
      mlp_backward(sums);
      attention_backward(sums);
      window.scatter(x_gradient, C, s.window * s.window, to);
      const int held = (i - begin) % GROUP + 1;
      if (held == GROUP || i + 1 == end) weight_gradients(held, sums);
    }
  }

private:
  typedef typename Precision::Word Word;
  typedef typename Precision::Rows Rows;
  static constexpr bool fast = Precision::fast;
  static constexpr int side = trains ? GROUP : 1;     // windows that lie side by side
  static constexpr Form KEEP = trains ? BOTH : RIGHT; // only the backward pass reads them as LEFT
  const BlockShape& s;
  const Constants<Precision>& w;
  const BlockArrays& p;
  const int C, d; // features of a token, and of a head
  Arena arena;

  // Activations and gradients in float32, rows of 64 tokens: the input, the standardised rows of
  // the first norm, what the MLP is added to, the standardised rows of the second or the output.
  float *x, *first, *middle, *second;
  float *out_gradient, *middle_gradient, *x_gradient, *mixed_gradient;
  float *slice, *logits, *head, *head_transposed, *zeros;
  float* inverse_sums; // (heads, 64): 1 / sum of a query's exponentials
  float* lengths;      // (heads, 2, 64): what query and key were multiplied by
  vec deviation1[VECTORS], deviation2[VECTORS];
  // What enters products. Those of the weights' gradients hold a group of windows.
  struct Group {
    Rows all, now;
  } qkv_input, mixed, mlp_input, hidden, g_qkv, g_proj, g_fc1, g_fc2;
  std::vector<Rows> query, key, value, exponents; // of each head
  Rows slope, g_head, g_logits;
  Word *transposed_words, *token_words;

  void lay_out() {
    for (float** rows : {&x, &first, &middle, &second}) *rows = take_rows(C);
    slice = take_rows(3 * d > SLICE ? 3 * d : SLICE);
    logits = take_rows(TOKENS), head = take_rows(d);
    zeros = arena.take_zeros<float>(round_up(C, 16));
    inverse_sums = arena.take<float>(s.heads * TOKENS);
    lengths = arena.take<float>(2 * s.heads * TOKENS);
    for (Group* one : {&qkv_input, &mixed, &mlp_input}) one->all = Precision::rows(arena, C, side);
    hidden.all = Precision::rows(arena, s.hidden, side);
    query.clear(), key.clear(), value.clear(), exponents.clear();
    for (int h = 0; h < (trains ? s.heads : 1); h++) {
      for (auto* part : {&query, &key, &value}) part->push_back(Precision::rows(arena, d));
      exponents.push_back(Precision::rows(arena, TOKENS));
    }
    transposed_words = arena.take<Word>(Precision::words(d > TOKENS ? d : TOKENS));
    if (trains) lay_out_gradients();
    select(0);
  }
  void lay_out_gradients() {
    for (float** rows : {&out_gradient, &middle_gradient, &x_gradient, &mixed_gradient})
      *rows = take_rows(C);
    head_transposed = take_rows(d);
    for (Group* one : {&g_proj, &g_fc2}) one->all = Precision::rows(arena, C, side);
    g_qkv.all = Precision::rows(arena, 3 * C, side);
    g_fc1.all = Precision::rows(arena, s.hidden, side);
    slope = Precision::rows(arena, s.hidden);
    g_head = Precision::rows(arena, d), g_logits = Precision::rows(arena, TOKENS);
    token_words = arena.take<Word>(Precision::words(C, side));
  }
  float* take_rows(int n) { return arena.take<float>((long)round_up(n, 32) * TOKENS); }

  // Let the operands be those of a window of the group.
  void select(int window) {
    for (Group* one : {&qkv_input, &mixed, &mlp_input, &hidden}) one->now = one->all.window(window);
    if (trains)
      for (Group* one : {&g_qkv, &g_proj, &g_fc1, &g_fc2}) one->now = one->all.window(window);
  }
  int slot(int h) const { return trains ? h : 0; } // where a head's operands are

  // ------------------------------------------------------------------------------------- forward

  // x -> middle, the map after the first residual connection (Swin: without x and without bias)
  void attention(int kind) {
    if (s.cosine) {
      for (int r = 0; r < C; r += 2)
        for (int j = 0; j < VECTORS; j++)
          qkv_input.now.template put<KEEP>(r, j, at(row(x, r), j), at(row(x, r + 1), j));
    } else {
      std::memcpy(first, x, sizeof(float) * C * TOKENS);
      subtract_mean(first, nullptr, C, s.eps, deviation1);
      normalise(first, C, deviation1, p.norm1, p.norm1_bias, [&](int r, int j, vec a, vec b) {
        qkv_input.now.template put<KEEP>(r, j, a, b);
      });
    }
    for (int h = 0; h < s.heads; h++) {
      Precision::product(w.qkv.as_is.from(3 * h * d), qkv_input.now.right(), 3 * d, C, slice);
      scale(h, 0, query[slot(h)]);
      scale(h, 1, key[slot(h)]);
      scale(h, 2, value[slot(h)]);
      head_forward(h, kind);
    }
    Precision::product(w.proj.as_is, mixed.now.right(), C, C, s.cosine ? first : middle);
    if (!s.cosine) return;
    subtract_mean(first, p.proj_bias, C, s.eps, deviation1);
    normalise(first, C, deviation1, p.norm1, p.norm1_bias, [&](int r, int j, vec a, vec b) {
      a += at(row(x, r), j), b += at(row(x, r + 1), j);
      at(row(middle, r), j) = a, at(row(middle, r + 1), j) = b;
      mlp_input.now.template put<KEEP>(r, j, a, b);
    });
  }

  // Add the bias to a head's query (part 0), key (1) or value (2) in slice, and give queries and
  // keys the length that their product wants.
  void scale(int h, int part, const Rows& to) {
    float* rows = row(slice, part * d);
    const float* bias = w.qkv_bias + (3 * h + part) * d;
    const float wanted = part ? 1.0f : w.wanted[h];
    vec factor[VECTORS];
    for (int j = 0; j < VECTORS; j++) factor[j] = broadcast(wanted);
    if (s.cosine && part < 2) {
      vec squares[VECTORS] = {};
      for (int i = 0; i < d; i++)
        for (int j = 0; j < VECTORS; j++) {
          const vec one = at(row(rows, i), j) + bias[i];
          squares[j] += one * one;
        }
      for (int j = 0; j < VECTORS; j++)
        factor[j] = wanted / square_root(maximum(squares[j], broadcast(SHORTEST)));
      std::memcpy(lengths + (2 * h + part) * TOKENS, factor, sizeof factor);
    }
    for (int i = 0; i < d; i += 2)
      for (int j = 0; j < VECTORS; j++)
        to.put(i, j, (at(row(rows, i), j) + bias[i]) * factor[j],
               (at(row(rows, i + 1), j) + bias[i + 1]) * factor[j]);
  }

  // softmax(query key + position + mask) value
  void head_forward(int h, int kind) {
    const Rows &q = query[slot(h)], &k = key[slot(h)], &v = value[slot(h)];
    const Rows& weights = exponents[slot(h)];
    Precision::product(Precision::transposed(k, transposed_words), q.right(), TOKENS, d, logits);
    const float* mask = kind ? w.masks + (long)kind * TOKENS * TOKENS : nullptr;
    vec highest[VECTORS], sum[VECTORS] = {};
    if (mask) add_bias<true>(w.position + (long)h * TOKENS * TOKENS, mask, highest);
    else add_bias<false>(w.position + (long)h * TOKENS * TOKENS, mask, highest);
    for (int token = 0; token < TOKENS; token += 2)
      for (int j = 0; j < VECTORS; j++) {
        const vec a = exponential<fast>(at(row(logits, token), j) - highest[j]);
        const vec b = exponential<fast>(at(row(logits, token + 1), j) - highest[j]);
        weights.template put<KEEP>(token, j, a, b);
        sum[j] += a + b;
      }
    Precision::product(v.left(), weights.right(), d, TOKENS, head);
    for (int j = 0; j < VECTORS; j++) at(inverse_sums + h * TOKENS, j) = sum[j] = 1.0f / sum[j];
    for (int i = 0; i < d; i += 2)
      for (int j = 0; j < VECTORS; j++)
        mixed.now.template put<KEEP>(h * d + i, j, at(row(head, i), j) * sum[j],
                                     at(row(head, i + 1), j) * sum[j]);
  }

  // logits (key, query) += position + mask; the largest over the keys
  template <bool masked> void add_bias(const float* position, const float* mask, vec* highest) {
    vec high[VECTORS];
    for (int j = 0; j < VECTORS; j++) high[j] = broadcast(ABSENT);
    for (int token = 0; token < TOKENS; token++)
      for (int j = 0; j < VECTORS; j++) {
        vec sum = at(row(logits, token), j) + at(row(position, token), j);
        if (masked) sum += at(row(mask, token), j);
        at(row(logits, token), j) = sum;
        high[j] = maximum(high[j], sum);
      }
    std::memcpy(highest, high, sizeof high);
  }

  // middle -> second: what is added to it; with cosines centred, but not yet stretched
  void mlp(bool whole) {
    if (!s.cosine) {
      for (int c = 0; c < C; c++)
        for (int j = 0; j < VECTORS; j++)
          at(row(second, c), j) = at(row(middle, c), j) += at(row(x, c), j) + p.proj_bias[c];
      subtract_mean(second, nullptr, C, s.eps, deviation2);
      normalise(second, C, deviation2, p.norm2, p.norm2_bias, [&](int r, int j, vec a, vec b) {
        mlp_input.now.template put<KEEP>(r, j, a, b);
      });
    }
    for (int begin = 0; begin < s.hidden; begin += SLICE) {
      const int count = s.hidden - begin < SLICE ? s.hidden - begin : SLICE;
      Precision::product(w.fc1.as_is.from(begin), mlp_input.now.right(), count, C, slice);
      for (int i = 0; i < count; i += 2)
        for (int j = 0; j < VECTORS; j++) {
          vec slope_a, slope_b;
          const int r = begin + i;
          const vec a = gelu<fast>(at(row(slice, i), j) + p.fc1_bias[r], slope_a);
          const vec b = gelu<fast>(at(row(slice, i + 1), j) + p.fc1_bias[r + 1], slope_b);
          hidden.now.template put<KEEP>(r, j, a, b);
          if (trains) slope.template put<LEFT>(r, j, slope_a, slope_b);
        }
    }
    if (!whole) return;
    Precision::product(w.fc2.as_is, hidden.now.right(), C, s.hidden, second);
    if (s.cosine) subtract_mean(second, p.fc2_bias, C, s.eps, deviation2);
  }

  // second += middle, the block's result
  void finish() {
    if (s.cosine) {
      normalise(second, C, deviation2, p.norm2, p.norm2_bias, [&](int r, int j, vec a, vec b) {
        at(row(second, r), j) = a + at(row(middle, r), j);
        at(row(second, r + 1), j) = b + at(row(middle, r + 1), j);
      });
      return;
    }
    for (int c = 0; c < C; c++)
      for (int j = 0; j < VECTORS; j++)
        at(row(second, c), j) += at(row(middle, c), j) + p.fc2_bias[c];
  }

  // ------------------------------------------------------------------------------------ backward

  // out_gradient -> middle_gradient
  void mlp_backward(Gradients& sums) {
    auto put = [&](int r, int j, vec a, vec b) {
      g_fc2.now.put(r, j, a, b);
      add_to_pair(sums.fc2_bias, r, a, b);
    };
    if (s.cosine) {
      normalise(second, C, deviation2, p.norm2, p.norm2_bias, [](int, int, vec, vec) {});
      norm_backward(out_gradient, second, deviation2, C, p.norm2, sums.norm2, sums.norm2_bias, put);
    } else {
      each_pair(out_gradient, put);
    }
    for (int begin = 0; begin < s.hidden; begin += SLICE) {
      const int count = s.hidden - begin < SLICE ? s.hidden - begin : SLICE;
      Precision::product(w.fc2.transposed.from(begin), g_fc2.now.right(), count, C, slice);
      for (int i = 0; i < count; i += 2) {
        vec sum_a = {}, sum_b = {};
        for (int j = 0; j < VECTORS; j++) {
          const vec a = at(row(slice, i), j) * slope.value(begin + i, j);
          const vec b = at(row(slice, i + 1), j) * slope.value(begin + i + 1, j);
          g_fc1.now.put(begin + i, j, a, b);
          sum_a += a, sum_b += b;
        }
        add_to_pair(sums.fc1_bias, begin + i, sum_a, sum_b);
      }
    }
    Precision::product(w.fc1.transposed, g_fc1.now.right(), C, s.hidden, middle_gradient);
    if (s.cosine) return add(middle_gradient, out_gradient);
    norm_backward(middle_gradient, second, deviation2, C, p.norm2, sums.norm2, sums.norm2_bias,
                  [&](int r, int j, vec a, vec b) {
                    at(row(middle_gradient, r), j) = a + at(row(out_gradient, r), j);
                    at(row(middle_gradient, r + 1), j) = b + at(row(out_gradient, r + 1), j);
                  });
  }
  void add(float* to, const float* from) {
    for (int i = 0; i < C * VECTORS; i++) at(to, i) += at(from, i);
  }
  template <class Put> void each_pair(const float* rows, Put put) {
    for (int r = 0; r < C; r += 2)
      for (int j = 0; j < VECTORS; j++) put(r, j, at(row(rows, r), j), at(row(rows, r + 1), j));
  }

  // middle_gradient -> x_gradient
  void attention_backward(Gradients& sums) {
    auto put = [&](int r, int j, vec a, vec b) {
      g_proj.now.put(r, j, a, b);
      add_to_pair(sums.proj_bias, r, a, b);
    };
    if (s.cosine)
      norm_backward(middle_gradient, first, deviation1, C, p.norm1, sums.norm1, sums.norm1_bias,
                    put);
    else each_pair(middle_gradient, put);
    Precision::product(w.proj.transposed, g_proj.now.right(), C, C, mixed_gradient);
    for (int h = 0; h < s.heads; h++) head_backward(h, sums);
    Precision::product(w.qkv.transposed, g_qkv.now.right(), C, 3 * C, x_gradient);
    if (s.cosine) return add(x_gradient, middle_gradient);
    norm_backward(x_gradient, first, deviation1, C, p.norm1, sums.norm1, sums.norm1_bias,
                  [&](int r, int j, vec a, vec b) {
                    at(row(x_gradient, r), j) = a + at(row(middle_gradient, r), j);
                    at(row(x_gradient, r + 1), j) = b + at(row(middle_gradient, r + 1), j);
                  });
  }

  // mixed_gradient of a head -> g_qkv of its query, key and value
  void head_backward(int h, Gradients& sums) {
    const Rows& weights = exponents[h];
    const float* g = row(mixed_gradient, h * d);
    // The softmax's division by the sum is moved to the gradient of the result. Delta: its product
    // with the result, which is the sum in the gradient of a softmax (FlashAttention-2, arXiv
    // 2307.08691, algorithm 2).
    vec delta[VECTORS] = {};
    for (int i = 0; i < d; i += 2)
      for (int j = 0; j < VECTORS; j++) {
        const vec share = at(inverse_sums + h * TOKENS, j);
        const vec a = at(row(g, i), j) * share, b = at(row(g, i + 1), j) * share;
        delta[j] += a * mixed.now.value(h * d + i, j) + b * mixed.now.value(h * d + i + 1, j);
        g_head.put(i, j, a, b);
      }
    const int wide = round_up(d, 16);
    const auto g_tokens = Precision::tokens(g_head, 1, token_words);
    Precision::across(weights.left(), g_tokens, TOKENS, d, 1, head_transposed, wide, false);
    transpose(head_transposed, wide, TOKENS, d, head, TOKENS);
    scale_backward(h, 2, value[h], sums);

    const auto v_transposed = Precision::transposed(value[h], transposed_words);
    Precision::product(v_transposed, g_head.right(), TOKENS, d, logits);
    float* position = sums.position + (long)h * TOKENS * TOKENS;
    for (int token = 0; token < TOKENS; token += 2)
      for (int j = 0; j < VECTORS; j++) {
        const vec a = weights.value(token, j) * (at(row(logits, token), j) - delta[j]);
        const vec b = weights.value(token + 1, j) * (at(row(logits, token + 1), j) - delta[j]);
        g_logits.put(token, j, a, b);
        at(row(position, token), j) += a, at(row(position, token + 1), j) += b;
      }
    const auto q_tokens = Precision::tokens(query[h], 1, token_words);
    Precision::across(g_logits.left(), q_tokens, TOKENS, d, 1, head_transposed, wide, false);
    Precision::product(key[h].left(), g_logits.right(), d, TOKENS, head);
    scale_backward(h, 0, query[h], sums);
    transpose(head_transposed, wide, TOKENS, d, head, TOKENS);
    scale_backward(h, 1, key[h], sums);
  }

  // Gradient (in head) of a query (part 0) or key (1) of the wanted length, or of a value (2) ->
  // of the one before.
  void scale_backward(int h, int part, const Rows& rows, Gradients& sums) {
    const float wanted = part ? 1.0f : w.wanted[h];
    vec along[VECTORS] = {}, share[VECTORS] = {}, factor[VECTORS];
    for (int j = 0; j < VECTORS; j++) factor[j] = broadcast(wanted);
    if (s.cosine && part < 2) {
      for (int i = 0; i < d; i++)
        for (int j = 0; j < VECTORS; j++) along[j] += rows.value(i, j) * at(row(head, i), j);
      // Vectors shorter than the shortest were not made longer in proportion to their length.
      const vec limit = broadcast(wanted / std::sqrt(SHORTEST) * 0.999999f);
      for (int j = 0; j < VECTORS; j++) {
        factor[j] = at(lengths + (2 * h + part) * TOKENS, j);
        share[j] = factor[j] >= limit ? vec{} : along[j] * (1.0f / (wanted * wanted));
        if (!part) at(sums.temperature + h * LANES, 0) += along[j] * (1.0f / wanted);
      }
    }
    const int begin = (3 * h + part) * d;
    for (int i = 0; i < d; i += 2) {
      vec sum_a = {}, sum_b = {};
      for (int j = 0; j < VECTORS; j++) {
        const vec a = factor[j] * (at(row(head, i), j) - rows.value(i, j) * share[j]);
        const vec b = factor[j] * (at(row(head, i + 1), j) - rows.value(i + 1, j) * share[j]);
        g_qkv.now.put(begin + i, j, a, b);
        sum_a += a, sum_b += b;
      }
      add_to_pair(sums.qkv_bias, begin + i, sum_a, sum_b);
    }
  }

  // The first windows of the group -> sums
  void weight_gradients(int windows, Gradients& sums) {
    const int wide = round_up(C, 16);
    auto add = [&](const Group& left, const Group& right, int M, float* to) {
      const auto tokens = Precision::tokens(right.all, windows, token_words);
      Precision::across(left.all.left(), tokens, M, C, windows, to, wide, true);
    };
    add(g_qkv, qkv_input, 3 * C, sums.qkv);
    add(g_proj, mixed, C, sums.proj);
    add(g_fc1, mlp_input, s.hidden, sums.fc1);
    add(hidden, g_fc2, s.hidden, sums.fc2);
  }
};
