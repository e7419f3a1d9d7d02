#include "check.h"
#include "core/aligned_buffer.h"
#include "similarity/gram_tile.h"

namespace tensim::test {
namespace {

// A view of a vector; that of an empty one is present all the same.
MatrixView view(const std::vector<double>& values, std::size_t rows, std::size_t columns) {
  static const double nothing = 0;
  return MatrixView::row_major(values.empty() ? &nothing : values.data(), rows, columns);
}

// f(z) = D((L z + l) ⊙ (R z + r)) + b with everything done the plain way: the oracle of this file.
struct Plain {
  std::size_t inputs, units, outputs;
  std::vector<double> left, right, left_bias, right_bias, down, constant;

  Plain(Random& random, std::size_t inputs, std::size_t units, std::size_t outputs)
      : inputs(inputs),
        units(units),
        outputs(outputs),
        left(random.vector<double>(units * inputs)),
        right(random.vector<double>(units * inputs)),
        left_bias(random.vector<double>(units)),
        right_bias(random.vector<double>(units)),
        down(random.vector<double>(outputs * units)),
        constant(random.vector<double>(outputs)) {}

  // Output c as zᵀB z + w·z + e, without B.
  struct Form {
    std::vector<double> w;
    double e, trace;
  };
  Form form(std::size_t c) const {
    Form form{std::vector<double>(inputs), constant[c], 0};
    for (std::size_t h = 0; h < units; ++h) {
      const double d = down[c * units + h];
      form.e += d * left_bias[h] * right_bias[h];
      form.trace += d * dot(left, h, right, h);
      for (std::size_t i = 0; i < inputs; ++i) {
        form.w[i] += d * (left_bias[h] * right[h * inputs + i] + right_bias[h] * left[h * inputs + i]);
      }
    }
    return form;
  }

  double dot(const std::vector<double>& mine, std::size_t h, const std::vector<double>& other, std::size_t k) const {
    double sum = 0;
    for (std::size_t i = 0; i < inputs; ++i) sum += mine[h * inputs + i] * other[k * inputs + i];
    return sum;
  }

  // 2⟨B_c, B'_c⟩ for every c, from the products of the factors.
  std::vector<double> quadratic(const Plain& other) const {
    std::vector<double> sums(outputs);
    for (std::size_t h = 0; h < units; ++h) {
      for (std::size_t k = 0; k < other.units; ++k) {
        const double product = dot(left, h, other.left, k) * dot(right, h, other.right, k) +
                               dot(left, h, other.right, k) * dot(right, h, other.left, k);
        for (std::size_t c = 0; c < outputs; ++c)
          sums[c] += down[c * units + h] * other.down[c * other.units + k] * product;
      }
    }
    return sums;
  }

  // The same from the dense symmetric forms, by definition.
  std::vector<double> quadratic_by_definition(const Plain& other) const {
    std::vector<double> sums(outputs);
    for (std::size_t c = 0; c < outputs; ++c) {
      const std::vector<double> b = dense(c), b2 = other.dense(c);
      for (std::size_t i = 0; i < b.size(); ++i) sums[c] += 2 * b[i] * b2[i];
    }
    return sums;
  }
  std::vector<double> dense(std::size_t c) const {
    std::vector<double> b(inputs * inputs);
    for (std::size_t h = 0; h < units; ++h) {
      for (std::size_t i = 0; i < inputs; ++i) {
        for (std::size_t j = 0; j < inputs; ++j) {
          b[i * inputs + j] +=
              0.5 * down[c * units + h] *
              (left[h * inputs + i] * right[h * inputs + j] + left[h * inputs + j] * right[h * inputs + i]);
        }
      }
    }
    return b;
  }

  std::vector<double> inner(const Plain& other, Measure measure) const {
    std::vector<double> slices = quadratic(other);
    for (std::size_t c = 0; c < outputs; ++c) {
      const Form f = form(c), g = other.form(c);
      double w = 0;
      for (std::size_t i = 0; i < inputs; ++i) w += f.w[i] * g.w[i];
      slices[c] = measure == Measure::kGaussian ? slices[c] + w + (f.trace + f.e) * (g.trace + g.e)
                                                : slices[c] / 2 + w / 2 + f.e * g.e;
    }
    return slices;
  }

