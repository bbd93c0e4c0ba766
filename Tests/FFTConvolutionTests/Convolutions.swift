import SwitchbackBackendKit
import SwitchbackConformance
import SwitchbackExecution
import SwitchbackFFTConvolution
import SwitchbackPrograms
import SwitchbackReference

func isFFTHere() -> Bool { (try? FFTBackend().devices()) != nil }

func chain(
  _ backend: any ComputeBackend = FFTBackend(), _ options: [String: String] = ["force": "true"], workers: Int = 2,
  host: HostServices? = nil
) throws -> BackendChain {
  let host = try host ?? HostServices(workers: workers)
  let device = try backend.open(
    device: 0, options: backend is ReferenceBackend ? [:] : options, host: host)
  return BackendChain([.init(name: backend.identity.name, device: device)], host: host)
}

/// A convolution's three passes: image [N, H, W, Cin], kernel [Kh, Kw, Cout].
func passes(_ geometry: ConvolutionGeometry, _ image: [Int], _ kernel: [Int]) throws -> [OperationSample] {
  let size = try geometry.outputSize(Array(image[1...2]), kernelSize: Array(kernel[...1]))
  let x = TensorType.float32(Shape(image))
  let w = TensorType.float32([kernel[0], kernel[1], image[3] / geometry.groups, kernel[2]])
  let y = TensorType.float32([image[0], size[0], size[1], kernel[2]])
  return [
    OperationSample(Convolution2D(geometry), [x, w]),
    OperationSample(Convolution2DBackwardInput(geometry, inputSize: Array(image[1...2])), [y, w]),
    OperationSample(Convolution2DBackwardFilter(geometry, kernelSize: Array(kernel[...1])), [x, y]),
  ]
}

func same(_ image: [Int], _ kernel: [Int], strides: [Int] = [1, 1], groups: Int = 1) -> ConvolutionGeometry {
  ConvolutionGeometry(
    strides: strides,
    padding: ConvolutionGeometry.samePadding(
      size: Array(image[1...2]), kernelSize: Array(kernel[...1]), strides: strides),
    groups: groups)
}

/// Operands of a sample by name.
func operands(_ sample: OperationSample) -> [String: [Double]] {
  Dictionary(uniqueKeysWithValues: SampleValues(sample).operands.enumerated().map { ("x\($0)", $1) })
}

/// The result's bits.
func bits(_ sample: OperationSample, on chain: BackendChain) throws -> [UInt64] {
  try ProgramEvaluation(try sample.program(), operands(sample), on: chain).outputs["y0"]!.map(\.bitPattern)
}

/// Small random numbers from a seed.
struct Dice {
  var state: UInt64

  mutating func roll(_ range: ClosedRange<Int>) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return range.lowerBound + Int((state >> 33) % UInt64(range.count))
  }
}
