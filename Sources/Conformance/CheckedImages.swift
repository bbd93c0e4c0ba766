import SwitchbackPrograms

/// The operands by which a call is judged at its own shapes. A convolution of a whole batch would take the reference
/// minutes, and images do not mix: the backend gets the whole batch, the reference only the last image, or the first
/// and the last. A gradient of the filter sums over images, so the other images' gradients are made zero.
struct CheckedImages {
  private(set) var operands: [[Double]]
  private(set) var referenceTypes: [TensorType]
  private(set) var referenceOperands: [[Double]]
  /// The ranges of each result that are compared; nil: all.
  private var ranges: [Range<Int>]?

  /// The most arithmetic that the reference is given, where there is a choice.
  private static let mostFlops = 400_000_000

  init(_ check: CallCheck, _ given: [[Double]]) {
    let operation = check.call.operation
    (operands, referenceTypes, referenceOperands) = (given, check.sample.inputs, given)
    let isFilterGradient = operation is Convolution2DBackwardFilter
    let flops = operation.cost(for: referenceTypes).flops
    guard operation is Convolution2D || operation is Convolution2DBackwardInput || isFilterGradient,
      flops > Self.mostFlops, let images = referenceTypes.first?.shape[0], images > 2
    else { return }
    let chosen = 2 * (flops / images) <= Self.mostFlops ? [0, images - 1] : [images - 1]
    func ranges(_ count: Int) -> [Range<Int>] { chosen.map { $0 * count / images..<($0 + 1) * count / images } }
    for index in isFilterGradient ? [0, 1] : [0] {
      var extents = referenceTypes[index].shape.extents
      extents[0] = chosen.count
      referenceTypes[index] = referenceTypes[index].with(shape: Shape(extents))
      referenceOperands[index] = ranges(given[index].count).flatMap { given[index][$0] }
    }
    guard isFilterGradient else {
      let results = (try? operation.outputTypes(for: check.sample.inputs)) ?? []
      self.ranges = results.first.map { ranges($0.shape.elementCount) }
      return
    }
    operands[1] = [Double](repeating: 0, count: given[1].count)
    for range in ranges(given[1].count) { operands[1].replaceSubrange(range, with: given[1][range]) }
  }

  /// What of a result is compared with the reference's.
  func selected(_ result: [Double]) -> [Double] {
    guard let ranges else { return result }
    return ranges.flatMap { result[$0] }
  }
}
