// The two loops of counting on a GPU; analysis/counting/gpu/kernels.py starts them.
//
// A C++ compiler without CUDA takes this file too, and then runs the threads of a block one after another: so the
// tests run these very loops on a processor (tests/support/kernels_on_cpu.py). For that, every EACH_THREAD is a
// phase that all threads of a block finish before the next one begins. Floating point must not be contracted
// (--fmad=false): the last bit decides which bin a value falls in.

#ifdef __CUDACC__
#define KERNEL extern "C" __global__ void
#define EACH_THREAD for (int t = threadIdx.x, once = 1; once; once = 0)
#define SHARED(type, name) __shared__ type name
#define SYNC __syncthreads()
#define ADD(place, value) atomicAdd(place, value)
#define BLOCK_X blockIdx.x
#define BLOCK_Y blockIdx.y
#define UNROLL _Pragma("unroll")
#else
#include <math.h>
#define KERNEL extern "C" void
#define EACH_THREAD for (int t = 0; t < threads_of_block; t++)
#define SHARED(type, name) static type name
#define SYNC
#define ADD(place, value) (*(place) += (value))
#define BLOCK_X block_x
#define BLOCK_Y block_y
#define UNROLL
#define __restrict__ __restrict
static int threads_of_block, block_x, block_y;
extern "C" void place_block(int threads, int x, int y) { threads_of_block = threads; block_x = x; block_y = y; }
#endif

typedef unsigned char byte;

#define LEVELS 256  // bins are bytes
#define WARP 32

// Bins of a run of units: block (unit, image), 256 threads. A bin is the number of edges below the upsampled value.
//
// r (images, all units, h, w); edges (units, steps) ascending, filled up with infinity to a power of two; the axes'
// first and second cell and the second's weight for each pixel row (y...) and column (x...).
// Sets bins (units, images, H, W) and tally (units, images, 256): how many pixels are in each bin.
KERNEL fill_bins(
    const float* __restrict__ r, const float* __restrict__ edges, const int* __restrict__ y0,
    const int* __restrict__ y1, const float* __restrict__ wy, const int* __restrict__ x0, const int* __restrict__ x1,
    const float* __restrict__ wx, byte* __restrict__ bins, int* __restrict__ tally, int first, int all, int images,
    int h, int w, int H, int W, int steps) {
  const int threads = 256;
  SHARED(float, cut[LEVELS]);
  SHARED(int, held[threads / WARP * LEVELS]);
  const int unit = BLOCK_X, image = BLOCK_Y;
  const float* map = r + ((long long)image * all + first + unit) * h * w;
  byte* out = bins + ((long long)unit * images + image) * H * W;
  EACH_THREAD {
    for (int k = t; k < steps; k += threads) cut[k] = edges[(long long)unit * steps + k];
    for (int k = t; k < threads / WARP * LEVELS; k += threads) held[k] = 0;
  }
  SYNC;
  EACH_THREAD {
    const int across = W < threads ? W : threads, down = threads / across;
    int* own = held + t / WARP * LEVELS;  // a warp's own tally: fewer threads wait for each other
    int last = 0, run = 0;
    for (int x = t % across; t < across * down && x < W; x += across) {
      const int left = x0[x], right = x1[x];
      const float weight = wx[x], rest = 1.0f - weight;
      for (int y = t / across; y < H; y += down) {
        const float *above = map + y0[y] * w, *below = map + y1[y] * w;
        float a = above[left], b = above[right];
        if (above != below) {
          const float part = wy[y], other = 1.0f - part;
          a = other * a + part * below[left];
          b = other * b + part * below[right];
        }
        const float value = left == right ? a : rest * a + weight * b;
        int bin = 0;
        for (int half = steps / 2; half; half /= 2)  // the last edge is infinity
          bin += value > cut[bin + half - 1] ? half : 0;
        out[y * W + x] = bin;
        if (bin != last) {  // neighbours are often in one bin
          if (run) ADD(&own[last], run);
          last = bin;
          run = 0;
        }
        run++;
      }
    }
    if (run) ADD(&own[last], run);
  }
  SYNC;
  EACH_THREAD {
    for (int k = t; k < LEVELS; k += threads) {
      int total = 0;
      for (int warp = 0; warp < threads / WARP; warp++) total += held[warp * LEVELS + k];
      tally[((long long)unit * images + image) * LEVELS + k] = total;
    }
  }
}

