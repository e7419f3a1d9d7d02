#include "gaussian/hafnian.h"

#include "check.h"
#include "core/aligned_buffer.h"

namespace tensim::test {
namespace {

// The sum over all ways to join legs, or leave them alone where there are loops, one by one.
double over_matchings(const std::vector<std::size_t>& legs, const std::vector<double>& edges, std::size_t size,
                      const double* loops) {
  if (legs.empty()) return 1;
  const std::size_t first = legs.front();
  std::vector<std::size_t> others(legs.begin() + 1, legs.end());
  double sum = loops == nullptr ? 0 : loops[first] * over_matchings(others, edges, size, loops);
  for (std::size_t i = 0; i < others.size(); ++i) {
    std::vector<std::size_t> rest = others;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(i));
    sum += edges[first * size + others[i]] * over_matchings(rest, edges, size, loops);
  }
  return sum;
}

}  // namespace

TEST(the_sieve_is_the_sum_over_matchings_on_every_instruction_set) {
  const std::vector<std::vector<std::size_t>> instances = {{},     {1},       {4},          {1, 1},   {1, 3},
                                                           {2, 2}, {1, 1, 2}, {1, 1, 1, 1}, {5},      {1, 2, 2},
                                                           {2, 3}, {1, 4},    {1, 1, 3},    {1, 1, 1}};
  on_every_kernel([&](const Context& context) {
    Random random(11);
    for (const std::vector<std::size_t>& repeats : instances) {
      const std::size_t size = 2 * repeats.size();
      std::vector<double> edges = random.vector<double>(size * size), loops = random.vector<double>(size);
      for (std::size_t i = 0; i < size; ++i) {
        for (std::size_t j = 0; j < i; ++j) edges[i * size + j] = edges[j * size + i];
      }
      std::vector<std::size_t> legs;
      for (std::size_t p = 0; p < repeats.size(); ++p) {
        for (std::size_t copy = 0; copy < repeats[p]; ++copy) {
          legs.push_back(2 * p);
          legs.push_back(2 * p + 1);
        }
      }
      const double* both[] = {nullptr, loops.data()};
      for (const double* given : both) {
        const double wanted = over_matchings(legs, edges, size, given);
        CHECK_CLOSE(loop_hafnian(context, {repeats, edges.data(), given}), wanted, 1e-12, 1 + std::abs(wanted));
      }
    }
  });
}

TEST(many_branches_are_shared_among_threads_without_changing_a_bit) {
  // Of the first pair only half of the branches are gone through, and the lanes of the last group are not all used.
  const std::vector<std::size_t> repeats = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2};
  const std::size_t size = 2 * repeats.size();
  const std::vector<double> ones(size * size, 1);
  for (InstructionSet set : available_instruction_sets()) {
    double first = 0;
    for (unsigned threads : {1u, 2u, 5u}) {
      ThreadPool pool;
      Control control;
      const double value = loop_hafnian({kernels_for(set), pool, threads, control}, {repeats, ones.data(), nullptr});
      if (threads == 1) first = value;
      CHECK(value == first);
      CHECK(control.done() == control.total());
    }
    CHECK_CLOSE(first, 6190283353629375.0 * 31, 1e-13, first);  // 31!!
  }
}

TEST(an_aborted_sieve_unwinds) {
  on_every_kernel([](const Context& context) {
    const std::vector<std::size_t> repeats(10, 1);
    const std::vector<double> ones(400, 1);
    context.control.abort();
    bool unwound = false;
    try {
      loop_hafnian(context, {repeats, ones.data(), nullptr});
    } catch (const Aborted&) {
      unwound = true;
    }
    CHECK(unwound);
  });
}

TEST(products_of_series_agree_with_plain_loops_on_every_instruction_set) {
  on_every_kernel([](const Context& context) {
    Random random(12);
    for (std::size_t length = 1; length <= 13; ++length) {
      const std::size_t size = length * kSeriesLanes;
      AlignedBuffer<double> series[4];
      for (AlignedBuffer<double>& one : series) {
        one = AlignedBuffer<double>(size);
        for (std::size_t i = 0; i < size; ++i) one[i] = random.number();
      }
      AlignedBuffer<double> out(size);
      for (bool second : {false, true}) {
        context.kernels.series_products(length, series[0].data(), series[1].data(), second ? series[2].data() : nullptr,
                                        second ? series[3].data() : nullptr, out.data());
        for (std::size_t i = 0; i < size; ++i) {
          double sum = 0;
          const std::size_t lane = i % kSeriesLanes, n = i / kSeriesLanes;
          for (std::size_t j = 0; j <= n; ++j) {
            const std::size_t a = j * kSeriesLanes + lane, b = (n - j) * kSeriesLanes + lane;
            sum += series[0][a] * series[1][b];
            if (second) sum += series[2][a] * series[3][b];
          }
          CHECK_CLOSE(out[i], sum, 1e-14, 1 + static_cast<double>(length));
        }
      }
    }
  });
}

}  // namespace tensim::test
