import SwitchbackInterchange

/// One step from another framework's weights to ours. Each can be undone, so a map that imports also exports.
package enum WeightStep: Hashable, Sendable {
  /// The i-th of n equal parts of the first axis, from 1: `part 1 of 3`.
  case part(Int, of: Int)
  /// The first axis's equal parts in another order, from 0: `reorder 1 0 2` puts the second first.
  case reorder([Int])
  /// The axes in another order, from 0: `permute 2 3 1 0`; of two axes `transpose`.
  case permute([Int])
  /// The first axis counts channels first (C·H·W), and here it counts them last (H·W·C): `rows 8 5 5` of C, H and W.
  case rows([Int])
  /// The same numbers in another shape: `reshape 4 2 8 to 8 8`.
  case reshape(from: [Int], to: [Int])
  /// Tensors of one shape become their sum; the way back gives it to the first, and 0 to the others: `sum`.
  case sum
  /// Tensors of one shape become the rows of one: `stack`.
  case stack

  static let transpose = permute([1, 0])

  package init(_ words: String) throws(WeightError) {
    let parts = words.split(separator: " ")
    func numbers(_ parts: some Sequence<Substring>) -> [Int] { parts.compactMap { Int($0) }.filter { $0 >= 0 } }
    let rest = numbers(parts.dropFirst())
    let areNumbers = rest.count == parts.count - 1
    switch parts.first {
    case "sum" where parts.count == 1: self = .sum
    case "stack" where parts.count == 1: self = .stack
    case "transpose" where parts.count == 1: self = .transpose
    case "part"
    where parts.count == 4 && parts[2] == "of" && rest.count == 2 && (1...max(1, rest[1])).contains(rest[0]):
      self = .part(rest[0], of: rest[1])
    case "reorder" where areNumbers && rest.sorted() == Array(0..<rest.count): self = .reorder(rest)
    case "permute" where areNumbers && rest.sorted() == Array(0..<rest.count): self = .permute(rest)
    case "rows" where areNumbers && !rest.isEmpty: self = .rows(rest)
    case "reshape":
      guard let middle = parts.firstIndex(of: "to") else { fallthrough }
      let (from, to) = (numbers(parts[1..<middle]), numbers(parts[(middle + 1)...]))
      guard from.count == middle - 1, to.count == parts.count - middle - 1 else { fallthrough }
      self = .reshape(from: from, to: to)
    default:
      throw WeightError(
        "\(words) is no transform: there are transpose, permute 2 3 1 0, part 1 of 3, reorder 1 0 2, rows 8 5 5, "
          + "reshape 8 8 to 64, sum and stack")
    }
  }

  package var words: String {
    func list(_ numbers: [Int]) -> String { numbers.map { "\($0)" }.joined(separator: " ") }
    return switch self {
    case .part(let index, let count): "part \(index) of \(count)"
    case .reorder(let order): "reorder \(list(order))"
    case .permute([1, 0]): "transpose"
    case .permute(let order): "permute \(list(order))"
    case .rows(let extents): "rows \(list(extents))"
    case .reshape(let from, let to): "reshape \(list(from)) to \(list(to))"
    case .sum: "sum"
    case .stack: "stack"
    }
  }

  /// What the numbers of steps do, for people; nil of those that only name a form.
  package var meaning: String? {
    switch self {
    case .permute([2, 3, 1, 0]): "OIHW to HWIO"
    case .permute([2, 1, 0]): "OIK to KIO"
    case .reorder([1, 0, 2]): "gates r z n to z r h"
    case .rows: "rows from channels first to last"
    case .part(let index, let count): "split: part \(index) of \(count)"
    case .sum: "two biases added"
    default: nil
    }
  }
}

/// Numbers and their shape, row-major.
package struct WeightBlock: Hashable, Sendable {
  package var shape: [Int]
  package var numbers: [Float]

  /// The same numbers, each from the place that `source` says.
  private func gathered(_ shape: [Int], _ source: (Int) -> Int) -> WeightBlock {
    WeightBlock(shape: shape, numbers: numbers.indices.map { numbers[source($0)] })
  }

  /// Axis k of the result is axis `order[k]` of this.
  fileprivate func permuted(_ order: [Int]) -> WeightBlock {
    var strides = [Int](repeating: 1, count: shape.count)
    for axis in shape.indices.dropLast().reversed() { strides[axis] = strides[axis + 1] * shape[axis + 1] }
    let result = order.map { shape[$0] }
    return gathered(result) { place in
      var (rest, source) = (place, 0)
      for axis in result.indices.reversed() {
        source += rest % result[axis] * strides[order[axis]]
        rest /= result[axis]
      }
      return source
    }
  }

  /// Blocks of the first axis, each from the place that `source` says.
  fileprivate func rows(_ count: Int, _ source: (Int) -> Int) -> WeightBlock {
    let size = count > 0 ? numbers.count / count : 0
    return gathered(shape) { source($0 / max(size, 1)) * size + $0 % max(size, 1) }
  }
}

