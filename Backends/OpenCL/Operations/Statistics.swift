import SwitchbackBackendKit
import SwitchbackPrograms

extension Statistics: OpenCLOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.statistics(self) }
}

extension WorkMaker {
  func statistics(_ operation: Statistics) throws -> Work {
    guard traits.hasFloat64 else { throw Declined(reason: "the device has no float64 for the sums") }
    let count = shape(0).elementCount
    let chunk = max(256, (count + 255) / 256)
    let parts = (count + chunk - 1) / chunk
    let bins = operation.histogram ? Statistics.histogramBins : 0
    let options = ["-DBINS=\(bins)", "-DFIRST_EXPONENT=\(Statistics.firstExponent)"]
    let gather = Launch(
      KernelName("statistics", "gather_statistics", options), [input(0), .scratch(0), .int(chunk), .int(count)],
      global: [parts], local: [1])
    let finish = Launch(
      KernelName("statistics", "finish_statistics", options), [.scratch(0), output, .int(parts), .int(count)],
      global: [1], local: [1])
    return Work([gather, finish], scratch: [max(parts, 1) * (8 + bins) * 8])
  }
}
