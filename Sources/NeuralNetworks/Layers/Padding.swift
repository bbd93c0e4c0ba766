import SwitchbackPrograms

/// Rows above and below an image, and columns to its left and right.
public struct ImageEdges: Hashable, Codable, Sendable {
  public var top: Int
  public var bottom: Int
  public var left: Int
  public var right: Int

  public init(top: Int = 0, bottom: Int = 0, left: Int = 0, right: Int = 0) {
    (self.top, self.bottom, self.left, self.right) = (top, bottom, left, right)
  }

  /// As many rows above as below, and as many columns to the left as to the right.
  public init(height: Int, width: Int) { self.init(top: height, bottom: height, left: width, right: width) }

  /// The same number at each edge.
  public init(_ count: Int) { self.init(height: count, width: count) }

  /// `[top, bottom, left, right]`
  package var counts: [Int] { [top, bottom, left, right] }
}

/// What surrounds an image at its edges.
public enum Padding: Hashable, Codable, Sendable {
  /// Nothing: the result shrinks by the kernel's reach.
  case valid
  /// Zeros, so that the result has ⌈size / stride⌉ rows and columns; the odd one goes to the bottom and right (Keras).
  case same
  /// So many rows and columns of zeros.
  case explicit(ImageEdges)
}

/// What surrounds an image or a sequence where the layer knows these two.
public enum PaddingRule: String, Hashable, Codable, Sendable, CaseIterable {
  /// Nothing.
  case valid
  /// What `Padding.same` is.
  case same

  static let help = "same: padded, so that only strides change the size; valid: not padded"

  var padding: Padding {
    switch self {
    case .valid: .valid
    case .same: .same
    }
  }
}

/// What surrounds a sequence at its ends.
public enum SequencePadding: String, Hashable, Codable, Sendable, CaseIterable {
  /// Nothing: the result shrinks by the kernel's reach.
  case valid
  /// Zeros, so that the result has ⌈length / stride⌉ steps; the odd one goes to the end (Keras).
  case same
  /// Zeros before the first step, so that step t of the result reads no step behind t (van den Oord et al., *WaveNet*, 2016,
  /// §2.1).
  case causal
}

extension Padding {
  /// `[top, bottom, left, right]` for an image `[N, H, W, C]`.
  func cells(around image: Shape, _ kernelSize: [Int], _ strides: [Int], _ dilations: [Int] = [1, 1]) -> [Int] {
    switch self {
    case .valid: [0, 0, 0, 0]
    case .same:
      ConvolutionGeometry.samePadding(
        size: [image[1], image[2]], kernelSize: kernelSize, strides: strides, dilations: dilations)
    case .explicit(let edges): edges.counts
    }
  }
}

extension SequencePadding {
  static let help = "same: so that only strides shorten; causal: before the first step alone; valid: none"

  /// Around a sequence that lies as an image of one row.
  func padding(_ window: ConvolutionWindow) -> Padding {
    switch self {
    case .valid: .valid
    case .same: .same
    case .causal: .explicit(ImageEdges(left: window.reach(1) - 1))
    }
  }
}
