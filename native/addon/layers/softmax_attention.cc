#include <cmath>

#include "layer_reader.h"

namespace tensim::addon {
namespace {

// A positive number, or 0 where there is none.
double read_optional(const LayerReader& reader, const char* name) {
  if (!present(reader.object.Get(name))) return 0;
  const double value = reader.number(name);
  if (!(value > 0) || std::isinf(value))
    fail(reader.env, "INVALID_ARGUMENT", reader.where + name + " must be a positive number");
  return value;
}

std::size_t read_optional_count(const LayerReader& reader, const char* name, std::size_t otherwise) {
  const Napi::Value value = reader.object.Get(name);
  return present(value) ? read_count(value, reader.where + name) : otherwise;
}

// The weights of a norm of every head, or of all of them.
MatrixView read_norm(const LayerReader& reader, const char* name, std::size_t size, std::size_t all) {
  const Napi::Value value = reader.object.Get(name);
  if (!present(value)) return {};
  const MatrixView norm =
      read_column(read_object(value, reader.where + name).Get("data"), reader.where + name, reader.call);
  if (norm.rows != size) expect(reader.env, norm.rows, all, reader.where + "the length of " + name);
  return norm;
}

}  // namespace

void read_layer(const LayerReader& reader, std::size_t width, SoftmaxAttentionView& layer) {
  layer.heads = read_count(reader.object.Get("heads"), reader.where + "heads");
  layer.kv_heads = read_optional_count(reader, "kvHeads", layer.heads);
  layer.q = reader.matrix("q");
  layer.k = reader.matrix("k");
  layer.v = reader.matrix("v");
  layer.o = reader.matrix("o");
  if (layer.heads % layer.kv_heads != 0 || layer.q.rows == 0 || layer.q.rows % layer.heads != 0 || layer.v.rows == 0 ||
      layer.v.rows % layer.kv_heads != 0)
    fail(reader.env, "SHAPE_MISMATCH", reader.where + "the rows do not divide into heads");
  reader.expect_shape(layer.q, "q", layer.q.rows, width);
  reader.expect_shape(layer.k, "k", layer.size() * layer.kv_heads, width);
  reader.expect_shape(layer.v, "v", layer.v.rows, width);
  reader.expect_shape(layer.o, "o", layer.o.rows, layer.heads * layer.value_size());
  layer.q_bias = reader.bias("qBias", layer.q.rows);
  layer.k_bias = reader.bias("kBias", layer.k.rows);
  layer.v_bias = reader.bias("vBias", layer.v.rows);
  layer.o_bias = reader.bias("oBias", layer.o.rows);
  layer.q_norm = read_norm(reader, "qNorm", layer.size(), layer.q.rows);
  layer.k_norm = read_norm(reader, "kNorm", layer.size(), layer.k.rows);
  reader.read_residual(layer, width);

  const std::string mask = read_string(reader.object.Get("mask"), reader.where + "mask");
  const std::string layout = read_string(reader.object.Get("rotaryLayout"), reader.where + "rotaryLayout");
  if ((mask != "causal" && mask != "none") || (layout != "half" && layout != "interleaved"))
    fail(reader.env, "INVALID_ARGUMENT", reader.where + "mask or rotaryLayout is not known");
  layer.causal = mask == "causal";
  layer.interleaved = layout == "interleaved";
  layer.window = read_optional_count(reader, "window", 0);
  const bool scaled = present(reader.object.Get("scale"));
  layer.scale = scaled ? reader.number("scale") : 1 / std::sqrt(static_cast<double>(layer.size()));
  layer.softcap = read_optional(reader, "softcap");
  layer.rotary_base = read_optional(reader, "rotaryBase");
  layer.turning = read_optional_count(reader, "rotaryDimension", layer.size());
  layer.rotary_scaling = reader.number("rotaryScaling");
  layer.alibi = read_optional(reader, "alibi");
  layer.norm_epsilon = reader.number("normEpsilon");
  layer.norm_offset = reader.number("normOffset");
  if (layer.rotary_base > 0 && (layer.turning % 2 != 0 || layer.turning > layer.size()))
    fail(reader.env, "SHAPE_MISMATCH", reader.where + "the features that turn are no pairs of a head");
  const Napi::Value frequencies = reader.object.Get("rotaryFrequencies");
  if (layer.rotary_base == 0 || !present(frequencies)) return;
  layer.frequencies = read_column(frequencies, reader.where + "rotaryFrequencies", reader.call);
  expect(reader.env, layer.frequencies.rows, layer.turning / 2, reader.where + "the number of rotaryFrequencies");
  layer.rotary_factor = reader.number("rotaryFactor");
}

void read_layer(const LayerReader& reader, std::size_t width, PositionsView& layer) {
  layer.weight = reader.matrix("weight");
  reader.expect_shape(layer.weight, "weight", layer.weight.rows, width);
}

}  // namespace tensim::addon
