import SwitchbackABI
import SwitchbackBackendKit

/// A spectrum that the host keeps: where it lies in this run, and whether it has to be made anew.
struct SpectrumKeep {
  let memory: UnsafeMutablePointer<Float>
  private let generation: UnsafeMutablePointer<UInt64>
  private let wanted: UInt64

  /// The keep of that index, of the spectrum of `value`.
  init(_ arguments: borrowing RunArguments, _ index: Int, value: Int) throws(BackendError) {
    guard let kept = arguments.kept?[index], let memory = kept.memory.host, let generation = kept.generation,
      let wanted = arguments.generations?[value]
    else {
      throw BackendError(.invalid, "the host gives no memory for keep \(index)", operation: 0)
    }
    self.memory = memory.assumingMemoryBound(to: Float.self)
    (self.generation, self.wanted) = (generation, wanted)
  }

  var isStale: Bool { generation.pointee != wanted }

  func isMade() { generation.pointee = wanted }
}

extension Fingerprint {
  /// Everything that decides what a spectrum of the convolution's tensor is and how it lies in memory.
  static func format(_ tensor: Planes, _ shape: ConvolutionShape, stride: Int) -> UInt64 {
    var mixed = Fingerprint()
    let transforms = tensor.block.transforms
    let numbers = [
      tensor.kind, shape.images, shape.folds, shape.groups, shape.channels, shape.filters, tensor.run, tensor.runs,
      tensor.block.channels, tensor.rowSize, stride, transforms.vertical.length, transforms.vertical.tile,
      transforms.verticalLength.first, transforms.horizontal.length, transforms.horizontal.tile,
      transforms.horizontalLength.first,
    ]
    for number in numbers { mixed.mix(UInt64(number)) }
    for axis in [shape.vertical, shape.horizontal] {
      for number in [axis.size, axis.kernel, axis.stride, axis.outputs, axis.reach] { mixed.mix(UInt64(number)) }
      for phase in axis.phases {
        for number in [
          phase.firstSample, phase.firstElement, phase.samples, phase.firstTap, phase.tapStep, phase.taps,
          phase.firstLag, phase.lagStep,
        ] { mixed.mix(UInt64(number)) }
      }
    }
    return mixed.value
  }
}
