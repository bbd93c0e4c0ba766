/// A box of elements that several tensors are walked through together, with as few axes as it takes: those of extent 1
/// go, and neighbours that every tensor walks evenly become one.
package struct MergedAxes: Hashable, Sendable {
  package private(set) var extents: [Int] = []
  /// For each tensor its strides in elements, one an axis.
  package private(set) var strides: [[Int]]

  /// One list of strides a tensor, as long as `extents`.
  package init(_ extents: [Int], _ tensors: [[Int]]) {
    strides = tensors.map { _ in [] }
    for axis in extents.indices where extents[axis] != 1 {
      let isEven = zip(strides, tensors).allSatisfy { $0.last == $1[axis] * extents[axis] }
      if let last = self.extents.last, isEven {
        self.extents[self.extents.count - 1] = last * extents[axis]
        for tensor in tensors.indices { strides[tensor][strides[tensor].count - 1] = tensors[tensor][axis] }
      } else {
        self.extents.append(extents[axis])
        for tensor in tensors.indices { strides[tensor].append(tensors[tensor][axis]) }
      }
    }
  }

  package var rank: Int { extents.count }

  /// Takes the last axis away, if there is one: its extent and each tensor's stride.
  package mutating func popLast() -> (extent: Int, strides: [Int])? {
    guard let extent = extents.popLast() else { return nil }
    return (extent, strides.indices.map { strides[$0].removeLast() })
  }
}
