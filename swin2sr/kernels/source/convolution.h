// Convolution (3x3, one pixel of zeros around the map) with products in bfloat16, forward and
// backward, tile by tile of the map, in the processor's tile registers.
//
// A tile of pixels lies in memory with a border of one pixel, row after row. Shifting it by a tap
// of the kernel is then one offset for all its pixels, so that a convolution is nine products that
// are summed up: (pixels, inputs) times (inputs, outputs). What the border's columns give is not
// used.
#pragma once
#include <memory>
#include <vector>

#include "products.h"

extern "C" {
// Maps are (batch, height, width, channels) float32.
struct ConvolutionShape {
  int32_t batch, height, width, inputs, outputs;
};
// Parameters, or where their gradients go: (outputs, inputs, 3, 3), (outputs).
struct ConvolutionArrays {
  float *weight, *bias;
};
}

#if defined(__AMX_BF16__) && defined(__AVX512BF16__)

constexpr int TAPS = 9;
constexpr int TILE_ROWS = 16, TILE_COLUMNS = 64; // of a map: its bfloat16 copy fits the second cache

// Tile of a map: the pixels that it computes.
struct MapTile {
  int image, top, left, rows, columns, row_length; // row_length: with the border, even
  MapTile(const ConvolutionShape& s, int index) {
    const int across = (s.width + TILE_COLUMNS - 1) / TILE_COLUMNS;
    const int down = (s.height + TILE_ROWS - 1) / TILE_ROWS;
    image = index / (across * down);
    top = index / across % down * TILE_ROWS, left = index % across * TILE_COLUMNS;
    rows = s.height - top < TILE_ROWS ? s.height - top : TILE_ROWS;
    columns = s.width - left < TILE_COLUMNS ? s.width - left : TILE_COLUMNS;
    row_length = round_up(columns + 2, 2);
  }
  static int count(const ConvolutionShape& s) {
    return s.batch * ((s.width + TILE_COLUMNS - 1) / TILE_COLUMNS) *
           ((s.height + TILE_ROWS - 1) / TILE_ROWS);
  }
  int pixels() const { return (rows + 2) * row_length; } // with the border
  // How far a tap (0 to 8) is from a pixel.
  int offset(int tap) const { return (tap / 3 - 1) * row_length + tap % 3 - 1; }
};
constexpr int MOST_PIXELS = (TILE_ROWS + 2) * (TILE_COLUMNS + 2);
constexpr int SLACK = TILE_COLUMNS + 34; // pixels before and behind a tile that may be read

static inline __mmask16 lanes_left(int count) { return count >= 16 ? 0xffff : (1 << count) - 1; }

// One row of bfloat16 numbers under the other -> words of two that stand below each other.
static inline void interleave(const uint16_t* upper, const uint16_t* lower, uint32_t* to) {
  const __m512i order =
      _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                       21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  const __m256i a = _mm256_loadu_si256((const __m256i*)upper);
  const __m256i b = _mm256_loadu_si256((const __m256i*)lower);
  const __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1);
  _mm512_storeu_si512(to, _mm512_permutexvar_epi16(order, both));
}

// Weights as right operands: for each tap, pairs of channels that enter, by channels that leave.
class ConvolutionWeights {
public:
  int in, out; // channels, rounded up to whole tiles
  // backward: of the convolution that carries the gradient of the output to the input.
  ConvolutionWeights(const ConvolutionShape& s, const float* weight, bool backward)
      : in(round_up(backward ? s.outputs : s.inputs, 32)),
        out(round_up(backward ? s.inputs : s.outputs, 16)) {
    lay_out(s);
    arena.allocate();
    lay_out(s);
    const int rows = backward ? s.outputs : s.inputs, columns = backward ? s.inputs : s.outputs;
    if (backward) { // (outputs, inputs, taps) -> (outputs, taps, inputs)
      for (int o = 0; o < s.outputs; o++)
        transpose(weight + (long)o * s.inputs * TAPS, (long)TAPS, s.inputs, TAPS,
                  turned + (long)o * TAPS * s.inputs, (long)s.inputs);
    } else { // -> (inputs, taps, outputs)
      transpose(weight, (long)s.inputs * TAPS, s.outputs, s.inputs * TAPS, turned,
                (long)s.outputs);
    }
    for (int tap = 0; tap < TAPS; tap++)
      for (int row = 0; row < in; row += 2) {
        for (int i = 0; i < 2; i++)
          if (row + i < rows)
            BFloat16::round_rows(turned + ((long)(row + i) * TAPS + tap) * columns, 0, 1, columns,
                                 out, halves + i * out, 0);
          else std::memset(halves + i * out, 0, 2 * out);
        uint32_t* to = words + ((long)(backward ? TAPS - 1 - tap : tap) * in + row) / 2 * out;
        for (int c = 0; c < out; c += 16) interleave(halves + c, halves + out + c, to + c);
      }
  }
  const uint32_t* tap(int index) const { return words + (long)index * in / 2 * out; }

private:
  Arena arena;
  uint32_t* words;
  float* turned;
  uint16_t* halves;
  void lay_out(const ConvolutionShape& s) {
    words = arena.take<uint32_t>((long)TAPS * in / 2 * out);
    turned = arena.take<float>((long)TAPS * s.inputs * s.outputs);
    halves = arena.take<uint16_t>(2 * out);
  }
};

