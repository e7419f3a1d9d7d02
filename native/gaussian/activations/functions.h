// The activation functions themselves, for processors and GPUs.
#pragma once

#include <cmath>

#include "activation.h"

#if defined(__CUDACC__)
#define TENSIM_FUNCTION __host__ __device__ inline
#else
#define TENSIM_FUNCTION inline
#endif

namespace tensim {

constexpr double kGeluScale = 0.79788456080286535588;  // √(2/π)
constexpr double kGeluCubic = 0.044715;
constexpr double kQuickGelu = 1.702;

template <class T>
TENSIM_FUNCTION T clamped(T x, T low, T high) {
  return x < low ? low : x > high ? high : x;
}

// 1 / (1 + e^(−x)), with all its digits below zero.
template <class T>
TENSIM_FUNCTION T sigmoid(T x) {
  const T e = std::exp(-std::abs(x));
  return (x >= 0 ? T(1) : e) / (T(1) + e);
}

// Calls f with φ as a function of x and the slope, so that loops over it are compiled for each kind.
template <class T, class F>
TENSIM_FUNCTION void with_function(ActivationKind kind, const F& f) {
  switch (kind) {
    case ActivationKind::kIdentity:
      return f([](T x, T) { return x; });
    case ActivationKind::kSquare:
      return f([](T x, T) { return x * x; });
    case ActivationKind::kRelu:
      return f([](T x, T) { return x > 0 ? x : T(0); });
    case ActivationKind::kLeakyRelu:
    case ActivationKind::kPrelu:
      return f([](T x, T slope) { return x > 0 ? x : slope * x; });
    case ActivationKind::kRelu6:
      return f([](T x, T) { return clamped(x, T(0), T(6)); });
    case ActivationKind::kHardtanh:
      return f([](T x, T) { return clamped(x, T(-1), T(1)); });
    case ActivationKind::kRelu2:
      return f([](T x, T) { return x > 0 ? x * x : T(0); });
    case ActivationKind::kAbs:
      return f([](T x, T) { return std::abs(x); });
    case ActivationKind::kHeaviside:
      return f([](T x, T) { return x > 0 ? T(1) : x == 0 ? T(0.5) : T(0); });
    case ActivationKind::kGelu:
      return f([](T x, T) { return x * (T(0.5) * std::erfc(x * T(-0.70710678118654752440))); });
    case ActivationKind::kGeluTanh:
      // ½ (1 + tanh t) = σ(2t), which keeps its digits where tanh is nearly −1.
      return f([](T x, T) { return x * sigmoid(T(2 * kGeluScale) * x * (T(1) + T(kGeluCubic) * x * x)); });
    case ActivationKind::kQuickGelu:
      return f([](T x, T) { return x * sigmoid(T(kQuickGelu) * x); });
    case ActivationKind::kSilu:
      return f([](T x, T) { return x * sigmoid(x); });
    case ActivationKind::kTanh:
      return f([](T x, T) { return std::tanh(x); });
    case ActivationKind::kSigmoid:
      return f([](T x, T) { return sigmoid(x); });
    case ActivationKind::kSoftplus:
      return f([](T x, T) { return (x > 0 ? x : T(0)) + std::log1p(std::exp(-std::abs(x))); });
    case ActivationKind::kMish:
      // tanh log(1 + eˣ) = w / (w + 2) with w = eˣ (eˣ + 2).
      return f([](T x, T) {
        const T e = std::exp(x < T(20) ? x : T(20)), w = e * (e + T(2));
        return x < T(20) ? x * w / (w + T(2)) : x;
      });
    case ActivationKind::kErf:
      return f([](T x, T) { return std::erf(x); });
    case ActivationKind::kSin:
      return f([](T x, T) { return std::sin(x); });
    case ActivationKind::kCos:
      return f([](T x, T) { return std::cos(x); });
    case ActivationKind::kExp:
      return f([](T x, T) { return std::exp(x); });
    case ActivationKind::kElu:
      return f([](T x, T slope) { return x > 0 ? x : slope * std::expm1(x); });
    case ActivationKind::kSelu:
      return f([](T x, T) { return x > 0 ? T(kSeluScale) * x : T(kSeluScale * kSeluAlpha) * std::expm1(x); });
    case ActivationKind::kHardswish:
      return f([](T x, T) { return x * clamped(x + T(3), T(0), T(6)) / T(6); });
    case ActivationKind::kHardsigmoid:
      return f([](T x, T) { return clamped(x + T(3), T(0), T(6)) / T(6); });
  }
}

}  // namespace tensim
