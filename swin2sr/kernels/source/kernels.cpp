// C interface of the kernels, for ctypes: without headers of PyTorch or of Python.
#include <algorithm>
#include <new>

#include "convolution.h"
#include "position.h"
#include "thread_pool.h"
#include "window_block.h"

#if defined(__linux__)
#include <sys/syscall.h>
#endif

enum Status { OK, UNSUPPORTED, NO_MEMORY, NO_THREAD };

// Each thread takes as many windows, or tiles of a map, that follow each other: the same ones in
// every call, so that sums over them come out the same.
template <class Precision, class Work> static void share(long count, int threads, Work work) {
  ThreadPool::instance().run(threads, [&](int thread) {
    [[maybe_unused]] const typename Precision::Registers registers;
    work(thread, (int)(count * thread / threads), (int)(count * (thread + 1) / threads));
  });
}

template <class Precision>
static void block_forward(const BlockShape& s, const BlockArrays& arrays, const float* x, float* y,
                          int threads) {
  const Constants<Precision> constants(s, arrays, false);
  share<Precision>(windows_of(s), threads, [&](int, int begin, int end) {
    WindowBlock<Precision, false>(s, constants).forward(begin, end, x, y);
  });
}

template <class Precision>
static void block_backward(const BlockShape& s, const BlockArrays& arrays, const float* x,
                           const float* gradient, float* x_gradient, const BlockArrays& gradients,
                           int threads) {
  const Constants<Precision> constants(s, arrays, true);
  GradientSum sum(s, threads);
  share<Precision>(windows_of(s), threads, [&](int thread, int begin, int end) {
    sum[thread] = std::make_unique<Gradients>(s);
    WindowBlock<Precision, true> block(s, constants);
    block.backward(begin, end, x, gradient, x_gradient, *sum[thread]);
  });
  sum.write(arrays, constants.wanted, gradients);
}

#if defined(__AMX_BF16__) && defined(__AVX512BF16__)
static void convolution_forward(const ConvolutionShape& s, const ConvolutionArrays& arrays,
                                const float* x, const float* added, float* y, int threads) {
  const ConvolutionWeights weights(s, arrays.weight, false);
  share<BFloat16>(MapTile::count(s), threads, [&](int, int begin, int end) {
    Convolution(s, false).forward(begin, end, weights, arrays.bias, x, added, y);
  });
}

static void convolution_backward(const ConvolutionShape& s, const ConvolutionArrays& arrays,
                                 const float* x, const float* gradient, float* x_gradient,
                                 const ConvolutionArrays& gradients, int threads) {
  const ConvolutionWeights weights(s, arrays.weight, true);
  std::vector<std::unique_ptr<ConvolutionGradients>> parts(threads);
  share<BFloat16>(MapTile::count(s), threads, [&](int thread, int begin, int end) {
    parts[thread] = std::make_unique<ConvolutionGradients>(s);
    Convolution(s, true).backward(begin, end, weights, x, gradient, x_gradient, *parts[thread]);
  });
  write_gradients(s, parts, gradients);
}
#endif

// Nothing may be thrown through a C interface.
template <class Call> static int status_of(Call call) {
  try {
    call();
    return OK;
  } catch (const std::bad_alloc&) {
    return NO_MEMORY;
  } catch (...) {
    return NO_THREAD;
  }
}


// 1 where bfloat16 products are compiled in and the system lets this process use the tiles.
extern "C" int swin_has_bfloat16() {
#if defined(__AMX_BF16__) && defined(__AVX512BF16__) && defined(__linux__)
  constexpr int REQUEST = 0x1023, TILE_DATA = 18; // arch_prctl(2), ARCH_REQ_XCOMP_PERM
  static const bool granted = syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
  return granted;
#else
  return 0;
#endif
}

// y = block(x), with products in bfloat16 or in float32. Maps as BlockShape says; x and y are not
// the same. threads: at most. Returns a Status.
extern "C" int swin_block_forward(const BlockShape* shape, const BlockArrays* arrays,
                                  const float* x, float* y, int bfloat16, int threads) {
  threads = std::min(threads, windows_of(*shape));
  if (!bfloat16)
    return status_of([&] { block_forward<Float32>(*shape, *arrays, x, y, threads); });
#if defined(__AMX_BF16__) && defined(__AVX512BF16__)
  if (swin_has_bfloat16())
    return status_of([&] { block_forward<BFloat16>(*shape, *arrays, x, y, threads); });
#endif
  return UNSUPPORTED;
}

// Gradients of x and of every parameter, from x and the gradient of block(x). Returns a Status.
extern "C" int swin_block_backward(const BlockShape* shape, const BlockArrays* arrays,
                                   const float* x, const float* gradient, float* x_gradient,
                                   const BlockArrays* gradients, int bfloat16, int threads) {
  threads = std::min(threads, windows_of(*shape));
  if (!bfloat16)
    return status_of([&] {
      block_backward<Float32>(*shape, *arrays, x, gradient, x_gradient, *gradients, threads);
    });
#if defined(__AMX_BF16__) && defined(__AVX512BF16__)
  if (swin_has_bfloat16())
    return status_of([&] {
      block_backward<BFloat16>(*shape, *arrays, x, gradient, x_gradient, *gradients, threads);
    });
#endif
  return UNSUPPORTED;
}

// result (heads, offsets): what is added to the products of tokens so far apart. Returns a Status.
extern "C" int swin_position_forward(const PositionShape* shape, const PositionArrays* arrays,
                                     const float* coordinates, float* result) {
  return status_of([&] { PositionBias(*shape, *arrays, coordinates).forward(result); });
}

// Gradients of the parameters, from the result and its gradient. Returns a Status.
extern "C" int swin_position_backward(const PositionShape* shape, const PositionArrays* arrays,
                                      const float* coordinates, const float* result,
                                      const float* gradient, const PositionArrays* gradients) {
  return status_of([&] {
    PositionBias(*shape, *arrays, coordinates).backward(result, gradient, *gradients);
  });
}

// y = convolution(x) + bias + added, with products in bfloat16; added: null, or a map like y.
// Returns a Status.
extern "C" int swin_convolution_forward(const ConvolutionShape* shape,
                                        const ConvolutionArrays* arrays, const float* x,
                                        const float* added, float* y, int threads) {
#if defined(__AMX_BF16__) && defined(__AVX512BF16__)
  threads = std::min(threads, MapTile::count(*shape));
  if (swin_has_bfloat16())
    return status_of([&] { convolution_forward(*shape, *arrays, x, added, y, threads); });
#else
  (void)shape, (void)arrays, (void)x, (void)added, (void)y, (void)threads;
#endif
  return UNSUPPORTED;
}

// Gradients of x, unless it is null, and of the parameters. Returns a Status.
extern "C" int swin_convolution_backward(const ConvolutionShape* shape,
                                         const ConvolutionArrays* arrays, const float* x,
                                         const float* gradient, float* x_gradient,
                                         const ConvolutionArrays* gradients, int threads) {
#if defined(__AMX_BF16__) && defined(__AVX512BF16__)
  threads = std::min(threads, MapTile::count(*shape));
  if (swin_has_bfloat16())
    return status_of([&] {
      convolution_backward(*shape, *arrays, x, gradient, x_gradient, *gradients, threads);
    });
#else
  (void)shape, (void)arrays, (void)x, (void)gradient, (void)x_gradient, (void)gradients;
  (void)threads;
#endif
  return UNSUPPORTED;
}
