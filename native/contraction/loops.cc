#include "loops.h"

#include "entries.h"

namespace tensim {

template <class T>
void loops_product(const Context& context, const Product<T>& product) {
  const Entries<T> entries(product);
  const std::size_t m = entries.left_a.size(), k = entries.depth_a.size();
  for_tasks(context, entries.batch_a.size() * m, entries.right_b.size() * k, [&](std::size_t row) {
    const std::size_t x = row / m, i = row % m;
    const T* a = entries.a(x) + entries.left_a[i];
    for (std::size_t j = 0; j < entries.right_b.size(); ++j) {
      const T* b = entries.b(x) + entries.right_b[j];
      double sum = 0;
      for (std::size_t p = 0; p < k; ++p) {
        sum += static_cast<double>(product.a_factor * a[entries.depth_a[p]]) *
               static_cast<double>(product.b_factor * b[entries.depth_b[p]]);
      }
      T& at = entries.out(x)[entries.left_out[i] + entries.right_out[j]];
      at = static_cast<T>(product.accumulate ? static_cast<double>(at) + sum : sum);
    }
  });
}

template void loops_product<double>(const Context&, const Product<double>&);
template void loops_product<float>(const Context&, const Product<float>&);

}  // namespace tensim
