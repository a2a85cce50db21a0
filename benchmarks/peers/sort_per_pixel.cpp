// Percentiles the way compiled per-pixel code of the field does them: gather the clear values of a pixel, std::sort, interpolate.
#include <algorithm>
#include <cstdint>
#include <vector>

extern "C" void percentiles(const uint16_t *values, const uint8_t *quality, const uint8_t *keep, int64_t times, int64_t pixels,
                            const int64_t *q, int64_t n_q, uint16_t low, uint16_t high, uint16_t *out) {
  std::vector<uint16_t> found(times);
  for (int64_t p = 0; p < pixels; ++p) {
    int64_t n = 0;
    for (int64_t t = 0; t < times; ++t) {
      uint16_t v = values[t * pixels + p];
      if (keep[quality[t * pixels + p]] && v >= low && v <= high) found[n++] = v;
    }
    if (n == 0) {
      for (int64_t s = 0; s < n_q; ++s) out[s * pixels + p] = 0;
      continue;
    }
    std::sort(found.begin(), found.begin() + n);
    for (int64_t s = 0; s < n_q; ++s) {
      int64_t k = (n - 1) * q[s], at = k / 100, f = k % 100;
      int64_t a = found[at], b = found[std::min(at + 1, n - 1)];
      out[s * pixels + p] = static_cast<uint16_t>(((100 - f) * a + f * b + 50) / 100);
    }
  }
}