// What lies under each concept: block (eight segments, unit), 256 threads, one warp per segment.
//
// A segment is one concept in one image that shows it: segments[s] = concept * images + image, and
// pixels[starts[s] : starts[s + 1]] are its pixels there. The warp looks at the bins of images i - 4 ... i + 4, within
// the block, on them. Adds to joint (units, concepts, 2, rows): the bins of image i itself, and of its partners;
// `weights` (9,) says how often each of the nine is a partner. With windows > 1 it also sets overlaps (units, concepts,
// images, 16): in lanes 0 ... 8 how many of the pixels of each of the nine are at or over the pair's cut, in lanes 9 and
// 10 those of image i at or over the two tails. bins (units, images, size); pair (units, concepts), tails (units, 2).
// From concept `single` on there are formulas, which have no overlaps without a threshold (255).
KERNEL add_listed(
    const byte* __restrict__ bins, const int* __restrict__ pixels, const int* __restrict__ segments,
    const int* __restrict__ starts, const byte* __restrict__ pair, const byte* __restrict__ tails,
    const int* __restrict__ weights, int* __restrict__ joint, int* __restrict__ overlaps, int listed, int concepts,
    int images, int size, int single, int rows, int windows) {
  const int warps = 8, lanes = 11, window = 16;
  SHARED(int, held[warps * 2 * LEVELS]);
  SHARED(int, part[warps * WARP * lanes]);
  const int unit = BLOCK_Y;
  EACH_THREAD {
    for (int k = t; k < warps * 2 * LEVELS; k += warps * WARP) held[k] = 0;
  }
  SYNC;
  EACH_THREAD {
    const int s = BLOCK_X * warps + t / WARP;
    int total[lanes];
    for (int lane = 0; lane < lanes; lane++) total[lane] = 0;
    if (s < listed) {
      const int concept = segments[s] / images, image = segments[s] % images;
      int cut = 256, t0 = 256, t1 = 256;
      if (windows > 1) {
        cut = pair[unit * concepts + concept];
        t0 = tails[unit * 2];
        t1 = tails[unit * 2 + 1];
        if (concept >= single && cut == 255) cut = t0 = t1 = 256;
      }
      const byte* map = bins + (long long)unit * images * size;
      const byte* row[9];
      int last[9], run[9], weight[9];
      UNROLL
      for (int lane = 0; lane < 9; lane++) {
        row[lane] = map + (long long)((image + lane - 4 + 4 * images) % images) * size;
        last[lane] = run[lane] = 0;
        weight[lane] = weights[lane];
      }
      int* own = held + t / WARP * 2 * LEVELS;
      for (int k = starts[s] + t % WARP; k < starts[s + 1]; k += WARP) {
        const int pixel = pixels[k];
        UNROLL
        for (int lane = 0; lane < 9; lane++) {
          if (windows == 1 && lane != 4) continue;
          const int bin = row[lane][pixel];
          total[lane] += bin >= cut;
          if (lane == 4) {
            total[9] += bin >= t0;
            total[10] += bin >= t1;
          }
          if (bin != last[lane]) {  // pixels near each other are often in one bin
            if (run[lane]) ADD(&own[(lane == 4 ? 0 : LEVELS) + last[lane]], run[lane] * weight[lane]);
            last[lane] = bin;
            run[lane] = 0;
          }
          run[lane]++;
        }
      }
      UNROLL
      for (int lane = 0; lane < 9; lane++)
        if (run[lane]) ADD(&own[(lane == 4 ? 0 : LEVELS) + last[lane]], run[lane] * weight[lane]);
    }
    for (int lane = 0; lane < lanes; lane++) part[t * lanes + lane] = total[lane];
  }
  SYNC;
  EACH_THREAD {
    const int s = BLOCK_X * warps + t / WARP, lane = t % WARP;
    if (s < listed) {
      if (windows > 1 && lane < lanes) {
        int total = 0;
        for (int other = 0; other < WARP; other++) total += part[(t / WARP * WARP + other) * lanes + lane];
        overlaps[((long long)unit * concepts * images + segments[s]) * window + lane] = total;
      }
      int* out = joint + ((long long)unit * concepts + segments[s] / images) * 2 * rows;
      for (int k = lane; k < rows; k += WARP)
        for (int which = 0; which < 2; which++) {
          const int count = held[(t / WARP * 2 + which) * LEVELS + k];
          if (count) ADD(&out[which * rows + k], count);
        }
    }
  }
}
