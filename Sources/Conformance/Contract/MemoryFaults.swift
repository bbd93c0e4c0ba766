import SwitchbackABI
import SwitchbackBackendKit
import SwitchbackExecution
import SwitchbackPrograms

// What is written where, what is read from where, and shapes at the edge of what there is.

extension ContractCase {
  static let memoryFaults: [ContractCase] = [
    .check("writes nothing outside its views, and no operand") { environment in
      let device = try RawDevice(environment, host: try environment.host())
      for subject in try environment.subjects() {
        environment.say(subject.label)
        let executable = try RawExecutable(subject.segment, on: device)
        executable.fill(subject.operands)
        let inputs = subject.operands.indices.filter { subject.segment.values[$0].role == .input }
        let before = inputs.map { Array(executable.bytes(of: $0)) }
        try executable.run()
        guard executable.brokenGuards == 0 else {
          throw ContractFault("\(subject.label) writes \(executable.brokenGuards) bytes outside its views")
        }
        guard inputs.map({ Array(executable.bytes(of: $0)) }) == before else {
          throw ContractFault("\(subject.label) changes one of its operands")
        }
      }
    },

    .check("reads nothing but its operands: no old results, no old workspace, nothing behind") { environment in
      let device = try RawDevice(environment, host: try environment.host())
      for subject in try environment.subjects() {
        environment.say(subject.label)
        func results(_ byte: UInt8, guards: Bool = true) throws -> [[UInt8]] {
          let executable = try RawExecutable(subject.segment, on: device)
          executable.fill(subject.operands)
          executable.spoil(byte)
          if !guards { executable.clearGuards() }
          try executable.run()
          return executable.results()
        }
        // All ones are NaN in every floating-point type.
        let expected = try results(0)
        try expectSame(try results(0xFF), expected, subject, "where NaN lay in results and workspace")
        try expectSame(try results(0, guards: false), expected, subject, "where other bytes lie around its operands")
        guard !device.hasPrivateMemory else { continue }
        environment.say("\(subject.label), whose operands have nothing mapped behind them")
        let executable = try RawExecutable(subject.segment, on: device)
        try executable.fenceOperands()
        executable.fill(subject.operands)
        try executable.run()
        try expectSame(executable.results(), expected, subject, "where its operands end with a page of memory")
      }
    },

    .check("sees contents that changed with their generation") { environment in
      let device = try RawDevice(environment, host: try environment.host())
      for subject in try environment.subjects() {
        environment.say(subject.label)
        // Another sample's numbers of the same types, in the order of their changes.
        let later = try ContractSubject(subject.label, subject.sample, seed: 2)
        let executable = try RawExecutable(subject.segment, on: device)
        for (generation, numbers) in [subject, later, subject].enumerated() {
          executable.fill(numbers.operands)
          try executable.run(generations: subject.segment.values.map { _ in UInt64(generation + 1) })
          try expectSame(
            executable.results(), try plainResults(numbers, device), subject,
            "in run \(generation + 1), after its operands changed")
        }
        // The same weights and other samples, then the same samples and other weights.
        guard later.operands.count > 1, subject.segment.values[0].role != .state else { continue }
        var (mixed, generations) = (subject.operands, subject.segment.values.map { _ in UInt64(3) })
        for (changed, words) in [(0..<1, "its first operand"), (1..<mixed.count, "the others of its operands")] {
          for index in changed { (mixed[index], generations[index]) = (later.operands[index], 4) }
          executable.fill(mixed)
          try executable.run(generations: generations)
          let fresh = try RawExecutable(subject.segment, on: device)
          fresh.fill(mixed)
          try fresh.run()
          try expectSame(executable.results(), fresh.results(), subject, "where only \(words) changed")
        }
      }
    },

    .check("keeps to a limit of workspace, or says what it needs") { environment in
      let device = try RawDevice(environment, host: try environment.host())
      for subject in try environment.subjects() {
        environment.say(subject.label)
        let description = try SegmentDescription(subject.segment)
        let need = try RawExecutable(subject.segment, on: device).compiled.workspace
        for limit in Set([0, need / 2, need > 0 ? need - 1 : 0]) {
          var request = RawDevice.request(description.program, workspaceLimit: limit)
          var compiled = sb_compiled()
          compiled.struct_size = UInt32(MemoryLayout<sb_compiled>.size)
          var executable: OpaquePointer?
          let (status, text, _) = sb_error.answer {
            device.table.compile(device.device, &request, &executable, &compiled, $0)
          }
          if status == sb_status(SB_OK), let executable {
            device.table.release(device.device, executable)
            guard compiled.workspace <= limit else {
              throw ContractFault(
                "\(subject.label) takes \(compiled.workspace) bytes of workspace; \(limit) are allowed")
            }
          } else if text.isEmpty {
            throw ContractFault("\(subject.label) does not say why \(limit) bytes of workspace are too few")
          }
        }
      }
    },

    .check("scalars, eight axes and empty tensors are right or declined") { environment in
      let (candidate, reference) = (try environment.chain(try environment.host()), try environment.referenceChain())
      var asked = 0
      for sample in edges {
        let label = "\(sample.operation.name) of \(sample.inputs)"
        environment.say(label)
        switch try BackendComparison(sample, on: candidate, reference: reference).verdict {
        case .passed: asked += 1
        case .declined: break
        case .failed(let fault): throw ContractFault("\(label): \(fault)")
        }
      }
      guard asked > 0 else { throw ContractDeclined("all of them are declined") }
    },
  ]

  /// Samples at the edge of what the contract carries.
  private static var edges: [OperationSample] {
    let shapes: [Shape] = [[], [1, 2, 1, 3, 2, 1, 2, 1], [0], [2, 0, 3]]
    return shapes.flatMap { shape -> [OperationSample] in
      let type = TensorType.float32(shape)
      return [
        OperationSample(Unary(.relu), [type]), OperationSample(Unary(.tanh), [type]),
        OperationSample(Binary(.add), [type, type]), OperationSample(Binary(.multiply), [type, type]),
        OperationSample(Reduce(.sum, axes: Array(0..<shape.rank)), [type]),
        OperationSample(Reshape(shape: [shape.elementCount]), [type]),
      ]
    } + [
      OperationSample(MatrixMultiplication(), [.float32([2, 0]), .float32([0, 3])]),
      OperationSample(MatrixMultiplication(), [.float32([0, 4]), .float32([4, 3])]),
    ]
  }
}
