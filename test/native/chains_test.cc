#include "gaussian/chains.h"
#include "check.h"

namespace tensim::test {
namespace {

// Ten vectors with made-up moments: the identity holds for any symmetric numbers, so they need not be a true
// covariance.
struct Made {
  std::size_t sizes[2];
  std::vector<double> blocks[kVectors][kVectors], means[kVectors];

  Made(Random& random, std::size_t ours, std::size_t others, bool with_means, double zeros) : sizes{ours, others} {
    for (int x = 0; x < kVectors; ++x) {
      if (with_means && random.number() > 2 * zeros - 1) means[x] = random.vector<double>(size(x));
      for (int y = 0; y <= x; ++y) {
        if (random.number() < 2 * zeros - 1) continue;
        blocks[x][y] = random.vector<double>(size(x) * size(y));
        if (x == y) continue;
        blocks[y][x].resize(blocks[x][y].size());
        for (std::size_t i = 0; i < size(x); ++i) {
          for (std::size_t j = 0; j < size(y); ++j) blocks[y][x][j * size(x) + i] = blocks[x][y][i * size(y) + j];
        }
      }
    }
  }
  std::size_t size(int x) const { return sizes[theirs(x) ? 1 : 0]; }

  VectorSystem<double> system() const {
    VectorSystem<double> system;
    for (std::size_t x = 0; x < kVectors; ++x) {
      system.mean[x] = means[x].empty() ? nullptr : means[x].data();
      for (std::size_t y = 0; y < kVectors; ++y) {
        system.covariance[x][y] = blocks[x][y].empty() ? nullptr : blocks[x][y].data();
      }
    }
    return system;
  }

  struct Leg {
    int vector;
    std::size_t index;
  };
  // E of a product of elements: all ways to pair legs up or leave them to their means (Isserlis).
  double expectation(std::vector<Leg> legs) const {
    if (legs.empty()) return 1;
    const Leg first = legs.back();
    legs.pop_back();
    const std::vector<double>& mean = means[first.vector];
    double sum = mean.empty() ? 0 : mean[first.index] * expectation(legs);
    for (std::size_t k = 0; k < legs.size(); ++k) {
      const std::vector<double>& block = blocks[first.vector][legs[k].vector];
      if (block.empty()) continue;
      std::vector<Leg> rest = legs;
      rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(k));
      sum += block[first.index * size(legs[k].vector) + legs[k].index] * expectation(std::move(rest));
    }
    return sum;
  }
  std::vector<double> covariance() const {
    std::vector<double> result(sizes[0] * sizes[1]);
    const auto one = [&](int end, std::size_t at, int q, std::size_t i, std::size_t j) {
      return std::vector<Leg>{{end, at}, {q, i}, {q + 1, i}, {q + 2, j}, {q + 3, j}};
    };
    for (std::size_t at = 0; at < result.size(); ++at) {
      const std::size_t o = at / sizes[1], o2 = at % sizes[1];
      for (std::size_t ij = 0; ij < sizes[0] * sizes[0]; ++ij) {
        const std::vector<Leg> ours = one(kV, o, 0, ij / sizes[0], ij % sizes[0]);
        for (std::size_t kl = 0; kl < sizes[1] * sizes[1]; ++kl) {
          const std::vector<Leg> others = one(kW, o2, 4, kl / sizes[1], kl % sizes[1]);
          std::vector<Leg> all = ours;
          all.insert(all.end(), others.begin(), others.end());
          result[at] += expectation(all) - expectation(ours) * expectation(others);
        }
      }
    }
    return result;
  }
};

constexpr std::uint32_t kEverything = (1u << kVectors) - 1;

}  // namespace

TEST(the_chain_recursion_agrees_with_isserlis) {
  Random random(21);
  for (const double zeros : {0.0, 0.3, 0.7}) {
    for (const bool means : {false, true}) {
      const Made made(random, 1, 2, means, zeros);
      const std::vector<double> wanted = made.covariance();
      on_every_kernel([&](const Context& context) {
        Chains<double> engine(context.kernels.f64, 1, 2);
        engine.set(made.system(), kEverything);
        std::vector<double> found(3, 0.5);  // it adds to what is there
        engine.add_covariance(found.data(), 2);
        for (std::size_t i = 0; i < wanted.size(); ++i) CHECK_CLOSE(found[i] - 0.5, wanted[i], 1e-12, 100.0);
      });
    }
  }
}

TEST(blocks_kept_from_one_system_to_the_next_change_nothing) {
  Random random(22);
  on_every_kernel([&](const Context& context) {
    const Made first(random, 3, 3, true, 0.2);
    Made second = first;
    const Made other(random, 3, 3, true, 0.2);
    const std::uint32_t changed = 1u << 5 | 1u << 7 | 1u << kW;
    for (int x = 0; x < kVectors; ++x) {
      if ((changed >> x & 1) != 0) second.means[x] = other.means[x];
      for (int y = 0; y < kVectors; ++y) {
        if (((changed >> x | changed >> y) & 1) != 0) second.blocks[x][y] = other.blocks[x][y];
      }
    }
    std::vector<double> kept(9), fresh(9);
    Chains<double> engine(context.kernels.f64, 3, 3), anew(context.kernels.f64, 3, 3);
    engine.set(first.system(), kEverything);
    engine.add_covariance(kept.data(), 3);
    std::fill(kept.begin(), kept.end(), 0.0);
    engine.set(second.system(), changed);
    engine.add_covariance(kept.data(), 3);
    anew.set(second.system(), kEverything);
    anew.add_covariance(fresh.data(), 3);
    CHECK(kept == fresh);
  });
}

}  // namespace tensim::test
