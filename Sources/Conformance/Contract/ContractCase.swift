public import SwitchbackBackendKit
import SwitchbackExecution
import SwitchbackPrograms

/// One rule of `switchback_backend.h`, tried on a backend from the outside: with descriptions that cannot be, records
/// that are too small or too large, a host that has nothing to give.
///
/// A backend that breaks a rule may well crash, so each case belongs into a process of its own with a time limit.
public struct ContractCase: Sendable {
  public let name: String
  /// The case is run in two processes, whose notes must agree.
  public let needsTwoProcesses: Bool
  private let body: @Sendable (ContractEnvironment) throws -> [String]

  init(
    _ name: String, needsTwoProcesses: Bool = false,
    _ body: @escaping @Sendable (ContractEnvironment) throws -> [String]
  ) {
    (self.name, self.needsTwoProcesses, self.body) = (name, needsTwoProcesses, body)
  }

  /// A case that has nothing to compare with other processes.
  static func check(
    _ name: String, _ body: @escaping @Sendable (ContractEnvironment) throws -> Void
  ) -> ContractCase {
    ContractCase(name) {
      try body($0)
      return []
    }
  }

  public static let all: [ContractCase] =
    [loading] + descriptionFaults + recordFaults + memoryFaults + hostFaults + processFaults + profileFaults

  public enum Outcome: Sendable {
    /// With notes for `disagreement`.
    case passed([String])
    case declined(String)
    case failed(String)
  }

  public func run(_ environment: ContractEnvironment) -> Outcome {
    do {
      return .passed(try body(environment))
    } catch let declined as ContractDeclined {
      return .declined(declined.reason)
    } catch {
      return .failed("\(error)")
    }
  }

  /// A note is `KEY FINGERPRINT BITS`: in which two processes the same key and fingerprint gave other bits.
  public static func disagreement(_ first: [String], _ second: [String]) -> String? {
    func parts(_ note: String) -> (plan: Substring, bits: Substring) {
      let end = note.lastIndex(of: " ") ?? note.endIndex
      return (note[..<end], note[end...])
    }
    let known = Dictionary(first.map(parts).map { ($0.plan, $0.bits) }) { a, _ in a }
    let other = second.map(parts).first { known[$0.plan] != nil && known[$0.plan] != $0.bits }
    return other.map { "\($0.plan): the same fingerprint gave other bits in another process" }
  }
}

/// A rule that a backend broke, in words.
struct ContractFault: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }
}

/// There was nothing to ask, for this reason.
struct ContractDeclined: Error {
  var reason: String
  init(_ reason: String) { self.reason = reason }
}

/// What a case works with.
public struct ContractEnvironment {
  /// The backend behind the C contract, also where it is a Swift type that is linked in.
  let backend: LoadedBackend
  /// Whether it is such a type: of those the contract's memory rules do not speak.
  let isLinkedIn: Bool
  /// The device that is asked, and with which options it is opened.
  let device: Int
  let options: [String: String]
  /// Judges in Float64.
  private let reference: any ComputeBackend
  let workers: Int
  let isQuick: Bool
  /// Whole training steps, with the numbers of their operands.
  let programs: [ReplayFile]
  /// Hears what is about to be asked, so that a crash can be told by name.
  let say: (String) -> Void

  public init(
    _ backend: any ComputeBackend, options: [String: String] = [:], reference: any ComputeBackend, workers: Int,
    isQuick: Bool, programs: [ReplayFile], say: @escaping (String) -> Void
  ) throws(BackendError) {
    isLinkedIn = !(backend is LoadedBackend)
    if let loaded = backend as? LoadedBackend {
      self.backend = loaded
    } else {
      self.backend = try LoadedBackend(table: exportBackend(backend))
    }
    // The chain's own words, not the backend's.
    var options = options
    options["trust"] = nil
    let choice = options.removeValue(forKey: "device")
    device = try choice.map { (word) throws(BackendError) in try backend.deviceIndex(chosenBy: word) } ?? 0
    (self.options, self.reference, self.workers) = (options, reference, workers)
    (self.isQuick, self.programs, self.say) = (isQuick, programs, say)
  }

