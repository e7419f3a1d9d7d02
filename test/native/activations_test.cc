// The expectations of activations (native/gaussian/activations) against golden values, and against each other: a kernel
// is the sum of its Hermite series.
#include <cstring>
#include <fstream>

#include "check.h"
#include "gaussian/activations/coefficients.h"
#include "gaussian/activations/gated.h"
#include "gaussian/activations/kernel.h"

namespace tensim::test {
namespace {

constexpr int kKinds = 26;

struct GoldenKernel {
  Unit u, v;
  double rho, value;
};

// The list `kernels` of test/golden/activations.json; the tests run in the folder of the package.
std::vector<GoldenKernel> golden_kernels() {
  std::ifstream file("test/golden/activations.json");
  std::stringstream all;
  all << file.rdbuf();
  const std::string text = all.str();
  std::size_t at = text.find("\"kernels\": [");
  CHECK(at != std::string::npos);
  const std::size_t end = text.find(']', at);
  const auto field = [&](const char* name) {
    at = text.find(std::string("\"") + name + "\":", at);
    at += std::strlen(name) + 4;
    const std::size_t from = text[at] == '"' ? at + 1 : at;
    at = text.find_first_of("\",\n", from);
    return text.substr(from, at - from);
  };
  const auto activation = [&](const std::string& name) {
    const ActivationKind kind = *activation_named(name);
    return Activation{kind, kind == ActivationKind::kLeakyRelu ? 0.01 : 0};
  };
  const auto number = [&](const char* name) { return std::stod(field(name)); };
  std::vector<GoldenKernel> list;
  while (text.find("\"phi\"", at) < end) {
    GoldenKernel kernel{};
    kernel.u.activation = activation(field("phi"));
    kernel.v.activation = activation(field("psi"));
    kernel.u.mean = number("mu");
    kernel.u.deviation = number("su");
    kernel.v.mean = number("mv");
    kernel.v.deviation = number("sv");
    kernel.rho = number("rho");
    kernel.value = number("value");
    list.push_back(kernel);
  }
  return list;
}

Activation activation_of(int kind) {
  const auto known = static_cast<ActivationKind>(kind);
  const bool sloped = known == ActivationKind::kLeakyRelu || known == ActivationKind::kPrelu;
  return {known, sloped ? 0.2 : known == ActivationKind::kElu ? 0.8 : 0};
}

double size_of(const Unit& u, const Unit& v) {
  return std::sqrt(kernel(u, u, 1) * kernel(v, v, 1)) + 1e-3 * u.deviation * v.deviation;
}

struct Series {
  std::vector<double> values;
  explicit Series(const Unit& unit, std::size_t terms) : values(terms + 1) {
    unit_coefficients(unit.activation, unit.mean, unit.deviation, terms, values.data());
  }
};

double summed(const double* a, const double* b, std::size_t terms, double rho) {
  double sum = 0;
  for (std::size_t n = terms + 1; n-- > 0;) sum = sum * rho + a[n] * b[n];
  return sum;
}

std::string told(const Unit& u, const Unit& v, double rho) {
  std::ostringstream text;
  text << static_cast<int>(u.activation.kind) << " (" << u.mean << ", " << u.deviation << ") with "
       << static_cast<int>(v.activation.kind) << " (" << v.mean << ", " << v.deviation << ") at " << rho;
  return text.str();
}

void close(double found, double wanted, double tolerance, const std::string& what) {
  std::ostringstream text;
  text.precision(17);
  text << what << ": " << found << " instead of " << wanted << ", off by " << std::abs(found - wanted) / tolerance
       << " times what is allowed";
  check(std::abs(found - wanted) <= tolerance, text.str(), __FILE__, __LINE__);
}

Unit random_unit(Random& random, int kind) {
  return {activation_of(kind), 2 * random.number(), std::exp(0.8 * random.number())};
}

TEST(activation_kernels_have_the_golden_values) {
  const std::vector<GoldenKernel> list = golden_kernels();
  CHECK(list.size() == 200);
  for (const GoldenKernel& k : list) {
    const double size = std::max(1.0, size_of(k.u, k.v));
    close(kernel(k.u, k.v, k.rho), k.value, 1e-13 * size, told(k.u, k.v, k.rho));
    close(kernel(k.v, k.u, k.rho), k.value, 1e-13 * size, told(k.v, k.u, k.rho));
  }
}

TEST(activation_kernels_are_the_sums_of_their_series) {
  Random random(1);
  for (int i = 0; i < kKinds; ++i) {
    for (int j = i; j < kKinds; ++j) {
      if (!thorough() && (i * kKinds + j) % 7 != 0) continue;
      const Unit u = random_unit(random, i), v = random_unit(random, j);
      const double rho = 0.85 * random.number();
      constexpr std::size_t kTerms = 260;
      const Series a(u, kTerms), b(v, kTerms);
      const double wanted = summed(a.values.data(), b.values.data(), kTerms, rho);
      close(kernel(u, v, rho), wanted, 1e-13 * size_of(u, v), told(u, v, rho));
      close(kernel(v, u, rho), wanted, 1e-13 * size_of(u, v), told(v, u, rho));
    }
  }
}

// A gated unit of `kind`, and its four series.
struct GatedCase {
  GatedUnit unit;
  std::vector<double> p, q, dp, dq;

