#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "../../core/context.h"
#include "../../cuda/interface.h"
#include "../../gaussian/normals.h"
#include "../../layers/layer.h"
#include "prepared.h"

namespace tensim {

// The host's part in forward passes on a GPU: layers are put as the table of cuda/forward/interface.h wants them.

// Inputs of a forward pass: vectors of either element type, or tokens.
struct CudaInputs {
  MatrixView vectors;
  const std::int32_t* tokens = nullptr;
  std::size_t batch = 0;
};

// A chain of layers on a device, given back with the object.
class CudaForward {
 public:
  CudaForward(const TensimCudaApi& api, int device, const TensimCudaNetwork& source, std::size_t outputs);
  ~CudaForward() { api_.forward->destroy(forward_); }
  CudaForward(const CudaForward&) = delete;
  CudaForward& operator=(const CudaForward&) = delete;

  // Numbers (or ids) per input.
  std::size_t input_size() const { return tokens ? positions : positions * features; }
  std::size_t bytes() const { return forward_->bytes; }

  // (batch, positions, outputs) of the type that it was prepared with.
  void evaluate(const Context& context, const CudaInputs& inputs, void* results) const;
  // The same on the device, as features: one vector, or one per output. `roots`: what all outputs of an input are
  // multiplied by, one for each, or empty.
  CudaModelPointer keep(const Context& context, const CudaInputs& inputs, const std::vector<double>& roots,
                        bool per_output) const;

  const DType dtype;
  const std::size_t positions, features, outputs;
  const bool tokens;

 private:
  const TensimCudaApi& api_;
  TensimCudaForward* forward_ = nullptr;
};

using CudaForwardPointer = std::shared_ptr<const CudaForward>;

// The shapes fit from layer to layer; with `tokens` the first layer is linear. Throws UNSUPPORTED_LAYER, MEMORY_LIMIT.
CudaForwardPointer prepare_cuda_forward(const TensimCudaApi& api, int device, CudaType type,
                                        const std::vector<LayerView>& layers, std::size_t positions,
                                        std::size_t features, bool tokens);

// x·a + y·b of kept outputs, kept beside them.
CudaModelPointer combine_kept(const TensimCudaApi& api, const CudaModel& a, double x, const CudaModel& b, double y);

// What every input adds to the products of pairs of kept outputs, (pairs, batch), or (pairs, batch, width) per output.
void cuda_sample_products(const Context& context, const TensimCudaApi& api,
                          const std::vector<const CudaModel*>& outputs, const std::vector<std::uint32_t>& pairs,
                          std::size_t batch, std::size_t positions, std::size_t width, bool per_output, double* sums);

// As `normals` (gaussian/normals.h).
void cuda_normals(const Context& context, const TensimCudaApi& api, int device, const NormalStream& stream,
                  std::uint32_t first, std::size_t count, double* out);

}  // namespace tensim