  func host(workers: Int? = nil) throws -> HostServices { try HostServices(workers: workers ?? self.workers) }

  func chain(_ host: HostServices) throws -> BackendChain {
    BackendChain([try link(backend, device, options, host)], host: host)
  }
  func referenceChain() throws -> BackendChain {
    let host = try host()
    return BackendChain([try link(reference, 0, [:], host)], host: host)
  }

  /// What the backend declines runs on the reference: for programs of which it takes only a part.
  func chainWithReference() throws -> BackendChain {
    let host = try host()
    return BackendChain([try link(backend, device, options, host), try link(reference, 0, [:], host)], host: host)
  }

  private func link(
    _ backend: any ComputeBackend, _ device: Int, _ options: [String: String], _ host: HostServices
  ) throws -> BackendChain.Link {
    .init(name: backend.identity.name, device: try backend.open(device: device, options: options, host: host))
  }

  /// The samples that the backend takes: all, in a quick run three an operation (its first, middle and last), or one: the
  /// first of some numbers, since of a single one a wrong result may look like the right one.
  /// Large samples, and those that are there for their numbers alone, stay with their operations: rules of the contract
  /// ask each sample up to thousands of times.
  func subjects(onePerOperation: Bool = false) throws -> [ContractSubject] {
    let most = onePerOperation ? 1 : isQuick ? 3 : Int.max
    let device = try backend.open(device: self.device, options: options, host: try host())
    var subjects: [ContractSubject] = []
    for entry in OperationCatalog.standard.entries {
      var taken: [ContractSubject] = []
      for (index, sample) in entry.askedSamples(areQuick: true).enumerated() where sample.isForContract {
        let subject = try ContractSubject("\(entry.name) \(index)", sample)
        guard try device.query(subject.segment)[0].isAccepted else { continue }
        guard onePerOperation else {
          taken.append(subject)
          continue
        }
        taken = [subject]
        if sample.inputs.contains(where: { $0.shape.elementCount >= 4 }) { break }
      }
      subjects += taken.count <= most ? taken : (0..<most).map { taken[$0 * (taken.count - 1) / (most - 1)] }
    }
    guard !subjects.isEmpty else { throw ContractDeclined("the backend takes no operation of the catalogue") }
    return subjects
  }

  /// The same, but one an operation in a quick run on a device with memory of its own, whose drivers compile each for a
  /// while.
  func someSubjects() throws -> [ContractSubject] {
    let info = try backend.open(device: device, options: options, host: try host()).info
    return try subjects(onePerOperation: isQuick && info.hasPrivateMemory)
  }
}

/// A small case of one operation that the backend takes.
struct ContractSubject {
  /// The operation and the number of its sample.
  let label: String
  let sample: OperationSample
  let program: Program
  let segment: Segment
  /// By value number, as many as the sample has operands.
  let operands: [[Double]]

  init(_ label: String, _ sample: OperationSample, seed: Int64 = 1) throws {
    (self.label, self.sample, program) = (label, sample, try sample.program())
    segment = Segment(program)
    operands = SampleValues(sample, seed: seed).operands
  }

  /// The operands by the names that the program has for them.
  var values: [String: [Double]] {
    Dictionary(uniqueKeysWithValues: operands.enumerated().map { ("x\($0)", $1) })
  }
}

extension ContractCase {
  /// The least that must be right before anything else can be asked.
  /// Its notes are the devices and what is taken.
  public static let loading = ContractCase("opens, takes something, computes it") { environment in
    environment.say("asking for devices")
    let devices = try environment.backend.devices()
    environment.say("opening device 0")
    let subjects = try environment.subjects(onePerOperation: true)
    environment.say("compiling and running \(subjects[0].label)")
    let chain = try environment.chain(try environment.host())
    _ = try ProgramEvaluation(subjects[0].program, subjects[0].values, on: chain)
    let taken = "takes \(subjects.count) of \(OperationCatalog.standard.entries.count) operations"
    return devices.map { "\($0.name)\($0.driver.isEmpty ? "" : " · \($0.driver)")" } + [taken]
  }
}
