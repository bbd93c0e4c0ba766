#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Which sample another one is mixed with, and how much of it: a pure function of seed, epoch and sample. x̃ = λ·x +
/// (1 − λ)·x′ with λ of a beta distribution and x′ any sample of the training part (Zhang et al. 2018, "mixup: Beyond
/// Empirical Risk Minimization", section 2).
package struct Mixup {
  package let partner: Int
  /// 1 − λ in parts of `whole`: what is mixed, and what the loss is told, is one number.
  package let share: Int
  package static let whole = 1 << 16

  package init(alpha: Double, seed: Int64, epoch: Int, sample: Int, count: Int) {
    var random = SplitMix64(state: 0x6d69_7875)
    random.mix(UInt64(bitPattern: seed))
    random.mix(UInt64(bitPattern: Int64(epoch)))
    random.mix(UInt64(bitPattern: Int64(sample)))
    partner = random.next(below: count)
    share = Int((Self.beta(alpha, &random) * Double(Self.whole)).rounded())
  }

  /// Whether the partner is more than half of the mixture.
  package var isMostlyPartner: Bool { share > Self.whole / 2 }

  /// The part of whoever is less of the mixture, exactly a Float.
  package var smallerShare: Float { Float(min(share, Self.whole - share)) / Float(Self.whole) }

  /// A number of the distribution Beta(α, α).
  private static func beta(_ alpha: Double, _ random: inout SplitMix64) -> Double {
    /// In (0, 1).
    func uniform() -> Double { (Double(random.next() >> 12) + 0.5) * 0x1p-52 }
    // Ulrich's form for symmetric ones (Devroye 1986, "Non-Uniform Random Variate Generation", section IX.3.3).
    if alpha >= 0.5 {
      let radius = alpha == 0.5 ? 1 : (1 - pow(uniform(), 2 / (2 * alpha - 1))).squareRoot()
      return 0.5 * (1 + radius * cos(2 * .pi * uniform()))
    }
    // Jöhnk's (1964): u^(1/α) / (u^(1/α) + v^(1/α)) where the sum is at most 1, by logarithms, since the powers are 0 for
    // a small α. At least 0.78 of the tries pass.
    while true {
      let (x, y) = (log(uniform()) / alpha, log(uniform()) / alpha)
      let largest = max(x, y)
      let sum = largest + log(exp(x - largest) + exp(y - largest))
      if sum <= 0 { return exp(x - sum) }
    }
  }

  /// Writes the mixture of a field's numbers with the partner's over them. Pictures' bytes are rounded.
  func mix(_ field: Field, _ bytes: UnsafeMutableRawBufferPointer, with partner: UnsafeMutableRawBufferPointer) {
    switch field.elementType {
    case .uint8:
      for place in bytes.indices {
        let sum = Int(bytes[place]) * (Self.whole - share) + Int(partner[place]) * share
        bytes[place] = UInt8((sum + Self.whole / 2) >> 16)
      }
    case .float32:
      let (numbers, others) = (bytes.bindMemory(to: Float.self), partner.bindMemory(to: Float.self))
      let other = Double(share) / Double(Self.whole)
      for place in numbers.indices {
        numbers[place] = Float(Double(numbers[place]) * (1 - other) + Double(others[place]) * other)
      }
    case .int32: break
    }
  }

  /// Why samples of such data cannot be mixed; nil where they can.
  static func fault(of layout: DatasetLayout) -> String? {
    if let field = layout.inputs.first(where: {
      $0.elementType != .float32 && ($0.elementType != .uint8 || $0.scale == nil)
    }) {
      return "mixup mixes pictures and numbers, and the data has \(field)"
    }
    for target in layout.targets {
      guard case .stepClasses(let steps) = target.targets else { continue }
      return "mixup mixes a class a sample, and \(target.name) has one for each of \(steps) steps"
    }
    // Weights of samples, lengths of sequences, and a field of a mixture's name.
    if let field = layout.others.first { return "mixup knows no mixture of \(field)" }
    return nil
  }
}
