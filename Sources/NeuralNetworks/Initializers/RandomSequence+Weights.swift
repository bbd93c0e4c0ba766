import SwitchbackPrograms

extension RandomSequence {
  /// Mean 0 and that variance.
  mutating func scaled(_ count: Int, _ distribution: ScaledDistribution, variance: Double) -> [Float] {
    switch distribution {
    case .uniform:
      let limit = (3 * variance).squareRoot()
      return (0..<count).map { _ in Float(limit * (2 * nextUniform() - 1)) }
    case .truncatedNormal:
      // The standard deviation of a normal number cut at ±2, so that what is left has the variance wanted.
      let deviation = variance.squareRoot() / 0.87962566103423978
      return (0..<count).map { _ in Float(deviation * nextTruncatedNormal()) }
    case .untruncatedNormal:
      let deviation = variance.squareRoot()
      return (0..<count).map { _ in Float(deviation * nextNormal()) }
    }
  }

  /// Gram and Schmidt, each vector twice, which is as orthogonal as Householder (Giraud et al., 2005) and leaves R's
  /// diagonal positive.
  mutating func orthogonal(_ shape: Shape, gain: Double) -> [Float] {
    let columns = shape.extents.last ?? 1
    let rows = shape.extents.dropLast().reduce(1, *)
    let (length, vectorCount) = (max(rows, columns), min(rows, columns))
    var vectors: [[Double]] = []
    while vectors.count < vectorCount {
      var vector = (0..<length).map { _ in nextNormal() }
      for _ in 0..<2 {
        for other in vectors {
          var product = 0.0
          for index in 0..<length { product += vector[index] * other[index] }
          for index in 0..<length { vector[index] -= product * other[index] }
        }
      }
      let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
      // Random vectors that depend on each other: never seen, but a division by zero would be silent.
      if norm > 1e-9 { vectors.append(vector.map { $0 / norm }) }
    }
    return (0..<rows).flatMap { row in
      (0..<columns).map { column in
        Float(gain * (rows >= columns ? vectors[column][row] : vectors[row][column]))
      }
    }
  }

  /// An orthonormal matrix of channels in the middle of the kernel. Of an even number of cells it is the one before the
  /// middle, which `same` padding lays over the pixel itself.
  mutating func deltaOrthogonal(_ shape: Shape, gain: Double) -> [Float] {
    let matrix = Array(shape.extents.suffix(2))
    let middle = shape.extents.dropLast(2).reduce(0) { $0 * $1 + ($1 - 1) / 2 }
    var values = [Float](repeating: 0, count: shape.elementCount)
    let numbers = orthogonal(Shape(matrix), gain: gain)
    values.replaceSubrange(middle * numbers.count..<(middle + 1) * numbers.count, with: numbers)
    return values
  }
}
