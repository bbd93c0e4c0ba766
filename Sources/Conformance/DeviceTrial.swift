public import SwitchbackExecution
import SwitchbackPrograms

/// The short check that a device with a driver of its own has to pass before anything is trained on it: every sample of
/// convolutions and matrix products, which are compiled in the most forms, and of every other operation the smallest and
/// the largest, against the Float64 reference.
///
/// Drivers compute wrongly more often than one thinks, and nobody notices until a network does not learn.
public struct DeviceTrial {
  public struct Verdict: Hashable, Sendable, Codable {
    /// Samples that the device took.
    public var checked = 0
    /// `conv2d (f32[…] …): y0 is 4.1 bounds off`; empty where all were right.
    public var faults: [String] = []
    /// The operations that are wrong.
    public var operations: [String] = []
  }

  private let chain: BackendChain
  private let reference: BackendChain
  /// Only these operations; nil: all.
  public var operations: [String]?
  public static let products = ["conv2d", "conv2d/backwardInput", "conv2d/backwardFilter", "matmul"]

  /// Both chains hold one backend.
  public init(_ chain: BackendChain, reference: BackendChain) { (self.chain, self.reference) = (chain, reference) }

  /// Asks everything, also after a fault; `progress` hears how many of how many samples are done, and which one is
  /// next. A device that fails
  /// at an operation, other than by wrong numbers, is the caller's error.
  public func run(_ progress: (Int, Int, String) -> Void) throws -> Verdict {
    var verdict = Verdict()
    let entries = OperationCatalog.standard.entries.filter { operations?.contains($0.name) ?? true }
    let samples = entries.flatMap { entry in Self.samples(of: entry).map { (entry.name, $0) } }
    for (index, (name, sample)) in samples.enumerated() {
      let words = "\(name) (\(sample.inputs.map(\.description).joined(separator: ", ")))"
      progress(index, samples.count, words)
      switch try BackendComparison(sample, on: chain, reference: reference).verdict {
      case .declined: break
      case .passed: verdict.checked += 1
      case .failed(let message):
        verdict.checked += 1
        if !verdict.operations.contains(name) { verdict.operations.append(name) }
        verdict.faults.append("\(words): \(message)")
      }
    }
    return verdict
  }

  private static func samples(of entry: any TensorOperation.Type) -> [OperationSample] {
    func size(_ sample: OperationSample) -> Int { sample.inputs.reduce(0) { $0 + $1.shape.elementCount } }
    let sorted = entry.samples.filter { size($0) > 0 }.sorted { size($0) < size($1) }
    if products.contains(entry.name) { return sorted + wide(entry.name) }
    return sorted.count > 2 ? [sorted[0], sorted[sorted.count - 1]] : sorted
  }

  /// More columns than any tile has: a whole block, and a part of one.
  private static func wide(_ name: String) -> [OperationSample] {
    let geometry = ConvolutionGeometry(padding: [1, 1, 1, 1])
    let (x, w, y) = (TensorType.float32([2, 7, 5, 3]), TensorType.float32([3, 3, 3, 150]), [2, 7, 5, 150])
    switch name {
    case "conv2d": return [OperationSample(Convolution2D(geometry), [x, w])]
    case "conv2d/backwardInput":
      let (dy, w) = (TensorType.float32([2, 7, 5, 3]), TensorType.float32([3, 3, 150, 3]))
      return [OperationSample(Convolution2DBackwardInput(geometry, inputSize: [7, 5]), [dy, w])]
    case "conv2d/backwardFilter":
      return [OperationSample(Convolution2DBackwardFilter(geometry, kernelSize: [3, 3]), [x, .float32(Shape(y))])]
    default: return [OperationSample(MatrixMultiplication(), [.float32([9, 20]), .float32([20, 150])])]
    }
  }
}
