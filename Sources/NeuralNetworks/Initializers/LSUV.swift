/// Layer-sequential unit-variance initialization (Mishkin and Matas, *All You Need Is a Good Init*, 2016, algorithm 1): kernels
/// of dense layers and convolutions start orthonormal and are scaled, one layer after the other, until what each makes of a
/// batch of samples has variance 1.
///
/// The variance is that of x · kernel over samples, places and units, before the bias and the activation; a bias that is the
/// same for all units changes nothing of it. A kernel of several uses goes by its first. The product is linear in the kernel,
/// so that one round is enough up to rounding. Recurrent layers and embeddings start as their initializers say; masked steps
/// count as the others do.
public struct LSUV: Hashable, Codable, Sendable {
  /// Samples of the batch; nil: as many as a training step takes.
  public var samples: Int?
  /// How far from 1 a variance may stay.
  public var tolerance: Double
  /// How often a kernel is scaled at most.
  public var rounds: Int
  /// Whether kernels start orthonormal (Saxe et al., 2014), whatever their own initializers say.
  public var orthogonal: Bool

  public init(samples: Int? = nil, tolerance: Double = 0.01, rounds: Int = 10, orthogonal: Bool = true) {
    (self.samples, self.tolerance, self.rounds, self.orthogonal) = (samples, tolerance, rounds, orthogonal)
  }
}

extension LSUV: Configurable {
  package static let settings = Settings<LSUV>(
    "lsuv", of: LSUV(), help: "Kernels are scaled, layer by layer, until what they make of a batch has variance 1",
    keys: [
      .integer(
        "samples", \.samples, in: .extents, help: "How many training samples are looked at; default: a batch"),
      .number("tolerance", \.tolerance, in: .positive, help: "How far from 1 a variance may stay"),
      .integer("rounds", \.rounds, in: 1...1000, help: "How often a kernel is scaled at most"),
      .bool("orthogonal", \.orthogonal, help: "Whether kernels start orthogonal, whatever kernel_initializer says"),
    ])
}