// What one thread sums: (taps, outputs, inputs), and of each output channel.
struct ConvolutionGradients {
  float *weight, *bias;
  int wide; // inputs, rounded up
  explicit ConvolutionGradients(const ConvolutionShape& s) : wide(round_up(s.inputs, 16)) {
    lay_out(s);
    arena.allocate();
    lay_out(s);
  }
  float* tap(const ConvolutionShape& s, int index) const {
    return weight + (long)index * round_up(s.outputs, 32) * wide;
  }

private:
  Arena arena;
  void lay_out(const ConvolutionShape& s) {
    weight = arena.take_zeros<float>((long)TAPS * round_up(s.outputs, 32) * wide);
    bias = arena.take_zeros<float>(round_up(s.outputs, 16));
  }
};

// Convolution of one thread.
class Convolution {
public:
  explicit Convolution(const ConvolutionShape& shape, bool trains) : s(shape) {
    lay_out(trains);
    arena.allocate();
    lay_out(trains);
  }

  // Tiles begin to end - 1: y = convolution(x) + bias + added; added may be null, or y.
  void forward(int begin, int end, const ConvolutionWeights& weights, const float* bias,
               const float* x, const float* added, float* y) {
    for (int i = begin; i < end; i++) {
      const MapTile tile(s, i);
      read(tile, x, s.inputs, input);
      multiply(tile, input, weights, bias, added, s.outputs, y);
    }
  }

  // The same tiles: gradient of y -> x_gradient, unless null, and sums.
  void backward(int begin, int end, const ConvolutionWeights& weights, const float* x,
                const float* gradient, float* x_gradient, const ConvolutionGradients& sums) {
    for (int i = begin; i < end; i++) {
      const MapTile tile(s, i);
      read(tile, gradient, s.outputs, g_output);
      if (x_gradient)
        multiply(tile, g_output, weights, nullptr, nullptr, s.inputs, x_gradient);
      read(tile, x, s.inputs, input);
      sum_bias(tile, gradient, sums.bias);
      sum_weight(tile, sums);
    }
  }

private:
  const ConvolutionShape& s;
  Arena arena;
  uint16_t *input, *g_output;   // (pixels, channels) of a tile
  uint32_t *input_pairs, *pairs; // pairs of pixels, by channels
  uint16_t *g_channels;          // (channels, pixels)
  float* sums32;                 // of 32 pixels
  static constexpr int PITCH = (MOST_PIXELS + 2 * SLACK + 63) / 64 * 64 + 32; // of g_channels' rows

  void lay_out(bool trains) {
    const int in = round_up(s.inputs, 32), out = round_up(s.outputs, 32);
    const int most = in > out ? in : out, pixels = round_up(MOST_PIXELS + 2 * SLACK, 32);
    input = arena.take_zeros<uint16_t>((long)pixels * in);
    sums32 = arena.take<float>(32L * most);
    if (!trains) return;
    g_output = arena.take_zeros<uint16_t>((long)pixels * out);
    input_pairs = arena.take_zeros<uint32_t>((long)pixels / 2 * in);
    pairs = arena.take_zeros<uint32_t>((long)pixels / 2 * out);
    g_channels = arena.take_zeros<uint16_t>((long)PITCH * out);
  }

  // map -> the tile's pixels with their border; zeros outside the map.
  void read(const MapTile& tile, const float* map, int channels, uint16_t* to) const {
    const int wide = round_up(channels, 32);
    for (int row = -1; row <= tile.rows; row++)
      for (int column = -1; column < tile.row_length - 1; column++) {
        const int y = tile.top + row, x = tile.left + column;
        uint16_t* pixel = to + ((long)(row + 1) * tile.row_length + column + 1) * wide;
        if (y < 0 || y >= s.height || x < 0 || x >= s.width) std::memset(pixel, 0, 2 * wide);
        else
          BFloat16::round_rows(map + (((long)tile.image * s.height + y) * s.width + x) * channels,
                               0, 1, channels, wide, pixel, 0);
      }
  }