  std::vector<LayerView> layers() const {
    BilinearView layer;
    layer.left = view(left, units, inputs);
    layer.right = view(right, units, inputs);
    layer.left_bias = view(left_bias, units, 1);
    layer.right_bias = view(right_bias, units, 1);
    layer.down = view(down, outputs, units);
    layer.down_bias = view(constant, outputs, 1);
    return {layer};
  }
};

template <class T>
PreparedModel<T> prepare_by(const Context& context, Route route, const std::vector<LayerView>& layers,
                            std::size_t inputs) {
  return prepare<T>(context, fold_one_block(context, {layers, {}, inputs}, route == Route::kUnfolded), route);
}

constexpr Route kRoutes[] = {Route::kFactor, Route::kUnfolded, Route::kDense};

template <class T>
void check_route(const Context& context, Route route, std::size_t inputs, std::size_t units, std::size_t outputs,
                 double tolerance) {
  Random random(static_cast<unsigned>(inputs + 31 * units));
  std::vector<Plain> models;
  for (int i = 0; i < 3; ++i) models.emplace_back(random, inputs, units + static_cast<std::size_t>(i), outputs);
  std::vector<PreparedModel<T>> prepared;
  for (const Plain& model : models) prepared.push_back(prepare_by<T>(context, route, model.layers(), inputs));
  const std::vector<const PreparedModel<T>*> pointers{&prepared[0], &prepared[1], &prepared[2]};
  for (Measure measure : {Measure::kGaussian, Measure::kTensor}) {
    const GramTile tile = gram_tile<T>(context, {measure, true, true}, pointers, pointers);
    const GramTile open = gram_tile<T>(context, {measure, false, false}, pointers, {pointers[1]});
    std::vector<std::vector<double>> norms;
    for (const Plain& model : models) norms.push_back(model.inner(model, measure));
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t j = 0; j < 3; ++j) {
        const std::vector<double> wanted = models[i].inner(models[j], measure);
        double total = 0, scale = 1e-300;
        for (std::size_t c = 0; c < outputs; ++c) {
          const double size = std::sqrt(norms[i][c] * norms[j][c]) + 1e-300;
          CHECK_CLOSE(tile.per_output[(i * 3 + j) * outputs + c], wanted[c], tolerance, size);
          total += wanted[c];
          scale += size;
        }
        CHECK_CLOSE(tile.total[i * 3 + j], total, tolerance, scale);
        CHECK(tile.total[i * 3 + j] == tile.total[j * 3 + i]);
        if (j == 1) CHECK_CLOSE(open.total[i], total, tolerance, scale);
      }
    }
  }
}

template <class T>
void check_tile(const Context& context, std::size_t inputs, std::size_t units, std::size_t outputs, double tolerance) {
  for (Route route : kRoutes) check_route<T>(context, route, inputs, units, outputs, tolerance);
}

}  // namespace

TEST(the_oracle_of_this_file_agrees_with_the_definition) {
  Random random(12);
  for (std::size_t inputs : {1u, 4u, 9u}) {
    const Plain a(random, inputs, 5, 3), b(random, inputs, 2, 3);
    const std::vector<double> found = a.quadratic(b), wanted = a.quadratic_by_definition(b);
    for (std::size_t c = 0; c < 3; ++c) CHECK_CLOSE(found[c], wanted[c], 1e-12, 50.0);
  }
}

TEST(tiles_agree_with_the_definition_on_every_instruction_set) {
  on_every_kernel([](const Context& context) {
    for (std::size_t inputs : {1u, 3u, 40u}) {
      for (std::size_t units : {1u, 2u, 17u, 50u}) {
        check_tile<double>(context, inputs, units, 1 + units % 4, 1e-11);
        check_tile<float>(context, inputs, units, 1 + units % 4, 2e-5);
      }
    }
  });
}

TEST(inputs_longer_than_a_block_and_units_in_several_parts_agree_too) {
  on_every_kernel([](const Context& context) {
    check_route<double>(context, Route::kFactor, 9000, 3, 2, 1e-11);
    check_route<float>(context, Route::kFactor, 9000, 3, 2, 5e-5);
    check_route<double>(context, Route::kDense, 600, 3, 2, 1e-11);
    check_route<double>(context, Route::kDense, 4, 300, 2, 1e-11);
    check_tile<double>(context, 5, 130, 3, 1e-11);
  });
}

