import SwitchbackExecution
import SwitchbackOpenCL
import SwitchbackPrograms

/// Who looks at the values between a chain's calls. None of them may change a bit of what the chain computes.
enum Onlooker: CaseIterable {
  case nobody, probes, taps, host

  /// Makes them look: `taps` are for `FusedRun`.
  func look(at values: [Value], in builder: inout ProgramBuilder, taps: inout Set<Int>) throws {
    for value in values {
      switch self {
      case .nobody: break
      case .probes: builder.output("looks at \(value.id)", try builder.append(Statistics(), value))
      case .taps: taps.insert(value.id)
      case .host: builder.output("shows \(value.id)", value)
      }
    }
  }
}

/// A program's runs on OpenCL: what became one kernel, and the bits of its values.
struct FusedRun {
  /// `matmul + add + relu`.
  let groups: [String]
  private let executor: ProgramExecutor

  /// The classes of devices that have templates of their own.
  enum Templates: Int, CaseIterable { case cpu, gpu }

  /// One of each: a device keeps the programs that it has compiled.
  private static let devices = Result {
    try Templates.allCases.map { try chain(OpenCLBackend(), ["device_class": "\($0)"]) }
  }

  /// Inputs and states get numbers of their own, the same for the same name and type.
  init(_ program: Program, taps: Set<Int> = [], runs: Int = 1, with templates: Templates = .cpu) throws {
    let states = StateStore()
    let device = try Self.devices.get()[templates.rawValue]
    executor = try ProgramExecutor(program, on: device, states: states, taps: taps)
    groups = executor.plan.reports.flatMap(\.groupNames)
    for id in program.values.indices {
      let value = program.values[id]
      switch value.role {
      case .temporary: continue
      case .state: try states.withMutableBytes(of: value.name) { Self.fill($0, value) }
      case .input, .step: try executor.withInput(value.name) { Self.fill($0, value) }
      }
    }
    for _ in 0..<runs { try executor.run() }
  }

  private static func fill(_ bytes: UnsafeMutableRawBufferPointer, _ value: Program.ValueInfo) {
    let philox = Philox(seed: value.name.utf8.reduce(7) { $0 &* 31 &+ Int64($1) })
    for element in 0..<value.type.shape.elementCount {
      let bits = philox.bits(block: element, stream: 0, step: 0)[0]
      if value.type.elementType == .int32 {
        bytes.storeBytes(of: Int32(bits % 10), toByteOffset: 4 * element, as: Int32.self)
      } else {
        var number = value.name == "learningRate" ? 0.01 : Float(bits >> 8) / Float(1 << 23) - 1
        // Optimizers take roots of what they keep.
        if value.name.hasPrefix("optimizer/") { number = abs(number) }
        bytes.storeBytes(of: number, toByteOffset: 4 * element, as: Float.self)
      }
    }
  }

  /// Of an output, a tap or a state.
  func bits(of value: Int) throws -> [UInt8] { try executor.withValue(value) { Array($0) } }
}
