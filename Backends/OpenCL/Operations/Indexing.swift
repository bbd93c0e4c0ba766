import SwitchbackPrograms

extension OneHot: OpenCLOperation {
  func work(_ maker: WorkMaker) -> Work { maker.oneHot(self) }
}

extension SequenceMask: OpenCLOperation {
  func work(_ maker: WorkMaker) -> Work { maker.sequenceMask(self) }
}

extension Gather: OpenCLOperation {
  func work(_ maker: WorkMaker) -> Work { maker.gather(self) }
}

extension ScatterAdd: OpenCLOperation {
  func work(_ maker: WorkMaker) -> Work { maker.scatterAdd(self) }
}

extension WorkMaker {
  func oneHot(_ operation: OneHot) -> Work {
    let count = result.shape.elementCount
    var work = Work([
      Launch(
        KernelName("indexing", "one_hot", ["-DT=uint"]),
        [input(0), output, .fault, .int(operation.classes), .int(count)], elements: count)
    ])
    work.bound = (operation.classes, "classes")
    return work
  }

  func sequenceMask(_ operation: SequenceMask) -> Work {
    let count = result.shape.elementCount
    var work = Work([
      Launch(
        KernelName("indexing", "sequence_mask", ["-DT=\(result.elementType.kernelType)"]),
        [input(0), output, .fault, .int(operation.steps), .int(count)], elements: count)
    ])
    work.bound = (operation.steps + 1, "lengths")
    return work
  }

  func gather(_ operation: Gather) -> Work {
    let (x, count) = (shape(0), result.shape.elementCount)
    var work = Work([
      Launch(
        KernelName("indexing", "gather", ["-DT=\(result.elementType.bitsType)"]),
        [input(0), input(1), output, .fault] + sizes(x, axis: operation.axis, count: count), elements: count)
    ])
    work.bound = (x[operation.axis], "slices")
    return work
  }

  func scatterAdd(_ operation: ScatterAdd) -> Work {
    let (x, count) = (shape(0), result.shape.elementCount)
    var work = Work([
      Launch(
        KernelName("indexing", "scatter_add", ["-DT=uint"]),
        [input(0), input(1), input(2), output, .fault] + sizes(x, axis: operation.axis, count: count),
        elements: count)
    ])
    work.bound = (x[operation.axis], "slices")
    return work
  }

  private func sizes(_ x: Shape, axis: Int, count: Int) -> [Argument] {
    let inner = x.extents[(axis + 1)...].reduce(1, *)
    return [x[axis], shape(1).elementCount, inner, count].map(Argument.int)
  }
}
