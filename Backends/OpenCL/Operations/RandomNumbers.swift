import SwitchbackPrograms

extension RandomNumbers: OpenCLOperation {
  func work(_ maker: WorkMaker) -> Work { maker.randomNumbers(self) }
}

extension WorkMaker {
  func randomNumbers(_ operation: RandomNumbers) -> Work {
    let count = result.shape.elementCount
    return Work([
      Launch(
        KernelName("random_numbers", "random_numbers", operation.distribution == .normal ? ["-DNORMAL"] : []),
        [
          input(0), output, .bits(UInt64(truncatingIfNeeded: operation.stream) & 0xFFFF_FFFF, byteCount: 4),
          .int(count),
        ], elements: (count + 3) / 4)
    ])
  }
}
