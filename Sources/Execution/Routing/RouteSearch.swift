import SwitchbackBackendKit
public import SwitchbackPrograms

/// Finds by measuring who should run which part of a program: `backend: auto`.
///
/// 1. What a candidate takes must first meet its bound on that very shape (`verify`).
/// 2. Each candidate's whole program is measured, whatever it does not take going to the next: the best is the
///    baseline, and nothing slower is ever chosen.
/// 3. Dynamic programming proposes the cheapest cuts from the segments measured so far and estimates for the others;
///    the proposal is measured in place, as a whole with its fusion, transfers and caches, and the next is made from
///    what that taught, until a proposal holds nothing new or the time is over.
/// 4. The fastest is measured once more, in turns with the baseline, and dropped unless it is faster beyond noise.
public struct RouteSearch {
  /// The links before this one are candidates; the others only take what no candidate does.
  let candidates: Int
  let chain: BackendChain
  let program: Program
  /// Seconds that measuring may take, about.
  let budget: Double
  /// Fills inputs, step values and states of an executor of the program.
  let prepare: (ProgramExecutor) throws -> Void
  /// Why a call's results on a link are not within its bound; nil where they are.
  let verify: (_ call: Int, _ link: Int) throws -> String?
  let clock: () -> Double
  let progress: (String) -> Void

  /// By how much a later backend must be better than an earlier one to count as better.
  static let tie = 0.01

  public init(
    _ program: Program, on chain: BackendChain, candidates: Int, budget: Double,
    clock: @escaping () -> Double = RouteSearch.monotonicSeconds, progress: @escaping (String) -> Void = { _ in },
    prepare: @escaping (ProgramExecutor) throws -> Void, verify: @escaping (_ call: Int, _ link: Int) throws -> String?
  ) {
    (self.program, self.chain, self.candidates, self.budget) = (program.droppingDeadWork(), chain, candidates, budget)
    (self.clock, self.progress, self.prepare, self.verify) = (clock, progress, prepare, verify)
  }

  private static let start = ContinuousClock.now
  /// Of this process.
  public static func monotonicSeconds() -> Double {
    let time = (ContinuousClock.now - start).components
    return Double(time.seconds) + Double(time.attoseconds) * 1e-18
  }

  public func run() throws -> Routing {
    var (allowed, isBound) = try accepted()
    let idle = (0..<candidates).filter { !allowed[$0].contains(true) }.map { chain.links[$0].name }
    // Checking may take as long again as measuring.
    let refusals = try refuse(&allowed, by: clock() + budget)
    let atoms = try atoms(allowed, isBound)
    var race = RouteRace(self, atoms, deadline: clock() + budget)
    var routing = try race.run()
    routing.refusals = refusals
    if !idle.isEmpty, idle.count < candidates {
      routing.verdict +=
        "; \(idle.joined(separator: " and ")) \(idle.count == 1 ? "takes" : "take") no operation of it"
    }
    if !routing.isComplete { routing.verdict += "; not all could be checked within backend.tuning_seconds" }
    return routing
  }

  // MARK: Who may run what

  /// For each link and call whether it is taken, and whether only with the one before.
  private func accepted() throws -> (allowed: [[Bool]], isBound: [[Bool]]) {
    let whole = Segment(program)
    let verdicts = try chain.links.map { try $0.device.query(whole) }
    let isBound = verdicts.map { $0.map { if case .acceptWithPrevious = $0 { true } else { false } } }
    return (verdicts.map { $0.map(\.isAccepted) }, isBound)
  }

  /// Takes away what is wrong, and after `deadline` what could not be checked, but not from the first candidate.
  private func refuse(_ allowed: inout [[Bool]], by deadline: Double) throws -> [Routing.Refusal] {
    let keys = Routing.keys(of: program)
    var refusals: [Routing.Refusal] = []
    for link in 0..<candidates {
      let name = chain.links[link].name
      for call in program.calls.indices where allowed[link][call] {
        progress("auto: checking \(name): \(keys[call])")
        let reason = link > 0 && clock() > deadline ? Routing.Refusal.unchecked : try verify(call, link)
        guard let reason else { continue }
        allowed[link][call] = false
        refusals.append(.init(operation: keys[call], backend: name, reason: reason))
      }
    }
    return refusals
  }

  /// The places where a routing may cut, and who may run what lies between them.
  private func atoms(_ allowed: [[Bool]], _ isBound: [[Bool]]) throws -> RouteAtoms {
    var atoms = RouteAtoms(program)
    for call in program.calls.indices {
      // Only with the one before, so only where that may be run too.
      let able = chain.links.indices.filter {
        allowed[$0][call] && (!isBound[$0][call] || atoms.allowed.last?.contains($0) == true)
      }
      let links = try runners(of: call, among: able)
      atoms.append(call, allowed: links, isBound: links.contains { isBound[$0][call] })
    }
    return atoms
  }

  /// The candidates among those that may run a call, or the first fallback.
  private func runners(of call: Int, among able: [Int]) throws -> [Int] {
    let first = able.prefix { $0 < candidates }
    guard first.isEmpty else { return Array(first) }
    guard let fallback = able.first else {
      throw ExecutionError(
        .unsupported,
        "no backend of the chain runs \(program.calls[call].label), or none rightly. Add reference to "
          + "backend.fallback", label: program.calls[call].label)
    }
    return [fallback]
  }
}
