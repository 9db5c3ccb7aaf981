// Memory of one call: one block for all its arrays, taken from those that earlier calls gave back.
#pragma once
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <new>

static inline int round_up(int n, int unit) { return (n + unit - 1) / unit * unit; }

// Free blocks by size. Fresh memory costs a page fault every 4096 bytes, which would take longer
// than some of the work done in it.
class MemoryPool {
public:
  static char* take(long bytes) {
    {
      std::lock_guard<std::mutex> lock(mutex());
      auto found = blocks().find(bytes);
      if (found != blocks().end()) {
        char* block = found->second;
        blocks().erase(found);
        return block;
      }
    }
    return static_cast<char*>(::operator new(bytes, std::align_val_t(4096)));
  }
  static void give_back(char* block, long bytes) {
    std::lock_guard<std::mutex> lock(mutex());
    if (blocks().size() < MOST) blocks().emplace(bytes, block);
    else ::operator delete(block, std::align_val_t(4096));
  }

private:
  static constexpr size_t MOST = 64; // a few for every thread and every kind of call
  static std::mutex& mutex() {
    static auto* one = new std::mutex; // never destroyed: threads may outlive main()
    return *one;
  }
  static std::multimap<long, char*>& blocks() {
    static auto* free = new std::multimap<long, char*>;
    return *free;
  }
};

// Arrays in one block, each beginning at a cache line. The layout is walked through twice: without
// memory, to measure it, and after allocate() with it.
class Arena {
public:
  template <class Word> Word* take(long count) {
    char* place = memory ? memory + used : nullptr;
    // One line more than whole pages: equal rows of different arrays do not fight for one place in
    // the cache, and the processor does not mistake one for the other.
    used += (count * (long)sizeof(Word) + 4095) / 4096 * 4096 + 64;
    return reinterpret_cast<Word*>(place);
  }
  template <class Word> Word* take_zeros(long count) {
    Word* array = take<Word>(count);
    zero(array, count * sizeof(Word));
    return array;
  }
  void zero(void* array, long bytes) const {
    if (memory) std::memset(array, 0, bytes);
  }
  void allocate() {
    size = used;
    memory = MemoryPool::take(size);
    used = 0;
  }
  ~Arena() {
    if (memory) MemoryPool::give_back(memory, size);
  }
  Arena() = default;
  Arena(const Arena&) = delete;

private:
  char* memory = nullptr;
  long used = 0, size = 0;
};
