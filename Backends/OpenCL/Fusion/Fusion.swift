import SwitchbackBackendKit
import SwitchbackPrograms

/// Calls of a segment that become one piece of work.
struct FusedCalls {
  /// In their order; they need not be neighbours.
  var calls: [Int]
  var work: Work
  /// Results between the calls that are not written.
  var elided: Set<Int> = []
}

/// Chains that the kernels compute at once. A pattern has a file of its own in this folder, with its graph drawn above it.
protocol FusionPattern: Sendable {
  /// The chain that begins with call `first`; nil where there is none. Whether the first call is computed here at all is
  /// asked of its `WorkMaker.refusal`: operations with patterns decline nothing themselves.
  static func match(_ first: Int, in fusion: Fusion) -> FusedCalls?
}

/// Turns a segment's calls into works: patterns first, the rest call by call.
struct Fusion {
  /// Asked in this order.
  static let patterns: [any FusionPattern.Type] = [ProductBiasActivation.self, MaxPoolBackwardGate.self]

  let segment: Segment
  let traits: DeviceTraits
  let uses: ValueUses

  init(_ segment: Segment, traits: DeviceTraits) {
    (self.segment, self.traits) = (segment, traits)
    uses = ValueUses(segment)
  }

  func maker(_ call: Int) -> WorkMaker { WorkMaker(segment: segment, call: segment.calls[call], traits: traits) }

  /// The works in an order in which they can run. Calls of `free` need none.
  func works(free: Set<Int>) throws(BackendError) -> [FusedCalls] {
    var groups = CallGroups(segment)
    // By the first call of each.
    var fused: [Int: FusedCalls] = [:]
    for call in segment.calls.indices where !free.contains(call) {
      for pattern in Self.patterns {
        guard let match = pattern.match(call, in: self), groups.join([match.calls]) else { continue }
        fused[match.calls[0]] = match
        break
      }
    }
    var works: [FusedCalls] = []
    for group in groups.order {
      if let match = fused[group[0]] {
        works.append(match)
      } else {
        works.append(FusedCalls(calls: group, work: free.contains(group[0]) ? Work([]) : try work(of: group[0])))
      }
    }
    return works
  }

  private func work(of call: Int) throws(BackendError) -> Work {
    switch maker(call).make() {
    case .success(let work): return work
    case .failure(let declined): throw BackendError(.unsupported, declined.reason, operation: call)
    }
  }
}
