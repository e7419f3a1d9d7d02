#include <atomic>
#include <chrono>
#include <memory>
#include <set>

#include "check.h"

namespace tensim::test {

TEST(every_task_of_a_region_runs_exactly_once) {
  ThreadPool pool;
  for (unsigned threads : {1u, 2u, 5u}) {
    for (std::size_t count : {0u, 1u, 2u, 1000u}) {
      std::vector<std::atomic<int>> runs(count);
      pool.parallel_for(count, threads, [&](std::size_t i) { ++runs[i]; });
      for (const auto& run : runs) CHECK(run == 1);
    }
  }
}

TEST(an_exception_of_a_task_reaches_the_caller_and_stops_the_region) {
  ThreadPool pool;
  std::atomic<int> runs{0};
  bool caught = false;
  try {
    pool.parallel_for(100000, 3, [&](std::size_t i) {
      ++runs;
      if (i == 10) throw Error("NOT_FINITE", "the tenth");
    });
  } catch (const Error& error) {
    caught = std::string(error.code()) == "NOT_FINITE";
  }
  CHECK(caught);
  CHECK(runs < 100000);
  std::atomic<int> after{0};  // and the pool is as good as new
  pool.parallel_for(10, 3, [&](std::size_t) { ++after; });
  CHECK(after == 10);
}

TEST(an_aborted_region_throws_aborted) {
  ThreadPool pool;
  Control control;
  const Context context{baseline_kernels(), pool, 2, control};
  bool caught = false;
  try {
    context.parallel_for(100000, [&](std::size_t i) {
      if (i == 100) control.abort();
    });
  } catch (const Aborted&) {
    caught = true;
  }
  CHECK(caught);
}

TEST(regions_may_be_opened_inside_regions_and_by_many_jobs_at_once) {
  std::atomic<int> tasks{0}, jobs{0};
  {
    ThreadPool pool;
    std::mutex mutex;
    std::condition_variable done;
    for (int job = 0; job < 20; ++job) {
      pool.submit([&] {
        pool.parallel_for(4, 3, [&](std::size_t) { pool.parallel_for(5, 2, [&](std::size_t) { ++tasks; }); });
        std::lock_guard<std::mutex> lock(mutex);
        if (++jobs == 20) done.notify_one();
      });
    }
    std::unique_lock<std::mutex> lock(mutex);
    done.wait(lock, [&] { return jobs == 20; });
  }
  CHECK(tasks == 20 * 4 * 5);
}

TEST(a_pool_that_goes_drops_waiting_jobs_and_finishes_running_ones) {
  std::atomic<bool> started{false}, finished{false};
  {
    ThreadPool pool;
    pool.submit([&] {
      started = true;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      finished = true;
    });
    while (!started) std::this_thread::yield();
  }
  CHECK(finished);
}

}  // namespace tensim::test
