import SwitchbackABI
import SwitchbackBackendKit

extension ContractCase {
  static let profileFaults: [ContractCase] = [
    .check("times of groups are at most the run's, and change no bits") { environment in
      let device = try RawDevice(environment, host: try environment.host())
      var isMeasured = false
      for subject in try environment.subjects(onePerOperation: true) {
        environment.say(subject.label)
        let expected = try plainResults(subject, device)
        let executable = try RawExecutable(subject.segment, on: device)
        var faults: [String] = []
        // The first run sets libraries up, and one may be interrupted.
        for _ in 0..<5 {
          let times = try GroupTimes(of: executable, subject)
          try expectSame(executable.results(), expected, subject, "where the times of its groups are asked for")
          guard times.isIntact else {
            throw ContractFault(
              "\(subject.label) writes behind the times of its groups, of which it has \(executable.groupCount)")
          }
          isMeasured = isMeasured || times.groups.contains { $0 != 0 }
          guard let fault = times.fault else { break }
          faults.append(fault)
        }
        if faults.count == 5 { throw ContractFault("\(subject.label): \(faults[4])") }
      }
      guard isMeasured else { throw ContractDeclined("not verified: the backend measures no groups") }
    }
  ]
}

/// What a run says of its groups, in microseconds, and the host's clock of it.
private struct GroupTimes {
  var groups: [Double]
  var wall: Double
  /// Whether only these were written.
  var isIntact: Bool

  init(of executable: RawExecutable, _ subject: ContractSubject) throws {
    let (count, behind) = (executable.groupCount, -7.0)
    var times = [Double](repeating: 0, count: count) + [Double](repeating: behind, count: 8)
    executable.fill(subject.operands)
    let clock = ContinuousClock()
    let start = clock.now
    try times.withUnsafeMutableBufferPointer { try executable.run(times: $0.baseAddress) }
    wall = (clock.now - start) / .microseconds(1)
    isIntact = times[count...].allSatisfy { $0 == behind }
    groups = Array(times[..<count])
  }

  /// Clocks of devices may differ from the host's by a little.
  var fault: String? {
    if let wrong = groups.first(where: { !$0.isFinite || $0 < -1 }) { return "the time of a group is \(wrong) µs" }
    let sum = groups.reduce(0, +)
    guard sum > 1.1 * wall + 100 else { return nil }
    return "the times of its groups are \(Int(sum)) µs together, and the run took \(Int(wall)) µs"
  }
}
