import SwitchbackBackendKit
import SwitchbackPrograms

extension SimpleRecurrence: OpenCLOperation {
  func work(_ maker: WorkMaker) throws -> Work {
    let kernel = try RecurrenceKernel(self, .simple, RecurrentForm(maker.type(0), gates: 1), maker)
    return kernel.forward(
      maker, projected: 0, kernel: 1, bias: nil, first: 2, firstCell: nil, h: 0, c: nil, gates: nil, inner: nil)
  }
}

extension LSTMRecurrence: OpenCLOperation {
  func work(_ maker: WorkMaker) throws -> Work {
    let kernel = try RecurrenceKernel(self, .lstm, RecurrentForm(maker.type(0), gates: 4), maker)
    return kernel.forward(
      maker, projected: 0, kernel: 1, bias: nil, first: 2, firstCell: 3, h: 0, c: 1, gates: 2, inner: nil)
  }
}

extension GRURecurrence: OpenCLOperation {
  func work(_ maker: WorkMaker) throws -> Work {
    let kernel = try RecurrenceKernel(
      self, resetAfter ? .gruAfter : .gruBefore, RecurrentForm(maker.type(0), gates: 3), maker)
    return kernel.forward(
      maker, projected: 0, kernel: 1, bias: resetAfter ? 2 : nil, first: operandCount - 1, firstCell: nil, h: 0,
      c: nil, gates: 1, inner: resetAfter ? 2 : nil)
  }
}

extension SimpleRecurrenceBackward: OpenCLOperation {
  func work(_ maker: WorkMaker) throws -> Work {
    let kernel = try RecurrenceKernel(self, .simple, RecurrentForm(maker.type(0), gates: 1), maker)
    return kernel.backward(
      maker, gates: 0, states: nil, first: nil, inner: nil, kernel: 1, dh: 2, dc: nil, product: nil, dFirst: 1,
      dFirstCell: nil)
  }
}

extension LSTMRecurrenceBackward: OpenCLOperation {
  func work(_ maker: WorkMaker) throws -> Work {
    let kernel = try RecurrenceKernel(self, .lstm, RecurrentForm(maker.type(0), gates: 1), maker)
    return kernel.backward(
      maker, gates: 1, states: 0, first: 3, inner: nil, kernel: 2, dh: 4, dc: hasCellGradient ? 5 : nil, product: nil,
      dFirst: 1, dFirstCell: 2)
  }
}

extension GRURecurrenceBackward: OpenCLOperation {
  func work(_ maker: WorkMaker) throws -> Work {
    let kernel = try RecurrenceKernel(
      self, resetAfter ? .gruAfter : .gruBefore, RecurrentForm(maker.type(0), gates: 1), maker)
    return kernel.backward(
      maker, gates: 1, states: 0, first: operandCount - 2, inner: resetAfter ? 2 : nil, kernel: operandCount - 3,
      dh: operandCount - 1, dc: nil, product: resetAfter ? 1 : nil, dFirst: resetAfter ? 2 : 1, dFirstCell: nil)
  }
}

/// What the kernels of `recurrence.cl` are compiled for, and one launch of them: a work-group takes some samples through
/// all steps.
private struct RecurrenceKernel {
  enum Cell {
    case simple, lstm, gruBefore, gruAfter

    var gates: Int {
      switch self {
      case .simple: 1
      case .lstm: 4
      case .gruBefore, .gruAfter: 3
      }
    }

    var options: [String] {
      switch self {
      case .simple: []
      case .lstm: ["-DLSTM"]
      case .gruBefore: ["-DGRU"]
      case .gruAfter: ["-DGRU", "-DRESET_AFTER"]
      }
    }
  }

  /// Bits of the kernels' `flags`.
  private enum Flag {
    static let (isReversed, isMasked, isScaled, showsGates, showsMore) = (1, 2, 4, 8, 16)
  }

  private let cell: Cell
  private let form: RecurrentForm
  private let options: [String]
  private let flags: Int
  /// Mask and scale.
  private let mask: Argument
  private let scale: Argument
  /// How many work-items a work-group has at most; samples of each.
  private let mostItems: Int
  private let rows: Int

