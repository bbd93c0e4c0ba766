extension Finding {
  /// Whether steps were too large, as far as anybody knows: then a lower learning rate may help (`monitor.action`). A rule of
  /// one's own says so by the cause `divergence`.
  public var isOfDivergence: Bool {
    guard proof?.verdict != .backend else { return false }
    return switch rule {
    // What lies in the data comes again at any rate.
    case NonFinite.name: cause != "input"
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
