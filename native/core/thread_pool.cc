#include "thread_pool.h"

#include <algorithm>

#include "error.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace tensim {
namespace {

void pause() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
  __asm__ volatile("yield");
#endif
}

// Waits for a moment without sleeping, until done() holds.
template <class Done>
bool look_out(const Done& done) {
  constexpr int kLooks = 2000;  // about 30 to 60 µs
  for (int i = 0; i < kLooks; ++i) {
    if (done()) return true;
    pause();
  }
  return false;
}

}  // namespace

struct ThreadPool::Region {
  Region(std::size_t count, unsigned helpers, const std::function<void(std::size_t)>& task)
      : count(count), helpers_wanted(helpers), task(task) {}

  const std::size_t count;
  unsigned helpers_wanted;  // guarded by the pool's mutex
  const std::function<void(std::size_t)>& task;
  std::atomic<std::size_t> next{0};

  std::mutex mutex;
  std::condition_variable finished;
  std::atomic<unsigned> helpers_inside{0};  // changed with the mutex held
  std::exception_ptr error;                 // guarded by mutex
};

ThreadPool::~ThreadPool() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    jobs_.clear();
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::submit(std::function<void()> job) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    jobs_.push_back(std::move(job));
    arrivals_.fetch_add(1, std::memory_order_relaxed);
    const auto running = static_cast<unsigned>(threads_.size());
    if (idle_ < jobs_.size() && running < std::max(1u, std::thread::hardware_concurrency())) grow(running + 1);
    if (threads_.empty()) {
      jobs_.pop_back();
      throw Error("MEMORY_LIMIT", "the system has no thread to work on");
    }
  }
  wake_.notify_one();
}

void ThreadPool::parallel_for(std::size_t count, unsigned threads, const std::function<void(std::size_t)>& task) {
  if (count == 0) return;
  const auto helpers = static_cast<unsigned>(std::min<std::size_t>(std::max(threads, 1u) - 1, count - 1));
  auto region = std::make_shared<Region>(count, helpers, task);
  if (helpers > 0) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      regions_.push_back(region);
      arrivals_.fetch_add(1, std::memory_order_relaxed);
      grow(threads);
    }
    wake_.notify_all();
  }
  work(*region);
  if (helpers > 0) {
    {
      std::lock_guard<std::mutex> lock(mutex_);  // from here on nobody new can join
      regions_.erase(std::remove(regions_.begin(), regions_.end(), region), regions_.end());
    }
    look_out([&] { return region->helpers_inside.load(std::memory_order_relaxed) == 0; });
    std::unique_lock<std::mutex> lock(region->mutex);
    region->finished.wait(lock, [&] { return region->helpers_inside == 0; });
  }
  if (region->error) std::rethrow_exception(region->error);
}

// Takes tasks until none is left.
void ThreadPool::work(Region& region) {
  try {
    for (std::size_t i; (i = region.next.fetch_add(1, std::memory_order_relaxed)) < region.count;) region.task(i);
  } catch (...) {
    region.next.store(region.count, std::memory_order_relaxed);
    std::lock_guard<std::mutex> lock(region.mutex);
    if (!region.error) region.error = std::current_exception();
  }
}

// A pool of more threads than this helps nobody; a wild `threads` option must not exhaust the system.
constexpr std::size_t kMostThreads = 256;

void ThreadPool::grow(unsigned threads) noexcept {
  try {
    while (threads_.size() < std::min<std::size_t>(threads, kMostThreads)) threads_.emplace_back([this] { loop(); });
  } catch (const std::exception&) {
    // The system has no further thread, or no memory for one: those that there are do the work.
  }
}

void ThreadPool::loop() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    ++idle_;
    if (!stopping_ && jobs_.empty() && regions_.empty()) {
      const std::uint64_t seen = arrivals_.load(std::memory_order_relaxed);
      lock.unlock();
      look_out([&] { return arrivals_.load(std::memory_order_relaxed) != seen; });
      lock.lock();
    }
    wake_.wait(lock, [&] { return stopping_ || !jobs_.empty() || !regions_.empty(); });
    --idle_;
    if (!regions_.empty()) {  // finish what was begun before beginning anew
      std::shared_ptr<Region> region = regions_.front();
      {
        std::lock_guard<std::mutex> inside(region->mutex);
        ++region->helpers_inside;
      }
      if (--region->helpers_wanted == 0) regions_.pop_front();
      lock.unlock();
      work(*region);
      {
        std::lock_guard<std::mutex> inside(region->mutex);
        --region->helpers_inside;
      }
      region->finished.notify_one();
      lock.lock();
    } else if (!jobs_.empty()) {
      std::function<void()> job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
      job = nullptr;
      lock.lock();
    } else if (stopping_) {
      return;
    }
  }
}

}  // namespace tensim