  init(_ operation: some RecurrentOperation, _ cell: Cell, _ form: RecurrentForm, _ maker: WorkMaker) {
    let (activation, gate) = (operation.activation, operation.recurrentActivation)
    (self.cell, self.form) = (cell, form)
    let traits = maker.traits
    var vector = 1
    if traits.deviceClass == .cpu {
      // The sums of all gates in registers: 32 of 16 floats, or 16 of 8.
      let isWide = traits.vectorWidth >= 16
      // Whole vectors or none, so that few programs are compiled.
      let widest = isWide ? 16 : 8
      if form.units % widest == 0 { vector = widest }
      (mostItems, rows) = (1, isWide ? 6 : 2)
    } else {
      (mostItems, rows) = (min(256, traits.maxWorkGroup), 2)
    }
    options =
      ["-DVECTOR=\(vector)", "-DROWS=\(rows)", "-DGATES=\(cell.gates)"] + cell.options + [
        "-DACTIVATION=all_\(activation)", "-DGATE=all_\(gate)", "-DACTIVATION_BACK=back_\(activation)",
        "-DGATE_BACK=back_\(gate)",
      ]
    let maskOperand = operation.maskOperand
    let scaleOperand = operation.scaleOperand
    mask = maskOperand.map { maker.input($0) } ?? .unused
    scale = scaleOperand.map { maker.input($0) } ?? .unused
    flags =
      (operation.isReversed ? Flag.isReversed : 0) | (maskOperand == nil ? 0 : Flag.isMasked)
      | (scaleOperand == nil ? 0 : Flag.isScaled)
  }

  private var stateByteCount: Int { max(4 * form.samples * form.units, 4) }
  private var gatesByteCount: Int { stateByteCount * form.steps * cell.gates }
  private var sizes: [Argument] { [.int(form.samples), .int(form.steps), .int(form.units)] }

  private func launch(_ function: String, _ arguments: [Argument]) -> Launch {
    Launch(KernelName("recurrence", function, options), arguments, mostItems: mostItems) { [form, rows] mostItems in
      // Work-items along the units, and beside each other: powers of two.
      let items = 1 << (Int.bitWidth - 1 - max(mostItems, 1).leadingZeroBitCount)
      var lanes = min(32, items)
      while lanes < form.units, lanes < items { lanes *= 2 }
      let depth = items / lanes
      let groups = (form.samples + rows * depth - 1) / (rows * depth)
      return (global: [lanes, groups * depth], local: [lanes, depth])
    }
  }

  /// Operands and results by their numbers in the call.
  func forward(
    _ maker: WorkMaker, projected: Int, kernel: Int, bias: Int?, first: Int, firstCell: Int?, h: Int, c: Int?,
    gates: Int?, inner: Int?
  ) -> Work {
    let outputs = maker.call.outputs
    func input(_ operand: Int?) -> Argument { operand.map { maker.input($0) } ?? .unused }
    func result(_ index: Int?) -> Argument? { index.flatMap { outputs[$0] }.map(Argument.value) }
    var (flags, scratch) = (flags, [stateByteCount])
    var gateMemory = result(gates)
    // A state that is reset before the product reads the gates of other work-items, wanted or not.
    if gateMemory == nil, cell == .gruBefore {
      gateMemory = .scratch(scratch.count)
      scratch.append(gatesByteCount)
    }
    let more = result(c) ?? result(inner)
    if gateMemory != nil { flags |= Flag.showsGates }
    if more != nil { flags |= Flag.showsMore }
    return Work(
      [
        launch(
          "recurrence",
          [
            input(projected), input(kernel), input(bias), input(first), input(firstCell), mask, scale,
            result(h) ?? .unused, result(c) ?? .unused, gateMemory ?? .unused, result(inner) ?? .unused, .scratch(0),
          ] + sizes + [.int(flags)])
      ], scratch: scratch)
  }

  /// `product`: the result that is the gradient of the product, where that is not the first one.
  func backward(
    _ maker: WorkMaker, gates: Int, states: Int?, first: Int?, inner: Int?, kernel: Int, dh: Int, dc: Int?,
    product: Int?, dFirst: Int, dFirstCell: Int?
  ) -> Work {
    let outputs = maker.call.outputs
    func input(_ operand: Int?) -> Argument { operand.map { maker.input($0) } ?? .unused }
    func result(_ index: Int?) -> Argument? { index.flatMap { outputs[$0] }.map(Argument.value) }
    let width = cell.gates * form.units
    var scratch = [4 * form.units * width, stateByteCount, stateByteCount]
    let delta = maker.output
    var productMemory = delta
    if let product {
      productMemory = result(product) ?? .scratch(scratch.count)
      if outputs[product] == nil { scratch.append(gatesByteCount) }
    }
    let turn = Launch(
      KernelName("recurrence", "turn_kernel", options),
      [input(kernel), .scratch(0), .int(form.units), .int(width)], elements: form.units * width)
    let isShown = { (result: Argument?) in Argument.int(result == nil ? 0 : 1) }
    return Work(
      [
        turn,
        launch(
          "recurrence_backward",
          [
            input(gates), input(states), input(first), input(inner), .scratch(0), input(dh), input(dc), mask, scale,
            delta, productMemory, result(dFirst) ?? .unused, result(dFirstCell) ?? .unused, .scratch(1), .scratch(2),
          ] + sizes + [
            .int(flags), isShown(result(dFirst)), isShown(result(dFirstCell)), .int(dc == nil ? 0 : 1),
          ]),
      ], scratch: scratch)
  }
}
