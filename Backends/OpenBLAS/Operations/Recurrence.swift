import SwitchbackBackendKit
import SwitchbackCPUKernels
import SwitchbackPrograms

extension SimpleRecurrence: OpenBLASOperation {
  func work(_ maker: WorkMaker) throws -> Work {
    let plan = try RecurrencePlan(self, SB_SIMPLE, RecurrentForm(maker.type(0), gates: 1), maker)
    let (projected, first, h) = (maker.input(0), maker.input(2), maker.output)
    return maker.recurrence(plan, kernel: 1) { frame, values in
      (values.projected, values.state) = (frame.floats(projected), frame.floats(first))
      values.h = frame.floats(h)
    }
  }
}

extension LSTMRecurrence: OpenBLASOperation {
  func work(_ maker: WorkMaker) throws -> Work {
    let plan = try RecurrencePlan(self, SB_LSTM, RecurrentForm(maker.type(0), gates: 4), maker)
    let (projected, first, firstCell) = (maker.input(0), maker.input(2), maker.input(3))
    let (h, c, gates) = (maker.output, maker.call.outputs[1], maker.call.outputs[2])
    return maker.recurrence(plan, kernel: 1) { frame, values in
      values.projected = frame.floats(projected)
      (values.state, values.cell) = (frame.floats(first), frame.floats(firstCell))
      (values.h, values.c, values.gates) = (frame.floats(h), frame.floats(c), frame.floats(gates))
    }
  }
}

extension GRURecurrence: OpenBLASOperation {
  func work(_ maker: WorkMaker) throws -> Work {
    let plan = try RecurrencePlan(
      self, SB_GRU, RecurrentForm(maker.type(0), gates: 3), maker, resetsAfter: resetAfter)
    let (projected, first) = (maker.input(0), maker.input(operandCount - 1))
    let bias = resetAfter ? maker.input(2) : nil
    let (h, gates, inner) = (maker.output, maker.call.outputs[1], resetAfter ? maker.call.outputs[2] : nil)
    return maker.recurrence(plan, kernel: 1, bias: resetAfter ? 2 : nil) { frame, values in
      (values.projected, values.state) = (frame.floats(projected), frame.floats(first))
      values.bias = frame.floats(bias)
      (values.h, values.gates, values.inner) = (frame.floats(h), frame.floats(gates), frame.floats(inner))
    }
  }
}

extension SimpleRecurrenceBackward: OpenBLASOperation {
  func work(_ maker: WorkMaker) throws -> Work {
    let plan = try RecurrencePlan(self, SB_SIMPLE, RecurrentForm(maker.type(0), gates: 1), maker)
    let (h, dh) = (maker.input(0), maker.input(2))
    let (delta, dFirst) = (maker.output, maker.call.outputs[1])
    return maker.recurrenceBackward(plan, kernel: 1) { frame, values in
      (values.gates, values.dh) = (frame.floats(h), frame.floats(dh))
      (values.delta, values.dstate) = (frame.floats(delta), frame.floats(dFirst))
    }
  }
}

extension LSTMRecurrenceBackward: OpenBLASOperation {
  func work(_ maker: WorkMaker) throws -> Work {
    let plan = try RecurrencePlan(self, SB_LSTM, RecurrentForm(maker.type(0), gates: 1), maker)
    let (c, gates, firstCell, dh) = (maker.input(0), maker.input(1), maker.input(3), maker.input(4))
    let dc = hasCellGradient ? maker.input(5) : nil
    let (delta, dFirst, dFirstCell) = (maker.output, maker.call.outputs[1], maker.call.outputs[2])
    return maker.recurrenceBackward(plan, kernel: 2) { frame, values in
      (values.gates, values.states, values.first) = (frame.floats(gates), frame.floats(c), frame.floats(firstCell))
      (values.dh, values.dc) = (frame.floats(dh), frame.floats(dc))
      values.delta = frame.floats(delta)
      (values.dstate, values.dcell) = (frame.floats(dFirst), frame.floats(dFirstCell))
    }
  }
}

extension GRURecurrenceBackward: OpenBLASOperation {
  func work(_ maker: WorkMaker) throws -> Work {
    let plan = try RecurrencePlan(
      self, SB_GRU, RecurrentForm(maker.type(0), gates: 1), maker, resetsAfter: resetAfter)
    let (h, gates, inner) = (maker.input(0), maker.input(1), resetAfter ? maker.input(2) : nil)
    let (first, dh) = (maker.input(operandCount - 2), maker.input(operandCount - 1))
    let outputs = maker.call.outputs
    let (delta, product, dFirst) = (maker.output, resetAfter ? outputs[1] : nil, outputs[resetAfter ? 2 : 1])
    return maker.recurrenceBackward(plan, kernel: operandCount - 3) { frame, values in
      (values.gates, values.inner) = (frame.floats(gates), frame.floats(inner))
      (values.states, values.first, values.dh) = (frame.floats(h), frame.floats(first), frame.floats(dh))
      (values.delta, values.product) = (frame.floats(delta), frame.floats(product))
      values.dstate = frame.floats(dFirst)
    }
  }
}

