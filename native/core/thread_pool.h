#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace tensim {

// The process's own threads; libuv's few stay free for files. A *job* is a closure that one thread runs from start to
// end. Inside it, `parallel_for` opens a *region* of independent tasks: idle threads come to help, and the job's own
// thread works along, so a region always makes progress even when every other thread is busy.
//
//     submit(job) ──► thread A: job() ── parallel_for(8 tasks) ──────────── goes on
//                     thread B:            └─ takes tasks 1, 3, 5 … ─┘
//
// A thread that has run out of work looks out for more for some tens of microseconds before it sleeps: the regions of
// one computation follow each other more quickly than a sleeping thread wakes up.
//
// Threads are started when they are first needed. The destructor finishes running jobs, drops waiting ones, and joins
// all threads.
class ThreadPool {
 public:
  ThreadPool() = default;
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Runs `job` on a thread of the pool. It must not throw. Throws MEMORY_LIMIT, and does not run it, where there is no
  // thread at all.
  void submit(std::function<void()> job);

  // Calls task(0) … task(count − 1), each once, on up to `threads` threads including the caller, and returns when all
  // are done. The order is not fixed: tasks must not depend on each other. The first exception stops handing out tasks
  // and is rethrown here.
  void parallel_for(std::size_t count, unsigned threads, const std::function<void(std::size_t)>& task);

 private:
  struct Region;

  void grow(unsigned threads) noexcept;  // with mutex_ held; to fewer where the system has no more
  void loop();
  static void work(Region& region);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  std::deque<std::shared_ptr<Region>> regions_;
  std::vector<std::thread> threads_;
  unsigned idle_ = 0;
  std::atomic<std::uint64_t> arrivals_{0};  // of jobs and regions, for threads that look out
  bool stopping_ = false;
};

}  // namespace tensim
