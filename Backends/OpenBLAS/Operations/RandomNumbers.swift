import SwitchbackCPUKernels
import SwitchbackPrograms

extension RandomNumbers: OpenBLASOperation {
  func kernel(_ maker: KernelMaker) -> Kernel { maker.randomNumbers(self) }
}

extension KernelMaker {
  /// Numbers by their position in the whole tensor, whoever draws them: the same bits as on the reference.
  func randomNumbers(_ operation: RandomNumbers) -> Kernel {
    let result = segment.values[output].type
    let (key, y, size, kernels) = (input(0), output, rowSize(result), library.kernels)
    let distribution = Int32(operation.distribution == .uniform ? SB_UNIFORM : SB_NORMAL)
    let stream = UInt32(truncatingIfNeeded: operation.stream)
    return Kernel(access: [.whole], rows: rowCount(result), isSource: true) { frame in
      let seedAndStep = frame.pointers[key].assumingMemoryBound(to: Int64.self)
      kernels.pointee.random(
        distribution, UInt64(bitPattern: seedAndStep[0]), stream, UInt32(truncatingIfNeeded: seedAndStep[1]),
        Int64(frame.firstRow * size), Int64(frame.rows * size), frame.floats(y))
    }
  }
}