// Models of several parts of a vector, with more outputs than are made at a time, in tiles of any shape.
template <class T>
void check_made_forms(const Context& context, std::size_t inputs, std::size_t outputs) {
  Random random(23);
  constexpr std::size_t kModels = 5;
  std::vector<PreparedModel<T>> kept, made;
  for (std::size_t i = 0; i < kModels; ++i) {
    // One has no units, and thus no forms at all.
    const Plain model(random, inputs, i == 3 ? 0 : 1 + 2 * i, outputs);
    for (auto* models : {&kept, &made}) {
      models->push_back(
          prepare<T>(context, fold_one_block(context, {model.layers(), {}, inputs}), Route::kDense, models == &made));
    }
    CHECK(made.back().forms.empty() && (i == 3 || made.back().bytes() < kept.back().bytes() / 3));
  }
  std::vector<const PreparedModel<T>*> expected, found, both;
  for (std::size_t i = 0; i < kModels; ++i) {
    expected.push_back(&kept[i]);
    found.push_back(&made[i]);
    both.push_back(i % 2 == 0 ? &made[i] : &kept[i]);
  }
  const GramTile whole = gram_tile<T>(context, {Measure::kGaussian, true, true}, expected, expected);
  for (const auto& models : {found, both}) {
    const GramTile tile = gram_tile<T>(context, {Measure::kGaussian, true, true}, models, models);
    CHECK(tile.total == whole.total && tile.per_output == whole.per_output);
    const GramTile row = gram_tile<T>(context, {Measure::kGaussian, false, false}, {models[1]}, models);
    for (std::size_t j = 1; j < kModels; ++j) CHECK(row.total[j] == whole.total[kModels + j]);
  }
}

TEST(forms_that_are_not_kept_give_the_bits_of_those_that_are) {
  on_every_kernel([](const Context& context) {
    check_made_forms<double>(context, 420, 3);
    check_made_forms<float>(context, 421, 3);
    check_made_forms<double>(context, 95, 29);
    check_made_forms<float>(context, 131, 31);
  });
}

TEST(an_embedding_of_inputs_longer_than_a_block_agrees_too) {
  constexpr std::size_t kInputs = 1100, kWidth = 5, kUnits = 3, kOutputs = 2;
  Random random(11);
  std::vector<std::vector<double>> embeddings;
  std::vector<Plain> behind, whole;  // the block by itself, and with its factors through the embedding
  for (int i = 0; i < 2; ++i) {
    embeddings.push_back(random.vector<double>(kWidth * kInputs));
    behind.emplace_back(random, kWidth, kUnits, kOutputs);
    whole.push_back(behind.back());
    whole.back().inputs = kInputs;
    for (auto side : {&Plain::left, &Plain::right}) {
      std::vector<double> through(kUnits * kInputs);
      for (std::size_t h = 0; h < kUnits; ++h)
        for (std::size_t m = 0; m < kWidth; ++m)
          for (std::size_t j = 0; j < kInputs; ++j)
            through[h * kInputs + j] += (behind.back().*side)[h * kWidth + m] * embeddings.back()[m * kInputs + j];
      whole.back().*side = through;
    }
  }
  on_every_kernel([&](const Context& context) {
    std::vector<PreparedModel<double>> prepared;
    for (std::size_t i = 0; i < 2; ++i) {
      LinearView embedding;
      embedding.weight = view(embeddings[i], kWidth, kInputs);
      prepared.push_back(
          prepare_by<double>(context, Route::kUnfolded, {embedding, behind[i].layers().front()}, kInputs));
      CHECK(prepared.back().unfolded());
    }
    const std::vector<const PreparedModel<double>*> pointers{&prepared[0], &prepared[1]};
    const GramTile tile = gram_tile<double>(context, {Measure::kGaussian, true, true}, pointers, pointers);
    for (std::size_t i = 0; i < 2; ++i) {
      for (std::size_t j = 0; j < 2; ++j) {
        const std::vector<double> wanted = whole[i].inner(whole[j], Measure::kGaussian);
        for (std::size_t c = 0; c < kOutputs; ++c) {
          const double size = std::sqrt(whole[i].inner(whole[i], Measure::kGaussian)[c]) *
                              std::sqrt(whole[j].inner(whole[j], Measure::kGaussian)[c]);
          CHECK_CLOSE(tile.per_output[(i * 2 + j) * kOutputs + c], wanted[c], 1e-11, size);
        }
      }
    }
  });
}

