#include "layer_reader.h"

namespace tensim::addon {
namespace {

// As many as lib/layers/parallel.ts lets through.
constexpr std::size_t kMostNested = 8;

}  // namespace

void read_layer(const LayerReader& reader, std::size_t width, ParallelView& layer) {
  if (reader.depth >= kMostNested) fail(reader.env, "INVALID_ARGUMENT", reader.where + "too many layers within others");
  const Napi::Value value = reader.object.Get("branches");
  if (!value.IsArray() || value.As<Napi::Array>().Length() == 0)
    fail(reader.env, "INVALID_ARGUMENT", reader.where + "branches must be a list of lists of layers");
  const auto array = value.As<Napi::Array>();
  auto branches = std::make_shared<Branches>();
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    std::size_t gives = width;
    branches->chains.push_back(read_branch(reader, array.Get(i), gives));
    if (branches->chains.back().empty()) fail(reader.env, "INVALID_ARGUMENT", reader.where + "a branch has no layers");
    if (i == 0) layer.gives = gives;
    expect(reader.env, gives, layer.gives, reader.where + "the width of a branch");
  }
  layer.takes = width;
  layer.branches = std::move(branches);
  reader.read_residual(layer, width);
}

}  // namespace tensim::addon
