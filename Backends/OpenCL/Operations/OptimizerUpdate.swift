import SwitchbackPrograms

extension SGDUpdate: OpenCLOperation {
  func work(_ maker: WorkMaker) -> Work { maker.sgd(self) }
}

extension RMSpropUpdate: OpenCLOperation {
  func work(_ maker: WorkMaker) -> Work { maker.rmsprop(self) }
}

extension AdagradUpdate: OpenCLOperation {
  func work(_ maker: WorkMaker) -> Work { maker.adagrad(self) }
}

extension AdamUpdate: OpenCLOperation {
  func work(_ maker: WorkMaker) -> Work { maker.adam(self) }
}

extension AllFinite: OpenCLOperation {
  func work(_ maker: WorkMaker) -> Work { maker.allFinite() }
}

extension WorkMaker {
  /// An update's launch: parameter, gradient, rate, `allow`, delta, then what the kernel takes besides.
  private func update(
    _ function: String, _ operation: some OptimizerUpdate, _ arguments: [Argument], weightDecay: Double,
    options: [String] = []
  ) -> Work {
    let count = shape(0).elementCount
    let delta = call.outputs.last ?? nil
    return Work([
      Launch(
        KernelName("update", function, options + (delta == nil ? [] : ["-DWITH_DELTA"])),
        [
          input(0), input(1), input(2 + operation.slotNames.count), input(types.count - 1),
          delta.map(Argument.value) ?? .unused,
        ] + arguments + [.float(weightDecay), .int(count)], elements: count)
    ])
  }

  func sgd(_ operation: SGDUpdate) -> Work {
    guard operation.momentum != 0 else { return update("sgd", operation, [], weightDecay: operation.weightDecay) }
    return update(
      "sgd_momentum", operation, [input(2), .float(operation.momentum), .int(operation.nesterov ? 1 : 0)],
      weightDecay: operation.weightDecay)
  }

  func rmsprop(_ operation: RMSpropUpdate) -> Work {
    let slots = operation.slotNames
    func slot(_ name: String) -> Argument { slots.firstIndex(of: name).map { input(2 + $0) } ?? .unused }
    return update(
      "rmsprop", operation,
      [
        slot("velocity"), slot("average_gradient"), slot("momentum"), .float(operation.rho),
        // 1 − ρ before rounding: of a Float32 0.999 it would keep four digits.
        .float(1 - operation.rho), .float(operation.epsilon), .float(operation.momentum),
      ], weightDecay: operation.weightDecay,
      options: (operation.centered ? ["-DCENTERED"] : []) + (operation.momentum == 0 ? [] : ["-DMOMENTUM"]))
  }

  func adagrad(_ operation: AdagradUpdate) -> Work {
    update("adagrad", operation, [input(2), .float(operation.epsilon)], weightDecay: operation.weightDecay)
  }

  func adam(_ operation: AdamUpdate) -> Work {
    update(
      "adam", operation,
      [
        input(2), input(3), input(5), .float(1 - operation.beta1), .float(1 - operation.beta2),
        .float(operation.epsilon),
      ], weightDecay: operation.weightDecay)
  }

  func allFinite() -> Work {
    let start = Launch(KernelName("update", "start_flag"), [.scratch(0)], global: [1], local: [1])
    let looks = types.indices.map { operand -> Launch in
      let count = shape(operand).elementCount
      let chunk = max(256, (count + 63) / 64)
      return Launch(
        KernelName("update", "all_finite"), [input(operand), .scratch(0), .int(chunk), .int(count)],
        global: [(count + chunk - 1) / chunk], local: [1])
    }
    let finish = Launch(KernelName("update", "finish_flag"), [.scratch(0), output], global: [1], local: [1])
    return Work([start] + looks + [finish], scratch: [4])
  }
}
