/// Whether a finding is of the network or of who computes it: what a replay of the step on the Float64 reference, operation
/// by operation, has shown.
public struct Proof: Hashable, Sendable, Codable {
  public enum Verdict: String, Hashable, Sendable, Codable, CaseIterable {
    /// Every operation that was asked is right, and the trouble is there all the same: the network, its data or its
    /// optimizer.
    case network
    /// An operation is wrong.
    case backend
    /// Every operation that was asked is right, and the trouble did not come again; or an operation was wrong once.
    case notReproduced
    case notAsked
  }

  public var verdict: Verdict
  /// How many operations were compared with the reference, and how many were not: too large for it, or behind what is not
  /// finite.
  public var checked: Int?
  public var unchecked: Int?
  /// Of a backend: the wrong operation's label, `layers.2.conv2d/backwardFilter`, its layer, and the backend's name.
  public var operation: String?
  public var path: String?
  public var backend: String?
  /// How far off it is, in units of the operation's error bound (nil: without limit), and how far it may be.
  public var error: Double?
  public var limit: Double?
  /// Of a backend: the file in the run's folder that shows it elsewhere, and the command that runs it there.
  public var file: String?
  public var command: String?
  /// Why nobody asked.
  public var reason: String?
  /// Where steps overlap the next one was under way when the rule spoke: the step that had made the weights of the replay,
  /// whose batch is that of the finding's step. Nil where they are those behind the finding's own step.
  public var weightsOfStep: Int?

  private init(_ verdict: Verdict) { self.verdict = verdict }

  public static func network(checked: Int, unchecked: Int) -> Proof {
    var proof = Proof(.network)
    (proof.checked, proof.unchecked) = (checked, unchecked)
    return proof
  }

  public static func backend(
    _ backend: String, operation: String, path: String, error: Double, limit: Double
  ) -> Proof {
    var proof = Proof(.backend)
    (proof.backend, proof.operation, proof.path, proof.limit) = (backend, operation, path, limit)
    // JSON has no infinity.
    proof.error = error.isFinite ? error : nil
    return proof
  }

  /// Of a step that the reference alone makes right, while no operation was found wrong.
  public static func backend(_ backend: String, checked: Int, unchecked: Int) -> Proof {
    var proof = Proof(.backend)
    (proof.backend, proof.checked, proof.unchecked) = (backend, checked, unchecked)
    return proof
  }

  public static func notReproduced(checked: Int, unchecked: Int) -> Proof {
    var proof = Proof(.notReproduced)
    (proof.checked, proof.unchecked) = (checked, unchecked)
    return proof
  }

  /// Of an operation that was wrong once.
  public static func notReproduced(_ operation: String, path: String, on backend: String) -> Proof {
    var proof = Proof(.notReproduced)
    (proof.operation, proof.path, proof.backend) = (operation, path, backend)
    return proof
  }

  /// Nobody else computes, so there is nobody to blame; a finding says no word of it.
  public static let ofReference = Proof.notAsked("the reference itself computes")

  public static func notAsked(_ reason: String) -> Proof {
    var proof = Proof(.notAsked)
    proof.reason = reason
    return proof
  }

  /// Two sentences or three, behind those of the finding.
  public var words: String {
    guard let weightsOfStep else { return verdictWords }
    return verdictWords
      + " The batch was run again on the weights behind step \(weightsOfStep), which was under way by then."
  }

  private var verdictWords: String {
    let asked =
      counted(checked ?? 0, "operation") + " of it compared with the Float64 reference"
      + ((unchecked ?? 0) > 0 ? ", \(unchecked ?? 0) not" : "")
    switch verdict {
    case .network:
      return
        "The backend is not to blame: it is so again when the step is run again, and nothing in it is wrong (\(asked))."
    case .backend:
      guard let operation else {
        return
          "The backend is to blame, not the network: the reference makes it right, and which operation of "
          + "\(backend ?? "it") is wrong was not found (\(asked))."
      }
      let off =
        error.map { "off by \(shortened($0)) of its error bounds where \(shortened(limit ?? 1)) are allowed" }
        ?? "wrong without limit"
      return
        "The backend is to blame, not the network: \(operation) on \(backend ?? "it") is \(off)."
        + (command.map { " It shows again, here and elsewhere, with the file in the run's folder: \($0)" } ?? "")
    case .notReproduced:
      if let operation, let backend {
        return "Not reproduced: \(operation) on \(backend) was wrong once, and right when the step was run again."
      }
      return "Not reproduced: it was not so when the step was run again, and nothing in it is wrong (\(asked))."
    case .notAsked: return "Whether the backend is to blame was not asked: \(reason ?? "")."
    }
  }

  private func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
}

extension Finding {
  /// Adds what a replay has shown, and what shows it elsewhere. Where it is the backend, that is the cause.
  public mutating func add(_ proof: Proof, _ replay: (file: String, command: String)? = nil) {
    var proof = proof
    (proof.file, proof.command) = (replay?.file, replay?.command)
    self.proof = proof
    switch proof.verdict {
    case .backend:
      (ruleCause, cause) = (cause, "backend")
      // What helps a network does not help here, so it comes behind.
      message = "\(proof.words) What was seen: \(message)"
    case .network, .notReproduced, .notAsked: if proof != .ofReference { message += " " + proof.words }
    }
  }
}
