package import SwitchbackPrograms

/// The part of a call that is judged on real operands in the middle of a training: the whole where the reference has done it
/// at once, else some images where images do not mix, and some rows, columns or filters of a sum.
///
/// The first and the last are always among them, since blocks of kernels end there; the others are drawn by `turn`, so that
/// each rotation sees others. The backend has computed the whole; only the reference computes the part.
package struct CheckedBlock {
  /// The operands' types, cut.
  package private(set) var types: [TensorType]
  /// By operand and axis what is taken; nil: all.
  package private(set) var operands: [[[Int]?]]
  /// The same of the results.
  package private(set) var results: [[[Int]?]]

  private let operation: any TensorOperation
  private var resultTypes: [TensorType]
  private let draw: Philox
  private let turn: Int
  private var littleFlops = Self.littleFlops
  private var fewElements = Self.fewElements

  package static let mostImages = 8
  /// Arithmetic that the reference has done in about a tenth of a second, and what it is given at most.
  package static let littleFlops = 30_000_000
  private static let mostFlops = 400_000_000
  /// Elements of operands and results that are converted at once, and at most.
  package static let fewElements = 1 << 19
  private static let mostElements = 4 << 20

  /// Nil where it would be too much, and no part of it stands for itself.
  package init?(
    _ operation: any TensorOperation, _ types: [TensorType], turn: Int = 0, littleFlops: Int = Self.littleFlops,
    fewElements: Int = Self.fewElements
  ) {
    guard let results = try? operation.outputTypes(for: types) else { return nil }
    self.init(wholly: operation, types, results, turn: turn)
    (self.littleFlops, self.fewElements) = (littleFlops, fewElements)
    if isLarge { takeImages() }
    if isLarge { takeChannels() }
    // What a cut must be: the same operation on other extents.
    guard flops <= Self.mostFlops, elementCount <= Self.mostElements,
      let cut = try? operation.outputTypes(for: self.types), cut == resultTypes
    else { return nil }
  }

  /// All of a call, however much it is.
  static func whole(_ operation: any TensorOperation, _ types: [TensorType]) -> CheckedBlock? {
    guard let results = try? operation.outputTypes(for: types) else { return nil }
    return CheckedBlock(wholly: operation, types, results)
  }

  private init(wholly operation: any TensorOperation, _ types: [TensorType], _ results: [TensorType], turn: Int = 0) {
    (self.operation, self.types, resultTypes) = (operation, types, results)
    (draw, self.turn) = (Philox(seed: 0x5B), turn)
    operands = types.map { [[Int]?](repeating: nil, count: $0.shape.rank) }
    self.results = results.map { [[Int]?](repeating: nil, count: $0.shape.rank) }
  }

  /// Of a whole tensor the elements at the `taken` places of each axis.
  package static func part(of numbers: [Double], in shape: Shape, at taken: [[Int]?]) -> [Double] {
    numbers.withUnsafeBytes { ProgramEvaluation.load($0, TensorType(.float64, shape), at: taken) }
  }

  /// Arithmetic of the part.
  package var flops: Int { operation.cost(for: types).flops }
  private var elementCount: Int { (types + resultTypes).reduce(0) { $0 + $1.shape.elementCount } }
  private var isLarge: Bool { flops > littleFlops || elementCount > fewElements }

  // MARK: Cuts

  private mutating func takeImages() {
    guard let carriers = imageOperands, let images = resultTypes.first?.shape.extents.first, images > 2,
      resultTypes.allSatisfy({ $0.shape.extents.first == images }),
      carriers.allSatisfy({ types[$0].shape.extents.first == images })
    else { return }
    let share = max(Double(flops) / Double(littleFlops), Double(elementCount) / Double(fewElements))
    let count = min(Self.mostImages, max(2, Int(Double(images) / share)))
    cut(carriers.map { ($0, 0) }, resultTypes.indices.map { ($0, 0) }, to: count)
  }

  /// The operands whose first axis is that of the results, where none of these depends on another one's place there.
  private var imageOperands: [Int]? {
    guard let result = resultTypes.first else { return nil }
    /// Those of as many axes: what is repeated along the first one stays whole.
    func alike() -> [Int] {
      types.indices.filter {
        types[$0].shape.rank == result.shape.rank && types[$0].shape.extents.first == result.shape.extents.first
      }
    }
    switch operation {
    case is Convolution2D, is Convolution2DBackwardInput: return [0]
    case let product as MatrixMultiplication:
      if result.shape.rank > 2 { return [0, 1] }
      return product.transposeA ? nil : [0]
    case is Unary, is UnaryBackward, is Binary, is Cast, is Select: return alike()
    case is MaxPool2D, is MaxPool2DBackward, is AveragePool2D, is AveragePool2DBackward,
      is SoftmaxCrossEntropy, is SoftmaxCrossEntropyBackward:
      return Array(types.indices)
    case let softmax as Softmax: return softmax.axis > 0 ? [0] : nil
    case let softmax as SoftmaxBackward: return softmax.axis > 0 ? [0, 1] : nil
    // Both ways have samples on the axes before this one.
    case _ where operation.name.hasPrefix(Normalize.name):
      return operation.attributes.contains { $0.name == "axis" && $0.value != .int(0) } ? Array(types.indices) : nil
    default: return nil
    }
  }

  /// Filters and channels of a convolution, columns and rows of a product, what a sum leaves of the last axis.
  private mutating func takeChannels() {
    switch operation {
    case let convolution as Convolution2D where convolution.groups == 1: narrow([(1, 3)], [(0, 3)])
    case let convolution as Convolution2DBackwardInput where convolution.groups == 1: narrow([(1, 2)], [(0, 3)])
    case let convolution as Convolution2DBackwardFilter where convolution.groups == 1:
      narrow([(1, 3)], [(0, 3)])
      narrow([(0, 3)], [(0, 2)])
    case let product as MatrixMultiplication:
      let last = types[0].shape.rank - 1
      narrow([(1, product.transposeB ? last - 1 : last)], [(0, last)])
      if product.transposeA { narrow([(0, last)], [(0, last - 1)]) }
    case let sum as Reduce:
      let last = types[0].shape.rank - 1
      guard last > 0, !sum.axes.contains(last), let result = resultTypes.first else { return }
      narrow([(0, last)], [(0, result.shape.rank - 1)])
    default: break
    }
  }

  /// Takes as many along an axis as are soon done.
  private mutating func narrow(_ operands: [(Int, Int)], _ results: [(Int, Int)]) {
    guard isLarge, let (operand, axis) = operands.first else { return }
    let extent = types[operand].shape[axis]
    let share = max(Double(flops) / Double(littleFlops), Double(elementCount) / Double(fewElements))
    guard extent > 2 else { return }
    cut(operands, results, to: max(2, Int(Double(extent) / share)))
  }

  private mutating func cut(_ operands: [(Int, Int)], _ results: [(Int, Int)], to count: Int) {
    guard let (operand, axis) = operands.first else { return }
    let extent = types[operand].shape[axis]
    guard count < extent else { return }
    let taken = taken(count, of: extent, axis)
    for (operand, axis) in operands {
      self.operands[operand][axis] = taken
      types[operand] = types[operand].taking(taken.count, along: axis)
    }
    for (result, axis) in results {
      self.results[result][axis] = taken
      resultTypes[result] = resultTypes[result].taking(taken.count, along: axis)
    }
  }

  /// The first, the last, and others by the turn, in order.
  private func taken(_ count: Int, of extent: Int, _ axis: Int) -> [Int] {
    var taken: Set<Int> = [0, extent - 1]
    var block = 0
    // Where few are left out, draws repeat; what is missing then is not missed.
    while taken.count < count, block < count {
      let bits = draw.bits(block: block, stream: axis, step: Int64(turn))
      for word in 0..<4 where taken.count < count { taken.insert(Int(bits[word]) % extent) }
      block += 1
    }
    return taken.sorted()
  }
}

extension TensorType {
  fileprivate func taking(_ count: Int, along axis: Int) -> TensorType {
    var extents = shape.extents
    extents[axis] = count
    return with(shape: Shape(extents))
  }
}

extension ProgramEvaluation {
  /// The elements at the `taken` places of each axis (nil: all), as Float64.
  static func load(_ bytes: UnsafeRawBufferPointer, _ type: TensorType, at taken: [[Int]?]) -> [Double] {
    guard let last = taken.lastIndex(where: { $0 != nil }) else { return load(bytes, type) }
    let extents = type.shape.extents
    let run = extents[(last + 1)...].reduce(1, *)
    var (offsets, stride) = ([0], extents.reduce(1, *))
    for axis in 0...last {
      stride /= max(extents[axis], 1)
      let places = taken[axis] ?? Array(0..<extents[axis])
      let step = stride
      offsets = offsets.flatMap { offset in places.map { offset + $0 * step } }
    }
    var numbers: [Double] = []
    numbers.reserveCapacity(offsets.count * run)
    for offset in offsets {
      for e in offset..<offset + run { numbers.append(number(bytes, type.elementType, e)) }
    }
    return numbers
  }
}