  void multiply(const MapTile& tile, const uint16_t* pixels, const ConvolutionWeights& weights,
                const float* bias, const float* added, int channels, float* map) const {
    const int last = tile.rows * tile.row_length;
    for (int first = 0; first < last; first += 32) {
      for (int c = 0; c < weights.out; c += 32)
        if (weights.out - c > 16) taps<2>(tile, pixels, weights, first, c);
        else taps<1>(tile, pixels, weights, first, c);
      for (int i = 0; i < 32 && first + i < last; i++) {
        const int row = (first + i) / tile.row_length, column = (first + i) % tile.row_length;
        if (column >= tile.columns) continue;
        const long at = (((long)tile.image * s.height + tile.top + row) * s.width + tile.left +
                         column) * channels;
        write(sums32 + i * weights.out, bias, added ? added + at : nullptr, channels, map + at);
      }
    }
  }
  template <int WIDE>
  void taps(const MapTile& tile, const uint16_t* pixels, const ConvolutionWeights& weights,
            int first, int channel) const {
    BFloat16::zero_sums();
    // Of the 32 pixels, the last ones may lie behind the tile: nobody reads their sums.
    for (int tap = 0; tap < TAPS; tap++) {
      const long pixel = first + tap / 3 * tile.row_length + tap % 3;
      BFloat16::add_products<2, WIDE>(pixels + pixel * weights.in, weights.in * 2,
                                      weights.tap(tap) + channel, weights.out * 4,
                                      weights.in / 32);
    }
    BFloat16::store_sums<2, WIDE>(sums32 + channel, weights.out);
  }
  static void write(const float* sums, const float* bias, const float* added, int channels,
                    float* to) {
    for (int c = 0; c < channels; c += 16) {
      const __mmask16 present = lanes_left(channels - c);
      __m512 value = _mm512_loadu_ps(sums + c);
      if (bias) value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(present, bias + c));
      if (added) value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(present, added + c));
      _mm512_mask_storeu_ps(to + c, present, value);
    }
  }

  void sum_bias(const MapTile& tile, const float* gradient, float* sums) const {
    for (int row = 0; row < tile.rows; row++) {
      const long first = ((long)tile.image * s.height + tile.top + row) * s.width + tile.left;
      const float* pixel = gradient + first * s.outputs;
      for (int column = 0; column < tile.columns; column++, pixel += s.outputs)
        for (int c = 0; c < s.outputs; c += 16) {
          const __m512 g = _mm512_maskz_loadu_ps(lanes_left(s.outputs - c), pixel + c);
          _mm512_storeu_ps(sums + c, _mm512_add_ps(_mm512_loadu_ps(sums + c), g));
        }
    }
  }

  // Every pixel that is read, times the gradients of the pixels that read it.
  void sum_weight(const MapTile& tile, const ConvolutionGradients& sums) const {
    const int in = round_up(s.inputs, 32), out = round_up(s.outputs, 32);
    const int high = round_up(s.outputs, 16), count = round_up(tile.pixels(), 32);
    clear_border(tile, out);
    pair_up(tile, input, in, input_pairs, count);
    pair_up(tile, g_output, out, pairs, count);
    uint16_t* first = g_channels + SLACK;
    transpose(pairs, (long)out, count / 2, high, reinterpret_cast<uint32_t*>(first), PITCH / 2L);
    for (int o = 0; o < high; o++) std::memset(first + (long)o * PITCH + count, 0, 2 * SLACK);
    for (int tap = 0; tap < TAPS; tap++) {
      const BFloat16::Left left{first - tile.offset(tap), PITCH * 2};
      BFloat16::multiply(left, input_pairs, in * 4, high, sums.wide, count / 32,
                         sums.tap(s, tap), sums.wide, true);
    }
  }
  // The gradients of the border belong to other tiles.
  void clear_border(const MapTile& tile, int wide) const {
    for (int row = 0; row < tile.rows + 2; row++)
      for (int column = 0; column < tile.row_length; column++)
        if (row == 0 || row > tile.rows || column == 0 || column > tile.columns)
          std::memset(g_output + ((long)row * tile.row_length + column) * wide, 0, 2 * wide);
  }
  static void pair_up(const MapTile& tile, const uint16_t* pixels, int wide, uint32_t* to,
                      int count) {
    for (int pixel = 0; pixel < tile.pixels(); pixel += 2)
      for (int c = 0; c < wide; c += 16)
        interleave(pixels + (long)pixel * wide + c, pixels + (pixel + 1L) * wide + c,
                   to + (long)pixel / 2 * wide + c);
    std::memset(to + (long)tile.pixels() / 2 * wide, 0, 2L * (count - tile.pixels()) * wide);
  }
};

// Sums of all threads -> gradients of the parameters, in the threads' order.
static inline void write_gradients(const ConvolutionShape& s,
                                   const std::vector<std::unique_ptr<ConvolutionGradients>>& parts,
                                   const ConvolutionArrays& to) {
  std::vector<float> rows((long)TAPS * s.inputs);
  for (int o = 0; o < s.outputs; o++) {
    to.bias[o] = 0;
    for (const auto& part : parts) to.bias[o] += part->bias[o];
    for (int tap = 0; tap < TAPS; tap++)
      for (size_t i = 0; i < parts.size(); i++) {
        const float* from = parts[i]->tap(s, tap) + (long)o * parts[i]->wide;
        float* sums = &rows[(long)tap * s.inputs];
        for (int c = 0; c < s.inputs; c++) sums[c] = i ? sums[c] + from[c] : from[c];
      }
    transpose(rows.data(), (long)s.inputs, TAPS, s.inputs, to.weight + (long)o * s.inputs * TAPS,
              (long)TAPS);
  }
}
#endif
