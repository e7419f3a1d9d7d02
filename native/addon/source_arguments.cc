#include <algorithm>
#include <variant>

#include "arguments.h"
#include "layers/layer_reader.h"

namespace tensim::addon {

SourceArguments read_source(const Napi::Value& value, DType dtype, AsyncCall& call) {
  SourceArguments result;
  result.dtype = dtype;
  const Napi::Object source = read_object(value, "source");
  if (read_string(source.Get("kind"), "kind") == "chain") {
    result.method = read_method(source.Get("method"));
    result.route = read_route(source.Get("route"));
    result.once = source.Get("once").ToBoolean();
    ChainView& chain = result.chain;
    chain.inputs = read_size(source.Get("inputs"), "inputs");
    chain.positions = read_count(source.Get("positions"), "positions");
    chain.law = read_law(source.Get("law"), chain.inputs, call);
    chain.gain = read_optional_column(source.Get("gain"), chain.inputs, "gain", call);
    chain.layers = read_layers(source.Get("layers"), chain.inputs, call);
    if (result.method == Method::kClosure) {
      const bool pairs = std::any_of(chain.layers.begin(), chain.layers.end(), [](const LayerView& layer) {
        return std::holds_alternative<AttentionView>(layer);
      });
      expect_countable(value.Env(), chain.layers, chain.inputs, chain.positions, pairs);
    }
    return result;
  }
  result.features = true;
  const Napi::Value segments = source.Get("segments");
  if (!segments.IsArray()) fail(value.Env(), "INVALID_ARGUMENT", "segments must be an array");
  const auto array = segments.As<Napi::Array>();
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    result.segments.push_back(read_column(array.Get(i), "segment", call));
  }
  return result;
}

GramJob read_job(const Napi::Value& value) {
  const Napi::Object object = read_object(value, "job");
  const std::string measure = read_string(object.Get("measure"), "measure");
  if (measure != "gaussian" && measure != "tensor") {
    fail(value.Env(), "INVALID_ARGUMENT", "measure must be gaussian or tensor");
  }
  GramJob job;
  job.measure = measure == "gaussian" ? Measure::kGaussian : Measure::kTensor;
  job.symmetric = object.Get("symmetric").ToBoolean();
  job.per_output = object.Get("perOutput").ToBoolean();
  job.degrees = object.Get("degrees").ToBoolean();
  return job;
}

}  // namespace tensim::addon
