extension Finding {
  /// Whether steps were too large, as far as the rule knows: then a lower learning rate may help (`monitor.action`). A rule of
  /// one's own says so by the cause `divergence`.
  ///
  /// A proof has no part in it: whether there is one depends on time and memory, and the weights of a run do not.
  public var isOfDivergence: Bool {
    let cause = proof?.verdict == .backend ? ruleCause : cause
    return switch rule {
    // What lies in the data, or in a backend as the reference alone has shown, comes again at any rate.
    case NonFinite.name: cause != "input" && cause != "backend"
    case "explodingGradient", "largeUpdates": true
    // Single batches that stand out are the data's.
    case "risingLoss": cause == "rise"
    default: cause == "divergence"
    }
  }
}

extension GradientMonitor.State {
  /// Whether no rule of `isOfDivergence` had seen a first sign yet, in a row of looks that may end in a finding.
  public var isCalm: Bool {
    for rule in ["explodingGradient", "largeUpdates", "risingLoss"] {
      for (key, value) in memories[rule] ?? [:] where !key.hasPrefix("spikes.") {
        if value != 0, key.hasSuffix("streak") || key.hasSuffix("looks") { return false }
      }
    }
    return true
  }
}
