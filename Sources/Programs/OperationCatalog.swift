/// The operations that can be read back from text and from the C contract. One line an operation.
public struct OperationCatalog: Sendable {
  public private(set) var entries: [any TensorOperation.Type]
  private var byName: [String: any TensorOperation.Type]

  /// The built-in operations.
  public static let standard = OperationCatalog([
    Unary.self, UnaryBackward.self, Binary.self, Select.self, Cast.self, Fill.self,
    MatrixMultiplication.self,
    Convolution2D.self, Convolution2DBackwardInput.self, Convolution2DBackwardFilter.self,
    MaxPool2D.self, MaxPool2DBackward.self, AveragePool2D.self, AveragePool2DBackward.self,
    Reduce.self, ArgMax.self,
    Softmax.self, SoftmaxBackward.self, SoftmaxCrossEntropy.self, SoftmaxCrossEntropyBackward.self,
    Normalize.self, NormalizeBackward.self,
    OneHot.self, SequenceMask.self, Gather.self, ScatterAdd.self,
    Reshape.self, Transpose.self, Broadcast.self, Slice.self, SliceBackward.self, Concatenate.self, Pad.self,
    Reverse.self,
    RandomNumbers.self,
    Assign.self, AllFinite.self, SGDUpdate.self, RMSpropUpdate.self, AdagradUpdate.self, AdamUpdate.self,
    Statistics.self,
  ])

  package init(_ entries: [any TensorOperation.Type]) {
    self.entries = entries
    byName = Dictionary(uniqueKeysWithValues: entries.map { ($0.name, $0) })
  }

  /// The catalogue with a user's own operations; one of the same name replaces the built-in.
  public func adding(_ own: [any TensorOperation.Type]) -> OperationCatalog {
    let names = Set(own.map { $0.name })
    return OperationCatalog(entries.filter { !names.contains($0.name) } + own)
  }

  /// The operation called `name` with these attributes.
  public func operation(
    named name: String, attributes: [String: AttributeValue]
  ) throws(ProgramError) -> any TensorOperation {
    guard let type = byName[name] else { throw ProgramError("there is no operation called \(name)") }
    return try type.init(attributes: attributes)
  }
}
