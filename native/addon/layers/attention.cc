#include <cmath>

#include "layer_reader.h"

namespace tensim::addon {

void read_layer(const LayerReader& reader, std::size_t width, AttentionView& layer) {
  layer.heads = read_count(reader.object.Get("heads"), reader.where + "heads");
  layer.q1 = reader.matrix("q1");
  const std::size_t inner = layer.inner();
  if (inner == 0 || inner % layer.heads != 0) {
    fail(reader.env, "SHAPE_MISMATCH", reader.where + std::to_string(inner) + " rows do not divide into heads");
  }
  layer.k1 = reader.matrix("k1");
  layer.q2 = reader.matrix("q2");
  layer.k2 = reader.matrix("k2");
  layer.v = reader.matrix("v");
  for (const MatrixView& part : layer.projections()) reader.expect_shape(part, "a projection", inner, width);
  layer.q1_bias = reader.bias("q1Bias", inner);
  layer.k1_bias = reader.bias("k1Bias", inner);
  layer.q2_bias = reader.bias("q2Bias", inner);
  layer.k2_bias = reader.bias("k2Bias", inner);
  layer.v_bias = reader.bias("vBias", inner);
  layer.o = reader.matrix("o");
  reader.expect_shape(layer.o, "o", layer.outputs(), inner);
  layer.o_bias = reader.bias("oBias", layer.outputs());
  reader.read_residual(layer, width);

  const std::string mask = read_string(reader.object.Get("mask"), reader.where + "mask");
  if (mask != "causal" && mask != "none")
    fail(reader.env, "INVALID_ARGUMENT", reader.where + "mask must be causal or none");
  layer.causal = mask == "causal";
  if (!present(reader.object.Get("rotaryBase"))) return;
  layer.rotary_base = reader.number("rotaryBase");
  if (!(layer.rotary_base > 0) || std::isinf(layer.rotary_base)) {
    fail(reader.env, "INVALID_ARGUMENT", reader.where + "rotaryBase must be a positive number");
  }
  if (inner / layer.heads % 2 != 0) {
    fail(reader.env, "SHAPE_MISMATCH", reader.where + "rotary embedding needs heads of even size");
  }
}

}  // namespace tensim::addon