TEST(models_of_no_units_no_inputs_or_no_outputs_are_handled) {
  on_every_kernel([](const Context& context) {
    check_tile<double>(context, 4, 0, 2, 1e-11);
    check_tile<double>(context, 0, 5, 2, 1e-11);
    check_tile<double>(context, 4, 5, 0, 1e-11);
  });
}

TEST(tiles_give_the_same_bits_on_any_number_of_threads_and_in_any_tile) {
  Random random(9);
  std::vector<Plain> models;
  for (int i = 0; i < 7; ++i) models.emplace_back(random, 70, 60, 5);
  for (Route route : kRoutes) {
    std::vector<double> first;
    for (unsigned threads : {1u, 2u, 5u}) {
      ThreadPool pool;
      Control control;
      const Context context{kernels_for(available_instruction_sets().back()), pool, threads, control};
      std::vector<PreparedModel<double>> prepared;
      std::vector<const PreparedModel<double>*> pointers;
      for (const Plain& model : models) prepared.push_back(prepare_by<double>(context, route, model.layers(), 70));
      for (const auto& model : prepared) pointers.push_back(&model);
      const GramTile tile = gram_tile<double>(context, {Measure::kGaussian, true, true}, pointers, pointers);
      if (first.empty()) first = tile.per_output;
      CHECK(first == tile.per_output);
      CHECK(control.done() == control.total());
      for (std::size_t i = 0; i < 2; ++i) {
        const GramTile row = gram_tile<double>(context, {Measure::kGaussian, false, false}, {pointers[i]},
                                               {pointers.begin() + 2, pointers.end()});
        for (std::size_t j = 2; j < 7; ++j) CHECK(row.total[j - 2] == tile.total[i * 7 + j]);
      }
    }
  }
}

TEST(a_linear_chain_is_compared_by_its_matrix_and_bias) {
  on_every_kernel([](const Context& context) {
    Random random(4);
    const std::vector<double> w1 = random.vector<double>(15), b1 = random.vector<double>(5),
                              w2 = random.vector<double>(10), b2 = random.vector<double>(2);
    LinearView one, two;
    one.weight = MatrixView::row_major(w1.data(), 5, 3);
    one.bias = MatrixView::row_major(b1.data(), 5, 1);
    two.weight = MatrixView::row_major(w2.data(), 2, 5);
    two.bias = MatrixView::row_major(b2.data(), 2, 1);
    WhitenedLaw law;
    law.sigma = 2;
    const PreparedModel<double> model = prepare<double>(context, fold_one_block(context, {{one, two}, law, 3}));
    double wanted = 0;
    for (std::size_t c = 0; c < 2; ++c) {
      double bias = b2[c];
      for (std::size_t j = 0; j < 5; ++j) bias += w2[c * 5 + j] * b1[j];
      wanted += bias * bias;
      for (std::size_t i = 0; i < 3; ++i) {
        double w = 0;
        for (std::size_t j = 0; j < 5; ++j) w += w2[c * 5 + j] * w1[j * 3 + i];
        wanted += 4 * w * w;
      }
    }
    for (Measure measure : {Measure::kGaussian, Measure::kTensor}) {
      const GramTile tile = gram_tile<double>(context, {measure, true, false}, {&model}, {&model});
      CHECK_CLOSE(tile.total[0], wanted, 1e-13, wanted);
    }
  });
}

TEST(features_are_compared_by_dot_products_per_segment) {
  on_every_kernel([](const Context& context) {
    Random random(5);
    const std::vector<double> a = random.vector<double>(100), b = random.vector<double>(100);
    const auto segments = [](const std::vector<double>& v) {
      return std::vector<MatrixView>{MatrixView::row_major(v.data(), 33, 1),
                                     MatrixView::row_major(v.data() + 33, 67, 1)};
    };
    const PreparedModel<double> x = prepare_features<double>(segments(a)), y = prepare_features<double>(segments(b));
    const GramTile tile = gram_tile<double>(context, {Measure::kGaussian, false, true}, {&x}, {&y});
    double first = 0, second = 0;
    for (std::size_t i = 0; i < 100; ++i) (i < 33 ? first : second) += a[i] * b[i];
    CHECK_CLOSE(tile.per_output[0], first, 1e-13, 33);
    CHECK_CLOSE(tile.per_output[1], second, 1e-13, 67);
    CHECK_CLOSE(tile.total[0], first + second, 1e-13, 100);
  });
}

