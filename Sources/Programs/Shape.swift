/// The extents of a dense row-major tensor, outermost first; a scalar has none.
///
/// Images are `[N, H, W, C]`, filters `[Kh, Kw, Cin / groups, Cout]`, dense kernels `[in, out]` (Keras).
public struct Shape: Hashable, Sendable, ExpressibleByArrayLiteral, CustomStringConvertible {
  public var extents: [Int]

  public init(_ extents: [Int]) { self.extents = extents }
  public init(arrayLiteral elements: Int...) { extents = elements }

  public static let scalar: Shape = []

  public var rank: Int { extents.count }
  public var elementCount: Int { extents.reduce(1, *) }
  /// Whether a machine may ever hold so many elements; `elementCount` and `strides` of others may overflow, and so may
  /// the product of an extent and an attribute.
  package var isAddressable: Bool {
    // Strides pass over empty axes.
    var count = 1
    for extent in extents {
      guard extent >= 0, extent <= 1 << 31 else { return false }
      let (product, isTooLarge) = count.multipliedReportingOverflow(by: max(extent, 1))
      guard !isTooLarge, product <= 1 << 46 else { return false }
      count = product
    }
    return true
  }
  public subscript(axis: Int) -> Int { extents[axis] }

  /// Elements between neighbours along each axis.
  public var strides: [Int] {
    var strides = [Int](repeating: 1, count: rank)
    for axis in stride(from: rank - 2, through: 0, by: -1) { strides[axis] = strides[axis + 1] * extents[axis + 1] }
    return strides
  }

  public var description: String { "[" + extents.map(String.init).joined(separator: ",") + "]" }

  /// NumPy's broadcasting: extents align at the end, and 1 stretches. `nil` where the shapes do not fit.
  public func broadcast(with other: Shape) -> Shape? {
    var result = [Int](repeating: 1, count: max(rank, other.rank))
    for offset in 1..<(result.count + 1) {
      let mine = offset <= rank ? extents[rank - offset] : 1
      let theirs = offset <= other.rank ? other.extents[other.rank - offset] : 1
      guard mine == theirs || mine == 1 || theirs == 1 else { return nil }
      result[result.count - offset] = mine == 1 ? theirs : mine
    }
    return Shape(result)
  }

  /// The axes of `self` along which a tensor of shape `smaller` was stretched to get here (aligned at the end).
  package func axesBroadcast(from smaller: Shape) -> [Int] {
    let added = rank - smaller.rank
    return (0..<rank).filter { $0 < added || (smaller[$0 - added] == 1 && self[$0] != 1) }
  }

  /// The strides with which a tensor of this shape is read as one of shape `larger`: 0 along each axis that it is
  /// stretched along.
  package func strides(stretchedTo larger: Shape) -> [Int] {
    let (strides, added) = (strides, larger.rank - rank)
    return (0..<larger.rank).map { axis in
      axis < added || (self[axis - added] == 1 && larger[axis] != 1) ? 0 : strides[axis - added]
    }
  }

  /// The shape left after reducing over `axes`.
  package func reduced(over axes: [Int], keepDimensions: Bool) -> Shape {
    var result: [Int] = []
    for axis in 0..<rank {
      if !axes.contains(axis) {
        result.append(extents[axis])
      } else if keepDimensions {
        result.append(1)
      }
    }
    return Shape(result)
  }
}

/// The type of a tensor: its element type and its shape, written `f32[64,28,28,1]`.
public struct TensorType: Hashable, Sendable, CustomStringConvertible {
  public var elementType: ElementType
  public var shape: Shape

  public init(_ elementType: ElementType, _ shape: Shape) {
    self.elementType = elementType
    self.shape = shape
  }

  public static func float32(_ shape: Shape) -> TensorType { TensorType(.float32, shape) }
  public static func int32(_ shape: Shape) -> TensorType { TensorType(.int32, shape) }

  public var byteCount: Int { elementType.byteCount * shape.elementCount }
  public var description: String { elementType.rawValue + shape.description }

  package func with(shape: Shape) -> TensorType { TensorType(elementType, shape) }
  package func with(elementType: ElementType) -> TensorType { TensorType(elementType, shape) }
}
