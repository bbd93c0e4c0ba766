/* The matrices of Winograd's convolutions F(2 x 2, 3 x 3) and F(4 x 4, 3 x 3).
 *
 * Those of Toom and Cook for the points 0, 1, -1 and 0, 1, -1, 2, -1/2, and infinity. Point a gives G's row
 * (1, a, a^2) / N with N the product of its distances to the others, A's column (1, a, ... a^(m-1)), and B's row the
 * coefficients of the product of (x - b) over the others b; infinity gives the last ones.
 * Source: Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016; the points of m = 4: Barabasz,
 * Anderson, Soodhalter and Gregg, "Error analysis and improving the accuracy of Winograd convolution for deep neural
 * networks", 2018. */

enum { MOST_EDGE = 6 };

/* B' [edge, edge], G [edge, 3] and A' [results, edge]. */
typedef struct {
  int results, edge;
  float b[MOST_EDGE][MOST_EDGE], g[MOST_EDGE][3], a[4][MOST_EDGE];
} winograd_matrices;

static const winograd_matrices winograd_2 = {
  2, 4,
  {{-1, 0, 1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, -1, 0, 1}},
  {{-1, 0, 0}, {1 / 2.0, 1 / 2.0, 1 / 2.0}, {1 / 2.0, -1 / 2.0, 1 / 2.0}, {0, 0, 1}},
  {{1, 1, 1, 0}, {0, 1, -1, 1}},
};

static const winograd_matrices winograd_4 = {
  4, 6,
  {{1, 1.5, -2, -1.5, 1, 0}, {0, -1, -2.5, -0.5, 1, 0}, {0, 1, 0.5, -2.5, 1, 0}, {0, -0.5, -1, 0.5, 1, 0},
   {0, 2, -1, -2, 1, 0}, {0, 1, 1.5, -2, -1.5, 1}},
  {{1, 0, 0}, {-1 / 3.0, -1 / 3.0, -1 / 3.0}, {1 / 3.0, -1 / 3.0, 1 / 3.0}, {1 / 15.0, 2 / 15.0, 4 / 15.0},
   {-16 / 15.0, 8 / 15.0, -4 / 15.0}, {0, 0, 1}},
  {{1, 1, 1, 1, 1, 0}, {0, 1, -1, 2, -0.5, 0}, {0, 1, 1, 4, 0.25, 0}, {0, 1, -1, 8, -0.125, 1}},
};

