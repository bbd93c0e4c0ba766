import SwitchbackPrograms

/// Cases beside the catalogue's: whole numbers and Booleans, of which there are no finite differences.
enum FurtherSamples {
  static func samples(of operation: any TensorOperation.Type) -> [OperationSample] {
    switch operation.name {
    case Binary.name:
      let functions = BinaryFunction.allCases.filter { ![.divide, .power].contains($0) }
      return functions.flatMap { function in
        [([5, 3], [5, 3]), ([4, 1, 5], [3, 1]), ([4, 6], [6])].map { (a: [Int], b: [Int]) in
          // Few numbers, so that there are ties.
          OperationSample(Binary(function), [.int32(Shape(a)), .int32(Shape(b))], [.indices(3)])
        }
      }
    case Select.name:
      return [ElementType.int32, .int64, .uint8].map { type in
        OperationSample(
          Select(), [TensorType(.bool, [13]), TensorType(type, [9, 13]), TensorType(type, [9, 1])],
          [.indices(2), .indices(9), .indices(9)])
      }
    case Cast.name: return [OperationSample(Cast(to: .bool), [.float32([37])], [.indices(2)])]
    default: return []
    }
  }
}
