// Thread pool whose threads sleep until there is work: they never spin beside PyTorch's own.
#pragma once
#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <unistd.h>

class ThreadPool {
public:
  // Call work(0), ..., work(count - 1), each by a thread of its own, and wait for all of them.
  // The caller is one of them. One caller at a time; others wait. What work throws is thrown here.
  void run(int count, const std::function<void(int)>& work) {
    if (count <= 1) return work(0);
    std::lock_guard<std::mutex> one_caller(callers);
    {
      std::lock_guard<std::mutex> lock(mutex);
      for (; threads < count - 1; threads++) {
        const int index = threads + 1;
        const long seen = turn; // its first task is the one that begins now
        std::thread([this, index, seen] { serve(index, seen); }).detach(); // ends with the process
      }
      task = &work, workers = count, running = count - 1, failure = nullptr, turn++;
    }
    awake.notify_all();
    attempt(work, 0);
    std::unique_lock<std::mutex> lock(mutex);
    done.wait(lock, [this] { return running == 0; });
    if (failure) std::rethrow_exception(failure);
  }

  // The pool of this process. A child of fork() has none of its parent's threads: it gets a pool of
  // its own. Never destroyed, since its threads may outlive main().
  static ThreadPool& instance() {
    static std::atomic<ThreadPool*> current{nullptr};
    ThreadPool* pool = current.load();
    if (!pool || pool->owner != getpid()) {
      auto* fresh = new ThreadPool;
      if (current.compare_exchange_strong(pool, fresh)) return *fresh;
      delete fresh; // another thread was faster
    }
    return *pool;
  }

private:
  void serve(int index, long seen) {
    std::unique_lock<std::mutex> lock(mutex);
    for (;;) {
      awake.wait(lock, [&] { return turn != seen; });
      seen = turn;
      if (index >= workers) continue;
      const auto* mine = task;
      lock.unlock();
      attempt(*mine, index);
      lock.lock();
      if (--running == 0) done.notify_one();
    }
  }
  void attempt(const std::function<void(int)>& work, int index) {
    try {
      work(index);
    } catch (...) {
      std::lock_guard<std::mutex> lock(mutex);
      failure = std::current_exception();
    }
  }

  const pid_t owner = getpid();
  std::mutex callers, mutex;
  std::condition_variable awake, done;
  const std::function<void(int)>* task = nullptr;
  std::exception_ptr failure;
  int threads = 0, workers = 0, running = 0;
  long turn = 0;
};
