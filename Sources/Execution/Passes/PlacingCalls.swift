import SwitchbackBackendKit
import SwitchbackPrograms

/// Who runs one call, and why those before it in the chain do not.
public struct Placement: Hashable, Sendable {
  /// Index into the chain.
  public var link: Int
  /// The backends that declined, with their reasons.
  public var declined: [String: String]
}

extension BackendChain {
  /// For each call the device that the routing chose, or the first of the chain that accepts it.
  package func place(_ program: Program) throws(ExecutionError) -> [Placement] {
    var answers: [[Verdict]] = []
    for link in links.indices { answers.append(try verdicts(of: link, on: program)) }
    let order = routing?.order(for: program, among: links.map(\.name))
    var placements: [Placement] = []
    for (index, call) in program.calls.enumerated() {
      var declined: [String: String] = [:]
      var chosen: Int?
      for link in order?[index] ?? Array(links.indices) where chosen == nil {
        switch answers[link][index] {
        case .decline(let reason): declined[links[link].name] = reason
        case .accept: chosen = link
        case .acceptWithPrevious:
          if placements.last?.link == link {
            chosen = link
          } else {
            declined[links[link].name] = "only together with the operation before it"
          }
        }
      }
      guard let chosen else {
        let types = call.inputs.map { program.values[$0].type.description }.joined(separator: ", ")
        let reasons = declined.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }.joined(separator: "; ")
        throw ExecutionError(
          .unsupported,
          "no backend of the chain runs \(call.label) of \(types) (\(reasons)). Add one that does to backend.fallback, "
            + "such as reference", label: call.label)
      }
      placements.append(Placement(link: chosen, declined: declined))
    }
    return placements
  }
}