extension WeightStep {
  /// Their form to ours. What does not fit is an error in words.
  func applied(to blocks: [WeightBlock]) throws(WeightError) -> [WeightBlock] {
    let shapes = try result(of: blocks.map(\.shape))
    switch self {
    case .sum:
      let sum = blocks.dropFirst().reduce(blocks[0].numbers) { sum, block in zip(sum, block.numbers).map(+) }
      return [WeightBlock(shape: shapes[0], numbers: sum)]
    case .stack: return [WeightBlock(shape: shapes[0], numbers: blocks.flatMap(\.numbers))]
    default:
      return zip(blocks, shapes).map { block, shape in
        switch self {
        case .part(let index, let count):
          let size = block.numbers.count / count
          return WeightBlock(shape: shape, numbers: Array(block.numbers[(index - 1) * size..<index * size]))
        case .reorder(let order): return block.rows(order.count) { order[$0] }
        case .permute(let order): return block.permuted(order)
        case .rows(let extents): return block.rows(block.shape[0], Self.source(extents))
        default: return WeightBlock(shape: shape, numbers: block.numbers)
        }
      }
    }
  }

  /// Ours to their form; a part stays a part. `count` tensors are theirs.
  func undone(_ blocks: [WeightBlock], count: Int) -> [WeightBlock] {
    switch self {
    case .sum:
      let zeros = WeightBlock(shape: blocks[0].shape, numbers: blocks[0].numbers.map { _ in 0 })
      return [blocks[0]] + Array(repeating: zeros, count: count - 1)
    case .stack:
      let size = blocks[0].numbers.count / count
      return (0..<count).map {
        WeightBlock(
          shape: Array(blocks[0].shape.dropFirst()), numbers: Array(blocks[0].numbers[$0 * size..<($0 + 1) * size]))
      }
    default:
      return blocks.map { block in
        switch self {
        case .reorder(let order): return block.rows(order.count) { place in order.firstIndex(of: place) ?? place }
        case .permute(let order): return block.permuted(order.indices.map { order.firstIndex(of: $0) ?? $0 })
        case .rows(let extents):
          let source = (0..<block.shape[0]).map(Self.source(extents))
          var back = source
          for (place, other) in source.enumerated() { back[other] = place }
          return block.rows(block.shape[0]) { back[$0] }
        case .reshape(let from, _): return WeightBlock(shape: from, numbers: block.numbers)
        default: return block
        }
      }
    }
  }

  /// The row of C·H·W that the given one of H·W·C is.
  private static func source(_ extents: [Int]) -> (Int) -> Int {
    let (channels, places) = (extents[0], extents.dropFirst().reduce(1, *))
    return { $0 % channels * places + $0 / channels }
  }

  /// The shapes that it makes of shapes.
  func result(of shapes: [[Int]]) throws(WeightError) -> [[Int]] {
    guard let first = shapes.first else { throw WeightError("\(words) takes a tensor") }
    func fault(_ shape: [Int]) -> WeightError { WeightError("\(words) does not fit the shape \(shape)") }
    switch self {
    case .sum, .stack:
      guard shapes.allSatisfy({ $0 == first }) else { throw WeightError("\(words) takes tensors of one shape") }
      return [self == .sum ? first : [shapes.count] + first]
    default:
      var results: [[Int]] = []
      for shape in shapes {
        switch self {
        case .part(_, let count):
          guard let rows = shape.first, rows % count == 0 else { throw fault(shape) }
          results.append([rows / count] + shape.dropFirst())
        case .reorder(let order):
          guard let rows = shape.first, rows % order.count == 0 else { throw fault(shape) }
          results.append(shape)
        case .permute(let order):
          guard order.count == shape.count else { throw fault(shape) }
          results.append(order.map { shape[$0] })
        case .rows(let extents):
          guard let rows = shape.first, Self.product(extents) == rows else { throw fault(shape) }
          results.append(shape)
        case .reshape(let from, let to):
          guard from == shape, Self.product(to) == Self.product(from) else { throw fault(shape) }
          results.append(to)
        case .sum, .stack: break
        }
      }
      return results
    }
  }

  /// Nil where no number counts that many.
  private static func product(_ extents: [Int]) -> Int? {
    var product = 1
    for extent in extents {
      let (next, overflows) = product.multipliedReportingOverflow(by: extent)
      guard !overflows else { return nil }
      product = next
    }
    return product
  }
}

extension [WeightStep] {
  func applied(to blocks: [WeightBlock]) throws(WeightError) -> WeightBlock {
    var blocks = blocks
    for step in self { blocks = try step.applied(to: blocks) }
    guard blocks.count == 1 else { throw WeightError("\(blocks.count) tensors become one by sum or stack") }
    return blocks[0]
  }

  /// The shape that they make; nil where they do not fit.
  func result(of shapes: [[Int]]) -> [Int]? {
    var shapes = shapes
    for step in self {
      guard let next = try? step.result(of: shapes) else { return nil }
      shapes = next
    }
    return shapes.count == 1 ? shapes[0] : nil
  }

  func undone(_ block: WeightBlock, count: Int) -> [WeightBlock] {
    reversed().reduce([block]) { $1.undone($0, count: count) }
  }
}

/// Why weights cannot be read, mapped or written, in words.
package struct WeightError: Error, Hashable, Sendable, CustomStringConvertible {
  package let message: String

  package init(_ message: String) { self.message = message }

  package var description: String { message }
}