/// A recurrence as the kernels know it, and what every cell has: the samples, and operands that not every call has.
private struct RecurrencePlan {
  let shape: sb_recurrence
  let samples: Int
  /// The values of mask and scale.
  let mask: Int?
  let scale: Int?

  init(
    _ operation: some RecurrentOperation, _ cell: Int, _ form: RecurrentForm, _ maker: WorkMaker,
    resetsAfter: Bool = false
  ) throws {
    let kernels = maker.library.kernels.pointee
    func number(_ function: UnaryFunction) throws -> Int32 {
      try maker.number(function.rawValue, sb_unary_number) {
        kernels.unary($0, 0, 0, nil, nil) & kernels.unary_backward($0, 0, 0, nil, nil, nil)
      }
    }
    shape = sb_recurrence(
      steps: Int64(form.steps), units: Int64(form.units), cell: Int32(cell),
      activation: try number(operation.activation), recurrent_activation: try number(operation.recurrentActivation),
      reversed: operation.isReversed ? 1 : 0, resets_after: resetsAfter ? 1 : 0)
    samples = form.samples
    mask = operation.maskOperand.map { maker.input($0) }
    scale = operation.scaleOperand.map { maker.input($0) }
  }
}

extension Work.Frame {
  /// Null where there is no such value.
  @inline(__always)
  fileprivate func floats(_ value: Int?) -> UnsafeMutablePointer<Float>? { value.map { floats($0) } }

  @inline(__always)
  fileprivate func flags(_ value: Int?) -> UnsafeMutablePointer<UInt8>? {
    value.map { pointers[$0].assumingMemoryBound(to: UInt8.self) }
  }
}

extension WorkMaker {
  /// A row is a sample, which goes through all steps. `fill` says where the values of a frame lie.
  fileprivate func recurrence(
    _ plan: RecurrencePlan, kernel: Int, bias: Int? = nil,
    _ fill: @escaping (_ frame: Work.Frame, _ values: inout sb_recurrence_values) -> Void
  ) -> Work {
    let kernels = library.kernels
    return recurrent(plan, kernel: kernel, bias: bias, isBackward: false) { frame, packed in
      var values = sb_recurrence_values()
      (values.mask, values.scale) = (frame.flags(plan.mask), frame.floats(plan.scale))
      fill(frame, &values)
      withUnsafePointer(to: plan.shape) {
        kernels.pointee.recurrence($0, Int64(frame.rows), &values, packed, frame.scratch)
      }
    }
  }

  fileprivate func recurrenceBackward(
    _ plan: RecurrencePlan, kernel: Int,
    _ fill: @escaping (_ frame: Work.Frame, _ values: inout sb_recurrence_gradients) -> Void
  ) -> Work {
    let kernels = library.kernels
    return recurrent(plan, kernel: kernel, isBackward: true) { frame, packed in
      var values = sb_recurrence_gradients()
      (values.mask, values.scale) = (frame.flags(plan.mask), frame.floats(plan.scale))
      fill(frame, &values)
      withUnsafePointer(to: plan.shape) {
        kernels.pointee.recurrence_backward($0, Int64(frame.rows), &values, packed, frame.scratch)
      }
    }
  }

  private func recurrent(
    _ plan: RecurrencePlan, kernel: Int, bias: Int? = nil, isBackward: Bool,
    run: @escaping (_ frame: Work.Frame, _ packed: UnsafePointer<Float>?) -> Void
  ) -> Work {
    let (shape, kernels) = (plan.shape, library.kernels)
    let access = call.inputs.indices.map { $0 == kernel || $0 == bias ? Work.Access.whole : .rows }
    var work = work(
      access: access, rows: plan.samples,
      scratch: { rows in withUnsafePointer(to: shape) { Int(kernels.pointee.recurrence_scratch_bytes($0, Int64(rows))) }
      }
    ) { frame in run(frame, frame.packed) }
    work.packing = Work.Packing(ofKernel: input(kernel), shape, isBackward: isBackward, kernels)
    work.rowsAtOnce = RecurrencePlan.rowsAtOnce
    return work
  }
}

extension RecurrencePlan {
  /// Samples that read the kernel together in each step, whatever the instruction set: two register tiles or more, and 64
  /// samples are four chunks.
  fileprivate static let rowsAtOnce = 16
}

extension Work.Packing {
  /// The recurrent kernel as the way there or back reads it.
  fileprivate init(
    ofKernel value: Int, _ shape: sb_recurrence, isBackward: Bool, _ kernels: UnsafePointer<sb_kernels>
  ) {
    let way: Int32 = isBackward ? 1 : 0
    var format = Fingerprint()
    format.mix("recurrence")
    for number in [Int64(way), Int64(shape.cell), shape.units] { format.mix(UInt64(number)) }
    self.init(
      value: value, format: format.value,
      byteCount: withUnsafePointer(to: shape) { Int(kernels.pointee.recurrence_packed_bytes($0, way)) },
      panels: withUnsafePointer(to: shape) { Int(kernels.pointee.recurrence_panels($0, way)) }
    ) { operand, packed, first, count in
      withUnsafePointer(to: shape) {
        kernels.pointee.recurrence_pack($0, way, operand, packed, Int64(first), Int64(count))
      }
    }
    what = "kernel"
  }
}