  GatedCase(Random& random, int kind, std::size_t terms)
      : unit{random_unit(random, kind), random.number(), random.number()},
        p(terms + 1),
        q(terms + 1),
        dp(terms + 1),
        dq(terms + 1) {
    const Series gate(unit.gate, terms + 2);
    gated_coefficients(gate.values.data(), unit.constant, unit.beta, terms, p.data(), q.data(), dp.data(), dq.data());
  }
};

// The size of what a gated unit's functions are sums of.
double gated_size(const GatedUnit& u, const GatedUnit& v) {
  const auto around = [](const GatedUnit& unit) { return (1 + std::abs(unit.constant)) * (1 + unit.gate.deviation); };
  return around(u) * around(v) * std::max(1e-3, size_of(u.gate, v.gate));
}

void check_gated(const GatedKernels& found, const GatedKernels& wanted, double tolerance, const std::string& what) {
  close(found.pp, wanted.pp, tolerance, what + ", pp'");
  close(found.q_dp, wanted.q_dp, tolerance, what + ", q∂p'");
  close(found.dp_q, wanted.dp_q, tolerance, what + ", ∂pq'");
  close(found.qq, wanted.qq, tolerance, what + ", qq'");
  close(found.dq_dq, wanted.dq_dq, tolerance, what + ", ∂q∂q'");
}

TEST(gated_kernels_are_the_sums_of_their_series) {
  Random random(2);
  for (int i = 0; i < kKinds; ++i) {
    for (int j = i; j < kKinds; ++j) {
      if (!thorough() && (i * kKinds + j) % 7 != 0) continue;
      constexpr std::size_t kTerms = 260;
      const GatedCase u(random, i, kTerms), v(random, j, kTerms);
      const double rho = 0.85 * random.number(), tolerance = 1e-12 * gated_size(u.unit, v.unit);
      const auto sum = [&](const std::vector<double>& a, const std::vector<double>& b) {
        return summed(a.data(), b.data(), kTerms, rho);
      };
      const GatedKernels wanted{sum(u.p, v.p), sum(u.q, v.dp), sum(u.dp, v.q), sum(u.q, v.q), sum(u.dq, v.dq)};
      const std::string what = told(u.unit.gate, v.unit.gate, rho);
      check_gated(gated_kernels(u.unit, v.unit, rho), wanted, tolerance, what);
      check_gated(gated_kernels(v.unit, u.unit, rho), {wanted.pp, wanted.dp_q, wanted.q_dp, wanted.qq, wanted.dq_dq},
                  tolerance, what);
    }
  }
}

// Both at once, with points that differ.
TEST(activation_coefficients_of_many_units_are_those_of_each) {
  on_every_kernel([](const Context& context) {
    Random random(3);
    for (int kind = 0; kind < kKinds; ++kind) {
      constexpr std::size_t kUnits = 9, kTerms = 40;
      std::vector<double> means, deviations{0, 1e-300, 1e-3, 0.5, 1, 3, 9, 40, 700}, slopes;
      for (std::size_t i = 0; i < kUnits; ++i) {
        means.push_back(2 * random.number());
        slopes.push_back(random.number());
      }
      Activation activation = activation_of(kind);
      const bool prelu = activation.kind == ActivationKind::kPrelu;
      if (activation.kind == ActivationKind::kExp) deviations = {0, 1e-300, 1e-3, 0.1, 0.5, 1, 1.5, 2, 3};
      std::vector<double> values(kUnits * (kTerms + 1)), energy(kUnits);
      coefficients(context, activation, prelu ? slopes.data() : nullptr, means.data(), deviations.data(), kUnits,
                   kTerms, values.data(), energy.data());
      for (std::size_t i = 0; i < kUnits; ++i) {
        if (prelu) activation.slope = slopes[i];
        const Unit unit{activation, means[i], deviations[i]};
        const Series alone(unit, kTerms);
        const double* row = &values[i * (kTerms + 1)];
        double sum = 0;
        for (std::size_t n = 0; n <= kTerms; ++n) {
          close(row[n], alone.values[n], 1e-14 * std::sqrt(energy[i]), told(unit, unit, 1));
          sum += row[n] * row[n];
        }
        close(energy[i], kernel(unit, unit, 1), 1e-13 * energy[i], told(unit, unit, 1));
        CHECK(sum <= energy[i] * (1 + 1e-13));
      }
    }
  });
}

// E φ ψ by plain points over z and z' of correlation ±1, or a mean of its own where a deviation is 0.
double on_a_line(const Unit& u, const Unit& v, double sign) {
  constexpr int kPoints = 400000;
  constexpr double kReach = 12;
  double sum = 0;
  for (int i = 0; i < kPoints; ++i) {
    const double z = kReach * (2 * (i + 0.5) / kPoints - 1);
    sum += std::exp(-0.5 * z * z) * value(u.activation, u.mean + u.deviation * z) *
           value(v.activation, v.mean + sign * v.deviation * z);
  }
  return sum * 2 * kReach / kPoints / std::sqrt(2 * std::acos(-1.0));
}

TEST(activation_kernels_are_exact_at_the_ends) {
  Random random(4);
  for (int i = 0; i < kKinds; ++i) {
    for (int j = i; j < kKinds; ++j) {
      if ((i * kKinds + j) % (thorough() ? 3 : 20) != 0) continue;
      Unit u = random_unit(random, i), v = random_unit(random, j);
      for (const double sign : {-1.0, 1.0}) {
        // Steps are seen by the points to a ten-thousandth of a deviation.
        const double exact = kernel(u, v, sign);
        close(exact, on_a_line(u, v, sign), 5e-5 * size_of(u, v), told(u, v, sign));
        close(kernel(v, u, sign), exact, 1e-13 * size_of(u, v), told(v, u, sign));
        // d/d rho of a step is a density that grows like 1/√(1 − rho²).
        const double near = sign * (1 - 1e-13);
        close(kernel(u, v, near), exact, 1e-6 * size_of(u, v), told(u, v, near));
      }
      v.deviation = 0;
      const double alone = value(v.activation, v.mean);
      close(kernel(u, v, 0.3), alone * kernel(u, {activation_of(9), 1, 0}, 0), 1e-13 * std::abs(alone) * size_of(u, u),
            told(u, v, 0.3));
    }
  }
}

// Far out an activation is a line, or a constant, and a kernel what that makes of it.
TEST(activation_kernels_of_any_size_are_numbers) {
  for (int i = 0; i < kKinds; ++i) {
    for (int j = 0; j < kKinds; ++j) {
      const Activation phi = activation_of(i), psi = activation_of(j);
      for (const double mean : {-1e6, -40.0, 0.0, 40.0, 1e6}) {
        for (const double deviation : {1e-200, 1e-8, 30.0}) {
          if (phi.kind == ActivationKind::kExp || psi.kind == ActivationKind::kExp) continue;
          if ((i + 3 * j) % (thorough() ? 5 : 17) != 0) continue;
          for (const double rho : {-1.0, 0.4, 1 - 1e-15}) {
            const Unit u{phi, mean, deviation}, v{psi, 0.3 * mean, 2 * deviation};
            const double found = kernel(u, v, rho),
                         most = std::sqrt(std::max(kernel(u, u, 1), 0.0) * std::max(kernel(v, v, 1), 0.0));
            CHECK(std::isfinite(found));
            close(0, std::max(0.0, std::abs(found) - most), 1e-11 * most + 1e-16, told(u, v, rho));
          }
        }
      }
    }
  }
  const auto of = [](ActivationKind kind, double mean, double deviation) { return Unit{{kind, 0}, mean, deviation}; };
  close(kernel(of(ActivationKind::kHardtanh, 1e6, 1), of(ActivationKind::kTanh, -1e6, 2), 0.5), -1, 1e-15, "signs");
  close(kernel(of(ActivationKind::kRelu6, 1e6, 1), of(ActivationKind::kRelu6, 1e6, 1), 1), 36, 1e-13, "relu6");
  close(kernel(of(ActivationKind::kHardtanh, 0, 1e8), of(ActivationKind::kErf, 0, 1e9), 0.5), 1.0 / 3, 1e-7, "arcs");
  close(kernel(of(ActivationKind::kTanh, 0, 1e8), of(ActivationKind::kTanh, 0, 1e8), 0.5), 1.0 / 3, 1e-7, "arcs");
}

}  // namespace
}  // namespace tensim::test
