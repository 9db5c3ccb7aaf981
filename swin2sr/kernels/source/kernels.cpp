// C interface of the kernels, for ctypes: without headers of PyTorch or of Python.
#include <new>

#include "thread_pool.h"
#include "window_block.h"

#if defined(__linux__)
#include <sys/syscall.h>
#endif

enum Status { OK, UNSUPPORTED, NO_MEMORY, NO_THREAD };

// Each thread takes as many windows that follow each other: the same ones in every call, so that
// sums over windows come out the same.
template <class Precision, class Work>
static void for_each_window(const BlockShape& s, int threads, Work work) {
  const long count = windows_of(s);
  ThreadPool::instance().run(threads, [&](int thread) {
    [[maybe_unused]] const typename Precision::Registers registers;
    work(thread, (int)(count * thread / threads), (int)(count * (thread + 1) / threads));
  });
}

template <class Precision>
static void block_forward(const BlockShape& s, const BlockArrays& arrays, const float* x, float* y,
                          int threads) {
  const Constants<Precision> constants(s, arrays);
  for_each_window<Precision>(s, threads, [&](int, int begin, int end) {
    WindowBlock<Precision, false>(s, constants).forward(begin, end, x, y);
  });
}

template <class Precision>
static void block_backward(const BlockShape& s, const BlockArrays& arrays, const float* x,
                           const float* gradient, float* x_gradient, const BlockArrays& gradients,
                           int threads) {
  const Constants<Precision> constants(s, arrays);
  GradientSum sum(s, threads);
  for_each_window<Precision>(s, threads, [&](int thread, int begin, int end) {
    sum[thread] = std::make_unique<Gradients>(s);
    WindowBlock<Precision, true> block(s, constants);
    block.backward(begin, end, x, gradient, x_gradient, *sum[thread]);
  });
  sum.write(gradients);
}

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

static int threads_for(const BlockShape& s, int most) {
  return most < windows_of(s) ? most : windows_of(s);
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
  threads = threads_for(*shape, threads);
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
  threads = threads_for(*shape, threads);
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
