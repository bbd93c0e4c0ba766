/// Which of a network's weights are used.
public enum ModelWeights: String, Hashable, Sendable, Codable {
  /// Those that the last update left.
  case raw
  /// Their moving average, where training keeps one (`ema_momentum`).
  case averaged
}
