import SwitchbackCPUKernels
import SwitchbackPrograms

extension RandomNumbers: OpenBLASOperation {
  func work(_ maker: WorkMaker) -> Work { maker.randomNumbers(self) }
}

extension WorkMaker {
  /// Numbers by their position in the whole tensor, whoever draws them: the same bits as on the reference.
  func randomNumbers(_ operation: RandomNumbers) -> Work {
    let result = segment.values[output].type
    let (key, y, kernels) = (input(0), output, library.kernels)
    let distribution = Int32(operation.distribution == .uniform ? SB_UNIFORM : SB_NORMAL)
    let stream = UInt32(truncatingIfNeeded: operation.stream)
    return work(access: [.whole], rows: result.shape.elementCount, isSource: true) { frame in
      let seedAndStep = frame.pointers[key].assumingMemoryBound(to: Int64.self)
      kernels.pointee.random(
        distribution, UInt64(bitPattern: seedAndStep[0]), stream, UInt32(truncatingIfNeeded: seedAndStep[1]),
        Int64(frame.firstRow), Int64(frame.rows), frame.floats(y))
    }
  }
}
