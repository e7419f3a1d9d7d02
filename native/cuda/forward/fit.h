#pragma once

#include "../device.h"
#include "interface.h"

namespace tensim::cuda {

inline bool has_pairs(const TensimCudaLayer& layer) {
  return layer.kind == TENSIM_CUDA_BILINEAR || layer.kind == TENSIM_CUDA_GATED;
}
inline bool is_image(const TensimCudaLayer& layer) {
  return layer.kind == TENSIM_CUDA_CONVOLUTION || layer.kind == TENSIM_CUDA_POOL;
}

// In front of D, if there is one.
inline std::uint64_t units_of(const TensimCudaLayer& layer) {
  if (layer.kind == TENSIM_CUDA_ATTENTION) return layer.heads * layer.size;
  if (layer.kind == TENSIM_CUDA_SOFTMAX) return layer.heads * layer.value_size;
  return has_pairs(layer) ? layer.map.outputs / 2 : layer.map.outputs;
}
inline std::uint64_t outputs_of(const TensimCudaLayer& layer) {
  if (layer.down.weight != nullptr) return layer.down.outputs;
  const std::uint64_t windows = layer.windows.output[0] * layer.windows.output[1];
  if (layer.kind == TENSIM_CUDA_CONVOLUTION) return layer.map.outputs * windows;
  return layer.kind == TENSIM_CUDA_POOL ? layer.channels * windows : units_of(layer);
}

// Whether a layer fits to what the one before it gives, and its parts to each other: kernels read without looking.
inline void check_fit(const TensimCudaLayer& layer, std::uint64_t width, std::uint64_t positions) {
  const auto need = [](bool holds) {
    if (!holds) throw DeviceError(TENSIM_CUDA_INVALID, "the layers of a network do not fit each other");
  };
  const TensimCudaLayerKind kind = layer.kind;
  const bool image = is_image(layer), parallel = kind == TENSIM_CUDA_PARALLEL, shift = kind == TENSIM_CUDA_SHIFT;
  const bool softmax = kind == TENSIM_CUDA_SOFTMAX, attention = kind == TENSIM_CUDA_ATTENTION;
  const bool bare =
      kind == TENSIM_CUDA_ACTIVATION || kind == TENSIM_CUDA_NORM || kind == TENSIM_CUDA_POOL || shift || parallel;
  need(layer.map.outputs > 0 && (layer.map.weight == nullptr) == bare);
  const std::uint64_t outputs = outputs_of(layer);
  if (image) {
    const TensimCudaWindows& windows = layer.windows;
    need(layer.channels > 0 && layer.channels * windows.input[0] * windows.input[1] == width);
    const bool groups = layer.groups > 0 && layer.channels % layer.groups == 0 && layer.map.outputs % layer.groups == 0;
    const std::uint64_t seen = windows.kernel[0] * windows.kernel[1];
    need(seen > 0 && outputs > 0);
    need(kind == TENSIM_CUDA_POOL || (groups && layer.map.depth == layer.channels / layer.groups * seen));
  } else {
    need(layer.map.depth == width);
  }
  need(!shift || (layer.shift != nullptr && (layer.mean == nullptr) == (layer.factor == nullptr)));
  need(layer.shift == nullptr || layer.shifts == 1 || (shift && layer.shifts == positions));
  need(!attention || (layer.down.weight != nullptr && layer.map.outputs == 5 * layer.heads * layer.size));
  if (softmax) {
    const std::uint64_t queries = layer.heads * layer.size, keys = layer.shared_heads * layer.size;
    need(layer.down.weight != nullptr && layer.shared_heads > 0 && layer.heads % layer.shared_heads == 0);
    need(layer.map.outputs == queries + keys + layer.shared_heads * layer.value_size);
    need(layer.turns == nullptr || (layer.turning <= layer.size && layer.turning % 2 == 0));
    need(layer.query_part == 0 || queries % layer.query_part == 0);
    need(layer.key_part == 0 || keys % layer.key_part == 0);
  } else {
    need(layer.turns == nullptr || layer.size % 2 == 0);
  }
  need(!has_pairs(layer) || layer.map.outputs % 2 == 0);
  need(layer.down.weight == nullptr || layer.down.depth == units_of(layer));
  need(layer.down.bias == nullptr || layer.down.outputs == outputs);
  need(layer.skip.weight == nullptr || (layer.skip.depth == width && layer.skip.outputs == outputs));
  need(layer.alpha == 0 || outputs == width);
  need(parallel == (layer.branch_count > 0));
  for (std::uint64_t i = 0; i < layer.branch_count; ++i) {
    const TensimCudaSequence& chain = layer.branches[i];
    need(chain.layer_count > 0 && outputs_of(chain.layers[chain.layer_count - 1]) == outputs);
  }
}

}  // namespace tensim::cuda