TEST(many_models_fill_several_blocks_of_features) {
  on_every_kernel([](const Context& context) {
    Random random(15);
    constexpr std::size_t kModels = 200, kLength = 5000;  // both longer than what is multiplied at a time
    std::vector<std::vector<double>> vectors;
    std::vector<PreparedModel<double>> prepared;
    std::vector<PreparedModel<float>> rounded;
    for (std::size_t i = 0; i < kModels; ++i) vectors.push_back(random.vector<double>(kLength));
    for (const auto& vector : vectors) {
      const std::vector<MatrixView> segments{MatrixView::row_major(vector.data(), 4500, 1),
                                             MatrixView::row_major(vector.data() + 4500, 500, 1)};
      prepared.push_back(prepare_features<double>(segments));
      rounded.push_back(prepare_features<float>(segments));
    }
    const auto tile_of = [&](const auto& models) {
      std::vector<const std::decay_t<decltype(models[0])>*> pointers;
      for (const auto& model : models) pointers.push_back(&model);
      return gram_tile(context, {Measure::kGaussian, true, true}, pointers, pointers);
    };
    const GramTile tile = tile_of(prepared), coarse = tile_of(rounded);
    for (std::size_t i = 0; i < kModels; i += 7) {
      for (std::size_t j = 0; j < kModels; j += 3) {
        double slices[2] = {0, 0};
        for (std::size_t k = 0; k < kLength; ++k) slices[k < 4500 ? 0 : 1] += vectors[i][k] * vectors[j][k];
        for (std::size_t c = 0; c < 2; ++c) {
          CHECK_CLOSE(tile.per_output[(i * kModels + j) * 2 + c], slices[c], 1e-13, kLength);
          CHECK_CLOSE(coarse.per_output[(i * kModels + j) * 2 + c], slices[c], 1e-6, kLength);
        }
        CHECK(tile.total[i * kModels + j] == tile.total[j * kModels + i]);
      }
    }
  });
}

TEST(what_cannot_be_compared_is_an_error) {
  ThreadPool pool;
  Control control;
  const Context context{baseline_kernels(), pool, 1, control};
  Random random(6);
  const Plain small(random, 3, 4, 2), large(random, 5, 4, 2), flat(random, 3, 4, 2);
  const auto block = prepare<double>(context, fold_one_block(context, {small.layers(), {}, 3}));
  const auto wide = prepare<double>(context, fold_one_block(context, {large.layers(), {}, 5}));
  LinearView layer;
  layer.weight = MatrixView::row_major(flat.left.data(), 2, 3);
  const auto linear = prepare<double>(context, fold_one_block(context, {{layer}, {}, 3}));
  const auto code = [&](const GramJob& job, const PreparedModel<double>& a,
                        const PreparedModel<double>& b) -> std::string {
    try {
      gram_tile<double>(context, job, {&a}, {&b});
    } catch (const Error& error) {
      return error.code();
    }
    return "none";
  };
  CHECK(code({Measure::kGaussian, false, false}, block, wide) == "SHAPE_MISMATCH");
  CHECK(code({Measure::kTensor, false, false}, block, linear) == "SHAPE_MISMATCH");
  CHECK(code({Measure::kGaussian, false, false}, block, linear) == "none");
  const auto dense = prepare_by<double>(context, Route::kDense, small.layers(), 3);
  CHECK(code({Measure::kGaussian, false, false}, block, dense) == "INVALID_ARGUMENT");
  std::vector<LayerView> twice = small.layers();
  auto& first = std::get<BilinearView>(twice[0]);
  first.down = MatrixView::row_major(flat.left.data(), 3, 4);
  first.down_bias = {};
  twice.push_back(small.layers()[0]);
  bool refused = false;
  try {
    fold_one_block(context, {twice, {}, 3});
  } catch (const Error& error) {
    refused = std::string(error.code()) == "UNSUPPORTED_LAYER";
  }
  CHECK(refused);
}

}  // namespace tensim::test
