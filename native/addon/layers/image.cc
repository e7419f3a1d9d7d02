#include <algorithm>

#include "layer_reader.h"

namespace tensim::addon {
namespace {

constexpr std::size_t kMostSide = std::size_t{1} << 24;

std::size_t read_side(const LayerReader& reader, const Napi::Value& value, const char* name) {
  const std::size_t side = read_size(value, reader.where + name);
  if (side > kMostSide) fail(reader.env, "INVALID_ARGUMENT", reader.where + name + " is too large");
  return side;
}

// A number for both directions, or one down and one across; sequences, which have no height, go across.
std::array<std::size_t, 2> read_pair(const LayerReader& reader, const char* name, std::size_t beside) {
  const Napi::Value value = reader.object.Get(name);
  if (value.IsArray()) {
    const auto array = value.As<Napi::Array>();
    expect(reader.env, array.Length(), 2, reader.where + "the numbers of " + name);
    return {read_side(reader, array.Get(0u), name), read_side(reader, array.Get(1u), name)};
  }
  const std::size_t side = read_side(reader, value, name);
  return {present(reader.object.Get("height")) ? side : beside, side};
}

Windows read_windows(const LayerReader& reader, std::array<std::size_t, 2> kernel, bool dilated) {
  Windows windows;
  if (present(reader.object.Get("height"))) windows.input[0] = read_side(reader, reader.object.Get("height"), "height");
  windows.input[1] = read_side(reader, reader.object.Get("width"), "width");
  windows.kernel = kernel;
  windows.stride = present(reader.object.Get("stride")) ? read_pair(reader, "stride", 1) : kernel;
  windows.padding = read_pair(reader, "padding", 0);
  if (dilated) windows.dilation = read_pair(reader, "dilation", 1);
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const std::size_t reach = windows.dilation[axis] * (std::max<std::size_t>(kernel[axis], 1) - 1) + 1;
    const std::size_t room = windows.input[axis] + 2 * windows.padding[axis];
    if (windows.input[axis] == 0 || kernel[axis] == 0 || windows.stride[axis] == 0 || windows.dilation[axis] == 0 ||
        reach > room)
      fail(reader.env, "SHAPE_MISMATCH", reader.where + "the windows do not fit into the image");
    windows.output[axis] = (room - reach) / windows.stride[axis] + 1;
  }
  return windows;
}

// The image has as many features as the layer in front gives, and what comes out can be counted.
void expect_image(const LayerReader& reader, std::size_t channels, std::size_t outputs, const Windows& windows,
                  std::size_t width) {
  expect(reader.env, width % channels, 0, reader.where + "the rest of the features over channels");
  expect(reader.env, width / channels, windows.pixels(), reader.where + "the size of a channel");
  constexpr double kMost = 288230376151711744.0;  // 2^58
  if (static_cast<double>(windows.count()) * static_cast<double>(outputs) > kMost)
    fail(reader.env, "MEMORY_LIMIT", reader.where + "the image is too large");
}

}  // namespace

void read_layer(const LayerReader& reader, std::size_t width, BatchNormView& layer) {
  layer.area = read_count(reader.object.Get("area"), reader.where + "area");
  const std::size_t channels = width / layer.area;
  expect(reader.env, channels * layer.area, width, reader.where + "the features of all channels");
  layer.mean = reader.column("mean", channels);
  layer.variance = reader.column("variance", channels);
  layer.weight = reader.bias("weight", channels);
  layer.bias = reader.bias("bias", channels);
  layer.epsilon = reader.number("epsilon");
}

void read_layer(const LayerReader& reader, std::size_t width, ConvolutionView& layer) {
  std::vector<std::size_t> shape;
  layer.weight = reader.stacked("weight", shape);
  const bool flat = !present(reader.object.Get("height"));
  expect(reader.env, shape.size(), flat ? 3 : 4, reader.where + "the axes of weight");
  layer.groups = read_count(reader.object.Get("groups"), reader.where + "groups");
  if (layer.weight.rows == 0 || layer.weight.columns == 0 || layer.weight.rows % layer.groups != 0)
    fail(reader.env, "SHAPE_MISMATCH", reader.where + "the channels do not divide into groups");
  layer.channels = shape[1] * layer.groups;
  layer.windows = read_windows(reader, {flat ? 1 : shape[2], shape.back()}, true);
  expect_image(reader, layer.channels, layer.weight.rows, layer.windows, width);
  layer.bias = reader.bias("bias", layer.weight.rows);
}

void read_layer(const LayerReader& reader, std::size_t width, PoolView& layer) {
  const std::string mode = read_string(reader.object.Get("mode"), reader.where + "mode");
  if (mode != "mean" && mode != "max") fail(reader.env, "INVALID_ARGUMENT", reader.where + "mode must be mean or max");
  layer.largest = mode == "max";
  layer.count_padding = reader.object.Get("countPadding").ToBoolean();
  layer.channels = read_count(reader.object.Get("channels"), reader.where + "channels");
  layer.windows = read_windows(reader, read_pair(reader, "kernel", 1), false);
  for (std::size_t axis = 0; axis < 2; ++axis) {
    if (2 * layer.windows.padding[axis] > layer.windows.kernel[axis])
      fail(reader.env, "INVALID_ARGUMENT", reader.where + "the padding is more than half of a window");
  }
  expect_image(reader, layer.channels, layer.channels, layer.windows, width);
}

}  // namespace tensim::addon
